"""Training as it happens: a live display in a terminal, one plain line per evaluation elsewhere."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from lstmctl.records import Concluding, Evaluated, Event, Finished, Sampled, Started, Stepped
from lstmctl.reporting.console import encodable, inert, write_line
from lstmctl.reporting.display import Display, bar
from lstmctl.reporting.quantities import (
    count,
    duration,
    figure,
    fitted_course,
    is_course,
    metric_words,
    short_count,
    sparkline,
)

if TYPE_CHECKING:
    from rich.text import Text

RATE_REPORTS = 20
"""The rate is that of so many reports, so that it follows a machine that slows down."""
LOSS_MEMORY = 0.9
LOSSES_KEPT = 2048
SAMPLE_LINES = 3
ROWS_LEFT_FREE = 4
"""Of a terminal, under a sample of several lines."""
ROWS_WITHOUT_SAMPLE = 12
"""Below so many rows of a terminal no sample is shown."""
SECONDS_OF_SILENCE = 10.0
"""After the last step, before a stream that is not a terminal is told what takes so long."""


class Progress:
    """What the events of this session add up to; knows nothing of how it is shown."""

    def __init__(self, primary: str | None, clock: Callable[[], float]) -> None:
        self.primary, self.clock = primary, clock
        self.step = self.steps = 0
        self.unit = "units"
        self.loss: float | None = None
        self.losses: list[float] = []
        self.learning_rate: float | None = None
        self.gradient_norm: float | None = None
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
                    # A run that goes on does not say how long it has trained: there, the first report is the origin.
                    self._measured.append((0, 0.0))
            case Stepped():
                self._stepped(event)
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
        """Seconds per step in this session, its evaluations among them; None before its first report."""
        made = self.step - self._first_step
        return (self._last - self._began) / made if made > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Until the last step, at that pace; None where it is not known."""
        if self.finished is not None or (self.steps and self.step >= self.steps):
            return 0.0
        pace = self.pace
        return None if pace is None else max(0.0, pace * (self.steps - self.step) - (self.clock() - self._last))

    @property
    def seconds_in_all(self) -> float | None:
        """From the preparation to the end, had the whole run been made in this session; None where not known."""
        pace, left = self.pace, self.seconds_left
        if left is None or (pace is None and self._first_step):
            return None
        return self.clock() - self._created + left + (pace or 0.0) * self._first_step

    @property
    def share(self) -> float:
        """Of the steps that are made, 0 to 1."""
        return min(1.0, self.step / self.steps) if self.steps else 0.0

    def primary_of(self, event: Evaluated) -> tuple[str, float] | None:
        """The name and value of the figure that decides, or None where nothing was scored."""
        name = self.primary if self.primary in event.metrics else next(iter(event.metrics), None)
        return None if name is None else (name, event.metrics[name])

    def _stepped(self, event: Stepped) -> None:
        self._reached(event.step)
        self.learning_rate, self.gradient_norm = event.learning_rate, event.gradient_norm
        self._measured.append((event.units, event.seconds))
        if math.isfinite(event.loss):
            self._total = LOSS_MEMORY * self._total + event.loss
            self._weight = LOSS_MEMORY * self._weight + 1
            self.losses.append(event.loss)
            self.loss = self._total / self._weight
        if len(self.losses) > LOSSES_KEPT:
            self.losses = [(a + b) / 2 for a, b in zip(self.losses[::2], self.losses[1::2], strict=False)]

    def _reached(self, step: int) -> None:
        self.step, self._last = step, self.clock()


class TrainingDisplay(Display):
    """Shows a training run while it goes; call it with every event, inside its `with` block.

    In a terminal the display is redrawn in place. Elsewhere each evaluation is one plain line. Nothing it does can fail
    the training: a stream that is closed or lacks a character is put up with.

    Args:
        stream: where to; stderr by default.
        quiet: show nothing at all.
        primary: the metric to show of an evaluation; its first by default.
        title: what is trained, such as the run's name.
        clock: seconds, from any origin.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        primary: str | None = None,
        title: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream, quiet=quiet)
        self.title = title
        self.progress = Progress(primary, clock)
        self._said: tuple[float, float, str] | None = None
        """When the work after the last step began, when a line about it was written last, and what is done."""

    def __call__(self, event: Event) -> None:
        """Take in one event of the run."""
        self.progress.take(event)
        if self.quiet or self._live is not None:
            return
        if isinstance(event, Evaluated):
            write_line(self.plain_line(event), self.stream)
        elif isinstance(event, Concluding):
            self._say(event)

    def _say(self, event: Concluding) -> None:
        """Write what is done after the last step, where that takes long: each thing as it begins, and its progress."""
        now = self.progress.clock()
        began, said, doing = self._said or (now, now, event.doing)
        is_slow = now - began >= SECONDS_OF_SILENCE
        if is_slow and (event.doing != doing or now - said >= SECONDS_OF_SILENCE):
            write_line(event.doing + ("" if not event.share else f": {int(100 * event.share)} %"), self.stream)
            said = now
        self._said = (began, said, event.doing)

    def plain_line(self, event: Evaluated) -> str:
        """An evaluation as one line without colour or cursor movements."""
        now = self.progress
        parts = [f"step {event.step}/{now.steps}  {int(now.share * 100)} %"]
        if now.loss is not None:
            parts.append(f"loss {figure(now.loss)}")
        if (primary := now.primary_of(event)) is not None:
            parts.append(f"validation {figure(primary[1])} {primary[0]}" + (" (best)" if event.best else ""))
        if now.rate is not None:
            rate = count(now.rate) if now.rate >= 10 else short_count(now.rate)
            parts.append(f"{rate} {now.unit}/s")
        if now.seconds_left is not None:
            parts.append(f"{duration(now.seconds_left)} left")
        return inert("  ".join(parts))

    def lines(self, width: int, rows: int, ascii_only: bool) -> list[Text]:
        from rich.text import Text

        now = self.progress
        lines = [Text(inert(self.title), style="bold")] if self.title else []
        lines.append(self._bar(width, ascii_only))
        if (concluding := now.concluding) is not None:
            lines.append(self._conclusion(concluding, width, ascii_only))
        lines += _filled(self._facts(), width)
        if now.losses:
            lines.append(Text(sparkline(now.losses, min(width, 60), ascii_only=ascii_only), style="cyan"))
        sample = now.sample  # read once: the display draws in a thread of its own
        if sample is not None and rows >= ROWS_WITHOUT_SAMPLE:
            room = max(SAMPLE_LINES, rows - len(lines) - ROWS_LEFT_FREE)
            lines += self._sample(sample, width, room, ascii_only)
        return lines

    def settle(self) -> None:
        self.progress.sample = self.progress.concluding = None  # what stays on the screen is the outcome

    def _bar(self, width: int, ascii_only: bool) -> Text:
        from rich.text import Text

        now = self.progress
        if not now.steps:
            return Text("preparing", style="dim")
        left = now.seconds_left
        before = f"step {count(now.step)}/{count(now.steps)} "
        after = f" {int(now.share * 100)} %"
        if now.finished is not None:
            after += {"budget": "  done", "patience": "  stopped early"}.get(now.finished.reason, "  interrupted")
        elif left is not None:
            after += f"  {duration(left)} left"
        room = min(40, width - len(before) - len(after))
        return Text.assemble((before, "bold"), *bar(room, now.share, ascii_only=ascii_only), after)

    def _conclusion(self, concluding: Concluding, width: int, ascii_only: bool) -> Text:
        from rich.text import Text

        doing = concluding.doing
        after = "" if concluding.share is None else f" {int(100 * concluding.share)} %"
        after += f"  {duration(self.progress.clock() - self.progress.concluding_since)}"
        room = min(40, width - len(doing) - len(after) - 1)
        drawn = [] if concluding.share is None else bar(room, concluding.share, ascii_only=ascii_only)
        return Text.assemble((doing, "bold"), " " if drawn else "", *drawn, after)

    def _facts(self) -> list[Text]:
        from rich.text import Text

        now = self.progress
        facts: list[Text] = []

        def fact(name: str, value: str, style: str = "bold", mark: str = "") -> None:
            facts.append(Text.assemble((f"{name} ", "dim"), (value, style), (mark, "green")))

        if now.loss is not None:
            fact("loss", figure(now.loss))
        if now.evaluated is not None and (primary := now.primary_of(now.evaluated)) is not None:
            mark = " (best)" if now.evaluated.best else ""
            fact("validation", f"{figure(primary[1])} {metric_words(primary[0])}", mark=mark)
            if not mark and now.best is not None and (best := now.primary_of(now.best)) is not None:
                fact("best", f"{figure(best[1])} at step {count(now.best.step)}", style="green")
        if now.rate is not None:
            facts.append(Text(f"{short_count(now.rate)} {now.unit}/s"))
        if now.learning_rate is not None:
            fact("learning rate", f"{now.learning_rate:.3g}", style="")
        if now.gradient_norm is not None:
            fact("gradient norm", f"{now.gradient_norm:.3g}", style="")
        return facts

    def _sample(self, sample: Sampled, width: int, room: int, ascii_only: bool) -> list[Text]:
        from rich.text import Text

        assert self._console is not None
        edge = "| " if ascii_only else "│ "
        if is_course(sample.text):
            return self._courses(sample, width, room, ascii_only)
        flat = " ".join(sample.text.split())
        text = Text(encodable(inert(flat), self._console.encoding, "replace"))
        wrapped = text.wrap(self._console, width - len(edge))[:SAMPLE_LINES]
        heading = Text(f"what it writes at step {count(sample.step)}", style="dim")
        return [heading, *(Text.assemble((edge, "dim"), (line.plain, "dim italic")) for line in wrapped)]

    def _courses(self, sample: Sampled, width: int, room: int, ascii_only: bool) -> list[Text]:
        """How the channels of a series go on, each in a line of its own, as many as there is room for."""
        from rich.text import Text

        assert self._console is not None
        edge = "| " if ascii_only else "│ "
        lines = [inert(line) for line in sample.text.strip("\n").split("\n")]
        shown = lines if len(lines) <= room else lines[: room - 1]
        fitted = [
            encodable(fitted_course(line, width - len(edge), ascii_only=ascii_only), self._console.encoding, "replace")
            for line in shown
        ]
        drawn = [Text.assemble((edge, "dim"), (line, "cyan")) for line in fitted]
        more = [Text(f"and {count(len(lines) - len(shown))} more", style="dim")] if len(lines) > len(shown) else []
        return [Text(f"how the series goes on, at step {count(sample.step)}", style="dim"), *drawn, *more]


def _filled(facts: list[Text], width: int) -> list[Text]:
    """Facts in as few lines as they need, none of them broken."""
    from rich.text import Text

    lines: list[Text] = []
    for fact in facts:
        if lines and lines[-1].cell_len + 3 + fact.cell_len <= width:
            lines[-1].append("   ").append_text(fact)
        else:
            lines.append(Text().append_text(fact))
    return lines
