"""`model.ridge: auto`: how much of a forecast is the network's, the ridge regression's and the last season's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lstmctl.api.assembly import restore_task
from lstmctl.config import load
from lstmctl.errors import RunError
from lstmctl.tasks.forecast_shares import choose_shares, shares_in_words
from lstmctl.tasks.interval_calibration import choosing_rows
from lstmctl.tasks.series_predictor import Shares
from tests.tasks.conftest import CPU, batch_of, pose, silence

AUTO = ("model.ridge=auto", "task.lookback=12", "task.season=6")


def test_where_the_network_says_nothing_others_carry_the_forecast(series_config: Path) -> None:
    task, corpus, model = pose(series_config, *AUTO)
    silence(model)
    training, validation = (task.part(corpus, name, CPU) for name in ("training", "validation"))
    task.prepare(model, training, validation)
    assert task.predictor.shares == Shares()  # while it trains
    kept = task.calibrate_on(model, validation)
    assert kept is not None
    shares = Shares(**kept["shares"])
    assert shares == task.predictor.shares
    assert shares.network == pytest.approx(0)
    own = task.evaluate(model, task.part(corpus, "test", CPU)).metrics["mse_scaled"]
    others = task.references(corpus, "test")
    assert own <= 1.1 * min(others["ridge"].metrics["mse_scaled"], others["seasonal naive"].metrics["mse_scaled"])
    assert task.notes(corpus, "test", chosen=False)[0] == shares_in_words(shares)
    assert "the network" not in shares_in_words(shares)


def test_the_network_begins_as_the_ridge_regression(series_config: Path) -> None:
    task, corpus, model = pose(series_config, *AUTO, "model.linear=true")
    task.prepare(model, *(task.part(corpus, name, CPU) for name in ("training", "validation")))
    batch = batch_of(task, corpus)
    alone, _ = task.predictor.uncalibrated(model, batch)
    torch.testing.assert_close(alone, task.predictor.without_network(model, batch)["ridge"])


def test_the_shares_are_those_with_the_smallest_error(series_config: Path) -> None:
    task, corpus, model = pose(series_config, *AUTO)
    training, validation = (task.part(corpus, name, CPU) for name in ("training", "validation"))
    task.prepare(model, training, validation)
    rows = choosing_rows(validation, "separate")
    chosen = choose_shares(model, rows, task.predictor)

    def error(shares: Shares) -> float:
        predictor = replace(task.predictor, shares=shares)
        missed = [predictor.uncalibrated(model, batch)[0] - batch.target for batch in rows.scored()]
        return float(torch.cat([part.detach().square().flatten() for part in missed]).mean())

    tenths = [
        Shares(ridge / 10, seasonal / 10, drift / 10)
        for ridge in range(11)
        for seasonal in range(11 - ridge)
        for drift in range(11 - ridge - seasonal)
    ]
    assert error(chosen) == pytest.approx(min(map(error, tenths)), rel=1e-6)


def test_a_forecast_of_shares_is_their_weighted_mean(series_config: Path) -> None:
    task, corpus, model = pose(series_config, *AUTO)
    task.prepare(model, *(task.part(corpus, name, CPU) for name in ("training", "validation")))
    batch = batch_of(task, corpus)
    alone, _ = task.predictor.uncalibrated(model, batch)
    others = task.predictor.without_network(model, batch)
    rows = batch.input
    assert torch.equal(others["seasonal"], rows[[6, 7, 8, 9]])  # of twelve rows, those a season before the horizon
    torch.testing.assert_close(others["drift"][3], rows[-1] + 4 * (rows[-1] - rows[0]) / 11)
    blended, _ = replace(task.predictor, shares=Shares(0.3, 0.2, 0.1)).uncalibrated(model, batch)
    mean = 0.4 * alone + 0.3 * others["ridge"] + 0.2 * others["seasonal"] + 0.1 * others["drift"]
    torch.testing.assert_close(blended, mean)


def test_a_run_keeps_its_shares_and_damaged_ones_are_told(series_config: Path) -> None:
    task, corpus, model = pose(series_config, *AUTO)
    training, validation = (task.part(corpus, name, CPU) for name in ("training", "validation"))
    task.prepare(model, training, validation)
    kept = json.loads(json.dumps(task.calibrate_on(model, validation)))
    settings = load(str(series_config), list(AUTO)).settings
    again = restore_task(settings, json.loads(json.dumps(task.encoding.to_json())), kept)
    assert again.predictor.shares == task.predictor.shares
    with pytest.raises(RunError, match="damaged"):
        restore_task(
            settings, task.encoding.to_json(), {**kept, "shares": {"ridge": 0.9, "seasonal": 0.4, "drift": 0.0}}
        )
