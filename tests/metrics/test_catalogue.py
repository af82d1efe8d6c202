"""The catalogue's entry of each metric; every metric that a task computes is in it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from lstmctl.config.schema import Forecast
from lstmctl.metrics import forecasts, labels, metric, numbers
from lstmctl.metrics.catalogue import METRICS, has_unit_of_loss, primary_of_loss

JSON = (Path(__file__).parents[2] / "docs/json.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nats_per_character", "nats per character"),
        ("nats_per_byte_cold", "nats per byte, cold"),
        ("nats_per_character_cold_256", "nats per character, cold 256"),
        ("mse_scaled", "MSE, scaled"),
        ("smape", "sMAPE"),
        ("coverage_80", "coverage of 80 % intervals"),
        ("coverage_97.5", "coverage of 97.5 % intervals"),
        ("width_80", "width of 80 % intervals"),
        ("width_scaled_95", "width of 95 % intervals, scaled"),
        ("pinball", "pinball"),
        ("pinball_scaled", "pinball, scaled"),
        ("mae_scaled", "MAE, scaled"),
        ("rmse", "RMSE"),
        ("mase", "MASE"),
        ("macro_f1", "macro f1"),
    ],
)
def test_metric_names_in_words(name: str, words: str) -> None:
    assert metric(name).words == words


def test_a_metric_knows_which_way_is_better() -> None:
    error, rate, width = metric("mse_scaled"), metric("accuracy"), metric("width_80")
    assert error.better(1.0, than=2.0)
    assert not error.better(2.0, than=2.0)
    assert rate.better(0.9, than=0.8)
    assert rate.better(0.1, than=None)
    assert not rate.better(math.nan, than=None)
    assert (error.reaches(0.5, 0.5), error.reaches(0.6, 0.5)) == (True, False)
    assert (rate.reaches(0.5, 0.5), rate.reaches(0.4, 0.5), rate.reaches(math.inf, 0.5)) == (True, False, False)
    assert width.lower_is_better is None


def test_an_unknown_metric_is_its_own_wording() -> None:
    unknown = metric("crps_of_a_later_version")
    assert (unknown.words, unknown.lower_is_better, unknown.places) == ("crps of a later version", None, None)


@pytest.mark.parametrize("loss", Forecast.model_fields["loss"].annotation.__args__)  # type: ignore[union-attr]
def test_every_loss_of_a_forecast_has_its_primary_metric(loss: str) -> None:
    assert loss in primary_of_loss(loss).losses


def test_a_metric_shares_the_axis_of_a_loss_in_its_unit_alone() -> None:
    assert has_unit_of_loss("nats_per_byte", None)
    assert has_unit_of_loss("mae_scaled", "mae")
    assert not has_unit_of_loss("mae_scaled", "huber")
    assert not has_unit_of_loss("accuracy", None)
    assert not has_unit_of_loss("mse", "mse")


def computed() -> set[str]:
    """Every metric that some task computes of its totals."""
    truth = np.zeros((2, 3, 1)) + np.arange(3.0)[None, :, None]
    spans = np.stack([truth - 1, truth + 1], axis=-1)[:, :, :, None, :]
    one = np.ones((1, 1, 1))
    named = forecasts.terms(truth, truth + 0.5, spans, [0.8], spread=one, centre=one, naive_error=one)
    sums = {name: values.sum(axis=0).T for name, values in named}
    confusion = labels.confusion(np.array([0, 1]), np.array([0, 1]), 2)
    rows = numbers.totals(np.array([[0.0], [1.0]]), np.array([[0.5], [1.0]]))
    return {*forecasts.figures(sums), *labels.figures(confusion), *numbers.figures(rows)}


def test_every_metric_that_is_computed_is_in_the_catalogue_and_in_the_docs() -> None:
    names = {entry.name for entry in METRICS}
    for name in computed():
        assert name in names or metric(name).interval, name
    for name in names:
        shown = name.format(symbol="character")
        assert f"`{shown}`" in JSON, shown
