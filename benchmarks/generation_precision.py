"""Measure the loss and the speed of generation in lower precisions, symbol by symbol, as `generate` does it.

python benchmarks/generation_precision.py RUN [--symbols 20000] [--lanes 1]

The run's validation part is read from a zero state in each of the precisions that this machine has kernels for. One
lane is one text.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch.nn import functional

from lstmctl.api.run import load_run
from lstmctl.api.writing import PRECISIONS
from lstmctl.cells.packed import has_kernels
from lstmctl.models.sequence_model import SequenceModel

BLOCK = 1000
"""Steps whose scores are kept before their loss is computed, which is not timed."""


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--symbols", type=int, default=20_000)
    parser.add_argument("--lanes", type=int, default=1)
    chosen = parser.parse_args()
    run = load_run(chosen.run)
    model = run.model.eval()
    if not isinstance(model, SequenceModel):
        raise SystemExit(f"{run.name} is not a language model")
    symbols = run.task.part(run.corpus(), "validation", run.device).long()[: chosen.symbols + 1]
    lanes = symbols[: len(symbols) // chosen.lanes * chosen.lanes].view(chosen.lanes, -1).t()
    print("| products | nats per symbol | symbols per second |\n| --- | --- | --- |")
    for name, precision in PRECISIONS.items():
        if not has_kernels(precision):
            print(f"| {name} | torch has no kernels for it here | |")
            continue
        nats, seconds = loss(model, lanes, precision)
        count = lanes[1:].numel()
        print(f"| {name} | {nats / count:.5f} | {count / seconds:,.0f} |", flush=True)


def loss(model: SequenceModel, lanes: torch.Tensor, precision: torch.dtype) -> tuple[float, float]:
    """The summed loss of predicting each symbol of lanes (time, batch) from those before it, and the steps' seconds."""
    step, state = model.stepper(lanes.shape[1], precision), model.initial_state(lanes.shape[1])
    nats, seconds = 0.0, 0.0
    for read, following in zip(lanes[:-1].split(BLOCK), lanes[1:].split(BLOCK), strict=True):
        scores = []
        started = time.perf_counter()
        for now in read:
            logits, state = step(now, state)
            scores.append(logits)
        seconds += time.perf_counter() - started
        nats += functional.cross_entropy(torch.cat(scores), following.flatten(), reduction="sum").item()
    return nats, seconds


if __name__ == "__main__":
    main()
