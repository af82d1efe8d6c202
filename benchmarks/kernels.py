"""A forward and backward pass over a window: torch's own modules against our cells, in turns, in a process that keeps
its memory as training does.

python benchmarks/kernels.py [--hidden 512] [--batch 32] [--window 64] [--rounds 9]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import torch
from precisions import precisions

from lstmctl.cells.cell import Cell, checked_options
from lstmctl.cells.fused import FusedCell
from lstmctl.registry import CELLS, resolve
from lstmctl.training.device import keep_freed_memory
from lstmctl.training.precision import autocast

INPUTS = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    keep_freed_memory()
    print(f"Python {platform.python_version()}, torch {version('torch')}, {torch.get_num_threads()} threads\n")
    kinds = precisions(torch.device("cpu"))
    columns = ["cell", *(f"{whose}, {kind}" for whose in ("torch", "ours") for kind in kinds)]
    print(f"| {' | '.join(columns)} |\n| {' | '.join('---' for _ in columns)} |")
    input = torch.randn(chosen.window, chosen.batch, INPUTS)
    for name in ("rnn", "gru", "lstm"):
        kind = resolve(name, CELLS, Cell)
        cell = kind(INPUTS, chosen.hidden, checked_options(kind, {}))
        assert isinstance(cell, FusedCell)
        cell.initialise(torch.Generator().manual_seed(0))
        theirs, ours = (
            _pass(cell.kernel),
            _pass(lambda x, cell=cell: cell.sequence(x, cell.initial_state(x.shape[1], x))),
        )
        contenders = [(one, precision) for one in (theirs, ours) for precision in kinds]
        times: list[list[float]] = [[] for _ in contenders]
        for counted in [False, False] + [True] * chosen.rounds:
            for (run, precision), seconds in zip(contenders, times, strict=True):
                started = time.perf_counter()
                run(input, precision)
                if counted:
                    seconds.append(time.perf_counter() - started)
        print(f"| {name} | " + " | ".join(f"{1000 * statistics.median(seconds):.1f}" for seconds in times) + " |")


def _pass(run: Callable[[torch.Tensor], tuple[torch.Tensor, object]]) -> Callable[[torch.Tensor, str], None]:
    """Forward and backward of `run`, in a precision."""

    def both(input: torch.Tensor, precision: str) -> None:
        with autocast(precision, torch.device("cpu")):
            output, _ = run(input)
        output.float().square().mean().backward()

    return both


if __name__ == "__main__":
    main()
