"""Compare a search of 30 trials with a grid of 30 points, on one text.

usage: python benchmarks/search_and_grid.py TEXT [--characters 150000] [--seeds 3]

Both search for the learning rate, batch size and dropout of an LSTM with 64 units. Both select on validation; then the
winner is trained with several seeds and scored on test.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from lstmctl.comparison import compare
from lstmctl.search import search

CONFIG = """\
task: {{type: language-model, shape: many-to-many}}
data: {{text: {text}}}
model: {{cell: lstm, hidden: 64, embedding: 32}}
training: {{budget: {characters} characters, batch: 32, window: 64, learning_rate: 1e-3, precision: float32}}
threads: 1
"""
SPACE = ["training.learning_rate=3e-4..1e-1:log", "training.batch=8..128:log", "model.dropout=0.0..0.4"]
GRID = ["training.learning_rate=3e-4,1e-3,3e-3,1e-2,3e-2", "training.batch=8,32,128", "model.dropout=0.0,0.2"]
TRIALS = 30


def training_seconds(runs: list[Path]) -> float:
    return sum(json.loads((run / "run.json").read_text()).get("training_seconds") or 0 for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--characters", type=int, default=150_000)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    text = asked.text.resolve()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        Path("text.yaml").write_text(CONFIG.format(text=json.dumps(str(text)), characters=asked.characters))
        start = time.perf_counter()
        found = search("text.yaml", space=SPACE, trials=TRIALS, seeds=asked.seeds, best=1, quiet=True)
        searched = time.perf_counter() - start
        trials = list(Path(found.path).glob("trials/*/run"))
        ends = [trial.status for trial in found.trials]
        best = min(trial.value for trial in found.trials if trial.value is not None and trial.status == "finished")
        winner = found.winner.arms[0]
        print(
            f"search, {len(ends)} trials, {ends.count('pruned')} pruned: best {best:.4f} on validation at "
            f"{found.finalists[0].point}; test {winner.mean:.4f} ({winner.low:.4f} to {winner.high:.4f}); "
            f"{training_seconds(trials):.0f} s of training in trials, {searched:.0f} s in all",
            flush=True,
        )
        start = time.perf_counter()
        grid = compare(["lstm"], "text.yaml", seeds=asked.seeds, tune=GRID, match="hidden", quiet=True)
        compared = time.perf_counter() - start
        arm = grid.arms[0]
        points = list(Path(grid.path).glob("lstm-tuning-*"))
        best = min(point.value for point in arm.tuning if point.value is not None)
        print(
            f"grid, {len(points)} points: best {best:.4f} on validation at {dict(arm.chosen)}; test {arm.mean:.4f} "
            f"({arm.low:.4f} to {arm.high:.4f}); {training_seconds(points):.0f} s of training at points, "
            f"{compared:.0f} s in all"
        )


if __name__ == "__main__":
    main()
