"""A table of ten million rows and ten columns (1.09 GB of CSV): read, and prepared by `data prepare`.

    python benchmarks/large_table.py [--rows 10000000] [--folder /tmp] [--bound 500]

The table is created in a temporary folder and removed afterwards. Preparing runs in a separate process whose data
segment is limited (RLIMIT_DATA, which counts all allocations, but not files mapped for reading). Then a forecaster is
brought to its first step and beyond, from the CSV and, within the same limit, from the prepared table. Finally, windows
and whole steps are taken in turn from the prepared table and from the same table in memory. `peak` is the largest
resident set, including mapped files; `own` is the largest without them. torch has one thread.
"""

from __future__ import annotations

import argparse
import os
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
STEPS = """
import re, sys, threading, time
from pathlib import Path

def memory(kind):
    return int(re.search(kind + r":\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

own = [0.0]
def watch():
    while True:
        own[0] = max(own[0], memory("RssAnon"))
        time.sleep(0.005)

threading.Thread(target=watch, daemon=True).start()
started = time.perf_counter()
import torch
torch.set_num_threads(1)
from lstmctl.api.assembly import find_cell
from lstmctl.api.preparation import assemble
from lstmctl.config import from_mapping
settings = from_mapping({
    "task": {"type": "forecast", "lookback": 96, "horizon": 24, "segment": 24},
    "data": {"series": sys.argv[1]},
    "model": {"cell": "gru", "hidden": 128, "embedding": 128},
    "training": {"budget": "20 steps", "batch": 64, "precision": "float32"},
})
imported = time.perf_counter()
assembled = assemble(settings, None, find_cell(settings, None))
ready = time.perf_counter()
assembled.trainer.make_steps(1)
first = time.perf_counter()
assembled.trainer.make_steps(20)
print(f"{imported - started:.1f} s imports, {ready - imported:.1f} s to a trainer,", end=" ")
print(f"{first - ready:.2f} s the first step; then peak {memory('VmHWM'):,.0f} MiB, own {own[0]:,.0f} MiB")
"""
RATES = """
import statistics, sys, time
from dataclasses import replace
import numpy as np
import torch
from lstmctl.api.assembly import find_cell
from lstmctl.api.preparation import assemble
from lstmctl.config import from_mapping
torch.set_num_threads(1)
calendar = sys.argv[2:]
settings = from_mapping({
    "task": {"type": "forecast", "lookback": 96, "horizon": 24, "segment": 24},
    "data": {"series": sys.argv[1], "calendar": calendar},
    "model": {"cell": "gru", "hidden": 128, "embedding": 128},
    "training": {"budget": "1 steps", "batch": 64, "precision": "float32"},
})
assembled = assemble(settings, None, find_cell(settings, None), steps=1)
mapped, corpus, task = assembled.batches, assembled.corpus, assembled.task
copied = replace(corpus, table=replace(corpus.table, targets=np.array(corpus.table.targets)))
copied = task.training_order(task.part(copied, "training", assembled.trainer.device), settings.training, settings.seed)
for step in range(20):
    one, other = mapped[step], copied[step]
    assert torch.equal(one.input, other.input) and torch.equal(one.target, other.target)
    assert torch.equal(one.known, other.known)

def rate(order, first, count, work):
    started = time.perf_counter()
    for step in range(first, first + count):
        work(order[step])
    return count * order.units_per_step / (time.perf_counter() - started)

def learn(batch):
    loss = task.loss(assembled.model, batch, task.initial_state(assembled.model, batch))
    loss.sum.backward()

for name, count, work in (("windows", 200, lambda batch: None), ("steps", 25, learn)):
    rates = {"prepared": [], "memory": []}
    for turn in range(12):
        pair = (("prepared", mapped), ("memory", copied))
        for source, order in pair if turn % 2 else pair[::-1]:
            rates[source].append(rate(order, turn * count, count, work))
    told = ", ".join(f"{source} {statistics.median(found):,.0f}" for source, found in rates.items())
    print(f"  windows per second, {'gathered only' if name == 'windows' else 'in steps'}: {told}", flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, default=None, help="where there is room for twice the table")
    parser.add_argument("--bound", type=int, default=500, help="of the memory, in MB")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        table, prepared = (Path(folder) / name for name in ("large.csv", "large.prepared"))
        write(table, chosen.rows)
        size = table.stat().st_size
        print(f"Python {platform.python_version()}, torch {version('torch')}, polars {version('polars')}")
        print(
            f"{size / 1e9:.2f} GB, {chosen.rows:,} rows, {COLUMNS + 1} columns; data prepare within {chosen.bound} MB:"
        )
        seconds, spent, _ = measured(prepare(table, prepared), chosen.bound)
        print(f"  {seconds:.1f} s, {size / 1e6 / seconds:.0f} MB/s; {spent}")
        for path, bound in ((table, None), (prepared, chosen.bound)):
            seconds, _, told = measured([sys.executable, "-c", STEPS, str(path)], bound)
            print(f"{path.name}: {seconds:.1f} s in all; {' '.join(map(str.strip, told))}", flush=True)
        for calendar in ([], ["hour", "weekday"]):
            print(f"calendar features: {', '.join(calendar) or 'none'}", flush=True)
            subprocess.run([sys.executable, "-c", RATES, str(prepared), *calendar], check=True)


def prepare(table: Path, folder: Path) -> list[str]:
    """The command that prepares a table."""
    return [
        sys.executable,
        "-m",
        "lstmctl",
        "data",
        "prepare",
        "energy",
        f"data.series={table}",
        *PLAIN,
        f"--to={folder}",
    ]


PLAIN = ["data.targets=null", "data.past=[]", "data.known=[]", "data.calendar=[]"]
"""Settings that reset the bundled config's settings of columns."""


def measured(line: list[str], bound: int | None) -> tuple[float, str, list[str]]:
    """Seconds that a command took, how it used the processor and the memory, and what it said."""

    def limit() -> None:
        if bound is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (bound * 10**6, bound * 10**6))

    with tempfile.TemporaryFile("w+") as said:
        started = time.perf_counter()
        child = subprocess.Popen(line, preexec_fn=limit, stdout=said, stderr=said)
        _, status, used = os.wait4(child.pid, 0)  # not `child.wait`: this returns the usage of the child only
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        told = said.read().splitlines()
    if child.returncode:
        raise SystemExit("\n".join(told))
    spent = f"{used.ru_utime + used.ru_stime:.1f} s of a processor, peak {used.ru_maxrss / 1024:.0f} MiB"
    return seconds, spent, told


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
