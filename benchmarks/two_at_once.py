"""What a training costs when it shares the cores: with another training, and with a program that keeps one core busy.

python benchmarks/two_at_once.py [--repeats 3]

Each process trains the default model for a fixed budget with as many threads as there are cores. "unbounded" is how the
threads of OpenMP wait if lstmctl does not bound it; see `lstmctl/openmp.py`.
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
from collections.abc import Iterator
from contextlib import contextmanager

import torch

BUDGET = "300k characters"
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
    print("| threads wait | alone | each of two at once | beside a busy program |\n| --- | --- | --- | --- |")
    for name, settings in WAITING.items():
        cells = [
            [rate for _ in range(repeats) for rate in rates(1, settings)],
            [rate for _ in range(repeats) for rate in rates(2, settings)],
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
    """Characters per second of `count` trainings at once, each in an empty folder."""
    words = ["train", f"training.budget={BUDGET}", "--json", "--quiet"]
    words += ["data.split=[800000, 5000]"]  # little to score, which is not timed
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **settings, "LSTMCTL_RUNS": folder}
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "lstmctl", *words], stdout=subprocess.PIPE, env=environment, text=True
            )
            for _ in range(count)
        ]
        return [json.loads(process.communicate()[0])["rate"] for process in processes]


if __name__ == "__main__":
    main()
