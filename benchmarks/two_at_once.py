"""What two trainings at once on one machine cost each other, with threads that wait busily and with ones that sleep.

python benchmarks/two_at_once.py

Each process trains the default model for a fixed budget with as many threads as there are cores.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

import torch

BUDGETS = {1: "300k characters", 2: "60k characters"}
"""Two at once take many times longer, so they get less."""
WAITING = {"busy (the default)": {}, "asleep (OMP_WAIT_POLICY=passive)": {"OMP_WAIT_POLICY": "passive"}}
REPEATS = 3


def main() -> None:
    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores, medians of {REPEATS}\n"
    )
    print("| threads wait | alone, characters a second | each of two at once |\n| --- | --- | --- |")
    for name, settings in WAITING.items():
        figures = [
            statistics.median(rate for _ in range(REPEATS) for rate in rates(count, settings)) for count in (1, 2)
        ]
        print(f"| {name} | {figures[0]:,.0f} | {figures[1]:,.0f} |")


def rates(count: int, settings: dict[str, str]) -> list[float]:
    """Characters a second of `count` trainings at once, each in an empty folder."""
    words = ["train", f"training.budget={BUDGETS[count]}", "--json", "--quiet"]
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
