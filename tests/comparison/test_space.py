"""The space of a search, as typed."""

from __future__ import annotations

import pytest

from lstmctl.comparison.space import Dimension, is_dimension, overrides_of, parse_space
from lstmctl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("model.hidden=64,128", Dimension("model.hidden", "64,128", ("64", "128"))),
        ("model.cell=lstm, gru", Dimension("model.cell", "lstm, gru", ("lstm", "gru"))),
        ("model.layers=1..3", Dimension("model.layers", "1..3", low=1, high=3)),
        (
            "training.learning_rate=1e-4..1e-1:log",
            Dimension("training.learning_rate", "1e-4..1e-1:log", low=1e-4, high=0.1, log=True),
        ),
        ("model.dropout=0..0.5", Dimension("model.dropout", "0..0.5", low=0.0, high=0.5)),
        ("model.dropout=0.1..0.5", Dimension("model.dropout", "0.1..0.5", low=0.1, high=0.5)),
        ("model.hidden=16..256:log", Dimension("model.hidden", "16..256:log", low=16, high=256, log=True)),
        ("task.lookback=24,48", Dimension("task.lookback", "24,48", ("24", "48"))),
    ],
)
def test_a_dimension_is_a_range_or_a_list(text: str, wanted: Dimension) -> None:
    (found,) = parse_space([text])
    assert found == wanted
    assert [type(end) for end in (found.low, found.high)] == [type(end) for end in (wanted.low, wanted.high)]
    assert is_dimension(text) or text.startswith("task.")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "a search needs a space"),
        (["model.hidden"], "--space model.hidden is not of the form KEY=LOW..HIGH"),
        (["model.hidden=64"], "--space model.hidden=64: give a range, or two values or more"),
        (["model.hidden=64,64"], "--space model.hidden=64,64: give a range, or two values or more"),
        (["model.hidden=64..32"], "--space model.hidden=64..32: 64 is not below 32"),
        (["model.dropout=0..0.5:log"], "a logarithmic range begins above 0"),
        (["model.dropout=0.1..0.5:lg"], "`:lg` is not known; use :log or nothing"),
        (["model.dropout=a..b"], "`a` is not a number"),
        (["model.dropout=0..inf"], "`inf` is not a number"),
        (["training.budget=1..3"], "training.budget cannot be searched; every trial has the same budget"),
        (["data.text=a,b"], "settings to search are model.…, training.… and task.lookback, not data.text"),
        (["model.layers=1..3", "model.layers=1,2"], "--space names model.layers twice"),
    ],
)
def test_what_is_no_space_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_space(texts)
    assert message in str(caught.value)


def test_arguments_with_a_range_or_a_list_belong_to_the_space() -> None:
    assert [
        is_dimension(text) for text in ("model.hidden=8,16", "model.layers=1..2", "training.learning_rate=1e-3")
    ] == [
        True,
        True,
        False,
    ]
    assert not is_dimension("data.split=[0.8, 0.1, 0.1]")
    assert not is_dimension("data.text=../small.txt")
    assert not is_dimension("small.yaml")


def test_a_configs_own_value_is_a_point_only_inside_of_the_space() -> None:
    (hidden, rate, cell, patience) = parse_space(
        ["model.hidden=8,16", "training.learning_rate=1e-3..1:log", "model.cell=lstm,gru", "training.clip=null,1.0"]
    )
    assert [hidden.own(16), hidden.own(12)] == ["16", None]
    assert [rate.own(0.01), rate.own(1), rate.own(2.0), rate.own(None)] == [0.01, 1.0, None, None]
    assert [cell.own("gru"), cell.own("rnn")] == ["gru", None]
    assert [patience.own(None), patience.own(1.0)] == ["null", "1.0"]


def test_overrides_keep_every_digit() -> None:
    assert overrides_of({"training.learning_rate": 0.1 + 0.2, "model.layers": 2, "model.hidden": "64"}) == [
        "training.learning_rate=0.30000000000000004",
        "model.layers=2",
        "model.hidden=64",
    ]
