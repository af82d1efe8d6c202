"""Progress of a piece of work, reported to a listener: a live display, a comparison, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Listener = Callable[[str, float | None], None]
"""Called with a description of the work, and the share that is done, 0 to 1, or None if unknown."""
Item = TypeVar("Item")
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report(doing: str, share: float | None = None) -> None:
    """Report a description of the work, and the share of it that is done."""
    if (listener := _listener.get()) is not None:
        listener(doing, share)


def counted(
    items: Iterable[Item], total: int, doing: str, size: Callable[[Item], int] = lambda item: 1
) -> Iterator[Item]:
    """Yield the items, reporting the share of `total` done before each; `size` returns an item's amount."""
    done = 0
    for item in items:
        report(doing, min(1.0, done / max(1, total)))
        yield item
        done += size(item)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Send all reports inside this context to `listener`, instead of an outer one."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def is_heard() -> bool:
    """Return whether there is a listener."""
    return _listener.get() is not None
