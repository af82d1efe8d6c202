"""Measure lstmctl on one NVIDIA GPU, against the requirements and against plain torch.

python benchmarks/gpu.py [--rounds 5] [--only step graphs …] [--text tinyshakespeare.txt] [--device cpu]

Contenders of a row are timed in turns in one run, each until the GPU is done; `speed.py` says how to read the table.
`learning` and `comparison` make a single round. With `--device cpu`, every group that does not need CUDA runs on little
data, which tests this file and measures nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yardsticks
from precisions import precisions
from speed import CELLS, Row, in_turns, loop, ratios, repeated
from torch import Tensor

from lstmctl import bundled
from lstmctl.api.assembly import find_cell
from lstmctl.api.preparation import Assembled, assemble
from lstmctl.api.run import load_run
from lstmctl.api.training import train
from lstmctl.comparison import compare
from lstmctl.config import from_mapping, load
from lstmctl.errors import ConfigError
from lstmctl.events import Evaluated, Stepped
from lstmctl.sampling_settings import Sampling
from lstmctl.training.device import choose_device, device_name, make_repeatable
from lstmctl.training.trainer import Trainer

NEVER = 10**6
"""Steps: later than any benchmark looks."""
WARM_UP = 20
"""Steps in which memory is taken and kernels are chosen."""
RAGGED = ("intents", "frequency", "tags", "dates", "adding")
"""Bundled configs of other tasks, whose batches are not of one length or are drawn anew."""


@dataclass(frozen=True)
class Size:
    """Sizes of all measurements."""

    hidden: int = 512
    batch: int = 32
    window: int = 64
    steps: int = 200
    """Timed in one turn; compared between precisions."""
    learning: tuple[str, ...] = ()
    """Overrides of the preset."""
    compared: str = "2000 steps"
    """Budget of each run of the comparison."""
    jobs: tuple[int, ...] = (3, 9)
    seeds: int = 3
    texts: int = 1024
    length: int = 200
    """Characters of each text."""
    cells: tuple[str, ...] = CELLS
    """Of the runs that are stopped and resumed."""
    points: int = 2
    """Of each of them that are drawn for each signal."""
    resumed: int = 400
    """Steps of each of them."""


TRIAL = Size(
    hidden=16,
    batch=4,
    window=16,
    steps=3,
    learning=("training.budget=3 steps", "model.hidden=16", "training.batch=4", "training.window=16"),
    compared="3 steps",
    jobs=(2,),
    seeds=2,
    texts=8,
    length=5,
    cells=("lstm",),
    points=1,
    resumed=60,
)
TRIAL_CHARACTERS = 5000


@dataclass(frozen=True)
class Bench:
    """Device, data and number of repetitions."""

    device: torch.device
    text: Path
    rounds: int
    size: Size
    precisions: list[str]

    def config(self, cell: str, *, layers: int = 1, precision: str = "float32", **training: Any) -> dict[str, Any]:
        """Of a language model that nothing interrupts: no evaluation, sample or checkpoint before its last step."""
        size = self.size
        return {
            "task": {"type": "language-model"},
            "data": {"text": str(self.text), "split": [0.9, 0.1]},
            "model": {"cell": cell, "hidden": size.hidden, "layers": layers, "embedding": yardsticks.EMBEDDING},
            "training": {
                "budget": f"{size.steps} steps",
                "batch": size.batch,
                "window": size.window,
                "precision": precision,
                **dict.fromkeys(("evaluate_every", "sample_every", "save_every"), NEVER),
                **training,
            },
            "device": str(self.device),
        }

    def assemble(self, config: dict[str, Any], *overrides: str, steps: int = NEVER) -> Assembled:
        settings = from_mapping(config, overrides)
        return assemble(settings, None, find_cell(settings, None), steps=steps)

    def in_turns(self, *contenders: Callable[[], object]) -> list[list[float]]:
        """`speed.in_turns`, each contender until the device has done what it asked for."""

        def await_device() -> None:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)

        return in_turns([lambda each=each: (each(), await_device()) for each in contenders], self.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--text", type=Path, default=bundled.data() / "travellers.txt")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu for a trial of this file")
    chosen = parser.parse_args()
    try:
        device = choose_device(chosen.device)
    except ConfigError as error:
        raise SystemExit(f"{error}; --device cpu goes through the groups there, on little data") from None
    on_gpu = device.type == "cuda"
    repeatable_by = make_repeatable(device)  # before anything is computed: for both contenders of a row
    versions = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, " if on_gpu else ""
    print(
        f"{device_name(device)}, Python {platform.python_version()}, torch {version('torch')}, {versions}"
        f"{chosen.rounds} rounds{''.join(f', {key}={value}' for key, value in repeatable_by.items())}\n"
    )
    kinds = precisions(device)
    print("| measured | required | median | spread | values |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LSTMCTL_RUNS"] = str(Path(folder) / "runs")
        text = chosen.text.resolve()
        if not on_gpu:
            little = text.read_text(encoding="utf-8")[:TRIAL_CHARACTERS]
            text = Path(folder) / text.name
            text.write_text(little, encoding="utf-8")
        bench = Bench(device, text, chosen.rounds, Size() if on_gpu else TRIAL, kinds)
        for group in chosen.only:
            if on_gpu or group not in CUDA_ALONE:
                for row in GROUPS[group](bench):
                    print(row, flush=True)
    if left_out := [group for group in chosen.only if group in CUDA_ALONE and not on_gpu]:
        print(f"\nLeft out, for they are about CUDA alone: {', '.join(left_out)}.")


def learning(bench: Bench) -> list[Row]:
    """The preset for a GPU: nats over the last tenth as one stream, and seconds of the whole training."""
    started = time.perf_counter()
    run = train("shakespeare-gpu", [f"data.text={bench.text}", f"device={bench.device}", *bench.size.learning])
    seconds = time.perf_counter() - started
    metrics, info = run.metrics["validation"], run.info
    assert metrics is not None
    nats, cold = metrics["nats_per_character"], metrics["nats_per_character_cold"]
    asked = ("at most 1.4000 nats", "at most 180.00 s") if "shakespeare" in bench.text.name else ("", "")
    chosen = f"cold {cold:.4f}, {info['precision']}, {info['kernel']}"
    seen = f"{info['units_trained']:,} characters seen, {info['peak_memory'] / 2**20:,.0f} MiB at most"
    name = f"shakespeare-gpu on {bench.text.name}"
    return [
        Row(f"{name}, last tenth", asked[0], [nats], chosen, "nats"),
        Row(f"{name}, whole training", asked[1], [seconds], seen, "s"),
    ]


def step(bench: Bench) -> list[Row]:
    """Our training loop over a plain one around torch's own modules, under the same settings of determinism."""
    size, rows = bench.size, []
    for precision in bench.precisions:
        for cell, layers in [*((cell, 1) for cell in CELLS), ("lstm", 2)]:
            assembled = bench.assemble(bench.config(cell, layers=layers, precision=precision))
            sizes = {"hidden": size.hidden, "batch": size.batch, "window": size.window, "layers": layers}
            text, symbols = read_by(assembled)
            plain = yardsticks.training_steps(text, symbols, cell, precision=precision, fused=True, **sizes)
            seconds = bench.in_turns(loop(assembled.trainer, size.steps), repeated(plain, size.steps))
            over = [100 * (ratio - 1) for ratio in ratios(*seconds)]
            each = [size.steps * size.batch * size.window / min(times) for times in seconds]
            details = f"at best {each[0]:,.0f} to {each[1]:,.0f} characters per second, {assembled.facts['kernel']}"
            name = f"step over torch alone, {cell} {layers} x {size.hidden}, {precision}"
            rows.append(Row(name, "at most 5 %", over, details, "%"))
    return rows


def synchronisation(bench: Bench) -> list[Row]:
    """Count how often the host waits for the GPU in steps between two reports, and where.

    torch's own debug mode says so, which knows copies and questions for a number, but not what a library does inside.
    """
    varied = {
        "without lanes that start anew": ["training.state_reset=0"],
        "with everything": ["model.dropout=0.4", "training.average=0.99", "training.accumulate=2"],
    }
    trainers = {cell: bench.assemble(bench.config(cell, precision=bench.precisions[-1])) for cell in CELLS}
    trainers |= {f"lstm {name}": bench.assemble(bench.config("lstm"), *changes) for name, changes in varied.items()}
    for name in RAGGED:
        settings = load(name, [f"device={bench.device}", f"training.evaluate_every={NEVER}"]).settings
        trainers[name] = assemble(settings, None, find_cell(settings, None), steps=NEVER)
    rows = []
    for name, assembled in trainers.items():
        places = Counter(waits(assembled.trainer, bench.size.steps))
        details = ", ".join(f"{place} {count} times" for place, count in places.most_common())
        name = f"waits for the GPU in {bench.size.steps} steps, {name}"
        rows.append(Row(name, "0", [places.total()], details, "count"))
    return rows


def waits(trainer: Trainer, steps: int) -> list[str]:
    """Return the file and line of every wait for the device in a number of steps, after warming up."""

    def should_stop() -> bool:  # is asked after each step, before whatever follows the last
        made = trainer.progress.step
        torch.cuda.set_sync_debug_mode("warn" if WARM_UP <= made < WARM_UP + steps else "default")
        return made >= WARM_UP + steps

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            assert not any(isinstance(event, Stepped) for event in trainer.events(should_stop))
        finally:
            torch.cuda.set_sync_debug_mode("default")
    found = [warning for warning in caught if "called a synchronizing" in str(warning.message)]
    return [f"{Path(warning.filename).name}:{warning.lineno}" for warning in found]


def graphs(bench: Bench) -> list[Row]:
    """Measure the gain of running a small network's step as one CUDA graph, over torch's plain step and ours."""
    sizes = {"hidden": 128, "batch": 32, "window": 64}
    assembled = bench.assemble(bench.config("lstm", batch=32, window=64), "model.hidden=128")
    text, symbols = read_by(assembled)
    plain = yardsticks.training_steps(text, symbols, "lstm", fused=True, **sizes)
    captured = yardsticks.captured_steps(text, symbols, **sizes)
    steps = bench.size.steps
    contenders = (loop(assembled.trainer, steps), repeated(plain, steps), repeated(captured, steps))
    ours, theirs, as_graph = bench.in_turns(*contenders)
    rows = []
    for whose, seconds in (("torch's", theirs), ("our", ours)):
        details = " to ".join(f"{1e6 * min(times) / steps:,.0f}" for times in (seconds, as_graph))
        name = f"graph over {whose} step, lstm 1 x 128"
        rows.append(Row(name, "", ratios(seconds, as_graph), f"at best {details} microseconds a step"))
    return rows


def comparison(bench: Bench) -> list[Row]:
    """A comparison of the three cells side by side, over the same one run after another."""
    size = bench.size
    config = bench.config("lstm", budget=size.compared)
    overrides = [f"model.hidden={min(size.hidden, 128)}", "threads=1"]

    def compared(jobs: int) -> tuple[float, list[float | None]]:
        started = time.perf_counter()
        made = compare(CELLS, config, overrides, seeds=size.seeds, jobs=jobs)
        return time.perf_counter() - started, [run.value for arm in made.arms for run in arm.runs]

    alone, values = compared(1)
    rows = []
    for jobs in size.jobs:
        seconds, beside = compared(jobs)
        same = "the same scores" if beside == values else "other scores"
        details = f"{alone:.1f} s to {seconds:.1f} s, {same}"
        rows.append(Row(f"{len(CELLS)} cells x {size.seeds} seeds, {jobs} at once", "", [alone / seconds], details))
    return rows


def precision(bench: Bench) -> list[Row]:
    """Held-out nats after the same steps from the same start, by how float32 is multiplied; `ieee` is the exact way."""
    ways = {
        "float32, ieee": ("float32", "ieee"),
        "float32, TF32": ("float32", "tf32"),
        "float32, as torch has it": ("float32", None),
        "bfloat16": ("bfloat16", None),
    }
    rows, exact = [], None
    for name, (kind, products) in ways.items():
        if kind not in bench.precisions:
            continue
        with multiplied(products):
            assembled = bench.assemble(bench.config("lstm", precision=kind), steps=bench.size.steps)
            events = list(assembled.trainer.events())
        losses = torch.tensor([event.loss for event in events if isinstance(event, Stepped)], dtype=torch.float64)
        nats = next(event.metrics["nats_per_character"] for event in events if isinstance(event, Evaluated))
        exact = losses if exact is None else exact
        apart = (losses - exact).abs()
        details = f"losses differ by {apart[0]:.1e} at first, {apart[-1]:.1e} at last, {apart.max():.1e} at most"
        rows.append(Row(f"after {len(losses)} steps, lstm, {name}", "", [nats], details, "nats"))
    return rows


@contextmanager
def multiplied(products: str | None) -> Iterator[None]:
    """Precision of float32 products inside this context, in cuBLAS and in cuDNN's recurrences; None leaves it
    unchanged."""
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn.rnn)
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend, was in zip(backends, before, strict=True):
            backend.fp32_precision = products or was
        yield
    finally:
        for backend, was in zip(backends, before, strict=True):
            backend.fp32_precision = was


def generation(bench: Bench) -> list[Row]:
    """Many texts at once by a network of two layers, over a call of torch's modules for each symbol."""
    size = bench.size
    made = train(bench.config("lstm", layers=2, budget="1 steps"))
    run = load_run(made.path, device=str(bench.device))
    shape = {"symbols": made.info["data"]["vocabulary"], "hidden": size.hidden, "layers": 2}
    much = {"count": size.texts, "length": size.length}

    def ours(kind: str) -> Callable[[], object]:
        return lambda: run.generate(**much, sampling=Sampling(temperature=0.8), precision=kind)

    kinds = bench.precisions
    *own, theirs = bench.in_turns(
        *map(ours, kinds), yardsticks.sampler("lstm", **shape, **much, device=str(bench.device))
    )
    rows = []
    for kind, seconds in zip(kinds, own, strict=True):
        speeds = [size.texts * size.length / min(times) for times in (seconds, theirs)]
        details = f"at best {speeds[0]:,.0f} to {speeds[1]:,.0f} characters per second"
        rows.append(
            Row(f"generation, 2 x {size.hidden}, {size.texts} texts, {kind}", "", ratios(theirs, seconds), details)
        )
    return rows


def resume(bench: Bench) -> list[Row]:
    """Compare runs stopped by signals and resumed with runs never stopped: `exact_resume.py`, in a separate process.

    Its children are forked, which no process may do that has used CUDA."""
    environment = {**os.environ, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}  # asks for GPUs without a use of CUDA
    environment.pop("LSTMCTL_RUNS")  # it reads files in its own folder
    size = bench.size
    command = [sys.executable, str(Path(__file__).with_name("exact_resume.py")), "--device", str(bench.device)]
    command += ["--dropout", "0", "0.4", "--points", str(size.points), "--steps", str(size.resumed)]
    command += ["--cells", *size.cells]
    made = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    found = re.findall(r"^\| (\w+) \| (\S+) \| (SIG\w+) \| ([\d, ]+) \| (\d+) of (\d+) \|$", made.stdout, re.M)
    if not found:
        raise SystemExit(f"{' '.join(command)} ended with {made.returncode}:\n{made.stderr}")
    rows = []
    for cell, dropout, signal, points, identical, count in found:
        name = f"resumed runs that are identical, {cell}, dropout {dropout}, {signal}"
        rows.append(Row(name, "100 %", [100 * int(identical) / int(count)], f"stopped after steps {points}", "%"))
    return rows


def read_by(assembled: Assembled) -> tuple[Tensor, int]:
    """The training part on its device, and how many symbols there are."""
    return assembled.task.part(assembled.corpus, "training", assembled.trainer.device), len(assembled.corpus.encoding)


GROUPS: dict[str, Callable[[Bench], list[Row]]] = {
    "learning": learning,
    "step": step,
    "synchronisation": synchronisation,
    "graphs": graphs,
    "comparison": comparison,
    "precision": precision,
    "generation": generation,
    "resume": resume,
}
CUDA_ALONE = ("synchronisation", "graphs")


if __name__ == "__main__":
    main()
