"""The weights of the network, the ridge regression and the seasonal naive forecast in a forecast
(`model.ridge: auto`).

They are the shares, in tenths, with the smallest error on the validation rows that select the weights. If the network
is no better than a baseline there, the baseline carries the forecast.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from lstmctl.models.forecaster import Ensemble
from lstmctl.scoring import evaluating
from lstmctl.tasks.series_predictor import SeriesPredictor, Shares
from lstmctl.tasks.series_windows import SeriesPart

MOST_WINDOWS = 5000
TENTHS = 10
SQUARED = ("mse", "gaussian")
"""Values of `task.loss` whose forecasts are means; those of the others are medians."""


def choose_shares(model: Ensemble, part: SeriesPart, predictor: SeriesPredictor) -> Shares:
    """Return the shares with the smallest error, squared or absolute, over the windows of `part`."""
    alone = replace(predictor, shares=Shares())
    tenths = range(TENTHS + 1)
    grid = [Shares(ridge / TENTHS, seasonal / TENTHS) for ridge in tenths for seasonal in tenths[: TENTHS + 1 - ridge]]
    errors = torch.zeros(len(grid), dtype=torch.float64)
    squared = predictor.settings.loss in SQUARED
    with torch.no_grad(), evaluating(model):
        for batch in part.scored(MOST_WINDOWS):
            point, _ = alone.uncalibrated(model, batch)
            ridge, seasonal = predictor.without_network(model, batch)
            known = ~batch.target.isnan()
            if batch.unscaled is not None:
                known &= ~batch.unscaled
            target = batch.target.nan_to_num()
            for number, shares in enumerate(grid):
                if seasonal is None and shares.seasonal:
                    errors[number] = torch.inf
                    continue
                mean = (1 - shares.ridge - shares.seasonal) * point + shares.ridge * ridge
                if seasonal is not None and shares.seasonal:
                    mean = mean + shares.seasonal * seasonal
                missed = (mean - target)[known].double()
                errors[number] += float((missed.square() if squared else missed.abs()).sum())
    return grid[int(errors.argmin())]


def shares_in_words(shares: Shares) -> str:
    """Say what a forecast consists of, in a sentence."""
    parts = {
        "the network": 1 - shares.ridge - shares.seasonal,
        "the ridge regression": shares.ridge,
        "the last season": shares.seasonal,
    }
    told = [f"{100 * share:.0f} % {name}" for name, share in parts.items() if share > 0.001]
    return f"The forecast is {', '.join(told)}: the shares with the smallest error on the rows that choose the weights."
