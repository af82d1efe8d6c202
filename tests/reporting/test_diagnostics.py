"""Diagnostics of forecasts: what a table, a sentence and a plot say of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from lstmctl.reporting.blocks import Table
from lstmctl.reporting.diagnostic_plots import (
    autocorrelation_plot,
    calendar_plot,
    coverage_plot,
    fans_plot,
    series_errors_plot,
)
from lstmctl.reporting.diagnostic_tables import diagnostics_in_words, skill_table
from lstmctl.reporting.drawing import Plot
from lstmctl.reporting.evaluation_page import evaluation_sections
from lstmctl.reporting.evaluation_tables import beats, by_series, evaluation_in_words
from lstmctl.reporting.stored_evaluation import StoredEvaluation, read_evaluation
from lstmctl.reporting.terminal import show
from lstmctl.results.codec import as_json, from_json
from lstmctl.results.diagnostics import Diagnostics, Skill
from lstmctl.results.evaluation import Evaluation
from tests.reporting.conftest import MakeForecast, MakeRun

HOURS = tuple(0.03 if hour == 4 else 0.09 if hour == 18 else 0.05 for hour in range(24))
FOUND = Diagnostics(
    by_phase={
        "hour": {"run": HOURS, "ridge": tuple(2 * value for value in HOURS)},
        "weekday": {"run": (0.05,) * 5 + (None, None), "ridge": (0.06,) * 5 + (None, None)},
    },
    times=("2020-01-01 00:00:00", "2020-01-03 00:00:00", "2020-01-05 00:00:00"),
    coverage={"80": (0.9, None, 0.7), "90": (0.95, None, 0.85)},
    autocorrelation=(0.02, -0.01, 0.4, 0.0),
    residuals=900,
    skill={"ridge": Skill(0.12, 0.05, 0.2, "blocks of 24 origins"), "drift": Skill(-0.01, -0.1, 0.05, "12 series")},
)


@pytest.fixture
def evaluation(stored_evaluation: dict[str, Any]) -> Evaluation:
    found = from_json(Evaluation, {"run": "runs/energy-gru-1", **stored_evaluation})
    series = {
        model: {
            f"s{number}": {"mse_scaled": bad * (1 + number), "coverage_80": 1 - number / 40, "mase": 0.5}
            for number in range(20)
        }
        for model, bad in (("run", 1.0), ("drift", 4.0), ("ridge", 1.5))
    }
    return dataclasses.replace(found, by_series=series, diagnostics=FOUND)


def test_the_worst_series_come_first_and_the_best_last(evaluation: Evaluation) -> None:
    table = by_series(evaluation)
    assert table is not None
    assert [row[0] for row in table.rows if row[0]] == ["s19", "s18", "s17", "…", "s2", "s1", "s0"]
    assert table.rows[:2] == (("s19", "run", "* 20.000", "0.5000", "0.525"), ("", "ridge", "30.000", "0.5000", "0.525"))
    assert table.notes == ("Intervals of 80 % cover from 52 % (s19) to 100 % (s0), in the median series 76 %.",)
    few = {model: {name: own[name] for name in ("s0", "s3")} for model, own in evaluation.by_series.items()}
    assert [row[0] for row in by_series(dataclasses.replace(evaluation, by_series=few)).rows if row[0]] == ["s3", "s0"]  # type: ignore[union-attr]


def test_columns_that_are_series_are_shown_once(evaluation: Evaluation) -> None:
    wide = dataclasses.replace(evaluation, by_series=evaluation.by_channel)
    assert by_series(wide) is None
    many = dataclasses.replace(evaluation, by_channel=evaluation.by_series)
    names = [table.name for table in evaluation_in_words(many) if hasattr(table, "name")]
    assert "series" in names
    assert "channels" not in names


def test_skill_and_what_stands_out_in_a_terminal(evaluation: Evaluation, new_screen: Callable[..., Any]) -> None:
    table = skill_table(evaluation)
    assert table is not None
    assert table.rows == (
        ("ridge", "12.0 %", "5.0 to 20.0 %", "ahead"),
        ("drift", "-1.0 %", "-10.0 to 5.0 %", "no difference shown"),
    )
    assert table.notes == ("The interval is a bootstrap over blocks of 24 origins, 12 series.",)
    assert diagnostics_in_words(evaluation) == [
        "By hour of the day, MSE, scaled is from 0.03 (hour 4) to 0.09 (hour 18).",
        "Intervals of 80 % cover 79 % at step 1 and 79 % at step 4.",
        "Errors one step ahead are correlated: 0.40 at a lag of 3 (95 % of white noise is within 0.07); there is "
        "structure that the forecasts miss.",
    ]
    screen = new_screen()
    tables = [block for block in evaluation_in_words(evaluation) if isinstance(block, Table)]
    show([dataclasses.replace(block, notes=()) for block in tables], stream=screen)
    assert max(map(len, screen.text.splitlines())) <= 80


def test_the_verdict_follows_the_interval_of_the_skill(evaluation: Evaluation) -> None:
    assert beats(evaluation) == (
        "No difference shown from drift (3.4317 MSE, scaled, the run 0.3690; skill -1.0 %, 95 % interval -10.0 to "
        "5.0 %): score more windows to tell them apart."
    )
    without = dataclasses.replace(evaluation, diagnostics=dataclasses.replace(FOUND, skill={"ridge": Skill(0.1)}))
    assert beats(without) == "It beats every baseline: 0.3690 MSE, scaled, the best of them 0.3985 (ridge)."


@pytest.mark.drawn
@pytest.mark.parametrize("width", [6.5, 3.6])
def test_plots_are_drawn_with_gaps_and_without_some_of_it(
    evaluation: Evaluation, make_forecast: MakeForecast, width: float
) -> None:
    plots = [
        calendar_plot(FOUND.by_phase, "mse_scaled"),
        series_errors_plot(evaluation.by_series, ["s3", "s2"], "mse_scaled"),
        coverage_plot(FOUND, evaluation.by_step["run"]),
        coverage_plot(dataclasses.replace(FOUND, times=(), coverage={"80": ()}), evaluation.by_step["run"]),
        autocorrelation_plot(FOUND),
        fans_plot([[make_forecast("a"), make_forecast("a")], [make_forecast("b", horizon=1)]]),
    ]
    for plot in plots:
        assert isinstance(plot, Plot)
        assert plot.figure(width).axes
    assert [plot.words for plot in plots if plot is not None][:3] == [
        "MSE, scaled of the run by hour of the day from 0.03 (hour 4) to 0.09 (hour 18); by day of the week from 0.05 "
        "(Mon) to 0.05 (Fri).",
        "MSE, scaled by series, from 4.000 (s3) to 3.000 (s2).",
        "Coverage of the intervals of 80 % by step from 79 % to 79 %; of 80 % over time from 70 % to 90 %; of 90 % "
        "over time from 85 % to 95 %.",
    ]


def test_there_is_no_plot_of_nothing(evaluation: Evaluation) -> None:
    empty = Diagnostics()
    assert calendar_plot({"hour": {"run": (None,) * 24}}, "mse_scaled") is None
    assert series_errors_plot(evaluation.by_series, ["s3"], "mse_scaled") is None
    assert coverage_plot(empty, evaluation.by_step["run"]) is None
    assert autocorrelation_plot(empty) is None
    assert fans_plot([[]]) is None
    nothing = dataclasses.replace(evaluation, diagnostics=empty, by_series={}, by_step={})
    assert skill_table(nothing) is None
    assert "Diagnostics" not in [
        getattr(block, "text", "") for block in evaluation_sections(StoredEvaluation(nothing, ()))
    ]


def test_diagnostics_are_kept_in_a_run_and_damaged_ones_left_out(
    make_forecast_run: MakeRun, stored_evaluation: dict[str, Any], make_forecast: MakeForecast
) -> None:
    fans = [[as_json(make_forecast("a"))], "nothing", [{"series": "b"}]]
    kept = {**stored_evaluation, "diagnostics": as_json(FOUND), "fans": fans}
    run = make_forecast_run(evaluation=kept)
    stored = read_evaluation(run)
    assert stored is not None
    assert stored.evaluation.diagnostics == FOUND
    assert [[one.series for one in windows] for windows in stored.fans] == [["a"], []]
    for damage in ({"by_phase": {"hour": {"run": [1.0]}}}, {"coverage": {"80": [0.5]}, "times": []}, {"skill": 3}, []):
        (run / "evaluation.json").write_text(json.dumps({**kept, "diagnostics": damage}))
        found = read_evaluation(run)
        assert found is not None
        assert found.evaluation.diagnostics is None
