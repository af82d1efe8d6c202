"""Shared by the benchmarks of exact resume: a small run in a separate process, and all of its files.

Children are forked from a process that has imported torch but computed nothing, so that each starts within
milliseconds.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lstmctl import api
from lstmctl.events import Event, Saved, Stepped

Observer = Callable[[Event], None]

# Modules that training imports on first use: imported once here, not in every child.
for module in ("torch._dynamo", "safetensors.torch", "matplotlib.figure"):
    importlib.import_module(module)


def write_text(path: Path) -> None:
    """About 8,000 characters of a small grammar."""
    draw = random.Random(5)
    names, verbs, things = ("Ann", "Bob", "Cyr"), ("sees", "likes", "finds"), ("a tree", "the sea", "two birds")
    lines = (f"{draw.choice(names)} {draw.choice(verbs)} {draw.choice(things)}.\n" for _ in range(450))
    path.write_text("".join(lines), encoding="utf-8")


def settings(text: Path, cell: str, steps: int, **training: Any) -> dict[str, Any]:
    """A config with everything in it that has state: dropout, averages, a carried state, moments."""
    return {
        "task": {"type": "language-model", "shape": "many-to-many"},
        "data": {"text": str(text)},
        "model": {"cell": cell, "hidden": 12, "layers": 2, "embedding": 8, "dropout": 0.1},
        "training": {
            "budget": f"{steps} steps",
            "batch": 4,
            "window": 16,
            "learning_rate": 0.01,
            "average": 0.9,
            "precision": "float32",
            **training,
        },
        "threads": 1,
    }


class Child:
    """A process that trains and prints its progress."""

    def __init__(self, action: Callable[[Observer], object]) -> None:
        reading, writing = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            os.close(reading)
            _act(action, writing)
        os.close(writing)
        self._lines = os.fdopen(reading, "r")

    def events(self) -> Iterator[tuple[str, int]]:
        """(`step` or `saved`, step) as they come, to the end of the process."""
        for line in self._lines:
            kind, _, step = line.partition(" ")
            yield kind, int(step)

    def signal(self, number: int) -> None:
        os.kill(self.process, number)

    def wait(self) -> int:
        """The exit code, negative for a signal."""
        self._lines.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


def _act(action: Callable[[Observer], object], writing: int) -> None:
    def observe(event: Event) -> None:
        if isinstance(event, (Stepped, Saved)):
            kind = "step" if isinstance(event, Stepped) else "saved"
            try:
                os.write(writing, f"{kind} {event.step}\n".encode())
            except BrokenPipeError:  # the parent has seen enough
                return

    code = 1
    try:
        action(observe)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def train(config: dict[str, Any]) -> Callable[[Observer], object]:
    return lambda observe: api.train(config, observe=observe)


def resume(run: Path) -> Callable[[Observer], object]:
    return lambda observe: api.resume(run, observe=observe)


def next_run(cell: str) -> Path:
    """The folder that the next run of `cell` on `small.txt` claims."""
    return Path(f"runs/small-{cell}-{len(list(Path('runs').glob(f'small-{cell}-*'))) + 1:03d}")


def left_by(run: Path) -> dict[str, Any]:
    """Everything a run leaves that time has no part in."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    pointers = json.loads((run / "checkpoints/pointers.json").read_text())
    last = run / "checkpoints" / f"step-{pointers['last']}"
    state = json.loads((last / "state.json").read_text())
    info = json.loads((run / "run.json").read_text())
    return {
        "metrics": [{key: value for key, value in row.items() if key != "seconds"} for row in rows],
        "samples": (run / "samples.txt").read_bytes(),
        "files": {name: (run / f"{name}.safetensors").read_bytes() for name in ("last", "best")},
        "state": (last / "state.safetensors").read_bytes(),
        "weights": (last / "weights.safetensors").read_bytes(),
        "progress": {key: value for key, value in state.items() if key not in ("seconds", "logs")},
        "pointers": {name: pointers[name] for name in ("last", "best")},
        "final": info["metrics"],
        "status": info["status"],
    }
