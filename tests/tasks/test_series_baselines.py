"""Baselines of series, compared with a network on the same windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lstmctl.baselines.exponential_smoothing import smoothing_forecasts, smoothing_parameters
from lstmctl.baselines.theta import theta_forecasts, theta_parameters
from lstmctl.data import series_encoding
from lstmctl.tasks import series_baselines
from lstmctl.tasks.series_baselines import BASELINES, ridge_baseline
from tests.tasks.conftest import CPU, pose, two_series


def test_baselines_stand_beside_on_the_same_windows(series_config: Path) -> None:
    task, corpus, _ = pose(series_config)
    found = task.references(corpus, "test")
    assert list(found) == ["last value", "seasonal naive", "drift", "theta", "ETS", "ridge"]
    assert {score.windows for score in found.values()} == {77}
    assert all("coverage_80" in score.metrics and len(score.by_step) == 4 for score in found.values())
    # The season is what these series are made of.
    assert found["ridge"].metrics["mse_scaled"] < found["seasonal naive"].metrics["mse_scaled"]
    assert found["seasonal naive"].metrics["mse_scaled"] < found["last value"].metrics["mse_scaled"] / 3
    longer, corpus, _ = pose(series_config, "task.season=24")
    assert "seasonal naive" not in longer.references(corpus, "test")
    assert any("longer than the lookback" in note for note in longer.notes(corpus, "test", chosen=True))


def test_the_ridge_beside_a_network_is_the_ridge_baseline_where_values_are_missing_too(series_config: Path) -> None:
    lines = (series_config.parent / "small.csv").read_text().splitlines()
    draw = np.random.default_rng(0)
    for row in draw.choice(np.arange(20, 400), 40, replace=False):
        date, a, _ = lines[row + 1].split(",")
        lines[row + 1] = f"{date},{a},"
    (series_config.parent / "small.csv").write_text("\n".join(lines) + "\n")
    task, corpus, model = pose(series_config, "model.ridge=1.0", "data.missing=mask")
    task.prepare(model, *(task.part(corpus, name, CPU) for name in ("training", "validation")))
    score = task.evaluate(model, task.part(corpus, "test", CPU))
    assert score.metrics["mse_scaled"] == pytest.approx(
        task.references(corpus, "test")["ridge"].metrics["mse_scaled"], rel=1e-4
    )


def test_the_ridge_is_chosen_on_what_was_observed(series_config: Path) -> None:
    """Other values in the place of those that were filled choose the same lookback and penalty."""
    path = series_config.parent / "small.csv"
    header, *lines = path.read_text().splitlines()
    draw = np.random.default_rng(2)
    holes = set(draw.choice(np.arange(250, 320), 40, replace=False).tolist())
    rows = [line.rpartition(",")[0] + "," if row in holes else line for row, line in enumerate(lines)]
    path.write_text("\n".join([header, *rows]) + "\n")
    task, corpus, _ = pose(series_config, "data.missing=forward-fill")
    training, validation = (task.part(corpus, name, CPU) for name in ("training", "validation"))
    assert validation.filled is not None
    assert isinstance(validation.values, torch.Tensor)
    noise = torch.where(validation.filled[316:320], 50 * torch.randn(4, 2), 0)
    values = validation.values.clone()
    values[316:320] += noise  # they are labels of the last validation windows, and inputs of none
    found = ridge_baseline(training, validation)
    other = ridge_baseline(replace(training, values=values), replace(validation, values=values))
    on_filled = ridge_baseline(replace(training, values=values), replace(validation, values=values, filled=None))
    assert found is not None
    assert other is not None
    assert on_filled is not None
    assert (other.lookback, other.penalty) == (found.lookback, found.penalty)
    assert (on_filled.lookback, on_filled.penalty) != (found.lookback, found.penalty)


@pytest.mark.parametrize("name", ["theta", "ETS"])
def test_statistical_baselines_forecast_from_the_rows_before_an_origin_in_their_own_units(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two series of other sizes, one of them shorter than the longest history in its first windows."""
    two_series(tmp_path / "two.csv")
    config = tmp_path / "config.yaml"
    config.write_text(
        "format: 1\ntask: {type: forecast, lookback: 4, horizon: 3, season: 6}\n"
        "data: {series: two.csv, split: [rest, 60 rows, 60 rows]}\nmodel: {cell: gru, hidden: 4}\n"
        "training: {budget: 1 step}\n"
    )
    task, corpus, _ = pose(config)
    part = task.part(corpus, "test", CPU)
    method, fit = {
        "theta": (theta_forecasts, theta_parameters),
        "ETS": (smoothing_forecasts, smoothing_parameters),
    }[name]
    [batch] = part.scored()
    assert batch.origins is not None
    assert batch.series is not None
    origins = batch.origins.numpy()
    begins = part.begins.numpy()[batch.series.numpy()]
    spread, centre = (each[:, np.newaxis] for each in task.scale_of(batch))
    for most, rows, every in ((10_000, 100, 1), (10_000, 250, 1), (10, 100, 12)):
        monkeypatch.setattr(series_baselines, "MOST_FITS", most)
        monkeypatch.setattr(series_encoding, "FEWEST_ROWS", rows)
        baseline = BASELINES[name](task.settings, task.encoding, None)
        assert baseline is not None
        found = baseline(part)(batch) * spread + centre
        for window in (0, 13, 57, 58, 115):

            def history(origin: int, begin: int = int(begins[window]), rows: int = rows) -> Any:
                return corpus.table.targets[max(origin - rows, begin) : origin][np.newaxis]

            fitted = window - window % 58 % every
            parameters = fit(history(origins[fitted]), 6)
            assert found[window] == pytest.approx(method(history(origins[window]), 3, 6, parameters)[0], rel=1e-4)
