"""Rows that calibrate intervals, and their effect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl.scoring import total
from lstmctl.tasks.interval_calibration import calibrated_offsets
from lstmctl.tasks.series_windows import SeriesPart
from tests.tasks.conftest import CPU, pose, silence


def test_the_halves_of_the_validation_part_choose_and_calibrate(series_config: Path) -> None:
    """The second half of the validation part affects no selection, and the first half no interval."""
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


def test_a_channel_that_nothing_calibrates_takes_the_widest_of_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scores = np.abs(np.random.default_rng(0).normal(size=(50, 4, 2, 1)))
    scores[:, :, 1] = np.nan
    offsets = calibrated_offsets(scores, (80,), ("a", "b"))
    assert offsets is not None
    assert np.isfinite(offsets).all()
    assert (offsets[:, 1] == offsets[:, 0].max()).all()
    assert "too few known values of b to calibrate by" in caplog.text
    assert calibrated_offsets(scores[:3], (80,), ("a", "b")) is None  # `b` has none at all
    assert "3 windows are too few to calibrate intervals of 80 %" in caplog.text


def test_few_windows_calibrate_all_steps_together() -> None:
    scores = np.abs(np.random.default_rng(0).normal(size=(3, 4, 1, 1)))
    offsets = calibrated_offsets(scores, (80,), ("a",))
    assert offsets is not None
    assert offsets.shape == (4, 1, 1)
    assert (offsets == np.sort(scores.ravel())[10]).all()  # of 12 scores the ceil(13 · 0.8) = 11th
