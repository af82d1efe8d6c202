"""The task `forecast`: what is taken out of a window, what is lost, what baselines and intervals come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lstmctl.api.assembly import build_model, build_task, find_cell, open_data, restore_task
from lstmctl.config import load
from lstmctl.data.series import SeriesCorpus
from lstmctl.errors import DataError, RunError
from lstmctl.models.forecaster import Ensemble
from lstmctl.models.normalisation import taken_out
from lstmctl.scoring import total
from lstmctl.tasks.forecast import Forecast, windows_first
from lstmctl.tasks.series_windows import SeriesPart

CPU = torch.device("cpu")
Posed = tuple[Forecast, SeriesCorpus, Ensemble]


def pose(config: Path, *overrides: str) -> Posed:
    settings = load(str(config), overrides).settings
    corpus = open_data(settings, config.parent)
    task = build_task(settings, corpus)
    model = build_model(settings, task, find_cell(settings, None), "float32").eval()
    assert isinstance(corpus, SeriesCorpus)
    assert isinstance(task, Forecast)
    assert isinstance(model, Ensemble)
    return task, corpus, model


def silence(model: Ensemble) -> None:
    """Make every output zero, so that what comes out is what was taken out of the window."""
    with torch.no_grad():
        for member in model.each():
            member.head.weight.zero_()
            member.head.bias.zero_()


def batch_of(task: Forecast, corpus: SeriesCorpus, part: str = "test") -> Any:
    return next(iter(task.part(corpus, part, CPU).scored()))


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


def test_figures_are_in_scaled_space_and_in_the_tables_own_units(series_config: Path) -> None:
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
        point, _ = task.uncalibrated(model, batch)
        found = task.loss(model, batch, ())
        assert found.count == batch.lanes
        assert found.sum.item() == pytest.approx(expected(point - batch.target).mean().item() * batch.lanes, rel=1e-5)


@pytest.mark.parametrize("loss", ["mse", "quantile", "student-t"])
@pytest.mark.parametrize("decoding", ["parallel", "recursive", "encoder-decoder"])
def test_missing_values_touch_neither_loss_nor_figures(series_config: Path, decoding: str, loss: str) -> None:
    """Whatever stands in the file in the place of a value that is missing, nothing changes."""
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
        totals = task.score(model, batch, ())[0]
    assert totals["count"].sum() == seen < batch.target.numel()


def test_what_is_taken_out_of_windows_by_hand() -> None:
    values = torch.tensor([1.0, 2.0, 6.0]).view(3, 1, 1)
    shift, scale = taken_out(values, None, "last")
    assert (shift.item(), scale.item()) == (6.0, 1.0)
    shift, scale = taken_out(values, None, "window")
    assert shift.item() == 3.0
    assert scale.item() == pytest.approx((14 / 3 + 1e-5) ** 0.5)
    shift, scale = taken_out(values, None, "none")
    assert (shift.item(), scale.item()) == (0.0, 1.0)
    gap = torch.tensor([1.0, 3.0, float("nan")]).view(3, 1, 1)
    seen = ~gap.isnan()
    assert taken_out(gap, seen, "last")[0].item() == 3.0
    shift, scale = taken_out(gap, seen, "window")
    assert shift.item() == 2.0
    assert scale.item() == pytest.approx((1 + 1e-5) ** 0.5)
    nothing = torch.full((3, 1, 1), float("nan"))
    assert taken_out(nothing, ~nothing.isnan(), "last")[0].item() == 0.0


def test_the_halves_of_the_validation_part_choose_and_calibrate(series_config: Path) -> None:
    """What lies in the second half moves no choice, and what lies in the first moves no interval."""
    task, corpus, model = pose(series_config)
    silence(model)
    part = task.part(corpus, "validation", CPU)
    choosing = task.metrics(total(model, task, task.progress(part)))["mse_scaled"]
    task.calibrate(model, part)
    offsets = task.calibration
    assert offsets is not None
    values = part.values.clone()
    values[240:276] += torch.randn(36, 2)  # the last four rows of the first half are inputs of the second
    moved = SeriesPart(**{**vars(part), "values": values})
    assert task.metrics(total(model, task, task.progress(moved)))["mse_scaled"] != choosing
    rows = part.half(1).rows[0].tolist()
    assert rows == [280, 320]
    first = values.clone()
    first[: 280 - 12] += 1.0
    task.calibrate(model, SeriesPart(**{**vars(part), "values": first}))
    assert np.array_equal(task.calibration, offsets)
    second = part.values.clone()
    second[290:] += torch.randn(len(second) - 290, 2)
    changed = SeriesPart(**{**vars(part), "values": second})
    assert task.metrics(total(model, task, task.progress(changed)))["mse_scaled"] == choosing
    task.calibrate(model, changed)
    assert not np.array_equal(task.calibration, offsets)


def test_calibrated_intervals_cover_what_calibrated_them(series_config: Path) -> None:
    for loss in ("mse", "quantile", "gaussian"):
        task, corpus, model = pose(series_config, f"task.loss={loss}", "task.calibration=shared")
        part = task.part(corpus, "validation", CPU)
        kept = task.calibrate(model, part)
        assert kept is not None
        assert kept["windows"] == len(part) == 77
        coverage = task.evaluate(model, part).metrics["coverage_80"]
        # Of 77 scores at each step the 63rd: 0.818, and at most one more where two are equal.
        assert 0.80 <= coverage <= 0.84


def test_without_calibration_a_point_has_no_interval_and_quantiles_their_own(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "task.calibration=none")
    assert task.calibrate(model, task.part(corpus, "validation", CPU)) is None
    assert task.forecasts(model, batch_of(task, corpus))[1] is None
    task, corpus, model = pose(series_config, "task.calibration=none", "task.loss=quantile")
    intervals = task.forecasts(model, batch_of(task, corpus))[1]
    assert intervals is not None
    assert bool((intervals[..., 0] <= intervals[..., 1]).all())
    assert task.notes("test", chosen=True) == ("The intervals are the network's own: nothing calibrated them.",)


def test_too_short_a_validation_part_is_refused_before_training(series_config: Path) -> None:
    task, corpus, _ = pose(series_config, "data.split=[300, 7, 50]")
    with pytest.raises(
        DataError, match=r"half of the validation part holds no window of task\.horizon=4 rows"
    ) as error:
        task.require(task.part(corpus, "validation", CPU))
    assert "task.calibration=shared" in str(error.value.hint)
    task.require(task.part(corpus, "test", CPU))
    task, corpus, _ = pose(series_config, "data.split=[300, 7, 50]", "task.calibration=shared")
    task.require(task.part(corpus, "validation", CPU))


def test_baselines_stand_beside_on_the_same_windows(series_config: Path) -> None:
    task, corpus, _ = pose(series_config)
    found = task.references(corpus, "test")
    assert list(found) == ["last value", "seasonal naive", "drift", "ridge"]
    assert {score.windows for score in found.values()} == {77}
    assert all("coverage_80" in score.metrics and len(score.by_step) == 4 for score in found.values())
    # The season is what these series are made of.
    assert found["ridge"].metrics["mse_scaled"] < found["seasonal naive"].metrics["mse_scaled"]
    assert found["seasonal naive"].metrics["mse_scaled"] < found["last value"].metrics["mse_scaled"] / 3
    longer, corpus, _ = pose(series_config, "task.season=24")
    assert "seasonal naive" not in longer.references(corpus, "test")
    assert any("longer than the lookback" in note for note in longer.notes("test", chosen=True))


def test_noise_in_the_test_rows_moves_nothing_before(series_config: Path) -> None:
    """Scaler, encoding but for its last rows, training windows and validation figures, to the bit."""
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


@pytest.mark.parametrize("decoding", ["recursive", "encoder-decoder"])
@pytest.mark.parametrize("loss", ["gaussian", "student-t"])
def test_sample_paths_hang_together(series_config: Path, decoding: str, loss: str) -> None:
    task, corpus, model = pose(series_config, f"task.decoding={decoding}", f"task.loss={loss}")
    batch = batch_of(task, corpus).part(0, 3)
    with torch.no_grad():
        paths = task.paths(model, batch, 400, torch.Generator().manual_seed(1))
        again = task.paths(model, batch, 400, torch.Generator().manual_seed(1))
    assert paths.shape == (400, 4, 3, 2)
    assert torch.equal(paths, again)
    assert float(paths.std(0).min()) > 0
    point, intervals = task.forecasts(model, batch)
    assert intervals is not None
    inside = (paths >= intervals[..., 0, 0]) & (paths <= intervals[..., 0, 1])
    assert float(inside.float().mean()) == pytest.approx(0.8, abs=0.05)
    assert point.shape == (4, 3, 2)


def test_an_ensemble_forecasts_the_mean_of_its_members(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "model.ensemble=3")
    batch = batch_of(task, corpus)
    window, shift, scale = task._window(model, batch)
    each = [task.likelihood.point(task.likelihood.read(outputs, shift, scale)) for outputs in model(window)]
    assert len(each) == 3
    assert torch.allclose(task.forecasts(model, batch)[0], torch.stack(each).mean(0), atol=1e-6)


def test_it_is_restored_without_its_data(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "task.loss=quantile")
    calibration = task.calibrate(model, task.part(corpus, "validation", CPU))
    settings = load(str(series_config), ["task.loss=quantile"]).settings
    restored = restore_task(settings, task.encoding.to_json(), calibration)
    assert isinstance(restored, Forecast)
    batch = batch_of(task, corpus)
    for mine, theirs in zip(task.forecasts(model, batch), restored.forecasts(model, batch), strict=True):
        assert mine is not None
        assert theirs is not None
        assert torch.equal(mine, theirs)
    with pytest.raises(RunError, match=r"calibration\.json holds offsets \(1, 1, 1\); \(4, 2, 1\) are right"):
        restore_task(settings, task.encoding.to_json(), {"offsets": [[[1.0]]]})
    with pytest.raises(RunError, match=r"calibration\.json is damaged"):
        restore_task(settings, task.encoding.to_json(), {"offsets": "none"})


def test_a_look_at_the_forecast_is_a_line_a_channel(series_config: Path) -> None:
    task, _, model = pose(series_config)
    lines = task.sample(model, torch.Generator()).splitlines()
    assert [line.split("  ")[1] for line in lines] == ["a", "b"]
    assert all(line.count("→") == 1 for line in lines)


def test_windows_first_turns_the_axes() -> None:
    assert windows_first(torch.zeros(4, 3, 2)).shape == (3, 4, 2)


@pytest.mark.parametrize("loss", ["mse", "quantile", "gaussian"])
def test_an_odd_forecaster_gives_the_mirror_of_a_windows_forecast_for_its_mirror(
    series_config: Path, loss: str
) -> None:
    task, corpus, model = pose(series_config, "task.symmetry=odd", f"task.loss={loss}")
    batch = batch_of(task, corpus)
    last = batch.input[-1:]
    mirror = replace(batch, input=2 * last - batch.input)
    (point, spans), (other, others) = task.uncalibrated(model, batch), task.uncalibrated(model, mirror)
    assert torch.allclose(point - last, last - other, atol=1e-5)
    if loss != "mse":  # the low end of one is the high end of the other
        around = last[..., None, None]
        assert torch.allclose(spans - around, around - others.flip(-1), atol=1e-5)
    plain, corpus, model = pose(series_config, f"task.loss={loss}")
    assert not torch.allclose(plain.uncalibrated(model, batch)[0] - last, last - plain.uncalibrated(model, mirror)[0])


def test_training_mirrors_windows_with_their_labels(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "task.symmetry=odd")
    batch = batch_of(task, corpus)
    window, shift, _ = task._window(model, batch)
    torch.manual_seed(0)
    seen, target = task._augmented(window, batch.target, shift)
    sign = seen.values[0] / window.values[0]
    assert set(sign.unique().tolist()) == {-1.0, 1.0}
    assert torch.allclose(seen.values, window.values * sign)
    assert torch.allclose(target - shift, (batch.target - shift) * sign, atol=1e-5)
    model.train()
    silence(model)
    # A network that says nothing errs as much on a mirror.
    assert task.loss(model, batch, ()).sum.item() == pytest.approx(
        ((shift - batch.target) ** 2).mean().item() * batch.lanes, rel=1e-5
    )


def test_shortened_windows_lose_whole_segments_from_the_oldest_on(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "training.shorten=0.5")
    batch = batch_of(task, corpus)
    window, shift, _ = task._window(model, batch)
    torch.manual_seed(0)
    shorter, target = task._augmented(window, batch.target, shift)
    assert torch.equal(target, batch.target)
    hidden = (shorter.values == 0).all(-1) & (window.values != 0).all(-1)
    counts = hidden.sum(0)
    assert set(counts.tolist()) == {0, 2, 4, 6, 8, 10}
    assert bool((counts == 0).sum() > len(counts) / 3)
    for lane, count in enumerate(counts.tolist()):
        assert bool(hidden[:count, lane].all())
        assert torch.equal(shorter.values[count:, lane], window.values[count:, lane])
    with torch.no_grad():
        assert torch.equal(task.forecasts(model, batch)[0], pose(series_config)[0].forecasts(model, batch)[0])


def test_the_network_may_not_be_told_which_channel_it_forecasts(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "model.channel_embedding=false")
    batch = batch_of(task, corpus)
    twice = replace(batch, input=batch.input[..., :1].expand_as(batch.input))
    point, _ = task.uncalibrated(model, twice)
    assert torch.equal(point[..., 0], point[..., 1])
    task, corpus, model = pose(series_config)
    point, _ = task.uncalibrated(model, twice)
    assert not torch.equal(point[..., 0], point[..., 1])


def test_a_ridge_regression_beside_the_network_has_its_share(series_config: Path) -> None:
    """With a network that says nothing the forecast lies between the last value and the ridge baseline's."""
    task, corpus, model = pose(series_config, "model.ridge=0.25")
    assert model.ridge is not None
    assert model.ridge.abs().max() == 0
    silence(model)
    parts = [task.part(corpus, name, CPU) for name in ("training", "validation")]
    task.prepare(model, *parts)
    batch = batch_of(task, corpus)
    fitted = task._fit_ridge(*parts)
    assert fitted is not None
    baseline = torch.from_numpy(fitted.forecast(windows_first(batch.input))).transpose(0, 1)
    point, _ = task.uncalibrated(model, batch)
    assert torch.allclose(point, 0.75 * batch.input[-1:] + 0.25 * baseline, atol=1e-5)
    # The network alone is trained: what the ridge says is no business of its loss.
    assert task.loss(model, batch, ()).sum.item() == pytest.approx(
        ((batch.input[-1:] - batch.target) ** 2).mean().item() * batch.lanes, rel=1e-5
    )
    assert "ridge" in model.state_dict()
    whole, corpus, model = pose(series_config, "model.ridge=1.0")
    whole.prepare(model, *parts)
    score = whole.evaluate(model, whole.part(corpus, "test", CPU))
    reference = whole.references(corpus, "test")["ridge"]
    assert score.metrics["mse_scaled"] == pytest.approx(reference.metrics["mse_scaled"], rel=1e-5)
    quantile, corpus, model = pose(series_config, "model.ridge=0.5", "task.loss=quantile")
    _, before = quantile.uncalibrated(model, batch)
    quantile.prepare(model, *parts)
    _, after = quantile.uncalibrated(model, batch)
    width = (before[..., 1] - before[..., 0], after[..., 1] - after[..., 0])
    assert torch.allclose(*width, atol=1e-5)
    assert not torch.allclose(before, after, atol=1e-3)


def two_series(path: Path) -> None:
    """A long table: `low` around 10 for 300 hours, `high` around 1000, ten times as restless, for 260."""
    draw = np.random.default_rng(3)
    start = np.datetime64("2020-01-01T00:00:00")
    lines = ["unique_id,ds,y"]
    for name, rows, level, size in (("low", 300, 10, 1), ("high", 260, 1000, 10)):
        for row in range(rows):
            wave = np.sin(2 * np.pi * row / 6)
            lines.append(f"{name},{start + np.timedelta64(row, 'h')},{level + size * (wave + draw.normal(0, 0.3)):.5f}")
    path.write_text("\n".join(lines) + "\n")


def test_a_file_with_some_of_the_series_is_scored_by_their_own_scales(series_config: Path, tmp_path: Path) -> None:
    two_series(tmp_path / "small.csv")
    task, corpus, model = pose(series_config, "task.calibration=shared")
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
    task, corpus, model = pose(series_config, "task.calibration=shared")
    part = task.part(corpus, "training", CPU)
    assert len(part) == (180 - 12 - 4 + 1) + (156 - 12 - 4 + 1)
    scores, series = task.calibration_scores(model, task.part(corpus, "validation", CPU))
    assert series.tolist() == [0] * (60 - 3) + [1] * (52 - 3)
    assert len(scores) == len(series)
    references = task.references(corpus, "test")
    assert references["ridge"].windows == references["last value"].windows == 57 + 49


def test_paths_of_a_window_do_not_depend_on_its_neighbours(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "task.decoding=recursive", "task.loss=student-t")
    batch = batch_of(task, corpus)
    together, _ = task.forecasts(model, batch.part(0, 4))
    for lane in range(4):
        alone, _ = task.forecasts(model, batch.part(lane, lane + 1))
        assert torch.allclose(alone[:, 0], together[:, lane], atol=1e-5)


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


def test_a_channel_that_nothing_calibrates_takes_the_widest_of_the_others(
    series_config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task, _, _ = pose(series_config)
    scores = np.abs(np.random.default_rng(0).normal(size=(50, 4, 2, 1)))
    scores[:, :, 1] = np.nan
    offsets = task.offsets(scores)
    assert offsets is not None
    assert np.isfinite(offsets).all()
    assert (offsets[:, 1] == offsets[:, 0].max()).all()
    assert "too few known values of b to calibrate by" in caplog.text
    assert task.offsets(scores[:3]) is None
    assert "3 windows are too few to calibrate intervals of 80 %" in caplog.text


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
