"""Tables by the clock of a place: no hour is missing in spring, none occurs twice in autumn, forecasts are local."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmctl.config import from_mapping
from lstmctl.data.calendar import calendar_features
from lstmctl.data.local_time import resolved, to_local, to_utc
from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.series import Layout, SeriesCorpus, SeriesEncoding, open_series
from lstmctl.data.timesteps import Step
from lstmctl.errors import ConfigError, DataError

HOUR = 3_600_000_000
VIENNA = "Europe/Vienna"


def micros(*dates: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(dates, dtype="datetime64[us]").astype(np.int64)


def clock(start: str, count: int, minutes: int = 60, zone: str = VIENNA) -> list[str]:
    """What the clock of a place shows from a moment in UTC on."""
    times = micros(start)[0] + np.arange(count) * minutes * HOUR // 60
    return [str(np.datetime64(int(time), "us")).replace("T", " ")[:19] for time in to_local(times, zone)]


def read(shown: list[str], name: str = "a.csv", values: list[Any] | None = None, **settings: Any) -> SeriesCorpus:
    given = values or list(range(len(shown)))
    lines = [f"{time},{value}" for time, value in zip(shown, given, strict=True)]
    Path(name).write_text("\n".join(["date,y", *lines]) + "\n")
    encoding = settings.pop("encoding", None)
    layout = Layout(**{"zone": VIENNA, **settings})
    return open_series(name, layout, None, lookback=6, horizon=3, encoding=encoding)


def test_both_changes_of_the_clock() -> None:
    spring = clock("2024-03-31T00:00", 3)
    assert spring == ["2024-03-31 01:00:00", "2024-03-31 03:00:00", "2024-03-31 04:00:00"]
    autumn = clock("2024-10-26T23:00", 4)
    assert autumn == ["2024-10-27 01:00:00", *["2024-10-27 02:00:00"] * 2, "2024-10-27 03:00:00"]
    for shown, start in ((spring, "2024-03-31T00:00"), (autumn, "2024-10-26T23:00")):
        found, exists = resolved(micros(*(time.replace(" ", "T") for time in shown)), np.zeros(len(shown), int), VIENNA)
        assert exists.all()
        assert (found - micros(start)[0]).tolist() == [HOUR * row for row in range(len(shown))]
    early, late, exists = to_utc(micros("2024-03-31T02:30", "2024-10-27T02:30"), VIENNA)
    assert exists.tolist() == [False, True]
    assert (late - early)[1] == HOUR


def test_the_order_tells_the_repeated_hour() -> None:
    """In quarters of an hour, of two series one after the other, and from the newest row to the oldest."""
    shown = micros(*(time.replace(" ", "T") for time in clock("2024-10-26T22:00", 24, 15)))
    expected = micros("2024-10-26T22:00")[0] + np.arange(24) * HOUR // 4
    found, _ = resolved(np.tile(shown, 2), np.repeat([0, 1], 24), VIENNA)
    assert found.tolist() == [*expected, *expected]
    together = np.repeat(shown, 2)
    assert resolved(together, np.tile([0, 1], 24), VIENNA)[0].tolist() == np.repeat(expected, 2).tolist()
    assert resolved(shown[::-1], np.zeros(24, int), VIENNA)[0].tolist() == expected[::-1].tolist()


def test_an_hour_that_occurs_once_is_the_first_unless_the_table_begins_with_it() -> None:
    shown = micros("2024-10-27T01:00", "2024-10-27T02:00", "2024-10-27T03:00")
    assert np.diff(resolved(shown, np.zeros(3, int), VIENNA)[0]).tolist() == [HOUR, 2 * HOUR]
    assert np.diff(resolved(shown[1:], np.zeros(2, int), VIENNA)[0]).tolist() == [HOUR]


@pytest.mark.parametrize("start", ["2024-03-28T00:00", "2024-10-25T00:00"])
def test_a_table_is_regular_and_shown_by_its_own_clock(start: str) -> None:
    shown = clock(start, 120)
    corpus = read(shown)
    encoding = corpus.encoding
    assert str(encoding.step) == "1 hour"
    assert encoding.season == 24
    assert np.diff(corpus.table.times).tolist() == [HOUR] * 119
    assert corpus.table.targets[:, 0].tolist() == list(range(120))
    assert [encoding.step.text(int(time))[:19] for time in corpus.table.times] == shown
    offsets = {encoding.step.text(int(time))[19:] for time in corpus.table.times}
    assert offsets == {"+01:00", "+02:00"}
    assert encoding.step.moment(int(corpus.table.times[-1])).isoformat(" ") == shown[-1]
    with pytest.raises(DataError, match=r"occurs twice|is missing"):
        read(shown, zone=None)


def test_the_calendar_is_that_of_the_place() -> None:
    shown = clock("2024-03-28T00:00", 120)
    corpus = read(shown, calendar=("hour", "weekday"))
    naive = micros(*(time.replace(" ", "T") for time in shown))
    assert corpus.scaled().known == pytest.approx(calendar_features(naive, ("hour", "weekday"), Step(1, "hours")))


def test_a_run_goes_on_by_the_clock(tmp_path: Path) -> None:
    shown = clock("2024-10-24T00:00", 71)
    assert shown[-1] == "2024-10-27 00:00:00"
    encoding = SeriesEncoding.from_json(json.loads(json.dumps(read(shown).encoding.to_json())))
    assert encoding.step.zone == VIENNA
    after = encoding.step.times_after(int(encoding.tail.times[-1]), 4)
    assert [encoding.step.text(int(time)) for time in after] == [
        *("2024-10-27 01:00:00+02:00", "2024-10-27 02:00:00+02:00"),
        *("2024-10-27 02:00:00+01:00", "2024-10-27 03:00:00+01:00"),
    ]
    newer = read(clock("2024-10-27T01:00", 9), "b.csv", encoding=encoding, zone=None)
    assert newer.encoding.step.text(int(newer.table.times[0])) == "2024-10-27 02:00:00+01:00"
    # Its offsets may be written out.
    zoned = [f"{time[:19]}{time[19:]}" for time in map(encoding.step.text, newer.table.times.tolist())]
    assert read(zoned, "c.csv", encoding=encoding, zone=None).table.times.tolist() == newer.table.times.tolist()


def test_offsets_from_utc_are_converted_to_the_place() -> None:
    shown = clock("2024-10-26T00:00", 60)
    step = Step(1, "hours", zone=VIENNA)
    times = read(shown).table.times
    zoned = [step.text(int(time)) for time in times]
    assert read(zoned, "b.csv").table.times.tolist() == times.tolist()
    utc = [f"{np.datetime64(int(time), 'us')}Z" for time in times]
    assert read(utc, "c.csv").table.times.tolist() == times.tolist()
    seconds = [str(time // 1_000_000) for time in times.tolist()]
    corpus = read(seconds, "d.csv", date_format="seconds")
    assert corpus.encoding.step.text(int(corpus.table.times[0])) == zoned[0]


def test_days_keep_the_local_clock() -> None:
    days = [str(np.datetime64("2024-03-20") + row) for row in range(60)]
    corpus = read(days)
    assert str(corpus.encoding.step) == "1 day"
    assert corpus.encoding.step.zone == ""
    assert corpus.encoding.step.text(int(corpus.table.times[0])) == "2024-03-20"
    midnights = micros("2024-03-19T23:00")[0] + np.arange(60) * 24 * HOUR
    midnights[12:] -= HOUR  # summer time
    zoned = read([f"{np.datetime64(int(time), 'us')}Z" for time in midnights], "b.csv")
    assert zoned.table.times.tolist() == corpus.table.times.tolist()


def test_parts_begin_at_local_dates() -> None:
    corpus = read(clock("2024-03-28T00:00", 120), split=("2024-03-30", "2024-03-31T03:00"))
    begins = [corpus.encoding.step.text(int(corpus.table.times[corpus.parts[name][0, 0]])) for name in corpus.parts]
    assert begins[1:] == ["2024-03-30 00:00:00+01:00", "2024-03-31 03:00:00+02:00"]


def test_what_the_clock_never_shows_is_named() -> None:
    shown = [str(np.datetime64("2024-03-30T00") + row).replace("T", " ") + ":00" for row in range(60)]
    with pytest.raises(DataError, match="line 28: 2024-03-31 02:00:00 does not exist in Europe/Vienna") as error:
        read(shown)
    assert "data.zone out" in str(error.value.hint)
    with pytest.raises(DataError, match=r"1 row is missing after 2024-10-27 02:00:00\+02:00"):
        read(clock("2024-10-26T00:00", 25) + clock("2024-10-27T02:00", 24))
    with pytest.raises(DataError, match=r"Europe/Wien is not a known time zone"):
        read(clock("2024-03-28T00:00", 60), zone="Europe/Wien")
    with pytest.raises(ConfigError, match='"Vienna" is not a time zone'):
        from_mapping({"task": {"type": "forecast"}, "data": {"series": "a.csv", "zone": "Vienna"}})


def test_rows_are_sorted_and_a_prepared_table_is_the_same() -> None:
    shown = clock("2024-10-25T00:00", 120)
    plain = read(shown)
    backwards = read(shown[::-1], "b.csv", list(range(119, -1, -1)), order="sort")
    assert backwards.table.targets.tolist() == plain.table.targets.tolist()
    layout = Layout(zone=VIENNA)
    folder = prepare_table("a.csv", layout, block=500).folder
    prepared = open_series(str(folder), layout, None, lookback=6, horizon=3)
    assert prepared.table.times.tolist() == plain.table.times.tolist()
    assert prepared.encoding.to_json()["tail"] == plain.encoding.to_json()["tail"]
    encoding = plain.encoding
    again = open_series(str(folder), Layout(), None, lookback=6, horizon=3, encoding=encoding)
    assert again.table.times.tolist() == plain.table.times.tolist()
