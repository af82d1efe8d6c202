"""The program works without features that only Linux has, and on consoles that lack characters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.conftest import write_series_config, write_small_config

HIDDEN = """
import filelock  # has a way of its own on every system
import os, signal, sys

class Hidden:
    names = {"fcntl", "resource", "termios", "tty", "pwd", "grp"}

    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in Hidden.names:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Hidden())
for name in ("fork", "getuid", "geteuid", "O_DIRECTORY", "sched_getaffinity", "symlink", "chown"):
    delattr(os, name)
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM"):
    delattr(signal, name)

def link(*arguments, **settings):
    raise OSError("this file system has no hard links")

os.link = link
"""
"""A `sitecustomize.py`: every process of Python runs it first, also the workers of a comparison."""

PROGRAM = """
import signal, sys
from lstmctl import train
from lstmctl.cli.main import main
from lstmctl.training import device

class Windows:
    platform = "win32"

device.sys = Windows

def stop(event):
    if type(event).__name__ == "Saved" and event.step == 21:
        signal.raise_signal(signal.SIGINT)

assert train("small.yaml").status == "finished"
assert train("small.yaml", observe=stop).status == "interrupted"
for line in sys.stdin.read().splitlines():
    sys.argv = ["lstmctl", *line.split("|")]
    try:
        main()
    except SystemExit as ended:
        print(f"{line}: {ended.code}", file=sys.stderr)
"""
COMMANDS = (
    "train|--resume|latest|--quiet",
    "generate|latest|--length|20|--temperature|0",
    "evaluate|small-lstm-002|--json",
    "train|waves.yaml|--quiet",
    "forecast",
    "compare|rnn|lstm|--config|small.yaml|--seeds|1|--jobs|2|--quiet|training.budget=20 steps",
    "runs|list",
)


@pytest.mark.skipif(sys.platform == "win32", reason="there it needs no pretending")
def test_everything_works_without_what_only_unix_has(text_file: Path) -> None:
    write_small_config(text_file)
    write_series_config(Path())
    Path("hidden").mkdir()
    Path("hidden/sitecustomize.py").write_text(HIDDEN, encoding="utf-8")
    paths = [str(Path("hidden").absolute()), *filter(None, [os.environ.get("PYTHONPATH")])]
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="\n".join(COMMANDS),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert [line for line in result.stderr.splitlines() if line.startswith(tuple(COMMANDS))] == [
        f"{command}: 0" for command in COMMANDS
    ], result.stderr
    assert "Traceback" not in result.stderr
    whole, resumed = (load_file(f"runs/small-lstm-00{number}/last.safetensors") for number in (1, 2))
    assert all(bool((whole[name] == resumed[name]).all()) for name in whole)
    info = json.loads(Path("runs/small-lstm-002/run.json").read_text(encoding="utf-8"))
    assert info["status"] == "finished"
    assert Path("runs/small-comparison-001/report.html").is_file()


@pytest.mark.parametrize(
    "console",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["cp1252", "C"],
)
def test_a_console_that_lacks_characters_shows_others(console: dict[str, str]) -> None:
    """The text is Greek, which neither can show; the files are UTF-8 all the same."""
    Path("small.txt").write_text("αλφα βητα γαμμα δελτα " * 400, encoding="utf-8")
    write_small_config(Path("small.txt"))
    program = PROGRAM.replace('assert train("small.yaml", observe=stop).status == "interrupted"\n', "")
    commands = (
        "train|small.yaml|training.budget=20 steps",
        "generate|latest|--length|5|--prompt|",
        "data|show|small.yaml",
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONIOENCODING", "LANG")}
    result = subprocess.run(
        [sys.executable, "-c", program],
        input="\n".join(commands).encode(),
        env={**environment, **console},
        capture_output=True,
        check=False,
    )
    told = result.stderr.decode("ascii", "strict" if "LC_ALL" in console else "replace")
    assert result.returncode == 0, told
    assert [line for line in told.splitlines() if line.startswith(commands)] == [f"{line}: 0" for line in commands]
    assert b"\\u03b1" in result.stdout + result.stderr
    assert "αλφα" not in told
    report = Path("runs/small-lstm-002/report.html").read_text(encoding="utf-8")
    assert "<html" in report
