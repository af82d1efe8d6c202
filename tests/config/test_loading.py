"""From sources and overrides to settings: precedence, places of errors, trust, bundled configs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lstmctl import bundled
from lstmctl.config import Budget, bundled_text, derive, dump, from_mapping, json_schema, list_bundled, load
from lstmctl.config.examples import bundled_names
from lstmctl.config.overrides import drop
from lstmctl.config.schema import SeriesData
from lstmctl.errors import ConfigError

Problems = Callable[..., list[str]]

DATA = "data: {text: a.txt}\n"


def test_defaults_then_file_then_command_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(DATA + "model: {hidden: 100, layers: 2}\n")
    loaded = load(str(path), ["model.hidden=8", "training.learning_rate=1e-3", "training.clip=null"])
    assert (loaded.name, loaded.folder) == ("mine", tmp_path)
    model, training = loaded.settings.model, loaded.settings.training
    assert (model.hidden, model.layers, model.embedding) == (8, 2, 64)
    assert (training.learning_rate, training.clip, training.batch) == (0.001, None, 32)


def test_an_override_may_set_a_whole_section_or_a_key_inside_an_option() -> None:
    chosen = from_mapping(
        {"data": {"text": "a"}}, ["model={cell: gru, hidden: 3}", "model.options.peephole.deep=[1, a]"]
    )
    assert (chosen.model.cell, chosen.model.hidden) == ("gru", 3)
    assert chosen.model.options == {"peephole": {"deep": [1, "a"]}}


def test_errors_of_file_and_command_line_come_all_at_once_and_in_order(problems: Problems) -> None:
    content = DATA + "training:\n  batch: 0\nmodel:\n  hiden: 3\n  dropout: 1.0\nsede: 1\nthreads: none\n"
    assert problems(content, "model.layers=none", "training.windw=3", "5") == [
        "my.yaml:3:10  training.batch — 0 is too small; a whole number of at least 1 and at most 1000000",
        "my.yaml:5:3  model.hiden — unknown key; did you mean hidden?",
        "my.yaml:6:12  model.dropout — 1.0 is too large; a number of at least 0 and below 1",
        "my.yaml:7:1  sede — unknown key; did you mean seed?",
        'my.yaml:8:10  threads — "none" is text, not a number; a whole number of at least 1 and at most 1024 or auto',
        "command line: 5  not of the form KEY=VALUE; for example `model.hidden=256`",
        'command line: model.layers=none  model.layers — "none" is text, not a number; '
        "a whole number of at least 1 and at most 1000",
        "command line: training.windw=3  training.windw — unknown key; did you mean window?",
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.hiden=256", "model.hiden — unknown key; did you mean hidden?"),
        ("modle.hidden=256", "modle — unknown key; did you mean model?"),
        ("hidden=256", "hidden — unknown key; did you mean model.hidden?"),
        ("model.learning_rate=1e-3", "model.learning_rate — unknown key; did you mean training.learning_rate?"),
        ("text=a.txt", "text — unknown key; did you mean data.text?"),
        ("modelhidden", "not of the form KEY=VALUE; for example `model.hidden=256`"),
        ("--model.hidden=3", "not of the form KEY=VALUE; for example `model.hidden=256`"),
        ("model.hidden =3", "not of the form KEY=VALUE; for example `model.hidden=256`"),
        ("model.hidden=", "no value after `=`; write `null` for none"),
        ("model.hidden=[", "the text ends inside brackets; close them (column 2)"),
        ("model.hidden=!!int 3", "tag `!!int` is refused; a config contains only plain values (column 1)"),
        ("seed.x=3", "seed — a section of keys is not a number; a whole number of at least 0"),
        ("data.text.x=3", "data.text — not a section; set it as a whole, `data.text=VALUE`"),
        (
            "model.options=- 1",
            "write a list as `[a, b]` and a mapping as `{key: value}`, and quote text with `: ` in it (column 1)",
        ),
    ],
)
def test_a_wrong_override_is_located_on_the_command_line(problems: Problems, override: str, message: str) -> None:
    assert problems(DATA, override) == [f"command line: {override}  {message}"]


def test_a_broken_file_does_not_hide_a_broken_override(problems: Problems) -> None:
    assert problems("a: [", "x") == [
        "my.yaml:1:5  the text ends inside brackets; close them",
        "command line: x  not of the form KEY=VALUE; for example `model.hidden=256`",
    ]


def test_another_source_takes_the_place_of_the_one_before() -> None:
    section = {"text": "a.txt", "symbols": "bytes", "split": [0.9, 0.1]}
    assert drop(section, {"text", "symbols", "split"}, {"series", "split"}) == ["text", "symbols"]
    assert section == {"split": [0.9, 0.1]}


def test_a_users_cell_in_a_file_needs_trust(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(DATA + "model:\n  cell: no_such_module:MyCell\n")
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    assert caught.value.problems == [
        f'{path}:3:9  model.cell — "no_such_module:MyCell" would import code that this file names; '
        "trust it, or do not run it"
    ]
    assert caught.value.hint == "add `--trust` if you know that code"
    assert load(str(path), trust=True).settings.model.cell == "no_such_module:MyCell"
    assert load(str(path), ["model.cell=other:MyCell"]).settings.model.cell == "other:MyCell"
    assert load(str(path), ["model={cell: other:MyCell}"]).settings.model.cell == "other:MyCell"


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(DATA.encode())))
    loaded = load("-", ["seed=3"])
    assert (loaded.name, loaded.folder, loaded.settings.seed) == ("stdin", None, 3)
    with pytest.raises(ConfigError, match=r"^stdin  the file is empty"):
        load("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(DATA,))
    writer.start()
    assert load(str(path)).settings.data.text == ("a.txt",)
    writer.join()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("traveler", "traveler  neither a file nor a bundled config; did you mean travellers"),
        ("configs/travelers.yaml", "neither a file nor a bundled config; did you mean travellers?"),
        ("zzz", "zzz  neither a file nor a bundled config; bundled configs: adding, "),
        ("sales.csv", "sales.csv  does not exist"),
        ("a\0b", "a\\x00b  "),
        ("x" * 5000, "cannot be read: File name too long"),
    ],
)
def test_a_missing_config_names_the_nearest_bundled_one(source: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(source)
    assert message in caught.value.problems[0]
    assert caught.value.exit_code == 2


def test_a_folder_is_not_a_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a folder, not a config"):
        load(str(tmp_path))


def test_an_unreadable_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.symlink_to(path)
    with pytest.raises(ConfigError, match=r"mine.yaml  (cannot be read|neither a file)"):
        load(str(path))


def test_a_mapping_needs_no_file_and_stays_as_it_was() -> None:
    values = {"data": {"text": "a.txt"}, "model": {"hidden": 3, "cell": "mine:Cell"}}
    chosen = from_mapping(values, ["model.hidden=4"])
    assert (chosen.model.hidden, chosen.model.cell) == (4, "mine:Cell")
    assert values["model"]["hidden"] == 3
    with pytest.raises(ConfigError) as caught:
        from_mapping({"data": {"text": "a", 5: 1}, "seed": -1})  # type: ignore[dict-item]
    assert caught.value.problems == [
        "data — 5 is used as a key; keys must be text",
        "seed — -1 is too small; a whole number of at least 0",
    ]


def test_text_that_no_file_can_hold_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping({"data": {"text": "\ud800"}, "model": {"options": {"a": ["\ud800"]}}})
    assert caught.value.problems == [
        'data.text — "\\ud800" is not a path; use a file, a folder, or a list of them',
        'model.options — "\\ud800" cannot be written as UTF-8',
    ]


def test_derived_settings_are_checked_again() -> None:
    base = from_mapping({"data": {"text": "a.txt"}, "training": {"budget": "5 epochs"}})
    derived = derive(base, ["model.hidden=3"])
    assert derived.model.hidden == 3
    assert derived.training == base.training
    with pytest.raises(
        ConfigError, match=r"^command line: training.accumulate=3  training.accumulate — 3 does not divide"
    ):
        derive(base, ["training.accumulate=3"])


# The bundled configs


def test_bundled_configs_load_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "travellers").mkdir()  # a folder of that name is not in the way
    assert {"travellers", "shakespeare-cpu", "shakespeare-gpu", "next-character"} <= set(bundled_names())
    for name in bundled_names():
        loaded = load(name)
        assert (loaded.name, loaded.folder) == (name, bundled.configs())
        assert load(f"{name}.yaml") == loaded
    assert load("travellers").settings.training.budget == Budget(2.8e6, "characters")
    assert load("next-character").settings.task.shape == "many-to-one"


def test_every_bundled_config_opens_with_what_it_shows() -> None:
    listed = dict(list_bundled())
    assert sorted(listed) == bundled_names()
    for name, comment in listed.items():
        text = bundled_text(name)
        assert len(comment) > 20
        assert text.startswith(f"# {comment}\n")
        assert "# Time: " in text
        assert f"lstmctl train{'' if name == 'travellers' else ' ' + name}\n" in text or f"train {name} " in text
        assert "# yaml-language-server: $schema=schema.json\n" in text


def test_an_unknown_bundled_config_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^shakespear  not a bundled config; did you mean shakespeare-"):
        bundled_text("shakespear")


def test_the_schema_file_is_the_schema_and_bundled_configs_satisfy_it() -> None:
    schema = json.loads((bundled.configs() / "schema.json").read_text(encoding="utf-8"))
    assert schema == json_schema(), "write it again: lstmctl config schema > configs/schema.json"
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    for name in bundled_names():
        validator.validate(yaml.safe_load(dump(load(name).settings)))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"data": {"text": "a"}, "model": {"hidden": 0}})


def test_every_key_is_described() -> None:
    for name, definition in {"Settings": json_schema(), **json_schema()["$defs"]}.items():
        for key, entry in definition["properties"].items():
            assert entry.get("description"), f"{name}.{key}"


# Writing


def problems_of(attempt: Callable[[], object]) -> list[str] | None:
    """The messages of the ConfigError that `attempt` ends in, or None; any other exception fails the test."""
    try:
        attempt()
    except ConfigError as error:
        return error.problems
    return None


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab: \"'#\n1é", max_size=5), inner, max_size=3),
    max_leaves=6,
)
PATH = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)


@given(
    st.fixed_dictionaries(
        {
            "data": st.fixed_dictionaries(
                {"text": PATH | st.lists(PATH, min_size=1, max_size=3)},
                optional={
                    "symbols": st.sampled_from(["characters", "bytes"]),
                    "split": st.sampled_from([[0.8, 0.1, 0.1], [0.9, 0.1], [100, 20], [1, 2, 3], [1 / 3, 2 / 3]]),
                },
            ),
            "model": st.fixed_dictionaries(
                {},
                optional={
                    "cell": st.sampled_from(["rnn", "lstm", "gru", "feedforward", "my.module:Cell"]),
                    "hidden": st.integers(1, 2**31 - 1),
                    "dropout": st.floats(0, 1, exclude_max=True),
                    "tie_embedding": st.booleans(),
                    "options": st.dictionaries(st.text("ab: \n1", max_size=4), PLAIN, max_size=3),
                },
            ),
            "training": st.fixed_dictionaries(
                {},
                optional={
                    "learning_rate": st.floats(0, 1e9, exclude_min=True),
                    "clip": st.none() | st.floats(0, 1e30, exclude_min=True) | st.integers(1, 5),
                    "betas": st.sampled_from([[0, 0.5], [0.9, 0.999]]),
                    "evaluate_every": st.just("auto") | st.integers(1, 1000),
                    "budget": st.sampled_from(["3M characters", "0.25 epochs", "7 steps", "90 seconds"]),
                },
            ),
        },
        optional={"seed": st.integers(0, 2**63 - 1), "device": st.sampled_from(["auto", "cuda:1"])},
    )
)
def test_what_is_dumped_loads_back_equal(tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]) -> None:
    chosen = from_mapping(values)
    path = tmp_path_factory.getbasetemp() / "dumped.yaml"
    path.write_bytes(dump(chosen).encode())
    again = load(str(path), trust=True).settings
    assert again == chosen
    assert repr(again) == repr(chosen)  # distinguishes an int from a float and a list from a tuple
    assert dump(again) == dump(chosen)


@given(st.binary(max_size=200), st.lists(st.text(max_size=20), max_size=2))
def test_any_bytes_and_overrides_load_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, overrides: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    found = problems_of(lambda: load(str(path), overrides))
    assert found is None or (found and all(problem.isprintable() for problem in found))


@given(
    st.dictionaries(
        st.sampled_from(["task", "data", "model", "training", "seed", "format", "x"]),
        PLAIN
        | st.dictionaries(
            st.sampled_from(["text", "type", "hidden", "cell", "budget", "split", "betas", "clip", "options"]), PLAIN
        ),
    )
)
def test_any_plain_mapping_becomes_settings_or_is_refused(values: dict[str, object]) -> None:
    found = problems_of(lambda: from_mapping(values))
    assert found is None or (found and all(" — " in problem for problem in found))


def test_loading_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from lstmctl.config import loading; loading.load('travellers');"
        "print(sorted({'torch', 'numpy', 'polars', 'matplotlib', 'rich', 'scipy'} & set(sys.modules)))"
    )
    root = Path(bundled.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_what_a_shell_took_the_quotes_off_is_read_as_it_was_meant() -> None:
    overrides = ["task.type=forecast", "data.series=x.csv", "data.decimal=,", "data.separator=|"]
    settings = load("travellers", [*overrides, "data.date_format=%d/%m/%Y %H:%M", "training.budget=2 epochs"]).settings
    assert isinstance(settings.data, SeriesData)
    assert (settings.data.decimal, settings.data.separator) == (",", "|")
    assert settings.data.date_format == "%d/%m/%Y %H:%M"
    with pytest.raises(ConfigError):
        load("travellers", ["data.split=[0.5"])
