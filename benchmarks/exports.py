"""Exports of every task and cell to every target: the largest difference to the run, size, and time per step.

One row per task and cell. Differences are in logits, or for forecasts and numbers in standard deviations.

    python benchmarks/exports.py [--hidden 64] [--steps 20] [--targets numpy,c,javascript,onnx]

Networks are trained for a few steps only: differences of rounding do not depend on how good a network is.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

TASKS = {
    "language model": ("next-character",),
    "forecast": ("energy",),
    "classification": ("intents",),
    "regression": ("adding",),
    "tagging": ("tags",),
    "transduction": ("dates",),
    "generation from a label": ("places", "data.table={folder}/places.csv"),
    "spoken words": ("spoken-words",),
}
CELLS = ("rnn", "lstm", "gru")
PLACES = """\
task: {type: generation-from-label}
data: {table: places.csv, text: place, label: country}
model: {cell: gru}
training: {batch: 16}
"""


def write_places(folder: Path) -> str:
    """Return a config that writes names of places for a country."""
    endings = {"france": ("ville", "ac"), "spain": ("illa", "ona"), "finland": ("nen", "kka")}
    lines = ["place,country"]
    for number in range(200):
        country = list(endings)[number % 3]
        lines.append(f"{'bdlmst'[number % 6]}{'aeio'[number // 6 % 4]}{endings[country][number % 2]},{country}")
    (folder / "places.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "places.yaml").write_text(PLACES, encoding="utf-8")
    return str(folder / "places.yaml")


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} µs" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--targets", default="numpy,c,c:int8,javascript,onnx")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--cells", default=",".join(CELLS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["LSTMCTL_RUNS"] = str(Path(scratch, "runs"))
        from lstmctl import LstmctlError, train
        from lstmctl.export import export
        from lstmctl.reporting.quantities import size

        targets = given.targets.split(",")
        print(f"| task | cell | {' | '.join(targets)} |")
        print(f"| --- | --- |{' --- |' * len(targets)}", flush=True)
        for task in given.tasks.split(","):
            config = write_places(Path(scratch)) if task == "generation from a label" else TASKS[task][0]
            for cell in given.cells.split(","):
                settings = [
                    f"model.cell={cell}",
                    f"model.hidden={given.hidden}",
                    f"training.budget={given.steps} steps",
                ]
                run = train(config, [*settings, "threads=1"], quiet=True)
                row = []
                for wanted in targets:
                    target, _, precision = wanted.partition(":")
                    output = Path(scratch, f"{run.name}-{target}-{precision}")
                    try:
                        found = export(run, target, output, precision=precision or None)
                    except LstmctlError as error:
                        row.append(str(error))
                        continue
                    difference = "unchecked" if found.difference is None else f"{found.difference:.1e}"
                    seconds = found.seconds_per_step
                    took = "" if seconds is None else f", {_time(seconds)}"
                    row.append(f"{difference}, {size(sum(found.files.values()))}{took}")
                print(f"| {task} | {cell} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
