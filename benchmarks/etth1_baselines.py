"""Score baselines on ETTh1, to check our implementation of the published protocol and to show what needs no network.

python benchmarks/etth1_baselines.py [--data ETTh1.csv]

Prints for each horizon the number of windows, and the error of the last value, the last season, a straight line and a
ridge regression whose lookback and penalty were selected on the validation part. Published results of the last value
(Zeng et al. 2023) left out the last windows of the test part, which did not fill a batch of 32, so both are shown.
"""

from __future__ import annotations

import argparse

import torch

from lstmctl.api.assembly import build_task, open_data
from lstmctl.config import load
from lstmctl.tasks.forecast import Forecast

HORIZONS = (96, 192, 336, 720)
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ETTh1.csv")
    data = parser.parse_args().data
    print(f"{'horizon':>7}  {'windows':>7}  {'baseline':<15} {'MSE':>7} {'MAE':>7}")
    for horizon in HORIZONS:
        settings = load("etth1", [f"data.series={data}", f"task.horizon={horizon}"]).settings
        corpus = open_data(settings, None)
        task = build_task(settings, corpus)
        assert isinstance(task, Forecast)
        for name, score in task.references(corpus, "test").items():
            figures = score.metrics
            print(
                f"{horizon:>7}  {score.windows:>7,}  {name:<15} "
                f"{figures['mse_scaled']:7.4f} {figures['mae_scaled']:7.4f}"
            )
        part = task.part(corpus, "test", torch.device("cpu"))
        kept = len(part) // BATCH * BATCH
        batch = part.windows(torch.arange(kept))
        error = (batch.target - batch.input[-1]).square().mean().item()
        print(f"{horizon:>7}  {kept:>7,}  {'last value, without the last windows':<15} {error:.4f}")


if __name__ == "__main__":
    main()
