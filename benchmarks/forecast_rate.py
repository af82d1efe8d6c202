"""Measure the seconds per epoch of a segment forecaster on ETTh1 in the published setting: lookback 720, horizon 96,
segment 24, GRU 1 x 512, batches of 64 windows of seven channels, 7,825 windows.

python benchmarks/forecast_rate.py [--data ETTh1.csv] [KEY=VALUE …]

This is the median of five blocks of training steps, times the steps of an epoch, without scoring.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from importlib.metadata import version

import torch
from precisions import precisions

from lstmctl.api.assembly import find_cell
from lstmctl.api.preparation import assemble
from lstmctl.config import load

PUBLISHED = ["model.hidden=512", "model.embedding=512", "task.segment=24", "task.symmetry=none", "training.shorten=0.0"]
BLOCKS, STEPS = 5, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ETTh1.csv")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    chosen = parser.parse_args()
    print(f"Python {platform.python_version()}, torch {version('torch')}\n")
    kinds = precisions(torch.device("cpu"))
    print("| cell | precision | threads | seconds an epoch (median, least, most) |\n| --- | --- | --- | --- |")
    for cell in ("gru", "lstm", "rnn"):
        for precision in kinds:
            overrides = [*PUBLISHED, f"data.series={chosen.data}", f"model.cell={cell}"]
            loaded = load("etth1", [*overrides, f"training.precision={precision}", *chosen.overrides])
            assembled = assemble(loaded.settings, None, find_cell(loaded.settings, None), steps=10**9)
            trainer = assembled.trainer
            trainer.model.train()
            trainer.make_steps(3)
            seconds = []
            for _ in range(BLOCKS):
                started = time.perf_counter()
                trainer.make_steps(STEPS)
                seconds.append((time.perf_counter() - started) / STEPS * assembled.facts["steps_per_epoch"])
            threads = assembled.choices.threads
            figures = f"{statistics.median(seconds):.1f} ({min(seconds):.1f}, {max(seconds):.1f})"
            print(f"| {cell} | {precision} | {threads} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
