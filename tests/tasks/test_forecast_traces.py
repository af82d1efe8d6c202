"""Diagnostics of forecasts whose errors are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl.results.evaluation import Score
from lstmctl.tasks.series_windows import windows_first
from tests.tasks.conftest import CPU, pose


def scored(config: Path, *settings: str, error: float = 0.0, hour: int = 5) -> Score:
    """Score forecasts that are right but for an error in the rows of one hour of the day."""
    task, corpus, _ = pose(config, *settings)
    part = task.part(corpus, "test", CPU)

    def forecasts() -> object:
        for batch in part.scored():
            assert batch.origins is not None
            rows = batch.origins[:, None] + torch.arange(4)
            there = corpus.table.times[rows.numpy()] % 86_400_000_000 == hour * 3_600_000_000
            point = windows_first(batch.target) + error * there[:, :, None]
            ends = np.stack([point - 0.5, point + 0.5], axis=-1)[..., None, :]
            yield batch, point, ends

    return task._scored(forecasts(), part, residuals=True)  # type: ignore[arg-type]


def test_an_error_at_one_hour_is_found_there(series_config: Path) -> None:
    """The part lasts for three days, so there are no days of the week."""
    found = scored(series_config, error=2.0).traces
    assert found is not None
    assert set(found.by_phase) == {"hour"}
    hours = found.by_phase["hour"]
    assert hours[5] == pytest.approx(4, rel=1e-5)
    assert max(value for place, value in enumerate(hours) if place != 5 and value is not None) < 1e-10
    longer = scored(series_config, "data.split=[100, 20, 280]").traces
    assert longer is not None
    assert set(longer.by_phase) == {"hour", "weekday"}
    assert len(longer.by_phase["weekday"]) == 7


def test_coverage_over_time_and_overall_agree(series_config: Path) -> None:
    """Of 80 test rows, 77 windows of four rows each; the error is outside the interval."""
    score = scored(series_config, error=2.0)
    assert score.traces is not None
    shares = score.traces.coverage["80"]
    assert len(shares) == len(score.traces.times) == 20
    assert score.traces.times[0] == "2020-01-14 08:00:00"
    assert None not in shares
    # Of each four windows that reach the hour, one has it in each stretch.
    assert min(share for share in shares if share is not None) == 0.75
    assert max(share for share in shares if share is not None) == 1
    assert score.metrics["coverage_80"] == pytest.approx(1 - 1 / 24, abs=0.01)


def test_errors_that_return_every_day_are_correlated_at_that_lag(series_config: Path) -> None:
    score = scored(series_config, "task.season=12", error=2.0)
    assert score.traces is not None
    values = score.traces.autocorrelation
    assert len(values) == 24
    assert score.traces.residuals == 2 * 77
    assert max(range(24), key=lambda lag: values[lag]) == 23
    errors = np.zeros(77)
    errors[[row for row in range(77) if (8 + row) % 24 == 5]] = 2
    deviation = errors - errors.mean()
    for lag in (1, 7, 24):
        expected = (deviation[lag:] * deviation[:-lag]).sum() / (deviation**2).sum()
        assert values[lag - 1] == pytest.approx(expected, abs=1e-6)


def test_numbered_rows_have_no_calendar(series_config: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    lines = path.read_text().splitlines()
    rows = [f"{row},{line.partition(',')[2]}" for row, line in enumerate(lines[1:])]
    path.write_text("\n".join(["row,a,b", *rows]) + "\n")
    score = scored(series_config, "data.time=row")
    assert score.traces is not None
    assert score.traces.by_phase == {}
    assert score.traces.times[0] == "320"
