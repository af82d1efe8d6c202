"""Forecasts of transformed targets: points, intervals, paths and metrics are in the table's units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl.api.backtesting import backtest
from lstmctl.api.forecasting import series_forecasts
from lstmctl.tasks.last_windows import last_windows
from lstmctl.tasks.series_baselines import within_domain
from tests.conftest import Trained
from tests.tasks.conftest import CPU, Posed, batch_of, pose, silence

START = np.datetime64("2020-01-01T00:00:00")


@pytest.fixture
def growing_config(series_config: Path) -> Path:
    """Two columns that grow and swing in proportion to their level."""
    draw = np.random.default_rng(2)
    lines = ["date,a,b"]
    for row in range(400):
        wave = np.sin(2 * np.pi * row / 6)
        a, b = (np.exp(row / size + 0.2 * wave + draw.normal(0, 0.1)) for size in (100, 150))
        lines.append(f"{START + np.timedelta64(row, 'h')},{a},{10 * b}")
    (series_config.parent / "small.csv").write_text("\n".join(lines) + "\n")
    return series_config


def silent(config: Path, *overrides: str) -> Posed:
    posed = pose(config, *overrides)
    silence(posed[2])
    return posed


@pytest.mark.parametrize("transform", ["log", "log1p", "box-cox"])
def test_metrics_are_those_of_the_restored_values(growing_config: Path, transform: str) -> None:
    """A silent network repeats the last value, which is the same value in any units."""
    task, corpus, model = silent(growing_config, f"data.transform={transform}")
    plain, _, _ = silent(growing_config)
    part = task.part(corpus, "test", CPU)
    score = task.evaluate(model, part)
    reference = plain.references(corpus, "test")
    for name in ("mse_scaled", "mae_scaled", "mae", "rmse", "smape", "mase"):
        assert score.metrics[name] == pytest.approx(reference["last value"].metrics[name], rel=1e-4)
    assert score.by_channel["b"]["mae"] == pytest.approx(reference["last value"].by_channel["b"]["mae"], rel=1e-4)
    batch = batch_of(task, corpus)
    units = task.in_units(batch, batch.target.double().numpy())
    rows = corpus.parts["test"][0, 0] + np.arange(4)
    assert units[:, 0] == pytest.approx(corpus.table.targets[rows], rel=1e-5)


def test_baselines_are_not_transformed(growing_config: Path) -> None:
    task, corpus, model = silent(growing_config, "data.transform=log")
    task.calibrate_on(model, task.part(corpus, "validation", CPU))
    plain, plain_corpus, _ = silent(growing_config)
    found, expected = task.references(corpus, "test"), plain.references(plain_corpus, "test")
    assert {name: score.metrics for name, score in found.items()} == {
        name: score.metrics for name, score in expected.items()
    }


def test_intervals_are_calibrated_before_they_are_restored(growing_config: Path) -> None:
    """They widen with the level, and their coverage is that of the transformed intervals."""
    task, corpus, model = silent(growing_config, "data.transform=log")
    task.calibrate_on(model, task.part(corpus, "validation", CPU))
    batch = batch_of(task, corpus)
    point, intervals = task.forecasts(model, batch)
    assert intervals is not None
    units = task.in_units(batch, intervals.detach().movedim(-2, 0).movedim(-1, 0).double().numpy())[:, 0]
    middle = task.in_units(batch, point.detach().double().numpy())
    assert (units > 0).all()
    # The same number of logarithms below and above at every level.
    assert units[0] * units[1] == pytest.approx(middle**2, rel=1e-4)
    ratios = units[1] / middle
    assert ratios == pytest.approx(np.broadcast_to(ratios[:, :1], ratios.shape), rel=1e-4)
    score = task.evaluate(model, task.part(corpus, "test", CPU))
    part = task.part(corpus, "test", CPU)
    inside = count = 0
    for some in part.scored():
        _, spans = task.forecasts(model, some)
        assert spans is not None
        ends = spans[..., 0, :]
        inside += int(((ends[..., 0] <= some.target) & (some.target <= ends[..., 1])).sum())
        count += some.target.numel()
    assert score.metrics["coverage_80"] == pytest.approx(inside / count)


def test_a_window_that_is_scaled_by_itself_is_restored_too(growing_config: Path) -> None:
    """A column that is constant in its training rows has no scale, transformed or not."""
    path = growing_config.parent / "small.csv"
    lines = path.read_text().splitlines()
    flat = [line if row > 240 else f"{line.rsplit(',', 1)[0]},7" for row, line in enumerate(lines[1:], 1)]
    path.write_text("\n".join([lines[0], *flat]) + "\n")
    task, corpus, model = silent(growing_config, "data.transform=log")
    assert task.encoding.without_scale == ("b",)
    batch = batch_of(task, corpus)
    assert batch.own_scale is not None
    rows = corpus.parts["test"][0, 0] + np.arange(4)
    assert task.in_units(batch, batch.target.double().numpy())[:, 0] == pytest.approx(
        corpus.table.targets[rows], rel=1e-4
    )
    score = task.evaluate(model, task.part(corpus, "test", CPU))
    last = task.references(corpus, "test")["last value"]
    assert score.by_channel["b"]["mae"] == pytest.approx(last.by_channel["b"]["mae"], rel=1e-4)
    assert "mse_scaled" not in score.by_channel["b"]


def test_forecasts_are_in_the_tables_units(growing_config: Path) -> None:
    task, corpus, model = silent(growing_config, "data.transform=log")
    batch, last = last_windows(task.encoding, task.settings, CPU)
    point, _ = task.forecasts(model, batch)
    for one, column in zip(
        series_forecasts(task, task.encoding.tail, batch, last + 1, point, None), corpus.table.targets.T, strict=True
    ):
        assert one.history[-1] == column[-1]
        assert one.point == pytest.approx([column[-1]] * 4, rel=1e-5)


def test_paths_are_positive_and_have_the_intervals_of_the_transformed_ones(growing_config: Path) -> None:
    overrides = ("data.transform=log", "task.decoding=recursive", "task.loss=gaussian")
    task, _, model = pose(growing_config, *overrides)
    batch, _ = last_windows(task.encoding, task.settings, CPU)
    with torch.no_grad():
        paths = task.predictor.paths(model, batch, 50, torch.Generator().manual_seed(0))
    assert (task.in_units(batch, paths.double().numpy()) > 0).all()


def test_a_run_is_trained_evaluated_and_backtested(growing_config: Path, trained: Trained) -> None:
    run = trained(str(growing_config), "data.transform=log", "task.loss=quantile")
    found = run.evaluate()
    assert 0 < found.metrics["mae"] < found.baselines["last value"]["mae"]
    assert any("data.transform=log" in note for note in found.notes)
    tested = backtest(run)
    for one in tested.forecasts:
        low, high = one.intervals[80]
        assert all(0 < start <= end for start, end in zip(low, high, strict=True))
    assert tested.scores["adaptive"].metrics["coverage_80"] > 0.4
    assert run.info["data"]["transform"] == "log"
    (first, _) = run.forecast()
    assert first.history[-1] == pytest.approx(first.point[0], rel=0.7)


def test_a_baseline_below_every_logarithm_becomes_the_lowest_value_of_its_history() -> None:
    forecast = np.array([[[3.0], [-1.0]], [[0.0], [2.0]]])
    history = np.array([[[5.0], [4.0]], [[np.nan], [7.0]]])
    assert within_domain(forecast, history, "log").tolist() == [[[3.0], [4.0]], [[7.0], [2.0]]]
    assert within_domain(forecast, history, "log1p").tolist() == [[[3.0], [4.0]], [[0.0], [2.0]]]
