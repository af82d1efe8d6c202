"""Settings for real tables, each on one table: test scores with and without the setting, means over three seeds.

    python benchmarks/real_tables.py NAME… [--tables FOLDER] [--seeds 3]

| NAME | without | with | table |
| --- | --- | --- | --- |
| transform | no transform | log, box-cox | airline-passengers, bundled |
| employment | no transform | log | us-employment.csv of vega_datasets: 22 monthly series of different size |
| categories | temperatures | and the weather so far, or of the coming days | seattle-weather.csv of vega_datasets |
| holidays | weekday and day of the year | and holidays of the United States | births.csv: BirthsSSA of mosaicData |
| daylight | UTC | the clock of Paris | water-flow.csv of river |
| new | seasonal naive | networks trained on other series, or on all | m4-hourly-train.csv, m4-hourly-test.csv |

All tables but the bundled one are in FOLDER. `new` forecasts the 48 hours of the competition's test file for every
second series, from a network that was trained on the others alone, and from one that was trained on all.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl import Run, train

Variants = Iterator[tuple[str, list[str]]]


def config(task: Mapping[str, Any], data: Mapping[str, Any], budget: str, **model: Any) -> dict[str, Any]:
    return {
        "task": {"type": "forecast", "loss": "mae", "final_fit": "none", **task},
        "data": dict(data),
        "model": {"cell": "gru", "hidden": 32, "embedding": 32, **model},
        "training": {"budget": budget, "batch": 32, "learning_rate": 2e-3, "average": 0.99},
        "threads": 1,
    }


def transform(tables: Path) -> tuple[dict[str, Any], Variants]:
    task = {"lookback": 24, "horizon": 12, "segment": 12}
    data = {"series": "airline-passengers.csv", "calendar": ["month"], "split": [84, 24, 36]}
    return config(task, data, "100 epochs", linear=True), _values("data.transform", "none", "log", "box-cox")


def employment(tables: Path) -> tuple[dict[str, Any], Variants]:
    task = {"lookback": 24, "horizon": 12, "segment": 12, "calibration": "shared"}
    columns = (tables / "us-employment.csv").read_text(encoding="utf-8").partition("\n")[0].strip().split(",")
    data = {
        "series": str(tables / "us-employment.csv"),
        "targets": [name for name in columns if name not in ("month", "nonfarm_change")],
        "calendar": ["month"],
        "split": [72, 24, 24],
    }
    return config(task, data, "30 epochs", linear=True), _values("data.transform", "none", "log")


def categories(tables: Path) -> tuple[dict[str, Any], Variants]:
    task = {"lookback": 14, "horizon": 3, "segment": 1}
    data = {
        "series": str(tables / "seattle-weather.csv"),
        "targets": ["temp_max", "temp_min"],
        "calendar": ["day-of-year"],
        "split": [0.6, 0.2, 0.2],
    }
    variants = {
        "temperatures alone": [],
        "and the weather so far": ["data.past=weather", "data.categories=weather"],
        "and the coming weather": ["data.known=weather", "data.categories=weather"],
    }
    return config(task, data, "20 epochs"), iter(variants.items())


def holidays(tables: Path) -> tuple[dict[str, Any], Variants]:
    task = {"lookback": 56, "horizon": 14, "segment": 7, "calibration": "shared"}
    data = {
        "series": str(tables / "births.csv"),
        "calendar": ["weekday", "day-of-year"],
        "split": ["2011-01-01", "2013-01-01"],
    }
    variants = {
        "weekday and day of the year": [],
        "and holidays": ["data.calendar=[weekday,day-of-year,holiday]", "data.holidays=US"],
    }
    return config(task, data, "20 epochs"), iter(variants.items())


def daylight(tables: Path) -> tuple[dict[str, Any], Variants]:
    task = {"lookback": 72, "horizon": 24, "segment": 12, "calibration": "shared"}
    data = {
        "series": str(tables / "water-flow.csv"),
        "calendar": ["hour", "weekday"],
        "missing": "mask",
        "split": [0.3, 0.3, 0.4],
    }
    return config(task, data, "30 epochs"), _values("data.zone", "UTC", "Europe/Paris")


def _values(key: str, *values: str) -> Variants:
    for value in values:
        yield f"{key}={value}", [f"{key}={value}"]


def compare(name: str, tables: Path, seeds: int) -> None:
    settings, variants = {
        "transform": transform,
        "employment": employment,
        "categories": categories,
        "holidays": holidays,
        "daylight": daylight,
    }[name](tables)
    for number, (title, overrides) in enumerate(variants):
        found: list[Mapping[str, float]] = []
        begun = time.monotonic()
        for seed in range(seeds):
            run = train(settings, [*overrides, f"seed={seed}"], quiet=True)
            evaluation = run.evaluate(quiet=True)
            found.append(evaluation.metrics)
        if not number:
            best = min(evaluation.baselines, key=lambda other: evaluation.baselines[other]["mase"])
            print(f"{name}: {evaluation.windows:,} test windows; best baseline {best}", flush=True)
            print(_line(best, [evaluation.baselines[best]], 0))
        print(_line(title, found, time.monotonic() - begun), flush=True)


def _line(title: str, found: list[Mapping[str, float]], seconds: float) -> str:
    shown = []
    for metric in ("mase", "smape", "mae_scaled"):
        values = np.array([metrics[metric] for metrics in found])
        shown.append(f"{metric} {values.mean():.4f}" + (f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""))
    return f"  {title:26} {', '.join(shown)}" + (f"; {seconds / len(found):.0f} s each" if seconds else "")


def new_series(tables: Path, seeds: int) -> None:
    """Forecast series from networks that were trained on others, or on all."""
    series = _m4(tables / "m4-hourly-train.csv")
    truth = _m4(tables / "m4-hourly-test.csv")
    names = list(series)
    unseen = names[1::2]
    folder = Path(os.environ["LSTMCTL_RUNS"])
    for title, chosen in (("others", names[::2]), ("all", names), ("unseen", unseen)):
        _long(series, chosen, folder / f"{title}.csv")
    naive = {name: np.tile(series[name][-24:], 2) for name in unseen}
    print(f"new: {len(unseen)} of {len(names)} series, 48 hours each")
    print(f"  {'seasonal naive':26} {_official(naive, series, truth)}")
    task = {"lookback": 168, "horizon": 48, "segment": 24, "calibration": "none"}
    for title in ("others", "all"):
        data = {"series": str(folder / f"{title}.csv"), "transform": "log", "split": ["rest", "1 horizon"]}
        begun = time.monotonic()
        points = []
        for seed in range(seeds):
            run: Run = train(config(task, data, "1500 steps", hidden=64, embedding=64), [f"seed={seed}"], quiet=True)
            points.append({one.series: np.array(one.point) for one in run.forecast(str(folder / "unseen.csv"))})
        for seed, found in enumerate(points):
            print(f"  trained on {title + f', seed {seed}':15} {_official(found, series, truth)}")
        print(f"  {(time.monotonic() - begun) / seeds:.0f} s each", flush=True)


def _m4(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as stream:
        return {name: np.array([float(value) for value in row if value]) for name, *row in list(csv.reader(stream))[1:]}


def _long(series: Mapping[str, Any], names: list[str], path: Path) -> None:
    start = np.datetime64("2015-01-01T00", "h")
    with path.open("w", encoding="utf-8") as stream:
        stream.write("unique_id,ds,y\n")
        for name in names:
            stream.writelines(f"{name},{start + row}:00:00,{value}\n" for row, value in enumerate(series[name]))


def _official(forecasts: Mapping[str, Any], series: Mapping[str, Any], truth: Mapping[str, Any]) -> str:
    """Mean sMAPE and MASE over series, as in the M4 competition."""
    smape, mase = [], []
    for name, point in forecasts.items():
        error, before = np.abs(truth[name] - point), series[name]
        smape.append(np.mean(200 * error / (np.abs(truth[name]) + np.abs(point))))
        mase.append(error.mean() / np.abs(before[24:] - before[:-24]).mean())
    return f"sMAPE {np.mean(smape):.2f}, MASE {np.mean(mase):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["transform", "employment", "categories", "holidays", "daylight", "new"]
    parser.add_argument("names", nargs="+", choices=names)
    parser.add_argument("--tables", type=Path, default=Path())
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LSTMCTL_RUNS"] = folder
        for name in given.names:
            if name == "new":
                new_series(given.tables, given.seeds)
            else:
                compare(name, given.tables, given.seeds)


if __name__ == "__main__":
    main()
