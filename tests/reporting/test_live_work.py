"""The progress of work that is not a training: in a terminal, in a notebook, and elsewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from rich.text import Text

from lstmctl.events import Evaluated, Started
from lstmctl.progress import counted, heard_by, is_heard, report
from lstmctl.reporting.live import TrainingDisplay
from lstmctl.reporting.live_work import WorkDisplay, shown_work
from lstmctl.reporting.notebook_display import NotebookPicture, is_notebook
from tests.reporting.conftest import Clock, frame
from tests.terminal import screen as screen_of

NewScreen = Callable[..., Any]


def test_reports_reach_the_innermost_listener_alone() -> None:
    outer: list[tuple[str, float | None]] = []
    inner: list[tuple[str, float | None]] = []
    report("unheard")
    assert not is_heard()
    with heard_by(lambda *told: outer.append(told)):
        report("first")
        with heard_by(lambda *told: inner.append(told)):
            assert list(counted("abcd", 8, "reading", lambda letter: 2)) == list("abcd")
        report("last", 1.0)
    assert outer == [("first", None), ("last", 1.0)]
    assert inner == [("reading", 0.0), ("reading", 0.25), ("reading", 0.5), ("reading", 0.75)]


def test_work_has_a_bar_on_a_terminal_and_leaves_no_trace(new_screen: NewScreen) -> None:
    screen, clock = new_screen(terminal=True), Clock()
    with WorkDisplay(screen, clock=clock) as display:
        report("predicting", 0.0)
        assert frame(display) == [""]
        clock.now += 3
        report("predicting", 0.5)
        assert re.fullmatch("predicting ━+╸?━* +50 %  0:03", frame(display)[0].replace("╺", "━"))
        clock.now += 1
        report("computing baselines")
        clock.now += 2
        assert frame(display) == ["computing baselines  0:02"]
    assert not is_heard()
    assert screen_of(screen.text) == [""]


def test_elsewhere_slow_work_is_a_line_now_and_then(new_screen: NewScreen) -> None:
    screen, clock = new_screen(), Clock()
    with WorkDisplay(screen, clock=clock):
        for share in range(5):
            report("predicting\x1b", share / 10)
            clock.now += 4
        report("computing baselines")
    assert screen.text.splitlines() == ["predicting\\x1b: 30 %, 0:12 so far"]


def test_quiet_work_shows_nothing(new_screen: NewScreen) -> None:
    for screen in (new_screen(), new_screen(terminal=True)):
        clock = Clock()
        with WorkDisplay(screen, quiet=True, clock=clock):
            report("predicting")
            clock.now += 100
            report("predicting", 0.9)
        assert screen.text == ""


def test_work_inside_of_work_is_shown_once() -> None:
    told: list[str] = []
    with heard_by(lambda doing, share: told.append(doing)), shown_work(quiet=False):
        report("measuring")
    assert told == ["measuring"]


class Cell:
    """A notebook's output: every display with what it was updated to."""

    def __init__(self) -> None:
        self.displays: list[list[str]] = []

    def display(self, shown: Any, *, display_id: bool) -> Any:
        assert display_id
        history = [shown._repr_html_()]
        self.displays.append(history)
        return SimpleNamespace(update=lambda other: history.append(other._repr_html_()))


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """This process as a notebook's kernel, with a cell that runs."""
    found, ipython, inner = Cell(), ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=True)  # type: ignore[attr-defined]
    inner.display = found.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", inner)
    return found


def test_a_notebook_shows_progress_in_place(cell: Cell) -> None:
    assert is_notebook()
    with TrainingDisplay() as display:
        display(Started(0, 10, "windows", 8))
        display(Evaluated(5, {"accuracy": 0.5}, best=True))
    (history,) = cell.displays
    assert history[0] == ""
    assert re.match("<pre [^>]*>", history[-1])
    text = re.sub("<[^>]*>", "", history[-1])
    assert "step 5/10" in text
    assert "validation 0.500 accuracy (best)" in text


def test_a_quiet_notebook_shows_nothing(cell: Cell) -> None:
    with TrainingDisplay(quiet=True) as display:
        display(Started(0, 10, "windows", 8))
    assert cell.displays == []


def test_a_notebook_s_picture_is_drawn_now_and_then_below_the_lines_that_stay(cell: Cell) -> None:
    clock = Clock()
    picture = NotebookPicture(lambda: Text(f"<{clock.now:.1f}>"), transient=True, clock=clock)
    for _ in range(5):
        clock.now += 0.1
        picture.refresh()
    picture.print(Text("a run ended"))
    picture.stop()
    (history,) = cell.displays
    texts = [re.sub("<[^>]*>", "", shown).replace("&lt;", "<").replace("&gt;", ">").split("\n") for shown in history]
    kept = [[line for line in lines if line] for lines in texts]
    assert kept == [[], ["<1000.3>"], ["a run ended", "<1000.5>"], ["a run ended"]]
