"""Stop runs of every cell at random points by real signals, resume them, and compare them with runs never stopped.

All of their files are compared bit for bit, except for wall-clock fields. The exit status is 1 if anything differs.

    python benchmarks/exact_resume.py --points 5
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import disturbing
import torch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=["rnn", "lstm", "gru", "feedforward"])
    parser.add_argument("--points", type=int, default=5, help="interruptions of each cell by each signal")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dropout", type=float, nargs="+", default=[0.1])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[tuple[str, float, str, list[int], int]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        text = Path(folder) / "small.txt"
        disturbing.write_text(text)
        for cell, dropout in itertools.product(arguments.cells, arguments.dropout):
            draw = random.Random(f"{cell} {arguments.seed}")
            config = disturbing.settings(text, cell, arguments.steps, save_every=37, evaluate_every=80)
            config["device"] = arguments.device
            config["model"]["dropout"] = dropout
            undisturbed = disturbing.next_run(cell)
            if disturbing.Child(disturbing.train(config)).wait() != 0:
                return 1
            expected = disturbing.left_by(undisturbed)
            for number in (signal.SIGKILL, signal.SIGINT):
                points = sorted(draw.randrange(1, arguments.steps - 40) for _ in range(arguments.points))
                identical = sum(_resumed(config, cell, number, point) == expected for point in points)
                rows.append((cell, dropout, number.name, points, identical))
        os.chdir("/")
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, {platform.machine()}, {arguments.device}, 1 thread")
    print(f"{arguments.steps} steps, saved every 37, evaluated every 80, float32\n")
    print("| cell | dropout | signal | after steps | identical |\n| --- | --- | --- | --- | --- |")
    for cell, dropout, name, points, identical in rows:
        print(f"| {cell} | {dropout} | {name} | {', '.join(map(str, points))} | {identical} of {len(points)} |")
    return int(any(identical < len(points) for *_, points, identical in rows))


def _resumed(config: dict[str, Any], cell: str, number: int, point: int) -> dict[str, object]:
    """Return the files of a run that a signal stopped after `point` steps and that was then resumed."""
    run = disturbing.next_run(cell)
    child = disturbing.Child(disturbing.train(config))
    for kind, step in child.events():
        if kind == "step" and step >= point:
            child.signal(number)
            break
    child.wait()
    if disturbing.Child(disturbing.resume(run)).wait() != 0:
        return {}
    return disturbing.left_by(run)


if __name__ == "__main__":
    sys.exit(main())
