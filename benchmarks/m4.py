"""M4 by its official protocol: forecast the test rows of every series from all of its training rows.

python benchmarks/m4.py M4-hourly.csv Hourly-test.csv [--config m4-hourly] [--seeds 3] [KEY=VALUE ...]

Download the first file by `lstmctl data download M4-hourly`, the second as M4-hourly-test (one series per row). A run
has no test part: its settings were chosen on the last horizon of the training rows, the final fit learns these too, and
only this script compares its forecast with the test file. `--naive` scores the baselines alone. Seconds are processor
time, for training, final fit and report.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmctl import load_run, train
from lstmctl.baselines.seasonal_adjustment import naive2_forecasts
from lstmctl.config import load
from lstmctl.data.scaling import naive_errors
from lstmctl.metrics.forecasts import SeriesSums, figures, terms, with_owa

Floats = NDArray[np.float64]
LEVEL = 95
"""Percent of the competition's intervals."""
METRICS = ("smape", "mase", "owa", f"msis_{LEVEL}", f"coverage_{LEVEL}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--config", default="m4-hourly")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--naive", action="store_true")
    parser.add_argument("--runs", nargs="*", default=[], help="score these runs instead of training")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_intermixed_args()
    overrides = [f"data.series={given.table}", *given.overrides]
    season = load(given.config, overrides).settings.task.season  # type: ignore[union-attr]
    assert isinstance(season, int), "the config names no task.season"

    history = by_series(given.table)
    with given.test.open(encoding="utf-8") as lines:
        rows = csv.reader(lines)
        next(rows)
        truth = {name: np.array([float(value) for value in values if value]) for name, *values in rows}
    assert history.keys() == truth.keys(), "the two files have different series"
    naive_error = np.array([naive_errors(values, season)[0] for values in history.values()])
    actual = np.array(list(truth.values()))
    horizon = actual.shape[1]

    def score(point: Floats, intervals: Floats | None = None) -> dict[str, float]:
        """Metrics of forecasts (series, horizon) and their intervals (series, horizon, 2)."""
        sums = terms(
            actual[..., np.newaxis],
            point[..., np.newaxis],
            None if intervals is None else intervals[:, :, np.newaxis, np.newaxis],
            [LEVEL / 100],
            spread=np.ones(1),
            centre=np.zeros(1),
            naive_error=naive_error[:, np.newaxis, np.newaxis],
        )
        return figures(SeriesSums.of(np.arange(len(point)), sums).joined()[1])

    longest = max(map(len, history.values()))
    padded = np.array([np.pad(v, (longest - len(v), 0), constant_values=np.nan) for v in history.values()])
    naive2 = score(naive2_forecasts(padded[..., np.newaxis], horizon, season)[..., 0].astype(np.float64))
    repeated = np.array([values[-season:][np.arange(horizon) % season] for values in history.values()])
    print(f"{'':16}", *(f"{name:>11}" for name in METRICS), f"{'seconds':>9}")

    def show(name: str, metrics: Mapping[str, float], seconds: float | None = None) -> None:
        found = with_owa(metrics, naive2)
        cells = (f"{found[key]:11.4f}" if key in found else f"{'':11}" for key in METRICS)
        print(f"{name:16}", *cells, "" if seconds is None else f"{seconds:9.0f}", flush=True)

    show("naive 2", naive2)
    show("seasonal naive", score(repeated))
    if given.naive:
        return
    points, spans = [], []
    for seed in range(given.first_seed, given.first_seed + (len(given.runs) or given.seeds)):
        start = time.process_time()
        if given.runs:
            run = load_run(given.runs[seed - given.first_seed])
        else:
            run = train(given.config, [*overrides, f"seed={seed}"], quiet=True)
        if run.status != "finished":
            raise SystemExit(f"{run.name} is {run.status}")
        found = {forecast.series: forecast for forecast in run.forecast()}
        points.append(np.array([found[name].point for name in truth]))
        spans.append(np.array([found[name].intervals[LEVEL] for name in truth]).transpose(0, 2, 1))
        show(run.name if given.runs else f"seed {seed}", score(points[-1], spans[-1]), time.process_time() - start)
    if len(points) > 1:
        show("median of them", score(np.median(points, axis=0), np.median(spans, axis=0)))


def by_series(path: Path) -> dict[str, Floats]:
    """Read the values of each series from a table `unique_id,ds,y`."""
    found = defaultdict[str, list[float]](list)
    with path.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            found[row["unique_id"]].append(float(row["y"]))
    return {name: np.array(values) for name, values in found.items()}


if __name__ == "__main__":
    main()
