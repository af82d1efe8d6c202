"""Pass the events of training on to trackers, none of which can stop, slow down or change a run.

Each tracker runs in a separate thread, which imports its package and calls it, so a server that does not answer never
blocks the training. The first error of a tracker is logged, and that tracker is not used again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any, ClassVar, Protocol, TypeVar

from lstmctl.config.wording import shortened
from lstmctl.errors import UsageError
from lstmctl.events import Ended, Evaluated, Opened, RunEnded, RunEvent, Sampled, Started, Stepped
from lstmctl.registry import TRACKERS
from lstmctl.words import near

log = logging.getLogger(__name__)

GRACE = 15.0
"""Seconds that the end of a command waits for its trackers."""
LONGEST_REASON = 160
AnyEvent = TypeVar("AnyEvent")


@dataclass(frozen=True)
class TrackedRun:
    """Information about a run for the trackers that open it."""

    path: Path
    step: int
    """Steps made so far; anything that an earlier session logged after this step is logged again."""
    config: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The run's name, prefixed with the name of its comparison, if it belongs to one."""
        is_part = self.facts.get("arm") is not None
        return f"{self.path.parent.name}-{self.path.name}" if is_part else self.path.name

    @property
    def id(self) -> str:
        """A unique name, which stays the same when the run is resumed."""
        return f"{self.name}-{sha256(str(self.facts.get('started')).encode()).hexdigest()[:8]}"

    def described(self) -> dict[str, str | float | bool]:
        """The config and the facts worth logging, as plain values by dotted key."""
        data = self.facts.get("data")
        sha = data.get("sha256") if isinstance(data, Mapping) else None
        names = ("command", "parameters", "steps", "device_name", "precision", "threads", "platform")
        facts = {"run": self.id, "data.sha256": sha, **{name: self.facts.get(name) for name in names}}
        return {
            key: value if isinstance(value, str | int | float) else str(value)
            for key, value in {**self.config, **facts}.items()
            if value is not None
        }


class Tracker(Protocol):
    """One run in one tracker. Any method may raise any error: the tracker is then closed."""

    package: ClassVar[str]
    """Name of the package that it needs."""

    def __init__(self, where: str, run: TrackedRun) -> None:
        """Open a run, or continue the one with the same `id`; `where` is the text after the tracker's name."""

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Log numbers by name: `training/loss`."""

    def text(self, step: int, name: str, text: str) -> None:
        """Log a text."""

    def plot(self, step: int, path: Path) -> None:
        """Log a PNG file."""

    def close(self, status: str) -> None:
        """End the run: `finished`, `interrupted` or `failed`."""


def check_trackers(wanted: Sequence[str]) -> None:
    """Raise UsageError if a tracker is unknown or its package is missing."""
    for text in wanted:
        name = text.partition(":")[0]
        if name not in TRACKERS:
            raise UsageError(f"--track {text}: use one of {', '.join(TRACKERS)}", hint=near(name, TRACKERS) or None)
        package = _class_of(name).package
        if find_spec(package) is None:
            extra = "pip install 'lstmctl[track]'" if name == "tensorboard" else f"pip install {package}"
            raise UsageError(f"--track {text} needs the package {package}, which is not installed", hint=extra)


def _class_of(name: str) -> type[Tracker]:
    module, _, class_name = TRACKERS[name].partition(":")
    found: type[Tracker] = getattr(import_module(module), class_name)
    return found


@contextmanager
def tracked(wanted: Sequence[str], observe: Callable[[AnyEvent], None]) -> Iterator[Callable[[AnyEvent], None]]:
    """Yield an observer that passes events on to `observe`, and then to each tracker.

    Args:
        wanted: `NAME` or `NAME:WHERE` for each tracker.
        observe: the observer of a run or of a comparison.

    Raises:
        UsageError: a tracker is unknown or its package is missing.
    """
    check_trackers(wanted)
    if not wanted:
        yield observe
        return
    listeners = [_Listener(text) for text in dict.fromkeys(wanted)]

    def tell(event: AnyEvent) -> None:
        observe(event)
        for listener in listeners:
            listener.hear(event)

    try:
        yield tell
    finally:
        end = time.monotonic() + GRACE
        for listener in listeners:
            listener.close(end)


class _Listener:
    """One tracker, in a separate thread."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.name, _, self.where = text.partition(":")
        self._events: SimpleQueue[object] = SimpleQueue()
        self._runs: dict[str, _Logged] = {}
        """Open runs by their name in a comparison; "" for a single run."""
        self._is_late = False
        self._thread = threading.Thread(target=self._work, name=f"track-{self.name}", daemon=True)
        self._thread.start()

    def hear(self, event: object) -> None:
        """Queue an event, without waiting."""
        if self._thread.is_alive():
            self._events.put(event)

    def close(self, end: float) -> None:
        """Wait until everything is logged, but not beyond `end` on the monotonic clock."""
        self._events.put(None)
        self._thread.join(max(0.0, end - time.monotonic()))
        if self._thread.is_alive():
            self._is_late = True
            log.warning("--track %s did not finish in time; the run's metrics.jsonl is complete", self.text)

    def _work(self) -> None:
        try:
            while (event := self._events.get()) is not None:
                self._take(event)
            for run in self._runs.values():
                run.tracker.close("failed")
        except Exception as error:
            reason = shortened((str(error).splitlines() or [""])[0], LONGEST_REASON)
            if not self._is_late:
                log.warning("--track %s failed and is off from now on: %s: %s", self.text, type(error).__name__, reason)
            for run in self._runs.values():
                with suppress(Exception):
                    run.tracker.close("failed")

    def _take(self, event: object) -> None:
        match event:
            case RunEvent():
                self._log(event.run, event.event)
            case RunEnded() if event.run in self._runs:  # diverged, or its process was lost
                self._runs.pop(event.run).tracker.close("failed")
            case _:
                self._log("", event)

    def _log(self, name: str, event: object) -> None:
        if isinstance(event, Opened):
            run = TrackedRun(event.path, event.step, event.config, event.facts)
            if name in self._runs:  # its process was lost, and another one continues it
                self._runs.pop(name).tracker.close("interrupted")
            self._runs[name] = _Logged(_class_of(self.name)(self.where, run))
        elif name in self._runs:
            self._runs[name].log(event)
            if isinstance(event, Ended):
                self._runs.pop(name).tracker.close(event.status)


class _Logged:
    """Turns the events of a run into numbers, texts and plots."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self._last: Stepped | None = None

    def log(self, event: object) -> None:
        match event:
            case Started():
                self._last = None
            case Stepped():
                values = {
                    "training/loss": event.loss,
                    "training/learning_rate": event.learning_rate,
                    "training/gradient_norm": event.gradient_norm,
                    "training/units": event.units,
                    "training/seconds": event.seconds,
                }
                if (last := self._last) is not None and event.seconds > last.seconds:
                    values["training/units_per_second"] = (event.units - last.units) / (event.seconds - last.seconds)
                self._last = event
                self.tracker.numbers(event.step, values)
            case Evaluated():
                self.tracker.numbers(event.step, _named("validation", event.metrics))
            case Sampled():
                self.tracker.text(event.step, "sample", event.text)
            case Ended():
                for part, metrics in event.metrics.items():
                    self.tracker.numbers(event.step, _named(f"final/{part}", metrics or {}))
                for path in sorted((event.path / "plots").glob("*.png")):
                    self.tracker.plot(event.step, path)


def _named(part: str, metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {f"{part}/{name}": value for name, value in metrics.items() if value is not None and math.isfinite(value)}
