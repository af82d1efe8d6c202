"""The task `forecast`: what is lost, what is scored, and what a run keeps of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl.api.assembly import restore_task
from lstmctl.config import load
from lstmctl.errors import DataError, RunError
from lstmctl.tasks.forecast import Forecast
from lstmctl.tasks.interval_calibration import calibration_scores
from lstmctl.tasks.series_windows import SeriesPart
from tests.tasks.conftest import CPU, batch_of, pose, silence, two_series


def test_a_network_that_says_nothing_repeats_the_last_value(series_config: Path) -> None:
    task, corpus, model = pose(series_config)
    silence(model)
    batch = batch_of(task, corpus)
    point, intervals = task.forecasts(model, batch)
    assert intervals is None
    assert torch.equal(point, batch.input[-1:].expand_as(point))
    score = task.evaluate(model, task.part(corpus, "test", CPU))
    reference = task.references(corpus, "test")["last value"]
    for name in ("mse_scaled", "mae_scaled", "mae", "rmse", "smape", "mase"):
        assert score.metrics[name] == pytest.approx(reference.metrics[name], rel=1e-5)
    assert score.windows == reference.windows == 400 // 5 - 4 + 1


def test_metrics_are_in_scaled_space_and_in_the_tables_own_units(series_config: Path) -> None:
    task, corpus, model = pose(series_config)
    silence(model)
    values, start = corpus.table.targets, 320
    errors = np.array(
        [values[origin + step] - values[origin - 1] for origin in range(start, 397) for step in range(4)]
    ).reshape(-1, 4, 2)
    score = task.evaluate(model, task.part(corpus, "test", CPU))
    deviation = values[:240].std(axis=0)
    assert score.metrics["mse_scaled"] == pytest.approx(((errors / deviation) ** 2).mean(), rel=1e-5)
    assert score.metrics["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    assert score.by_channel["b"]["mae"] == pytest.approx(np.abs(errors[..., 1]).mean(), rel=1e-5)
    assert score.by_step[2]["mae"] == pytest.approx(np.abs(errors[:, 2]).mean(), rel=1e-5)
    naive = np.abs(values[6:240] - values[:234]).mean(axis=0)
    assert score.metrics["mase"] == pytest.approx((np.abs(errors) / naive).mean(), rel=1e-5)


def test_the_loss_is_the_mean_error_of_each_window(series_config: Path) -> None:
    for loss, expected in (("mse", lambda e: e.square()), ("mae", lambda e: e.abs())):
        task, corpus, model = pose(series_config, f"task.loss={loss}")
        batch = batch_of(task, corpus)
        point, _ = task.predictor.uncalibrated(model, batch)
        found = task.loss(model, batch, ())
        assert found.count == batch.lanes
        assert found.sum.item() == pytest.approx(expected(point - batch.target).mean().item() * batch.lanes, rel=1e-5)


@pytest.mark.parametrize("loss", ["mse", "quantile", "student-t"])
@pytest.mark.parametrize("decoding", ["parallel", "refined", "recursive", "encoder-decoder"])
def test_missing_values_touch_neither_loss_nor_figures(series_config: Path, decoding: str, loss: str) -> None:
    """The placeholder of a missing value in the file has no effect."""
    lines = (series_config.parent / "small.csv").read_text().splitlines()
    for row in (50, 51, 52, 201, 330, 331, 345):
        date, a, _ = lines[row + 1].split(",")
        lines[row + 1] = f"{date},{a},"
    (series_config.parent / "small.csv").write_text("\n".join(lines) + "\n")
    overrides = [f"task.decoding={decoding}", f"task.loss={loss}", "data.missing=mask"]
    task, corpus, model = pose(series_config, *overrides)
    batch = batch_of(task, corpus)
    assert batch.target.isnan().any()
    assert batch.input.isnan().any()
    loss_now = task.loss(model, batch, ()).sum
    loss_now.backward()
    assert bool(loss_now.isfinite())
    assert all(bool(weight.grad.isfinite().all()) for weight in model.parameters() if weight.grad is not None)
    seen = int((~batch.target.isnan()).sum())
    with torch.no_grad():
        totals = task.score(model, batch, ())[0]["sums"].joined()[1]
    assert totals["count"].sum() == seen < batch.target.numel()


def test_without_calibration_a_point_has_no_interval_and_quantiles_their_own(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "task.calibration=none")
    assert task.calibrate_on(model, task.part(corpus, "validation", CPU)) is None
    assert task.forecasts(model, batch_of(task, corpus))[1] is None
    task, corpus, model = pose(series_config, "task.calibration=none", "task.loss=quantile")
    intervals = task.forecasts(model, batch_of(task, corpus))[1]
    assert intervals is not None
    assert bool((intervals[..., 0] <= intervals[..., 1]).all())
    assert task.notes(corpus, "test", chosen=True) == ("The intervals are the network's own; they are not calibrated.",)


def test_too_short_a_validation_part_is_refused_before_training(series_config: Path) -> None:
    task, corpus, _ = pose(series_config, "data.split=[300, 7, 50]")
    with pytest.raises(
        DataError, match=r"half of the validation part contains no window of task\.horizon=4 rows"
    ) as error:
        task.require(task.part(corpus, "validation", CPU))
    assert "task.calibration=shared" in str(error.value.hint)
    task.require(task.part(corpus, "test", CPU))
    task, corpus, _ = pose(series_config, "data.split=[300, 7, 50]", "task.calibration=shared")
    task.require(task.part(corpus, "validation", CPU))


def test_noise_in_the_test_rows_moves_nothing_before(series_config: Path) -> None:
    """Scaler, encoding except for its last rows, training windows and validation metrics, to the bit."""
    task, corpus, model = pose(series_config)
    path = series_config.parent / "small.csv"
    lines = path.read_text().splitlines()
    draw = np.random.default_rng(0)
    for row in range(320, 400):
        date = lines[row + 1].split(",")[0]
        lines[row + 1] = f"{date},{draw.normal(0, 99):.3f},{draw.normal(0, 99):.3f}"
    path.write_text("\n".join(lines) + "\n")
    noisy, other, _ = pose(series_config)
    assert np.array_equal(noisy.encoding.centre, task.encoding.centre)
    assert np.array_equal(noisy.encoding.spread, task.encoding.spread)
    assert np.array_equal(noisy.encoding.naive_error, task.encoding.naive_error)
    for name in ("training", "validation"):
        mine, theirs = task.part(corpus, name, CPU), noisy.part(other, name, CPU)
        assert task.evaluate(model, mine) == noisy.evaluate(model, theirs)
        assert task.references(corpus, name) == noisy.references(other, name)
    assert task.evaluate(model, task.part(corpus, "test", CPU)) != noisy.evaluate(model, noisy.part(other, "test", CPU))


def test_it_is_restored_without_its_data(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "task.loss=quantile")
    calibration = task.calibrate_on(model, task.part(corpus, "validation", CPU))
    settings = load(str(series_config), ["task.loss=quantile"]).settings
    restored = restore_task(settings, task.encoding.to_json(), calibration)
    assert isinstance(restored, Forecast)
    batch = batch_of(task, corpus)
    for mine, theirs in zip(task.forecasts(model, batch), restored.forecasts(model, batch), strict=True):
        assert mine is not None
        assert theirs is not None
        assert torch.equal(mine, theirs)
    with pytest.raises(RunError, match=r"calibration\.json contains offsets of shape \(1, 1, 1\), not \(4, 2, 1\)"):
        restore_task(settings, task.encoding.to_json(), {"offsets": [[[1.0]]]})
    with pytest.raises(RunError, match=r"calibration\.json is damaged"):
        restore_task(settings, task.encoding.to_json(), {"offsets": "none"})


def test_a_look_at_the_forecast_is_a_line_a_channel(series_config: Path) -> None:
    task, _, model = pose(series_config)
    lines = task.sample(model, torch.Generator()).splitlines()
    assert [line.split("  ")[1] for line in lines] == ["a", "b"]
    assert all(line.count("→") == 1 for line in lines)


def test_the_network_need_not_know_which_channel_it_forecasts(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "model.channel_embedding=false")
    batch = batch_of(task, corpus)
    twice = replace(batch, input=batch.input[..., :1].expand_as(batch.input))
    point, _ = task.predictor.uncalibrated(model, twice)
    assert torch.equal(point[..., 0], point[..., 1])
    task, corpus, model = pose(series_config)
    point, _ = task.predictor.uncalibrated(model, twice)
    assert not torch.equal(point[..., 0], point[..., 1])


def test_a_file_with_some_of_the_series_is_scored_by_their_own_scales(series_config: Path, tmp_path: Path) -> None:
    two_series(tmp_path / "small.csv")
    task, corpus, model = pose(series_config, "task.calibration=shared", "data.split_by=series")
    assert task.encoding.ids == ("low", "high")
    lines = (tmp_path / "small.csv").read_text().splitlines()
    (tmp_path / "high.csv").write_text(
        "\n".join([lines[0], *(line for line in lines if line.startswith("high"))]) + "\n"
    )
    other = task.read([str(tmp_path / "high.csv")])
    found = task.evaluate(model, task.part(other, "validation", CPU))
    part = task.part(corpus, "training", CPU)
    whole = SeriesPart(**{**vars(part), "rows": torch.tensor([[0, 0], [300, 560]])})
    assert found.metrics["mae"] == pytest.approx(task.evaluate(model, whole).metrics["mae"], rel=1e-5)
    assert found.metrics["mae"] > 3  # it moves by about 10


def test_several_series_are_windows_of_their_own(series_config: Path, tmp_path: Path) -> None:
    two_series(tmp_path / "small.csv")
    task, corpus, model = pose(series_config, "task.calibration=shared", "data.split_by=series")
    part = task.part(corpus, "training", CPU)
    assert len(part) == (180 - 12 - 4 + 1) + (156 - 12 - 4 + 1)
    scores, series, _ = calibration_scores(model, task.part(corpus, "validation", CPU), task.predictor)
    assert series.tolist() == [0] * (60 - 3) + [1] * (52 - 3)
    assert len(scores) == len(series)
    references = task.references(corpus, "test")
    assert references["ridge"].windows == references["last value"].windows == 57 + 49


def test_accumulated_losses_are_those_of_the_whole_batch(series_config: Path) -> None:
    lines = (series_config.parent / "small.csv").read_text().splitlines()
    for row in range(330, 360):
        date, a, _ = lines[row + 1].split(",")
        lines[row + 1] = f"{date},{a},"
    (series_config.parent / "small.csv").write_text("\n".join(lines) + "\n")
    task, corpus, model = pose(series_config, "data.missing=mask")
    batch = batch_of(task, corpus)
    half = batch.lanes // 2
    parts = [task.loss(model, part, ()).sum for part in (batch.part(0, half), batch.part(half, batch.lanes))]
    assert sum(part.item() for part in parts) == pytest.approx(task.loss(model, batch, ()).sum.item(), rel=1e-5)


def test_a_part_without_a_known_value_is_refused(series_config: Path) -> None:
    lines = (series_config.parent / "small.csv").read_text().splitlines()
    for row in range(240, 320):
        lines[row + 1] = f"{lines[row + 1].split(',')[0]},,"
    (series_config.parent / "small.csv").write_text("\n".join(lines) + "\n")
    task, corpus, _ = pose(series_config, "data.missing=mask")
    with pytest.raises(DataError, match="no value of a, b is known in the validation part"):
        task.require(task.part(corpus, "validation", CPU))
    task.require(task.part(corpus, "test", CPU))


def test_interpolation_looks_ahead_in_training_rows_alone(series_config: Path) -> None:
    lines = (series_config.parent / "small.csv").read_text().splitlines()
    for row in (100, 350):
        date, a, _ = lines[row + 1].split(",")
        lines[row + 1] = f"{date},{a},"
    (series_config.parent / "small.csv").write_text("\n".join(lines) + "\n")
    _, corpus, _ = pose(series_config, "data.missing=interpolate")
    b = corpus.table.targets[:, 1]
    assert b[100] == pytest.approx((b[99] + b[101]) / 2)
    assert b[350] == b[349]
