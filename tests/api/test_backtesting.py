"""Backtests: what their intervals may know, and what their scores must admit."""

from __future__ import annotations

import datetime
import json
import math
import random
from pathlib import Path

import numpy as np
import polars
import pytest

from lstmctl.api import train
from lstmctl.data.forecast_table import write_forecast_table
from lstmctl.errors import UsageError
from lstmctl.results.forecasts import Backtest, SeriesForecast
from tests.conftest import Command, Trained

QUICK = ["training.budget=20 steps"]
MASK = [*QUICK, "data.missing=mask"]


def rewritten(path: Path, column: str, values: dict[int, float | None]) -> None:
    """Replace some rows of one column; None leaves its cell empty."""
    table = polars.read_csv(path)
    cells = table[column].to_list()
    for row, value in values.items():
        cells[row] = value
    table.with_columns(polars.Series(column, cells, dtype=polars.Float64)).write_csv(path)


def intervals(result: Backtest, series: str, count: int) -> list[dict[int, object]]:
    return [dict(one.intervals) for one in result.forecasts if one.series == series][:count]


def test_intervals_of_a_column_unknown_in_calibration_rows_see_nothing_later(
    series_config: Path, tmp_path: Path
) -> None:
    """Column `b` has no value in the rows that calibrate; the truths of the last test rows, made wild, move no interval
    that was given before them."""
    path = tmp_path / "small.csv"
    rewritten(path, "b", dict.fromkeys(range(280, 320)))
    run = train(series_config, MASK)
    before = run.backtest(stride=1)
    draw = np.random.default_rng(2)
    rewritten(path, "b", {row: float(draw.normal(0, 500)) for row in range(324, 400)})
    again = train(series_config, MASK)
    after = again.backtest(stride=1)
    assert run.metrics["validation"] == again.metrics["validation"]
    assert intervals(before, "b", 5) == intervals(after, "b", 5)
    assert intervals(before, "b", 20) != intervals(after, "b", 20)


def test_a_column_unknown_in_calibration_rows_begins_with_their_widest_offset(
    series_config: Path, tmp_path: Path
) -> None:
    rewritten(tmp_path / "small.csv", "b", dict.fromkeys(range(280, 320)))
    run = train(series_config, MASK)
    first = {one.series: one for one in run.backtest(stride=1).forecasts[:2]}
    spread = dict(zip(("a", "b"), run.task.encoding.spread[0], strict=True))  # type: ignore[attr-defined]

    def widths(series: str) -> list[float]:
        low, high = first[series].intervals[80]
        return [(top - bottom) / spread[series] for bottom, top in zip(low, high, strict=True)]

    assert widths("b") == pytest.approx([max(widths("a"))] * 4, rel=1e-5)


def test_without_known_scores_there_is_no_interval(series_config: Path, tmp_path: Path) -> None:
    """Nothing is known in the half of the validation part that calibrates; step h comes true h + 1 rows later."""
    for column in ("a", "b"):
        rewritten(tmp_path / "small.csv", column, dict.fromkeys(range(240, 280)))
    result = train(series_config, [*MASK, "task.calibration=shared"]).backtest(split="validation", stride=1)
    lows = [dict(one.intervals)[80][0] for one in result.forecasts if one.series == "a"]
    assert lows[0] == (-math.inf,) * 4
    assert all(map(math.isfinite, lows[1]))
    scores = result.scores["adaptive"]
    assert 0 < scores.metrics["coverage_80"] <= 1
    assert math.isfinite(scores.metrics["width_80"])
    assert not set(result.scores["calibrated"].metrics) & {"coverage_80", "width_80", "pinball"}


def test_an_interval_that_does_not_exist_is_empty_in_the_table(tmp_path: Path) -> None:
    none, some = (-math.inf, 1.0), (math.inf, 2.0)
    forecast = SeriesForecast("a", ("2020-01-01", "2020-01-02"), (0.5, 1.5), {80: (none, some)})
    write_forecast_table(tmp_path / "a.csv", [forecast], "gru")
    assert (tmp_path / "a.csv").read_text().splitlines()[1:] == ["a,2020-01-01,0.5,,", "a,2020-01-02,1.5,1.0,2.0"]


@pytest.mark.parametrize("calibration", ["shared", "none"])
def test_a_backtest_of_rows_that_chose_the_weights_says_so(
    trained: Trained, lstmctl: Command, calibration: str
) -> None:
    run = trained("waves", *QUICK, f"task.calibration={calibration}", "task.loss=quantile")
    said = (
        f"The rows forecast here also chose the weights: task.calibration={calibration} uses all of the validation "
        "part for this. Scores on new rows will be worse."
    )
    assert run.backtest(split="validation").notes == (said,)
    assert run.backtest(split="test").notes == ()
    shown = lstmctl("backtest", run.name, "--split", "validation")
    assert said in shown.out
    told = json.loads(lstmctl("backtest", run.name, "--split", "validation", "--json").out)
    assert told["notes"] == [said]


def test_a_backtest_of_rows_kept_for_calibration_has_nothing_to_admit(trained: Trained) -> None:
    assert trained("waves", *QUICK).backtest(split="validation").notes == ()


def test_a_backtest_names_every_choice_its_rows_made(trained: Trained) -> None:
    run = trained("waves", *QUICK, "task.calibration=shared", "model.ridge=0.5", "training.patience=50")
    made = "chose the weights and decided when training stopped and chose the ridge regression in the forecast"
    assert made in run.backtest(split="validation").notes[0]


def write_two_series(path: Path, *, dated: bool, wild: dict[str, int]) -> None:
    """`a` has 100 rows and `b` 80, from day 10 on; the values of a series are random from its row in `wild` on."""
    draw, lines = random.Random(3), ["unique_id,ds,y"]
    for name, rows, first in (("a", 100, 0), ("b", 80, 10)):
        for row in range(rows):
            value = 10 + 3 * math.sin(row) + draw.gauss(0, 0.1)
            if row >= wild.get(name, rows):
                value = random.Random(row).gauss(0, 500)
            day = datetime.date(2020, 1, 1) + datetime.timedelta(days=first + row)
            lines.append(f"{name},{day if dated else row},{value:.6f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("dated", "wild", "same"),
    [
        # Day 92 is row 92 of `a`, where the first of its two origins is, and past the end of `b`.
        (True, {"a": 92}, {("a", "2020-04-01"), ("b", "2020-03-22"), ("b", "2020-03-26")}),
        # Without dates, the same number of rows is left of each series.
        (False, {"a": 92, "b": 72}, {("a", "91"), ("b", "71")}),
    ],
)
def test_a_new_network_for_several_series_knows_no_later_row(
    series_config: Path, tmp_path: Path, dated: bool, wild: dict[str, int], same: set[tuple[str, str]]
) -> None:
    settings = [*QUICK, "data.series=two.csv", "task.lookback=8", "task.horizon=4", "task.calibration=shared"]
    found = []
    for later in ({}, wild):
        write_two_series(tmp_path / "two.csv", dated=dated, wild=later)
        result = train(series_config, settings).backtest(windows=2, refit=True)
        assert result.origins == 2
        assert [one.series for one in result.forecasts] == ["a", "a", "b", "b"]
        keys = zip((one.series for one in result.forecasts), result.cutoffs, strict=True)
        found.append(dict(zip(keys, (one.point for one in result.forecasts), strict=True)))
    before, after = found
    assert before.keys() == after.keys()
    assert {key for key, points in before.items() if after[key] == points} == same


def test_new_networks_need_rows_to_train_on(series_config: Path, tmp_path: Path) -> None:
    write_two_series(tmp_path / "two.csv", dated=False, wild={})
    spans = ["task.lookback=2", "task.horizon=2", "task.calibration=shared"]
    run = train(series_config, [*QUICK, "data.series=two.csv", *spans, "data.split=[rest, 70 rows]"])
    with pytest.raises(UsageError) as caught:
        run.backtest(split="validation", refit=True, stride=6)
    assert str(caught.value) == "--refit leaves no training rows before row 68 of a: the 70 before it select weights"


def test_intervals_that_could_not_be_calibrated_are_not_left_out_in_silence(
    series_config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Few windows calibrate all steps together, but `b` has no known value in them."""
    lines = (tmp_path / "small.csv").read_text().splitlines()
    unknown = [f"{line.rpartition(',')[0]}," if 300 < row <= 306 else line for row, line in enumerate(lines)]
    (tmp_path / "small.csv").write_text("\n".join(unknown) + "\n")
    short = ["data.split=[300, 6, 20]", "data.missing=mask", "task.calibration=shared", "task.levels=[80, 90]"]
    run = train(series_config, [*QUICK, *short])
    assert "3 windows are too few to calibrate intervals of 90 %" in caplog.text
    evaluation = run.evaluate()
    assert "coverage_80" not in evaluation.metrics
    assert evaluation.notes[0] == (
        "No intervals: the validation part has too few windows for 90 %; use a larger "
        "validation part in data.split, or a lower level."
    )
    assert run.backtest().notes == (
        "The run has no calibrated intervals to score: its calibration rows contain too few windows.",
    )
