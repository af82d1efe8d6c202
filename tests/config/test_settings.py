"""Every field's bounds and every rule between fields, by message (faults 3, 4, 5, 9, 10 of the reliability list)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from lstmctl.config import from_mapping
from lstmctl.config.schema import SeriesData, Settings, Training
from lstmctl.errors import ConfigError
from lstmctl.registry import CELLS, TASKS

Problems = Callable[..., list[str]]

CELL_NAMES = ", ".join(CELLS)
DATA = "data: {text: a.txt}\n"
SOURCES = "data.text, data.series, data.table, data.pairs, data.audio, data.synthetic"


def only_problem(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        from_mapping({"data": {"text": "a.txt"}}, overrides)
    (problem,) = caught.value.problems
    return problem.partition("  ")[2]


def test_a_near_miss_is_named(problems: Problems) -> None:  # 3
    assert problems(DATA + "model: {hiden: 3}\n") == ["my.yaml:2:9  model.hiden — unknown key; did you mean hidden?"]
    assert problems(DATA + "model: {zzz: 3}\n") == [
        "my.yaml:2:9  model.zzz — unknown key; one of cell, hidden, layers, embedding, tie_embedding, dropout, "
        "variational_dropout, layer_norm, residual, linear, ridge, ngram, channel_embedding, ensemble, direction, "
        "attention, options"
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
            f'"lstn" is not a known cell; did you mean lstm? use one of {CELL_NAMES}, or your own `module:Class`',
        ),
        (
            "model.cell=3",
            f"3 is not the name of a cell; use one of {CELL_NAMES}, or your own `module:Class`",
        ),
        ("model.cell=a b:c", '"a b:c" is not of the form `module:Class`; for example `my_cells:MyCell`'),
        ("model.options=3", "3 is not a section; use keys and values that the cell defines"),
        ("model.options={a: [.nan]}", ".nan is not a finite number"),
        ("training.learning_rate=.inf", ".inf is not a finite number; a number above 0"),
        ("training.learning_rate=1e999", ".inf is not a finite number; a number above 0"),
        ("training.learning_rate=0", "0 is too small; a number above 0"),
        ("training.clip=0", "0 is too small; a number above 0 or null"),
        ("training.schedule=linaer", '"linaer" is not allowed; did you mean linear? one of constant, linear, cosine'),
        ("training.optimizer=5", "5 is not allowed; one of adamw, soap, adam, sgd, rmsprop"),
        (
            "training.betas=[0.9]",
            "[0.9] is not allowed; two numbers, each at least 0 and below 1, such as [0.9, 0.99]",
        ),
        (
            "training.betas=[0.9, 1]",
            "[0.9, 1] is not allowed; two numbers, each at least 0 and below 1, such as [0.9, 0.99]",
        ),
        ("training.final_fraction=1.5", "1.5 is too large; a number of at least 0 and at most 1"),
        ("training.average=1", "1 is too large; a number of at least 0 and below 1 or null"),
        ("training.patience=0", "0 is too small; a whole number of at least 1 or null"),
        ("training.evaluate_every=never", '"never" is text, not a number; a whole number of at least 1 or auto'),
        ("training.evaluate_every=0", "0 is too small; a whole number of at least 1 or auto"),
        ("training.budget=2000", "2000 is not a budget; write an amount and a noun, such as `2000 steps`"),
        ("device=tpu", '"tpu" is not a device; use one of auto, cpu, cuda, cuda:0 (any number), mps'),
        ("threads=0", "0 is too small; a whole number of at least 1 and at most 1024 or auto"),
        ("seed=-1", "-1 is too small; a whole number of at least 0"),
        (
            "seed=9223372036854775808",
            "9223372036854775808 is too large; a whole number of at least 0 and at most 9223372036854775807",
        ),
        ("format=2", "2 is too large; only 1"),
        ("format=true", "true is not a number; only 1"),
        ("data.symbols=words", '"words" is not allowed; one of characters, decomposed, bytes'),
        ("data.text=[]", "an empty list; name at least one file or folder"),
        ("data.text=[a, 3]", '["a", 3] is not a path; use a file, a folder, or a list of them'),
        ("data.text=''", '"" is not a path; use a file, a folder, or a list of them'),
        (
            "task.shape=one-to-many",
            '"one-to-many" is not allowed; did you mean many-to-many? one of many-to-many, many-to-one',
        ),
        (
            "task.type=forecasts",
            '"forecasts" is not a task; did you mean forecast? one of language-model, forecast, classification, '
            "regression, tagging, transduction, generation-from-label",
        ),
    ],
)
def test_a_wrong_value_is_reported_with_what_is_allowed(override: str, problem: str) -> None:
    assert only_problem(override) == f"{override.partition('=')[0]} — {problem}"


SPLIT = "2 or 3 fractions that sum to 1 such as [0.8, 0.1, 0.1], or 2 or 3 whole counts of symbols"


@pytest.mark.parametrize(
    ("split", "problem"),
    [
        ("0.9", f"0.9 is not a split; {SPLIT}"),
        ("[1.0]", f"1 part; {SPLIT}"),
        ("[1, 2, 3, 4]", f"4 parts; {SPLIT}"),
        ("[0.8, 0.1]", f"the fractions sum to 0.9, not 1; {SPLIT}"),
        ("[1.0, 0.0]", f"every part must be above 0; {SPLIT}"),
        ("[.nan, 0.5]", f"every part must be above 0; {SPLIT}"),
        ("[5, -1]", f"every part must be above 0; {SPLIT}"),
        ("[true, 1]", f"every part must be a number; {SPLIT}"),
        ("[2016-07-01, 2017-07-01]", f"only series can be split by date; a text is split by position: {SPLIT}"),
    ],
)
def test_a_wrong_split_is_reported_with_what_is_allowed(split: str, problem: str) -> None:
    assert only_problem(f"data.split={split}") == f"data.split — {problem}"


@pytest.mark.parametrize(
    ("split", "value"),
    [
        ("[rest, 2 horizons, 1 horizons]", ("rest", "2 horizons", "1 horizon")),
        ("[rest, 24, 12 rows]", ("rest", "24 rows", "12 rows")),
        ("[rest, 1 rows]", ("rest", "1 row")),
    ],
)
def test_series_are_split_by_their_last_rows_too(split: str, value: tuple[str, ...]) -> None:
    content = {"task": {"type": "forecast"}, "data": {"series": "a.csv"}}
    assert from_mapping(content, [f"data.split={split}"]).data.split == value


@pytest.mark.parametrize(
    "split",
    ["[24 rows, rest]", "[rest]", "[rest, 0]", "[rest, 1 week]", "[rest, 1, 1, 1]", "[rest, 0.5]", "[rest, true]"],
)
def test_a_wrong_split_by_last_rows_is_reported(split: str) -> None:
    content = {"task": {"type": "forecast"}, "data": {"series": "a.csv"}}
    with pytest.raises(ConfigError) as caught:
        from_mapping(content, [f"data.split={split}"])
    (problem,) = caught.value.problems
    assert problem.partition("  ")[2].startswith("data.split — [")
    assert problem.endswith(
        "is not a split; rest is the training part, followed by the rows or horizons of the validation part and the "
        "(optional) test part, such as [rest, 24 rows, 1 horizon]"
    )


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
            f"my.yaml:1:1  data — missing; set a source, such as `data: {{text: FILE}}` (sources: {SOURCES})",
        ),
        ("data: {symbols: bytes}\n", "my.yaml:1:7  data — no source is set; use exactly one of " + SOURCES),
        (
            "data: {txt: a}\n",
            "my.yaml:1:8  data.txt — unknown key; did you mean text? the sources are " + SOURCES,
        ),
        (
            "data: {tables: a}\n",
            "my.yaml:1:8  data.tables — unknown key; did you mean table? the sources are " + SOURCES,
        ),
        ("data: a.txt\n", 'my.yaml:1:7  data — "a.txt" is not a section; add keys to it, or leave it out'),
        (DATA + "model:\n", "my.yaml:2:7  model — empty; add keys to it, or leave it out"),
        (DATA + "model: 3\n", "my.yaml:2:8  model — 3 is not a section; add keys to it, or leave it out"),
    ],
)
def test_one_mistake_in_a_section_is_one_error(problems: Problems, content: str, problem: str) -> None:
    assert problems(content) == [problem]


@pytest.mark.parametrize(  # 10: the fields of two sections that do not go together
    ("overrides", "problem"),
    [
        (
            ["model.direction=bidirectional"],
            "model.direction — bidirectional would read what task.type language-model has to predict; use forward",
        ),
        (
            ["training.budget=5k windows"],
            "training.budget — task.type language-model on data.text does not count windows; "
            "use one of steps, epochs, seconds, characters",
        ),
        (
            ["training.budget=5k bytes"],
            "training.budget — task.type language-model on data.text does not count bytes; "
            "use one of steps, epochs, seconds, characters",
        ),
        (["training.accumulate=5"], "training.accumulate — 5 does not divide training.batch 32; use a divisor of it"),
        (
            ["model.residual=true"],
            "model.residual — true has no effect: the only layer has 64 inputs and 256 outputs; "
            "use model.layers of at least 2, or model.embedding 256",
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


def test_a_rule_between_fields_is_reported_next_to_a_broken_section(problems: Problems) -> None:
    content = DATA + "model: {direction: bidirectional}\ntraining: {batch: 0}\nseed: x\n"
    assert [problem.split(" — ")[0] for problem in problems(content)] == [
        "my.yaml:2:20  model.direction",
        "my.yaml:3:19  training.batch",
        "my.yaml:4:7  seed",
    ]


TABLE = {"task": {"type": "forecast"}, "data": {"series": "a.csv"}}


@pytest.mark.parametrize(
    ("config", "override", "problem"),
    [
        (config, override, f"task.type {task} does not use it, only task.type {other} does; leave it out")
        for config, task, other, overrides in (
            (
                TABLE,
                "forecast",
                "language-model",
                ["training.window=32", "training.state_reset=0.0", "model.tie_embedding=true"],
            ),
            (
                {"data": {"text": "a.txt"}},
                "language-model",
                "forecast",
                [
                    "model.linear=true",
                    "model.ridge=0.5",
                    "model.channel_embedding=false",
                    "model.ensemble=2",
                    "training.shorten=1.0",
                ],
            ),
        )
        for override in overrides
    ],
)
def test_a_key_that_the_task_does_not_read_is_refused(config: dict[str, object], override: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(config, [override])
    assert caught.value.problems == [f"command line: {override}  {override.partition('=')[0]} — {problem}"]


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ["task.decoding=refined", "task.shape=many-to-one"],
            "task.decoding — refined steps through the horizon, which task.shape many-to-one does not; "
            "use task.shape many-to-many, or leave it out",
        ),
        (
            ["task.decoding=recursive", "model.linear=true"],
            "model.linear — true maps to the whole horizon at once, which task.decoding recursive does not; "
            "use parallel or refined, or false",
        ),
    ],
)
def test_a_decoding_fits_the_shape_and_the_linear_map(overrides: list[str], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(TABLE, overrides)
    assert [one.partition("  ")[2] for one in caught.value.problems] == [problem]


def test_what_forecasts_at_once_has_a_linear_map_and_averages_distributions() -> None:
    beside = ["task.loss=gaussian", "task.symmetry=odd", "model.linear=true", "model.ridge=0.5"]
    for decoding in ("parallel", "refined"):
        assert from_mapping(TABLE, [f"task.decoding={decoding}", *beside]).model.linear


def test_a_key_that_the_task_does_not_read_is_reported_next_to_a_broken_section(
    problems: Problems,
) -> None:
    content = "task: {type: forecast}\ndata: {series: a.csv}\nmodel: {hidden: 0}\ntraining: {batch: 8, window: 32}\n"
    assert [problem.partition(",")[0] for problem in problems(content)] == [
        "my.yaml:3:17  model.hidden — 0 is too small; a whole number of at least 1",
        "my.yaml:4:30  training.window — task.type forecast does not use it",
    ]


@pytest.mark.parametrize("config", [TABLE, {"data": {"text": "a.txt"}}])
def test_a_resolved_config_names_keys_that_its_task_does_not_read_and_loads(config: dict[str, object]) -> None:
    settings = from_mapping(config)
    resolved = settings.model_dump(mode="json")
    assert {"window", "state_reset", "shorten"} <= resolved["training"].keys()
    assert from_mapping(resolved) == settings


STEPS = (
    "use auto, or an interval such as 15 minutes, 1 hour, 1 day, business days, 1 week, 1 month, month ends, 1 year, "
    "1 row"
)


@pytest.mark.parametrize(("step", "said"), [("fortnight", '"fortnight"'), ("3", "3"), ("0 days", '"0 days"')])
def test_a_wrong_step_is_reported_with_what_is_allowed(step: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(TABLE, [f"data.step={step}", "model.hidden=0"])
    assert caught.value.problems == [
        f"command line: data.step={step}  data.step — {said} is not a time between rows; {STEPS}",
        "command line: model.hidden=0  model.hidden — 0 is too small; a whole number of at least 1",
    ]


@pytest.mark.parametrize("step", ["auto", "30 min", "business days"])
def test_a_step_is_kept_unchanged(step: str) -> None:
    data = from_mapping(TABLE, [f"data.step={step}"]).data
    assert isinstance(data, SeriesData)
    assert data.step == step


def test_a_column_with_two_uses_is_reported_next_to_other_errors(problems: Problems) -> None:
    content = (
        "task: {type: forecast}\ndata: {series: a.csv, targets: [u, v], known: v, id: w, static: [w, v]}\n"
        "model: {hidden: 0}\n"
    )
    assert problems(content) == [
        'my.yaml:2:47  data.known — "v" is also named by data.targets; a column can have only one use',
        'my.yaml:2:65  data.static — "w" is also named by data.id; a column can have only one use',
        'my.yaml:2:65  data.static — "v" is also named by data.targets; a column can have only one use',
        "my.yaml:3:17  model.hidden — 0 is too small; a whole number of at least 1",
    ]


def test_a_column_of_a_table_with_two_uses_is_reported(problems: Problems) -> None:
    content = (
        "task: {type: regression}\ndata: {table: a.csv, sequence: s, features: [u, v], label: [s, w, v]}\n"
        "training: {budget: 3 epochs}\n"
    )
    assert problems(content) == [
        'my.yaml:2:60  data.label — "s" is also named by data.sequence; a column can have only one use',
        'my.yaml:2:60  data.label — "v" is also named by data.features; a column can have only one use',
    ]


def test_another_task_on_the_command_line_drops_what_only_the_one_before_reads() -> None:
    text = {"data": {"text": "a"}, "model": {"hidden": 8, "tie_embedding": True}, "training": {"window": 32}}
    changed = from_mapping(text, ["task.type=forecast", "data.series=a.csv"])
    assert (changed.model.hidden, changed.model.tie_embedding, changed.training.window) == (8, False, 64)
    with pytest.raises(ConfigError, match=r"training\.window — task\.type forecast does not use it"):
        from_mapping(text, ["task.type=forecast", "data.series=a.csv", "training.window=16"])


def test_the_keys_that_not_every_task_reads_are_those_whose_description_says_so() -> None:
    from lstmctl.config import schema

    sections = {"model": schema.Model, "training": schema.Training}
    for (name, key), tasks in schema.READ_BY.items():
        assert key in sections[name].model_fields
        assert tasks
        assert set(tasks) < set(schema.TASKS)
    for name, section in sections.items():
        for key, field in section.model_fields.items():
            if "(forecasts)" in (field.description or ""):
                assert schema.READ_BY[name, key] == ("forecast",)
            if "language model" in (field.description or ""):
                assert "language-model" in schema.READ_BY[name, key]


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


@pytest.mark.parametrize(
    ("overrides", "key", "problem"),
    [
        (["training.first_window=48"], "training.first_window", "doubling 48 never reaches training.window 64; 32, 16"),
        (["training.first_window=128"], "training.first_window", "doubling 128 never reaches training.window 64"),
        (
            ["training.first_window=16", "training.budget=30 seconds"],
            "training.budget",
            "30 seconds has no stages that are known in advance",
        ),
        (
            ["training.first_window=16", "task.shape=many-to-one"],
            "training.first_window",
            "task.shape many-to-one reads separate windows, all of one length; leave it out",
        ),
        (
            ["training.state_reset=0.0", "task.shape=many-to-one"],
            "training.state_reset",
            "task.shape many-to-one reads separate windows, without a carried state; leave it out",
        ),
    ],
)
def test_windows_that_do_not_grow_in_stages_and_states_that_are_not_carried_are_refused(
    overrides: list[str], key: str, problem: str
) -> None:
    assert only_problem(*overrides).startswith(f"{key} — {problem}")
