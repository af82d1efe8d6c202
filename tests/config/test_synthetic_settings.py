"""Allowed settings of a test of long memory, and their defaults."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest

from lstmctl.config import bundled_text, from_mapping, load
from lstmctl.config.budget import Budget
from lstmctl.config.schema import SyntheticData
from lstmctl.data.synthetic import PROBLEMS, draw, levels
from lstmctl.errors import ConfigError

Problems = Callable[..., list[str]]

ADDING = {"task": {"type": "regression"}, "data": {"synthetic": "adding"}}


def test_the_schemas_problems_are_those_that_are_drawn() -> None:
    assert set(SyntheticData.tasks) == set(PROBLEMS)
    assert set(get_args(SyntheticData.model_fields["synthetic"].annotation)) == set(PROBLEMS)


def test_a_problems_task_is_that_of_its_encoding() -> None:
    for problem, task in SyntheticData.tasks.items():
        encoding = PROBLEMS[problem].encoding
        by_step = draw(problem, 10, 1, np.random.default_rng(0)).by_step
        assert task == ("regression" if encoding.outputs else "tagging" if by_step else "classification")


@pytest.mark.parametrize(("problem", "task"), SyntheticData.tasks.items())
def test_each_problem_is_taken_with_its_task_alone(problem: str, task: str) -> None:
    assert from_mapping({"task": {"type": task}, "data": {"synthetic": problem}}).task.type == task
    for other in {"classification", "regression", "tagging"} - {task}:
        with pytest.raises(ConfigError) as caught:
            from_mapping({"task": {"type": other}, "data": {"synthetic": problem}})
        assert caught.value.problems == [
            f"task.type — data.synthetic {problem} is a {task} problem, not {other}; use task: {{type: {task}}}"
        ]


def test_a_task_that_draws_nothing_is_one_error(problems: Problems) -> None:
    content = "data: {synthetic: adding}\nmodel: {hidden: 0}\n"
    assert problems(content) == [
        "my.yaml:1:1  task.type — data.synthetic adding is a regression problem, not language-model; "
        "use task: {type: regression}",
        "my.yaml:2:17  model.hidden — 0 is too small; a whole number of at least 1",
    ]


def test_precision_is_float32_where_nothing_is_said() -> None:
    assert from_mapping(ADDING).training.precision == "float32"
    assert from_mapping({**ADDING, "training": {"batch": 8}}).training.precision == "float32"
    assert from_mapping(ADDING, ["training.precision=bfloat16"]).training.precision == "bfloat16"
    assert from_mapping({**ADDING, "training": {"precision": "auto"}}).training.precision == "auto"
    assert from_mapping({"data": {"text": "a.txt"}}).training.precision == "auto"


def test_the_tasks_budget_and_the_sources_precision_are_both_defaults() -> None:
    training = from_mapping(ADDING, ["training.batch=8"]).training
    assert (training.budget, training.precision, training.batch) == (Budget(10, "epochs"), "float32", 8)
    chosen = from_mapping(ADDING, ["training.budget=300 sequences"]).training
    assert (chosen.budget, chosen.precision) == (Budget(300, "sequences"), "float32")


def test_own_defaults_hide_nothing_of_a_broken_section() -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping({**ADDING, "training": 3})
    assert caught.value.problems == ["training — 3 is not a section; add keys to it, or leave it out"]
    with pytest.raises(ConfigError) as caught:
        from_mapping({**ADDING, "data": {"synthetic": "ading"}, "training": {"precision": "float16"}})
    assert [problem.partition(" — ")[0] for problem in caught.value.problems] == [
        "data.synthetic",
        "training.precision",
    ]


def test_another_cell_on_the_command_line_drops_the_options_of_the_one_before() -> None:
    given = {**ADDING, "model": {"options": {"longest_memory": 200}, "hidden": 8}}
    assert from_mapping(given, ["model.cell=lstm"]).model.options == {"longest_memory": 200}
    changed = from_mapping(given, ["model.cell=rnn"]).model
    assert (changed.cell, changed.options, changed.hidden) == ("rnn", {}, 8)
    for overrides in (
        ["model.cell=gru", "model.options.longest_memory=9"],
        ["model.options={longest_memory: 9}", "model.cell=gru"],
    ):
        assert from_mapping(given, overrides).model.options == {"longest_memory": 9}
    assert from_mapping(given, ["model.options.forget_bias=2"]).model.options == {
        "longest_memory": 200,
        "forget_bias": 2,
    }


@pytest.mark.parametrize("problem", PROBLEMS)
def test_each_problem_has_a_bundled_config_that_states_its_levels(problem: str) -> None:
    data = load(problem).settings.data
    assert isinstance(data, SyntheticData)
    assert data.synthetic == problem
    told = re.search(r"(0\.\d+) without memory \(chance\), solved (above|below) (0\.\d+)\.", bundled_text(problem))
    assert told is not None
    level = levels(problem)
    assert float(told[1]) == pytest.approx(level.chance, rel=1e-3)
    assert float(told[3]) == pytest.approx(level.solved, rel=1e-2)
    assert told[2] == ("below" if level.metric.lower_is_better else "above")
