"""Dates as tables write them: formats, zones, plain numbers, and columns of year, month and day."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.series import Layout, SeriesCorpus, SeriesEncoding, open_series
from lstmctl.errors import DataError

HOURS = [datetime.datetime(2023, 1, 1) + datetime.timedelta(hours=hour) for hour in range(60)]
MONTHS = [datetime.date(2019 + month // 12, month % 12 + 1, 1) for month in range(60)]


def read(rows: list[str], header: str = "date,load", *, name: str = "a.csv", **settings: Any) -> SeriesCorpus:
    Path(name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    encoding = settings.pop("encoding", None)
    return open_series(name, Layout(**settings), None, lookback=2, horizon=1, encoding=encoding)


def numbered(dates: list[Any], separator: str = ",") -> list[str]:
    return [f"{date}{separator}{row % 7}" for row, date in enumerate(dates)]


def texts(corpus: SeriesCorpus) -> list[str]:
    return [corpus.encoding.step.text(int(time)) for time in corpus.table.times]


def refused(rows: list[str], **settings: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(rows, **settings)
    return caught.value


def epoch(unit: float) -> list[int]:
    return [int((hour - datetime.datetime(1970, 1, 1)).total_seconds() * unit) for hour in HOURS]


HOURLY = ("2023-01-01 00:00:00", "2023-01-03 11:00:00", "1 hour")
MONTHLY = ("2019-01-01", "2023-12-01", "1 month")
DAILY = ("2023-01-01", "2023-03-01", "1 day")
EXCEL_DAYS = list(range(44927, 44987))
EXCEL_HOURS = [44927 + hour / 24 for hour in range(60)]


@pytest.mark.parametrize(
    ("dates", "expected", "zone"),
    [
        ([f"{month:%Y%m}" for month in MONTHS], MONTHLY, ""),
        ([f"{month:%YM%m}" for month in MONTHS], MONTHLY, ""),
        ([f"{month:%b %Y}" for month in MONTHS], MONTHLY, ""),
        ([f"{month:%b-%y}" for month in MONTHS], MONTHLY, ""),
        ([f"{month:%m/%Y}" for month in MONTHS], MONTHLY, ""),
        ([f"{month:%m-%Y}" for month in MONTHS], MONTHLY, ""),
        ([f"{month:%d-%b-%Y}" for month in MONTHS], MONTHLY, ""),
        ([f"{hour:%Y%m%d%H}" for hour in HOURS], HOURLY, ""),
        ([f"{hour:%Y%m%d%H%M}" for hour in HOURS], HOURLY, ""),
        ([f"{hour:%Y%m%d%H%M%S}" for hour in HOURS], HOURLY, ""),
        (epoch(1), HOURLY, "Z"),
        (epoch(1e3), HOURLY, "Z"),
        (epoch(1e6), HOURLY, "Z"),
        (epoch(1e9), HOURLY, "Z"),
        ([f"{second}.0" for second in epoch(1)], HOURLY, "Z"),
        (EXCEL_DAYS, DAILY, ""),
        (EXCEL_HOURS, HOURLY, ""),
        ([f"{day:.4f}" for day in EXCEL_HOURS], HOURLY, ""),
        ([f"{1990 + q // 4}-Q{q % 4 + 1}" for q in range(40)], ("1990-01-01", "1999-10-01", "3 months"), ""),
        ([f"{1990 + q // 4}Q{q % 4 + 1}" for q in range(40)], ("1990-01-01", "1999-10-01", "3 months"), ""),
        ([f"Q{q % 4 + 1} {1990 + q // 4}" for q in range(40)], ("1990-01-01", "1999-10-01", "3 months"), ""),
        ([f"2020-W{week:02}" for week in range(1, 54)], ("2019-12-30", "2020-12-28", "1 week"), ""),
        ([f"2020W{week:02}" for week in range(1, 54)], ("2019-12-30", "2020-12-28", "1 week"), ""),
        ([f"2020-W{week}" for week in range(1, 54)], ("2019-12-30", "2020-12-28", "1 week"), ""),
        ([f"2020-W{week:02}-7" for week in range(1, 54)], ("2020-01-05", "2021-01-03", "1 week"), ""),
        # a day may end at 24:00
        (
            [f"2023-01-{1 + hour // 24:02} {hour % 24 + 1:02}:00" for hour in range(48)],
            ("2023-01-01 01:00:00", "2023-01-03 00:00:00", "1 hour"),
            "",
        ),
    ],
)
def test_dates_are_read(dates: list[Any], expected: tuple[str, str, str], zone: str) -> None:
    corpus = read(numbered(dates))
    assert (texts(corpus)[0], texts(corpus)[-1], str(corpus.encoding.step)) == expected
    assert corpus.table.zone == zone


@pytest.mark.parametrize(
    ("word", "dates"),
    [("seconds", range(0, 216_000, 3_600)), ("milliseconds", range(0, 216_000_000, 3_600_000))],
)
def test_a_word_says_what_numbers_count(word: str, dates: range) -> None:
    corpus = read(numbered(list(dates)), date_format=word)
    assert texts(corpus)[1] == "1970-01-01 01:00:00"
    days = read(numbered(list(range(1, 61))), header="t,load", date_format="excel")
    assert texts(days)[0] == "1899-12-31"
    assert "`x` does not fit data.date_format" in str(refused([*numbered(list(dates)), "x,1"], date_format=word))


@pytest.mark.parametrize(
    ("name", "first"),
    [("t", 1672531200), ("index", 202301), ("time", 44927), ("date", 1), ("date", 19358), ("date", 59945)],
)
def test_numbers_that_may_count_rows_stay_numbers(name: str, first: int) -> None:
    corpus = read(numbered(list(range(first, first + 40))), header=f"{name},load")
    assert (corpus.encoding.step.is_index, texts(corpus)[0]) == (True, str(first))


def test_numbers_read_as_dates_are_noted() -> None:
    (note,) = read(numbered(epoch(1))).notes
    assert note.startswith("`date` is read as seconds since 1970: 1672531200 is 2023-01-01 00:00:00Z")


@pytest.mark.parametrize(
    ("header", "rows", "time", "last"),
    [
        (
            "year,month,day,hour,load",
            [f"{h.year},{h.month},{h.day},{h.hour},1" for h in HOURS],
            "year+month+day+hour",
            "2023-01-03 11:00:00",
        ),
        ("Year,Month,load", [f"{m.year},{m.month},1" for m in MONTHS], "Year+Month", "2023-12-01"),
        ("load,mon,year", [f"1,{m:%b},{m.year}" for m in MONTHS], "year+mon", "2023-12-01"),
        ("year,quarter,load", [f"{2000 + q // 4},{q % 4 + 1},1" for q in range(40)], "year+quarter", "2009-10-01"),
        (
            "year,month,day,load",
            [f"2020,{1 + day // 28},{1 + day % 28},1" for day in range(28)],
            "year+month+day",
            "2020-01-28",
        ),
        ("date,hour,load", [f"{h:%Y-%m-%d},{h.hour},1" for h in HOURS], "date+hour", "2023-01-03 11:00:00"),
        ("date,hour,load", [f"{h:%Y-%m-%d},{h.hour + 1},1" for h in HOURS], "date+hour", "2023-01-03 12:00:00"),
        ("Date,Time,load", [f"{h:%d/%m/%Y},{h:%H:%M:%S},1" for h in HOURS], "Date+Time", "2023-01-03 11:00:00"),
    ],
)
def test_dates_are_put_together_from_columns(header: str, rows: list[str], time: str, last: str) -> None:
    corpus = read(rows, header=header)
    assert (corpus.encoding.time, corpus.encoding.targets, texts(corpus)[-1]) == (time, ("load",), last)
    named = read(rows, header=header, time=time)
    np.testing.assert_array_equal(named.table.times, corpus.table.times)
    newer = read(rows[-9:], header=header, name="newer.csv", encoding=corpus.encoding)
    np.testing.assert_array_equal(newer.table.times, corpus.table.times[-9:])
    prepare_table("a.csv", Layout(), Path("prepared"))
    for encoding in (None, corpus.encoding):
        prepared = open_series("prepared", Layout(), None, lookback=2, horizon=1, encoding=encoding)
        np.testing.assert_array_equal(prepared.table.times, corpus.table.times)


def test_an_hour_beside_days_that_are_there_once_is_a_column_like_others() -> None:
    rows = [f"2020-01-{day:02},{day % 3},1" for day in range(1, 31)]
    assert read(rows, header="date,hour,load").encoding.targets == ("hour", "load")


def test_a_part_of_a_date_that_is_missing_or_wrong_is_named() -> None:
    rows = [f"2020,{1 + day // 28},{1 + day % 28},1" for day in range(28)]
    header = "year,month,day,load"
    missing = refused([*rows[:5], "2020,1,,1", *rows[6:]], header=header)
    assert "line 7, column `day`: no time" in str(missing)
    wrong = refused([*rows[:5], "2020,13,6,1", *rows[6:]], header=header)
    assert "line 7, column `year+month+day`: `2020-13-6` is not a valid date" in str(wrong)
    unknown = refused(rows, header=header, time="year+month+dy")
    assert "has no column `dy`, which data.time names; did you mean `day`?" in str(unknown)


def test_months_are_regular_however_many() -> None:
    for count in (127, 128, 600):
        months = [f"01/{month % 12 + 1:02}/{1912 + month // 12}" for month in range(count)]
        corpus = read(numbered(months))
        assert (str(corpus.encoding.step), len(corpus.table.times)) == ("1 month", count)
        # A gap or two leave no doubt which number is the day.
        gaps = read(numbered([*months[:40], *months[43:]]), missing="mask")
        assert (str(gaps.encoding.step), len(gaps.table.times)) == ("1 month", count)


@pytest.mark.parametrize(("every", "step"), [(3, "3 months"), (12, "1 year")])
def test_quarters_and_years_are_regular_however_many(every: int, step: str) -> None:
    dates = [f"01/{every * row % 12 + 1:02}/{1700 + every * row // 12}" for row in range(200)]
    assert str(read(numbered(dates)).encoding.step) == step


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        *(("+02", "+02:00"), (" +02", "+02:00"), ("-0330", "-03:30"), ("+05:30", "+05:30"), ("UTC+01:00", "+01:00")),
        *(("z", "Z"), ("GMT", "Z"), ("", "")),
    ],
)
@pytest.mark.parametrize("date_format", [None, "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%d %H:%M:%S%#z", "%Y-%m-%d %H:%M:%S%:z"])
def test_a_zone_is_kept_however_it_is_written(written: str, zone: str, date_format: str | None) -> None:
    corpus = read(numbered([f"{hour}{written}" for hour in HOURS]), date_format=date_format)
    assert (texts(corpus)[0], corpus.table.zone) == ("2023-01-01 00:00:00", zone)


def summer_time() -> list[str]:
    """The hours around the change to daylight saving time in Berlin, with their offsets."""
    moments = pl.Series([datetime.datetime(2023, 3, 25) + datetime.timedelta(hours=hour) for hour in range(60)])
    local = moments.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    return local.dt.strftime("%Y-%m-%d %H:%M:%S%:z").to_list()


def test_offsets_that_change_with_daylight_saving_are_named_and_converted() -> None:
    rows = numbered(summer_time())
    error = refused(rows)
    assert "time zone +02:00, but +01:00 in the first row, as where clocks are set for daylight saving" in str(error)
    assert error.hint == "data.zone=UTC converts all dates to UTC"
    corpus = read(rows, zone="UTC")
    assert (texts(corpus)[0], texts(corpus)[-1], corpus.table.zone) == (
        "2023-03-25 00:00:00",
        "2023-03-27 11:00:00",
        "Z",
    )
    by_another = read(rows, zone="+01:00")
    assert (texts(by_another)[0], by_another.table.zone) == ("2023-03-25 01:00:00", "+01:00")
    prepare_table("a.csv", Layout(zone="UTC"), Path("prepared"), block=200)
    prepared = open_series("prepared", Layout(zone="UTC"), None, lookback=2, horizon=1)
    np.testing.assert_array_equal(prepared.table.times, corpus.table.times)
    assert prepared.table.zone == "Z"
    with pytest.raises(DataError, match=r"was prepared with data\.zone=UTC, but the config says \+01:00"):
        open_series("prepared", Layout(zone="+01:00"), None, lookback=2, horizon=1)
    assert "has no time zone to convert from" in str(refused(numbered(HOURS), zone="UTC"))


def test_a_newer_table_is_converted_to_the_zone_of_the_run() -> None:
    run = read(numbered([f"{hour}+02" for hour in HOURS])).encoding
    for written in ("2023-03-01 10:00:00Z", "2023-03-01 12:00:00+02:00", "2023-03-01 05:00:00-0500"):
        newer = read([f"{written},1"], encoding=run)
        assert (texts(newer), newer.table.zone) == (["2023-03-01 12:00:00"], "+02:00")
    mixed = read(numbered(summer_time()), encoding=run)
    assert (texts(mixed)[0], texts(mixed)[-1]) == ("2023-03-25 02:00:00", "2023-03-27 13:00:00")
    plain = read(["2023-03-01 12:00:00,1"], encoding=run)
    assert (texts(plain), plain.table.zone) == (["2023-03-01 12:00:00"], "+02:00")
    read(numbered([f"{hour}Z" for hour in HOURS]))
    prepare_table("a.csv", Layout(), Path("prepared"))
    prepared = open_series("prepared", Layout(), None, lookback=2, horizon=1, encoding=run)
    assert (texts(prepared)[0], prepared.table.zone) == ("2023-01-01 02:00:00", "+02:00")


# Dates in later tables of a run.

DAY_FIRST = [f"01/{month % 12 + 1:02}/{2019 + month // 12}" for month in range(48)]


def restored(corpus: SeriesCorpus) -> SeriesEncoding:
    return SeriesEncoding.from_json(json.loads(json.dumps(corpus.encoding.to_json())))


def test_a_newer_table_is_read_as_the_runs_own() -> None:
    run = restored(read(numbered(DAY_FIRST)))
    for dates in (DAY_FIRST[-12:], DAY_FIRST[-1:]):
        newer = read(numbered(dates), name="newer.csv", encoding=run)
        assert texts(newer)[-1] == "2022-12-01"


def test_a_run_of_before_formats_were_kept_decides_by_its_step() -> None:
    kept = read(numbered(DAY_FIRST)).encoding.to_json()
    del kept["writing"]
    newer = read(numbered(DAY_FIRST[-12:]), encoding=SeriesEncoding.from_json(kept))
    assert texts(newer)[-1] == "2022-12-01"
    whole = {**read(numbered(list(range(0, 216_000, 3_600)))).encoding.to_json(), "writing": None}
    index = read(numbered(epoch(1)), encoding=SeriesEncoding.from_json(whole))
    assert texts(index)[0] == "1672531200"


def test_a_newer_table_that_cannot_be_told_is_refused_with_what_can_be_done() -> None:
    kept = read(numbered([f"2020-01-{day:02}" for day in range(1, 31)])).encoding
    with pytest.raises(DataError, match=r"may be read as %d/%m/%Y and %m/%d/%Y") as caught:
        read(["02/01/2022,1"], encoding=kept)
    assert caught.value.hint == "write its dates in one way that cannot be misread, such as 2024-01-31"


def test_a_newer_table_has_the_separator_and_decimal_sign_of_the_run() -> None:
    days = [f"2020-01-{day:02}" for day in range(1, 31)]
    rows = [f"{day};{row},5" for row, day in enumerate(days)]
    run = restored(read(rows, header="date;load, kWh", separator=";"))
    newer = read(rows, header="date;load, kWh", encoding=run)
    assert newer.table.targets[3, 0] == 3.5
    # A possible fraction is a thousand for a run with decimal commas.
    thousands = read([f"{day};1.234" for day in days], header="date;load, kWh", encoding=run)
    assert thousands.table.targets[0, 0] == 1234
    # Whole numbers do not determine the decimal sign.
    whole = restored(read([f"{day};{row}" for row, day in enumerate(days)], header="date;load"))
    assert read(rows, header="date;load", encoding=whole).table.targets[3, 0] == 3.5
    # A file with another separator is read by its own.
    plain = restored(read(rows, header="date;load"))
    tabs = read([row.replace(";", "\t") for row in rows], header="date\tload", encoding=plain)
    assert tabs.table.targets[3, 0] == 3.5


@pytest.mark.parametrize("other", ["Load", "LOAD", "laod"])
def test_a_renamed_column_of_a_newer_table_is_named(other: str) -> None:
    run = read(numbered(DAY_FIRST)).encoding
    with pytest.raises(DataError, match=f"has no column `load`, .* did you mean `{other}`"):
        read(numbered(DAY_FIRST), header=f"date,{other}", encoding=run)


# Years of two digits.

TWO_DIGITS = [datetime.date(2022, 11, 20) + datetime.timedelta(days=day) for day in range(60)]


@pytest.mark.parametrize(
    "form",
    ["%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%y-%m-%d", "%d-%m-%y", "%d-%b-%y", "%d %b %y", "%y/%m/%d", "%y.%m.%d"],
)
@pytest.mark.parametrize("gaps", [0, 3])
def test_years_of_two_digits_are_read_where_rows_say_what_they_mean(form: str, gaps: int) -> None:
    dates = [date for place, date in enumerate(TWO_DIGITS) if place not in (7, 20, 33)[:gaps]]
    corpus = read(numbered([date.strftime(form) for date in dates]), missing="mask")
    assert (texts(corpus)[0], texts(corpus)[-1], len(texts(corpus))) == ("2022-11-20", "2023-01-18", 60)
    newer = read([f"{datetime.date(2023, 1, 19).strftime(form)},3"], name="b.csv", encoding=restored(corpus))
    assert texts(newer) == ["2023-01-19"]


def test_years_of_two_digits_may_be_of_the_last_century() -> None:
    months = [f"01/{month % 12 + 1:02}/{(1995 + month // 12) % 100:02}" for month in range(96)]
    assert texts(read(numbered(months)))[0::95] == ["1995-01-01", "2002-12-01"]
    assert texts(read(numbered([f"{date:%d.%m.%y %H:%M}" for date in HOURS])))[-1] == "2023-01-03 11:00:00"


@pytest.mark.parametrize(
    ("dates", "message", "hint"),
    [
        (
            [f"{day:02}/02/23" for day in range(1, 25)],
            "line 2, column `date`: `01/02/23` may be read as %d/%m/%y and %y/%m/%d; every row that was read fits "
            "both, and either gives regular steps",
            'say which: data.date_format="%d/%m/%y" or data.date_format="%y/%m/%d"',
        ),
        (
            [f"15.{month % 12 + 1:02}.{48 + month // 12}" for month in range(40)],
            "line 26, column `date`: the year of `15.01.50` may be 2050 or 1950",
            'write years with four digits; data.date_format="%d.%m.%y" takes 70 to 99 for 1970 to 1999 and the others '
            "for 2000 to 2069",
        ),
        (
            [f"Jan-{day:02}" for day in range(1, 25)],
            "line 2, column `date`: `Jan-01` may be a month of 2001 or day 01 of a month",
            'data.date_format="%b-%y" if they are months; else write the year of each date, as in 2024-01-31',
        ),
    ],
)
def test_years_of_two_digits_that_may_mean_two_things_are_refused(dates: list[str], message: str, hint: str) -> None:
    error = refused(numbered(dates))
    assert str(error).endswith(message)
    assert error.hint == hint
    for override in re.findall(r'data\.date_format="([^"]*)"', hint):
        assert len(read(numbered(dates), date_format=override).table.times) == len(dates)


# ISO 8601's basic format, and what its extended one leaves out.


@pytest.mark.parametrize(
    "form",
    [
        *("%Y%m%dT%H", "%Y%m%dT%H%M", "%Y%m%dT%H%M%S", "%Y%m%dT%H:%M", "%Y%m%d %H%M", "%Y%m%d %H:%M", "%Y-%m-%dT%H"),
        "%Y-%m-%dT%H%M",
    ],
)
@pytest.mark.parametrize(("written", "zone"), [("", ""), ("Z", "Z"), ("+0200", "+02:00"), ("-05", "-05:00")])
def test_times_without_signs_between_are_read(form: str, written: str, zone: str) -> None:
    corpus = read(numbered([f"{hour:{form}}{written}" for hour in HOURS]))
    assert (texts(corpus)[0], texts(corpus)[-1], str(corpus.encoding.step)) == HOURLY
    assert corpus.table.zone == zone
    prepare_table("a.csv", Layout(), Path("prepared"), block=300)
    prepared = open_series("prepared", Layout(), None, lookback=2, horizon=1)
    np.testing.assert_array_equal(prepared.table.times, corpus.table.times)


# Weeks in columns, and spreadsheets that count from 1904.


@pytest.mark.parametrize("header", ["year,week,load", "Year,KW,load", "iso_week,load,year", "year,month,week,load"])
@pytest.mark.parametrize("prefix", ["", "W"])
def test_years_and_weeks_are_iso_weeks(header: str, prefix: str) -> None:
    days = [datetime.date(2019, 11, 4) + datetime.timedelta(weeks=week) for week in range(70)]
    cells = {"load": "1", "month": "1"}
    rows = []
    for day in days:
        year, week, _ = day.isocalendar()
        row = cells | {"year": str(year)} | dict.fromkeys(("week", "kw", "iso_week"), f"{prefix}{week}")
        rows.append(",".join(row[name.casefold()] for name in header.split(",")))
    corpus = read(rows, header=header, targets=("load",))
    assert (texts(corpus)[0], texts(corpus)[-1], str(corpus.encoding.step)) == ("2019-11-04", "2021-03-01", "1 week")
    note = next(note for note in corpus.notes if "read as" in note)
    assert note.endswith(
        "is read as ISO weeks: 2019-W45 is 2019-11-04 00:00:00; if weeks are counted otherwise, write the first day of "
        "each"
    )
    newer = read(rows[-1:], header=header, name="newer.csv", encoding=restored(corpus))
    assert texts(newer) == ["2021-03-01"]


def test_a_week_that_a_year_does_not_have_is_named() -> None:
    rows = [f"2021,{week},1" for week in range(1, 54)]
    error = refused(rows, header="year,week,load")
    assert "line 54, column `year+week`: `2021-W53` is not a valid date" in str(error)


def test_days_of_spreadsheets_may_count_from_1904() -> None:
    corpus = read(numbered(EXCEL_DAYS))
    (note,) = corpus.notes
    assert note == (
        "`date` is read as days of a spreadsheet: 44927 is 2023-01-01 00:00:00; data.date_format=excel-1904 reads a "
        'workbook that counts from 1904, where it is 2027-01-02 00:00:00; data.step="1 row" would take the rows as '
        "they come"
    )
    other = read(numbered(EXCEL_DAYS), date_format="excel-1904")
    assert (texts(other)[0], other.notes) == ("2027-01-02", ())
    newer = read(numbered(EXCEL_DAYS[-5:]), name="newer.csv", encoding=restored(other))
    assert texts(newer)[-1] == texts(other)[-1]
