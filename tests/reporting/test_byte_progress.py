"""The progress bar of bytes: in a terminal, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lstmctl.reporting.byte_progress import ByteProgress
from tests.terminal import screen as screen_of

NewScreen = Callable[..., Any]


def arrive(bar: ByteProgress, total: int) -> None:
    """Three chunks, the last a short one."""
    bar.total = total
    for amount in (1_000_000, 1_000_000, 900_000):
        bar.update(amount)


def test_a_terminal_shows_how_much_has_arrived(new_screen: NewScreen) -> None:
    screen = new_screen(terminal=True)
    with ByteProgress("sea.txt", screen) as bar:
        assert bar.total == 0
        arrive(bar, 2_900_000)
        assert bar.total == 2_900_000
    assert "sea.txt" in screen.text
    assert "2.9/2.9 MB" in screen.text
    assert not any(screen_of(screen.text))  # nothing of it stays


def test_nothing_is_shown_elsewhere(new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [new_screen(), new_screen(terminal=True), new_screen(terminal=True)]
    for screen, quiet, terminal in zip(shown, (False, True, False), ("xterm", "xterm", "dumb"), strict=True):
        monkeypatch.setenv("TERM", terminal)
        with ByteProgress("sea.txt", screen, quiet=quiet) as bar:
            arrive(bar, 2_900_000)
        assert screen.text == ""


def test_an_unknown_length_is_not_an_obstacle(new_screen: NewScreen) -> None:
    screen = new_screen(terminal=True)
    with ByteProgress("sea.txt", screen) as bar:
        arrive(bar, 0)
    assert "sea.txt" in screen.text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_cannot_drive_the_terminal(encoding: str, new_screen: NewScreen) -> None:
    screen = new_screen(encoding, terminal=True)
    with ByteProgress("[bold]\x1b[2Jü", screen) as bar:
        arrive(bar, 2_900_000)
    assert "\x1b[2J" not in screen.text
    assert "[bold]\\x1b[2J" in screen.text


def test_an_interruption_gives_the_terminal_back(new_screen: NewScreen) -> None:
    screen = new_screen(terminal=True)
    with pytest.raises(KeyboardInterrupt), ByteProgress("sea.txt", screen):
        raise KeyboardInterrupt
    assert screen.text.count("\x1b[?25l") == screen.text.count("\x1b[?25h") == 1  # the cursor is hidden, then shown
