"""`evaluation.json` as read for a report: all of it, or the valid part."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmctl.reporting.stored_evaluation import read_evaluation
from lstmctl.results.forecasts import SeriesForecast

MakeForecast = Callable[..., SeriesForecast]
Stored = dict[str, Any]


def read(folder: Path, content: object) -> Any:
    (folder / "evaluation.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return read_evaluation(folder)


def test_everything_is_read(tmp_path: Path, stored_evaluation: Stored, make_forecast: MakeForecast) -> None:
    stored = read(tmp_path, stored_evaluation)
    assert stored.evaluation.primary == "mse_scaled"
    assert stored.examples == (make_forecast("HUFL"), make_forecast("OT"))
    evaluation = stored.evaluation
    assert (evaluation.split, evaluation.windows) == ("test", 2785)
    assert evaluation.metrics == stored_evaluation["metrics"]
    assert evaluation.baselines == stored_evaluation["baselines"]
    assert evaluation.by_channel == stored_evaluation["by_channel"]
    assert evaluation.by_step["ridge"] == tuple(stored_evaluation["by_step"]["ridge"])
    assert evaluation.notes == ("The rows that chose the weights calibrated the intervals.",)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format": 2}', '{"format": 1}', "[" * 100_000, "\x00"])
def test_a_damaged_file_is_none(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) is None


def test_no_file_is_none(tmp_path: Path) -> None:
    assert read_evaluation(tmp_path) is None
    (tmp_path / "evaluation.json").mkdir()
    assert read_evaluation(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"point": []},
        {"point": ["x", 1, 2, 3]},
        {"point": [1, 2]},
        {"times": ["2018-06-28"]},
        {"intervals": {"high": [[1] * 4, [2] * 4]}},
        {"intervals": {"80": [[1] * 4]}},
        {"intervals": {"80": [[1] * 3, [2] * 4]}},
        {"history": [1.0]},
        {"actual": [1.0]},
        {"paths": [[1.0]]},
        {"paths": 3},
    ],
)
def test_an_example_that_does_not_fit_together_is_left_out(
    tmp_path: Path, stored_evaluation: Stored, damage: Stored
) -> None:
    first, second = stored_evaluation["examples"]
    stored = read(tmp_path, {**stored_evaluation, "examples": [{**first, **damage}, second, None]})
    assert [forecast.series for forecast in stored.examples] == ["OT"]
    assert stored.evaluation.baselines


def test_a_text_run_has_baselines_alone(tmp_path: Path) -> None:
    stored = read(
        tmp_path,
        {"format": 1, "metrics": {"nats_per_character": 1.5}, "baselines": {"uniform": {"nats_per_character": 4.2}}},
    )
    assert (stored.evaluation.primary, stored.examples) == ("nats_per_character", ())
    assert stored.evaluation.baselines == {"uniform": {"nats_per_character": 4.2}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(
    key=st.sampled_from(
        ["split", "primary", "metrics", "baselines", "by_channel", "by_step", "notes", "windows", "examples"]
    ),
    value=json_values,
)
def test_nothing_in_a_file_stops_the_reading(tmp_path_factory: pytest.TempPathFactory, key: str, value: Any) -> None:
    folder = tmp_path_factory.mktemp("run")
    stored = read(folder, {"format": 1, "metrics": {"mse_scaled": 1.0}, key: value})
    assert stored is None or stored.evaluation.primary in stored.evaluation.metrics
