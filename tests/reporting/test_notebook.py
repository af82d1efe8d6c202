"""Results in a notebook, as HTML and as matplotlib figures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from lstmctl import registry
from lstmctl.errors import UsageError
from lstmctl.reporting.stored_evaluation import read_evaluation
from lstmctl.results import bench, comparison, evaluation, exported, forecasts, inspection, search
from lstmctl.results.comparison import Comparison, Sweep
from lstmctl.results.evaluation import Score
from lstmctl.results.forecasts import Backtest, Forecasts, SeriesForecast
from lstmctl.results.shown import Shown

pytestmark = pytest.mark.drawn

ABOUT = inspection.Subject("/runs/a-lstm-001", "lstm", "the test part")
COURSE = inspection.GradientCourse(1, "hidden", (1.0, 0.5), (0.9, 0.4), (1.1, 0.6), 0.5)
GRADIENTS = inspection.GradientFindings(ABOUT, "trained", 64, 1, None, (COURSE,))
PANEL = inspection.Panel("f", "gate", True, ((0.1, 0.2),))
GATES = inspection.GateFindings(ABOUT, 1, 1, (0,), 1, ("a", "b"), "characters", (PANEL,), (), 0, 0, "", ("A note.",))
SATURATION = inspection.Saturation("f", (0.1,), (0.9,))
MEMORY = inspection.MemoryFindings(
    ABOUT, 9, (inspection.LayerMemory(1, "f", (2.0,), (2.0, 2.0, 2.0), (SATURATION,), None),)
)
BIN = inspection.RecallBin(1, 9, 20, 0.9, 0.8, 0.95, 0.7, None, 0.2)
RECALL = inspection.RecallFindings(ABOUT, "language", ("Danish", "Dutch"), (BIN, BIN))


def shown_kinds() -> set[type]:
    return {
        kind
        for module in (bench, comparison, evaluation, exported, forecasts, inspection, search)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Shown) and kind is not Shown
    }


def test_every_result_has_a_view_and_every_view_a_result() -> None:
    assert {kind.__name__ for kind in shown_kinds()} == set(registry.VIEWS)
    for name in registry.VIEWS:
        assert callable(registry.function(name, registry.VIEWS))


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (GATES, "A note."),
        (MEMORY, "a-lstm-001: memory over 9 steps of the test part"),
        (GRADIENTS, "gradient of the loss at t by the state at t − k"),
        (RECALL, "recall of the language in the test part, of 2 candidates"),
    ],
)
def test_what_an_inspection_finds_is_a_plot_and_its_tables(result: Any, words: str) -> None:
    shown = result._repr_html_()
    assert shown.startswith('<div class="lstmctl">')
    assert shown.count("<svg") == 2
    assert words in shown
    figure = result.plot()
    assert isinstance(figure, Figure)
    assert figure.axes


def test_a_comparison_and_a_sweep_show_what_their_pages_say(make_comparison: Callable[..., Comparison]) -> None:
    comparison = make_comparison()
    shown = comparison._repr_html_()
    assert comparison.statement in shown
    assert "Every run" in shown
    assert comparison.plot("curves").axes[0].get_ylabel() == "nats per character, validation"
    assert len(comparison.plot().axes) == 1
    assert len(comparison.plot("differences").axes) == 1
    with pytest.raises(UsageError, match="`curve` is not a plot of this result; it has figures, differences, curves"):
        comparison.plot("curve")
    sweep = Sweep(comparison.path, "sea", "lstmctl compare …", "seed", (1, 2), (comparison, comparison))
    assert "rnn, lstm and gru on sea by seed" in sweep._repr_html_()
    assert sweep.plot().axes[0].get_xlabel() == "seed"


def test_an_evaluation_shows_its_verdict_tables_and_plots(tmp_path: Path, stored_evaluation: dict[str, Any]) -> None:
    (tmp_path / "evaluation.json").write_text(json.dumps(stored_evaluation))
    stored = read_evaluation(tmp_path)
    assert stored is not None
    shown = stored.evaluation._repr_html_()
    for words in ("It beats every baseline", "on test, 2,785 windows", "by step of the horizon", "by channel"):
        assert words in shown
    assert stored.evaluation.plot().axes[0].get_ylabel() == "MSE, scaled"
    bare = dataclasses.replace(stored.evaluation, by_step={})
    with pytest.raises(UsageError, match="has no plot"):
        bare.plot()


def test_forecasts_are_a_list_with_fan_charts_and_a_table(make_forecast: Callable[..., SeriesForecast]) -> None:
    forecasts = Forecasts([make_forecast(), make_forecast("LULL", intervals={})])
    assert forecasts[0].series == "OT"
    shown = forecasts._repr_html_()
    assert "<td>OT</td><td>2018-06-28 12:00:00</td>" in shown
    assert ">low of 80 %</th>" in shown
    assert len(forecasts.plot().axes) == 2
    assert Forecasts()._repr_html_().count("<svg") == 0
    backtest = Backtest("a", "test", 2, 4, False, {"adaptive": Score({"mae": 0.5}, 8)}, (), tuple(forecasts))
    assert "a on test: 2 origins, 4 rows between, one network" in backtest._repr_html_()


def test_a_name_that_is_in_no_table_is_an_error_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="`gate` is not known; use one of gates, memory, gradients, recall"):
        registry.function("gate", registry.INSPECTIONS)
