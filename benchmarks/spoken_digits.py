"""Spoken digits: accuracy on clips of known speakers, and on speakers that were never heard.

python benchmarks/spoken_digits.py FOLDER [--seeds 1] [--threads 2] [--only known SPEAKER …] [--confusion] [KEY=VALUE …]

FOLDER holds `DIGIT_SPEAKER_TAKE.wav` files, as the Free Spoken Digit Dataset does (github.com/Jakobovski/
free-spoken-digit-dataset, CC BY-SA 4.0; its recordings are not part of lstmctl). Takes 0 to 4 of each digit and speaker
are held out, as its authors propose; then each speaker in turn. Nothing is selected on the scored clips: the weights
are the last ones. Each accuracy has a 95 % confidence interval (Wilson 1927, over the clips), and is printed with the
accuracy of the baselines. Minutes include reading, training, scoring and the report; CPU minutes, summed over the
threads, depend less on other programs. Clips per second are the rate of `predict`, which reads the files too: one by
one, then the whole folder.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lstmctl
from lstmctl import Run
from lstmctl.inspection.recall import wilson
from lstmctl.results.evaluation import Evaluation

CONFIG: dict[str, Any] = {
    "task": {"type": "classification"},
    "data": {"file_names": "{label}_{speaker}_{take}", "split": [0.9, 0.1], "noise": 0.1, "shift": 0.05},
    "model": {"cell": "gru", "hidden": 96, "direction": "bidirectional", "dropout": 0.3},
    "training": {"budget": "12 epochs", "batch": 32, "learning_rate": 3e-3, "schedule": "cosine"},
}
COLUMNS = (
    *("held out", "seed", "clips", "accuracy", "95 %", "mean and spread", "majority", "minutes", "CPU minutes"),
    *("clips/s, one by one", "clips/s, folder"),
)
KNOWN = "takes 0 to 4"
BASELINE = "mean and spread of frames"
ONE_BY_ONE = 100
"""Files that `predict` gets one by one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", help="known, for the takes of known speakers, or names of speakers")
    parser.add_argument("--confusion", action="store_true", help="print the confusion matrices")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    speakers = sorted({path.stem.split("_")[1] for path in folder.glob("*_*_*.wav")})
    held_out: dict[str, dict[str, Any]] = {
        KNOWN: {"held_out": ["*_[0-4].wav"]},
        **{name: {"split_by": "speaker", "held_out": [name]} for name in speakers},
    }
    if chosen.only:
        wanted = [KNOWN if name == "known" else name for name in chosen.only]
        held_out = {name: held_out[name] for name in wanted}
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    print(f"Python {platform.python_version()}, torch {version('torch')}, {chosen.threads} threads, load {load}\n")
    print(f"| {' | '.join(COLUMNS)} |\n" + "| --- " * len(COLUMNS) + "|", flush=True)
    with tempfile.TemporaryDirectory() as runs:
        os.environ["LSTMCTL_RUNS"] = runs
        for name, data in held_out.items():
            for seed in range(chosen.seeds):
                config = {**CONFIG, "threads": chosen.threads, "seed": seed}
                config["data"] = {"audio": str(folder), **CONFIG["data"], **data}
                began, processor = time.perf_counter(), time.process_time()
                run = lstmctl.train(config, chosen.overrides)
                minutes = (time.perf_counter() - began) / 60, (time.process_time() - processor) / 60
                scored = run.evaluate("validation")
                print(row(name, seed, scored, *minutes, *rates(run, folder)), flush=True)
                if chosen.confusion:
                    show(scored)


def row(name: str, seed: int, scored: Evaluation, *costs: float) -> str:
    """Return one row of the table; `costs` are minutes, those of all processors, and two rates."""
    accuracy, baselines = scored.metrics["accuracy"], scored.baselines
    low, high = wilson(round(accuracy * scored.windows), scored.windows)
    cells = [
        name,
        str(seed),
        f"{scored.windows:,}",
        f"{accuracy:.1%}",
        f"{low:.1%} to {high:.1%}",
        f"{baselines[BASELINE]['accuracy']:.1%}",
        f"{baselines['majority']['accuracy']:.1%}",
        *(f"{minutes:.1f}" for minutes in costs[:2]),
        *(f"{rate:,.0f}" for rate in costs[2:]),
    ]
    return f"| {' | '.join(cells)} |"


def rates(run: Run, folder: Path) -> tuple[float, float]:
    """Return clips per second of `predict`: some files one by one, and the whole folder."""
    some = sorted(folder.glob("*.wav"))[:ONE_BY_ONE]
    run.predict(some[0])  # the weights are read once
    began = time.perf_counter()
    for path in some:
        run.predict(path)
    single = len(some) / (time.perf_counter() - began)
    began = time.perf_counter()
    told = run.predict(folder)
    return single, len(told) / (time.perf_counter() - began)


def show(scored: Evaluation) -> None:
    """Print a confusion matrix; rows are true."""
    print("\n| true | " + " | ".join(scored.by_label) + " |\n" + "| --- " * (len(scored.by_label) + 1) + "|")
    for label, counts in zip(scored.by_label, scored.confusion, strict=True):
        print(f"| {label} | " + " | ".join(str(count or "") for count in counts) + " |")
    print(flush=True)


if __name__ == "__main__":
    main()
