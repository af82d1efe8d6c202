"""The cost of sharing the cores: with another training, and with a program that keeps one core busy.

python benchmarks/two_at_once.py [--repeats 3]

Each process trains the default model for a fixed budget with one thread per core. Two trainings at once are two
commands, two runs of `compare --jobs 2`, or the two processes of one run under torchrun, whose rate counts both
together. "unbounded" is how OpenMP's threads wait if lstmctl sets no limit; see `lstmctl/openmp.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

OVERRIDES = ("training.budget=300k characters", "data.split=[800000, 5000]")
"""Little to score, which is not timed."""
WAITING = {"bounded (the default)": {}, "unbounded": {"KMP_BLOCKTIME": "200"}}
"""Variables of the environment; one that is set already keeps lstmctl from setting the others."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores, characters per "
        f"second, medians of {repeats} with the least and the most\n"
    )
    columns = ("threads wait", "alone", "each of two at once", "compare --jobs 2", "torchrun", "with a busy program")
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for name, settings in WAITING.items():
        cells = [
            [rate for _ in range(repeats) for rate in rates(1, settings)],
            [rate for _ in range(repeats) for rate in rates(2, settings)],
            [rate for _ in range(repeats) for rate in compared(settings)],
            [launched(settings) for _ in range(repeats)],
        ]
        with busy_program():
            cells.append([rate for _ in range(repeats) for rate in rates(1, settings)])
        shown = [f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})" for values in cells]
        print(f"| {name} | {' | '.join(shown)} |", flush=True)


@contextmanager
def busy_program() -> Iterator[None]:
    """Another program that keeps one core busy."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def rates(count: int, settings: dict[str, str]) -> list[float]:
    """Characters per second of `count` trainings at once."""
    command = [sys.executable, "-m", "lstmctl", "train", *OVERRIDES, "--json", "--quiet"]
    return [result["rate"] for result in results([command] * count, settings)]


def compared(settings: dict[str, str]) -> list[float]:
    """Characters per second of each of two runs that a comparison trains at once."""
    other = "other: lstm training.clip=0.9"  # a comparison needs two arms that differ
    command = [sys.executable, "-m", "lstmctl", "compare", "lstm", "--arm", other, "--seeds", "1", "--jobs", "2"]
    command += [*OVERRIDES, f"threads={os.cpu_count()}", "--json", "--quiet"]
    return [run["rate"] for result in results([command], settings) for arm in result["arms"] for run in arm["runs"]]


def launched(settings: dict[str, str]) -> float:
    """Characters per second of one run in two processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "lstmctl"]
    command = [*launcher, "train", *OVERRIDES, f"threads={os.cpu_count()}", "device=cpu", "--json", "--quiet"]
    rate: float = results([command], settings)[0]["rate"]
    return rate


def results(commands: Sequence[list[str]], settings: dict[str, str]) -> list[dict[str, Any]]:
    """The JSON that commands print which start at once in an empty folder of runs."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **settings, "LSTMCTL_RUNS": folder}
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for command in commands]
        return [json.loads(process.communicate()[0]) for process in started]


if __name__ == "__main__":
    main()
