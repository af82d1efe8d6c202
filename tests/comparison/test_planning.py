"""The resolved settings of each arm in a plan."""

from __future__ import annotations

from lstmctl.comparison.arms import arms_of
from lstmctl.comparison.planning import make_plan
from lstmctl.config import LoadedConfig, from_mapping

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
