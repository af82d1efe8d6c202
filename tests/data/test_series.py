"""Tables of series: their values, the positions of parts and windows, and the run's record of them."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lstmctl.data.listing import describe_series
from lstmctl.data.series import Layout, SeriesCorpus, SeriesEncoding, open_series
from lstmctl.errors import DataError, RunError

ETTH1 = Path(__file__).parents[2].parent / "shared" / "data" / "ETTh1.csv"


def hours(count: int, start: str = "2020-01-01") -> list[str]:
    """`2020-01-01 00:00:00` and so on."""
    times = np.datetime64(start, "s") + np.arange(count) * np.timedelta64(3600, "s")
    return [str(time).replace("T", " ") for time in times]


def days(count: int, start: str = "2020-01-01") -> list[str]:
    return [str(np.datetime64(start) + day) for day in range(count)]


def swapped(count: int, form: str) -> list[str]:
    """Days in another order of year, month and day."""
    return [form.format(*day.split("-")) for day in days(count)]


def read(content: str, lookback: int = 2, horizon: int = 1, name: str = "a.csv", **settings: Any) -> SeriesCorpus:
    Path(name).write_text(content, encoding="utf-8")
    encoding = settings.pop("encoding", None)
    season = settings.pop("season", "auto")
    layout = Layout(**settings)
    return open_series(name, layout, Path.cwd(), lookback=lookback, horizon=horizon, season=season, encoding=encoding)


def wide(dates: list[str], *columns: Iterable[Any], names: str = "abcdefg") -> str:
    header = ",".join(["date", *names[: len(columns)]])
    rows = zip(dates, *columns, strict=True)
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def texts(corpus: SeriesCorpus) -> list[str]:
    return [corpus.encoding.step.text(int(time)) for time in corpus.table.times]


def test_a_wide_table_is_read_with_its_own_values_and_times() -> None:
    corpus = read(wide(hours(20), list(range(20)), [value / 2 for value in range(20)]))
    assert corpus.table.ids == ("",)
    assert corpus.encoding.channels == ("a", "b")
    assert corpus.encoding.time == "date"
    assert (str(corpus.encoding.step), corpus.encoding.season) == ("1 hour", 24)
    np.testing.assert_array_equal(corpus.table.targets[:, 1], np.arange(20) / 2)
    assert texts(corpus)[-1] == "2020-01-01 19:00:00"
    assert {name: part.tolist() for name, part in corpus.parts.items()} == {
        "training": [[0, 14]],
        "validation": [[14, 16]],
        "test": [[16, 20]],
    }
    assert corpus.encoding.rows_used == "rows 1 to 14 (2020-01-01 00:00:00 to 2020-01-01 13:00:00)"
    assert corpus.notes == ()


def test_windows_lie_where_their_labels_stay_in_the_part() -> None:
    corpus = read(wide(days(100), list(range(100))), lookback=10, horizon=5, split=(60, 20, 15))
    assert {
        name: tuple(map(int, (*first, *count))) for name in corpus.parts for first, count in [corpus.origins(name)]
    } == {
        "training": (10, 46),
        "validation": (60, 16),
        "test": (80, 11),
    }


def test_etth1_has_the_windows_of_its_protocol() -> None:
    if not ETTH1.exists():
        pytest.skip("ETTh1.csv is not there; `lstmctl data download ETTh1` fetches it")
    layout = Layout(split=(8640, 2880, 2880))
    corpus = open_series(str(ETTH1), layout, None, lookback=720, horizon=96)
    assert [int(corpus.origins(part)[1].sum()) for part in corpus.parts] == [7825, 2785, 2785]
    assert corpus.encoding.rows_used == "rows 1 to 8,640 (2016-07-01 00:00:00 to 2017-06-25 23:00:00)"
    column = pl.read_csv(ETTH1)["OT"].to_numpy()[:8640]
    assert corpus.encoding.centre[0, 6] == pytest.approx(column.mean(), rel=1e-14)
    assert corpus.encoding.spread[0, 6] == pytest.approx(column.std(), rel=1e-14)
    assert corpus.encoding.season == 24
    assert corpus.encoding.naive_error[0, 6] == pytest.approx(np.abs(column[24:] - column[:-24]).mean(), rel=1e-14)


@pytest.mark.parametrize(
    ("scaler", "centre", "spread"),
    [
        ("standard", 5.0, math.sqrt(10)),
        ("robust", 5.0, 4 / 1.349),
        ("min-max", 1.0, 9.0),
        ("none", 0.0, 1.0),
    ],
)
def test_scalers_use_training_rows_alone(scaler: str, centre: float, spread: float) -> None:
    values = [1, 3, 5, 7, 10, 4, 1000, 2000, 3000, 4000]
    expected = np.array(values[:5], dtype=np.float64)
    corpus = read(wide(days(10), values), split=(5, 3, 2), scaler=scaler)
    if scaler == "standard":
        centre, spread = float(expected.mean()), float(expected.std())
    assert corpus.encoding.centre[0, 0] == pytest.approx(centre)
    assert corpus.encoding.spread[0, 0] == pytest.approx(spread)
    scaled = (np.array(values) - corpus.encoding.centre[0, 0]) / corpus.encoding.spread[0, 0]
    np.testing.assert_array_equal(corpus.scaled().values[:, 0], scaled.astype(np.float32))


def test_a_constant_column_gets_spread_1_and_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        corpus = read(wide(days(20), [0.1] * 20))
    assert corpus.encoding.spread[0, 0] == 1
    assert np.all(corpus.scaled().values == 0)
    assert np.isnan(corpus.encoding.naive_error).all()
    assert caplog.messages == ["`a` is constant (0.1) in its training rows; its spread is taken as 1"]


@pytest.mark.parametrize("missing", ["error", "forward-fill", "interpolate", "mask"])
def test_later_rows_never_reach_earlier_ones(missing: str) -> None:
    """Replacing test rows by noise changes no bit of earlier rows; neither do gaps at a part's border."""
    draw = np.random.default_rng(3)
    values = draw.normal(size=(60, 3))
    if missing != "error":
        values[[5, 6, 29, 30, 31, 44, 45], 0] = np.nan
        values[[12, 44], 1] = np.nan
    noise = values.copy()
    noise[45:] = draw.normal(1e6, 1e5, size=(15, 3))
    found = []
    for table in (values, noise):
        columns = [["" if np.isnan(value) else repr(float(value)) for value in column] for column in table.T]
        found.append(
            read(wide(days(60), *columns), split=(30, 15, 15), missing=missing, targets=("a", "b"), known=("c",))
        )
    one, other = found
    for key in ("centre", "spread", "naive_error", "known_centre", "known_spread"):
        assert getattr(one.encoding, key).tobytes() == getattr(other.encoding, key).tobytes(), key
    assert one.table.targets[:45].tobytes() == other.table.targets[:45].tobytes()
    assert one.scaled().values[:45].tobytes() == other.scaled().values[:45].tobytes()
    # The last gap of training has a later neighbour in the file, but none in its part.
    if missing in ("forward-fill", "interpolate"):
        assert one.table.targets[29, 0] == values[28, 0]


def test_interpolation_draws_a_line_inside_of_a_part() -> None:
    values = [0, "", "", 6, 8, 10, 12, 14, "NA", 18, 20, 22, 24, 26, 28, 30]
    corpus = read(wide(days(16), values), split=(8, 4, 4), missing="interpolate")
    np.testing.assert_array_equal(corpus.table.targets[:10, 0], [0, 2, 4, 6, 8, 10, 12, 14, 14, 18])
    assert corpus.notes == ("3 missing values of `a` filled (interpolate), first at 2020-01-02 (line 3)",)


def test_scales_count_what_was_observed_not_what_was_filled() -> None:
    values = [0, "", "", "", "", 9, 3, 4, 5, 6, 7, 8]
    corpus = read(wide(days(12), values), split=(8, 2, 2), missing="forward-fill")
    assert corpus.encoding.centre[0, 0] == pytest.approx(np.mean([0, 9, 3, 4]))


def test_missing_rows_are_inserted() -> None:
    dates = [*hours(5), *hours(15, "2020-01-01T07")]
    corpus = read(wide(dates, list(range(20))), missing="forward-fill")
    assert corpus.notes == ("2 missing rows filled (forward-fill), first after 2020-01-01 04:00:00 (line 6)",)
    np.testing.assert_array_equal(corpus.table.targets[3:9, 0], [3, 4, 4, 4, 5, 6])
    assert texts(corpus) == hours(22)
    masked = read(wide(dates, list(range(20))), missing="mask")
    assert np.isnan(masked.table.targets[5:7]).all()
    assert np.isnan(masked.scaled().values[5:7]).all()


def test_missing_covariates_are_their_mean_under_mask() -> None:
    known = [1, 2, "", *range(4, 21)]
    corpus = read(wide(days(20), list(range(20)), known), targets=("a",), known=("b",), missing="mask")
    assert corpus.scaled().known[2, 0] == 0


def test_long_tables_hold_series_of_different_lengths() -> None:
    rows = [f"b,{date},{number}" for number, date in enumerate(days(30))]
    rows += [f"a,{date},{100 + number}" for number, date in enumerate(days(12, "2020-02-01"))]
    rows += [f"short,{date},7{number}" for number, date in enumerate(days(3))]
    corpus = read("unique_id,ds,y\n" + "\n".join(rows) + "\n", lookback=4, horizon=2, split_by="series")
    assert corpus.table.ids == corpus.encoding.channels == ("b", "a", "short")
    assert corpus.table.bounds.tolist() == [0, 30, 42, 45]
    assert corpus.parts["training"].tolist() == [[0, 21], [30, 38], [42, 44]]
    assert corpus.encoding.centre[:, 0].tolist() == [10, 103.5, 70.5]
    first, counts = corpus.origins("training")
    assert (first.tolist(), counts.tolist()) == ([4, 34, 46], [16, 3, 0])
    assert corpus.overlap is not None
    assert corpus.notes == (
        corpus.overlap,
        "1 of 3 series have too few training rows for a window (6): short (2)",
        "`short` has no scale in the training rows: each window is scaled separately, and it takes no part in "
        "training, model selection, calibration and scaled metrics",
    )
    scaled = corpus.scaled().values
    np.testing.assert_allclose(scaled[30:38].mean(), 0, atol=1e-6)


def test_interleaved_series_are_put_together() -> None:
    rows = [
        f"{date},{name},{number + shift}"
        for number, date in enumerate(days(20))
        for name, shift in (("x", 0), ("y", 50))
    ]
    corpus = read("timestamp,item_id,target\n" + "\n".join(rows))
    assert corpus.table.ids == ("x", "y")
    np.testing.assert_array_equal(corpus.table.targets[:, 0], [*range(20), *range(50, 70)])
    assert corpus.encoding.id == "item_id"
    assert corpus.encoding.targets == ("target",)


def test_static_columns_have_one_value_a_series() -> None:
    rows = [
        f"{name},{date},{number},{size}" for name, size in (("x", 1), ("y", 3)) for number, date in enumerate(days(20))
    ]
    table = "id,ds,y,size\n" + "\n".join(rows)
    corpus = read(table, static=("size",))
    assert corpus.table.static.tolist() == [[1], [3]]
    assert corpus.scaled().static.tolist() == [[-1], [1]]
    with pytest.raises(DataError, match=r"a\.csv: line 6, column `size`: series `x`: 9, but 1 before"):
        read(table.replace("x,2020-01-05,4,1", "x,2020-01-05,4,9"), static=("size",))


def test_future_rows_carry_known_columns_alone() -> None:
    values = [*range(20), "", "", ""]
    corpus = read(wide(days(23), values, list(range(23))), targets=("a",), known=("b",), horizon=2)
    assert corpus.table.ends.tolist() == [20]
    assert corpus.parts["test"].tolist() == [[16, 20]]
    assert corpus.notes == ("3 future rows, without targets, from 2020-01-21 on",)
    assert corpus.known_too_short() is None
    tail = corpus.encoding.tail
    assert tail.targets[:, 0].tolist()[:2] == [18, 19]
    assert np.isnan(tail.targets[2:]).all()
    assert tail.known[:, 0].tolist() == [18, 19, 20, 21]
    assert tail.ends.tolist() == [2]


@pytest.mark.parametrize(
    ("known", "horizon", "note"),
    [
        ([*range(20)], 2, "`b` is known for no row after the last `a`: `forecast` will need 2 rows with this column"),
        ([*range(21)], 1, None),
        ([*range(21)], 2, "`b` is known for 1 row only after the last `a`: `forecast` will need 2 rows with this"),
        ([*range(20), "", 21], 2, "`b` is known for no row after the last `a`: `forecast` will need 2 rows with this"),
        ([*range(22)], 3, "`b` is known for 2 rows only after the last `a`: `forecast` will need 3 rows with this"),
    ],
)
def test_known_columns_that_end_too_soon_for_a_forecast_are_noted(
    known: list[object], horizon: int, note: str | None
) -> None:
    count = len(known)
    table = wide(days(count), [*range(20), *[""] * (count - 20)], known)
    corpus = read(table, targets=("a",), known=("b",), horizon=horizon, split=(14, 3, 3))
    found = corpus.known_too_short()
    assert (found is None) == (note is None)
    if note is not None:
        assert found is not None
        assert found.startswith(note)
        assert corpus.notes[-1] == found


def test_known_columns_must_reach_over_the_horizon_in_every_series_that_is_forecast() -> None:
    lengths = {"x": (20, 3), "y": (20, 1), "z": (1, 0)}  # observed rows and future rows; z is too short for a forecast
    rows = [
        f"{name},{date},{number if number < observed else ''},{number}"
        for name, (observed, future) in lengths.items()
        for number, date in enumerate(days(observed + future))
    ]
    corpus = read("id,ds,y,b\n" + "\n".join(rows), known=("b",), horizon=3, split=(14, 3, 3))
    assert corpus.known_too_short() == (
        "`b` is known for 1 row only after the last `y` in 1 of 3 series: `forecast` will need 3 rows with this column "
        "alone appended"
    )


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        ("+02:00", "+02:00"),
        ("-0330", "-03:30"),
        ("Z", "Z"),
        (" UTC", "Z"),
        ("", ""),
    ],
)
def test_an_offset_from_utc_is_kept_with_the_tables_own_clock(written: str, zone: str) -> None:
    corpus = read(wide([time + written for time in hours(20)], range(20)))
    assert texts(corpus)[0] == "2020-01-01 00:00:00"
    assert (corpus.table.zone, corpus.encoding.tail.zone) == (zone, zone)
    again = SeriesEncoding.from_json(json.loads(json.dumps(corpus.encoding.to_json())))
    assert again.tail.zone == zone
    numbered = read(wide([time + written for time in hours(20)], range(20)), step="1 row")
    assert numbered.table.zone == ""


def test_an_encoding_of_before_offsets_were_kept_is_read() -> None:
    kept = read(wide(hours(20), range(20))).encoding.to_json()
    del kept["tail"]["zone"]
    assert SeriesEncoding.from_json(kept).tail.zone == ""


@pytest.mark.parametrize(("name", "zone"), [("Etc/GMT-2", "+02:00"), ("UTC", "+00:00")])
def test_a_parquet_files_zone_is_kept_as_its_offset(name: str, zone: str) -> None:
    moments = pl.Series(hours(20)).str.to_datetime("%Y-%m-%d %H:%M:%S").dt.replace_time_zone(name)
    pl.DataFrame({"date": moments, "a": range(20)}).write_parquet("a.parquet")
    corpus = open_series("a.parquet", Layout(), None, lookback=2, horizon=1)
    assert (texts(corpus)[0], corpus.table.zone) == ("2020-01-01 00:00:00", zone)


def test_columns_without_a_use_are_noted_where_targets_are_named() -> None:
    table = "date,a,b,c,text,\n" + "".join(f"{date},{n},{n},{n},x,{n}\n" for n, date in enumerate(days(20)))
    assert read(table, targets=("a",), past=("b",)).notes == (
        "`c`, `text` not used; data.past and data.known may name columns of numbers",
    )
    assert read(table.replace(",text,", ",t,"), targets=("a", "b"), past=("c",)).notes == (
        "`t` not used; data.past and data.known may name columns of numbers",
    )
    assert read(wide(days(20), range(20), range(20)), targets=("a",), past=("b",)).notes == ()


def test_a_spreadsheets_export_is_read() -> None:
    rows = [f"{day:02}.01.2020 00:00;{day},5;{day}" for day in range(1, 32)]
    content = "\ufeffDatum;Absatz;Tage;\r\n" + "".join(f"{row};\r\n" for row in rows) + ";;;\r\n"
    corpus = read(content, targets=("Absatz",))
    assert corpus.encoding.time == "Datum"
    assert corpus.table.targets[:3, 0].tolist() == [1.5, 2.5, 3.5]
    assert texts(corpus)[:2] == ["2020-01-01", "2020-01-02"]
    assert corpus.notes == (
        "1 empty line left out, first line 33",
        "`Tage` not used; data.past and data.known may name columns of numbers",
    )
    assert read(content).encoding.targets == ("Absatz", "Tage")


def test_tabs_quotes_and_missing_words_are_understood() -> None:
    rows = [f'"{date}"\t"{number}"\t{"n/a" if number == 3 else number}' for number, date in enumerate(days(20))]
    corpus = read('"date"\t"a, b"\tc\n' + "\n".join(rows), name="a.tsv", missing="interpolate")
    assert corpus.encoding.targets == ("a, b", "c")
    assert corpus.table.targets[3].tolist() == [3, 3]


@pytest.mark.parametrize(
    ("dates", "meant", "step"),
    [
        (swapped(45, "{2}/{1}/{0}"), "2020-02-14", "1 day"),
        (swapped(45, "{1}/{2}/{0}"), "2020-02-14", "1 day"),
        (
            [f"{day:02}/01/2020 {hour:02}:00" for day in range(1, 10) for hour in range(24)],
            "2020-01-09 23:00:00",
            "1 hour",
        ),
        ([f"1.{month}.{year}" for year in (2020, 2021) for month in range(1, 13)], "2021-12-01", "1 month"),
        ([f"{year}-{month:02}" for year in (2020, 2021) for month in range(1, 13)], "2021-12-01", "1 month"),
        ([f"{day:%Y%m%d}" for day in map(np.datetime64, days(40)) for day in [day.item()]], "2020-02-09", "1 day"),
        ([f"{time}Z" for time in hours(30)], "2020-01-02 05:00:00", "1 hour"),
        ([f"{time.replace(' ', 'T')}.500+02:00" for time in hours(30)], "2020-01-02 05:00:00.500000", "1 hour"),
        ([f"{day} 1:00 PM" for day in days(20)], "2020-01-20 13:00:00", "1 day"),
    ],
)
def test_dates_are_recognised(dates: list[str], meant: str, step: str) -> None:
    """Day and month are distinguished by the one that gives regular steps."""
    corpus = read(wide(dates, list(range(len(dates)))))
    assert (texts(corpus)[-1], str(corpus.encoding.step)) == (meant, step)


def test_a_format_says_how_dates_are_written() -> None:
    dates = [f"{day} Jan 20" for day in range(1, 21)]
    corpus = read(wide(dates, list(range(20))), date_format="%d %b %y")
    assert texts(corpus)[-1] == "2020-01-20"
    years = read(wide([str(year) for year in range(1980, 2010)], list(range(30))), date_format="%Y")
    assert (texts(years)[-1], str(years.encoding.step)) == ("2009-01-01", "1 year")


def test_whole_numbers_are_an_index() -> None:
    corpus = read("t,a\n" + "".join(f"{2 * row},{row}\n" for row in range(20)))
    assert (str(corpus.encoding.step), corpus.encoding.season) == ("2 rows", 1)
    assert texts(corpus)[-1] == "38"
    assert corpus.encoding.rows_used == "rows 1 to 14 (0 to 26)"
    with pytest.raises(DataError, match=r"data\.calendar hour needs dates, but the rows are numbered"):
        read("t,a\n" + "".join(f"{row},{row}\n" for row in range(20)), calendar=("hour",))


def test_irregular_dates_are_taken_row_by_row_on_request() -> None:
    dates = ["2020-01-01", "2020-01-02", "2020-01-05", "2020-01-09", *days(20, "2020-02-01")]
    corpus = read(wide(dates, list(range(24))), step="1 row", split=("2020-02-05", "2020-02-10"))
    assert texts(corpus)[-1] == "24"
    assert corpus.parts["training"].tolist() == [[0, 8]]
    assert corpus.notes == ("`date` gives the order alone: data.step is `1 row`",)


def test_dates_split_too() -> None:
    corpus = read(wide(days(31), list(range(31))), split=("2020-01-20", "2020-01-25T00:00", "2020-01-30"))
    assert {name: part.tolist() for name, part in corpus.parts.items()} == {
        "training": [[0, 19]],
        "validation": [[19, 24]],
        "test": [[24, 29]],
    }


def test_rows_are_sorted_and_merged_on_request() -> None:
    dates = days(20)
    dates[3], dates[4] = dates[4], dates[3]
    corpus = read(wide(dates, list(range(20))), order="sort")
    assert corpus.table.targets[:6, 0].tolist() == [0, 1, 2, 4, 3, 5]
    assert corpus.notes == ("rows sorted by time: 1 came after a later one",)
    twice = [*days(5), "2020-01-05", *days(15, "2020-01-06")]
    for keep, value in (("first", 4), ("last", 5), ("mean", 4.5)):
        corpus = read(wide(twice, list(range(21))), duplicates=keep)
        assert corpus.table.targets[3:6, 0].tolist() == [3, value, 6]
        assert corpus.notes == (
            f"1 row with a time that occurred before: {keep} kept, first at 2020-01-05 00:00:00 (line 7)",
        )


def test_parquet_is_read() -> None:
    moments = pl.Series(days(20)).str.to_datetime("%Y-%m-%d")
    frame = pl.DataFrame({"ds": moments, "y": [float(row) if row != 3 else None for row in range(20)]})
    frame.write_parquet("a.parquet")
    corpus = open_series("a.parquet", Layout(missing="interpolate"), None, lookback=2, horizon=1)
    assert corpus.table.targets[2:5, 0].tolist() == [2, 3, 4]
    assert texts(corpus)[-1] == "2020-01-20"
    assert corpus.notes == ("1 missing value of `y` filled (interpolate), first at 2020-01-04 (row 4)",)
    long = pl.DataFrame({"item_id": [1] * 20 + [2] * 20, "date": days(20) * 2, "target": list(range(40))})
    long.write_parquet("b.parquet")
    assert open_series("b.parquet", Layout(), None, lookback=2, horizon=1).table.ids == ("1", "2")
    pl.DataFrame({"ds": days(3), "y": [[1.0], [2.0], [3.0]]}).write_parquet("c.parquet")
    with pytest.raises(DataError, match=r"c\.parquet, column `y` contains list values, not plain ones"):
        open_series("c.parquet", Layout(), None, lookback=2, horizon=1)


def full_encoding() -> SeriesEncoding:
    rows = [
        f"{name},{date},{number / 7 if number != 3 else ''},{number * number},{number % 3},{size}"
        for name, size in (("x", 0.1), ("y", 3))
        for number, date in enumerate(hours(30))
    ]
    table = "id,ds,load,wind,holiday,size\n" + "\n".join(rows)
    return read(
        table,
        targets=("load",),
        past=("wind",),
        known=("holiday",),
        static=("size",),
        calendar=("hour", "weekday"),
        missing="mask",
        season=3,
        lookback=4,
        horizon=2,
    ).encoding


def test_an_encoding_survives_json_to_the_last_bit() -> None:
    encoding = full_encoding()
    assert encoding.season == 3
    again = SeriesEncoding.from_json(json.loads(json.dumps(encoding.to_json(), allow_nan=False)))
    assert again.to_json() == encoding.to_json()
    for key in ("centre", "spread", "naive_error", "past_centre", "known_spread", "static_spread"):
        assert getattr(again, key).tobytes() == getattr(encoding, key).tobytes(), key
    assert again.tail.targets.tobytes() == encoding.tail.targets.tobytes()
    assert again.scaled(again.tail).known.tobytes() == encoding.scaled(encoding.tail).known.tobytes()
    assert (again.step, again.channels) == (encoding.step, ("x", "y"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("kind", "characters"),
        ("ids", []),
        ("ids", ["x", "x"]),
        ("targets", None),
        ("centre", [[1.0]]),
        ("centre", [[None], [1.0]]),
        ("spread", [[0.0], [1.0]]),
        ("spread", [["a"], [1.0]]),
        ("spread", [["2.0"], [1.0]]),
        ("spread", [[True], [1.0]]),
        ("spread", [[1.0], [1.0, 2.0]]),
        ("naive_error", [[0.0], [1.0]]),
        ("season", 0),
        ("season", "24"),
        ("step", "1 moon"),
        ("step", None),
        ("calendar", ["noon"]),
        ("tail", None),
        ("tail", {}),
        ("tail", {"ids": ["x", "y"], "times": [1], "bounds": [0, 0.5, 1], "ends": [0, 1]}),
        ("tail", {"ids": ["x", "y"], "times": [1], "bounds": [0, 2, 1], "ends": [2, 1]}),
    ],
)
def test_a_damaged_encoding_is_refused(key: str, value: object) -> None:
    with pytest.raises(RunError, match=r"encoding\.json"):
        SeriesEncoding.from_json({**full_encoding().to_json(), key: value})


def test_new_data_is_scaled_as_the_runs_own() -> None:
    first = read(wide(days(30), list(range(30)), [1, 2] * 15), targets=("a",), known=("b",), calendar=("month",))
    content = wide(days(5, "2020-01-31"), [30, 31, 32, "", ""], [1, 2, 1, 2, 1])
    new = read(content, name="new.csv", encoding=first.encoding, scaler="min-max", lookback=2, horizon=2)
    assert new.encoding is first.encoding
    assert {name: part.tolist() for name, part in new.parts.items()} == {"validation": [[0, 3]]}
    expected = (np.array([30, 31, 32]) - first.encoding.centre[0, 0]) / first.encoding.spread[0, 0]
    np.testing.assert_array_equal(new.scaled().values[:3, 0], expected.astype(np.float32))
    assert new.scaled().known.shape == (5, 3)
    with pytest.raises(
        DataError, match=r"the validation part has 3 rows, but task\.lookback 2 and task\.horizon 2 take 4"
    ):
        new.require_windows("validation")
    future = read("date,a,b\n2020-01-31,,1\n", name="f.csv", encoding=first.encoding, lookback=2, horizon=1)
    assert future.table.ends.tolist() == [0]
    assert np.isnan(future.table.targets).all()
    with pytest.raises(DataError, match=r"f\.csv has no column `a`, which the run's data\.targets names"):
        read("date,b\n2020-01-31,1\n", name="f.csv", encoding=first.encoding)
    with pytest.raises(DataError, match=r"f\.csv has no column `b`, which the run's data\.known names"):
        read("date,a\n2020-01-31,1\n", name="f.csv", encoding=first.encoding)


def test_a_series_the_run_does_not_know_is_named() -> None:
    encoding = full_encoding()
    content = "id,ds,load,wind,holiday,size\nz,2020-01-01 00:00:00,1,1,1,1\n"
    with pytest.raises(DataError, match=r"line 2: series `z` is unknown to the run") as caught:
        read(content, encoding=encoding)
    assert caught.value.hint == "the run knows x, y; `forecast` takes new series too, and scales them by their own rows"
    known = read(content.replace("z,", "y,"), encoding=encoding)
    assert known.scaled().values[0, 0] == np.float32((1 - encoding.centre[1, 0]) / encoding.spread[1, 0])


def test_a_corpus_is_described() -> None:
    corpus = read(wide(days(30), list(range(30)), [5, 6] * 15), targets=("a",), past=("b",), lookback=3, horizon=2)
    found = describe_series(corpus, 3, 2)
    assert json.loads(json.dumps(found)) == found
    assert found["parts"]["validation"] == {"rows": 3, "first": "2020-01-22", "last": "2020-01-24", "windows": 2}
    assert (found["start"], found["end"], found["step"]) == ("2020-01-01", "2020-01-30", "1 day")
    assert found["window"] == {
        "channel": "a",
        "input": {"first": "2020-01-01", "last": "2020-01-03", "values": [0, 1, 2]},
        "labels": {"first": "2020-01-04", "last": "2020-01-05", "values": [3, 4]},
    }
    assert found["scaler"]["channels"][0]["centre"] == 10
    assert found["covariates"]["past"] == ["b"]


def long_table(**series: tuple[str, Iterable[float]]) -> str:
    """A long table of daily series: of each the first day and the values."""
    lines = ["unique_id,ds,y"]
    for name, (start, values) in series.items():
        listed = list(values)
        lines += [f"{name},{day},{value}" for day, value in zip(days(len(listed), start), listed, strict=True)]
    return "\n".join(lines) + "\n"


def waves(count: int, level: float = 30.0) -> list[float]:
    return [level + math.sin(row) for row in range(count)]


def first_days(corpus: SeriesCorpus, part: str) -> list[str]:
    """The first day of a part in each series."""
    return [corpus.encoding.step.text(int(corpus.table.times[start])) for start, _ in corpus.parts[part]]


def test_series_that_overlap_are_cut_at_the_same_dates() -> None:
    """Of 200 rows, 140 lie before the day on which the validation part begins in both, and 160 before the test part."""
    corpus = read(long_table(a=("2020-01-01", waves(100)), b=("2020-01-21", waves(100))))
    assert first_days(corpus, "validation") == ["2020-03-21", "2020-03-21"]
    assert first_days(corpus, "test") == ["2020-03-31", "2020-03-31"]
    assert [int(np.diff(rows).sum()) for rows in corpus.parts.values()] == [140, 20, 40]
    assert corpus.overlap is None
    assert corpus.middle is not None
    assert (corpus.middle - corpus.parts["validation"][:, 0]).tolist() == [5, 5]


def test_each_series_may_be_cut_by_its_own_length_and_what_overlaps_is_said() -> None:
    table = long_table(a=("2020-01-01", waves(100)), b=("2020-01-21", waves(100)))
    corpus = read(table, split_by="series")
    assert [part.tolist() for part in corpus.parts.values()] == [
        [[0, 70], [100, 170]],
        [[70, 80], [170, 180]],
        [[80, 100], [180, 200]],
    ]
    # `b` trains until 30 March; the test period of `a` begins on 21 March, and its validation period on 11 March.
    assert corpus.overlap == (
        "10 of 140 training rows are in or after the test period of another series, 10 of 20 validation rows are in or "
        "after the test period of another series, 20 of 140 training rows are in or after the validation period of "
        "another series; data.split_by=dates cuts all series at the same dates"
    )
    assert corpus.overlap in corpus.notes
    assert corpus.middle is None


def test_counts_of_rows_say_what_overlaps() -> None:
    corpus = read(long_table(a=("2020-01-01", waves(40)), b=("2020-01-21", waves(40))), split=(20, 10, 10))
    assert corpus.overlap is not None
    assert corpus.overlap.startswith("10 of 40 training rows are in or after the test period of another series")
    assert corpus.overlap.endswith("; dates in data.split cut all series at the same dates")
    with pytest.raises(DataError) as caught:
        read(long_table(a=("2020-01-01", waves(40)), b=("2020-01-21", waves(40))), split=(20, 10, 10), split_by="dates")
    assert "data.split counts rows of each" in str(caught.value)


def test_the_last_rows_of_each_series_validate_and_test() -> None:
    """Of series of 40 and 25 rows, each ends with a horizon of 3 to test on and 2 to validate on."""
    table = long_table(a=("2020-01-01", waves(40)), b=("2020-01-16", waves(25)))
    corpus = read(table, horizon=3, split=("rest", "2 horizons", "1 horizon"))
    assert {name: rows.tolist() for name, rows in corpus.parts.items()} == {
        "training": [[0, 31], [40, 56]],
        "validation": [[31, 37], [56, 62]],
        "test": [[37, 40], [62, 65]],
    }
    assert corpus.overlap is None  # both end on the same day
    assert corpus.middle is None
    two = read(table, horizon=3, split=("rest", "5 rows"))
    assert [part.tolist() for part in two.parts.values()] == [[[0, 35], [40, 60]], [[35, 40], [60, 65]]]


def test_a_series_shorter_than_the_last_rows_trains_nothing() -> None:
    table = long_table(a=("2020-01-01", waves(40)), b=("2020-02-05", waves(5)))
    corpus = read(table, split=("rest", "4 rows", "3 rows"))
    assert [part[1].tolist() for part in corpus.parts.values()] == [[40, 40], [40, 42], [42, 45]]
    assert any("1 of 2 series have too few training rows for a window (3): b (0)" in note for note in corpus.notes)
    with pytest.raises(DataError) as caught:
        read(table, split=("rest", "40 rows"))
    assert "the training part of series `a`, the longest, has 0 rows" in str(caught.value)


def test_last_rows_that_overlap_in_time_are_said_and_have_no_common_dates() -> None:
    table = long_table(a=("2020-01-01", waves(40)), b=("2020-01-06", waves(40)))
    corpus = read(table, split=("rest", "10 rows"))
    assert corpus.overlap == (
        "5 of 60 training rows are in or after the validation period of another series; "
        "dates in data.split cut all series at the same dates"
    )
    with pytest.raises(DataError) as caught:
        read(table, split=("rest", "10 rows"), split_by="dates")
    assert "data.split counts rows of each" in str(caught.value)
    assert read(wide(days(40), waves(40)), split=("rest", "10 rows"), split_by="dates").parts[
        "validation"
    ].tolist() == [[30, 40]]


def test_series_of_the_same_dates_are_cut_as_each_alone_would_be() -> None:
    for count in (97, 100, 103):
        table = long_table(
            a=("2020-01-01", waves(count)), b=("2020-01-01", waves(count)), c=("2020-01-01", waves(count))
        )
        by_dates, by_rows = read(table, split_by="dates"), read(table, split_by="series")
        for name, rows in by_dates.parts.items():
            np.testing.assert_array_equal(rows, by_rows.parts[name])
        assert by_dates.middle is not None
        np.testing.assert_array_equal(by_dates.middle, by_dates.parts["validation"].sum(1) // 2)
        assert by_rows.overlap is None


def test_series_that_do_not_overlap_are_cut_by_their_own_lengths() -> None:
    table = long_table(a=("2020-01-01", waves(50)), b=("2021-01-01", waves(50)))
    corpus = read(table)
    assert [int(np.diff(rows).sum()) for rows in corpus.parts.values()] == [70, 10, 20]
    assert corpus.overlap is not None
    assert corpus.overlap.startswith("35 of 70 training rows are in or after the test period of another series")
    by_dates = read(table, split_by="dates")
    assert by_dates.overlap is None
    assert [np.diff(rows)[:, 0].tolist() for rows in by_dates.parts.values()] == [[50, 20], [0, 10], [0, 20]]


def test_numbered_rows_have_no_dates_in_common() -> None:
    rows = [f"{name},{row},{row % 7}" for name, count in (("a", 100), ("b", 50)) for row in range(1, count + 1)]
    corpus = read("unique_id,ds,y\n" + "\n".join(rows) + "\n")
    assert corpus.parts["training"].tolist() == [[0, 70], [100, 135]]
    assert corpus.overlap is None


def test_rows_that_are_numbered_by_the_config_are_still_cut_at_dates() -> None:
    corpus = read(long_table(a=("2020-01-01", waves(100)), b=("2020-01-21", waves(100))), step="1 row")
    assert [int(np.diff(rows).sum()) for rows in corpus.parts.values()] == [140, 20, 40]
    assert np.diff(corpus.parts["training"])[:, 0].tolist() == [80, 60]


def test_parts_without_a_window_at_common_dates_name_the_way_out() -> None:
    with pytest.raises(DataError) as caught:
        read(long_table(a=("2020-01-01", waves(30)), b=("2020-01-29", waves(30))), lookback=20, horizon=9)
    assert "data.split_by=series" in str(caught.value.hint)


@pytest.mark.parametrize("late", [[0.0] * 43 + [6000.0 + row for row in range(57)], [0.1 + 0.2, 0.3] * 22 + [7.0] * 56])
def test_a_series_without_a_scale_is_named_and_the_others_keep_theirs(
    late: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    corpus = read(long_table(a=("2020-01-01", waves(100)), b=("2020-01-01", late)), split=(0.4, 0.2, 0.4))
    assert corpus.encoding.has_scale.tolist() == [[True], [False]]
    assert corpus.encoding.without_scale == ("b",)
    assert corpus.notes[-1] == (
        "`b` has no scale in the training rows: each window is scaled separately, and it takes no part in "
        "training, model selection, calibration and scaled metrics"
    )
    again = SeriesEncoding.from_json(json.loads(json.dumps(corpus.encoding.to_json())))
    assert again.has_scale.tolist() == [[True], [False]]


def test_a_late_series_without_training_rows_has_no_scale() -> None:
    table = long_table(a=("2020-01-01", waves(100)), b=("2020-03-31", waves(10)), c=("2020-03-28", waves(13)))
    corpus = read(table, split=("2020-03-31", "2020-04-04"), lookback=5)
    # `c` has three training rows: too few for a window, and for a scale.
    assert corpus.encoding.has_scale.tolist() == [[True], [False], [False]]


def test_where_no_series_has_a_scale_all_are_learned_from() -> None:
    corpus = read(long_table(a=("2020-01-01", [1.0] * 50), b=("2020-01-01", [2.0] * 50)))
    assert corpus.encoding.has_scale.tolist() == [[True], [True]]
    assert corpus.encoding.spread.tolist() == [[1], [1]]


def test_a_run_from_before_scales_were_marked_has_them_all() -> None:
    corpus = read(long_table(a=("2020-01-01", waves(50)), b=("2020-01-01", [2.0] * 50)))
    kept = corpus.encoding.to_json()
    del kept["has_scale"]
    assert SeriesEncoding.from_json(kept).has_scale.all()
    with pytest.raises(RunError):
        SeriesEncoding.from_json(corpus.encoding.to_json() | {"has_scale": [[1], [0]]})


@pytest.mark.parametrize("missing", ["forward-fill", "interpolate"])
def test_what_was_filled_is_kept_apart(missing: str) -> None:
    values = [*range(10), "", 11, "", *range(13, 20)]
    corpus = read(wide(days(20), values, list(range(20))), missing=missing)
    assert corpus.filled is not None
    assert np.argwhere(corpus.filled).tolist() == [[10, 0], [12, 0]]
    assert read(wide(days(20), list(range(20))), missing=missing).filled is None
