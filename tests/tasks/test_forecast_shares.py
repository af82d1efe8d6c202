"""`model.ridge: auto`: how much of a forecast is the network's, and how much that of each baseline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lstmctl.api.assembly import restore_task
from lstmctl.baselines.theta import theta_forecasts
from lstmctl.config import load
from lstmctl.data.series_encoding import history_rows
from lstmctl.errors import RunError
from lstmctl.models.forecaster import Ensemble
from lstmctl.tasks.forecast_shares import best_mixture, choose_shares, shares_in_words
from lstmctl.tasks.interval_calibration import choosing_rows
from lstmctl.tasks.last_windows import last_windows
from lstmctl.tasks.series_baselines import RIDGE, cross_fitted_ridge, ridge_baseline
from lstmctl.tasks.series_predictor import SeriesPredictor, of_the_network
from lstmctl.tasks.series_windows import SeriesBatch, windows_first
from tests.tasks.conftest import CPU, Posed, batch_of, pose, silence

AUTO = ("model.ridge=auto", "task.lookback=12", "task.season=6")


def prepared(config: Path, *overrides: str) -> Posed:
    task, corpus, model = pose(config, *AUTO, *overrides)
    task.prepare(model, *(task.part(corpus, name, CPU) for name in ("training", "validation")))
    return task, corpus, model


def test_where_the_network_says_nothing_others_carry_the_forecast(series_config: Path) -> None:
    task, corpus, model = pose(series_config, *AUTO)
    silence(model)
    task.prepare(model, *(task.part(corpus, name, CPU) for name in ("training", "validation")))
    assert task.predictor.shares == {}  # while it trains
    kept = task.calibrate(model, corpus, CPU)
    assert kept is not None
    shares = kept["shares"]
    assert shares == task.predictor.shares
    assert of_the_network(shares) == pytest.approx(0)
    own = task.evaluate(model, task.part(corpus, "test", CPU)).metrics["mse_scaled"]
    others = task.references(corpus, "test")
    assert own <= 1.1 * min(score.metrics["mse_scaled"] for score in others.values())
    assert task.notes(corpus, "test", chosen=False)[0] == shares_in_words(shares)
    assert "the network" not in shares_in_words(shares)


def test_the_network_begins_as_the_ridge_regression(series_config: Path) -> None:
    task, corpus, model = prepared(series_config, "model.linear=true")
    batch = batch_of(task, corpus)
    alone, _ = task.predictor.uncalibrated(model, batch)
    torch.testing.assert_close(alone, task.predictor.without_network(model, batch, RIDGE))


@given(st.lists(st.lists(st.floats(-2, 2), min_size=3, max_size=3), min_size=1, max_size=12), st.booleans())
def test_no_single_forecast_is_better_than_the_mixture(rows: list[list[float]], squared: bool) -> None:
    forecasts, target = np.array(rows), np.linspace(-1, 1, len(rows))
    weights = np.full(len(rows), 1 / len(rows))

    def error(shares: list[float]) -> float:
        missed = forecasts @ np.array(shares) - target
        return float(weights @ (missed**2 if squared else abs(missed)))

    found = best_mixture(forecasts, target, weights, squared=squared)
    assert sum(found) == pytest.approx(1)
    assert min(found) >= 0
    assert error(found) <= min(error(list(alone)) for alone in np.eye(3)) + 1e-9


@pytest.mark.parametrize("squared", [False, True])
def test_forecasts_that_miss_on_both_sides_are_averaged(squared: bool) -> None:
    """One is 1 too high, one 3 too low, and one far off: three quarters of the first and a quarter of the second."""
    target = np.arange(5.0)
    forecasts = np.stack([target + 1, target - 3, target + 100], axis=1)
    assert best_mixture(forecasts, target, np.full(5, 0.2), squared=squared) == [0.75, 0.25, 0]


def test_a_value_with_more_weight_decides() -> None:
    forecasts, target = np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros(2)
    assert best_mixture(forecasts, target, np.array([0.9, 0.1]), squared=False) == [1, 0]
    assert best_mixture(forecasts, target, np.array([0.1, 0.9]), squared=False) == [0, 1]


def test_the_baselines_share_what_is_not_the_networks(series_config: Path) -> None:
    """In the validation rows that choose, no baseline alone is better than their mean."""
    task, corpus, model = prepared(series_config)
    silence(model)
    rows = choosing_rows(task.part(corpus, "validation", CPU), "separate")
    chosen = choose_shares(model, rows, task.predictor)

    def error(shares: dict[str, float]) -> float:
        predictor = replace(task.predictor, shares=shares)
        missed = [predictor.uncalibrated(model, batch)[0] - batch.target for batch in rows.scored()]
        return float(torch.cat([part.detach().square().flatten() for part in missed]).mean())

    alone = [error({name: 1.0}) for name in (RIDGE, *task.predictor.members.baselines)]
    assert error(dict(chosen)) <= min(alone) * (1 + 1e-6)


def test_few_windows_give_a_network_less_than_its_best_share(series_config: Path) -> None:
    """A network that knows the labels would get all; a number of windows that is twice the horizon halves that."""
    task, corpus, model = prepared(series_config)
    rows = task.part(corpus, "validation", CPU)
    rows = replace(rows, rows=torch.stack([rows.rows[:, 0], rows.rows[:, 0] + 3 * task.settings.horizon - 1], dim=1))
    assert len(rows) == 2 * task.settings.horizon
    targets = {int(batch.origins[0]): batch.target for batch in rows.scored()}  # type: ignore[index]

    class Knowing(SeriesPredictor):
        def uncalibrated(self, model: Ensemble, batch: SeriesBatch) -> tuple[torch.Tensor, torch.Tensor]:
            assert batch.origins is not None
            target = targets[int(batch.origins[0])]
            return target, target

    chosen = choose_shares(model, rows, Knowing(**vars(task.predictor)))
    assert of_the_network(chosen) == pytest.approx(0.5)


def test_a_forecast_of_shares_is_their_weighted_mean(series_config: Path) -> None:
    task, corpus, model = prepared(series_config)
    batch = batch_of(task, corpus)
    alone, _ = task.predictor.uncalibrated(model, batch)
    seasonal, drift, ridge = (
        task.predictor.without_network(model, batch, name) for name in ("seasonal naive", "drift", RIDGE)
    )
    rows = batch.input
    assert torch.equal(seasonal, rows[[6, 7, 8, 9]])  # of twelve rows, those a season before the horizon
    torch.testing.assert_close(drift[3], rows[-1] + 4 * (rows[-1] - rows[0]) / 11)
    shares = {RIDGE: 0.3, "seasonal naive": 0.2, "drift": 0.1}
    blended, _ = replace(task.predictor, shares=shares).uncalibrated(model, batch)
    torch.testing.assert_close(blended, 0.4 * alone + 0.3 * ridge + 0.2 * seasonal + 0.1 * drift)


def test_a_forecast_of_the_future_reads_the_rows_before_its_lookback(series_config: Path) -> None:
    """Theta is fitted to more rows than a lookback: those at the end of the table, which the run keeps."""
    task, corpus, _ = pose(series_config, *AUTO)
    members = task.predictor.members
    batch, last = last_windows(task.encoding, task.settings, CPU)
    table = corpus.table
    begin, stop = (int(bounds[0]) for bounds in (table.bounds, table.ends))
    assert last[0] == len(task.encoding.tail.targets[: task.encoding.tail.ends[0]]) - 1
    future = task.in_units(batch, windows_first(members.forecast("theta", batch)).transpose(1, 0, 2))[:, 0]
    history = table.targets[max(begin, stop - history_rows(6)) : stop]
    expected = theta_forecasts(history[np.newaxis], task.settings.horizon, 6)[0]
    assert future == pytest.approx(expected, rel=1e-4)


def test_a_cross_fitted_regression_has_not_seen_its_labels(series_config: Path) -> None:
    """A label that is far off spoils a fit, but not the forecast of the window that it is in."""
    task, corpus, _ = pose(series_config, *AUTO)
    training, validation = (task.part(corpus, name, CPU) for name in ("training", "validation"))
    crossed = cross_fitted_ridge(training, validation)
    whole = ridge_baseline(training, validation)
    assert crossed is not None
    assert whole is not None
    batch = next(iter(training.scored()))
    history = windows_first(batch.input)
    own = crossed(batch)
    assert own.shape == whole.forecast(history).shape
    assert not np.allclose(own, whole.forecast(history), atol=1e-6)
    assert isinstance(training.values, torch.Tensor)
    first = int(training.first[0])
    changed = training.values.clone()
    changed[first] += 100
    other = cross_fitted_ridge(replace(training, values=changed), validation)
    assert other is not None
    assert other(batch)[0] == pytest.approx(own[0], abs=1e-4)
    assert other(batch)[-1] != pytest.approx(own[-1], abs=1e-4)


def test_a_run_keeps_its_shares_and_damaged_ones_are_told(series_config: Path) -> None:
    task, corpus, model = prepared(series_config)
    kept = json.loads(json.dumps(task.calibrate(model, corpus, CPU)))
    settings = load(str(series_config), list(AUTO)).settings
    encoding = json.loads(json.dumps(task.encoding.to_json()))
    again = restore_task(settings, encoding, kept)
    assert again.predictor.shares == task.predictor.shares
    former = restore_task(settings, encoding, {**kept, "shares": {"ridge": 0.5, "seasonal": 0.4, "drift": 0.0}})
    assert former.predictor.shares == {RIDGE: 0.5, "seasonal naive": 0.4}
    for damaged in ({"ridge": 0.9, "drift": 0.4}, {"ridge": -0.1}, {"tomorrow": 0.5}):
        with pytest.raises(RunError, match="damaged"):
            restore_task(settings, encoding, {**kept, "shares": damaged})
