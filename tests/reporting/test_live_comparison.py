"""The display of a comparison: one line per finished run without a terminal, all runs at a glance in one."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest

from lstmctl.events import (
    ComparisonEvent,
    Concluding,
    Evaluated,
    Event,
    Finished,
    Planned,
    RunBegan,
    RunEnded,
    RunEvent,
    Started,
    Stepped,
)
from lstmctl.reporting.live_comparison import ComparisonDisplay
from tests.reporting.conftest import Clock, frame
from tests.terminal import screen as screen_of

NewScreen = Callable[..., Any]
RUNS = ("lstm-seed-0", "rnn-seed-0", "lstm-seed-1", "rnn-seed-1", "lstm-seed-2", "rnn-seed-2")
METRIC = "nats_per_character"


def stepped(step: int) -> Stepped:
    return Stepped(step, 2.5, learning_rate=0.004, gradient_norm=0.25, units=step * 64, seconds=step / 100)


def ended(run: str, status: str = "finished", value: float | None = 0.4125, seconds: float | None = 48.0) -> RunEnded:
    return RunEnded(run, status, METRIC, value, seconds)


def begin(display: ComparisonDisplay, run: str, step: int = 0, steps: int = 100) -> None:
    display(RunBegan(run))
    inside(display, run, Started(step, steps, "characters", 64))


def inside(display: ComparisonDisplay, run: str, *events: Event) -> None:
    for event in events:
        display(RunEvent(run, event))


def test_elsewhere_than_in_a_terminal_each_end_of_a_run_is_one_plain_line(new_screen: NewScreen) -> None:
    screen, clock = new_screen(), Clock()
    with ComparisonDisplay(screen, clock=clock) as display:
        display(Planned(RUNS, RUNS[:2]))
        begin(display, RUNS[2])
        inside(display, RUNS[2], stepped(50), Evaluated(50, {METRIC: 2.0}, best=True))
        clock.now += 50
        inside(display, RUNS[2], stepped(100), Finished(100, "budget"))
        display(ended(RUNS[2]))
        begin(display, RUNS[3])
        display(ended(RUNS[3], "diverged", None, None))
        begin(display, RUNS[4])
        clock.now += 50
        display(ended(RUNS[4], seconds=3600))
        begin(display, RUNS[5])
        clock.now += 50
        display(ended(RUNS[5]))
    assert screen.text.splitlines() == [
        "6 runs, 2 finished before",
        "3/6  lstm-seed-1  finished  0.412 nats per character  trained for 0:48  about 2:30 left",
        "4/6  rnn-seed-1  diverged  about 1:40 left",
        "5/6  lstm-seed-2  finished  0.412 nats per character  trained for 1:00:00  about 0:50 left",
        "6/6  rnn-seed-2  finished  0.412 nats per character  trained for 0:48",
    ]


def test_each_comparison_of_a_sweep_begins_with_its_name_and_counts_anew(new_screen: NewScreen) -> None:
    for terminal in (False, True):
        screen = new_screen(terminal=terminal)
        with ComparisonDisplay(screen) as display:
            for number in (1, 2):
                display(Planned(RUNS[:2], (), f"data.length={number}0 ({number} of 2)"))
                begin(display, RUNS[0])
                display(ended(RUNS[0], "diverged", None, None))
                assert display.progress.diverged == {RUNS[0]}
                begin(display, RUNS[1])
                display(ended(RUNS[1]))
        titles = [line for line in screen.text.splitlines() if "data.length=" in line]
        assert ["data.length=10 (1 of 2)" in titles[0], "data.length=20 (2 of 2)" in titles[-1]] == [True, True]
        if not terminal:
            assert titles == ["data.length=10 (1 of 2): 2 runs", "data.length=20 (2 of 2): 2 runs"]
            assert screen.text.count("1/2  lstm-seed-0  diverged") == 2


def test_an_interrupted_run_counts_neither_as_done_nor_as_time(new_screen: NewScreen) -> None:
    screen = new_screen()
    with ComparisonDisplay(screen) as display:
        display(Planned(RUNS[:1], ()))
        begin(display, RUNS[0])
        inside(display, RUNS[0], stepped(50), Finished(50, "interrupted"))
        display(ended(RUNS[0], "interrupted", None, None))
    assert screen.text == "1 run\n0/1  lstm-seed-0  interrupted\n"


def test_quiet_shows_nothing_anywhere(new_screen: NewScreen) -> None:
    for screen in (new_screen(), new_screen(terminal=True)):
        with ComparisonDisplay(screen, quiet=True) as display:
            display(Planned(RUNS, ()))
            begin(display, RUNS[0])
            display(ended(RUNS[0]))
        assert screen.text == ""


def test_a_dumb_terminal_gets_plain_lines(new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    screen = new_screen(terminal=True)
    with ComparisonDisplay(screen) as display:
        display(Planned(RUNS[:2], ()))
        display(ended(RUNS[0], "sea\x1b[31m", None, None))
    assert screen.text == "2 runs\n1/2  lstm-seed-0  sea\\x1b[31m\n"


def test_time_left_weighs_what_runs_at_once_and_what_waits() -> None:
    clock = Clock()
    display = ComparisonDisplay(io.StringIO(), quiet=True, clock=clock)
    progress = display.progress
    display(Planned(RUNS, ()))
    begin(display, RUNS[0])
    begin(display, RUNS[1], steps=200)
    assert progress.seconds_left is None
    clock.now += 10
    inside(display, RUNS[0], stepped(50))
    inside(display, RUNS[1], stepped(50))
    # They last 20 s and 40 s, 10 s and 30 s are left of them; four wait, of 30 s each, two at once.
    assert progress.share == pytest.approx((0.5 + 0.25) / 6)
    assert progress.seconds_left == pytest.approx((10 + 30 + 4 * 30) / 2)
    clock.now += 10
    inside(display, RUNS[0], stepped(100), Finished(100, "budget"))
    clock.now += 6  # of scoring
    display(ended(RUNS[0]))
    inside(display, RUNS[1], stepped(130))
    # 26 s with its scoring; 40 s of which 14 s are left.
    assert progress.seconds_left == pytest.approx((14 + 4 * (26 + 40) / 2) / 2)
    for run in RUNS[2:]:
        display(RunBegan(run))
        display(ended(run))
    # The last one goes alone.
    assert progress.seconds_left == pytest.approx(14)
    display(ended(RUNS[1]))
    assert progress.seconds_left == 0
    assert progress.share == 1


def test_a_resumed_run_is_timed_as_if_it_had_been_made_in_this_session() -> None:
    clock = Clock()
    display = ComparisonDisplay(io.StringIO(), quiet=True, clock=clock)
    display(Planned(RUNS[:2], ()))
    begin(display, RUNS[0], step=80)
    clock.now += 10
    inside(display, RUNS[0], stepped(90))
    assert display.progress.seconds_left == pytest.approx(10 + 100)
    clock.now += 10
    inside(display, RUNS[0], stepped(100), Finished(100, "budget"))
    display(ended(RUNS[0]))
    assert display.progress.seconds_left == pytest.approx(100)


def test_a_run_that_stopped_early_or_diverged_does_not_stretch_the_estimate() -> None:
    clock = Clock()
    display = ComparisonDisplay(io.StringIO(), quiet=True, clock=clock)
    display(Planned(RUNS, ()))
    begin(display, RUNS[0])
    clock.now += 10
    inside(display, RUNS[0], stepped(20), Finished(20, "patience"))
    display(ended(RUNS[0]))
    assert display.progress.seconds_left == pytest.approx(5 * 10)
    begin(display, RUNS[1])
    clock.now += 1
    display(ended(RUNS[1], "diverged", None, None))
    assert display.progress.seconds_left == pytest.approx(4 * 10)


def halfway(display: ComparisonDisplay, clock: Clock) -> None:
    """The events of a comparison with one run finished earlier and four runs in progress, each in another state."""
    display(Planned(RUNS, RUNS[:1]))
    for run in RUNS[1:4]:
        begin(display, run)
    display(RunBegan(RUNS[4]))
    clock.now += 10
    inside(display, RUNS[1], stepped(50), Evaluated(50, {METRIC: 1.75, "other": 3.0}, best=True))
    inside(display, RUNS[2], stepped(100), Finished(100, "budget"))
    inside(display, RUNS[3], stepped(9), Finished(9, "interrupted"))


def test_each_run_in_progress_has_a_line_with_its_state(new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    screen, clock = new_screen(terminal=True), Clock()
    with ComparisonDisplay(screen, clock=clock) as display:
        assert frame(display) == ["preparing"]
        halfway(display, clock)
        overall, half, scoring, interrupted, preparing = frame(display)
        display(ended(RUNS[2]))
        assert [line.split()[0] for line in frame(display)] == ["2/6", *(RUNS[index] for index in (1, 3, 4))]
    assert re.fullmatch("1/6 runs ━+[╸╺]━+ 43 %  about 0:.*", overall)
    for part in ("rnn-seed-0   ━━", "━   50 %  validation 1.750  loss 2.500  6.4k characters/s  0:10 left"):
        assert part in half
    assert scoring.startswith("lstm-seed-1  ━")
    assert scoring.endswith("scoring…")
    assert interrupted.endswith("interrupted")
    assert preparing.endswith("preparing")
    assert half.index("loss") == scoring.index("loss")
    assert half.index("0:10") == scoring.index("scoring") == preparing.index("preparing")


def test_ended_runs_stay_above(new_screen: NewScreen) -> None:
    screen = new_screen(terminal=True)
    with ComparisonDisplay(screen) as display:
        display(Planned(RUNS[:2], ()))
        for run in RUNS[:2]:
            begin(display, run)
        display(ended(RUNS[0]))
        display(ended(RUNS[1], "diverged", None, None))
    *above, last = screen_of(screen.text)
    assert above == ["lstm-seed-0  finished  0.412 nats per character  in 0:48", "rnn-seed-0   diverged"]
    assert re.fullmatch("2/2 runs \\(1 diverged\\) ━{40} 100 %  done", last)


def test_an_interrupted_comparison_leaves_no_run_on_the_screen(new_screen: NewScreen) -> None:
    screen = new_screen(terminal=True)

    def fails() -> None:
        with ComparisonDisplay(screen) as display:
            display(Planned(RUNS, RUNS[:1]))
            begin(display, RUNS[1])
            display.live.refresh()
            screen.write("^C")  # as a terminal echoes it
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    (line,) = screen_of(screen.text)
    assert line.startswith("1/6 runs ")
    assert line.endswith(" 16 %  stopped")


NAMES = ("tune-[red]lstm-learning-rate-0.004-seed-0", "漢字漢字漢字漢字漢字-seed-0", "a\x1b[31m-seed-0")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_terminal_shows_what_fits_its_width(
    new_screen: NewScreen, encoding: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    screen = new_screen(encoding, terminal=True)
    with ComparisonDisplay(screen, clock=Clock()) as display:
        display(Planned((*RUNS, *NAMES), ()))
        display(ended(RUNS[5], "diverged", None, None))
        for run in (RUNS[0], *NAMES):
            begin(display, run)
            inside(display, run, *map(stepped, range(1, 51)), Evaluated(50, {METRIC: 1.75}, best=True))
        inside(display, NAMES[0], Finished(50, "patience"))
        lines = frame(display)
        display.live.refresh()
        above, *drawn = screen_of(screen.text, columns)
    assert above.split() == ["rnn-seed-2", "diverged"]
    assert drawn == lines  # each line is one of the screen: none was wrapped, none is left of earlier pictures
    assert lines[0].startswith("1/9 runs")
    whole = "\n".join(lines)
    facts = {" 50 %": 0, "  0:00 left": 0, "validation 1.750": 60, "loss 2.500": 80, "6.4k characters/s": 100}
    assert {fact: whole.count(fact) for fact in facts} == {
        " 50 %": 4, "  0:00 left": 3, "validation 1.750": 4 * (columns >= 60), "loss 2.500": 4 * (columns >= 80),
        "6.4k characters/s": 3 * (columns >= 100),
    }  # fmt: skip
    assert "scoring" in whole
    names = "".join(line.split("  ")[0] for line in lines[1:])
    kanji = "漢字" if encoding == "utf-8" else "??"
    assert names == f"lstm-seed-0tune-[red]lstm-learning-rate-0.004-seed-0{kanji * 5}-seed-0a\\x1b[31m-seed-0"
    assert ("━" in whole) == (encoding == "utf-8")


def test_a_low_terminal_shows_the_runs_that_fit(new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "5")
    screen = new_screen(terminal=True)
    with ComparisonDisplay(screen) as display:
        display(Planned(RUNS, ()))
        for run in RUNS:
            begin(display, run)
        display.live.refresh()
        shown = screen_of(screen.text)
    assert [line.split()[0] for line in shown] == ["0/6", *RUNS[:3], "..."]
    assert screen_of(screen.text)[0].endswith("stopped")


def test_no_color_means_none(new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> str:
        screen = new_screen(terminal=True)
        with ComparisonDisplay(screen) as display:
            display(Planned(RUNS[:1], ()))
            display(ended(RUNS[0]))
        text: str = screen.text
        return text

    assert "\x1b[32m" in written()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "32m" not in written()


def test_a_stream_that_closes_does_not_stop_the_comparison(new_screen: NewScreen) -> None:
    events: list[ComparisonEvent] = [RunBegan(RUNS[0]), RunEvent(RUNS[0], stepped(1)), ended(RUNS[0])]
    for terminal in (False, True):
        screen = new_screen(terminal=terminal)
        with ComparisonDisplay(screen) as display:
            display(Planned(RUNS, ()))
            screen.close()
            for event in events:
                display(event)
        assert display.progress.ended == {RUNS[0]}


def test_what_follows_the_last_run_is_told_as_it_begins_and_then_now_and_then(new_screen: NewScreen) -> None:
    screen, clock = new_screen(), Clock()
    with ComparisonDisplay(screen, clock=clock) as display:
        display(Planned(RUNS[:2], RUNS[:2]))
        for doing, seconds, share in (
            ("gathering", 1, None),
            ("measuring the recall of lstm", 1, 0.0),
            ("measuring the recall of lstm", 5, 0.25),
            ("measuring the recall of lstm", 6, 0.5),
            ("measuring the recall of lstm", 1, 0.6),
            ("writing the report", 1, None),
        ):
            clock.now += seconds
            display(Concluding(doing, share))
    assert screen.text.splitlines()[1:] == [
        "gathering",
        "measuring the recall of lstm",
        "measuring the recall of lstm: 50 %",
        "writing the report",
    ]


def test_what_follows_the_last_run_has_a_line_of_its_own(
    new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    screen, clock = new_screen(terminal=True), Clock()
    with ComparisonDisplay(screen, clock=clock) as display:
        display(Planned(RUNS[:2], RUNS[:2]))
        display(Concluding("measuring the gradients of lstm"))
        clock.now += 65
        display(Concluding("measuring the gradients of lstm"))
        assert frame(display)[-1] == "measuring the gradients of lstm  1:05"
        display(Concluding("measuring the recall of lstm", 0.0))
        clock.now += 9
        display(Concluding("measuring the recall of lstm", 0.25))
        assert re.fullmatch("measuring the recall of lstm ━+ ?╸?━* +25 %  0:09", frame(display)[-1].replace("╺", "━"))
    assert "recall" not in frame(display)[-1]


def test_events_of_unknown_runs_are_harmless(new_screen: NewScreen) -> None:
    with ComparisonDisplay(new_screen(terminal=True)) as display:
        inside(display, "unknown", stepped(1))
        display(ended("unknown"))
        assert frame(display) == ["preparing"]
