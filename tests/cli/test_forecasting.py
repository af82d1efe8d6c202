"""Forecasting from the command line, as a user with their own table sees it."""

from __future__ import annotations

import calendar
import csv
import datetime
import hashlib
import io
import json
import logging
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests import processes
from tests.conftest import Command, Result, Trained

FEW = ["training.budget=3 steps"]
FILLS = "hint: data.missing=interpolate (or forward-fill) fills them, data.missing=mask leaves them unscored"


@pytest.fixture
def waves(series_config: Path) -> list[str]:
    """The lines of the table that `series_config` reads: a header, then 400 hours of `a` and `b`."""
    return (series_config.parent / "small.csv").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def run(trained: Trained) -> str:
    """A small trained forecaster."""
    return trained("waves", *FEW).name


def write(name: str, lines: list[str]) -> None:
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def changed(lines: list[str], number: int, line: str) -> list[str]:
    """The lines with another one in the place of line `number`, counted from 1."""
    return [*lines[: number - 1], line, *lines[number:]]


FITTED = (
    "Forecast with weights that were trained on all rows after the scores (task.final_fit); the scores are of the "
    "weights before.\n"
)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.drawn
def test_a_forecast_is_a_table_of_the_next_rows(lstmctl: Command, run: str) -> None:
    result = lstmctl("forecast", run)
    assert (result.code, result.err) == (0, FITTED)
    rows = table(result.out)
    assert list(rows[0]) == ["unique_id", "ds", "gru", "gru-lo-80", "gru-hi-80"]
    hours = [f"2020-01-17 {hour}:00:00" for hour in (16, 17, 18, 19)]
    assert [(row["unique_id"], row["ds"]) for row in rows] == [(name, hour) for name in "ab" for hour in hours]
    assert all(float(row["gru-lo-80"]) <= float(row["gru"]) <= float(row["gru-hi-80"]) for row in rows)
    assert lstmctl("forecast", run, "--output", "ahead.csv", "--plot", "ahead.svg").code == 0
    assert Path("ahead.csv").read_text(encoding="utf-8") == result.out
    assert "<svg" in Path("ahead.svg").read_text(encoding="utf-8")
    told = json.loads(lstmctl("forecast", run, "--json").out)
    assert [row["point"] for row in told["forecasts"]] == [
        [float(row["gru"]) for row in rows if row["unique_id"] == name] for name in "ab"
    ]


def test_a_table_that_grew_is_forecast_from_its_new_end(lstmctl: Command, run: str, waves: list[str]) -> None:
    grown = [f"2020-01-17 {hour}:00:00,{10 + hour % 3},{-5 + hour % 2}" for hour in range(16, 22)]
    write("newer.csv", waves + grown)
    result = lstmctl("forecast", "latest", "newer.csv")
    assert (result.code, result.err) == (0, FITTED)
    newer = table(result.out)
    assert [row["ds"] for row in newer[:4]] == [
        "2020-01-17 22:00:00",
        "2020-01-17 23:00:00",
        "2020-01-18 00:00:00",
        "2020-01-18 01:00:00",
    ]
    # The columns are found by their names, wherever they stand.
    swapped = [",".join((date, b, a)) for date, a, b in (line.split(",") for line in waves + grown)]
    write("swapped.csv", swapped)
    assert lstmctl("forecast", "latest", "swapped.csv").out == result.out
    told = json.loads(lstmctl("evaluate", "latest", "newer.csv", "--json").out)
    assert told["windows"] == 406 - 12 - 4 + 1


def test_a_table_without_the_columns_of_the_run_is_refused(lstmctl: Command, run: str, waves: list[str]) -> None:
    write("other.csv", [line.rpartition(",")[0] for line in waves])
    for command in ("forecast", "evaluate"):
        result = lstmctl(command, run, "other.csv")
        assert (result.code, result.out) == (3, "")
        assert re.fullmatch(
            r"error: \S*other\.csv has no column `b`, which the run's data\.targets names\n"
            r"hint: its columns: `date`, `a`\n",
            result.err,
        )


def test_a_table_shorter_than_the_lookback_is_refused(lstmctl: Command, run: str, waves: list[str]) -> None:
    write("short.csv", [waves[0], *waves[-11:]])
    result = lstmctl("forecast", run, "short.csv")
    assert (result.code, result.out) == (3, "")
    assert "11 rows; a forecast is made from task.lookback=12" in result.err.splitlines()[0]


def test_a_spreadsheet_of_the_continent_is_read_unchanged(
    lstmctl: Command, series_config: Path, waves: list[str]
) -> None:
    lines = ["Datum;a;b"]
    for date, *values in (line.split(",") for line in waves[1:]):
        day = f"{date[8:10]}.{date[5:7]}.{date[:4]} {date[11:16]}"
        lines.append(";".join([day, *(value.replace(".", ",") for value in values)]))
    Path("export.csv").write_bytes("".join(f"{line}\r\n" for line in [*lines, ";;"]).encode("utf-8-sig"))
    shown = [
        json.loads(lstmctl("data", "show", "waves.yaml", f"data.series={name}", "--json").out)
        for name in ("small.csv", "export.csv")
    ]
    for key in ("parts", "channels", "step", "season", "rows"):
        assert shown[0][key] == shown[1][key]
    forecasts = []
    for name in ("small.csv", "export.csv"):
        assert lstmctl("train", "-q", "waves.yaml", f"data.series={name}", *FEW).code == 0
        forecasts.append(lstmctl("forecast").out)
    assert forecasts[0] == forecasts[1]


def test_long_tables_hold_series_of_several_lengths(lstmctl: Command, series_config: Path, waves: list[str]) -> None:
    rows = [line.split(",") for line in waves[1:]]
    write(
        "long.csv",
        ["unique_id,ds,y", *(f"{n},{row[0]},{row[1]}" for n, end in (("x", 300), ("y", 200)) for row in rows[:end])],
    )
    assert lstmctl("train", "-q", "waves.yaml", "data.series=long.csv", *FEW).code == 0
    told = table(lstmctl("forecast").out)
    assert [(row["unique_id"], row["ds"]) for row in told[::4]] == [
        ("x", "2020-01-13 12:00:00"),
        ("y", "2020-01-09 08:00:00"),
    ]


@pytest.mark.parametrize(
    ("change", "error", "hint"),
    [
        ("2020-01-02 15:00:00,1,2,3", "line 41: 4 fields, but the header (line 1) has 3", "a number with a decimal"),
        ("2020-01-02 15:00:00,1", "line 41: 2 fields, but the header (line 1) has 3", ""),
        ("2020-01-02 15:00:00,,2", "line 41, column `a`: no value at 2020-01-02 15:00:00", FILLS[6:]),
        ("2020-01-02 15:00:00,1,NaN", "line 41, column `b`: no value at 2020-01-02 15:00:00", FILLS[6:]),
        ("2020-01-02 15:00:00,inf,2", "line 41, column `a`: inf is infinite", "correct it"),
        ('2020-01-02 15:00:00,"1,5",2', "line 41, column `a`: `1,5` is not a number", "numbers with a decimal comma"),
        ("2020-01-02 15:00:00,closed,2", "line 41, column `a`: `closed` is not a number", "correct it"),
        ("2020-01-02 14:00:00,1,2", "line 41: 2020-01-02 14:00:00 occurs twice, first in line 40", "data.dup"),
        ("2020-01-01 14:30:00,1,2", "line 41: 2020-01-01 14:30:00 comes after 2020-01-02 14:00:00", "data.order"),
        ("2020-02-30 15:00:00,1,2", "line 41, column `date`: `2020-02-30 15:00:00` is not a valid date", "correct"),
        ("02.01.2020 15:00,1,2", "line 41, column `date`: `02.01.2020 15:00` does not fit %Y-%m-%d", "write all"),
        ("2020-01-02T15:00:00Z,1,2", "line 41, column `date`: `2020-01-02T15:00:00Z` has a time zone", "convert"),
    ],
)  # fmt: skip
def test_a_bad_row_is_reported_with_its_line_and_column(
    change: str, error: str, hint: str, lstmctl: Command, series_config: Path, waves: list[str]
) -> None:
    write("small.csv", changed(waves, 41, change))
    result = lstmctl("train", "waves.yaml", *FEW)
    assert (result.code, result.out) == (3, "")
    lines = result.err.splitlines()
    assert lines[0].startswith(f"error: small.csv: {error}")
    assert len(lines) == (2 if hint else 1)
    assert not hint or lines[1].startswith(f"hint: {hint}")
    assert not Path("runs").exists()


def test_missing_rows_are_an_error_until_it_is_said_what_to_do(
    lstmctl: Command, series_config: Path, waves: list[str]
) -> None:
    write("small.csv", waves[:100] + waves[105:])
    result = lstmctl("train", "waves.yaml", *FEW)
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("error: small.csv: line 100: 5 rows are missing after 2020-01-05 02:00:00")
    for way in ("interpolate", "forward-fill", "mask"):
        assert lstmctl("train", "-q", "waves.yaml", f"data.missing={way}", *FEW) == Result(0, "", "")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "small.csv is empty"),
        (b"date,a\n", "small.csv has a header but no rows"),
        (b"date,a\n2020-01-01,1\n", "small.csv: the table has one row only; a series needs more"),
        (b"2020-01-01,1\n2020-01-02,2\n", "small.csv: line 1: `2020-01-01` is where a column's name should be"),
        (b"x,a\n1.5,1\n1.25,2\n", "small.csv: no column of dates was recognised among `x`, `a`"),
        (b"day,when,a\n2020-01-01,2020-01-01,1\n2020-01-02,2020-01-02,2\n", "small.csv: column `when` holds dates"),
        ("date,a\n2020-01-01,1\n".encode("utf-16"), "small.csv: the table has one row only; a series needs more"),
        ("Datum,Größe\n".encode("latin-1"), "small.csv: line 1, byte offset 8: 0xf6 is not UTF-8"),
        (b"PK\x03\x04 what a spreadsheet holds", "small.csv is zip, not a table"),
    ],
)
def test_a_file_without_a_table_is_reported(content: bytes, error: str, lstmctl: Command, series_config: Path) -> None:
    Path("small.csv").write_bytes(content)
    for command in (["train"], ["data", "show"]):
        result = lstmctl(*command, "waves.yaml")
        assert (result.code, result.out) == (3, "")
        assert result.err.startswith(f"error: {error}")
        assert len(result.err.splitlines()) <= 2


def test_a_missing_file_is_searched_for_and_reported(lstmctl: Command, series_config: Path) -> None:
    result = lstmctl("train", "waves.yaml", "data.series=nosuch.csv")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("error: `nosuch.csv` does not exist; looked in ")
    Path("nosuch.csv").mkdir()
    result = lstmctl("train", "waves.yaml", "data.series=nosuch.csv")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("error: nosuch.csv is not a regular file")


def test_a_constant_column_is_warned_of_and_learned_without_nan(
    lstmctl: Command, series_config: Path, waves: list[str]
) -> None:
    write("small.csv", [waves[0], *(f"{line.rpartition(',')[0]},5" for line in waves[1:])])
    line = [sys.executable, "-m", "lstmctl", "train", "--json", "waves.yaml", *FEW]
    result = processes.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert (
        "warning: `b` is constant (5) in its training rows; its windows are scaled one by one, and neither training nor"
        in result.stderr
    )
    told = json.loads(result.stdout, parse_constant=pytest.fail)
    assert all(value is not None for value in told["metrics"]["test"].values())
    assert "nan" not in lstmctl("forecast").out.lower()


@pytest.mark.parametrize(
    ("setting", "code", "error"),
    [
        ("task.lookback=0", 2, "task.lookback — 0 is too small"),
        ("task.segment=5", 2, "task.segment — 5 does not divide task.lookback 12"),
        ("data.text=some.txt", 2, "data.text — task.type forecast does not read data.text; it reads data.series"),
        ("training.budget=3M characters", 2, "training.budget — task.type forecast on data.series does not count char"),
        ("model.direction=bidirectional", 2, "model.direction — bidirectional would read"),
        ("data.split=[0.5, 0.6]", 2, "data.split — the fractions sum to 1.1, not 1"),
        ("data.calendar=tide", 2, 'data.calendar — "tide" is not a calendar feature; use hour, weekday'),
        ("task.levels=[100]", 2, "task.levels — [100] is not allowed; whole percentages"),
        ("model.tie_embedding=true", 2, "model.tie_embedding — task.type forecast does not use it, only task.type lan"),
        ("data.step=fortnight", 2, 'data.step — "fortnight" is not a time between rows; use auto, or an'),
        ("data.targets=[a, nope]", 3, "small.csv has no column `nope`, which data.targets names"),
        ("data.separator=;", 3, "small.csv: line 1: one column only, `date,a,b`"),
        ("data.split=[0.98, 0.01, 0.01]", 3, "small.csv: the validation part has 4 rows"),
        ("data.split=[15, 200]", 3, "small.csv: the training part has 15 rows, but task.lookback 12 and task.hor"),
    ],
)  # fmt: skip
def test_an_impossible_setting_is_reported(
    setting: str, code: int, error: str, lstmctl: Command, series_config: Path
) -> None:
    result = lstmctl("train", "waves.yaml", "task.horizon=6", "data.calendar=hour", setting)
    assert (result.code, result.out) == (code, "")
    first = result.err.splitlines()[0]
    assert first.startswith("error: ")
    assert error in first
    if code == 2:
        assert first.startswith(f"error: command line: {setting}  ")
    assert "Traceback" not in result.err
    assert not Path("runs").exists()


def test_what_is_known_ahead_must_reach_over_the_horizon(
    lstmctl: Command, series_config: Path, waves: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = ["data.targets=a", "data.known=b", *FEW]
    ahead = [f"2020-01-17 {hour}:00:00,,{hour}" for hour in range(16, 20)]
    write("small.csv", waves + ahead[:3])
    lack = (
        "`b` is known for 3 rows only after the last `a`: `forecast` will need 4 rows with this column alone appended"
    )
    assert lstmctl("train", "-q", "waves.yaml", *settings).code == 0
    assert [record.getMessage() for record in caplog.records].count(lack) == 1
    assert lack in Path("runs/waves-gru-001/report.html").read_text(encoding="utf-8").replace("&#x27;", "'")
    shown = lstmctl("data", "show", "waves.yaml", *settings)
    assert (shown.out + shown.err).count(lack) == 1
    result = lstmctl("forecast")
    assert (result.code, result.out) == (3, "")
    assert "b must be known for 4 rows after the last a" in result.err.splitlines()[0]
    assert "ends 3 rows after it, at 2020-01-17 18:00:00" in result.err.splitlines()[0]
    assert result.err.splitlines()[1].startswith("hint: append rows with these columns alone")
    write("full.csv", waves + ahead)
    result = lstmctl("forecast", "latest", "full.csv")
    assert (result.code, len(table(result.out))) == (0, 4)


def test_a_runs_data_and_metrics_are_shown_in_rows_of_their_own(lstmctl: Command, series_config: Path) -> None:
    assert lstmctl("train", "-q", "waves.yaml", "data.targets=a", *FEW).code == 0
    info = json.loads(Path("runs/waves-gru-001/run.json").read_text(encoding="utf-8"))
    result = lstmctl("runs", "show")
    assert result.code == 0
    lines = result.out.splitlines()
    assert max(len(line) for line in lines if not line.startswith("files ")) <= 100  # a path has any length
    facts, data, metrics = (lines[start + 1 :] for start in (0, lines.index("data"), lines.index("metrics")))
    assert any(re.fullmatch(r"versions +python .*, numpy [0-9.]+, .*", line) for line in facts)
    assert any(re.fullmatch("channels +1: a", line) for line in data)
    assert any(re.fullmatch("note +`b` not used; .*", line) for line in data)
    assert metrics[0].split() == ["validation", "test"]
    scored = {line[:36].strip(): line[36:].split() for line in metrics[1:]}
    assert len(scored) == len(info["metrics"]["test"])
    expected = [f"{info['metrics'][part]['mae']:.4f}" for part in ("validation", "test")]
    assert scored["MAE"] == expected


def test_forecasts_keep_the_offset_of_the_dates(lstmctl: Command, series_config: Path, waves: list[str]) -> None:
    zoned = [re.sub(r"(:\d{2}),", r"\1+02:00,", line, count=1) for line in waves]
    write("small.csv", zoned)
    assert lstmctl("train", "-q", "waves.yaml", *FEW).code == 0
    expected = [f"2020-01-17 {hour}:00:00+02:00" for hour in range(16, 20)]
    assert [row["ds"] for row in table(lstmctl("forecast").out)][:4] == expected
    write("newer.csv", [line.replace("+02:00", "Z") for line in zoned])  # by the clock that the run learned by
    assert table(lstmctl("forecast", "latest", "newer.csv").out)[0]["ds"] == "2020-01-17 18:00:00+02:00"
    assert lstmctl("backtest", "-q", "--windows", "1", "--output", "backtest.csv").code == 0
    first = table(Path("backtest.csv").read_text(encoding="utf-8"))[0]
    assert (first["cutoff"], first["ds"]) == ("2020-01-17 11:00:00+02:00", "2020-01-17 12:00:00+02:00")


def test_a_part_that_is_not_there_is_reported(lstmctl: Command, series_config: Path) -> None:
    assert lstmctl("train", "-q", "waves.yaml", "data.split=[0.7, 0.3]", *FEW).code == 0
    for command in ("evaluate", "backtest"):
        result = lstmctl(command, "latest", "--split", "test")
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("error: waves-gru-001 has no test part")
    assert lstmctl("backtest", "latest", "--windows", "1", "-q").code == 0


REQUESTS = [
    (["forecast", "--output", "x.xlsx"], "x.xlsx: unsupported file extension; use .csv or .parquet"),
    (["backtest", "--output", "x.xlsx"], "x.xlsx: unsupported file extension; use .csv or .parquet"),
    (["forecast", "--plot", "x.gif"], "x.gif has an unsupported file extension for a plot; use .png or .svg"),
    (["generate"], "waves-gru-001 has no joint distribution to draw from"),
    (
        ["generate", "--prompt", "x"],
        "waves-gru-001 forecasts series: of the options, it takes only --count and --seed",
    ),
    (["evaluate", "--split", "nonsense"], "waves-gru-001 has no nonsense part; it has training, validation, test"),
    (["backtest", "--windows", "0"], "the stride and the number of windows must be 1 or more"),
    (["backtest", "--stride", "-1"], "the stride and the number of windows must be 1 or more"),
]


def test_a_request_that_a_forecaster_cannot_serve_is_reported(lstmctl: Command, run: str) -> None:
    for arguments, error in REQUESTS:
        result = lstmctl(*arguments)
        assert (result.code, result.out) == (2, ""), arguments
        assert result.err.startswith(f"error: {error}"), arguments
    assert not list(Path().glob("x.*"))


def test_a_text_run_does_not_forecast(lstmctl: Command, small_config: Path) -> None:
    assert lstmctl("train", "-q", str(small_config), *FEW).code == 0
    for command in ("forecast", "backtest"):
        result = lstmctl(command, "small-lstm-001")
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("error: small-lstm-001 does not forecast: its task is language-model\nhint: ")


@pytest.mark.parametrize("name", ["encoding.json", "calibration.json"])
def test_a_damaged_run_is_reported_by_its_file(name: str, lstmctl: Command, run: str) -> None:
    path = Path("runs") / run / name
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"[1, 2]"):
        path.write_bytes(content)
        for command in ("forecast", "evaluate", "backtest"):
            result = lstmctl(command, run)
            assert (result.code, result.out) == (4, "")
            assert re.match(rf"error: runs/{run}/{name} (cannot be read|must contain a JSON object)", result.err)
            assert "Traceback" not in result.err
    path.write_bytes(whole)
    assert lstmctl("forecast", run).code == 0


def test_an_interrupted_forecaster_continues(lstmctl: Command, series_config: Path) -> None:
    settings = ["training.budget=400 steps", "training.evaluate_every=200", "training.save_every=200"]
    line = [sys.executable, "-m", "lstmctl", "train", "waves.yaml", *settings, "training.sample_every=5"]
    started = processes.start(line, stderr=subprocess.PIPE, text=True)
    log = Path("runs/waves-gru-001/samples.txt")
    while not (log.exists() and log.stat().st_size):
        assert started.poll() is None
        time.sleep(0.005)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    typed = shlex.split(next(text for text in err.splitlines() if text.strip().startswith("lstmctl train --resume")))
    assert typed == ["lstmctl", "train", "--resume", "runs/waves-gru-001"]
    info = Path("runs/waves-gru-001/run.json")
    assert 0 < json.loads(info.read_text(encoding="utf-8"))["step"] < 400
    assert lstmctl(*typed[1:], "-q") == Result(0, "", "")
    told = json.loads(info.read_text(encoding="utf-8"))
    assert (told["status"], told["step"]) == ("finished", 400)
    assert len(table(lstmctl("forecast").out)) == 8


MONTHS = """\
task: {type: forecast, lookback: 4, horizon: 2, calibration: none}
data: {series: months.csv, split: [20, 4, 16]}
model: {cell: gru, hidden: 4, embedding: 4}
training: {budget: 2 steps, batch: 8}
"""


def test_months_are_labelled_on_the_day_of_the_table(lstmctl: Command) -> None:
    """The 30th: February has its last day, and March the 30th again."""
    Path("months.yaml").write_text(MONTHS, encoding="utf-8")
    months = [(2020 + (10 + row) // 12, (10 + row) % 12 + 1) for row in range(40)]
    dates = [f"{year}-{month:02}-{min(30, calendar.monthrange(year, month)[1])}" for year, month in months]
    write("months.csv", ["date,load", *(f"{date},{row % 7}" for row, date in enumerate(dates))])
    assert lstmctl("train", "-q", "months.yaml", "data.step=1 month").code == 0
    assert [row["ds"] for row in table(lstmctl("forecast").out)] == ["2024-03-30", "2024-04-30"]
    assert lstmctl("backtest", "-q", "--stride", "1", "--output", "back.csv").code == 0
    back = table(Path("back.csv").read_text(encoding="utf-8"))
    assert ("2023-02-28", "2023-03-30") in {(row["cutoff"], row["ds"]) for row in back}
    assert {row["ds"] for row in back} <= set(dates)


def test_a_newer_table_is_read_by_the_rules_of_the_run(lstmctl: Command) -> None:
    Path("months.yaml").write_text(MONTHS, encoding="utf-8")
    dates = [f"01/{row % 12 + 1:02}/{2019 + row // 12}" for row in range(40)]
    rows = [f"{date},{row % 7}" for row, date in enumerate(dates)]
    write("months.csv", ["date,load", *rows])
    assert lstmctl("train", "-q", "months.yaml").code == 0
    write("newer.csv", ["date,load", *rows[-10:]])
    result = lstmctl("forecast", "latest", "newer.csv")
    assert (result.code, result.err) == (0, FITTED)
    assert result.out == lstmctl("forecast").out
    assert [row["ds"] for row in table(result.out)] == ["2022-05-01", "2022-06-01"]
    write("renamed.csv", ["date,Load", *rows])
    renamed = lstmctl("forecast", "latest", "renamed.csv")
    assert renamed.code == 3
    assert "has no column `load`, which the run's data.targets names; did you mean `Load`?" in renamed.err


def test_the_zone_of_postgresql_is_kept(lstmctl: Command) -> None:
    Path("months.yaml").write_text(MONTHS, encoding="utf-8")
    hours = [f"2023-01-{1 + row // 24:02} {row % 24:02}:00:00+02" for row in range(40)]
    write("months.csv", ["date,load", *(f"{hour},{row % 7}" for row, hour in enumerate(hours))])
    for form in ([], ["data.date_format=%Y-%m-%d %H:%M:%S%z"], ["data.date_format=%Y-%m-%d %H:%M:%S%#z"]):
        assert lstmctl("train", "-q", "months.yaml", *form).code == 0
        told = [row["ds"] for row in table(lstmctl("forecast").out)]
        assert told == ["2023-01-02 16:00:00+02:00", "2023-01-02 17:00:00+02:00"]


def test_every_series_has_its_metrics_in_json_and_a_table(lstmctl: Command, run: str) -> None:
    told = json.loads(lstmctl("evaluate", run, "--json", "--output", "series.csv").out)
    assert list(told["by_series"]) == [
        "run",
        "last value",
        "seasonal naive",
        "drift",
        "theta",
        "ETS",
        "ridge",
    ]
    assert told["by_series"]["run"] == told["by_channel"]["run"]
    rows = table(Path("series.csv").read_text(encoding="utf-8"))
    assert [(row["unique_id"], row["model"]) for row in rows] == [
        (name, one) for name in "ab" for one in told["by_series"]
    ]
    for row in rows:
        values = {name: float(value) for name, value in row.items() if name not in ("unique_id", "model") and value}
        assert values == pytest.approx(told["by_series"][row["model"]][row["unique_id"]])
    diagnostics = told["diagnostics"]
    assert set(diagnostics) == {"by_phase", "times", "coverage", "autocorrelation", "residuals", "skill"}
    assert set(diagnostics["skill"]) == {
        "last value",
        "seasonal naive",
        "drift",
        "theta",
        "ETS",
        "ridge",
    }
    assert diagnostics["skill"]["drift"]["over"] == "blocks of 4 origins"
    ratio = told["metrics"]["mse_scaled"] / told["baselines"]["drift"]["mse_scaled"]
    assert diagnostics["skill"]["drift"]["skill"] == pytest.approx(1 - ratio)


def test_a_single_series_has_no_table_of_series(lstmctl: Command, waves: list[str]) -> None:
    write("one.csv", [line.rpartition(",")[0] for line in waves])
    assert lstmctl("train", "-q", "waves.yaml", "data.series=one.csv", *FEW).code == 0
    refused = lstmctl("evaluate", "--output", "series.csv")
    assert refused.code == 2
    assert "--output writes the metrics of every series" in refused.err
    assert "by_series" not in json.loads(lstmctl("evaluate", "--json").out)


def test_a_long_table_lists_its_worst_series_first(lstmctl: Command, waves: list[str]) -> None:
    rows = ["unique_id,ds,y"]
    for number in range(8):
        for line in waves[1:]:
            date, a, _ = line.split(",")
            noise = (hash_of(date, number) - 0.5) * number
            rows.append(f"s{number},{date},{float(a) + noise:.5f}")
    write("long.csv", rows)
    assert lstmctl("train", "-q", "waves.yaml", "data.series=long.csv", *FEW).code == 0
    shown = lstmctl("evaluate").out
    assert "by series, the worst first: the run and its best baseline, 8 series" in shown
    errors = json.loads(lstmctl("evaluate", "--json").out)["by_series"]["run"]
    ordered = sorted(errors, key=lambda name: -errors[name]["mse_scaled"])
    listed = re.findall(r"^(s\d) ", shown, re.MULTILINE)
    assert listed == [*ordered[:3], *ordered[-3:]]
    told = json.loads(lstmctl("backtest", "--json").out)
    assert list(told["by_series"]["adaptive"]) == [f"s{number}" for number in range(8)]
    assert "by series, the worst first, 8 series" in lstmctl("backtest").out


def hash_of(date: str, number: int) -> float:
    """A number from 0 to 1 that looks random."""
    return int.from_bytes(hashlib.sha256(f"{date} {number}".encode()).digest()[:4], "big") / 2**32


def test_a_warning_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    from lstmctl.cli.main import _Warnings

    handler = _Warnings()
    for text in ("3 windows are too few", "another", "3 windows are too few"):
        handler.emit(logging.LogRecord("lstmctl", logging.WARNING, "", 0, text, None, None))
    assert capsys.readouterr().err.splitlines() == ["warning: 3 windows are too few", "warning: another"]


def test_a_table_by_the_clock_of_a_place_is_forecast_by_it(lstmctl: Command, series_config: Path) -> None:
    """The rows end an hour before clocks are set back."""
    start = datetime.datetime(2023, 10, 12, 7, tzinfo=datetime.UTC)
    moments = [(start + datetime.timedelta(hours=row)).astimezone(ZoneInfo("Europe/Vienna")) for row in range(402)]
    local = [moment.replace(tzinfo=None) for moment in moments]
    assert str(local[-2]) == "2023-10-29 01:00:00"
    write("local.csv", ["date,a", *(f"{moment},{row % 6}" for row, moment in enumerate(local[:-1]))])
    settings = ["data.series=local.csv", "data.zone=Europe/Vienna", "data.split=[2023-10-22,2023-10-26]", *FEW]
    lstmctl("train", str(series_config), *settings, "--quiet")
    rows = table(lstmctl("forecast").out)
    assert [row["ds"] for row in rows] == [
        *("2023-10-29 02:00:00+02:00", "2023-10-29 02:00:00+01:00"),
        *("2023-10-29 03:00:00+01:00", "2023-10-29 04:00:00+01:00"),
    ]
    lstmctl("backtest", "--windows", "2", "--refit", "--output", "tested.csv")
    continued = json.loads(lstmctl("backtest", "--windows", "1", "--refit", "continue", "--json").out)
    assert (continued["refit"], continued["continued"], continued["origins"]) == (True, True, 1)
    tested = table(Path("tested.csv").read_text())
    assert [row["cutoff"] for row in tested[::4]] == ["2023-10-28 17:00:00+02:00", "2023-10-28 21:00:00+02:00"]
    assert tested[-1]["ds"] == "2023-10-29 01:00:00+02:00"
