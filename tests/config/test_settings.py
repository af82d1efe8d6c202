"""Every field's bounds and every rule between fields, by message (faults 3, 4, 5, 9, 10 of the reliability list)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from lstmctl.config import from_mapping
from lstmctl.config.schema import Settings, Training
from lstmctl.errors import ConfigError
from lstmctl.registry import TASKS

Problems = Callable[..., list[str]]

DATA = "data: {text: a.txt}\n"


def only_problem(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        from_mapping({"data": {"text": "a.txt"}}, overrides)
    (problem,) = caught.value.problems
    return problem.partition("  ")[2]


def test_a_near_miss_is_named(problems: Problems) -> None:  # 3
    assert problems(DATA + "model: {hiden: 3}\n") == ["my.yaml:2:9  model.hiden — unknown key; did you mean hidden?"]
    assert problems(DATA + "model: {zzz: 3}\n") == [
        "my.yaml:2:9  model.zzz — unknown key; one of cell, hidden, layers, embedding, tie_embedding, dropout, "
        "variational_dropout, layer_norm, residual, linear, ridge, channel_embedding, ensemble, direction, options"
    ]


def test_exponents_are_numbers() -> None:  # 4
    chosen = from_mapping({"data": {"text": "a"}}, ["training.learning_rate=1e-3", "training.weight_decay=1"])
    assert chosen.training.learning_rate == 0.001
    assert type(chosen.training.weight_decay) is float


@pytest.mark.parametrize(  # 5, 9
    ("override", "problem"),
    [
        ("model.hidden=-1", "-1 is too small; a whole number of at least 1"),
        ("model.hidden=0", "0 is too small; a whole number of at least 1"),
        ("model.hidden=1.5", "1.5 is not a whole number; a whole number of at least 1"),
        ("model.hidden=2.0", "2.0 is not a whole number; a whole number of at least 1"),
        ('model.hidden="64"', '"64" is text, not a number; a whole number of at least 1'),
        ("model.hidden=true", "true is not a number; a whole number of at least 1"),
        ("model.hidden=null", "null is not a number; a whole number of at least 1"),
        ("model.hidden=[1]", "[1] is not a number; a whole number of at least 1"),
        ("model.hidden=5000000000", "5000000000 is too large; a whole number of at least 1 and at most 2147483647"),
        ("model.dropout=1.0", "1.0 is too large; a number of at least 0 and below 1"),
        ("model.dropout=-0.1", "-0.1 is too small; a number of at least 0 and below 1"),
        ("model.dropout=.nan", ".nan is not a finite number; a number of at least 0 and below 1"),
        ("model.layer_norm=no", '"no" is not allowed; true or false'),
        ("model.layer_norm=1", "1 is not allowed; true or false"),
        (
            "model.cell=lstn",
            '"lstn" is no known cell; did you mean lstm? '
            "one of rnn, lstm, gru, feedforward, or your own `module:Class`",
        ),
        ("model.cell=3", "3 names no cell; one of rnn, lstm, gru, feedforward, or your own `module:Class`"),
        ("model.cell=a b:c", '"a b:c" is not of the form `module:Class`; for example `my_cells:MyCell`'),
        ("model.options=3", "3 is not a section; keys and values that the cell understands"),
        ("model.options={a: [.nan]}", ".nan is not a finite number"),
        ("training.learning_rate=.inf", ".inf is not a finite number; a number above 0"),
        ("training.learning_rate=1e999", ".inf is not a finite number; a number above 0"),
        ("training.learning_rate=0", "0 is too small; a number above 0"),
        ("training.clip=0", "0 is too small; a number above 0 or null"),
        ("training.schedule=linaer", '"linaer" is not allowed; did you mean linear? one of constant, linear, cosine'),
        ("training.optimizer=5", "5 is not allowed; one of adamw, adam, sgd, rmsprop"),
        (
            "training.betas=[0.9]",
            "[0.9] is not allowed; two numbers, each of at least 0 and below 1, such as [0.9, 0.99]",
        ),
        (
            "training.betas=[0.9, 1]",
            "[0.9, 1] is not allowed; two numbers, each of at least 0 and below 1, such as [0.9, 0.99]",
        ),
        ("training.final_fraction=1.5", "1.5 is too large; a number of at least 0 and at most 1"),
        ("training.average=1", "1 is too large; a number of at least 0 and below 1 or null"),
        ("training.patience=0", "0 is too small; a whole number of at least 1 or null"),
        ("training.evaluate_every=never", '"never" is text, not a number; a whole number of at least 1 or auto'),
        ("training.evaluate_every=0", "0 is too small; a whole number of at least 1 or auto"),
        ("training.budget=2000", "2000 is not a budget; write an amount and a noun, such as `2000 steps`"),
        ("device=tpu", '"tpu" is no device; one of auto, cpu, cuda, cuda:0 (any number), mps'),
        ("threads=0", "0 is too small; a whole number of at least 1 or auto"),
        ("seed=-1", "-1 is too small; a whole number of at least 0"),
        (
            "seed=9223372036854775808",
            "9223372036854775808 is too large; a whole number of at least 0 and at most 9223372036854775807",
        ),
        ("format=2", "2 is too large; only 1"),
        ("format=true", "true is not a number; only 1"),
        ("data.symbols=words", '"words" is not allowed; one of characters, bytes'),
        ("data.text=[]", "an empty list; name at least one file or folder"),
        ("data.text=[a, 3]", '["a", 3] is not a path; a file, a folder, or a list of them'),
        ("data.text=''", '"" is not a path; a file, a folder, or a list of them'),
        (
            "task.shape=one-to-many",
            '"one-to-many" is not allowed; did you mean many-to-many? one of many-to-many, many-to-one',
        ),
        ("task.type=forecasts", '"forecasts" is not a task; did you mean forecast? one of language-model, forecast'),
    ],
)
def test_a_wrong_value_is_told_with_what_is_allowed(override: str, problem: str) -> None:
    assert only_problem(override) == f"{override.partition('=')[0]} — {problem}"


SPLIT = "2 or 3 fractions that sum to 1 such as [0.8, 0.1, 0.1], or 2 or 3 whole counts of symbols"


@pytest.mark.parametrize(
    ("split", "problem"),
    [
        ("0.9", f"0.9 is not a split; {SPLIT}"),
        ("[1.0]", f"1 part; {SPLIT}"),
        ("[1, 2, 3, 4]", f"4 parts; {SPLIT}"),
        ("[0.8, 0.1]", f"the fractions sum to 0.9, not 1; {SPLIT}"),
        ("[1.0, 0.0]", f"every part is above 0; {SPLIT}"),
        ("[.nan, 0.5]", f"every part is above 0; {SPLIT}"),
        ("[5, -1]", f"every part is above 0; {SPLIT}"),
        ("[true, 1]", f"every part is a number; {SPLIT}"),
        ("[2016-07-01, 2017-07-01]", f"dates split series; a text is split by position: {SPLIT}"),
    ],
)
def test_a_wrong_split_is_told_with_what_is_allowed(split: str, problem: str) -> None:
    assert only_problem(f"data.split={split}") == f"data.split — {problem}"


@pytest.mark.parametrize(
    ("split", "value"),
    [("[0.9, 0.1]", (0.9, 0.1)), ("[1000, 200, 100]", (1000, 200, 100)), ("[0.7, 0.2, 0.1]", (0.7, 0.2, 0.1))],
)
def test_a_split_is_fractions_or_counts(split: str, value: tuple[float, ...]) -> None:
    chosen = from_mapping({"data": {"text": "a"}}, [f"data.split={split}"]).data.split
    assert chosen == value
    assert [type(part) for part in chosen] == [type(part) for part in value]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            "seed: 1\n",
            "my.yaml:1:1  data — missing; name a source, such as `data: {text: FILE}` (data.text, data.series)",
        ),
        ("data: {symbols: bytes}\n", "my.yaml:1:7  data — names no source; exactly one of data.text, data.series"),
        (
            "data: {txt: a}\n",
            "my.yaml:1:8  data.txt — unknown key; did you mean text? the sources are data.text, data.series",
        ),
        ("data: {table: a}\n", "my.yaml:1:8  data.table — unknown key; the sources are data.text, data.series"),
        ("data: a.txt\n", 'my.yaml:1:7  data — "a.txt" is not a section; give it keys, or leave it out'),
        (DATA + "model:\n", "my.yaml:2:7  model — empty; give it keys, or leave it out"),
        (DATA + "model: 3\n", "my.yaml:2:8  model — 3 is not a section; give it keys, or leave it out"),
    ],
)
def test_one_mistake_in_a_section_is_one_error(problems: Problems, content: str, problem: str) -> None:
    assert problems(content) == [problem]


@pytest.mark.parametrize(  # 10: the fields of two sections that do not go together
    ("overrides", "problem"),
    [
        (
            ["model.direction=bidirectional"],
            "model.direction — bidirectional would read what task.type language-model has to predict; only forward",
        ),
        (
            ["training.budget=5k windows"],
            "training.budget — task.type language-model on data.text does not count windows; "
            "one of steps, epochs, seconds, characters",
        ),
        (
            ["training.budget=5k bytes"],
            "training.budget — task.type language-model on data.text does not count bytes; "
            "one of steps, epochs, seconds, characters",
        ),
        (["training.accumulate=5"], "training.accumulate — 5 does not divide training.batch 32; a divisor of it"),
        (
            ["model.residual=true"],
            "model.residual — true joins nothing: one layer, 64 wide at its input and 256 at its output; "
            "model.layers of at least 2, or model.embedding 256",
        ),
    ],
)
def test_fields_that_do_not_go_together(overrides: list[str], problem: str) -> None:
    assert only_problem(*overrides) == problem


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.symbols=bytes", "training.budget=5k bytes"],
        ["data.symbols=bytes", "training.budget=5k symbols"],
        ["data.symbols=bytes"],
        ["training.accumulate=8"],
        ["model.residual=true", "model.layers=2"],
        ["model.residual=true", "model.embedding=256"],
        ["model.dropout=0.5", "model.layers=1"],
        ["training.patience=3", "data.split=[0.9, 0.1]"],
    ],
)
def test_fields_that_do_go_together(overrides: list[str]) -> None:
    from_mapping({"data": {"text": "a"}}, overrides)


def test_a_rule_between_fields_is_told_beside_a_broken_section(problems: Problems) -> None:
    content = DATA + "model: {direction: bidirectional}\ntraining: {batch: 0}\nseed: x\n"
    assert [problem.split(" — ")[0] for problem in problems(content)] == [
        "my.yaml:2:20  model.direction",
        "my.yaml:3:19  training.batch",
        "my.yaml:4:7  seed",
    ]


def test_settings_are_frozen_and_closed() -> None:
    chosen = from_mapping({"data": {"text": "a"}})
    with pytest.raises(ValidationError, match="frozen"):
        chosen.seed = 3
    with pytest.raises(ValidationError, match="Extra inputs"):
        Training(bach=3)  # type: ignore[call-arg]
    assert chosen == Settings.model_validate({"data": {"text": "a"}})


def test_the_schemas_tasks_are_those_of_the_registry() -> None:
    from lstmctl.config import schema

    assert set(schema.TASKS) == set(TASKS)
