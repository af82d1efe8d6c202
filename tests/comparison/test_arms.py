"""The command line becomes arms and a grid, or an error that says what would be right."""

from __future__ import annotations

import pytest

from lstmctl.comparison.arms import Arm, arms_of, parse_arm, parse_grid
from lstmctl.errors import UsageError


def test_cells_are_arms_by_their_names_and_others_follow() -> None:
    arms = arms_of(["rnn", "cells:MyCell"], ['wide: lstm model.hidden=512 model.options="{a: 1}"'])
    assert arms == [
        Arm("rnn", "rnn"),
        Arm("mycell", "cells:MyCell"),
        Arm("wide", "lstm", ("model.hidden=512", "model.options={a: 1}")),
    ]


def test_an_arm_of_a_users_own_class_keeps_its_colon() -> None:
    assert parse_arm("mine: cells:MyCell training.clip=0.5") == Arm("mine", "cells:MyCell", ("training.clip=0.5",))


@pytest.mark.parametrize(
    ("cells", "texts", "message"),
    [
        ([], [], "a comparison needs two arms, and there is none"),
        (["rnn"], [], "a comparison needs two arms, and there is only rnn"),
        (["rnn", "rnn"], [], "two arms are named rnn"),
        (["lstm"], ["LSTM: gru"], "two arms are named LSTM"),
        (["rnn", "lsmt"], [], "`lsmt` is not a known cell; use one of rnn, lstm, gru, "),
        (["rnn"], ["lstm"], "is not of the form `NAME: CELL"),
        (["rnn"], ["wide:"], "is not of the form `NAME: CELL"),
        (["rnn"], ["wide: model.hidden=3"], "is not of the form `NAME: CELL"),
        (["rnn"], ["../x: lstm"], "`../x` is not a name"),
        (["rnn"], ["a: lstm 'x"], "No closing quotation"),
        (["rnn"], ["a: lstm wide"], "`wide` is not of the form KEY=VALUE"),
        (["rnn"], ["a: lstm data.text=b.txt"], "an arm's own settings are model.… and training.…, not data.text"),
        (["rnn"], ["a: lstm seed=3"], "an arm's own settings are model.… and training.…, not seed"),
        (["rnn"], ["a: lstm model.cell=gru"], "the arm's first word is its cell"),
        (["rnn"], ["a: lstm training.budget=9 steps"], "training.budget cannot be an arm's own"),
    ],
)
def test_what_is_not_an_arm_is_refused(cells: list[str], texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        arms_of(cells, texts)
    assert message in str(caught.value)


def test_an_unknown_cell_gets_the_nearest_name_or_the_way_to_give_a_config_or_data() -> None:
    with pytest.raises(UsageError) as near:
        arms_of(["lsmt", "rnn"], [])
    assert near.value.hint == "did you mean lstm or slstm?"
    with pytest.raises(UsageError) as far:
        arms_of(["rnn", "lstm", "travellers"], [])
    assert far.value.hint == "a config is given as --config travellers"
    with pytest.raises(UsageError) as data:
        arms_of(["rnn", "lstm", "sales.csv"], [])
    assert data.value.hint == "--data sales.csv compares on your own text or table"


def test_a_grid_is_every_combination_in_order() -> None:
    grid = parse_grid(["training.learning_rate=1e-3,3e-3", "model.dropout=0.0, 0.2"])
    assert grid == [
        ("training.learning_rate=1e-3", "model.dropout=0.0"),
        ("training.learning_rate=1e-3", "model.dropout=0.2"),
        ("training.learning_rate=3e-3", "model.dropout=0.0"),
        ("training.learning_rate=3e-3", "model.dropout=0.2"),
    ]
    assert parse_grid([]) == [()]
    assert parse_grid(["training.betas=[0.9, 0.99],[0.8, 0.9]"]) == [
        ("training.betas=[0.9, 0.99]",),
        ("training.betas=[0.8, 0.9]",),
    ]


def test_a_blank_inside_of_brackets_separates_no_settings() -> None:
    arm = parse_arm("gentle: lstm model.options={forget_bias: 0.5, longest_memory: 9} training.betas=[0.9, 0.99]")
    assert arm.overrides == ("model.options={forget_bias: 0.5, longest_memory: 9}", "training.betas=[0.9, 0.99]")


@pytest.mark.parametrize(
    "texts",
    [
        ["training.learning_rate"],
        ["training.learning_rate=1e-3"],
        ["training.learning_rate=1e-3,1e-3"],
        ["training.clip=1.0,2.0", "training.clip=3.0,4.0"],
        ["seed=1,2"],
        ["training.budget=1 steps,2 steps"],
    ],
)
def test_what_is_not_a_grid_is_refused(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="--tune"):
        parse_grid(texts)


def test_a_grid_without_measure_is_refused_at_once() -> None:
    values = ",".join(str(number) for number in range(1, 101))
    keys = ("model.hidden", "model.layers", "model.embedding", "training.batch", "training.window")
    with pytest.raises(UsageError, match="--tune gives 10,000,000,000 combinations to try on each arm; at most 1,000"):
        parse_grid([f"{key}={values}" for key in keys])
