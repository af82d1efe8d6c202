"""Ctrl-C and SIGTERM: the first signal requests an orderly stop after the current step, the second stops at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TOGETHER = 1.0
"""Seconds within which several signals count as one: a batch system sends its signal to all processes of a job, and a
comparison, which gets it too, then stops its runs itself."""
GRACE = 2.0
"""Seconds a process has to clean up before further signals count."""


class Interruption:
    """Catch signals inside the context and restore the previous handlers afterwards.

    Calling the object returns whether to stop: always False outside the main thread, where handlers cannot be set.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._at = 0.0
        self._stop = Stop()
        self._former: dict[int, Any] = {}

    def __call__(self) -> bool:
        return self.signal is not None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        _restore(self._former)
        self._former = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal, self._at = number, time.monotonic()
        elif time.monotonic() - self._at > TOGETHER:
            self._stop(number)


@contextmanager
def termination_as_exit() -> Iterator[None]:
    """Make SIGTERM raise an exception, as SIGINT already does, so that temporary files are removed."""
    former: dict[int, Any] = {}
    stop = Stop()

    def _termination(number: int, frame: FrameType | None) -> None:
        stop(number)

    if threading.current_thread() is threading.main_thread():
        former = {signal.SIGTERM: signal.signal(signal.SIGTERM, _termination)}
    try:
        yield
    finally:
        _restore(former)


def _restore(former: Mapping[int, Any]) -> None:
    for number, handler in former.items():
        if handler is not None:  # None: the handler was not set from Python, so Python cannot restore it
            signal.signal(number, handler)


class Stop:
    """End the program as the default handling of a signal would, but by an exception, so that temporary files are
    removed.

    Further signals within the grace period are ignored: they would interrupt the clean-up.
    """

    def __init__(self) -> None:
        self._at = -GRACE

    def __call__(self, number: int) -> None:
        if time.monotonic() - self._at < GRACE:
            return
        self._at = time.monotonic()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)
