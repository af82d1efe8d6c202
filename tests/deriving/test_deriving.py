"""Configs that are derived from a user's own files: what each file is taken for, and what is said of it."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from lstmctl.config import load
from lstmctl.data.hangul import composed
from lstmctl.deriving import derive, is_config, load_config
from lstmctl.deriving.derived import seconds_of
from lstmctl.errors import ConfigError, DataError, UsageError
from tests.conftest import Command
from tests.sounds import wave_bytes


def months(count: int, columns: str = "sales") -> str:
    rows = [
        f"{2000 + month // 12}-{month % 12 + 1:02d}-01,{100 + month + 20 * math.sin(2 * math.pi * month / 12):.2f}"
        for month in range(count)
    ]
    return f"date,{columns}\n" + "\n".join(rows) + "\n"


def hours(count: int) -> str:
    start = np.datetime64("2020-01-01T00:00")
    rows = [f"{start + np.timedelta64(hour, 'h')},{math.sin(2 * math.pi * hour / 24):.4f}" for hour in range(count)]
    return "date,load\n" + "\n".join(rows) + "\n"


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


def test_columns_whose_use_leaves_no_doubt_are_settled() -> None:
    rows = "".join(
        f"2020-{month:02d}-01,{source},{month + number},{source}ly\n"
        for month in range(1, 13)
        for number, source in enumerate(("coal", "wind"))
    )
    with pytest.raises(DataError, match="holds text, and has no use"):  # `source` and `manner` may both name the series
        derive(written("sources.csv", "date,source,output,manner\n" + rows))
    data = settled(written("sources.csv", "date,source,output\n" + rows.replace(",coally", "").replace(",windly", "")))[
        "data"
    ]
    assert data["id"] == "source"
    weather = "".join(f"2020-01-{day:02d},{day},{'rain' if day % 2 else 'sun'}\n" for day in range(1, 31))
    found = derive(written("weather.csv", "date,temperature,weather\n" + weather))
    assert found.values()["data"]["targets"] == ["temperature"]
    assert any(line.endswith("`weather` holds text") for line in found.lines())
    counted = "".join(f"{700_000 + day},{math.sin(day):.3f}\n" for day in range(60))
    assert settled(written("counted.csv", "ordinal_date,approval\n" + counted))["data"]["time"] == "ordinal_date"


@pytest.mark.parametrize("form", ["%b %d %Y", "%b-%d-%Y", "%B %d, %Y"])
def test_months_may_be_named_before_the_day(form: str) -> None:
    start = datetime.date(2000, 1, 1)
    rows = "".join(f'"{start + datetime.timedelta(day):{form}}",{day}\n' for day in range(60))
    assert "60 times, every 1 day, from 2000-01-01 on" in derive(written("named.csv", "date,y\n" + rows)).lines()[0]


def test_a_clock_set_for_daylight_saving_is_read_as_utc() -> None:
    start = datetime.datetime(2022, 3, 26, tzinfo=ZoneInfo("Europe/Berlin"))
    hours = [start.astimezone(datetime.UTC) + datetime.timedelta(hours=n) for n in range(72)]
    rows = "".join(f"{hour.astimezone(ZoneInfo('Europe/Berlin')).isoformat()},{n}\n" for n, hour in enumerate(hours))
    assert settled(written("berlin.csv", "time,flow\n" + rows))["data"]["zone"] == "UTC"


def test_shares_of_many_series_add_up() -> None:
    rows = "".join(
        f"{name},{2000 + n // 12}-{n % 12 + 1:02d}-01,{n}\n"
        for name, count in (("a", 68), ("b", 123))
        for n in range(count)
    )
    assert sum(settled(written("two.csv", "unique_id,ds,y\n" + rows))["data"]["split"]) == pytest.approx(1)


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
    assert (short["task"]["type"], short["model"]["hidden"], short["model"]["dropout"]) == ("language-model", 192, 0.5)
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
            "`first`, `second` could each be the labels",
            "data.label=first  or  lstmctl train both.csv data.label=second",
        ),
        ("book.xlsx", "PK", "is a spreadsheet", "save the sheet as CSV"),
        ("nothing.txt", "too short", "has 9 characters, too few to learn from", None),
        ("few.csv", months(6), "has 6 rows, too few", None),
        ("header.csv", "date,y\n", "header.csv has 0 rows, too few to learn from", None),
        ("empty.csv", "", "is empty", None),
        ("names.csv", "city\n" + "Berlin\n" * 20, "one column only, `city`", None),
        (
            "steps.csv",
            "date,y\n"
            + "".join(f"2020-01-{day:02d},1\n" for day in (1, 2, 3, 5, 8, 13, 21)) * 1
            + "2021-03-04,2\n" * 1
            + "".join(f"2022-{month:02d}-11,{month}\n" for month in range(1, 13)),
            "step",
            None,
        ),
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


@pytest.mark.parametrize(("time", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("10 minutes", 600)])
def test_a_time_has_a_unit(time: str, seconds: float) -> None:
    assert seconds_of(time) == seconds


@pytest.mark.parametrize("time", ["10", "m", "10 epochs", "0m", "-3m", "soon"])
def test_what_is_not_a_time_is_refused(time: str) -> None:
    with pytest.raises(UsageError, match="is not a time") as caught:
        derive(written("sales.csv", months(108)), time=time)
    assert caught.value.hint == "write one such as 90s, 10m or 2h"


def test_more_time_is_a_larger_budget_and_for_a_long_text_a_wider_network() -> None:
    name = written("long.txt", "To be, or not to be, that is. " * 30_000)
    short, long = (load_config(name, time=time).settings for time in ("5s", "10m"))
    assert (short.model.hidden, long.model.hidden) == (256, 384)
    assert long.training.budget.amount > 20 * short.training.budget.amount
    table = written("hours.csv", hours(6000))
    assert load_config(table, time="1s").settings.training.budget.amount == 1
    assert load_config(table, time="0.1s").settings.training.budget.amount < 0.2
    assert load_config(table, time="5m").settings.training.budget.amount == 30
    assert settled(table)["model"]["ensemble"] == 1
    assert load_config(table, time="5m").settings.model.ensemble == 3


def test_a_table_is_learned_by_one_thread_until_it_is_learned_no_better() -> None:
    alone = load_config(written("sales.csv", months(108))).settings
    assert (alone.training.patience, alone.threads) == (3, 1)
    wide = "date," + ",".join(f"c{number}" for number in range(40)) + "\n"
    wide += "".join(f"{line.split(',')[0]}{(',' + line.split(',')[1]) * 40}\n" for line in hours(1500).splitlines()[1:])
    assert load_config(written("wide.csv", wide)).settings.threads == "auto"


def test_a_config_has_a_budget_of_its_own(lstmctl: Command) -> None:
    told = lstmctl("train", "travellers", "--time", "10m")
    assert told.code == 2
    assert "--time is for your own data; travellers is a config" in told.err
    assert "training.budget=" in told.err
    for words in (("compare", "rnn", "gru"), ("train", "travellers", "--seeds", "2")):
        told = lstmctl(*words, "--time", "10m")
        assert told.code == 2
        assert "--time is for your own data" in told.err


def test_a_korean_text_of_rare_syllables_is_learned_letter_by_letter() -> None:
    name = written(
        "korean.txt", "".join(chr(0xAC00 + 37 * number % 11172) + " " * (number % 3) for number in range(3000))
    )
    found = settled(name)
    assert found["data"]["symbols"] == "decomposed"
    assert found["training"]["budget"].endswith(" symbols")
    assert settled(name, "data.symbols=characters")["data"]["symbols"] == "characters"
    frequent = written("frequent.txt", "모든 국민은 인간으로서의 존엄과 가치를 가진다.\n" * 40)
    assert settled(frequent)["data"]["symbols"] == "characters"
    assert settled(written("latin.txt", "Wir sind so frei. " * 100))["data"]["symbols"] == "characters"


def test_letters_are_written_as_syllables_and_scored_per_character(lstmctl: Command) -> None:
    written("korean.txt", "모든 국민은 인간으로서의 존엄과 가치를 가진다.\n" * 60)
    trained = lstmctl(
        "train", "korean.txt", "data.symbols=decomposed", "training.budget=20 steps", "model.hidden=16", "--json"
    )
    assert trained.code == 0, trained.err
    assert "nats_per_character" in json.loads(trained.out)["metrics"]["test"]
    made = lstmctl("generate", "latest", "--prompt", "모든 ", "--length", "60", "--seed", "1")
    assert made.code == 0, made.err
    assert composed(made.out) == made.out
    assert made.out.startswith("모든 ")
    told = lstmctl("predict", "latest", "--text", "모든 국민")
    assert told.code == 0, told.err
    assert told.out.startswith("text,")
    scored = lstmctl("evaluate", "latest", "korean.txt", "--json")
    assert scored.code == 0, scored.err
    looked = lstmctl("inspect", "gates", "latest", "--text", "모든 국민은")
    assert looked.code == 0, looked.err


def recordings(folder: str, names: Sequence[str]) -> str:
    for number, name in enumerate(names):
        path = Path(folder, f"{name}.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wave_bytes(np.sin(np.arange(2000) * (0.1 + number % 5 / 10)).astype(np.float32) / 2))
    return folder


def test_a_folder_of_recordings_in_one_folder_per_label_is_classified() -> None:
    name = recordings("words", [f"{label}/{take}" for label in ("yes", "no") for take in range(6)])
    found = settled(name)
    assert (found["task"]["type"], found["data"]["file_names"]) == ("classification", None)
    assert found["model"]["direction"] == "bidirectional"
    assert "words: 12 recordings, 2 labels: no, yes, to classify" in derive(name).lines()


def test_the_label_may_be_the_part_of_the_names_with_few_values() -> None:
    name = recordings("flat", [f"{label}_{take}" for label in ("yes", "no") for take in range(6)])
    assert settled(name)["data"]["file_names"] == "{label}_{part2}"
    both = recordings("both", [f"{a}-{b}-{take}" for a in ("yes", "no") for b in ("ann", "bob") for take in range(6)])
    with pytest.raises(DataError, match="two parts of the names of its files may be the label") as caught:
        derive(both)
    assert caught.value.hint is not None
    for pattern in ("{label}-{speaker}-{part3}", "{speaker}-{label}-{part3}"):
        assert pattern in caught.value.hint
        assert derive(both, [f'data.file_names="{pattern}"']).lines()[0].startswith("both: 24 recordings, 2 labels")


def test_a_folder_of_recordings_is_trained_on(lstmctl: Command) -> None:
    name = recordings("words", [f"{label}/{take}" for label in ("yes", "no") for take in range(8)])
    trained = lstmctl("train", name, "training.budget=2 steps", "model.hidden=4")
    assert trained.code == 0, trained.err
    assert "words: 16 recordings" in trained.err


@pytest.mark.parametrize(
    ("files", "message", "hint"),
    [
        (
            {"a.png": "", "b.png": "", "notes.md": ""},
            r"holds pictures, such as a\.png, and no text or recording",
            "a table",
        ),
        ({"a.csv": "", "b.csv": ""}, r"holds tables, such as a\.csv", "join them into one table"),
        ({}, r"is a folder without any \.txt file", None),
        ({"a.txt": "x" * 500, "b.wav": ""}, "holds 1 text and 1 recording", "task.type=language-model  or"),
        ({"a.wav": "", "b.wav": ""}, r"labels are unknown, such as a", "one folder per label"),
    ],
)
def test_a_folder_that_is_not_clear_says_what_it_holds(files: dict[str, str], message: str, hint: str | None) -> None:
    Path("folder").mkdir()
    for name, text in files.items():
        written(f"folder/{name}", text)
    with pytest.raises(DataError, match=message) as caught:
        derive("folder")
    assert hint is None or hint in (caught.value.hint or "")


def test_a_single_picture_or_recording_is_refused() -> None:
    with pytest.raises(DataError, match=r"a\.png is a picture"):
        derive(written("a.png", "x"))
    with pytest.raises(DataError, match=r"a\.wav is one recording"):
        derive(written("a.wav", "x"))


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


def test_office_hours_are_taken_row_by_row_and_not_filled() -> None:
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=day) for day in range(28)]
    lines = [
        f"{day} {hour}:00,{100 + 10 * hour + day.day}" for day in days if day.weekday() < 5 for hour in range(9, 18)
    ]
    name = written("calls.csv", "date,calls\n" + "\n".join(lines) + "\n")
    found = settled(name)
    assert (found["data"]["step"], found["data"]["missing"]) == ("1 row", "error")
    assert any("no rows for much of the time" in line for line in derive(name).lines())
    del lines[40]  # an hour without a row is no reason
    assert settled(written("calls.csv", "date,calls\n" + "\n".join(lines) + "\n"))["data"]["step"] == "1 row"
    hours = [f"{day} {hour}:00,{hour}" for day in days for hour in range(24) if (day.day, hour) != (5, 5)]
    gap = settled(written("gap.csv", "date,calls\n" + "\n".join(hours) + "\n"))
    assert (gap["data"]["step"], gap["data"]["missing"]) == ("auto", "interpolate")


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        (60, 11),  # a horizon of 7, and five windows of each series make nine or more
        (100, 16),  # likewise for a horizon of 12
        (200, 20),  # a tenth
    ],
)
def test_several_series_hold_out_their_last_rows(count: int, rows: int) -> None:
    found = settled(written("two.csv", long_months(a=count, b=count)))
    assert found["data"]["split"] == ["rest", f"{rows} rows", f"{rows} rows"]


def test_series_that_end_at_different_times_are_cut_at_dates() -> None:
    lines = [line for line in long_months(a=100, b=100).splitlines() if not line.startswith("b,2008")]
    found = settled(written("two.csv", "\n".join(lines) + "\n"))
    assert all(isinstance(share, float) for share in found["data"]["split"])


def long_months(**rows: int) -> str:
    """A long table of monthly series that end together, each with its number of rows."""
    most, lines = max(rows.values()), ["unique_id,ds,y"]
    for name, count in rows.items():
        for month in range(most - count, most):
            value = 100 + month + 20 * math.sin(2 * math.pi * month / 12)
            lines.append(f"{name},{2000 + month // 12}-{month % 12 + 1:02d}-01,{value:.2f}")
    return "\n".join(lines) + "\n"
