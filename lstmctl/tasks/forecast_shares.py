"""The weights of the network, the ridge regression, the last season and drift in a forecast (`model.ridge: auto`).

They are the shares, in tenths, with the smallest error on the validation rows that select the weights. A
network that does not improve on a baseline there gets no share.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
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
    squared = predictor.settings.loss in SQUARED
    grid: list[Shares] = []
    errors = torch.zeros(0, dtype=torch.float64)
    with torch.no_grad(), evaluating(model):
        for batch in part.scored(MOST_WINDOWS):
            point, _ = alone.uncalibrated(model, batch)
            others = predictor.without_network(model, batch)
            if not grid:
                grid = _grid(list(others))
                errors = torch.zeros(len(grid), dtype=torch.float64)
            known = ~batch.target.isnan()
            if batch.unscaled is not None:
                known &= ~batch.unscaled
            target, point = batch.target[known], point[known]
            flat = {name: other[known] for name, other in others.items()}
            for number, shares in enumerate(grid):
                mean = shares.network * point + sum(getattr(shares, name) * other for name, other in flat.items())
                missed = (mean - target).double()
                errors[number] += float((missed.square() if squared else missed.abs()).sum())
    return grid[int(errors.argmin())]


def _grid(names: Sequence[str]) -> list[Shares]:
    """All shares in tenths that leave nothing negative for the network."""
    tenths = itertools.product(range(TENTHS + 1), repeat=len(names))
    return [
        Shares(**{name: count / TENTHS for name, count in zip(names, counts, strict=True)})
        for counts in tenths
        if sum(counts) <= TENTHS
    ]


def shares_in_words(shares: Shares) -> str:
    """Say what a forecast consists of, in a sentence."""
    parts = {
        "the network": shares.network,
        "the ridge regression": shares.ridge,
        "the last season": shares.seasonal,
        "drift": shares.drift,
    }
    told = [f"{100 * share:.0f} % {name}" for name, share in parts.items() if share > 0.001]
    return f"The forecast is {', '.join(told)}: the shares with the smallest error on the rows that choose the weights."
