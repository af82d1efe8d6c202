"""Measure the final fit on all rows: forecasts of rows that were not trained on, with and without it.

    python benchmarks/final_fit.py TABLE… [--horizon N] [--set KEY=VALUE …]

The last rows of each table are held out. The rest is trained on as `lstmctl train TABLE` does; both sets of weights
then forecast the held-out rows. Prints the MASE of the scored weights, of the final ones, of drift and of the
seasonal naive forecast, and the seconds of the training and of the final fit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars
from numpy.typing import NDArray

from lstmctl import LstmctlError, train
from lstmctl.baselines.series import drift, seasonal_naive
from lstmctl.deriving import derive
from lstmctl.results.forecasts import SeriesForecast


def error(forecasts: Sequence[SeriesForecast], truth: NDArray[np.float64], scale: NDArray[np.float64]) -> float:
    """MASE over series of forecasts (series, horizon)."""
    points = np.array([forecast.point for forecast in forecasts])
    return float((np.abs(points - truth).mean(1) / scale).mean())


def row(path: str, horizon: int | None, settings: Sequence[str], folder: str) -> list[float] | None:
    values = derive(path).values()
    if values["task"]["type"] != "forecast":
        return None
    horizon = horizon or values["task"]["horizon"]
    table = polars.read_csv(path)
    kept = f"{folder}/{Path(path).name}"
    table.head(len(table) - horizon).write_csv(kept)
    run = train(kept, [f"task.horizon={horizon}", *settings])
    names, season = run.task.encoding.targets, run.task.encoding.season
    rows = table.select(names).to_numpy().astype(float)
    past, truth = rows[:-horizon].T, rows[-horizon:].T
    scale = np.array([np.nanmean(np.abs(one[season:] - one[:-season])) for one in past])
    final = error(run.forecast(), truth, scale)
    info, run.info["final_fit"] = run.info["final_fit"], None
    run.__dict__.pop("final_model", None)
    scored = error(run.forecast(), truth, scale)
    history = past.T[np.newaxis]
    others = [drift(history, horizon), seasonal_naive(history, horizon, season) if season > 1 else None]
    simple = [
        float("nan") if one is None else float((np.abs(one[0].T - truth).mean(1) / scale).mean()) for one in others
    ]
    print(
        f"{Path(path).name:<22} {scored:.3f} scored · {final:.3f} final · {simple[0]:.3f} drift · {simple[1]:.3f} "
        f"seasonal naive · training {run.info['training_seconds']:.0f} s · final fit {info['seconds']:.0f} s, "
        f"{info['steps']:,} of {run.info['step']:,} steps",
        flush=True,
    )
    return [scored, final]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--horizon", type=int)
    parser.add_argument("--set", nargs="*", default=["threads=1"])
    given = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LSTMCTL_RUNS"] = folder
        for path in given.tables:
            try:
                if (one := row(path, given.horizon, given.set, folder)) is not None:
                    found.append(one)
            except LstmctlError as problem:
                print(f"{Path(path).name:<22} {type(problem).__name__}: {problem}")
    ratios = [final / scored for scored, final in found]
    print(f"median ratio of final to scored {statistics.median(ratios):.3f} over {len(ratios)} tables")


if __name__ == "__main__":
    main()
