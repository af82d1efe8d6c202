"""What writing with bfloat16 products costs: the loss of a run, symbol by symbol, as `generate` steps.

python benchmarks/writing_precision.py RUN [--symbols 100000]

The run's validation part is read in 64 lanes, each from a zero state, once with float32 products and once with
bfloat16 ones.
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import torch
from torch.nn import functional

from lstmctl.api.run import load_run
from lstmctl.models.sequence_model import SequenceModel

LANES = 64


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--symbols", type=int, default=100_000)
    chosen = parser.parse_args()
    run = load_run(chosen.run)
    model = run.model.eval()
    assert isinstance(model, SequenceModel)
    corpus = run.corpus()
    symbols = run.task.part(corpus, "validation", run.device).long()[: chosen.symbols]
    lanes = symbols[: len(symbols) // LANES * LANES].view(LANES, -1).t()
    print("| products | nats a symbol |\n| --- | --- |")
    for precision in (torch.float32, torch.bfloat16):
        stepper, state, nats = model.stepper(LANES, precision), model.initial_state(LANES), 0.0
        for now, following in pairwise(lanes):
            logits, state = stepper(now, state)
            nats += functional.cross_entropy(logits, following, reduction="sum").item()
        print(f"| {str(precision).removeprefix('torch.')} | {nats / lanes[1:].numel():.5f} |", flush=True)


if __name__ == "__main__":
    main()
