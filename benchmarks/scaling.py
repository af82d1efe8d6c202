"""Measure the training rate of one and two processes on this machine, and calculate the rate of 8 and 64 GPUs.

python benchmarks/scaling.py
python benchmarks/scaling.py --calculate

The calculation uses the formulas and numbers of `docs/scaling.md`; none of it is measured.
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
import time

import torch
import torch.distributed as dist

SHAPES = ((256, 16), (512, 32), (512, 128), (1024, 128))
"""Units of the LSTM, lanes of the global batch; windows of 64."""
BUDGET = "200 steps"
REPEATS = 3
WAYS = (("1 process, 1 thread", 1, 1), ("1 process, 2 threads", 1, 2), ("2 processes, 1 thread each", 2, 1))

LAYERS, UNITS, EMBEDDING, SYMBOLS, WINDOW = 2, 768, 64, 65, 128
"""Of the calculation: the config `shakespeare-gpu`."""
SECONDS_A_STEP_IN_TIME = 10e-6
"""The least that one step in time of one layer takes, however few the lanes."""
OPERATIONS = 400e12
"""A second, that one GPU reaches in products of bfloat16."""
LINKS = {
    "NVLink": (300e9, 3e-6),
    "InfiniBand, 400 Gbit/s a GPU": (45e9, 5e-6),
    "Ethernet, 25 Gbit/s a GPU": (2.8e9, 30e-6),
}
"""Bytes a second that a GPU sends, and seconds that a hop takes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calculate", action="store_true", help="no measurement, the calculation alone")
    parser.add_argument("--all-reduce", type=int, metavar="NUMBERS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.all_reduce:
        time_all_reduce(arguments.all_reduce)
        return
    if not arguments.calculate:
        measure()
        print()
    calculate()


def measure() -> None:
    """Print the rate of each way for each shape, and the part of a step that the sum over processes takes."""
    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores, float32, "
        f"medians of {REPEATS}, {BUDGET}\n"
    )
    ways = " | ".join(name for name, _, _ in WAYS)
    print(f"| LSTM | lanes | gradient, MB | {ways} | 2 processes against 1 | sum of gradients, ms | of a step |")
    print(f"| --- {'| --- ' * (5 + len(WAYS))}|")
    for units, lanes in SHAPES:
        runs = [[train(units, lanes, *way[1:]) for way in WAYS] for _ in range(REPEATS)]  # by turns: speeds drift
        rates = [statistics.median(run["rate"] for run in column) for column in zip(*runs, strict=True)]
        numbers = runs[0][0]["parameters"]
        milliseconds = float(torchrun(2, [__file__, "--all-reduce", str(numbers + 1)], 1))
        step = 1000 * lanes * 64 / rates[-1]
        print(
            f"| {units} | {lanes} | {4e-6 * numbers:.1f} | {' | '.join(f'{rate:,.0f}' for rate in rates)} | "
            f"{rates[2] / rates[0]:.2f} | {milliseconds:.2f} | {milliseconds / step:.0%} |",
            flush=True,
        )


def train(units: int, lanes: int, processes: int, threads: int) -> dict[str, float]:
    """The result of a training in an empty folder; `rate` is in characters a second, over all processes."""
    words = ["-m", "lstmctl", "train", f"model.hidden={units}", f"training.batch={lanes}", f"training.budget={BUDGET}"]
    words += ["training.precision=float32", f"threads={threads}", "data.split=[800000, 5000]", "training.window=64"]
    words += ["training.evaluate_every=1000000", "--json", "--quiet"]
    result: dict[str, float] = json.loads(torchrun(processes, words, threads))
    return result


def torchrun(processes: int, words: list[str], threads: int) -> str:
    """Return the output of a number of processes; a single one is started without torchrun."""
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "LSTMCTL_RUNS": folder, "OMP_NUM_THREADS": str(threads)}
        return subprocess.run([*start, *words], check=True, capture_output=True, text=True, env=environment).stdout


def time_all_reduce(numbers: int) -> None:
    """In each of several processes: print, in the first, the median time in milliseconds of summing this many
    numbers."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo")
    flat, seconds = torch.ones(numbers), []
    for _ in range(60):
        dist.barrier()
        started = time.perf_counter()
        dist.all_reduce(flat)
        seconds.append(time.perf_counter() - started)
    if dist.get_rank() == 0:
        print(1000 * statistics.median(seconds[10:]))
    dist.destroy_process_group()


def calculate() -> None:
    """Print the calculated speed-up of 8 and 64 GPUs over one."""
    numbers = sum(4 * UNITS * (before + UNITS + 2) for before in (EMBEDDING, *(UNITS,) * (LAYERS - 1)))
    numbers += SYMBOLS * (EMBEDDING + UNITS + 1)
    print(
        f"LSTM {LAYERS} × {UNITS}, windows of {WINDOW}: {numbers:,} parameters, {4e-6 * numbers:.1f} MB of gradient\n"
    )
    print("| GPUs | lanes per GPU | compute, ms | link | sum, ms | share of step | speed-up over one GPU |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for gpus in (8, 64):
        for lanes in (64, 1024):
            for name, (bandwidth, hop) in LINKS.items():
                if gpus == 64 and name == "NVLink":
                    continue
                computed, summed = compute(lanes), ring(gpus, 4 * numbers, bandwidth, hop)
                share = summed / (computed + summed)
                print(
                    f"| {gpus} | {lanes} | {1000 * computed:.1f} | {name} | {1000 * summed:.2f} | {share:.0%} | "
                    f"{gpus * (1 - share):.1f} |"
                )
    print("\n| GPUs | lanes in all | lanes a GPU | compute, ms | times one GPU, nothing sent |")
    print("| --- | --- | --- | --- | --- |")
    for lanes in (512, 8192, 65536):
        for gpus in (8, 64):
            gained = compute(lanes) / compute(lanes / gpus)
            print(f"| {gpus} | {lanes:,} | {lanes // gpus:,} | {1000 * compute(lanes / gpus):.1f} | {gained:.1f} |")


def compute(lanes: float) -> float:
    """Seconds of one training step of this many lanes on one GPU; the backward pass takes twice as long as the forward
    pass."""
    one = max(SECONDS_A_STEP_IN_TIME, 2 * 8 * UNITS * UNITS * lanes / OPERATIONS)
    return 3 * LAYERS * WINDOW * one


def ring(gpus: int, size: int, bandwidth: float, hop: float) -> float:
    """Seconds of a sum over a ring: each part of the buffer goes round twice, less one place."""
    return 2 * (gpus - 1) * (size / gpus / bandwidth + hop)


if __name__ == "__main__":
    main()
