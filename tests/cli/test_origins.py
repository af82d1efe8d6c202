"""Errors say where a setting comes from, and name no config that nobody named."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Command

HINT = "hint: no CONFIG is named, so what you do not set is from travellers; set it, or name one: lstmctl config list\n"


def test_what_the_default_config_sets_is_said_to_be_its_own(lstmctl: Command) -> None:
    result = lstmctl("config", "check", "task.type=forecast", "data.series=t.csv", "model.layers=0")
    budget = "training.budget — task.type forecast on data.series does not count characters"
    lines = result.err.splitlines()
    assert result.code == 2
    assert lines[0].startswith(f"error: default config travellers:14:20  {budget}")
    assert lines[1].startswith("error: command line: model.layers=0  model.layers — 0 is too small")
    assert result.err.endswith(HINT)


def test_a_config_that_is_named_keeps_its_place(lstmctl: Command) -> None:
    result = lstmctl("config", "check", "travellers", "task.type=forecast", "data.series=t.csv")
    assert result.err.startswith("error: travellers (bundled):14:20  training.budget — ")
    assert "hint:" not in result.err
    assert lstmctl("config", "check").err == "default config travellers is valid\n"
    assert lstmctl("config", "check", "seed=2").err == "default config travellers with these settings is valid\n"


def test_a_comparison_without_a_config_does_not_claim_that_its_budget_was_typed(lstmctl: Command) -> None:
    result = lstmctl("compare", "rnn", "lstm", "task.type=forecast", "data.series=t.csv")
    assert result.code == 2
    assert result.err.startswith("error: default config travellers  training.budget — ")
    assert result.err.endswith(HINT)


def test_errors_of_the_data_say_where_the_settings_in_them_come_from(tmp_path: Path, lstmctl: Command) -> None:
    (tmp_path / "short.txt").write_text("abcdefghijkl")
    checked = lstmctl("config", "check", "--data", "data.text=short.txt")
    assert (checked.code, checked.err) == (
        3,
        "error: a part of 1 characters is too short to score; 2 are needed\n"
        "hint: give it a larger share in data.split, or more text; data.split is from default config travellers\n",
    )
    given = lstmctl("config", "check", "--data", "data.text=short.txt", "data.split=[0.8, 0.1, 0.1]")
    assert given.err.endswith("data.split, or more text\n")
    trained = lstmctl("train", "data.text=short.txt", "training.window=4")
    assert trained.code in (2, 3)
    assert trained.err.endswith("; training.batch is from default config travellers\n")


def test_the_data_of_a_config_can_be_checked_with_it(text_file: Path, lstmctl: Command) -> None:
    result = lstmctl("config", "check", "--data", f"data.text={text_file.name}")
    assert (result.code, result.err) == (
        0,
        f"default config travellers with these settings is valid, and its data fits: {text_file.resolve()}\n",
    )
    missing = lstmctl("config", "check", "--data", "data.text=nothing.txt")
    assert (missing.code, missing.err.startswith("error: `nothing.txt` does not exist; looked in ")) == (3, True)
    assert "configs" not in missing.err
