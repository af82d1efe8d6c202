"""Printed commands can be typed unchanged."""

from __future__ import annotations

import os
import shlex

import pytest

from lstmctl.shell import join, split

WORDS = ["lstmctl", "train", "data.text=my text.txt", 'a"b', "training.budget=3M characters", "it's", "", "C:\\a b\\"]


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")


def test_a_posix_shell_reads_the_words_back() -> None:
    assert shlex.split(join(WORDS)) == WORDS


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize(
    ("word", "typed"),
    [
        (r"runs\lstm-001", r"runs\lstm-001"),
        (r"C:\my runs\lstm-001", r'"C:\my runs\lstm-001"'),
        ("C:\\my runs\\", '"C:\\my runs\\\\"'),
        ('say "ah"', r'"say \"ah\""'),
        (r"a\"b", r'"a\\\"b"'),
        ("1e-3,3e-3", '"1e-3,3e-3"'),
        ("a&b", '"a&b"'),
        ("", '""'),
    ],
)
def test_windows_takes_double_quotes_and_keeps_backslashes(word: str, typed: str) -> None:
    assert join([word]) == typed
    assert join(["lstmctl", word]) == f"lstmctl {typed}"


def test_words_are_split_as_a_shell_does() -> None:
    assert split(r"""lstm a='b c' "d e" f\ g #1""") == ["lstm", "a=b c", "d e", "f g", "#1"]
    with pytest.raises(ValueError, match="No closing quotation"):
        split("lstm 'a")


@pytest.mark.usefixtures("windows")
def test_backslashes_of_windows_paths_are_kept() -> None:
    assert split(r'lstm a=C:\new\table.csv "b c"') == ["lstm", r"a=C:\new\table.csv", "b c"]
