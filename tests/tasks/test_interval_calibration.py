"""Rows that calibrate intervals, and their effect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl.data.series_encoding import SeriesEncoding
from lstmctl.scoring import total
from lstmctl.tasks.interval_calibration import calibrated
from lstmctl.tasks.series_windows import SeriesPart
from tests.tasks.conftest import CPU, pose, silence


def test_the_halves_of_the_validation_part_choose_and_calibrate(series_config: Path) -> None:
    """The second half of the validation part affects no selection, and the first half no interval."""
    task, corpus, model = pose(series_config)
    silence(model)
    part = task.part(corpus, "validation", CPU)
    choosing = task.metrics(total(model, task, task.progress(part)))["mse_scaled"]
    task.calibrate_on(model, part)
    assert task.calibration is not None
    offsets = task.calibration.by_series
    values = part.values.clone()
    values[240:276] += torch.randn(36, 2)  # the last four rows of the first half are inputs of the second
    moved = SeriesPart(**{**vars(part), "values": values})
    assert task.metrics(total(model, task, task.progress(moved)))["mse_scaled"] != choosing
    rows = part.half(1).rows[0].tolist()
    assert rows == [280, 320]
    first = values.clone()
    first[: 280 - 12] += 1.0
    task.calibrate_on(model, SeriesPart(**{**vars(part), "values": first}))
    assert np.array_equal(task.calibration.by_series, offsets)
    second = part.values.clone()
    second[290:] += torch.randn(len(second) - 290, 2)
    changed = SeriesPart(**{**vars(part), "values": second})
    assert task.metrics(total(model, task, task.progress(changed)))["mse_scaled"] == choosing
    task.calibrate_on(model, changed)
    assert not np.array_equal(task.calibration.by_series, offsets)


def test_calibrated_intervals_cover_what_calibrated_them(series_config: Path) -> None:
    for loss in ("mse", "quantile", "gaussian"):
        task, corpus, model = pose(series_config, f"task.loss={loss}", "task.calibration=shared")
        part = task.part(corpus, "validation", CPU)
        kept = task.calibrate_on(model, part)
        assert kept is not None
        assert kept["windows"] == len(part) == 77
        coverage = task.evaluate(model, part).metrics["coverage_80"]
        # Of 77 scores at each step the 63rd: 0.818, and at most one more where two are equal.
        assert 0.80 <= coverage <= 0.84


def test_stored_offsets_are_not_below_the_scores_they_come_from(series_config: Path) -> None:
    """A value at the end of an interval stays inside after rounding, as do whole numbers."""
    encoding = pose(series_config)[0].encoding
    scores = np.repeat([1 / 3, 2 / 3, 5.0, 123.0, 1e-9 / 3], 10).reshape(50, 1, 1, 1) * np.ones((1, 4, 2, 1))
    for level, exact in ((10, 1e-9 / 3), (30, 1 / 3), (50, 2 / 3), (70, 5.0), (90, 123.0)):
        found = calibrated(scores, np.zeros(50, np.int64), (level,), encoding)
        assert found is not None
        assert exact <= found.pool[0, 0, 0] <= exact * (1 + 1e-6)
        if exact > 1:
            assert found.pool[0, 0, 0] == exact


def long_encoding(series_config: Path, tmp_path: Path) -> SeriesEncoding:
    """The encoding of the same table with a column that names the only series."""
    lines = (tmp_path / "small.csv").read_text().splitlines()
    (tmp_path / "small.csv").write_text("\n".join([f"id,{lines[0]}", *(f"x,{line}" for line in lines[1:])]) + "\n")
    encoding: SeriesEncoding = pose(series_config, "data.id=id")[0].encoding
    return encoding


def test_a_target_that_nothing_calibrates_takes_the_widest_of_the_others(
    series_config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In a long table, whose targets are different quantities; the columns of a wide one are series of one pool."""
    scores = np.abs(np.random.default_rng(0).normal(size=(50, 4, 2, 1)))
    scores[:, :, 1] = np.nan
    series = np.zeros(50, np.int64)
    wide = pose(series_config)[0].encoding
    found = calibrated(scores, series, (80,), wide)
    assert found is not None
    assert np.array_equal(found.by_series[0, :, 1], found.pool[:, 0])
    assert found.windows.tolist() == [[50, 0]]
    long = long_encoding(series_config, tmp_path)
    found = calibrated(scores, series, (80,), long)
    assert found is not None
    assert np.isfinite(found.by_series).all()
    assert (found.by_series[0, :, 1] == found.pool[:, 0].max()).all()
    assert "too few known values of b to calibrate by" in caplog.text
    assert calibrated(scores[:3], series[:3], (80,), long) is None
    assert "3 windows are too few to calibrate intervals of 80 %" in caplog.text


def test_few_windows_calibrate_all_steps_together(series_config: Path, tmp_path: Path) -> None:
    scores = np.abs(np.random.default_rng(0).normal(size=(3, 4, 2, 1)))
    found = calibrated(scores, np.zeros(3, np.int64), (80,), long_encoding(series_config, tmp_path))
    assert found is not None
    for target in range(2):
        # Of 12 scores the ceil(13 · 0.8) = 11th.
        assert found.pool[:, target] == pytest.approx(np.sort(scores[:, :, target].ravel())[10])
    assert np.array_equal(found.by_series[0], found.pool)
