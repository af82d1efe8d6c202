"""Measure the time and memory of `data prepare` for a text of 2 GB, and the training rate on it.

    python benchmarks/large_text.py [--gigabytes 2] [--folder /tmp] [--bound 500]

The text is created in a temporary folder and removed afterwards: English-like sentences, one word in thirty with
letters beyond ASCII. Preparing runs in a separate process whose data segment is limited (RLIMIT_DATA, which counts all
allocations, but not mapped files). Then windows and whole steps of a small network are taken in turn from the prepared
file and from the same numbers in memory. `peak` is the largest resident set, including mapped files.
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

SENTENCES = 20_000
BLOCK = 20_000
"""Sentences written at once."""
FIRST_STEP = """
import re, sys, time
from pathlib import Path
started = time.perf_counter()
from lstmctl.api.assembly import find_cell
from lstmctl.api.preparation import assemble
from lstmctl.config import from_mapping
settings = from_mapping({
    "data": {"text": sys.argv[1], "split": [int(sys.argv[2]), 1_000_000]},
    "model": {"cell": "lstm", "hidden": 128, "embedding": 128},
    "training": {"budget": "1 steps", "batch": 64, "window": 64, "precision": "float32"},
})
imported = time.perf_counter()
assembled = assemble(settings, None, find_cell(settings, None), steps=1)
ready = time.perf_counter()
assembled.trainer.make_steps(1)
print(f"{ready - imported:.1f} s from the file to a trainer, {time.perf_counter() - ready:.2f} s the first step")
memory = dict(re.findall(r"(VmHWM|RssAnon):\\s*(\\d+) kB", Path("/proc/self/status").read_text()))
print({name: f"{int(size) / 1024:,.0f} MiB" for name, size in memory.items()})

import statistics
from dataclasses import replace
import numpy as np

def rate(order, work):
    started = time.perf_counter()
    for step in range(first, first + 25):
        work(order[step])
    return 25 * order.units_per_step / (time.perf_counter() - started)

def learn(batch):
    loss = assembled.task.loss(assembled.model, batch, assembled.task.initial_state(assembled.model, batch))
    loss.sum.backward()

mapped, corpus, task = assembled.batches, assembled.corpus, assembled.task
copied = replace(corpus, symbols=np.array(corpus.symbols))
copied = task.training_order(task.part(copied, "training", assembled.trainer.device), settings.training, settings.seed)
for name, work in (("windows", lambda batch: None), ("steps", learn)):
    rates = {"prepared": [], "memory": []}
    for first in range(0, 200, 25):
        pair = (("prepared", mapped), ("memory", copied))
        for source, order in pair if first % 50 else pair[::-1]:
            rates[source].append(rate(order, work))
    told = ", ".join(f"{source} {statistics.median(found):,.0f}" for source, found in rates.items())
    print(f"characters per second, {name} only: {told}" if name == "windows" else f"characters per second: {told}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--folder", type=Path, default=None, help="where there is room for twice as much")
    parser.add_argument("--bound", type=int, default=500, help="of the memory of data prepare, in MB")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        text, prepared = (Path(folder) / name for name in ("large.txt", "large.prepared"))
        write(text, int(chosen.gigabytes * 1e9))
        size = text.stat().st_size
        print(f"Python {platform.python_version()}, torch {version('torch')}, numpy {version('numpy')}")
        print(f"{size / 1e9:.2f} GB of text, data prepare within {chosen.bound} MB:")
        seconds, spent = prepare(text, prepared, chosen.bound)
        print(f"  {seconds:.1f} s, {size / 1e6 / seconds:.0f} MB/s; {spent}")
        count = (prepared / "symbols.bin").stat().st_size - 1_000_000
        subprocess.run([sys.executable, "-c", FIRST_STEP, str(prepared), str(count)], check=True)


def prepare(text: Path, folder: Path, bound: int) -> tuple[float, str]:
    """Seconds that `data prepare` took, and how it used the processor and the memory."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (bound * 10**6, bound * 10**6))

    line = [sys.executable, "-m", "lstmctl", "data", "prepare", f"data.text={text}", "--to", str(folder)]
    started = time.perf_counter()
    child = subprocess.Popen(line, preexec_fn=limit, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    told = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)  # not `child.wait`: this returns the usage of the child only
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(told)
    return seconds, f"{used.ru_utime + used.ru_stime:.1f} s of a processor, peak {used.ru_maxrss / 1024:.0f} MiB"


def write(path: Path, size: int) -> None:
    """At least `size` bytes of sentences, drawn from many."""
    draw = np.random.default_rng(0)
    letters = list("etaoinshrdlucmfwypvbgkqjxz")
    beyond = list("éüñçøłşαβγдежש中文–“”’…")
    lengths = draw.integers(1, 10, 5000)
    words = ["".join(draw.choice(letters[: 6 + 2 * length], length)) for length in lengths]
    words = [word + draw.choice(beyond) if number % 30 == 0 else word for number, word in enumerate(words)]
    sentences = [
        (" ".join(draw.choice(words, draw.integers(3, 25))).capitalize() + draw.choice([". ", ".\n", "? "])).encode()
        for _ in range(SENTENCES)
    ]
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(b"".join(sentences[number] for number in draw.integers(0, SENTENCES, BLOCK)))


if __name__ == "__main__":
    main()
