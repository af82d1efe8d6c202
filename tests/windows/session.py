"""Run every main command of lstmctl under `sitecustomize.py`, and print the results as JSON."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import sitecustomize

import lstmctl
from lstmctl.cli.main import main
from lstmctl.comparison import Interrupted, compare
from lstmctl.events import Evaluated, RunEvent, Saved
from lstmctl.locks import locked
from lstmctl.runs.folder import RunFolder

RUNS = Path("my runs")
found: dict[str, Any] = {"process": os.getpid()}


class Left(io.RawIOBase):
    """A pipe whose reader is gone."""

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")


def console(raw: io.RawIOBase | io.BytesIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(raw, encoding="cp1252", newline="\r\n")  # type: ignore[type-var]


def exit_code(words: tuple[str, ...], out: io.TextIOWrapper, err: io.TextIOWrapper) -> object:
    own = sys.argv, sys.stdout, sys.stderr
    sys.argv, sys.stdout, sys.stderr = ["lstmctl", *words], out, err
    try:
        main()
    except SystemExit as ended:
        return ended.code
    finally:
        sys.argv, sys.stdout, sys.stderr = own


def command(*words: str) -> dict[str, Any]:
    """Run a command; return its exit code and output."""
    out, err = io.BytesIO(), io.BytesIO()
    streams = console(out), console(err)
    code = exit_code(words, *streams)
    for stream in streams:
        stream.flush()
    texts = [written.getvalue().decode("cp1252").replace("\r\n", "\n") for written in (out, err)]
    return {"code": code, "out": texts[0], "err": texts[1]}


def stop_training(event: object) -> None:
    """Press Ctrl-C at step 24, while a reader has `run.json` open until the first refusal."""
    if isinstance(event, Evaluated) and event.step == 24:
        folder = RunFolder(RUNS / "small-lstm-002")
        found["held"] = folder.is_held()
        reader = (folder.path / "run.json").open("rb")
        sitecustomize.when_refused.append(reader.close)
        signal.raise_signal(signal.SIGINT)


def stop_comparison(event: object) -> None:
    """Press Ctrl-C once the first run has saved."""
    if isinstance(event, RunEvent) and isinstance(event.event, Saved) and "saved" not in found:
        found["saved"] = event.run
        signal.raise_signal(signal.SIGINT)


found["train"] = command("train", "small.yaml", r"data.text=C:\texts\small.txt")
stopped = lstmctl.train("small.yaml", observe=stop_training)
found["stopped"] = [stopped.status, stopped.info["step"], stopped.folder.is_held()]
found["in use"] = sitecustomize.refused
with locked(stopped.path):
    found["refused"] = command("train", "--resume", "latest", "--quiet")
found["resume"] = command("train", "--resume", "latest")
found["prepare"] = command("data", "prepare", "data.text=small.txt", "--to", "numbers")
found["mapped"] = command("train", "small.yaml", "data.text=numbers", "--quiet")
found["again"] = command("data", "prepare", "data.text=small.txt", "--to", "numbers", "--json")
found["generate"] = command("generate", "latest", "--length", "40", "--seed", "3", "--json")
found["written"] = command("generate", "latest", "--length", "40", "--seed", "3")
found["show"] = command("data", "show", "data.text=small.txt", "--all")
found["shown"] = command("data", "show", "data.text=small.txt", "--json")
found["evaluate"] = command("evaluate", "latest", "--split", "test", "--json")
found["waves"] = command("train", "waves.yaml", "--quiet")
found["forecast"] = command("forecast", "--json", "--output", "next.csv", "--plot", "next.png")
found["rnn"] = command("train", "small.yaml", "model.cell=rnn", "--quiet")
try:
    endless = ["training.budget=1000000 steps"]
    compare(["rnn", "lstm"], "small.yaml", endless, seeds=1, match="hidden", observe=stop_comparison)
except Interrupted as interrupted:
    found["interrupted"] = interrupted.again
found["compare"] = command("compare", "rnn", "lstm", "--config", "small.yaml", "--seeds", "1", "--match", "hidden")
found["config"] = command("config", "copy", "travellers", "own.yaml")
found["runs"] = command("runs", "list", "--json")
found["left"] = exit_code(("runs", "list", "--json"), console(io.BufferedWriter(Left())), console(io.BytesIO()))
print(json.dumps(found))
