"""Speed of lstmctl compared with plain torch (`yardsticks.py`, in separate processes), in turns in one run, and with
the table in `docs/benchmarks.md`.

python benchmarks/speed.py [--rounds 5] [--only training generation start learning] [--text tinyshakespeare.txt]
    [--seeds 3] [--settings KEY=VALUE ...]

Every ratio is the yardstick's time over lstmctl's in the same round, so above 1 lstmctl is faster; rows without a ratio
are in seconds or a share. Values are medians, with the minimum and maximum of all rounds. `learning` needs a text, by
default the bundled one, makes one round per seed, and uses the preset with its settings.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import yardsticks
from torch import nn
from torch.nn import functional

from lstmctl import bundled
from lstmctl.api.assembly import find_cell
from lstmctl.api.preparation import assemble
from lstmctl.api.run import Run
from lstmctl.api.training import train
from lstmctl.api.writing import PRECISIONS
from lstmctl.cells.packed import PackedLinear, has_kernels
from lstmctl.config import from_mapping
from lstmctl.events import Finished
from lstmctl.models.sequence_model import SequenceModel, count_parameters
from lstmctl.sampling_settings import Sampling
from lstmctl.training.precision import autocast
from lstmctl.training.trainer import Trainer

DOCUMENTED = Path(__file__).parent.parent / "docs" / "benchmarks.md"
CELLS = ("rnn", "lstm", "gru")
HIDDEN, BATCH, WINDOW = 512, 32, 64
STEPS = 5
"""Timed in one turn; short, since a machine that others use too drifts from second to second."""
TURNS = 4
"""Of each contender in a round of training."""
LONG = 100_000
"""Symbols of a text whose cost is to stay the same."""
GROUPS = ("training", "generation", "start", "learning")
SLOWER = 0.9
"""A ratio below this share of the documented one is pointed out."""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    asked: str
    values: Sequence[float]
    details: str
    unit: str = "times"

    def __str__(self) -> str:
        if not self.values:
            return f"| {self.name} | {self.asked} | none | none | {self.details} |"
        median, least, most = statistics.median(self.values), min(self.values), max(self.values)
        forms = {"times": "{:.2f} x", "s": "{:.2f} s", "%": "{:.1f} %", "nats": "{:.4f} nats", "count": "{:.0f}"}
        form = forms[self.unit].format
        spread = f"{form(least)} to {form(most)}" if len(self.values) > 1 else "one run"
        return f"| {self.name} | {self.asked} | {form(median)} | {spread} | {self.details} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS)
    parser.add_argument("--seeds", type=int, default=1, help="runs of `learning`")
    parser.add_argument("--text", type=Path, default=bundled.data() / "travellers.txt")
    parser.add_argument("--settings", nargs="+", default=[], metavar="KEY=VALUE", help="of `learning`")
    chosen = parser.parse_args()
    print(
        f"{_processor()}, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"torch {version('torch')}, {chosen.rounds} rounds\n"
    )
    print("| measured | required | median | spread | values |\n| --- | --- | --- | --- | --- |")
    known, slower = documented(), []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LSTMCTL_RUNS"] = str(Path(folder) / "runs")
        text = Path(folder) / "text.txt"
        letters = torch.randint(yardsticks.SYMBOLS, (500_000,), generator=torch.Generator().manual_seed(0)) + 48
        text.write_text("".join(map(chr, letters.tolist())))
        measures: dict[str, Callable[[], list[Row]]] = {
            "training": lambda: training(text, chosen.rounds),
            "generation": lambda: generation(text, chosen.rounds),
            "start": lambda: start(text, chosen.rounds),
            "learning": lambda: learning(chosen.text, chosen.seeds, chosen.settings),
        }
        for group in chosen.only:
            for row in measures[group]():
                print(row, flush=True)
                before = known.get(row.name)
                if before and row.values and row.unit == "times" and statistics.median(row.values) < SLOWER * before:
                    slower.append(f"{row.name}: {statistics.median(row.values):.2f} x, documented {before:.2f} x")
    print("\n" + "\n".join(["Slower than documented:", *slower] if slower else ["Nothing is slower than documented."]))


def documented() -> dict[str, float]:
    """The ratios in the docs' own copy of this table, by row."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]* \| ([\d.]+) x \|", DOCUMENTED.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: float(ratio) for name, ratio in rows}


def training(path: Path, rounds: int) -> list[Row]:
    """Characters a second of the loop as `lstmctl train` runs it, of a plain loop, and of the step within ours."""
    rows = []
    for cell in CELLS:
        settings = from_mapping(
            {
                "task": {"type": "language-model"},
                "data": {"text": str(path), "split": [0.8, 0.2]},
                "model": {"cell": cell, "hidden": HIDDEN, "embedding": yardsticks.EMBEDDING},
                "training": {"budget": f"{STEPS} steps", "batch": BATCH, "window": WINDOW, "evaluate_every": 10**6},
            }
        )
        assembled = assemble(settings, None, find_cell(settings, None), steps=10**6)
        trainer = assembled.trainer
        bare = bare_steps(assembled.model, assembled.batches, assembled.choices.precision)
        trainer.model.train()
        with apart("steps", cell, HIDDEN, BATCH, WINDOW, STEPS, path) as plain:
            seconds = in_turns([loop(trainer, STEPS), plain, repeated(bare, STEPS)], rounds, TURNS)
        speeds = [TURNS * STEPS * BATCH * WINDOW / statistics.median(times) for times in seconds]
        precision = assembled.choices.precision
        share = 6 * count_parameters(assembled.model) * speeds[0] / matrix_peak(precision)
        details = (
            f"{speeds[0]:,.0f} to {speeds[1]:,.0f} characters per second, {precision}; "
            f"{100 * share:.0f} % of the peak of its matrix products"
        )
        asked = "at least 1.60 x" if cell == "lstm" else "at least 1.80 x"
        rows.append(Row(f"training, {cell} 1 x {HIDDEN}", asked, ratios(seconds[1], seconds[0]), details))
        overhead = [100 * (ratio - 1) for ratio in ratios(seconds[0], seconds[2])]
        rows.append(Row(f"loop over bare step, {cell}", "at most 3 %", overhead, f"bare {speeds[2]:,.0f}", "%"))
    return rows


def matrix_peak(precision: str) -> float:
    """Floating-point operations per second of a large square product by the faster of torch's two libraries."""
    size, best = 2048, 0.0
    left, right = (torch.ones(size, size, dtype=PRECISIONS[precision]) for _ in range(2))
    contenders: list[Callable[[], object]] = [lambda: left @ right]
    if has_kernels(PRECISIONS[precision]):
        packed = PackedLinear(right.float(), torch.zeros(size), size, PRECISIONS[precision])
        contenders.append(lambda: packed(left))
    for contender in contenders:
        contender()
        for _ in range(5):
            started = time.perf_counter()
            contender()
            best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best


def loop(trainer: Trainer, steps: int) -> Callable[[], None]:
    """Makes this many steps as `lstmctl train` does; a listener receives their events and does nothing."""

    def run() -> None:
        end = trainer.progress.step + steps
        for event in trainer.events(lambda: trainer.progress.step >= end):
            assert not isinstance(event, Finished) or event.reason == "interrupted"

    return run


@contextmanager
def apart(*arguments: object) -> Iterator[Callable[[], None]]:
    """A yardstick in a separate process, unaffected by lstmctl's settings; each call runs it once."""
    command = [sys.executable, yardsticks.__file__, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        given, answered = process.stdin, process.stdout
        assert given is not None
        assert answered is not None

        def run() -> None:
            given.write("\n")
            given.flush()
            assert answered.readline() == "done\n"

        yield run
        given.close()


def repeated(step: Callable[[], None], steps: int) -> Callable[[], None]:
    """Makes this many steps."""
    return lambda: [step() for _ in range(steps)] and None


def bare_steps(model: nn.Module, batches: object, precision: str) -> Callable[[], None]:
    """Forward, backward, clipping and the optimizer of the same network in the same precision, and nothing else."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    batch = batches[0]  # type: ignore[index]
    state = model.initial_state(batch.lanes)  # type: ignore[operator]

    def step() -> None:
        with autocast(precision, torch.device("cpu")):
            scores, _ = model(batch.input, state)
            loss = functional.cross_entropy(scores.flatten(0, 1).float(), batch.target.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def generation(path: Path, rounds: int) -> list[Row]:
    """Characters a second of a run of two layers, for one text and for 64."""
    settings = {
        "task": {"type": "language-model"},
        "data": {"text": str(path), "split": [0.8, 0.2]},
        "model": {"cell": "lstm", "hidden": HIDDEN, "layers": 2, "embedding": yardsticks.EMBEDDING},
        "training": {"budget": "1 steps", "batch": BATCH, "window": WINDOW},
    }
    run = train(settings)
    rows = []
    for count, length, asked in ((1, 1000, "at least 8.00 x"), (64, 400, "at least 3.00 x")):

        def ours(precision: str, count: int = count, length: int = length) -> Callable[[], object]:
            sampling = Sampling(temperature=0.8)
            return lambda: run.generate(length=length, count=count, sampling=sampling, precision=precision)

        precisions = [name for name in PRECISIONS if has_kernels(PRECISIONS[name])]
        texts = f"{count} text{'s' if count > 1 else ''}"
        with apart("sample", "lstm", HIDDEN, 2, count, length // 4) as plain:
            *own, theirs = in_turns([*map(ours, precisions), plain], rounds)
        speed = count * length / 4 / statistics.median(theirs)
        for precision, seconds in zip(precisions, own, strict=True):
            name = f"generation, 2 x {HIDDEN}, {texts}, {precision}"
            details = f"{count * length / statistics.median(seconds):,.0f} to {speed:,.0f} characters per second"
            rows.append(Row(name, asked, [4 * ratio for ratio in ratios(theirs, seconds)], details))
        for precision in PRECISIONS.keys() - precisions:
            rows.append(
                Row(f"generation, 2 x {HIDDEN}, {texts}, {precision}", "", [], "torch has no kernels for it here")
            )
    return [*rows, *single_text(run, rounds)]


def single_text(run: Run, rounds: int) -> list[Row]:
    """The cost per symbol of generating one text: compared with reading the weights once from memory, and late in a
    text compared with early in another."""
    assert isinstance(run.model, SequenceModel)
    size = sum(weight.numel() * weight.element_size() for weight in run.model.recurrence.parameters())
    memory = torch.ones(2**27)  # 512 MiB, which no cache holds
    read, write = in_turns([memory.sum, lambda: run.generate(length=1000)], rounds)
    speeds = [memory.nbytes / seconds for seconds in read]
    times = [size / speed / (seconds / 1000) for speed, seconds in zip(speeds, write, strict=True)]
    each, memory_speed = statistics.median(write) / 1000, statistics.median(speeds)
    details = (
        f"{size / 2**20:.1f} MiB at {memory_speed / 1e9:.1f} GB/s take {size / memory_speed * 1e6:,.0f} microseconds, "
        f"a symbol {each * 1e6:,.0f}"
    )
    rows = [Row("reading the weights once from memory, of a symbol's time", "", [100 * t for t in times], details, "%")]
    late, turns = run.write(length=LONG).steps(), 5
    block = int(0.3 * LONG) // (turns * (rounds + 1))
    deque(islice(late, LONG - turns * (rounds + 1) * block), maxlen=0)
    early = run.write(length=LONG).steps()
    seconds = in_turns(
        [lambda: [next(late) for _ in range(block)], lambda: [next(early) for _ in range(block)]], rounds, turns
    )
    change = [100 * (ratio - 1) for ratio in ratios(*seconds)]
    name = f"symbols {0.7 * LONG:,.0f} to {LONG:,} over the first {0.3 * LONG:,.0f} of another text"
    return [*rows, Row(name, "flat", change, "one text, in turns", "%")]


def start(path: Path, rounds: int) -> list[Row]:
    """Seconds of whole processes: help, a run of one step, a text of one symbol, and what importing torch takes."""
    data = [f"data.text={path}", "data.split=[499000, 1000]", "training.budget=1 steps"]
    lstmctl = [sys.executable, "-m", "lstmctl"]
    commands = {
        "python -c 'import torch'": ("", [sys.executable, "-c", "import torch"]),
        "lstmctl --help": ("at most 0.25 s", [*lstmctl, "--help"]),
        "lstmctl train, to its first step": ("at most 3.00 s", [*lstmctl, "train", *data]),
        "lstmctl generate, to its first symbol": ("at most 2.50 s", [*lstmctl, "generate", "--length", "100000"]),
    }
    rows = []
    for name, (asked, command) in commands.items():
        until = {"train": b"step", "generate": b""}.get(command[3] if len(command) > 3 else "")
        times = [_seconds(command, until) for _ in range(rounds)]
        rows.append(Row(name, asked, times, "whole process" if until is None else "", "s"))
    return rows


def _seconds(command: list[str], until: bytes | None) -> float:
    """Seconds until a process ends; or until it has printed anything that holds `until`."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        if until is not None:
            while (line := process.stdout.read1(65536)) and until not in line:
                pass
            seconds = time.perf_counter() - started
            process.kill()
            return seconds
        process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - started


def learning(text: Path, seeds: int, settings: Sequence[str]) -> list[Row]:
    """Loss over the last tenth, and seconds of the whole process, of the preset and of a small Transformer."""
    theirs, limit = _finished([sys.executable, yardsticks.__file__, "transformer", str(text)])
    command = [sys.executable, "-m", "lstmctl", "train", "shakespeare-cpu", f"data.text={text}", *settings]
    runs = [_finished([*command, f"seed={seed}", "--quiet", "--json"]) for seed in range(seeds)]
    scores = [answer["metrics"]["validation"] for answer, _ in runs]
    cold = statistics.median(score["nats_per_character_cold"] for score in scores)
    seconds = statistics.median(taken for _, taken in runs)
    return [
        Row(
            " ".join(["learning,", text.name, *settings]),
            "at most 1.4500 nats" if "shakespeare" in text.name else "",
            [score["nats_per_character"] for score in scores],
            f"cold {cold:.4f}, Transformer {theirs['nats_per_character_cold']:.4f} cold",
            "nats",
        ),
        Row(
            "learning, Transformer's seconds over ours",
            "at least 1.00 x",
            [limit / taken for _, taken in runs],
            f"{seconds:.1f} s, Transformer {limit:.1f} s, whole processes",
        ),
    ]


def _finished(command: list[str]) -> tuple[dict[str, Any], float]:
    """Return the JSON that a command prints, and the duration of its process."""
    started = time.perf_counter()
    printed = subprocess.run(command, check=True, capture_output=True).stdout
    return json.loads(printed), time.perf_counter() - started


def in_turns(contenders: Sequence[Callable[[], object]], rounds: int, turns: int = 1) -> list[list[float]]:
    """Seconds of each contender in each round, after one round that does not count.

    In a round, every contender has this many turns, alternating with the others; their seconds are added up.
    """
    times: list[list[float]] = [[] for _ in contenders]
    for counted in [False] + [True] * rounds:
        sums = [0.0 for _ in contenders]
        for _ in range(turns):
            for index, contender in enumerate(contenders):
                started = time.perf_counter()
                contender()
                sums[index] += time.perf_counter() - started
        if counted:
            for seconds, spent in zip(times, sums, strict=True):
                seconds.append(spent)
    return times


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def _processor() -> str:
    found = (
        re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    )
    return found[1].strip() if found else platform.processor()


if __name__ == "__main__":
    main()
