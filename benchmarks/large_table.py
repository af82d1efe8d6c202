"""A table of ten million rows and ten columns (about 1 GB of CSV): how long to its first step, and how much memory.

python benchmarks/large_table.py [--rows 10000000] [--folder /tmp]

The table is made in a temporary folder and removed again. What is timed runs in a process of its own: reading, checking
and scaling the table, building a forecaster on it, and one step.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

COLUMNS = 9
BLOCK = 100_000
FIRST_STEP = """
import sys, time
started = time.perf_counter()
from lstmctl.api.assembly import find_cell
from lstmctl.api.preparation import assemble
from lstmctl.config import from_mapping
settings = from_mapping({
    "task": {"type": "forecast", "lookback": 96, "horizon": 24, "segment": 24},
    "data": {"series": sys.argv[1]},
    "model": {"cell": "gru", "hidden": 128, "embedding": 128},
    "training": {"budget": "1 steps", "batch": 64},
})
imported = time.perf_counter()
assembled = assemble(settings, None, find_cell(settings, None), steps=1)
ready = time.perf_counter()
assembled.trainer.make_steps(1)
print(f"{imported - started:.1f} s imports, {ready - imported:.1f} s from the file to a trainer,", end=" ")
print(f"{time.perf_counter() - ready:.2f} s the step; windows: {assembled.facts['data']['windows']}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, default=None, help="where there is room for it")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        path = Path(folder) / "large.csv"
        write(path, chosen.rows)
        print(f"Python {platform.python_version()}, torch {version('torch')}, polars {version('polars')}")
        print(f"{path.stat().st_size / 1e9:.2f} GB, {chosen.rows:,} rows, {COLUMNS + 1} columns")
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", FIRST_STEP, str(path)], check=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        print(f"{time.perf_counter() - started:.1f} s in all, at most {peak / 2**30:.2f} GiB")


def write(path: Path, rows: int) -> None:
    """Minutes since 2000, and a random walk in every column."""
    generator = np.random.default_rng(0)
    level = np.zeros(COLUMNS)
    start = np.datetime64("2000-01-01T00:00:00", "s")
    with path.open("w", encoding="ascii") as file:
        file.write(",".join(["date", *(f"c{column}" for column in range(COLUMNS))]) + "\n")
        for first in range(0, rows, BLOCK):
            count = min(BLOCK, rows - first)
            walk = level + np.cumsum(generator.normal(size=(count, COLUMNS)), axis=0)
            level = walk[-1]
            times = (start + np.arange(first, first + count) * np.timedelta64(60, "s")).astype(str)
            lines = [
                f"{time.replace('T', ' ')},{','.join(f'{value:.4f}' for value in row)}"
                for time, row in zip(times, walk.tolist(), strict=True)
            ]
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
