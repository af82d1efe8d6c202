"""Terminal output while torch is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing

import pytest

pty = pytest.importorskip("pty", reason="pseudo-terminals are not available here")

NOTE, ERASED = b"loading PyTorch", b"\r\x1b[K"


def on_a_terminal(*arguments: str) -> bytes:
    """Everything that `lstmctl` writes to a terminal, which is its stderr."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "lstmctl", *arguments]
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    with closing(os.fdopen(ours, "rb", buffering=0)) as screen:
        with subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL, env=environment) as process:
            os.close(theirs)
            shown = b""
            try:
                while part := screen.read(4096):
                    shown += part
            except OSError:  # how Linux says that the other side has closed
                pass
        assert process.returncode == 2
    return shown


def test_a_note_is_shown_until_torch_is_loaded() -> None:
    note, erased, after = on_a_terminal("train", "device=cuda:77").partition(ERASED)
    assert note == NOTE
    assert erased
    assert b"error: device" in after
