"""On a real terminal: control characters are shown as escapes, and progress is redrawn in place."""

from __future__ import annotations

import json
import os
import re
import select
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests import processes
from tests.conftest import Command
from tests.terminal import screen

pytest.importorskip("pty", reason="this system has no pseudo-terminals")
fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")

CONTROLS = ["\x1b[31mred\x1b[0m", "\x07bell", "one\rtwo", "\u202eabc", "\x9b31m", "del\x7f", "\x0bup", "\u2028end"]
UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e]|\r(?!\n)")
PROMPT = "".join(CONTROLS) + "tab\tline\n"
ESCAPED = r"\x1b[31mred\x1b[0m\x07bellone\rtwo\u202eabc\x9b31mdel\x7f\x0bup\u2028end" + "tab\tline\n"


def on_a_terminal(*arguments: str) -> str:
    """The stdout of a command if it is a terminal."""
    reader, writer = os.openpty()
    line = [sys.executable, "-m", "lstmctl", *arguments]
    try:
        result = processes.run(line, stdout=writer, stderr=subprocess.PIPE, timeout=120, check=False)
        assert (result.returncode, result.stderr) == (0, b"")
        os.write(writer, b"\0")  # never written otherwise: the end
        found = b""
        while not found.endswith(b"\0"):
            found += os.read(reader, 65536)
    finally:
        os.close(reader)
        os.close(writer)
    return found[:-1].decode().replace("\r\n", "\n").replace("\r\n", "\n")  # a terminal puts a return before a break


@pytest.fixture
def control_text(lstmctl: Command, tmp_path: Path) -> None:
    """A run that was trained on text full of control characters."""
    (tmp_path / "control.txt").write_bytes((PROMPT * 60).encode())
    config = "data: {text: control.txt}\nmodel: {hidden: 8, embedding: 8}\nthreads: 1\n"
    (tmp_path / "control.yaml").write_text(config)
    assert lstmctl("train", "control.yaml", "training.budget=2 steps", "training.batch=4", "--quiet").code == 0


@pytest.mark.parametrize("options", [(), ("--count", "2"), ("--json",)])
def test_generated_control_characters_are_escapes_on_a_terminal_alone(
    options: tuple[str, ...], control_text: None, lstmctl: Command
) -> None:
    arguments = ["generate", "--prompt", PROMPT, "--length", "30", "--temperature", "9", *options]
    raw = lstmctl(*arguments).out
    shown = on_a_terminal(*arguments)
    assert not UNSAFE.search(shown)
    if "--json" in options:
        assert json.loads(shown) == json.loads(raw)
    else:
        assert raw.startswith(PROMPT)
        assert shown.startswith(ESCAPED)


def test_a_line_break_of_two_characters_stays_one(control_text: None) -> None:
    shown = on_a_terminal("generate", "--prompt", "one\r\ntwo\rline\n", "--length", "0")
    assert shown == "one\ntwo\\rline\n\n"


def test_predictions_of_control_characters_are_escapes_on_a_terminal(control_text: None, lstmctl: Command) -> None:
    raw = lstmctl("predict", "--text", CONTROLS[0]).out
    assert CONTROLS[0] in raw
    shown = on_a_terminal("predict", "--text", CONTROLS[0])
    assert not UNSAFE.search(shown)
    assert "\\x1b[31mred" in shown


def progress_of(columns: int, *arguments: str) -> list[str]:
    """The screen of a terminal with `columns` columns after a command whose stderr it was."""
    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    line = [sys.executable, "-m", "lstmctl", *arguments]
    hidden = ("COLUMNS", "LINES", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    written = b""
    try:
        started = processes.start(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=writer,
            env={**environment, "TERM": "xterm"},
        )
        while True:
            readable, _, _ = select.select([reader], [], [], 0.1)
            if readable:
                written += os.read(reader, 65536)
            elif started.poll() is not None:
                break
        assert started.returncode == 0, written
    finally:
        os.close(reader)
        os.close(writer)
    return screen(written.decode(), columns)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_training_is_redrawn_in_place(columns: int, control_text: None) -> None:
    settings = ["training.budget=20 steps", "training.batch=4", "training.evaluate_every=10"]
    shown = progress_of(columns, "train", "control.yaml", *settings)
    assert re.fullmatch("step 20/20 ━{20,40} 100 %  done", shown[0])
    facts = " ".join(shown[1:7])
    for fact in ("loss ", "validation ", "nats per character", "characters/s", "learning rate ", "gradient norm "):
        assert fact in facts
    text = "\n".join(shown)
    assert [text.count(part) for part in ("step 20/20", "gradient norm", "sample at step")] == [1, 1, 0]


@pytest.mark.parametrize("columns", [60, 120])
def test_a_comparison_is_redrawn_in_place(columns: int, control_text: None) -> None:
    settings = ["training.budget=20 steps", "training.batch=4", "--seeds", "1", "--config", "control.yaml"]
    shown = progress_of(columns, "compare", "rnn", "lstm", *settings)
    end = next(number for number, line in enumerate(shown) if line.startswith("2/2 runs"))
    assert re.fullmatch("2/2 runs ━{30,40} 100 %  done", shown[end])
    runs = sorted(shown[end - 2 : end])
    for name, line in zip(("lstm", "rnn"), runs, strict=True):
        assert re.match(rf"{name}-seed-0 +finished  \d\.\d+ nats per character  in 0:0\d", line)
    assert "\n".join(shown).count("2/2 runs") == 1
