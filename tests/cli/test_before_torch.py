"""Errors that need no network are reported before torch is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import Trained

PROGRAM = """
import contextlib, io, json, sys
from lstmctl.cli.main import main

found = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["lstmctl", *arguments]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            main()
    except SystemExit as ended:
        found.append([ended.code, said.getvalue(), "torch" in sys.modules])
print(json.dumps(found))
"""
NO_RUN, NO_FILE, TYPO = "error: no run `nothing`", "error: `nothing.txt` does not exist", "did you mean hidden?"
CASES: list[tuple[tuple[str, ...], int, str]] = [
    (("train", "nothing"), 2, "error: nothing  neither a file nor a bundled config"),
    (("train", "model.hiden=3"), 2, TYPO),
    (("train", "data.text=nothing.txt"), 3, NO_FILE),
    (("train", "--resume", "nothing"), 4, NO_RUN),
    (("train", "--init-from", "nothing"), 4, NO_RUN),
    (("generate", "nothing"), 4, NO_RUN),
    (("generate", "--top-k", "0"), 2, "error: top-k must be 1 or more, not 0"),
    (("evaluate", "nothing"), 4, NO_RUN),
    (("evaluate", "latest", "nothing.txt"), 3, NO_FILE),
    (("evaluate", "latest", "data.text=nothing.txt"), 3, NO_FILE),
    (("forecast", "nothing"), 4, NO_RUN),
    (("backtest", "nothing"), 4, NO_RUN),
    (("predict", "nothing", "--text", "a"), 4, NO_RUN),
    (("predict", "latest", "nothing.txt"), 3, NO_FILE),
    (("inspect", "gates", "nothing"), 4, NO_RUN),
    (("inspect", "gates", "latest", "nothing.txt"), 3, NO_FILE),
    (("inspect", "memory", "nothing"), 4, NO_RUN),
    (("inspect", "gradients", "nothing"), 4, NO_RUN),
    (("inspect", "recall", "nothing"), 4, NO_RUN),
    (("inspect", "recall", "--file", "nothing.txt"), 3, NO_FILE),
    (("runs", "show", "nothing"), 4, NO_RUN),
    (("runs", "report", "nothing"), 4, NO_RUN),
    (("compare", "rnn", "lsm"), 2, "error: `lsm` is not a known cell"),
    (("compare", "rnn", "lstm", "--config", "nothing"), 2, "error: nothing  neither a file nor a bundled config"),
    (("compare", "rnn", "lstm", "model.hiden=3"), 2, TYPO),
    (("compare", "rnn", "lstm", "data.text=nothing.txt"), 3, NO_FILE),
    (("compare", "--resume", "nothing"), 4, "error: no comparison `nothing`"),
    (("data", "show", "data.text=nothing.txt"), 3, NO_FILE),
    (("config", "check", "model.hiden=3"), 2, TYPO),
]


def test_errors_that_need_no_network_need_no_torch(trained: Trained, empty_folder: Path) -> None:
    trained("small")
    asked = json.dumps([arguments for arguments, _, _ in CASES])
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, asked], capture_output=True, encoding="utf-8", check=True, cwd=empty_folder
    )
    for (arguments, code, message), found in zip(CASES, json.loads(ended.stdout), strict=True):
        assert [found[0], found[2]] == [code, False], (arguments, found)
        assert message in found[1], (arguments, found)
