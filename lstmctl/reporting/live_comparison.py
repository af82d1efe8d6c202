"""A comparison as it happens: all its runs at a glance in a terminal, one plain line for each run's end elsewhere."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from lstmctl.metrics import metric
from lstmctl.records import ComparisonEvent, Planned, RunBegan, RunEnded, RunEvent
from lstmctl.reporting.console import encodable, inert, write_line
from lstmctl.reporting.display import SHORTEST_BAR, Display, bar
from lstmctl.reporting.live import Progress
from lstmctl.reporting.quantities import duration, figure, short_count

if TYPE_CHECKING:
    from rich.text import Text

GAP = 2
LONGEST_BAR = 30
SHORTEST_NAME = 12
"""Columns that a run's name gets in the narrowest terminal; elsewhere up to a third of the width."""
MOST_TELLING = ("percentage", "left", "bar", "validation", "loss", "rate")
"""What a run's line shows besides its name: where not all fits, the last go first."""
STATUS_STYLES = {"finished": "green", "diverged": "red", "interrupted": "yellow"}


class ComparisonProgress:
    """What the events of this session of a comparison add up to; knows nothing of how it is shown."""

    def __init__(self, primary: str | None, clock: Callable[[], float]) -> None:
        self.primary, self.clock = primary, clock
        self.title = ""
        """Which comparison of a sweep it is; empty for one by itself."""
        self.runs: tuple[str, ...] = ()
        self.ended: set[str] = set()
        """Runs that need nothing more: finished, before or now, or diverged."""
        self.diverged: set[str] = set()
        self.going: dict[str, Progress] = {}
        self.stopped = False
        self._at_once = 1
        self._durations: list[float] = []

    def take(self, event: ComparisonEvent) -> None:
        """Add one event."""
        match event:
            case Planned():  # in a sweep, one after the other
                self.title = event.title
                self.runs, self.ended = event.runs, set(event.finished)
                self.diverged = set()
                self._durations = []
            case RunBegan():
                self.going[event.run] = Progress(self.primary, self.clock)
                self._at_once = max(self._at_once, len(self.going))
            case RunEvent():
                if event.run in self.going:
                    self.going[event.run].take(event.event)
            case RunEnded():
                self._ended(event)

    @property
    def share(self) -> float:
        """Of all runs that is made, 0 to 1."""
        made = len(self.ended) + sum(progress.share for progress in list(self.going.values()))
        return min(1.0, made / len(self.runs)) if self.runs else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Until the last run ends; None before the first run has reported.

        A run that waits is taken to last as long as the mean of those that finished and those that are going, and as
        many runs to go on at once as have done so before.
        """
        going = list(self.going.values())  # copied: the display draws in a thread of its own
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
            self.diverged.add(event.run)  # how long it lasted says nothing about the others
        elif progress is not None and (whole := progress.seconds_in_all) is not None:
            self._durations.append(whole)


class ComparisonDisplay(Display):
    """Shows a comparison while its runs go; call it with every event, inside its `with` block.

    In a terminal one line for all and one for each run that is going are redrawn in place, and what ended stays above
    them. Elsewhere each run's end is one plain line. Nothing it does can fail the comparison: a stream that is closed
    or lacks a character is put up with.

    Args:
        stream: where to; stderr by default.
        quiet: show nothing at all.
        primary: the metric to show of an evaluation; its first by default.
        clock: seconds, from any origin.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        primary: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream, quiet=quiet)
        self.progress = ComparisonProgress(primary, clock)

    def __call__(self, event: ComparisonEvent) -> None:
        """Take in one event of the comparison."""
        self.progress.take(event)
        if self.quiet:
            return
        if isinstance(event, RunEnded):
            if self._live is None:
                write_line(self.plain_line(event), self.stream)
            else:
                self._live.console.print(self._ended_line(event))
                self._live.refresh()  # else the run would stand in both places for a moment
        elif isinstance(event, Planned) and self._live is None:
            before = f", {len(event.finished)} finished before" if event.finished else ""
            title = f"{event.title}: " if event.title else ""
            runs = f"{len(event.runs)} {'run' if len(event.runs) == 1 else 'runs'}"
            write_line(inert(f"{title}{runs}{before}"), self.stream)
        elif isinstance(event, Planned) and event.title and self._live is not None:
            self._live.console.print(self._encoded(event.title), markup=False, highlight=False)

    def plain_line(self, event: RunEnded) -> str:
        """A run's end as one line without colour or cursor movements."""
        now = self.progress
        parts = [f"{len(now.ended)}/{len(now.runs)}", event.run, event.status]
        if event.value is not None:
            parts.append(f"{figure(event.value)} {event.primary}")
        if event.seconds is not None:
            parts.append(f"trained for {duration(event.seconds)}")
        if not now.stopped and (left := now.seconds_left):
            parts.append(f"about {duration(left)} left")
        return inert("  ".join(parts))

    def lines(self, width: int, rows: int, ascii_only: bool) -> list[Text]:
        from rich.text import Text

        overall = self._overall(width, ascii_only)
        going = list(self.progress.going.items())  # copied: the display draws in a thread of its own
        # A row stays free for the last of what ended.
        room = max(1, rows - 2)
        shown = going if len(going) <= room else going[: max(1, room - 1)]
        lines = [overall, *self._table(shown, width, ascii_only)]
        if len(shown) < len(going):
            lines.append(Text(f"and {len(going) - len(shown)} more", style="dim"))
        return lines

    def settle(self) -> None:
        # What stays on the screen is the outcome; runs that were going when the block was left are not.
        self.progress.stopped = self.progress.stopped or bool(self.progress.going)
        self.progress.going.clear()

    def _overall(self, width: int, ascii_only: bool) -> Text:
        from rich.text import Text

        now = self.progress
        if not now.runs:
            return Text("preparing", style="dim")
        before = f"{len(now.ended)}/{len(now.runs)} runs"
        diverged = f" ({len(now.diverged)} diverged)" if now.diverged else ""
        after = f" {int(now.share * 100)} %"
        left = now.seconds_left
        if len(now.ended) >= len(now.runs):
            ending = "  done"
        elif now.stopped:
            ending = "  stopped"
        else:
            ending = "" if left is None else f"  about {duration(left)} left"
        # Where not all fits, what can be seen elsewhere goes first.
        if len(before + diverged + after + ending) > width:
            after = ""
        if len(before + diverged + after + ending) > width:
            diverged = ""
        if len(before + ending) > width:
            ending = ending.replace("about ", "").replace(" left", "")
        room = min(40, width - len(before + diverged + after + ending) - 1)
        drawn = bar(room, now.share, ascii_only=ascii_only)
        return Text.assemble((before, "bold"), (diverged, "red"), " " if drawn else "", *drawn, after, ending)

    def _table(self, going: list[tuple[str, Progress]], width: int, ascii_only: bool) -> list[Text]:
        """A line for each run that is going, its facts below those of the other runs."""
        from rich.text import Text

        rows = [self._facts(progress) for _, progress in going]
        widths = {fact: max((row[fact].cell_len for row in rows), default=0) for fact in MOST_TELLING}
        widths["bar"] = SHORTEST_BAR
        names = self._name_width(max(SHORTEST_NAME, width // 3))
        room, columns = width - names, []
        for fact in MOST_TELLING:
            if widths[fact] and GAP + widths[fact] <= room:
                columns.append(fact)
                room -= GAP + widths[fact]
        widths["bar"] = min(LONGEST_BAR, SHORTEST_BAR + room)
        lines = []
        for (name, progress), row in zip(going, rows, strict=True):
            line = Text(self._shortened(name, names), style="bold")
            line.truncate(names, pad=True)
            row["bar"] = Text.assemble(*bar(widths["bar"], progress.share, ascii_only=ascii_only))
            # The bar stands behind the name and what is left behind the rest, where the eye looks for them.
            for fact in ("bar", "percentage", "loss", "validation", "rate", "left"):
                if fact in columns:
                    row[fact].truncate(widths[fact], overflow="crop", pad=True)
                    line.append(" " * GAP).append_text(row[fact])
            line.rstrip()
            lines.append(line)
        return lines

    def _facts(self, now: Progress) -> dict[str, Text]:
        from rich.text import Text

        facts = {fact: Text() for fact in MOST_TELLING}
        if now.finished is not None:
            facts["left"] = Text("interrupted" if now.finished.reason == "interrupted" else self._encoded("scoring…"))
        elif not now.steps:
            facts["left"] = Text("preparing", style="dim")
        elif (left := now.seconds_left) is not None:
            facts["left"] = Text(f"{duration(left)} left")
        if now.steps:
            facts["percentage"] = Text(f"{int(now.share * 100):3} %")
        if now.loss is not None:
            facts["loss"] = Text.assemble(("loss ", "dim"), figure(now.loss))
        evaluated = now.evaluated  # read once, as it may be replaced
        if evaluated is not None and (primary := now.primary_of(evaluated)) is not None:
            facts["validation"] = Text.assemble(("validation ", "dim"), figure(primary[1]))
        if now.rate is not None and now.finished is None:
            facts["rate"] = Text(f"{short_count(now.rate)} {now.unit}/s")
        return facts

    def _ended_line(self, event: RunEnded) -> Text:
        from rich.text import Text

        assert self._console is not None
        name = Text(self._encoded(event.run), style="bold")
        name.truncate(max(self._name_width(self._console.size.width // 3), name.cell_len), pad=True)
        line = name.append("  ").append(event.status, STATUS_STYLES.get(event.status, ""))
        if event.value is not None:
            line.append(f"  {figure(event.value)} {self._encoded(metric(event.primary).words)}", "not bold")
        if event.seconds is not None:
            line.append(f"  trained for {duration(event.seconds)}", "not bold dim")
        return line

    def _name_width(self, most: int) -> int:
        """Columns for a run's name, the same for all runs so that nothing jumps from one to the next."""
        return min(most, max((len(inert(name)) for name in self.progress.runs), default=SHORTEST_NAME))

    def _shortened(self, name: str, room: int) -> str:
        """A name that is too long keeps its ends, which tell it from the others."""
        name, mark = self._encoded(name), self._encoded("…")
        if len(name) <= room:
            return name
        start = (room - len(mark) + 1) // 2
        return name[:start] + mark + name[len(name) - (room - len(mark) - start) :]

    def _encoded(self, text: str) -> str:
        assert self._console is not None
        return encodable(inert(text), self._console.encoding)
