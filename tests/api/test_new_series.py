"""Forecasts of series that a run was not trained on."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from lstmctl import Run
from lstmctl.errors import DataError
from tests.conftest import Trained

START = np.datetime64("2020-01-01T00:00:00")
HEADER = "unique_id,ds,y"


def lines(name: str, size: float = 1.0, level: float = 0.0, rows: int = 200, seed: int = 1) -> list[str]:
    draw = np.random.default_rng(seed)
    values = 5 + np.sin(2 * np.pi * np.arange(rows) / 6) + draw.normal(0, 0.2, rows)
    return [
        f"{name},{START + np.timedelta64(row, 'h')},{level + size * value:.12g}" for row, value in enumerate(values)
    ]


def write(path: str, *series: list[str]) -> str:
    Path(path).write_text("\n".join([HEADER, *(line for own in series for line in own)]) + "\n")
    return path


@pytest.fixture
def run(series_config: Path, trained: Trained) -> Run:
    """Trained on two series of very different length and scale."""
    folder = series_config.parent
    write(str(folder / "small.csv"), lines("a"), lines("b", 1e4, 300, rows=90, seed=2))
    text = series_config.read_text().replace("[0.6, 0.2, 0.2]", "[rest, 12 rows, 12 rows]")
    series_config.write_text(text.replace("mse}", "quantile, calibration: shared}").replace("40 steps", "120 steps"))
    return trained(str(series_config))


def test_a_new_series_is_scaled_by_its_own_rows(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        small, large = run.forecast(write("new.csv", lines("x", seed=7), lines("y", 1e5, -3e5, seed=7)))
    assert (small.series, large.series) == ("x", "y")
    assert caplog.messages == [
        "2 of 2 series are new to the run: `x`, `y`; scaled by all rows given here, with the intervals of all series "
        "together"
    ]
    assert large.point == pytest.approx(1e5 * np.array(small.point) - 3e5, rel=1e-4)
    for low, high in zip(small.intervals[80], large.intervals[80], strict=True):
        assert high == pytest.approx(1e5 * np.array(low) - 3e5, rel=1e-4)
    # The network has learned the wave from other series.
    wave = 5 + np.sin(2 * np.pi * np.arange(200, 204) / 6)
    assert small.point == pytest.approx(wave, abs=0.5)


def test_known_series_beside_it_are_forecast_as_before(run: Run) -> None:
    known = lines("b", 1e4, 300, rows=95, seed=2)
    (alone,) = run.forecast(write("known.csv", known))
    beside, new = run.forecast(write("both.csv", known, lines("x", 3.0)))
    assert beside.point == pytest.approx(alone.point, rel=1e-5)
    assert beside.intervals[80][0] == pytest.approx(alone.intervals[80][0], rel=1e-5)
    assert new.series == "x"
    for one in run.forecast("both.csv", intervals="adaptive"):
        low, high = one.intervals[80]
        assert all(np.isfinite([*low, *high]))
        assert all(np.array(low) <= np.array(high))
    (adaptive,) = run.forecast("known.csv", intervals="adaptive")
    found = run.forecast("both.csv", intervals="adaptive")[0]
    assert found.intervals[80][1] == pytest.approx(adaptive.intervals[80][1], rel=1e-5)


def test_a_new_series_has_the_widths_of_the_pool(run: Run) -> None:
    task = run.task
    pool = task.calibration.pool
    newer, corpus = task.read_to_forecast(write("new.csv", lines("x")))
    assert newer.encoding.channels == ("a", "b", "x")
    assert newer.calibration.by_series[2].tolist() == pool.tolist()
    assert newer.calibration.by_series[:2].tolist() == task.calibration.by_series.tolist()
    values = corpus.table.targets[:, 0]
    assert newer.encoding.centre[2, 0] == pytest.approx(values.mean())
    assert newer.encoding.spread[2, 0] == pytest.approx(values.std())
    assert len(task.encoding.ids) == 2


def test_its_scores_would_be_scaled_by_what_is_scored(run: Run) -> None:
    with pytest.raises(DataError, match="series `x` is unknown to the run") as error:
        run.evaluate(file=write("new.csv", lines("x")))
    assert "`forecast` takes new series too" in str(error.value.hint)


def test_a_constant_or_short_new_series(run: Run) -> None:
    flat = [f"x,{START + np.timedelta64(row, 'h')},7" for row in range(60)]
    short = lines("z", rows=5)
    found = {one.series: one for one in run.forecast(write("new.csv", flat, short, lines("y")))}
    assert found["x"].point == pytest.approx([7] * 4, abs=2)
    assert np.isfinite(found["z"].point).all()
    with pytest.raises(DataError, match="has 5 rows"):
        run.forecast(write("new.csv", short))


@pytest.mark.parametrize("transform", ["log", "box-cox"])
def test_a_new_series_is_transformed_too(series_config: Path, trained: Trained, transform: str) -> None:
    write(str(series_config.parent / "small.csv"), lines("a"), lines("b", 10, seed=3))
    series_config.write_text(series_config.read_text().replace("split:", f"transform: {transform}, split:"))
    run = trained(str(series_config))
    small, large = run.forecast(write("new.csv", lines("x", seed=7), lines("y", 1e5, seed=7)))
    assert large.point == pytest.approx(1e5 * np.array(small.point), rel=1e-3 if transform == "log" else 0.1)
    with pytest.raises(DataError, match=r"line 2, column `y`: series `x`: -\d.*data\.transform"):
        run.forecast(write("new.csv", lines("x", -1.0)))
