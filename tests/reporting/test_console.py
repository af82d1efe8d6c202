"""Messages survive every stream, and a file's name cannot control the terminal."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lstmctl.reporting.console import (
    console,
    encodable,
    error,
    harmless,
    inert,
    print_table,
    warning,
    wrapped,
    write_line,
    write_sentence,
)

NewScreen = Callable[..., Any]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Größe — 漢字", "Größe — 漢字"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r\tand a tab", "two\\nlines\\r\\tand a tab"),
        ("\x9b2Jcleared", "\\x9b2Jcleared"),
        ("exe\u202etxt", "exe\\u202etxt"),
        ("half \udcff", "half \\udcff"),
        ("nul\0", "nul\\x00"),
    ],
)
def test_inert_text_holds_nothing_that_moves_a_cursor(text: str, shown: str) -> None:
    assert inert(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\r\nand\ta tab", "two\nlines\r\nand\ta tab"),
        ("one\rtwo\x1b]0;title\x07", "one\\rtwo\\x1b]0;title\\x07"),
        ("نمی\u200cخواهم  漢\u3000字\xa0👩\u200d👩", "نمی\u200cخواهم  漢\u3000字\xa0👩\u200d👩"),
        ("\x84\x9b2J\x7f\u2067\udcff", "\\x84\\x9b2J\\x7f\\u2067\\udcff"),
    ],
)
def test_harmless_text_keeps_its_lines_and_its_letters(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_a_line_cannot_drive_a_terminal(new_screen: NewScreen) -> None:
    screen = new_screen(terminal=True)
    write_line("runs/\x1b[2J\rname", screen)
    assert screen.text == "runs/\\x1b[2J\\rname\n"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "a — b… ж"),
        ("ascii", "a - b... \\u0436"),
        ("cp1252", "a - b... \\u0436"),
        ("no-such", "a - b... \\u0436"),
    ],
)
def test_what_an_encoding_lacks_is_replaced(encoding: str, shown: str) -> None:
    assert encodable("a — b… ж", encoding) == shown


def test_an_encoding_that_has_every_character_changes_nothing() -> None:
    assert encodable("a — b… é", "cp1252") == "a — b… é"


def test_errors_are_one_line_each_and_the_hint_comes_last(new_screen: NewScreen) -> None:
    screen = new_screen()
    error(["my.yaml:3:1  seed — wrong", "my\nfile\x1b[2J is missing"], "try again", stream=screen)
    assert screen.text == "error: my.yaml:3:1  seed — wrong\nerror: my\\nfile\\x1b[2J is missing\nhint: try again\n"


def test_one_error_needs_no_list_and_no_hint(new_screen: NewScreen) -> None:
    screen = new_screen()
    error("that is all", stream=screen)
    assert screen.text == "error: that is all\n"


def test_labels_have_colour_in_a_terminal_only_where_it_is_wanted(
    new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch
) -> None:
    coloured, plain, dumb = new_screen(terminal=True), new_screen(terminal=True), new_screen(terminal=True)
    warning("wet paint", stream=coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    warning("wet paint", stream=plain)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    warning("wet paint", stream=dumb)
    assert coloured.text == "\x1b[1;33mwarning:\x1b[0m wet paint\n"
    assert plain.text == dumb.text == "warning: wet paint\n"


def test_a_message_in_ascii_is_readable(new_screen: NewScreen) -> None:
    screen = new_screen("ascii")
    error("seed — “x” is not … a number: café", stream=screen)
    assert screen.text == 'error: seed - "x" is not ... a number: caf\\xe9\n'


def test_a_closed_stream_is_put_up_with() -> None:
    stream = io.StringIO()
    stream.close()
    write_line("nobody reads this", stream)
    error("nor this", stream=stream)
    print_table("nor", ["this"], [["table"]], stream=stream)
    console(stream).print("at all")


def test_errors_reach_a_process_without_utf8_and_without_stderr() -> None:
    code = "from lstmctl.reporting.console import error, warning; error('a \\u2014 \\u0436', 'b'); warning('c')"
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert shown.stderr == b"error: a - \\u0436\nhint: b\nwarning: c\n"
    closed = subprocess.run(f"exec '{sys.executable}' -c \"{code}\" 2>&-", shell=True, capture_output=True, check=False)
    assert (closed.returncode, closed.stdout) == (0, b"")


def test_sentences_break_between_words_on_a_terminal_and_nowhere_else(
    new_screen: NewScreen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    text = "It beats every baseline: 1,234.5678 nats, 0.0001 less than /a/very/long/path/to/some/file.txt"
    lines = ["It beats every baseline:", "1,234.5678 nats, 0.0001", "less than", "/a/very/long/path/to/some/file.txt"]
    screen, pipe = new_screen(terminal=True), new_screen()
    write_sentence(text, screen)
    write_sentence(text, pipe)
    assert screen.text.splitlines() == lines
    assert pipe.text == f"{text}\n"
    warned = new_screen(terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    warning("the test part lacks the label spam", stream=warned)
    assert warned.text == "warning: the test part\nlacks the label spam\n"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 10, [""]),
        ("a b", 1, ["a", "b"]),
        ("ab  cd", 4, ["ab", "cd"]),
        ("한국 어로 쓴 글", 9, ["한국 어로", "쓴 글"]),
        ("한국 어로 쓴 글", 8, ["한국", "어로 쓴", "글"]),
        ("  indented line", 80, ["  indented line"]),
    ],
)
def test_lines_are_as_wide_as_their_symbols(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width).split("\n") == lines


def test_errors_do_not_import_rich() -> None:
    code = (
        "import sys; from lstmctl.reporting.console import error, print_table; error('x');"
        "print_table('t', ['a'], [['b']]); "
        "sys.exit(any(name in sys.modules for name in ('rich', 'matplotlib', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_a_table_in_a_pipe_is_aligned_and_never_cut(new_screen: NewScreen) -> None:
    screen = new_screen()
    print_table("runs", ["name", "loss", "note"], [["sea", 1.25, "x" * 90], ["evil\x1b[2J", 10.5, None]], stream=screen)
    assert screen.text.splitlines() == [
        "runs",
        "name         loss  note",
        "sea          1.25  " + "x" * 90,
        "evil\\x1b[2J  10.5",
    ]


def test_a_table_without_rows_shows_its_columns(new_screen: NewScreen) -> None:
    screen = new_screen()
    print_table("", ["name", "loss"], [], stream=screen)
    assert screen.text == "name  loss\n"


def test_columns_without_names_get_no_heading(new_screen: NewScreen) -> None:
    piped, terminal = new_screen(), new_screen(terminal=True)
    for screen in (piped, terminal):
        print_table("sea", ["", ""], [["cell", "lstm"], ["steps", "100"]], stream=screen)
    assert piped.text == "sea\ncell   lstm\nsteps  100\n"
    assert [line.split() for line in terminal.text.splitlines()[1:]] == [["cell", "lstm"], ["steps", "100"]]


def test_a_reader_that_has_seen_enough_ends_the_output_quietly() -> None:
    code = (
        "import sys; from lstmctl.reporting.console import print_table;"
        "[print_table('t', ['a'], [['b' * 9000]] * 9, stream=sys.stdout) for _ in range(9)]"
    )
    shown = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" -c "$1" | head -1', sys.executable, code],
        capture_output=True,
        check=False,
    )
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, b"t\n", b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_a_full_disk_under_stdout_is_not_passed_over_in_silence() -> None:
    code = "import sys; from lstmctl.reporting.console import print_table, write_line;"
    table = [sys.executable, "-c", code + "print_table('t', ['a'], [['b']], stream=sys.stdout)"]
    message = [sys.executable, "-c", code + "write_line('a message')"]
    with Path("/dev/full").open("w") as full:
        failed = subprocess.run(table, stdout=full, stderr=subprocess.PIPE, check=False)
        assert b"No space left on device" in failed.stderr
        assert failed.returncode != 0
        assert subprocess.run(message, stderr=full, check=False).returncode == 0


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_a_table_in_a_terminal_fits_and_takes_markup_as_text(
    new_screen: NewScreen, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    screen = new_screen(encoding, terminal=True)
    print_table("runs", ["name", "text"], [["[bold]a[/nope]", "ж " + "long words " * 8]], stream=screen)
    assert "[bold]a[/nope]" in screen.text
    plain = [line.encode() for line in screen.text.splitlines()]
    from rich.text import Text

    assert max(Text.from_ansi(line.decode()).cell_len for line in plain) <= 40
    assert screen.text.count("long") == 8
