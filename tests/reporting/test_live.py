"""The live display: plain lines without a terminal, a display redrawn in place in one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.live_render import LiveRender
from rich.text import Text

from lstmctl.events import Concluding, Evaluated, Finished, Sampled, SavePoint, Started, Stepped
from lstmctl.reporting.console import console
from lstmctl.reporting.display import ReflowedRender
from lstmctl.reporting.live import TrainingDisplay
from tests.reporting.conftest import Clock, frame
from tests.terminal import screen as screen_of

NewScreen = Callable[..., Any]


def stepped(step: int, loss: float, units: int, seconds: float) -> Stepped:
    return Stepped(step, loss, learning_rate=0.004, gradient_norm=0.25, units=units, seconds=seconds)


def test_without_a_terminal_each_evaluation_is_one_plain_line(new_screen: NewScreen) -> None:
    screen, clock = new_screen(), Clock()
    with TrainingDisplay(screen, clock=clock) as display:
        display(Started(0, 2930, "characters", 1024))
        clock.now += 5
        display(stepped(293, 1.832, 293 * 1024, 293 * 1024 / 61200))
        display(Evaluated(293, {"nats_per_character": 1.79, "bits_per_character": 2.58}, best=True))
        display(Sampled(293, "not shown"))
        display(SavePoint(293, best=True, final=False))
        display(Evaluated(294, {"nats_per_character": 1.8}, best=False))
        display(Finished(294, "interrupted"))
    first, second = screen.text.splitlines()
    assert first == (
        "step 293/2930  10 %  loss 1.832  validation 1.790 nats per character (best)  61,200 characters/s  0:45 left"
    )
    assert second.startswith(
        "step 294/2930  10 %  loss 1.832  validation 1.800 nats per character  61,200 characters/s"
    )
    assert screen.text.isascii()


def test_unknown_facts_are_left_out(new_screen: NewScreen) -> None:
    screen = new_screen()
    with TrainingDisplay(screen) as display:
        display(Started(0, 10, "windows", 8))
        display(Evaluated(0, {"accuracy": 0.5, "nats_per_label": 2.0}, best=True))
    assert screen.text == "step 0/10  0 %  validation 0.500 accuracy (best)\n"


def test_quiet_shows_nothing_anywhere(new_screen: NewScreen) -> None:
    for screen in (new_screen(), new_screen(terminal=True)):
        with TrainingDisplay(screen, quiet=True) as display:
            display(Started(0, 10, "characters", 64))
            display(stepped(1, 2.0, 64, 1.0))
            display(Evaluated(1, {"nats_per_character": 2.0}, best=True))
        assert screen.text == ""


def test_a_dumb_terminal_gets_plain_lines(new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    screen = new_screen(terminal=True)
    with TrainingDisplay(screen) as display:
        display(Started(0, 10, "characters", 64))
        display(Evaluated(5, {"nats_per_character": 2.0}, best=False))
    assert screen.text == "step 5/10  50 %  validation 2.000 nats per character  0:00 left\n"


def test_a_resumed_run_is_timed_by_this_session_alone(new_screen: NewScreen) -> None:
    clock = Clock()
    display = TrainingDisplay(new_screen(), quiet=True, clock=clock)
    display(Started(500, 1000, "characters", 100))
    assert display.progress.rate is None
    assert display.progress.seconds_left is None
    clock.now += 10
    display(stepped(550, 1.0, 55_000, 7000.0))
    # One report: it is unknown how many of its 7000 seconds were in this session.
    assert display.progress.rate is None
    assert display.progress.seconds_left == pytest.approx(450 * 10 / 50)
    clock.now += 10
    display(stepped(600, 1.0, 60_000, 7008.0))
    assert display.progress.rate == pytest.approx(5000 / 8)
    assert display.progress.seconds_left == pytest.approx(400 * 20 / 100)
    clock.now += 30
    assert display.progress.seconds_left == pytest.approx(50)


def test_the_rate_follows_the_last_reports(new_screen: NewScreen) -> None:
    display = TrainingDisplay(new_screen(), quiet=True)
    display(Started(0, 1000, "characters", 100))
    seconds = 0.0
    for step in range(1, 101):
        seconds += 1.0 if step <= 50 else 10.0
        display(stepped(step, 1.0, step * 100, seconds))
    assert display.progress.rate == pytest.approx(10)


def test_the_smoothed_loss_starts_at_the_first_and_ignores_what_is_not_finite(new_screen: NewScreen) -> None:
    display = TrainingDisplay(new_screen(), quiet=True)
    display(Started(0, 10, "characters", 64))
    display(stepped(1, 4.0, 64, 1.0))
    assert display.progress.loss == 4.0
    display(stepped(2, float("nan"), 128, 2.0))
    assert display.progress.loss == 4.0
    display(stepped(3, 2.0, 192, 3.0))
    assert display.progress.loss == pytest.approx((0.9 * 4 + 2) / 1.9)


def test_many_losses_are_thinned(new_screen: NewScreen) -> None:
    display = TrainingDisplay(new_screen(), quiet=True)
    display(Started(0, 10_000, "characters", 64))
    for step in range(1, 5001):
        display(stepped(step, float(step), step * 64, float(step)))
    assert len(display.progress.losses) <= 2048
    assert display.progress.losses == sorted(display.progress.losses)


SAMPLE = "[bold]He [/nope] said\x1b[31m “no” — 漢字漢字漢字\tto\r\nthe captain :smile: " + "and the ship went on " * 20


def train(display: TrainingDisplay) -> None:
    """The events of half a run."""
    display(Started(0, 200, "characters", 64))
    for step in range(1, 101):
        display(stepped(step, 4.0 - step / 50, step * 64, step / 100))
    display(Evaluated(90, {"nats_per_character": 1.5}, best=True))
    display(Evaluated(100, {"nats_per_character": 1.75}, best=False))
    display(Sampled(100, SAMPLE))


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_terminal_shows_all_facts_within_its_width(
    new_screen: NewScreen, encoding: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    screen = new_screen(encoding, terminal=True)
    with TrainingDisplay(screen, clock=Clock()) as display:
        train(display)
        lines = frame(display)
        display.live.refresh()
        drawn = [line for line in screen_of(screen.text, columns) if line]
    assert drawn == lines  # each line is one of the screen: none was wrapped, none is left of earlier pictures
    assert max(map(len, lines)) <= columns - 3
    whole = " ".join(lines)
    for part in ("step 100/200", "50 %", "validation 1.750", "best 1.500 at step 90", "6.4k characters/s"):
        assert part in whole
    for part in ("learning rate 0.004", "gradient norm 0.25", "sample at step 100", "[bold]He [/nope]", "\\x1b[31m"):
        assert part in whole
    if encoding == "utf-8":
        assert ["█" in whole, "━" in whole, "│" in whole, "漢" in whole] == [True] * 4
    else:
        assert any(line.endswith("____") for line in lines)  # the end of the sparkline
        whole.encode(encoding)
    if encoding == "ascii" and columns >= 60:
        assert 'said\\x1b[31m "no" - ?????? to the' in whole


def test_no_color_means_none(new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> str:
        screen = new_screen(terminal=True)
        with TrainingDisplay(screen) as display:
            display(Started(0, 10, "characters", 64))
            display(stepped(5, 2.0, 320, 1.0))
            display(Evaluated(5, {"nats_per_character": 2.0}, best=True))
        text: str = screen.text
        return text

    colour = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
    assert colour.search(written())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour.search(written())


def test_the_last_picture_says_how_it_ended_and_shows_no_sample(new_screen: NewScreen) -> None:
    for reason, ending in (("budget", "done"), ("patience", "stopped early"), ("interrupted", "interrupted")):
        screen = new_screen(terminal=True)
        with TrainingDisplay(screen) as display:
            display(Started(0, 10, "characters", 64))
            display(stepped(10, 2.0, 640, 1.0))
            display(Sampled(10, "once upon a time"))
            display(Finished(10, reason))  # type: ignore[arg-type]
            assert any("once upon" in line for line in frame(display))
        first, *others = screen_of(screen.text)
        assert re.fullmatch(f"step 10/10 ━{{40}} 100 %  {ending}", first)
        assert others == ["loss 2.000   640 characters/s   learning rate 0.004   gradient norm 0.25", "▁"]


def test_before_training_begins_it_says_so(new_screen: NewScreen) -> None:
    with TrainingDisplay(new_screen(terminal=True)) as display:
        assert frame(display) == ["preparing"]


def test_a_low_terminal_shows_what_fits(new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "5")
    screen = new_screen(terminal=True)
    with TrainingDisplay(screen, clock=Clock()) as display:
        train(display)
        whole = frame(display)
        display.live.refresh()
        lines = screen_of(screen.text)
    assert lines[:4] == whole[:4]
    assert [line.strip() for line in lines[4:]] == ["..."]


def test_a_narrowed_window_is_cleared_of_the_lines_that_it_broke(new_screen: NewScreen) -> None:
    """A line of 30 columns takes two rows of 20, one of 50 three, and one of 10 still one."""
    shown = console(new_screen(terminal=True))
    render = ReflowedRender(LiveRender(Text("a" * 30 + "\n" + "b" * 10 + "\n" + "c" * 50)), shown)
    shown.print(render, end="")
    assert str(render.position_cursor()).count("\x1b[1A") == 2
    shown.width = 20
    assert str(render.position_cursor()).count("\x1b[1A") == 2 + 1 + 3 - 1
    shown.print(render, end="")
    assert str(render.restore_cursor()).count("\x1b[1A") == 2 + 1 + 3


def test_a_stream_that_closes_does_not_stop_the_training(new_screen: NewScreen) -> None:
    for terminal in (False, True):
        screen = new_screen(terminal=terminal)
        with TrainingDisplay(screen) as display:
            display(Started(0, 10, "characters", 64))
            screen.close()
            display(Evaluated(5, {"nats_per_character": 2.0}, best=True))
        assert display.progress.step == 5


def test_an_interruption_keeps_the_facts_and_gives_the_terminal_back(new_screen: NewScreen) -> None:
    screen = new_screen(terminal=True)

    def fails() -> None:
        with TrainingDisplay(screen, clock=Clock()) as display:
            train(display)
            display.live.refresh()
            screen.write("^C")  # as a terminal echoes it
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    lines = screen_of(screen.text)
    assert [line.startswith("step 100/200 ") for line in lines[:2]] == [True, False]
    assert lines[-1].startswith("████")
    assert not any("^C" in line for line in lines)
    assert screen.text.count("\x1b[?25l") == screen.text.count("\x1b[?25h") == 1  # the cursor is hidden, then shown


COURSES = "\n".join(f"▁▂▃▄▅▆▇█▁▂▃▄▅▆▇█▁▂▃▄▅▆▇ → ▅▆▇█▇▆▅▄▃▂▃▄▅  channel {number}" for number in range(10))


@pytest.mark.parametrize("columns", [30, 60, 120])
def test_each_channel_of_a_series_is_one_line(
    new_screen: NewScreen, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    display = TrainingDisplay(new_screen(terminal=True), clock=Clock())
    display(Started(0, 200, "windows", 32))
    display(stepped(40, 0.5, 1280, 400.0))
    display(Sampled(40, COURSES))
    lines = frame(display)
    assert "3.2 windows/s" in " ".join(lines)
    courses = [line.strip("│ ") for line in lines if "→" in line]
    assert len(courses) == 8
    assert all("→ ▅▆▇█▇▆▅▄▃▂▃" in line for line in courses)
    assert [line.endswith(f"channel {number}") for number, line in enumerate(courses)] == [columns > 30] * 8
    assert lines[-2].strip("│ ") == "and 2 more"


def test_channels_of_a_series_in_ascii(new_screen: NewScreen) -> None:
    display = TrainingDisplay(new_screen("ascii", terminal=True), clock=Clock())
    display(Started(0, 200, "windows", 32))
    display(Sampled(40, COURSES))
    lines = frame(display)
    assert "_.:-=+*#_.:-=+*#_.:-=+* -> =+*#*+=-:.:-=  channel 0" in [line.strip("| ") for line in lines]
    assert "\n".join(lines).isascii()


def test_a_slow_rate_is_not_rounded_to_nothing(new_screen: NewScreen) -> None:
    screen = new_screen()
    with TrainingDisplay(screen, clock=Clock()) as display:
        display(Started(0, 200, "windows", 32))
        display(stepped(1, 0.5, 32, 80.0))
        display(Evaluated(1, {"mse_scaled": 0.5}, best=True))
    assert "0.4 windows/s" in screen.text


def test_what_follows_the_last_step_is_shown_in_a_terminal(new_screen: NewScreen) -> None:
    screen, clock = new_screen(terminal=True), Clock()
    with TrainingDisplay(screen, clock=clock) as display:
        display(Started(0, 10, "characters", 64))
        display(Finished(10, "budget"))
        display(Concluding("scoring the test part", 0.0))
        clock.now += 65
        display(Concluding("scoring the test part", 0.456))
        assert re.fullmatch(r"scoring the test part ━+╺?━+ +45 % +1:05", frame(display)[1])
        display(Concluding("computing baselines"))
        assert frame(display)[1] == "computing baselines  0:00"
    assert "baselines" not in screen.text.rpartition("step ")[2]


def test_elsewhere_a_slow_end_is_reported_as_it_goes(new_screen: NewScreen) -> None:
    screen, clock = new_screen(), Clock()
    with TrainingDisplay(screen, clock=clock) as display:
        display(Started(0, 10, "characters", 64))
        display(Finished(10, "budget"))
        for second in range(26):
            display(Concluding("scoring the test part", second / 50))
            clock.now += 1
        display(Concluding("computing baselines"))
        clock.now += 1
        display(Concluding("drawing the report"))
    assert screen.text.splitlines() == [
        "scoring the test part: 20 %",
        "scoring the test part: 40 %",
        "computing baselines",
        "drawing the report",
    ]
    screen = new_screen()
    with TrainingDisplay(screen, clock=clock) as display:
        for doing in ("scoring the test part", "computing baselines", "drawing the report"):
            display(Concluding(doing))
            clock.now += 3
    assert screen.text == ""
