"""Windows as training sees them: with their labels, and otherwise as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lstmctl.tasks.augmentation import augmented
from tests.tasks.conftest import batch_of, pose, silence


def test_training_mirrors_windows_with_their_labels(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "task.symmetry=odd")
    batch = batch_of(task, corpus)
    window, shift, _ = task.predictor.window(model, batch)
    torch.manual_seed(0)
    seen, target = augmented(window, batch.target, shift, task.settings, task.shorten)
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


@pytest.mark.parametrize("setting", ["task.channels=joint", "task.decoding=refined"])
def test_channels_that_are_forecast_together_are_mirrored_together(series_config: Path, setting: str) -> None:
    task, corpus, model = pose(series_config, "task.symmetry=odd", setting)
    batch = batch_of(task, corpus)
    window, shift, _ = task.predictor.window(model, batch)
    torch.manual_seed(0)
    seen, _ = augmented(window, batch.target, shift, task.settings, task.shorten)
    sign = seen.values[0] / window.values[0]
    assert set(sign.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(sign[:, 0], sign[:, 1])


def test_shortened_windows_lose_whole_segments_from_the_oldest_on(series_config: Path) -> None:
    task, corpus, model = pose(series_config, "training.shorten=0.5")
    batch = batch_of(task, corpus)
    window, shift, _ = task.predictor.window(model, batch)
    torch.manual_seed(0)
    shorter, target = augmented(window, batch.target, shift, task.settings, task.shorten)
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
