"""Training as it happens: a live display in a terminal, one plain line per evaluation elsewhere."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from lstmctl.events import Concluding, Decided, Evaluated, Event, Finished, Sampled, Started, Stepped
from lstmctl.metrics import metric
from lstmctl.reporting.console import inert, write_line
from lstmctl.reporting.display import Display, bar_line
from lstmctl.reporting.quantities import (
    count,
    duration,
    figure,
    fitted_course,
    is_course,
    short_count,
    sparkline,
)

RATE_REPORTS = 20
"""The rate is measured over this many reports, so that it follows a machine that slows down."""
LOSS_MEMORY = 0.9
LOSSES_KEPT = 2048
LONGEST_SPARKLINE = 60
LONGEST_SAMPLE = 240
"""Characters of a sample of text."""
MOST_CHANNELS = 8
"""Channels of a sample of a series."""
PANEL_BORDERS = 4
"""Columns of a panel's borders and their padding."""
ENDINGS = {"budget": "done", "patience": "stopped early", "interrupted": "interrupted"}
SECONDS_OF_SILENCE = 10.0
"""Time after the last step before a line on a stream that is not a terminal explains the wait."""


class TrainingProgress:
    """The state of a training run, accumulated from the events of this session; independent of any display."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.step = self.steps = 0
        self.unit = "units"
        self.loss: float | None = None
        self.losses: list[float] = []
        self.stepped: Stepped | None = None
        self.evaluated: Evaluated | None = None
        self.best: Evaluated | None = None
        self.sample: Sampled | None = None
        self.finished: Finished | None = None
        self.concluding: Concluding | None = None
        self.concluding_since = 0.0
        self._total = self._weight = 0.0
        self._measured: deque[tuple[int, float]] = deque(maxlen=RATE_REPORTS + 1)
        self._first_step = 0
        self._created = self._began = self._last = clock()

    def take(self, event: Event) -> None:
        """Add one event."""
        match event:
            case Started():
                self.step = self._first_step = event.step
                self.steps, self.unit = event.steps, event.unit
                self._began = self._last = self.clock()
                if event.step == 0:
                    # The training time of a resumed run is unknown: there, the first report is the origin.
                    self._measured.append((0, 0.0))
            case Stepped():
                self._reached(event.step)
                self.stepped = event
                self._measured.append((event.units, event.seconds))
                if math.isfinite(event.loss):
                    self._add_loss(event.loss)
            case Evaluated():
                self._reached(event.step)
                self.evaluated = event
                if event.best:
                    self.best = event
            case Sampled():
                self._reached(event.step)
                self.sample = event
            case Finished():
                self.finished = event
            case Concluding():
                if self.concluding is None or self.concluding.doing != event.doing:
                    self.concluding_since = self.clock()
                self.concluding = event

    @property
    def rate(self) -> float | None:
        """Units per second of training in the last reports of this session; None before two are known."""
        if len(self._measured) < 2:
            return None
        (units, seconds), (later_units, later_seconds) = self._measured[0], self._measured[-1]
        return (later_units - units) / (later_seconds - seconds) if later_seconds > seconds else None

    @property
    def pace(self) -> float | None:
        """Seconds per step in this session, including its evaluations; None before its first report."""
        made = self.step - self._first_step
        return (self._last - self._began) / made if made > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the last step at that pace; None if unknown."""
        if self.finished is not None or (self.steps and self.step >= self.steps):
            return 0.0
        pace = self.pace
        return None if pace is None else max(0.0, pace * (self.steps - self.step) - (self.clock() - self._last))

    @property
    def seconds_in_all(self) -> float | None:
        """Seconds from the preparation to the end if this session had made the whole run; None if unknown."""
        pace, left = self.pace, self.seconds_left
        if left is None or (pace is None and self._first_step):
            return None
        return self.clock() - self._created + left + (pace or 0.0) * self._first_step

    @property
    def share(self) -> float:
        """The share of the steps that are done, 0 to 1."""
        return min(1.0, self.step / self.steps) if self.steps else 0.0

    def _add_loss(self, loss: float) -> None:
        self._total = LOSS_MEMORY * self._total + loss
        self._weight = LOSS_MEMORY * self._weight + 1
        self.loss = self._total / self._weight
        self.losses.append(loss)
        if len(self.losses) > LOSSES_KEPT:
            self.losses = [(a + b) / 2 for a, b in zip(self.losses[::2], self.losses[1::2], strict=False)]

    def _reached(self, step: int) -> None:
        self.step, self._last = step, self.clock()


class TrainingDisplay(Display):
    """Show a training run while it goes; call it with every event, inside its `with` block.

    In a terminal the display is redrawn in place. Elsewhere each evaluation is one plain line.

    Args:
        stream: the output stream; stderr by default.
        quiet: show nothing at all.
        clock: returns seconds, from any origin.
    """

    def __init__(
        self, stream: TextIO | None = None, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(stream, quiet=quiet)
        self.progress = TrainingProgress(clock)
        self._said: tuple[float, float, str] | None = None
        """When the work after the last step began, when a line about it was last written, and what is being done."""

    def __call__(self, event: Event) -> None:
        """Add one event of the run."""
        self.progress.take(event)
        self.refresh()
        if self.quiet or self.live is not None:
            return
        if isinstance(event, Decided):
            self.write_lines(event.lines)
        elif self.live is not None:
            return
        elif isinstance(event, Evaluated):
            write_line(self.plain_line(event), self.stream)
        elif isinstance(event, Concluding):
            self._say(event)

    def _say(self, event: Concluding) -> None:
        """Write a line for each part of the work after the last step that takes long, and lines with its progress."""
        now = self.progress.clock()
        began, said, doing = self._said or (now, now, event.doing)
        is_slow = now - began >= SECONDS_OF_SILENCE
        if is_slow and (event.doing != doing or now - said >= SECONDS_OF_SILENCE):
            write_line(event.doing + ("" if not event.share else f": {int(100 * event.share)} %"), self.stream)
            said = now
        self._said = (began, said, event.doing)

    def plain_line(self, event: Evaluated) -> str:
        """Return an evaluation as one line without colour or cursor movements."""
        now = self.progress
        parts = [f"step {event.step}/{now.steps}  {int(now.share * 100)} %"]
        if now.loss is not None:
            parts.append(f"loss {figure(now.loss)}")
        name, value = first_metric(event)
        parts.append(f"validation {figure(value)} {metric(name).words}" + (" (best)" if event.best else ""))
        if now.rate is not None:
            rate = count(now.rate) if now.rate >= 10 else short_count(now.rate)
            parts.append(f"{rate} {now.unit}/s")
        if now.seconds_left is not None:
            parts.append(f"{duration(now.seconds_left)} left")
        return inert("  ".join(parts))

    def picture(self) -> Group:
        now = self.progress
        if not now.steps:
            return Group(Text("preparing", style="dim"))
        parts: list[RenderableType] = [self._bar()]
        if (concluding := now.concluding) is not None:
            elapsed = now.clock() - now.concluding_since
            parts.append(conclusion(concluding, self.shown(concluding.doing), elapsed))
        parts.append(Columns(self._facts(), padding=(0, 3)))
        if now.losses:
            ascii_only = self.console.options.ascii_only
            losses = sparkline(now.losses, min(self.width, LONGEST_SPARKLINE), ascii_only=ascii_only)
            parts.append(Text(losses, style="cyan"))
        sample = now.sample  # read once: rich draws from its own thread
        if sample is not None:
            title = f"sample at step {count(sample.step)}"
            parts.append(Panel(self._sample(sample.text), title=title, title_align="left", border_style="dim"))
        return Group(*parts)

    def settle(self) -> None:
        self.progress.sample = self.progress.concluding = None  # what stays on the screen is the outcome

    def _bar(self) -> RenderableType:
        now = self.progress
        left = now.seconds_left
        ending = "" if left is None else f"{duration(left)} left"
        if now.finished is not None:
            ending = ENDINGS[now.finished.reason]
        return bar_line(Text(f"step {count(now.step)}/{count(now.steps)}", style="bold"), now.share, ending)

    def _facts(self) -> list[Text]:
        now = self.progress
        facts: list[Text] = []

        def fact(name: str, value: str, style: str = "", mark: str = "") -> None:
            facts.append(Text.assemble((f"{name} ", "dim"), (value, style), (mark, "green")))

        if now.loss is not None:
            fact("loss", figure(now.loss), "bold")
        evaluated, best, stepped = now.evaluated, now.best, now.stepped
        if evaluated is not None:
            name, value = first_metric(evaluated)
            mark = " (best)" if evaluated.best else ""
            fact("validation", f"{figure(value)} {metric(name).words}", "bold", mark)
        if best is not None and best is not evaluated:
            fact("best", f"{figure(first_metric(best)[1])} at step {count(best.step)}", "green")
        if now.rate is not None:
            facts.append(Text(f"{short_count(now.rate)} {now.unit}/s"))
        if stepped is not None:
            fact("learning rate", f"{stepped.learning_rate:.3g}")
            fact("gradient norm", f"{stepped.gradient_norm:.3g}")
        return facts

    def _sample(self, text: str) -> Text:
        """Return a sample of text on a few lines, or one line per channel of a series."""
        if not is_course(text):
            return Text(self.shown(" ".join(text.split())[:LONGEST_SAMPLE]), style="dim italic")
        ascii_only = self.console.options.ascii_only
        channels = text.strip("\n").split("\n")
        lines = [
            self.shown(fitted_course(inert(line), self.width - PANEL_BORDERS, ascii_only=ascii_only))
            for line in channels[:MOST_CHANNELS]
        ]
        if len(channels) > MOST_CHANNELS:
            lines.append(f"and {count(len(channels) - MOST_CHANNELS)} more")
        return Text("\n".join(lines), style="cyan", no_wrap=True)


def conclusion(concluding: Concluding, doing: str, seconds: float) -> RenderableType:
    """Return one line: what is being done, how far that is if known, and since when."""
    if concluding.share is None:
        return Text(f"{doing}  {duration(seconds)}", style="bold")
    return bar_line(Text(doing, style="bold"), concluding.share, duration(seconds))


def first_metric(event: Evaluated) -> tuple[str, float]:
    """Return the name and value of the first metric of an evaluation."""
    return next(iter(event.metrics.items()))
