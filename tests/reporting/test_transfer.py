"""The bar of a transfer: in a terminal, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lstmctl.reporting.transfer import TransferBar

NewScreen = Callable[..., Any]


def come(bar: TransferBar, total: int) -> None:
    """Three chunks of a megabyte, in the order in which pooch tells of them."""
    bar.total = total
    for _ in range(3):
        bar.update(1_000_000)
    bar.reset()
    bar.update(total)
    bar.close()


def test_a_terminal_shows_how_much_has_come(new_screen: NewScreen) -> None:
    screen = new_screen(terminal=True)
    with TransferBar("sea.txt", screen) as bar:
        come(bar, 2_900_000)
    assert "sea.txt" in screen.text
    assert "2.9/2.9 MB" in screen.text  # the last chunk was a short one
    assert screen.text.rstrip("\r\n").endswith("\x1b[2K")  # nothing of it stays


def test_elsewhere_nothing_is_shown(new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [new_screen(), new_screen(terminal=True), new_screen(terminal=True)]
    for screen, quiet, terminal in zip(shown, (False, True, False), ("xterm", "xterm", "dumb"), strict=True):
        monkeypatch.setenv("TERM", terminal)
        with TransferBar("sea.txt", screen, quiet=quiet) as bar:
            come(bar, 2_900_000)
        assert screen.text == ""


def test_an_unknown_length_is_no_reason_to_stop(new_screen: NewScreen) -> None:
    screen = new_screen(terminal=True)
    with TransferBar("sea.txt", screen) as bar:
        come(bar, 0)
    assert "sea.txt" in screen.text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_cannot_drive_the_terminal(encoding: str, new_screen: NewScreen) -> None:
    screen = new_screen(encoding, terminal=True)
    with TransferBar("[bold]\x1b[2Jü", screen) as bar:
        come(bar, 2_900_000)
    assert "\x1b[2J" not in screen.text
    assert "[bold]\\x1b[2J" in screen.text


def test_what_breaks_off_gives_the_terminal_back(new_screen: NewScreen) -> None:
    screen = new_screen(terminal=True)
    with pytest.raises(KeyboardInterrupt), TransferBar("sea.txt", screen):
        raise KeyboardInterrupt
    assert screen.text.count("\x1b[?25l") == screen.text.count("\x1b[?25h") == 1  # the cursor is hidden, then shown
