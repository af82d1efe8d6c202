"""Overrides: the same config whatever their order, and nothing that the user gives is dropped without a word."""

from __future__ import annotations

from itertools import permutations

import pytest

from lstmctl.config import Settings, from_mapping
from lstmctl.config.schema import SeriesData, TableData, TextData
from lstmctl.errors import ConfigError

TEXT = {"data": {"text": "a.txt", "symbols": "bytes"}, "training": {"window": 16}}
SERIES = {"task": {"type": "forecast"}, "data": {"series": "a.csv", "missing": "mask"}, "training": {"shorten": 0.5}}
TABLE = {"task": {"type": "classification", "class_weights": "balanced"}, "data": {"table": "a.csv", "text": "words"}}
FORECAST = ["task.type=forecast", "data.series=b.csv"]


def settled(config: dict[str, object], overrides: list[str]) -> Settings:
    """The settings, which are the same for every order of `overrides`."""
    first, *others = (from_mapping(config, order) for order in permutations(overrides))
    assert all(other == first for other in others)
    return first


def refused(config: dict[str, object], overrides: list[str]) -> list[str]:
    """The problems, which every order of `overrides` has."""
    found = []
    for order in permutations(overrides):
        with pytest.raises(ConfigError) as caught:
            from_mapping(config, order)
        found.append(sorted(caught.value.problems))
    assert all(problems == found[0] for problems in found)
    return found[0]


def test_a_key_of_the_task_that_is_named_is_kept_before_and_after_it() -> None:
    settings = settled(SERIES, ["training.window=32", "task.type=language-model", "data.text=b.txt"])
    assert (settings.training.window, settings.training.shorten) == (32, 0.0)
    assert isinstance(settings.data, TextData)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("training.window=32", "training.window — task.type forecast does not use it"),
        ("data.symbols=bytes", "data.symbols — unknown key"),
        ("task.class_weights=balanced", "task.class_weights — unknown key"),
    ],
)
def test_a_key_that_the_task_or_source_named_next_to_it_does_not_read_is_refused(override: str, problem: str) -> None:
    (told,) = refused(TEXT, [override, *FORECAST])
    assert told.startswith(f"command line: {override}  {problem}")


@pytest.mark.parametrize("task", ["task.type=forecast", "task={type: forecast}"])
def test_what_the_file_says_for_the_task_and_source_before_gives_way(task: str) -> None:
    settings = settled(TEXT, [task, "data.series=b.csv", "data.step=1 hour"])
    assert settings.training.window == 64
    assert isinstance(settings.data, SeriesData)
    assert settings.data.step == "1 hour"


@pytest.mark.parametrize("blanks", [("", " ", ""), ("", "", ""), (" ", "", " ")])
def test_the_blank_after_a_colon_may_be_left_out(blanks: tuple[str, str, str]) -> None:
    before, after, between = blanks
    value = f"{{{before}forget_bias:{after}2.0{between},{between}longest_memory:{after}9{before}}}"
    expected = from_mapping({**TEXT, "model": {"options": {"forget_bias": 2.0, "longest_memory": 9}}})
    assert from_mapping(TEXT, [f"model.options={value}"]) == expected


def test_a_section_comes_before_the_keys_inside_it() -> None:
    model = settled(TEXT, ["model.hidden=3", "model={cell: gru, layers: 2}", "model.options.a=1"]).model
    assert (model.cell, model.layers, model.hidden, model.options) == ("gru", 2, 3, {"a": 1})


def test_a_second_source_is_refused() -> None:
    (told,) = refused(TEXT, ["data.text=a.txt", "data.series=b.csv"])
    assert told.startswith(
        "command line: data.series=b.csv  data.series — a second source besides data.text; use exactly one of"
    )


def test_of_a_key_that_is_given_twice_the_later_value_counts() -> None:
    model = from_mapping(TEXT, ["model.hidden=3", "model.layers=2", "model.hidden=4"]).model
    assert (model.hidden, model.layers) == (4, 2)


def test_the_text_of_a_table_is_its_column_and_else_a_source() -> None:
    column = settled(TABLE, ["data.text=said"]).data
    assert isinstance(column, TableData)
    assert (column.table, column.text) == (("a.csv",), "said")
    other = settled(TEXT, ["data.text=said", "data.table=b.csv", "task.type=classification"]).data
    assert isinstance(other, TableData)
    assert other.text == "said"
    assert isinstance(settled(TABLE, ["data.text=b.txt", "task.type=language-model"]).data, TextData)


def test_the_file_of_a_text_is_not_a_column_of_the_table_that_takes_its_place() -> None:
    data = settled(TEXT, ["data.table=b.csv", "task.type=classification"]).data
    assert isinstance(data, TableData)
    assert data.text is None
