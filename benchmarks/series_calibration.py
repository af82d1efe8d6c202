"""Compare the coverage of intervals between series, with the offsets of the pool and with each series' own.

    python benchmarks/series_calibration.py TABLE… [--series N] [--skip N] [--horizon H] [--set KEY=VALUE …]

TABLE is one or more CSV files with one row per series, its name first, as the M4 competition publishes them; values of
the same name in a later file are appended. The first N series after the skipped ones are written as
a long table, a forecaster is trained on it, and its test part is scored twice: with the offsets of the pool alone, and
with the offsets of each series. `--strength` tries other values of `intervals.STRENGTH`; `--metrics` also times the
JSON of the metrics of all series.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lstmctl import intervals, train
from lstmctl.api import Run
from lstmctl.data.splitting import reported_part
from lstmctl.results.codec import as_json
from lstmctl.results.evaluation import Metrics
from lstmctl.tasks.forecast import Forecast


def long_table(files: Sequence[str], skip: int, most: int, path: Path) -> int:
    """Write a long table with whole numbers as times; return its number of series."""
    values: dict[str, list[str]] = {}
    for file in files:
        with Path(file).open(encoding="utf-8") as stream:
            for name, *row in list(csv.reader(stream))[1:]:
                values.setdefault(name, []).extend(value for value in row if value)
    names = list(values)[skip : skip + most]
    start = np.datetime64("2015-01-01T00", "h")
    with path.open("w", encoding="utf-8") as stream:
        stream.write("unique_id,ds,y\n")
        for name in names:
            stream.writelines(f"{name},{start + number}:00:00,{value}\n" for number, value in enumerate(values[name]))
    return len(names)


def spread(by_series: dict[str, Metrics], level: int) -> str:
    """Describe the coverage of series."""
    shares = np.array([metrics[f"coverage_{level}"] for metrics in by_series.values()])
    widths = np.array([metrics[f"width_scaled_{level}"] for metrics in by_series.values()])
    pinball = np.array([metrics["pinball_scaled"] for metrics in by_series.values()])
    return (
        f"{100 * shares.min():5.1f} to {100 * shares.max():5.1f} %, standard deviation {100 * shares.std():4.1f}, mean "
        f"{100 * shares.mean():4.1f}, mean distance from {level} {100 * np.abs(shares - level / 100).mean():4.1f}, "
        f"mean width {widths.mean():.3f}, pinball {pinball.mean():.4f}"
    )


def compare(run: Run, strengths: Sequence[float], level: int) -> None:
    task, corpus = run.task, run.corpus()
    assert isinstance(task, Forecast)
    part = reported_part(corpus.parts)
    own = task.calibration
    assert own is not None
    windows = own.windows[own.windows > 0]
    print(f"{len(own.windows)} series, {windows.min()} to {windows.max()} calibration windows each; {level} % cover")
    task.calibration = replace(own, by_series=np.repeat(own.pool[np.newaxis], len(own.windows), axis=0))
    print(f"  offsets of the pool     {spread(run.score(corpus, part).by_series, level)}")
    validation = task.part(corpus, "validation", run.device)
    for strength in strengths:
        intervals.partly_pooled_offsets.__defaults__ = (strength,)
        task.calibrate_on(run.model, validation)
        print(f"  own, strength {strength:<8g}  {spread(run.score(corpus, part).by_series, level)}", flush=True)
    begun = time.monotonic()
    adaptive = run.backtest(stride=1).scores["adaptive"].by_series
    print(f"  adaptive, in a backtest {spread(adaptive, level)} ({time.monotonic() - begun:.0f} s)", flush=True)


def metrics_of_many(run: Run) -> None:
    begun = time.monotonic()
    evaluation = run.evaluate(quiet=True)
    seconds = time.monotonic() - begun
    begun = time.monotonic()
    text = json.dumps(as_json(evaluation.by_series))
    print(
        f"JSON of the metrics of {len(evaluation.by_series['run'])} series and {len(evaluation.by_series)} models: "
        f"{len(text):,} bytes in {time.monotonic() - begun:.2f} s, after {seconds:.1f} s of scoring"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--series", type=int, default=20)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--horizon", type=int, default=24)
    parser.add_argument("--level", type=int, default=80)
    parser.add_argument("--strength", type=float, nargs="*", default=[intervals.STRENGTH])
    parser.add_argument("--metrics", action="store_true", help="also time the JSON of the metrics of all series")
    parser.add_argument("--set", nargs="*", default=["threads=1"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LSTMCTL_RUNS"] = folder
        path = Path(folder) / "series.csv"
        long_table(given.tables, given.skip, given.series, path)
        run = train(str(path), [f"task.horizon={given.horizon}", *given.set], quiet=True)
        print(f"trained in {run.info['training_seconds']:.0f} s: {dict(run.info['data']['parts'])}", flush=True)
        compare(run, given.strength, given.level)
        if given.metrics:
            metrics_of_many(run)


if __name__ == "__main__":
    main()
