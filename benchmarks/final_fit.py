"""Measure the final fit on all rows: forecasts of rows that were not trained on, with and without it.

    python benchmarks/final_fit.py TABLE… [--horizon N] [--origins N] [--seeds N] [--set KEY=VALUE …]
    python benchmarks/final_fit.py --employment

The last rows of each wide table are held out: a horizon and one row per further origin. The rest is trained on as
`lstmctl train TABLE` does, with a final fit that continues from the chosen weights and with one from scratch. All
three sets of weights then forecast from every origin in the held-out rows, using earlier rows only. Prints the MASE
of each, of drift and of the seasonal naive forecast, the seconds of the training and of the final fits.

`--employment` draws a table like employment by industry: 22 monthly series over ten years with a common business
cycle and individual seasons and levels, seeded; 13 origins, horizon 12.
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

from lstmctl import LstmctlError, Run, train
from lstmctl.baselines.series import drift, seasonal_naive
from lstmctl.deriving import derive
from lstmctl.tasks.forecast import Forecast

Floats = NDArray[np.float64]
FITS = ("continue", "anew")


def employment(path: Path) -> str:
    """Write 120 months of 22 series: a boom, a slump and a recovery that all share, each with its own sensitivity,
    delay, trend and season."""
    draw = np.random.default_rng(22)
    months = np.arange(120)
    shape = np.interp(np.arange(-12, 132), [-12, 24, 50, 131], [-0.5, 0.0, -1.0, 0.9])  # as from 2006 to 2015
    columns = {"month": [f"{2006 + month // 12}-{month % 12 + 1:02d}-01" for month in months]}
    for series in range(22):
        delay, level = int(draw.integers(0, 10)), float(np.exp(draw.uniform(6, 10)))
        cycle = draw.uniform(0.02, 0.2) * shape[12 - delay : 132 - delay] + draw.normal(0, 0.02) * months / 120
        season = np.tile(draw.normal(0, draw.uniform(0.001, 0.012), 12), 10)
        noise = np.cumsum(draw.normal(0, 0.0012, 120)) + draw.normal(0, 0.0008, 120)
        columns[f"industry_{series + 1}"] = np.round(level * np.exp(cycle + season + noise), 1).tolist()
    polars.DataFrame(columns).write_csv(path)
    return str(path)


def forecasts(run: Run, table: polars.DataFrame, origins: Sequence[int], folder: str) -> Floats:
    """Forecasts (origins, series, horizon) after each number of rows."""
    found = []
    for origin in origins:
        path = f"{folder}/upto.csv"
        table.head(origin).write_csv(path)
        found.append([one.point for one in run.forecast(path)])
    return np.array(found)


def mase(points: Floats, truth: Floats, scale: Floats) -> float:
    """The MASE of forecasts (origins, series, horizon)."""
    return float((np.abs(points - truth).mean(2) / scale).mean())


def measure(path: str, given: argparse.Namespace, folder: str) -> list[float] | None:
    """Print the scores of one table; return each fit's MASE, relative to the scored weights."""
    values = derive(path).values()
    if values["task"]["type"] != "forecast":
        return None
    horizon = given.horizon or values["task"]["horizon"]
    table = polars.read_csv(path)
    held_out = horizon + given.origins - 1
    kept = f"{folder}/{Path(path).name}"
    table.head(len(table) - held_out).write_csv(kept)
    origins = range(len(table) - held_out, len(table) - horizon + 1)
    errors: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for seed in range(given.seeds):
        for fit in FITS:
            settings = [f"task.horizon={horizon}", f"seed={seed}", *given.set, f"task.final_fit={fit}"]
            run = train(kept, settings, quiet=True)
            assert isinstance(run.task, Forecast)
            names, season = run.task.encoding.targets, run.task.encoding.season
            lookback = run.task.settings.lookback
            rows = table.select(names).to_numpy().astype(float)
            truth = np.array([rows[origin : origin + horizon].T for origin in origins])
            past = rows[: origins[0]]
            scale = np.nanmean(np.abs(past[season:] - past[:-season]), axis=0)
            points = forecasts(run, table, origins, folder)
            errors.setdefault(fit, []).append(mase(points, truth, scale))
            seconds.setdefault(fit, []).append(run.info["final_fit"]["seconds"])
            if fit == FITS[0]:
                run.info["final_fit"] = None
                run.__dict__.pop("final_model", None)
                errors.setdefault("scored", []).append(mase(forecasts(run, table, origins, folder), truth, scale))
                seconds.setdefault("training", []).append(run.info["training_seconds"])
    simple = {"drift": [], "seasonal naive": []}  # type: dict[str, list[Floats]]
    for origin in origins:
        history = rows[np.newaxis, origin - lookback : origin]  # as the run's own baselines
        simple["drift"].append(drift(history, horizon)[0].T)
        simple["seasonal naive"].append(seasonal_naive(history, horizon, season)[0].T)
    found = {name: statistics.fmean(values) for name, values in errors.items()}
    found |= {name: mase(np.array(values), truth, scale) for name, values in simple.items()}
    print(f"{Path(path).name}: MASE over {len(names)} series, {len(origins)} origins, {given.seeds} seeds")
    for name in ("scored", *FITS, *simple):
        spent = statistics.fmean(seconds["training" if name == "scored" else name]) if name in (*FITS, "scored") else 0
        kind = "training" if name == "scored" else "final fit"
        print(f"  {name:<15} {found[name]:.3f}" + (f"   {kind} {spent:.1f} s" if spent else ""), flush=True)
    return [found[fit] / found["scored"] for fit in FITS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*")
    parser.add_argument("--employment", action="store_true")
    parser.add_argument("--horizon", type=int)
    parser.add_argument("--origins", type=int, default=13)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=["threads=1"])
    given = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LSTMCTL_RUNS"] = f"{folder}/runs"
        tables = list(given.tables)
        if given.employment:
            tables.append(employment(Path(folder) / "employment.csv"))
        for path in tables:
            Path(f"{folder}/kept").mkdir(exist_ok=True)
            try:
                if (found := measure(path, given, f"{folder}/kept")) is not None:
                    ratios.append(found)
            except LstmctlError as problem:
                print(f"{Path(path).name:<22} {type(problem).__name__}: {problem}")
    for fit, own in zip(FITS, zip(*ratios, strict=True), strict=False):
        print(f"{fit}: median ratio to the scored weights {statistics.median(own):.3f} over {len(own)} tables")


if __name__ == "__main__":
    main()
