"""Unusable tables: each is refused with the location of the problem and what would be right."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmctl.data.series import Layout, SeriesEncoding, open_series
from lstmctl.errors import DataError

DAYS = [f"2020-01-{day:02}" for day in range(1, 31)]


def table(*changes: tuple[int, str], header: str = "date,a,b") -> str:
    """30 days of two columns, with some lines (counted from 1) changed."""
    lines = [header, *(f"{day},{number},{number * 2}" for number, day in enumerate(DAYS))]
    for line, text in changes:
        lines[line - 1] = text
    return "\n".join(lines) + "\n"


def refused(content: str | bytes, name: str = "a.csv", **layout: Any) -> DataError:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        open_series(name, Layout(**layout), Path.cwd(), lookback=layout.pop("lookback", 2), horizon=1)
    assert str(caught.value).startswith((str(Path(name).resolve()), "data.", "column", name)), str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        # the shape of the file
        (table((5, "2020-01-04,3")), "line 5: 2 fields, but the header (line 1) has 3", None),
        (table((5, "2020-01-04,3,6,9")), "line 5: 4 fields, but the header (line 1) has 3", "decimal comma"),
        (table((5, "2020-01-04;3;6")), "line 5: 1 field, but", "one for all: 'data.separator=\",\"'"),
        (table((5, '2020-01-04,"3,6')), "line 5: a quotation mark is never closed", '""'),
        (table((1, "2019-12-31,1,2")), "line 1: `2019-12-31` is where a column's name should be", "date,series1"),
        ("1,2\n2,3\n3,4\n", "line 1 contains numbers in the place of the columns' names", "header line"),
        (table(header="date,a,a"), "line 1: two columns are named `a`", None),
        ("date\n2020-01-01\n", "line 1: one column only, `date`", "a table has a column of dates"),
        ("", "is empty", None),
        ("\n \n", "is empty", None),
        ("date,a\n", "has a header but no rows", None),
        ("date,a\n2020-01-01,1\n", "the table has one row only", "one row per time"),
        # numbers
        (table((6, "2020-01-05,x,8")), "line 6, column `a`: `x` is not a number", "data.missing=interpolate"),
        (
            table((5, "2020-01-04,3.5,6"), (6, '2020-01-05,"1,5",8')),
            "line 6, column `a`: `1,5` is not a number; `.` is the decimal sign",
            'decimal comma: data.decimal=",", and data.separator=";"',
        ),
        (table((6, "2020-01-05,4,(5)")), "line 6, column `b`: `(5)` is not a number", "with a minus sign: -5"),
        (table((6, "2020-01-05,4,8 kWh")), "line 6, column `b`: `8 kWh` is not a number", "write the number alone, 8;"),
        (
            "date;a\n" + "".join(f"{day};{number},5\n" for number, day in enumerate(DAYS)) + "2020-01-31;0.234,5\n",
            "line 32, column `a`: `0.234,5` is not a number",
            "correct it",
        ),
        (table((6, "2020-01-05,4,inf")), "line 6, column `b`: inf is infinite", "data.missing=interpolate"),
        (table((6, "2020-01-05,4,-1e300")), "line 6, column `b`: -1e+300 is too large to learn from", "correct it"),
        (
            table((6, "2020-01-05,,8"), (9, "2020-01-08,NaN,8")),
            "line 6, column `a`: no value at 2020-01-05 (2 missing in all)",
            "data.missing=interpolate (or forward-fill)",
        ),
        # times
        (table((6, ",4,8")), "line 6, column `date`: no time", "delete the row"),
        (
            table((6, "05.01.2020,4,8")),
            "line 6, column `date`: `05.01.2020` does not fit %Y-%m-%d",
            "data.date_format=",
        ),
        (table((6, "2020-02-30,4,8")), "line 6, column `date`: `2020-02-30` is not a valid date", "correct the row"),
        (
            table((6, "2020-01-03,4,8")),
            "line 6: 2020-01-03 00:00:00 comes after 2020-01-04 00:00:00 (line 5)",
            "data.order=sort",
        ),
        (
            table((6, "2020-01-04,4,8")),
            "line 6: 2020-01-04 00:00:00 occurs twice, first in line 5",
            "data.duplicates=first (or last, mean)",
        ),
        (
            table().replace("2020-01-05,4,8\n2020-01-06,5,10\n", ""),
            "line 5: 2 rows are missing after 2020-01-04; the next is 2020-01-07, and the step is 1 day",
            "data.missing=interpolate",
        ),
        (
            "date,a\n" + "".join(f"2020-01-01 00:{minute:02}:00,1\n" for minute in (0, 10, 20, 27, 37)),
            "line 5: 2020-01-01 00:27:00 is not a whole number of steps of 10 minutes after 2020-01-01 00:00:00",
            'data.step="1 row" takes the rows as they come',
        ),
        (
            "date,a\n2020-01-01 00:00:00,1\n2020-01-01 00:00:01,2\n2023-01-01 00:00:00,2\n",
            "3 rows from 2020-01-01 00:00:00 to 2023-01-01 00:00:00 are few for a step of 1 second",
            "data.step=",
        ),
        (
            "date,a\n2020-03-29T01:00:00+01:00,1\n2020-03-29T03:00:00+02:00,2\n",
            "line 3, column `date`: time zone +02:00, but +01:00 in the first row",
            "data.zone=UTC converts all dates",
        ),
        (
            "date,a\n2020-03-29 01:00:00,1\n2020-03-29 03:00:00Z,2\n",
            "line 3, column `date`: `2020-03-29 03:00:00Z` has a time zone, but the first row has none",
            "one zone",
        ),
        (
            "date,a\n" + "".join(f"01/{day:02}/2020,1\n" for day in range(1, 12)),
            "line 2, column `date`: `01/01/2020` may be read as %d/%m/%Y and %m/%d/%Y; every row that was read "
            "fits both, and either",
            'data.date_format="%d/%m/%Y" or data.date_format="%m/%d/%Y"',
        ),
        ("t,a\n1,1\n2,2\nthree,3\n", "line 4, column `t`: `three` is not a whole number", "data.time=NAME"),
        # the use of columns
        (table(header="date,timestamp,b").replace(",3,", ",3,"), "line", None),
        (
            "date,ds,a\n2020-01-01,2020-01-01,1\n",
            "columns `date` and `ds` could each contain the rows' times",
            "data.time=date",
        ),
        ("x,a\n1,2\n2,3\n", "no column of dates was recognised among `x`, `a`", "data.time=NAME"),
        ("date,a\nyesterday,2\ntoday,3\n", "no column of dates was recognised", 'data.date_format="%d.%m.%Y %H:%M"'),
        (
            "date,city,a\n" + "".join(f"{day},Rome,1\n" for day in DAYS),
            "column `city` holds text, and has no use",
            "'data.targets=[a]'; or, if it names the series, data.id=city",
        ),
        (
            "date,a\n" + "".join(f"{day},({number}.5)\n" for number, day in enumerate(DAYS)),
            "column `a` holds numbers such as `(0.5)` that are not plain",
            "write each without its unit or brackets, a negative one with a minus sign; or name the columns",
        ),
        (
            "date,a,b\n" + "".join(f"{day},{number} kWh,1\n" for number, day in enumerate(DAYS)),
            "column `a` holds numbers such as `0 kWh` that are not plain",
            "data.targets=[b]",
        ),
        ("date a\n2020-01-01 1\n", "line 1: one column only, `date a`", "replace them by one comma"),
        ("date,city\n2020-01-01,Rome\n2020-01-02,Oslo\n", "column `city` holds text", "data.targets=[NAME]"),
        (
            "unique_id,ds,y\na,2020-01-01,1\n,2020-01-02,2\n",
            "line 3, column `unique_id`: no series is named",
            "name it",
        ),
        ("unique_id,ds,y\na,2020-01-01,1\nb,2020-01-02,2\n", "each series has one row only", "data.id=NAME"),
    ],
)
def test_bad_tables_are_refused_with_place_and_remedy(content: str, message: str, hint: str | None) -> None:
    if "timestamp" in content:  # a column named like a time, but of numbers, is a column of numbers
        Path("a.csv").write_text(content, encoding="utf-8")
        corpus = open_series("a.csv", Layout(), None, lookback=2, horizon=1)
        assert corpus.encoding.targets == ("timestamp", "b")
        return
    error = refused(content)
    assert message in str(error)
    if hint is not None:
        assert hint in str(error.hint)


@pytest.mark.parametrize(
    ("layout", "message", "hint"),
    [
        ({"time": "dat"}, "has no column `dat`, which data.time names; did you mean `date`?", "`date`, `a`, `b`"),
        ({"targets": ("A",)}, "has no column `A`, which data.targets names", "`date`, `a`, `b`"),
        ({"separator": ";"}, "line 1: one column only, `date,a,b`", 'data.separator=","'),
        (
            {"date_format": "%d.%m.%Y"},
            '`2020-01-01` does not fit data.date_format "%d.%m.%Y"',
            "leave data.date_format out",
        ),
        ({"step": "1 hour"}, "line 2: 23 rows are missing after 2020-01-01 00:00:00", "data.step"),
        ({"step": "2 days"}, "line 3: 2020-01-02 00:00:00 is not a whole number of steps of 2 days", "data.step"),
        ({"step": "1 moon"}, "data.step `1 moon` is not a time between rows", "15 minutes"),
        ({"step": "month ends"}, "line 2: 2020-01-01 00:00:00 cannot be one of the month ends", "data.step"),
        ({"split": (20, 10, 10)}, "data.split needs 40 but the data has only 30", None),
        ({"split": ("2021-01-01",)}, "a.csv: the validation part has 0 rows, but task.horizon 1 take", "data.split"),
        ({"split": ("2020-01-20T00:00+01:00",)}, "has a time zone", "2020-01-20T00:00:00"),
        (
            {"lookback": 21},
            "a.csv: the training part has 21 rows, but task.lookback 21 and task.horizon 1 take 22",
            "lookback",
        ),
        ({"time": "a", "calendar": ("hour",), "targets": ("b",)}, "data.calendar hour needs dates", "data.time=NAME"),
        (
            {"time": "a", "step": "1 day", "targets": ("b",)},
            "data.step is `1 day`, but column `a` contains whole numbers",
            "row",
        ),
        (
            {"time": "a", "split": ("2020-01-20",), "targets": ("b",)},
            "data.split gives dates, but column `a`",
            "fractions",
        ),
        (
            {"static": ("b",)},
            "line 3, column `b`: 2, but 0 before; a static column has one value a series",
            "data.known",
        ),
        ({"id": "date"}, "no column of dates was recognised", "data.time"),
    ],
)
def test_settings_that_do_not_suit_are_refused(layout: dict[str, Any], message: str, hint: str | None) -> None:
    Path("a.csv").write_text(table(), encoding="utf-8")
    lookback = layout.pop("lookback", 2) if "lookback" in layout else 2
    with pytest.raises(DataError) as caught:
        open_series("a.csv", Layout(**layout), Path.cwd(), lookback=lookback, horizon=1)
    assert message in str(caught.value)
    if hint is not None:
        assert hint in str(caught.value.hint)


def test_a_thousands_sign_is_not_taken_for_a_decimal_point() -> None:
    rows = [f"{day};{number},5" for number, day in enumerate(DAYS)]
    rows[20] = "2020-01-21;1.234"
    error = refused("date;a\n" + "\n".join(rows))
    assert "line 22, column `a`: `1.234` may be read as 1.234 or as 1234" in str(error)
    assert error.hint == 'set the decimal sign: data.decimal="." for 1.234 or data.decimal="," for 1234'


def test_nothing_to_fill_with_is_refused() -> None:
    error = refused(table((2, "2020-01-01,,0"), (3, "2020-01-02,,2")), missing="interpolate")
    assert "column `a`: no value before 2020-01-03 (line 4), so that 2 rows have no value to be filled with" in str(
        error
    )
    assert "data.missing=mask" in str(error.hint)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (gzip.compress(b"date,a\n2020-01-01,1\n", mtime=0), "gzip"),
        (b"PK\x03\x04" + bytes(30), "zip"),
    ],
)
def test_other_kinds_of_file_are_named(content: bytes, kind: str) -> None:
    error = refused(content)
    assert f"is {kind}, not a table" in str(error)
    assert "convert it" in str(error.hint)


def test_bytes_that_are_no_text_are_located() -> None:
    assert "line 2, byte offset 7: 0xff is not UTF-8" in str(refused(b"date,a\n\xff020-01-01,1\n"))
    assert "contains zero bytes" in str(refused(b"date,a\n2020-01-01,1\0\n"))
    assert "is not a Parquet file, despite its name" in str(refused(b"date,a\n", name="a.parquet"))
    assert "cannot be read as Parquet" in str(refused(b"PAR1 and nothing", name="a.parquet"))


def test_parquet_columns_of_texts_or_mixed_clocks_are_refused() -> None:
    pl.DataFrame({"date": DAYS, "a": ["x"] * 30}).write_parquet("a.parquet")
    with pytest.raises(DataError, match=r"column `a` holds text, and has no use"):
        open_series("a.parquet", Layout(), None, lookback=2, horizon=1)
    with pytest.raises(DataError, match=r"a\.parquet: row 1, column `a`: `x` is not a number"):
        open_series("a.parquet", Layout(targets=("a",)), None, lookback=2, horizon=1)
    moments = pl.Series(["2020-03-28", "2020-03-29", "2020-03-30"]).str.to_datetime("%Y-%m-%d")
    zoned = moments.dt.replace_time_zone("Europe/Berlin")
    pl.DataFrame({"date": zoned, "a": [1, 2, 3]}).write_parquet("b.parquet")
    with pytest.raises(DataError, match=r"row 3, column `date`: time zone \+02:00, but \+01:00 in the first row, as"):
        open_series("b.parquet", Layout(), None, lookback=2, horizon=1)


def test_what_is_no_file_is_refused() -> None:
    with pytest.raises(DataError, match=r"`b\.csv` does not exist") as caught:
        open_series("b.csv", Layout(), Path.cwd(), lookback=2, horizon=1)
    assert "data.series=PATH/b.csv" in str(caught.value.hint)
    Path("folder").mkdir()
    os.mkfifo("pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(DataError, match=r"is not a regular file \(.\); use a table of series"):
            open_series(name, Layout(), Path.cwd(), lookback=2, horizon=1)
    with pytest.raises(DataError, match=r"data\.series names 2 files, but series are read from one"):
        open_series(["a.csv", "b.csv"], Layout(), Path.cwd(), lookback=2, horizon=1)


def test_the_culprit_is_found_far_down_and_past_empty_lines() -> None:
    lines = ["t,a", *(f"{row},{row}" for row in range(50_000))]
    lines.insert(10, "")
    lines[40_000] = f"{40_000 - 2},?"
    assert "line 40001, column `a`: `?` is not a number" in str(refused("\n".join(lines)))
    lines[40_000] = f"{40_000 - 2},1,1"
    assert "line 40001: 3 fields" in str(refused("\n".join(lines)))
    wide = ["t,a", *(f"{row},{'1' * 400}.5" for row in range(50_000))]
    wide[45_000] = "44999,1.0,"
    assert re.search(r"line 45001: 3 fields", str(refused("\n".join(wide))))


PIECES = st.sampled_from(
    [
        *(
            "date",
            "ds",
            "y",
            "unique_id",
            "2020-01-01",
            "2020-01-02 05:00",
            "01/02/2020",
            "1",
            "-2.5",
            "1,5",
            "1e999",
            "NaN",
        ),
        *(
            ",",
            ";",
            "\t",
            "|",
            "\n",
            "\r\n",
            "\r",
            '"',
            " ",
            "",
            "\0",
            "\ufeff",
            "é",
            "0000-01-01",
            "9999-12-31",
            "inf",
            "9" * 25,
        ),
    ]
)
BYTES = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=60).map(lambda parts: "".join(parts).encode()))
ROWS = st.lists(st.lists(PIECES, min_size=3, max_size=3).map(",".join), max_size=12).map(
    lambda rows: "\n".join(["date,a,b", *rows]).encode()
)
LAYOUTS = st.builds(
    Layout,
    order=st.sampled_from(["error", "sort"]),
    duplicates=st.sampled_from(["error", "mean"]),
    missing=st.sampled_from(["error", "interpolate", "forward-fill", "mask"]),
    step=st.sampled_from(["auto", "1 hour", "1 row", "month ends", "business days"]),
    date_format=st.sampled_from([None, None, "%d/%m/%Y", "%Q%", "%H"]),
    scaler=st.sampled_from(["standard", "robust", "min-max"]),
)


@settings(max_examples=300)
@given(st.one_of(BYTES, ROWS), LAYOUTS, st.sampled_from(["a.csv", "a.tsv", "a.parquet", "a"]))
def test_any_bytes_are_read_or_refused(content: bytes, layout: Layout, name: str) -> None:
    Path(name).write_bytes(content)
    try:
        corpus = open_series(name, layout, None, lookback=1, horizon=1)
    except DataError:
        return
    assert corpus.scaled().values.shape == corpus.table.targets.shape


DATED = st.lists(
    st.tuples(
        st.one_of(st.integers(1, 40), st.integers(1, 3_000_000)),
        st.one_of(st.sampled_from(["", "1e37", "-1e37", "1e-320", "0", "NA"]), st.floats(-10, 10).map(repr)),
    ),
    min_size=4,
    max_size=40,
)


@settings(max_examples=200)
@given(DATED, LAYOUTS)
def test_any_dates_and_numbers_are_read_or_refused(rows: list[tuple[int, str]], layout: Layout) -> None:
    lines = [f"{np.datetime64(0, 'D') + day},{value},{len(value)}" for day, value in rows]
    Path("a.csv").write_text("\n".join(["date,a,b", *lines]), encoding="utf-8")
    try:
        corpus = open_series("a.csv", layout, None, lookback=1, horizon=1)
    except DataError:
        return
    if layout.missing != "mask":
        assert not np.isnan(corpus.table.targets[: corpus.table.ends[0]]).any()
    again = SeriesEncoding.from_json(corpus.encoding.to_json())
    assert again.scaled(corpus.table).values.tobytes() == corpus.scaled().values.tobytes()
