"""Configs that are derived from a user's own files: what each file is taken for, and what is said of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from lstmctl.config import load
from lstmctl.deriving import derive, is_config, load_config
from lstmctl.errors import ConfigError, DataError
from tests.conftest import Command


def months(count: int, columns: str = "sales") -> str:
    rows = [
        f"{2000 + month // 12}-{month % 12 + 1:02d}-01,{100 + month + 20 * math.sin(2 * math.pi * month / 12):.2f}"
        for month in range(count)
    ]
    return f"date,{columns}\n" + "\n".join(rows) + "\n"


def written(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def settled(name: str, *overrides: str) -> dict[str, Any]:
    return load_config(name, overrides).settings.model_dump(mode="json")


def test_dates_and_numbers_are_forecast_a_season_ahead() -> None:
    found = settled(written("sales.csv", months(108)))
    assert found["task"]["type"] == "forecast"
    assert (found["task"]["horizon"], found["task"]["lookback"]) == (12, 24)
    assert found["data"]["split"] == [76, 16, 16]
    assert found["data"]["calendar"] == ["month"]
    assert found["task"]["calibration"] == "shared"


def test_what_was_decided_is_said_with_the_setting_that_changes_it() -> None:
    lines = derive(written("sales.csv", months(108))).lines()
    assert lines[0] == "sales.csv: sales at 108 times, every 1 month, from 2000-01-01 on: a forecast"
    assert any(line.split() == ["task.horizon=12", "one", "season"] for line in lines)


def test_what_the_user_sets_is_not_decided_and_the_rest_follows_it() -> None:
    name = written("sales.csv", months(108))
    found = settled(name, "task.horizon=6", "model.hidden=8")
    assert (found["task"]["horizon"], found["task"]["lookback"], found["model"]["hidden"]) == (6, 24, 8)
    assert not any("task.horizon" in line for line in derive(name, ["task.horizon=6"]).lines())


@pytest.mark.parametrize(("count", "horizon"), [(12, 1), (30, 3), (60, 7)])
def test_a_short_series_gets_short_spans(count: int, horizon: int) -> None:
    found = settled(written("short.csv", months(count)))
    assert found["task"]["horizon"] == horizon
    training, validation, test = found["data"]["split"]
    assert training + validation + test == count
    assert training >= found["task"]["lookback"] + horizon
    assert min(validation, test) >= horizon


def test_rows_that_repeat_have_their_season_whatever_their_step() -> None:
    rows = "".join(f"{n},{math.sin(2 * math.pi * n / 9) + n / 100:.4f}\n" for n in range(200))
    found = derive(written("cycles.csv", "step,value\n" + rows))
    assert found.values()["task"]["season"] == 9


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        (lambda lines: [*lines[:5], *lines[6:]], "missing", "interpolate"),
        (lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]], "order", "sort"),
        (lambda lines: [*lines[:6], *lines[5:]], "duplicates", "mean"),
    ],
)
def test_a_table_with_a_fault_is_repaired_and_it_is_said(change: Any, key: str, value: str) -> None:
    lines = months(60).splitlines()
    found = derive(written("faulty.csv", "\n".join(change(lines)) + "\n"))
    assert found.values()["data"][key] == value
    assert sum(name in found.values()["data"] for name in ("missing", "order", "duplicates")) == 1
    assert any(f"data.{key}={value}" in line for line in found.lines())


def test_texts_with_few_labels_are_classified() -> None:
    rows = "".join(f'"message number {n}, as it came",{"spam" if n % 3 else "ham"}\n' for n in range(60))
    found = settled(written("mails.csv", "body,kind\n" + rows))
    assert found["task"]["type"] == "classification"
    assert (found["data"]["text"], found["data"]["label"]) == ("body", ["kind"])


def test_texts_with_numbers_are_a_regression() -> None:
    rows = "".join(f'"review number {n}, in words",{n / 7:.3f}\n' for n in range(60))
    assert settled(written("reviews.csv", "review,score\n" + rows))["task"]["type"] == "regression"


def test_a_label_for_every_character_is_tagging() -> None:
    rows = "".join(f"{'ab' * (3 + n % 4)},{'xy' * (3 + n % 4)}\n" for n in range(60))
    assert settled(written("tagged.csv", "text,tags\n" + rows))["task"]["type"] == "tagging"


def test_lines_of_two_texts_are_pairs_and_of_a_text_and_a_label_are_not() -> None:
    pairs = "".join(f"the {n}th of May\t{n:02d}-05\n" for n in range(1, 32))
    assert settled(written("dates.tsv", pairs))["task"]["type"] == "transduction"
    labelled = "text\tlabel\n" + "".join(f"sentence number {n}\t{'ab'[n % 2]}\n" for n in range(60))
    assert settled(written("labelled.tsv", labelled))["task"]["type"] == "classification"


def test_a_text_is_learnt_symbol_by_symbol_with_a_size_that_suits_it() -> None:
    short = settled(written("short.txt", "To be, or not to be. " * 300))
    assert (short["task"]["type"], short["model"]["hidden"], short["model"]["dropout"]) == ("language-model", 128, 0.3)
    long = settled(written("long.txt", "To be, or not to be. " * 30_000))
    assert (long["model"]["hidden"], long["training"]["batch"]) == (384, 64)


def test_a_folder_of_texts_is_one_text() -> None:
    Path("novels").mkdir()
    for number in range(3):
        written(f"novels/{number}.txt", "Once upon a time there was a king. " * 50)
    assert "3 files: a text of about 5.25k characters" in derive("novels").lines()[0]


@pytest.mark.parametrize(
    ("name", "text", "message", "hint"),
    [
        ("one.csv", "date,y\n2020-01-01,1\n", "has 1 row, too few", None),
        (
            "plain.csv",
            "a,b\n" + "x1,y1\n" * 13,
            "has neither a column of dates with numbers nor one of texts",
            "data.time",
        ),
        (
            "both.csv",
            "text,first,second\n" + "".join(f"a longer sentence {n},{n % 2},{n % 3}\n" for n in range(60)),
            "`first`, `second` may each hold the labels",
            "data.label=first  or  lstmctl train both.csv data.label=second",
        ),
        ("book.xlsx", "PK", "is a spreadsheet", "save the sheet as CSV"),
        ("nothing.txt", "too short", "has 9 characters, too few to learn from", None),
        ("few.csv", months(6), "has 6 rows, too few", None),
    ],
)
def test_what_is_unclear_or_too_little_is_said_with_the_way_out(
    name: str, text: str, message: str, hint: str | None
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        derive(written(name, text))
    if hint is not None:
        assert caught.value.hint is not None
        assert hint in caught.value.hint


def test_a_config_is_a_config() -> None:
    assert is_config("travellers")
    assert is_config("-")
    assert is_config("mistyped.csv")  # not there: most likely a mistyped config
    assert is_config(written("my.yaml", "format: 1\n"))
    assert not is_config(written("my.csv", months(20)))
    with pytest.raises(ConfigError, match=r"mistyped\.csv  does not exist") as caught:
        load_config("mistyped.csv")
    assert caught.value.hint == f"the current folder is {Path.cwd()}"


def test_a_wrong_override_is_told_as_of_any_config() -> None:
    with pytest.raises(ConfigError, match=r"model\.hiden — unknown key"):
        load_config(written("sales.csv", months(108)), ["model.hiden=3"])
    typed = ["model.hidden=abc", "data.targets=5", "task.season=true", "training.batch=8"]
    with pytest.raises(ConfigError) as caught:
        load_config(written("sales.csv", months(108)), typed)
    assert caught.value.problems == [
        'command line: model.hidden=abc  model.hidden — "abc" is text, not a number; a whole number of at least 1',
        "command line: data.targets=5  data.targets — 5 is not a column name; use one name, or a list of names",
        "command line: task.season=true  task.season — true is not a number; a whole number of at least 1 or auto",
    ]


@pytest.mark.parametrize("key", ["text", "label"])
def test_a_column_that_is_not_there_is_named_with_those_that_are(key: str) -> None:
    rows = "text,label\n" + "".join(f"please turn on the {what},{what}\n" for what in ("lamp", "radio") * 20)
    with pytest.raises(DataError, match="has no column `intent`; its columns are `text`, `label`"):
        load_config(written("requests.csv", rows), [f"data.{key}=intent"])


def test_a_decision_can_be_given_back_as_null() -> None:
    assert load_config(written("sales.csv", months(108)), ["data.targets=null"]).settings.data.targets is None


def test_one_command_trains_a_file_and_the_next_forecasts(lstmctl: Command) -> None:
    written("sales.csv", months(60))
    trained = lstmctl("train", "sales.csv", "training.budget=3 steps")
    assert trained.code == 0, trained.err
    assert "sales.csv: sales at 60 times, every 1 month" in trained.err
    assert "task.horizon=7" in trained.err
    ahead = lstmctl("forecast")
    assert ahead.code == 0, ahead.err
    assert len(ahead.out.splitlines()) == 8
    assert ahead.out.splitlines()[1].startswith("sales,2005-01-01,")


def test_config_new_writes_what_train_would_take(lstmctl: Command) -> None:
    written("sales.csv", months(108))
    told = lstmctl("config", "new", "sales.csv", "model.hidden=24")
    assert told.code == 0, told.err
    assert "run it with: lstmctl train sales.yaml" in told.err
    text = Path("sales.yaml").read_text(encoding="utf-8")
    assert "horizon: 12  # one season" in text
    assert "hidden: 24  # as you asked" in text
    assert load("sales.yaml").settings == load_config("sales.csv", ["model.hidden=24"]).settings
    assert lstmctl("config", "new", "sales.csv").code == 2  # never overwritten
