"""From a network's outputs to points, intervals and paths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lstmctl.tasks.series_baselines import ridge_baseline
from lstmctl.tasks.series_windows import windows_first
from tests.tasks.conftest import CPU, batch_of, pose, silence


@pytest.mark.parametrize("decoding", ["recursive", "encoder-decoder"])
@pytest.mark.parametrize("loss", ["gaussian", "student-t"])
def test_sample_paths_hang_together(series_config: Path, decoding: str, loss: str) -> None:
    task, corpus, model = pose(series_config, f"task.decoding={decoding}", f"task.loss={loss}")
    batch = batch_of(task, corpus).part(0, 3)
    with torch.no_grad():
        paths = task.predictor.paths(model, batch, 400, torch.Generator().manual_seed(1))
        again = task.predictor.paths(model, batch, 400, torch.Generator().manual_seed(1))
    assert paths.shape == (400, 4, 3, 2)
    assert torch.equal(paths, again)
    assert float(paths.std(0).min()) > 0
    point, intervals = task.forecasts(model, batch)
    assert intervals is not None
    inside = (paths >= intervals[..., 0, 0]) & (paths <= intervals[..., 0, 1])
    assert float(inside.float().mean()) == pytest.approx(0.8, abs=0.05)
    assert point.shape == (4, 3, 2)


def test_paths_of_a_window_do_not_depend_on_its_neighbours(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "task.decoding=recursive", "task.loss=student-t")
    batch = batch_of(task, corpus)
    together, _ = task.forecasts(model, batch.part(0, 4))
    for lane in range(4):
        alone, _ = task.forecasts(model, batch.part(lane, lane + 1))
        assert torch.allclose(alone[:, 0], together[:, lane], atol=1e-5)


def test_an_ensemble_forecasts_the_mean_of_its_members(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "model.ensemble=3")
    batch = batch_of(task, corpus)
    window, shift, scale = task.predictor.window(model, batch)
    each = [task.likelihood.point(task.likelihood.read(outputs, shift, scale)) for outputs in model(window)]
    assert len(each) == 3
    assert torch.allclose(task.forecasts(model, batch)[0], torch.stack(each).mean(0), atol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "quantile", "gaussian"])
def test_an_odd_forecaster_gives_the_mirror_of_a_windows_forecast_for_its_mirror(
    series_config: Path, loss: str
) -> None:
    task, corpus, model = pose(series_config, "task.symmetry=odd", f"task.loss={loss}")
    batch = batch_of(task, corpus)
    last = batch.input[-1:]
    mirror = replace(batch, input=2 * last - batch.input)
    (point, spans), (other, others) = (
        task.predictor.uncalibrated(model, batch),
        task.predictor.uncalibrated(model, mirror),
    )
    assert torch.allclose(point - last, last - other, atol=1e-5)
    if loss != "mse":  # the low end of one is the high end of the other
        around = last[..., None, None]
        assert torch.allclose(spans - around, around - others.flip(-1), atol=1e-5)
    plain, corpus, model = pose(series_config, f"task.loss={loss}")
    assert not torch.allclose(
        plain.predictor.uncalibrated(model, batch)[0] - last, last - plain.predictor.uncalibrated(model, mirror)[0]
    )


def test_a_ridge_regression_beside_the_network_has_its_share(series_config: Path) -> None:
    """With a network that says nothing the forecast lies between the last value and the ridge baseline's."""
    task, corpus, model = pose(series_config, "model.ridge=0.25")
    assert model.ridge is not None
    assert model.ridge.abs().max() == 0
    silence(model)
    parts = [task.part(corpus, name, CPU) for name in ("training", "validation")]
    task.prepare(model, *parts)
    batch = batch_of(task, corpus)
    fitted = ridge_baseline(parts[0], parts[1].half(0))
    assert fitted is not None
    baseline = torch.from_numpy(fitted.forecast(windows_first(batch.input))).transpose(0, 1)
    point, _ = task.predictor.uncalibrated(model, batch)
    assert torch.allclose(point, 0.75 * batch.input[-1:] + 0.25 * baseline, atol=1e-5)
    # Only the network is trained: the ridge regression does not affect its loss.
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
    _, before = quantile.predictor.uncalibrated(model, batch)
    quantile.prepare(model, *parts)
    _, after = quantile.predictor.uncalibrated(model, batch)
    width = (before[..., 1] - before[..., 0], after[..., 1] - after[..., 0])
    assert torch.allclose(*width, atol=1e-5)
    assert not torch.allclose(before, after, atol=1e-3)
