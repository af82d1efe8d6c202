"""Compare the forecasts and the speed of the theta method and exponential smoothing with statsforecast.

python benchmarks/statistical_baselines.py Hourly-train.csv Hourly-test.csv [--series 414] [--ets 40] [--season 24]

The files have one series per row, as the M4 competition published them. Needs `pip install statsforecast`. All are
fitted to whole series. AutoETS also updates its seasonal indices, so its forecasts differ from ours, and scores are
compared.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmctl.baselines.exponential_smoothing import smoothing_forecasts
from lstmctl.baselines.theta import theta_forecasts

Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--series", type=int, default=414)
    parser.add_argument("--ets", type=int, default=40, help="series for AutoETS, which takes seconds for each")
    parser.add_argument("--season", type=int, default=24)
    given = parser.parse_args()
    from statsforecast.models import AutoETS, Theta

    series, truth = rows(given.train)[: given.series], np.array(rows(given.test)[: given.series])
    season, horizon = given.season, truth.shape[1]
    print(f"{'':24} {'series':>6} {'seconds':>8} {'sMAPE':>7} {'MASE':>7}   difference: median, 99 %, largest")

    def compared(name: str, count: int, ours: Callable[..., Floats], theirs: type) -> None:
        history = np.full((count, max(map(len, series[:count])), 1), np.nan)
        for number, values in enumerate(series[:count]):
            history[number, -len(values) :, 0] = values
        theirs(season_length=season).forecast(y=series[0], h=horizon)  # imports and compiles
        start = time.process_time()
        own = ours(history, horizon, season)[..., 0]
        middle = time.process_time()
        others = np.array([theirs(season_length=season).forecast(y=y, h=horizon)["mean"] for y in series[:count]])
        seconds = (middle - start, time.process_time() - middle)
        # Relative to the mean forecast of a series, since sizes differ by orders of magnitude.
        difference = np.abs(own - others).max(axis=1) / np.abs(others).mean(axis=1)
        shares = " ".join(f"{share:.2e}" for share in np.quantile(difference, [0.5, 0.99, 1]))
        scaled = np.array([np.abs(y[season:] - y[:-season]).mean() for y in series[:count]])[:, np.newaxis]
        for which, found, taken in ((name, own, seconds[0]), (f"statsforecast {theirs.__name__}", others, seconds[1])):
            error = np.abs(found - truth[:count])
            percent = 200 * error / (np.abs(found) + np.abs(truth[:count]))
            end = f"   {shares}" if found is own else ""
            print(f"{which:24} {count:>6} {taken:8.2f} {percent.mean():7.3f} {(error / scaled).mean():7.3f}{end}")

    compared("theta", len(series), theta_forecasts, Theta)
    compared("ETS", min(given.ets, len(series)), smoothing_forecasts, AutoETS)


def rows(path: Path) -> list[Floats]:
    with path.open(encoding="utf-8") as lines:
        table = csv.reader(lines)
        next(table)
        return [np.array([float(value) for value in row[1:] if value not in ("", "NA")]) for row in table]


if __name__ == "__main__":
    main()
