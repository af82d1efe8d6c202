"""`--tune search:N`: every arm has the same number of trials, and a stop changes none of them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lstmctl.comparison import compare, resume
from lstmctl.comparison.arms import Arm
from lstmctl.comparison.execution import Interrupted
from lstmctl.comparison.space import parse_tuning
from lstmctl.errors import UsageError
from lstmctl.events import ComparisonEvent, Evaluated, Planned, RunBegan, RunEvent
from lstmctl.results.comparison import Comparison
from tests.conftest import Command

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="optuna is not installed")
CONFIG = """\
task: {type: language-model, shape: many-to-many}
data: {text: small.txt}
model: {cell: lstm, hidden: 12, layers: 1, embedding: 8}
training: {budget: 20 steps, batch: 4, window: 16, learning_rate: 1e-2, evaluate_every: 5, save_every: 5,
  sample_every: 20, precision: float32}
threads: 1
"""
SPACE = ["training.learning_rate=1e-3..1e-1:log"]


@pytest.fixture
def config(text_file: Path) -> Path:
    path = text_file.parent / "small.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def compared(config: Path, **settings: Any) -> Comparison:
    asked = {"seeds": 1, "tune": ["search:4"], "space": SPACE, "quiet": True, **settings}
    return compare(["lstm", "gru"], config, **asked)


def stop_at(run: str, step: int) -> Callable[[ComparisonEvent], None]:
    def observe(event: ComparisonEvent) -> None:
        is_evaluation = isinstance(event, RunEvent) and isinstance(event.event, Evaluated)
        if is_evaluation and (event.run, event.event.step) == (run, step):  # type: ignore[union-attr]
            signal.raise_signal(signal.SIGINT)

    return observe


@needs_optuna
def test_every_arm_has_the_same_number_of_trials_and_the_best_on_validation_wins(config: Path) -> None:
    heard: list[ComparisonEvent] = []
    comparison = compared(config, observe=heard.append)
    assert [len(arm.tuning) for arm in comparison.arms] == [4, 4]
    for arm in comparison.arms:
        best = min(arm.tuning, key=lambda one: one.value or 0.0)
        assert arm.chosen == best.point == {"training.learning_rate": arm.chosen["training.learning_rate"]}
        assert arm.settings["training.learning_rate"] == arm.chosen["training.learning_rate"]
        points = [one.point["training.learning_rate"] for one in arm.tuning]
        assert points[0] == 1e-2  # the config's own
        assert all(1e-3 <= point <= 1e-1 for point in points)
        assert len(set(points)) == 4
        assert set(arm.runs[0].metrics) >= {"validation", "test"}
    folder = Path(comparison.path)
    for name in ("lstm-tuning-2", "gru-tuning-4"):
        assert json.loads((folder / name / "run.json").read_text())["metrics"].get("test") is None
    (planned,) = [event for event in heard if isinstance(event, Planned)]
    began = [event.run for event in heard if isinstance(event, RunBegan)]
    assert sorted(planned.runs) == sorted(began)
    assert began[:4] == ["lstm-tuning-1", "gru-tuning-1", "lstm-tuning-2", "gru-tuning-2"]
    assert "Every arm had 4 trials" in (folder / "report.html").read_text()


@needs_optuna
def test_a_comparison_that_was_stopped_makes_the_trials_of_an_undisturbed_one(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compared(config)
    monkeypatch.setenv("LSTMCTL_RUNS", "others")
    with pytest.raises(Interrupted):
        compared(config, observe=stop_at("gru-tuning-3", 10), name="stopped")
    assert json.loads(Path("others/stopped/gru-tuning-3/run.json").read_text())["status"] == "interrupted"
    began: list[str] = []

    def observe(event: ComparisonEvent) -> None:
        if isinstance(event, RunBegan):
            began.append(event.run)

    again = resume("stopped", observe=observe)
    assert isinstance(again, Comparison)
    assert began == ["gru-tuning-3", "lstm-tuning-4", "gru-tuning-4", "lstm-seed-0", "gru-seed-0"]
    for one, other in zip(whole.arms, again.arms, strict=True):
        assert (one.tuning, one.chosen, one.values) == (other.tuning, other.chosen, other.values)


@needs_optuna
def test_widths_match_at_every_point_unless_the_width_is_searched(config: Path) -> None:
    matched = compared(config, tune=["search:2"], space=["model.embedding=6,14"])
    for arm in matched.arms:
        assert arm.deviation is not None
        assert abs(arm.deviation) < 0.1
        assert {one.point["model.embedding"] for one in arm.tuning} == {6, 14}
    widths = compared(config, tune=["search:2"], space=["model.hidden=4,20"])
    assert all(arm.settings["model.hidden"] in (4, 20) for arm in widths.arms)


@needs_optuna
def test_a_space_with_fewer_points_is_searched_to_its_end(config: Path) -> None:
    comparison = compared(config, tune=["search:5"], space=["training.learning_rate=1e-3,1e-2"])
    assert all(
        sorted(one.point["training.learning_rate"] for one in arm.tuning) == [1e-3, 1e-2] for arm in comparison.arms
    )


LSTM, GRU = Arm("lstm", "lstm"), Arm("gru", "gru", ("training.learning_rate=1e-2",))


@pytest.mark.parametrize(
    ("tune", "space", "match", "words"),
    [
        (["search:4"], [], "parameters", "needs the settings to search, as --space"),
        (["search"], SPACE, "parameters", "give 2 to 1,000 trials"),
        (["search:1"], SPACE, "parameters", "give 2 to 1,000 trials"),
        (["search:x"], SPACE, "parameters", "give 2 to 1,000 trials"),
        (["search:4", "model.layers=1,2"], SPACE, "parameters", "either a search or a grid"),
        ([], SPACE, "parameters", "none is asked for"),
        (["search:4"], SPACE, "time", "--match time cannot be combined"),
        (["search:4"], ["task.lookback=1..9"], "parameters", "arms differ in model"),
        (["search:4"], SPACE, "parameters", "--space training.learning_rate: gru sets it too"),
        (["search:4"], ["training.learning_rate=1"], "parameters", "give a range, or two values or more"),
    ],
)
def test_what_cannot_be_searched_is_refused(tune: list[str], space: list[str], match: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_tuning(tune, space, match, [LSTM, GRU])
    assert words in str(refused.value)


def test_a_missing_space_is_reported_before_anything_is_trained(lstmctl: Command) -> None:
    result = lstmctl("compare", "lstm", "gru", "--tune", "search:20")
    assert result.code == 2
    assert result.err.startswith("error: --tune search:20 needs the settings to search, as --space\nhint: --tune")
