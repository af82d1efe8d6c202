"""Forecasts of ETTh1 by the published protocol, over horizons, cells and seeds.

python benchmarks/etth1.py [--data ETTh1.csv] [--recipe network refined network-and-ridge ensemble-and-ridge]
                           [--horizons 96 192 336 720] [--cells gru lstm rnn] [--seeds 3] [--threads 2] [KEY=VALUE …]
python benchmarks/etth1.py --select [--data ETTh1.csv]

Every run is `lstmctl train etth1` with the settings in CHOSEN, which were selected by the validation error only; the
test error covers all windows. `--select` trains the candidate settings, with a seed that is used nowhere else, and
prints their validation errors. Runs are written to a separate folder below the current one.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from dataclasses import replace
from importlib.metadata import version

HORIZONS = (96, 192, 336, 720)
NETWORK: dict[int, list[str]] = {
    96: ["task.lookback=480", "model.channel_embedding=true", "training.budget=8 epochs"],
    192: ["task.lookback=480"],
    336: ["task.lookback=336"],
    720: ["task.lookback=336"],
}
SHARE: dict[int, float] = {96: 0.0, 192: 0.25, 336: 0.5, 720: 0.35}
"""Of the ridge regression."""
CHOSEN: dict[str, dict[int, list[str]]] = {
    "network": NETWORK,
    "refined": {96: ["task.lookback=480", "task.decoding=refined", "training.budget=8 epochs"]},
    "network-and-ridge": {
        horizon: [*settings, f"model.ridge={SHARE[horizon]}"] for horizon, settings in NETWORK.items()
    },
    "ensemble-and-ridge": {
        horizon: [*settings, f"model.ridge={SHARE[horizon]}", "model.ensemble=3"]
        for horizon, settings in NETWORK.items()
    },
}
WEIGHED = [
    [f"task.lookback={rows}", f"model.channel_embedding={told}"]
    for rows in (336, 480, 720)
    for told in ("false", "true")
]
SHARES = (0.0, 0.1, 0.25, 0.35, 0.5, 1.0)
SELECTION_SEED = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ETTh1.csv")
    parser.add_argument("--recipe", nargs="+", default=list(CHOSEN), choices=list(CHOSEN))
    parser.add_argument("--horizons", nargs="+", type=int, default=list(HORIZONS))
    parser.add_argument("--cells", nargs="+", default=["gru"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--select", action="store_true")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    chosen = parser.parse_args()
    os.environ.setdefault("LSTMCTL_RUNS", "etth1-runs")
    shared = [f"data.series={chosen.data}", f"threads={chosen.threads}", *chosen.overrides]
    print(f"Python {platform.python_version()}, torch {version('torch')}, {chosen.threads} threads\n", flush=True)
    if chosen.select:
        select(chosen.horizons, shared)
        return
    print("| recipe | cell | horizon | validation MSE | test MSE | test MAE | seeds | seconds of training |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for recipe in chosen.recipe:
        for cell in chosen.cells:
            for horizon in sorted({*chosen.horizons} & {*CHOSEN[recipe]}):
                overrides = [*CHOSEN[recipe][horizon], f"model.cell={cell}", f"task.horizon={horizon}", *shared]
                runs = [trained([*overrides, f"seed={seed}"]) for seed in range(chosen.seeds)]
                columns = [spread(values) for values in zip(*runs, strict=True)]
                seconds = statistics.median(run[-1] for run in runs)
                print(
                    f"| {recipe} | {cell} | {horizon} | {' | '.join(columns[:3])} | {len(runs)} | {seconds:.0f} |",
                    flush=True,
                )


def select(horizons: list[int], shared: list[str]) -> None:
    """Print the validation error of everything that was weighed, and of nothing else; and for the settings chosen, of
    every share of the ridge regression, which needs no training."""
    import torch

    import lstmctl
    from lstmctl.tasks.forecast import Forecast

    print("| horizon | settings | validation MSE |\n| --- | --- | --- |")
    for horizon in horizons:
        common = [f"task.horizon={horizon}", f"seed={SELECTION_SEED}", *shared]
        for weighed in WEIGHED:
            print(f"| {horizon} | {' '.join(weighed)} | {trained([*weighed, *common])[0]:.4f} |", flush=True)
        run = lstmctl.train("etth1", [*NETWORK[horizon], "model.ridge=0.5", *common])
        task, corpus = run.task, run.corpus()
        assert isinstance(task, Forecast)
        part = task.part(corpus, "validation", torch.device("cpu"))
        for share in SHARES:
            task.predictor = replace(task.predictor, ridge=share)
            validation = task.evaluate(run.model, part).metrics["mse_scaled"]
            print(f"| {horizon} | {' '.join(NETWORK[horizon])} model.ridge={share} | {validation:.4f} |", flush=True)


def trained(overrides: list[str]) -> tuple[float, float, float, float]:
    """Validation MSE, test MSE, test MAE, and seconds of training."""
    import lstmctl

    run = lstmctl.train("etth1", overrides)
    validation, test = run.metrics["validation"], run.metrics["test"]
    assert validation is not None
    assert test is not None
    return validation["mse_scaled"], test["mse_scaled"], test["mae_scaled"], float(run.info["training_seconds"])


def spread(values: tuple[float, ...]) -> str:
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{deviation}"


if __name__ == "__main__":
    main()
