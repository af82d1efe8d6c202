"""Forecasts are scored on observed values, and no series affects the scores of another."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars
import pytest

from lstmctl.api import Run, train
from lstmctl.tasks.forecast import Forecast
from tests.conftest import Command

QUICK = ["training.budget=40 steps"]
ROWS = 300


def long_table(path: Path, **extra: list[float]) -> None:
    """Three ordinary hourly series around 30, and others that end at the same time."""
    draw = random.Random(4)
    ordinary = {
        name: [30 + 3 * math.sin(2 * math.pi * row / 6) + draw.gauss(0, 0.5) for row in range(ROWS)] for name in "abc"
    }
    start = np.datetime64("2020-01-01T00:00:00")
    lines = ["unique_id,ds,y"]
    for name, values in (ordinary | extra).items():
        first = ROWS - len(values)
        lines += [f"{name},{start + np.timedelta64(first + row, 'h')},{value:.5f}" for row, value in enumerate(values)]
    path.write_text("\n".join(lines) + "\n")


def wakes(level: float) -> list[float]:
    """0 in all training rows, then about `level`."""
    draw = random.Random(5)
    return [0.0] * 200 + [level + draw.gauss(0, 20) for _ in range(100)]


def blips(level: float) -> list[float]:
    """0 in all training rows but one, then about `level`."""
    return [0.0] * 50 + [1.0] + wakes(level)[51:]


def hums(level: float) -> list[float]:
    """Noise around 0 in all training rows, a thousandth of 1 in size, then about `level`."""
    draw = random.Random(8)
    return [value + draw.gauss(0, 1e-3) for value in wakes(level)]


LATE = {"wakes": wakes(6000), "blips": blips(6000), "hums": hums(6000), "arrives": wakes(6000)[-118:]}


def weights(run: Run) -> dict[str, list[float]]:
    return {name: value.flatten().tolist() for name, value in run.model.state_dict().items()}


def offsets(run: Run) -> object:
    return json.loads((run.path / "calibration.json").read_text())["offsets"]


@pytest.mark.parametrize(
    ("late", "ridge"),
    [("wakes", "0"), ("wakes", "0.5"), ("arrives", "0"), ("arrives", "0.5"), ("blips", "0"), ("hums", "0")],
)
def test_a_series_without_a_scale_changes_no_other_by_a_bit(
    series_config: Path, tmp_path: Path, late: str, ridge: str
) -> None:
    """The additional series is 0, or nearly, in its training rows, or has none: weights and intervals match those of a
    table without it."""
    split = 'data.split=["2020-01-08T12:00", "2020-01-10"]'
    settings = [*QUICK, split, "task.loss=quantile", f"model.ridge={ridge}"]
    long_table(tmp_path / "small.csv")
    alone = train(series_config, settings)
    before, own = alone.backtest().forecasts, alone.evaluate("test")
    long_table(tmp_path / "small.csv", d=LATE[late])
    beside = train(series_config, settings)
    if ridge == "0":  # the regression's sums are rounded otherwise in a longer table
        assert weights(alone) == weights(beside)
        assert offsets(alone) == offsets(beside)
    for mine, theirs in zip(before, beside.backtest().forecasts, strict=False):
        assert (mine.series, mine.times) == (theirs.series, theirs.times)
        assert mine.point == pytest.approx(theirs.point, abs=1e-3)
        assert mine.intervals[80][0] == pytest.approx(theirs.intervals[80][0], abs=1e-3)
    others = beside.evaluate("test")
    for name in ("mse_scaled", "pinball_scaled", "width_scaled_80", "mase"):
        assert own.metrics[name] == pytest.approx(others.metrics[name], rel=1e-4)
        assert own.baselines["ridge"][name] == pytest.approx(others.baselines["ridge"][name], rel=1e-3)
    assert others.notes[0].endswith(
        "of series without a scale in their training rows (`d`); they are left out of the scaled metrics."
    )
    assert "`d` has no scale in the training rows" in " ".join(beside.info["data"]["notes"])


@pytest.mark.parametrize("late", [wakes, blips])
def test_what_a_series_without_a_scale_does_later_moves_nothing(
    series_config: Path, tmp_path: Path, late: Callable[[float], list[float]]
) -> None:
    found = []
    for level in (0, 10, 6e5):
        long_table(tmp_path / "small.csv", d=late(level))
        run = train(series_config, QUICK)
        found.append((weights(run), offsets(run), run.metrics["validation"]["mse_scaled"]))  # type: ignore[index]
    assert found[0] == found[1] == found[2]


def test_a_series_without_a_scale_is_forecast_in_its_own_size(series_config: Path, tmp_path: Path) -> None:
    long_table(tmp_path / "small.csv", d=wakes(6000))
    run = train(series_config, QUICK)
    forecast = run.forecast()[-1]
    assert forecast.series == "d"
    assert all(5800 < value < 6200 for value in forecast.point)
    low, high = forecast.intervals[80]
    assert all(10 < top - bottom < 200 for bottom, top in zip(low, high, strict=True))
    scores = run.backtest().scores
    assert 0.5 < scores["adaptive"].metrics["coverage_80"] < 1


def test_a_column_without_a_scale_chooses_no_weights(series_config: Path, tmp_path: Path) -> None:
    """Of a wide table: whatever the column does after its training rows, the other one is forecast the same."""
    path = tmp_path / "small.csv"
    table = polars.read_csv(path)
    found = []
    for level in (0, 6e5):
        late = [0.0] * 240 + [level + row % 5 for row in range(160)]
        table.with_columns(polars.Series("b", late)).write_csv(path)
        run = train(series_config, [*QUICK, "model.ridge=0.3"])
        assert isinstance(run.task, Forecast)
        assert run.task.encoding.without_scale == ("b",)
        own = [one.point for one in run.backtest().forecasts if one.series == "a"]
        found.append((weights(run), run.metrics["validation"]["mse_scaled"], own))  # type: ignore[index]
    assert found[0] == found[1]


def test_a_covariate_without_a_scale_moves_no_forecast(series_config: Path, tmp_path: Path) -> None:
    """It is 0 in its training rows, and 6,000 in the rows from which forecasts are made."""
    path = tmp_path / "small.csv"
    table = polars.read_csv(path)
    found = []
    for level in (0.0, 6000.0):
        late = polars.Series([0.0] * 250 + [level] * 150)
        table.with_columns(past=late, known=late).write_csv(path)
        uses = ["data.targets=[a,b]", "data.past=[past]", "data.known=[known]"]
        run = train(series_config, [*QUICK, *uses])
        note = "`past`, `known` have no scale in the training rows: they are left out of what the network sees"
        assert note in run.info["data"]["notes"]
        found.append((weights(run), offsets(run), [one.point for one in run.backtest().forecasts]))
    assert found[0] == found[1]


def holed(path: Path, share: float, missing_rows: bool) -> None:
    table = polars.read_csv(path)
    draw = np.random.default_rng(6)
    keep = draw.random(len(table)) >= share
    keep[[0, len(table) - 1]] = True
    if missing_rows:
        table.filter(polars.Series(keep)).write_csv(path)
        return
    values = [value if kept else None for value, kept in zip(table["a"].to_list(), keep, strict=True)]
    table.with_columns(polars.Series("a", values, dtype=polars.Float64)).write_csv(path)


@pytest.mark.parametrize("missing_rows", [False, True])
@pytest.mark.parametrize("missing", ["forward-fill", "interpolate"])
def test_filled_values_are_not_scored(
    series_config: Path, tmp_path: Path, missing: str, missing_rows: bool, lstmctl: Command
) -> None:
    """The metrics cover the observed values, and are recomputed from the forecasts and the table."""
    holed(tmp_path / "small.csv", 0.4, missing_rows)
    observed = {
        str(date).replace("T", " "): value
        for date, value in polars.read_csv(tmp_path / "small.csv")[["date", "a"]].rows()
        if value is not None
    }
    run = train(series_config, [*QUICK, f"data.missing={missing}"])
    result = run.backtest(stride=1)
    errors, inside, filled = [], [], 0
    for one in result.forecasts:
        if one.series != "a":
            continue
        low, high = one.intervals[80]
        for time, point, bottom, top, actual in zip(one.times, one.point, low, high, one.actual, strict=True):
            value = observed.get(time)
            assert actual == (None if value is None else pytest.approx(value))
            if value is None:
                filled += 1
            else:
                errors.append(abs(value - point))
                inside.append(bottom <= value <= top)
    evaluation = run.evaluate("test")
    assert filled > 50
    assert evaluation.by_channel["run"]["a"]["mae"] == pytest.approx(float(np.mean(errors)), rel=1e-4)
    assert result.scores["adaptive"].by_channel["a"]["coverage_80"] == pytest.approx(float(np.mean(inside)))
    whole = 77 * 4 * 2
    left_out = 2 * filled if missing_rows else filled
    said = f"{left_out:,} of {whole:,} values are missing in the table (data.missing={missing}) and are not scored."
    assert said in evaluation.notes
    assert said in result.notes
    assert said in lstmctl("evaluate", run.name, "--split", "test").out


def test_last_values_are_scored_on_what_was_observed(series_config: Path, tmp_path: Path) -> None:
    """With forward-fill a last-value forecast would be right wherever the table has a hole."""
    holed(tmp_path / "small.csv", 0.4, missing_rows=False)
    filled = train(series_config, [*QUICK, "data.missing=forward-fill"]).evaluate("test")
    masked = train(series_config, [*QUICK, "data.missing=mask"]).evaluate("test")
    for name in ("mae", "mase", "smape"):
        for baseline in ("last value", "seasonal naive"):
            assert filled.by_channel[baseline]["a"][name] == pytest.approx(masked.by_channel[baseline]["a"][name])


def test_a_part_of_filled_values_alone_is_refused(series_config: Path, tmp_path: Path) -> None:
    from lstmctl.errors import DataError

    table = polars.read_csv(tmp_path / "small.csv").drop("b")
    values = [None if 320 <= row < 399 else value for row, value in enumerate(table["a"].to_list())]
    table.with_columns(polars.Series("a", values)).write_csv(tmp_path / "small.csv")
    train(series_config, [*QUICK, "data.missing=forward-fill"])
    with pytest.raises(DataError, match="no value of a is known in the validation part"):
        train(series_config, [*QUICK, "data.missing=forward-fill", "data.split=[320, 40, 40]"])


def test_series_are_cut_at_the_same_dates_and_an_older_run_keeps_its_parts(
    series_config: Path, tmp_path: Path, lstmctl: Command
) -> None:
    long_table(tmp_path / "small.csv", d=[30 + row % 6 for row in range(150)])
    by_dates = train(series_config, QUICK)
    by_series = train(series_config, [*QUICK, "data.split_by=series"])
    assert by_dates.info["data"]["parts"] != by_series.info["data"]["parts"]
    said = "validation rows are in or after the test period of another series"
    assert any(said in note for note in by_series.evaluate("test").notes)
    assert not any(said in note for note in by_dates.evaluate("test").notes)
    assert said in lstmctl("train", str(series_config), *QUICK, "data.split_by=series").err
    # A run of before the key has every other one in its config.
    config = by_series.folder.config_path()
    config.write_text("".join(line for line in config.read_text().splitlines(keepends=True) if "split_by" not in line))
    older = Run(by_series.folder)
    assert older.settings == by_series.settings
    assert older.evaluate("test").metrics == by_series.evaluate("test").metrics
