"""Measure the effect of each ingredient of the preset `shakespeare-cpu`: the preset with one change at a time.

python benchmarks/ingredients.py TEXT [--only NAME ...] [--seeds 1] [--settings KEY=VALUE ...]

Everything is trained on the first 80 % of the text and scored on the next 10 %: the last 10 %, on which the preset is
reported, are never used. Every row reads the same number of characters. Seconds are of processor time in one thread, so
rows may be measured in parallel.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch

from lstmctl import train

ROWS: dict[str, list[str]] = {
    "nothing": [],
    "AdamW": ["training.optimizer=adamw"],
    "AdamW, 2.4M characters": ["training.optimizer=adamw", "training.budget=2400k characters"],
    "2.4M characters": ["training.budget=2400k characters"],
    "448 units, 4.5M characters": ["model.hidden=448", "training.budget=4500k characters"],
    "LSTM": ["model.cell=lstm"],
    "LSTM, learning rate 6e-3": ["model.cell=lstm", "training.learning_rate=6e-3"],
    "RNN, learning rate 2e-3": ["model.cell=rnn", "training.learning_rate=2e-3"],
    "RNN, learning rate 4e-3": ["model.cell=rnn", "training.learning_rate=4e-3"],
    "320 units": ["model.hidden=320"],
    "390 units": ["model.hidden=390"],
    "512 units": ["model.hidden=512"],
    "batch 64, window 16": ["training.batch=64"],
    "batch 64, window 32": ["training.batch=64", "training.window=32"],
    "batch 32, window 64": ["training.batch=32", "training.window=64"],
    "learning rate 8e-3": ["training.learning_rate=8e-3"],
    "cosine schedule": ["training.schedule=cosine"],
    "constant learning rate": ["training.schedule=constant"],
    "no weight average": ["training.average=null"],
    "weight decay 0": ["training.weight_decay=0.0"],
    "weight decay 0.3": ["training.weight_decay=0.3"],
    "dropout 0.1, one mask a window": ["model.dropout=0.1", "model.variational_dropout=true"],
    "layer norm": ["model.layer_norm=true"],
    "gates for memories of up to 20 steps at first": ["model.options.longest_memory=20"],
    "embedding 32": ["model.embedding=32"],
    "float32": ["training.precision=float32"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--settings", nargs="+", default=[], metavar="KEY=VALUE", help="for every row")
    chosen = parser.parse_args()
    print(f"Python {platform.python_version()}, torch {torch.__version__}\n")
    print("| changed | nats a character | spread | cold | seconds on the processor |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LSTMCTL_RUNS"] = folder
        inner = Path(folder) / "inner.txt"
        whole = chosen.text.read_text(encoding="utf-8")
        inner.write_text(whole[: int(0.9 * len(whole))], encoding="utf-8")
        common = [f"data.text={inner}", f"data.split=[{8 / 9!r}, {1 / 9!r}]", "threads=1"]
        common += [f"training.{name}_every=1000000" for name in ("evaluate", "sample", "save")]
        for name in chosen.only:
            started = time.process_time()
            runs = [
                train("shakespeare-cpu", [*common, f"seed={seed}", *chosen.settings, *ROWS[name]])
                for seed in range(chosen.seeds)
            ]
            seconds = (time.process_time() - started) / chosen.seeds
            scores = [run.metrics["validation"] or {} for run in runs]
            nats = [score["nats_per_character"] for score in scores]
            cold = statistics.mean(score["nats_per_character_cold"] for score in scores)
            spread = f"{min(nats):.4f} to {max(nats):.4f}" if len(nats) > 1 else "one seed"
            print(f"| {name} | {statistics.mean(nats):.4f} | {spread} | {cold:.4f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
