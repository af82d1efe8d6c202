"""Columns of categories: their vocabulary, their numbers, and categories that training did not see."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmctl.config import from_mapping
from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.series import Layout, SeriesCorpus, SeriesEncoding, open_series
from lstmctl.errors import ConfigError, DataError, RunError

START = np.datetime64("2020-01-01T00:00:00")
ROWS = 60
KINDS = ("sun", "rain", "sun", "snow")


def lines(series: str = "", kinds: tuple[str, ...] = KINDS, town: str = "") -> list[str]:
    start, end = f"{series}," if series else "", f",{town}" if town else ""
    return [
        f"{start}{START + np.timedelta64(row, 'h')},{row % 5 + 0.1 * row:g},{kinds[row % len(kinds)]}{end}"
        for row in range(ROWS)
    ]


def read(content: list[str], header: str = "date,y,sky", name: str = "a.csv", **settings: Any) -> SeriesCorpus:
    Path(name).write_text("\n".join([header, *content]) + "\n")
    encoding = settings.pop("encoding", None)
    layout = Layout(**{"split": (30, 15, 15), "targets": ("y",), "categories": ("sky",), "past": ("sky",), **settings})
    return open_series(name, layout, None, lookback=6, horizon=3, encoding=encoding)


def test_categories_are_numbered_by_training_rows_in_order_of_appearance() -> None:
    corpus = read(lines())
    assert corpus.encoding.categories == {"sky": ("sun", "rain", "snow")}
    expected = np.array([1, 2, 1, 3] * 15)
    assert corpus.table.past[:, 0].tolist() == expected.tolist()
    assert corpus.scaled().past[:, 0].tolist() == expected.tolist()
    assert corpus.notes == ()


def test_a_category_of_later_rows_alone_is_unknown_and_noted() -> None:
    content = lines()
    content[40] = content[40].replace("sun", "fog")
    content[50] = content[50].replace("sun", "hail")
    corpus = read(content)
    assert corpus.encoding.categories == {"sky": ("sun", "rain", "snow")}
    assert [corpus.table.past[row, 0] for row in (39, 40, 41, 50)] == [3, 0, 2, 0]
    assert corpus.notes == (
        "2 categories of `sky` in 2 rows did not occur in the training rows: `fog`, `hail`; the mean of the known "
        "categories is used instead",
    )


def test_a_run_keeps_categories_and_warns_of_others(caplog: pytest.LogCaptureFixture) -> None:
    own = read(lines())
    stored = json.loads(json.dumps(own.encoding.to_json()))
    encoding = SeriesEncoding.from_json(stored)
    assert encoding.categories == {"sky": ("sun", "rain", "snow")}
    with caplog.at_level(logging.WARNING):
        newer = read(lines(kinds=("snow", "sleet")), name="b.csv", categories=(), past=(), encoding=encoding)
    assert newer.table.past[:4, 0].tolist() == [3, 0, 3, 0]
    (message,) = caplog.messages
    assert message.startswith("1 category of `sky` in 30 rows did not occur in the training rows: `sleet`;")


@pytest.mark.parametrize(
    "damage", [{"other": ["a"]}, {"sky": []}, {"sky": ["a", "a", "b"]}, {"sky": ["a"]}, {"sky": 3}]
)
def test_damaged_categories_are_refused(damage: dict[str, Any]) -> None:
    stored = read(lines()).encoding.to_json()
    with pytest.raises(RunError, match=r"encoding\.json is damaged at `categories`"):
        SeriesEncoding.from_json({**stored, "categories": damage})


def test_numbers_may_be_categories_beside_columns_of_numbers() -> None:
    content = [f"{line},{7 - row % 2},{row}" for row, line in enumerate(lines())]
    corpus = read(
        content, "date,y,sky,shop,size", known=("size", "shop"), categories=("shop", "sky"), split=(30, 15, 15)
    )
    assert corpus.encoding.categories == {"sky": ("sun", "rain", "snow"), "shop": ("7", "6")}
    known = corpus.scaled().known
    assert known[:4, 1].tolist() == [1, 2, 1, 2]
    assert known[:30, 0].mean() == pytest.approx(0, abs=1e-6)
    assert known[:30, 0].std() == pytest.approx(1)


def test_a_static_category_is_one_a_series() -> None:
    settings = {"past": (), "static": ("town",), "categories": ("town",), "split": (30, 15, 15)}
    header = "unique_id,date,y,sky,town"
    corpus = read(lines("a", town="Wien") + lines("b", town="Graz") + lines("c", town="Wien"), header, **settings)
    assert corpus.encoding.categories == {"town": ("Wien", "Graz")}
    assert corpus.scaled().static[:, 0].tolist() == [1, 2, 1]
    content = lines("a", town="Wien") + lines("b", town="Graz")
    content[70] = content[70].replace("Graz", "Linz")
    with pytest.raises(DataError, match="line 72, column `town`: series `b`: `Linz`, but `Graz` before") as error:
        read(content, header, **settings)
    assert "data.known=[town]" in str(error.value.hint)


def test_a_missing_category_is_an_error_filled_or_unknown() -> None:
    content = lines()
    content[9] = content[9].replace("rain", "")
    with pytest.raises(DataError, match="line 11, column `sky`: no value at 2020-01-01 09:00:00"):
        read(content)
    for missing, expected in (("forward-fill", 1), ("interpolate", 1), ("mask", 0)):
        assert read(content, missing=missing).scaled().past[9, 0] == expected


def test_merged_rows_keep_the_first_category() -> None:
    content = lines()
    content.insert(4, content[3].replace("snow", "rain").replace("3.3", "5.3"))
    corpus = read(content, duplicates="mean")
    assert corpus.table.past[3, 0] == corpus.encoding.categories["sky"].index("snow") + 1
    assert corpus.table.targets[3, 0] == pytest.approx(4.3)


def test_future_rows_have_known_categories() -> None:
    future = [f"{START + np.timedelta64(ROWS + row, 'h')},,{KINDS[row % 4]}" for row in range(3)]
    corpus = read(lines() + future, past=(), known=("sky",))
    assert corpus.table.known[-3:, 0].tolist() == [1, 2, 1]
    assert corpus.known_too_short() is None
    assert read(lines() + future[:2], past=(), known=("sky",)).known_too_short() is not None


def test_what_cannot_be_used() -> None:
    with pytest.raises(DataError, match="column `sky`: `sun` is not a number") as error:
        read(lines(), categories=())
    assert "data.categories" in str(error.value.hint)
    with pytest.raises(DataError, match="column `sky` has no value in the training rows"):
        read([line.rsplit(",", 1)[0] + "," for line in lines()], missing="mask")
    with pytest.raises(DataError, match=r"a prepared table holds numbers, but data\.categories names sky"):
        prepare_table("a.csv", Layout(past=("sky",), categories=("sky",)))
    with pytest.raises(ConfigError, match=r'"sky" is not among data\.past, data\.known and data\.static'):
        from_mapping({"task": {"type": "forecast"}, "data": {"series": "a.csv", "categories": "sky"}})
