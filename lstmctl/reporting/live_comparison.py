"""A comparison as it happens: all its runs at a glance in a terminal, one plain line per finished run elsewhere."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lstmctl.events import ComparisonEvent, Concluding, Decided, Planned, RunBegan, RunEnded, RunEvent
from lstmctl.metrics import metric
from lstmctl.reporting.console import inert, write_line
from lstmctl.reporting.display import Display, bar, bar_line
from lstmctl.reporting.live import SECONDS_OF_SILENCE, TrainingProgress, conclusion, first_metric
from lstmctl.reporting.quantities import duration, figure, short_count

SHORTEST_NAME = 12
"""Columns for a run's name in the narrowest terminal; in others up to a third of the width."""
FACTS = {"percentage": 0, "validation": 60, "loss": 80, "rate": 100, "left": 0}
"""The columns of a run after its bar, and the width of the terminal from which on each is shown."""
STATUS_STYLES = {"finished": "green", "diverged": "red", "interrupted": "yellow"}


class ComparisonProgress:
    """The state of a comparison, accumulated from the events of this session; independent of any display."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.runs: tuple[str, ...] = ()
        self.ended: set[str] = set()
        """Runs that need nothing more: finished, now or earlier, or diverged."""
        self.diverged: set[str] = set()
        self.going: dict[str, TrainingProgress] = {}
        self.stopped = False
        self.concluding: Concluding | None = None
        """Current work after the runs have ended."""
        self.concluding_since = 0.0
        self._at_once = 1
        self._durations: list[float] = []

    def take(self, event: ComparisonEvent) -> None:
        """Add one event."""
        match event:
            case Planned():  # in a sweep, one after the other
                self.runs, self.ended = event.runs, set(event.finished)
                self.diverged = set()
                self.concluding = None
                self._durations = []
            case RunBegan():
                self.concluding = None  # a run was free after all
                self.going[event.run] = TrainingProgress(self.clock)
                self._at_once = max(self._at_once, len(self.going))
            case RunEvent():
                if event.run in self.going:
                    self.going[event.run].take(event.event)
            case RunEnded():
                self._ended(event)
            case Concluding():
                if self.concluding is None or self.concluding.doing != event.doing:
                    self.concluding_since = self.clock()
                self.concluding = event

    @property
    def share(self) -> float:
        """The share of all runs that is done, 0 to 1."""
        made = len(self.ended) + sum(progress.share for progress in list(self.going.values()))
        return min(1.0, made / len(self.runs)) if self.runs else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the last run ends; None before the first run has reported.

        A waiting run is assumed to take the mean time of those that have finished and those in progress, at the same
        number of runs in parallel as before.
        """
        going = list(self.going.values())  # copied: rich draws from its own thread
        waiting = max(0, len(self.runs) - len(self.ended) - len(going))
        if not going and not waiting:
            return 0.0
        known = self._durations + [whole for progress in going if (whole := progress.seconds_in_all) is not None]
        if not known:
            return None
        typical = statistics.fmean(known)
        left = [
            typical * (1 - progress.share) if progress.seconds_left is None else progress.seconds_left
            for progress in going
        ]
        return max([(sum(left) + waiting * typical) / self._at_once, *left])

    def _ended(self, event: RunEnded) -> None:
        progress = self.going.pop(event.run, None)
        if event.status == "interrupted":
            self.stopped = True
            return
        self.ended.add(event.run)
        if event.status == "diverged":
            self.diverged.add(event.run)  # its duration says nothing about the others
        elif progress is not None and (whole := progress.seconds_in_all) is not None:
            self._durations.append(whole)


class ComparisonDisplay(Display):
    """Show a comparison while its runs go; call it with every event, inside its `with` block.

    In a terminal one line for the whole and one per run in progress are redrawn in place, below the runs that have
    ended. Elsewhere each run's end is one plain line.

    Args:
        stream: the output stream; stderr by default.
        quiet: show nothing at all.
        clock: returns seconds, from any origin.
    """

    def __init__(
        self, stream: TextIO | None = None, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(stream, quiet=quiet)
        self.progress = ComparisonProgress(clock)
        self._said: tuple[str, float] | None = None
        """The last report of work after the last run, and its time."""

    def __call__(self, event: ComparisonEvent) -> None:
        """Add one event of the comparison."""
        self.progress.take(event)
        self.refresh()
        if self.quiet:
            return
        if isinstance(event, Decided):
            self.write_lines(event.lines)
        elif isinstance(event, RunEnded):
            if self.live is None:
                write_line(self.plain_line(event), self.stream)
            else:
                self.above(self._ended_line(event))
        elif isinstance(event, Planned) and self.live is None:
            before = f", {len(event.finished)} finished before" if event.finished else ""
            title = f"{event.title}: " if event.title else ""
            runs = f"{len(event.runs)} {'run' if len(event.runs) == 1 else 'runs'}"
            write_line(inert(f"{title}{runs}{before}"), self.stream)
        elif isinstance(event, Concluding) and self.live is None:
            self._say(event)
        elif isinstance(event, Planned) and event.title and self.live is not None:
            self.above(self.shown(event.title))

    def _say(self, event: Concluding) -> None:
        """Write what is done after the last run: each thing as it begins, and how far it is where it takes long."""
        now = self.progress.clock()
        if self._said is None or self._said[0] != event.doing:
            write_line(inert(event.doing), self.stream)
        elif event.share is None or now - self._said[1] < SECONDS_OF_SILENCE:
            return
        else:
            write_line(inert(f"{event.doing}: {int(100 * event.share)} %"), self.stream)
        self._said = event.doing, now

    def plain_line(self, event: RunEnded) -> str:
        """Return a run's end as one line without colour or cursor movements."""
        now = self.progress
        parts = [f"{len(now.ended)}/{len(now.runs)}", event.run, event.status]
        if event.value is not None:
            parts.append(f"{figure(event.value)} {metric(event.primary).words}")
        if event.seconds is not None:
            parts.append(f"trained for {duration(event.seconds)}")
        if not now.stopped and (left := now.seconds_left):
            parts.append(f"about {duration(left)} left")
        return inert("  ".join(parts))

    def picture(self) -> Group:
        now = self.progress
        if not now.runs:
            return Group(Text("preparing", style="dim"))
        going = list(now.going.items())  # copied: rich draws from its own thread
        parts = [self._overall(), *([self._table(going)] if going else [])]
        concluding = now.concluding  # read once: it may be replaced meanwhile
        if concluding is not None:
            parts.append(conclusion(concluding, self.shown(concluding.doing), now.clock() - now.concluding_since))
        return Group(*parts)

    def settle(self) -> None:
        self.progress.stopped = self.progress.stopped or bool(self.progress.going)
        self.progress.going.clear()
        self.progress.concluding = None

    def _overall(self) -> RenderableType:
        now = self.progress
        before = Text(f"{len(now.ended)}/{len(now.runs)} runs", style="bold")
        if now.diverged:
            before.append(f" ({len(now.diverged)} diverged)", "red")
        left = now.seconds_left
        ending = "" if left is None else f"about {duration(left)} left"
        if now.stopped:
            ending = "stopped"
        if len(now.ended) >= len(now.runs):
            ending = "done"
        return bar_line(before, now.share, ending)

    def _table(self, going: list[tuple[str, TrainingProgress]]) -> Table:
        """Return one row per run in progress, with all facts that fit into the width."""
        facts = [fact for fact, least in FACTS.items() if self.console.width >= least]
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=self._name_width(), overflow="fold", style="bold")
        table.add_column()
        for _ in facts:
            table.add_column(no_wrap=True, overflow="crop")
        for run, progress in going:
            found = self._facts(progress)
            table.add_row(Text(self.shown(run)), bar(progress.share), *(found.get(fact, "") for fact in facts))
        return table

    def _facts(self, now: TrainingProgress) -> dict[str, Text]:
        facts = {}
        if now.steps:
            facts["percentage"] = Text(f"{int(now.share * 100):3} %")
        evaluated = now.evaluated  # read once: it may be replaced meanwhile
        if evaluated is not None:
            facts["validation"] = Text.assemble(("validation ", "dim"), figure(first_metric(evaluated)[1]))
        if now.loss is not None:
            facts["loss"] = Text.assemble(("loss ", "dim"), figure(now.loss))
        if now.rate is not None and now.finished is None:
            facts["rate"] = Text(f"{short_count(now.rate)} {now.unit}/s")
        if now.finished is not None:
            facts["left"] = Text("interrupted" if now.finished.reason == "interrupted" else self.shown("scoring…"))
        elif not now.steps:
            facts["left"] = Text("preparing", style="dim")
        elif (left := now.seconds_left) is not None:
            facts["left"] = Text(f"{duration(left)} left")
        return facts

    def _ended_line(self, event: RunEnded) -> Text:
        name = Text(self.shown(event.run), style="bold")
        name.truncate(max(self._name_width(), name.cell_len), pad=True)
        line = name.append("  ").append(event.status, STATUS_STYLES.get(event.status, ""))
        if event.value is not None:
            line.append(f"  {figure(event.value)} {metric(event.primary).words}", "not bold")
        if event.seconds is not None:
            line.append(f"  in {duration(event.seconds)}", "not bold dim")
        return line

    def _name_width(self) -> int:
        """Columns for a run's name, the same for all runs so that the table does not move."""
        longest = max((Text(self.shown(name)).cell_len for name in self.progress.runs), default=SHORTEST_NAME)
        return min(longest, max(SHORTEST_NAME, self.width // 3))
