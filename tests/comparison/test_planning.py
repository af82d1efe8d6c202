"""The resolved settings of each arm in a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmctl.comparison.arms import arms_of
from lstmctl.comparison.planning import make_plan
from lstmctl.config import LoadedConfig, from_mapping
from lstmctl.errors import RunError

VALUES = {
    "task": {"type": "regression"},
    "data": {"synthetic": "adding", "length": 4, "held_out": 4},
    "model": {"cell": "lstm", "hidden": 4, "options": {"longest_memory": 4}},
    "training": {"budget": "4 sequences", "batch": 4},
    "threads": 1,
}


def options(cells: list[str], *arms: str) -> dict[str, object]:
    """Of each arm."""
    plan = make_plan(
        LoadedConfig(from_mapping(VALUES), "config", None),
        arms_of(cells, arms),
        [()],
        seeds=1,
        match="hidden",
        overrides=(),
        command="",
    )
    return {arm.name: arm.candidates[0].settings.model.options for arm in plan.arms}


def test_an_arm_has_the_options_of_the_config_that_its_cell_knows() -> None:
    memory = {"longest_memory": 4}
    assert options(["lstm", "gru", "rnn"]) == {"lstm": memory, "gru": memory, "rnn": {}}


def test_what_an_arm_says_itself_wins() -> None:
    found = options(["lstm"], "short: gru model.options.longest_memory=3", "none: gru model.options={}")
    assert found == {"lstm": {"longest_memory": 4}, "short": {"longest_memory": 3}, "none": {}}


def test_a_plan_is_for_one_table_of_dependencies(tmp_path: Path) -> None:
    text = "Ann sings. Ida reads. Ann reads. " * 9
    (tmp_path / "own.txt").write_text(text, encoding="utf-8")
    (tmp_path / "own-dependencies.csv").write_text(
        "kind,answer_start,answer_end,answer,reminder_end\nname,22,25,Ann,3\n", encoding="utf-8"
    )
    values = VALUES | {"task": {"type": "language-model"}, "data": {"text": "own.txt", "emphasis": 3.0}}
    values["training"] = {"budget": "2 steps", "batch": 2, "window": 4}
    loaded = LoadedConfig(from_mapping(values), "config", tmp_path)
    plan = make_plan(loaded, arms_of(["lstm", "gru"], []), [()], seeds=1, match="hidden", overrides=(), command="")
    plan.require_same_data(plan.data)
    with pytest.raises(RunError, match=r"the table of dependencies of .*own\.txt changed since the comparison"):
        plan.require_same_data(plan.data | {"dependencies_sha256": "0"})
