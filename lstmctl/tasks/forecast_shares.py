"""The weights of the network and of the baselines in a forecast (`model.ridge: auto`).

They are the shares, in twentieths, with the smallest error, in two steps. The baselines are weighed against each other
first; if the validation part has few windows, which would choose among many forecasts by chance, on the later training
windows as well. Then their mean and the network are weighed on the validation windows that select the weights. A
network that does not improve on the baselines there gets no share. If the windows are few, it gets less than the share
with the smallest error, since weights look too good on the windows that selected them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl.models.forecaster import Ensemble
from lstmctl.scoring import evaluating
from lstmctl.tasks.series_baselines import RIDGE, Members, cross_fitted_ridge
from lstmctl.tasks.series_predictor import SeriesPredictor, Shares, of_the_network
from lstmctl.tasks.series_windows import SeriesBatch, SeriesPart

MOST_VALUES = 100_000
"""Values of a part to choose on; each takes some milliseconds for all trials."""
STEPS = 20
"""Shares are multiples of this fraction."""
SIZES = (8, 4, 2, 1)
"""Numbers of such steps by which a share is moved from one forecast to another."""
SQUARED = ("mse", "gaussian")
"""Values of `task.loss` that give forecasts of the mean; all others give the median."""
ENOUGH = 500
"""Validation windows that choose among the baselines alone."""
DOUBT = 2
"""Windows that do not overlap, whose number halves the share of the network."""
FORMER_NAMES = {"seasonal": "seasonal naive"}
"""Names in the runs of earlier versions."""

Floats = NDArray[np.float64]
Forecasts = Callable[[SeriesBatch], Mapping[str, Tensor]]


def choose_shares(
    model: Ensemble, part: SeriesPart, predictor: SeriesPredictor, training: SeriesPart | None = None
) -> Shares:
    """Return the shares with the smallest error, squared or absolute.

    Args:
        model: the network.
        part: the validation windows.
        predictor: its shares are ignored.
        training: the training windows; None if unknown.
    """
    alone, members = replace(predictor, shares={}), predictor.members
    squared = predictor.settings.loss in SQUARED

    def baselines(batch: SeriesBatch) -> dict[str, Tensor]:
        others = {name: members.forecast(name, batch) for name in members.baselines}
        return {**others, RIDGE: predictor.without_network(model, batch, RIDGE)}

    parts = [_gathered(part, baselines)]
    if training is not None and len(part) < ENOUGH and (crossed := cross_fitted_ridge(training, part)) is not None:

        def not_seen(batch: SeriesBatch) -> dict[str, Tensor]:
            return {**baselines(batch), RIDGE: torch.from_numpy(crossed(batch)).transpose(0, 1)}

        # Earlier windows have short histories, from which some baselines forecast worse than they will later.
        parts.append(_gathered(training.half(1), not_seen))
    within = best_mixture(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)), squared=squared)

    def both(batch: SeriesBatch) -> dict[str, Tensor]:
        mean = sum(share * other for share, other in zip(within, baselines(batch).values(), strict=True))
        assert isinstance(mean, Tensor)
        return {"network": alone.uncalibrated(model, batch)[0], "baselines": mean}

    with torch.no_grad(), evaluating(model):
        network, _ = best_mixture(*_gathered(part, both), squared=squared)
    apart = len(part) / part.horizon
    others = 1 - network * apart / (apart + DOUBT)
    names = [*members.baselines, RIDGE]
    return {name: others * share for name, share in zip(names, within, strict=True) if others * share > 0}


def best_mixture(forecasts: Floats, target: Floats, weights: Floats, *, squared: bool) -> list[float]:
    """Return the weights of the columns of `forecasts` (values, columns), not negative and 1 in all, whose mean has the
    smallest error, absolute or squared, weighted by `weights` (values,).

    The best column alone is improved by moving some of its weight to others as long as the error falls. Both errors are
    convex in the weights.
    """

    def error(missed: Floats) -> float:
        return float(weights @ (missed**2 if squared else np.abs(missed)))

    columns = range(forecasts.shape[1])
    missed_by = forecasts - target[:, np.newaxis]
    alone = [error(missed_by[:, column]) for column in columns]
    best = int(np.argmin(alone))
    counts = [STEPS * (column == best) for column in columns]
    missed, least = missed_by[:, best], alone[best]
    for size in SIZES:
        improved = True
        while improved:
            improved = False
            for giving, taking in itertools.permutations(columns, 2):
                if counts[giving] < size:
                    continue
                moved = missed + size / STEPS * (missed_by[:, taking] - missed_by[:, giving])
                if (found := error(moved)) < least * (1 - 1e-9):
                    missed, least, improved = moved, found, True
                    counts[giving] -= size
                    counts[taking] += size
    return [count / STEPS for count in counts]


def _gathered(part: SeriesPart, forecasts: Forecasts) -> tuple[Floats, Floats, Floats]:
    """Return the forecasts (values, columns) and labels (values,) of known values in evenly spread windows, and the
    weight of each value, 1 in all."""
    values = part.horizon * part.values.shape[1]
    found, targets = [], []
    for batch in part.scored(max(1, MOST_VALUES // values)):
        known = batch.target.isfinite()
        if batch.unscaled is not None:
            known &= ~batch.unscaled
        every = torch.stack([one.to(batch.target) for one in forecasts(batch).values()], dim=-1)
        known &= every.isfinite().all(-1)
        found.append(every[known].double())
        targets.append(batch.target[known].double())
    target = torch.cat(targets).cpu().numpy()
    return torch.cat(found).cpu().numpy(), target, np.full(len(target), 1 / max(1, len(target)))


def shares_from_json(stored: Mapping[str, float], members: Members) -> Shares:
    """Restore shares.

    Raises:
        KeyError, ValueError: they are damaged.
    """
    shares = {FORMER_NAMES.get(name, name): float(share) for name, share in stored.items()}
    if unknown := shares.keys() - {RIDGE, *members.baselines}:
        raise KeyError(f"no forecast is called {', '.join(sorted(unknown))}")
    if min([0.0, *shares.values()]) < 0 or of_the_network(shares) < -1e-6:
        raise ValueError(f"shares {shares} are not parts of one whole")
    return {name: share for name, share in shares.items() if share > 0}


def shares_in_words(shares: Shares) -> str:
    """Return a sentence with the shares of a forecast."""
    parts = {"the network": of_the_network(shares), **shares}
    told = [f"{100 * share:.0f} % {name}" for name, share in parts.items() if share > 0.001]
    return f"The forecast is {', '.join(told)}: the shares with the smallest error on the rows that choose the weights."
