"""Usable scales of training rows, and the treatment of series and covariates without one."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.series import Layout, SeriesCorpus, SeriesEncoding, open_series

START = np.datetime64("2020-01-01T00:00:00")
ROWS = 250
"""Of each series; the first 100 are training rows, the next 50 validation rows."""


def rows(columns: dict[str, list[Any]], series: str = "") -> list[str]:
    count = max(map(len, columns.values()))
    return [
        ",".join([*([series] if series else []), str(START + np.timedelta64(row, "h")), *cells])
        for row in range(count)
        for cells in [[str(values[row]) if row < len(values) else "" for values in columns.values()]]
    ]


def read(lines: list[str], header: str, name: str = "a.csv", **settings: Any) -> SeriesCorpus:
    Path(name).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    encoding = settings.pop("encoding", None)
    layout = Layout(**{"split": (100, 50, 100), **settings})
    return open_series(name, layout, None, lookback=6, horizon=3, encoding=encoding)


def waves(seed: int = 0, count: int = ROWS) -> list[float]:
    draw = np.random.default_rng(seed)
    return (30 + np.sin(np.arange(count)) + draw.normal(0, 0.2, count)).tolist()


def ones(*places: int) -> list[float]:
    values = np.zeros(ROWS)
    values[list(places)] = 1
    values[120:] = 6000
    return values.tolist()


def noise(size: float, level: float = 0.0, since: int = 120) -> list[float]:
    values = np.random.default_rng(1).normal(0, size, ROWS)
    values[since:] += level
    return values.tolist()


@pytest.mark.parametrize(
    ("values", "scaler", "said"),
    [
        (ones(), "standard", "is constant (0) in its training rows"),
        (ones(40), "standard", "is nearly constant in its training rows: 1 of 100 values is not 0"),
        (ones(40), "min-max", "is nearly constant in its training rows: 1 of 100 values is not 0"),
        (ones(*range(9)), "robust", "is nearly constant in its training rows: 9 of 100 values are not 0"),
        (noise(1e-3, 6000), "standard", "times its spread (0.00"),
        (noise(1e-3, 6000), "min-max", "times its spread (0.00"),
        (noise(1e-3, 6000, since=80), "robust", "on average over its training rows"),
    ],
)
def test_a_series_whose_scale_cannot_be_used_is_left_out(
    values: list[float], scaler: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        corpus = read(rows({"y": waves()}, "a") + rows({"y": values}, "b"), "unique_id,ds,y", scaler=scaler)
    assert corpus.encoding.without_scale == ("b",)
    assert corpus.encoding.spread[1, 0] == 1
    (message,) = caplog.messages
    assert message.startswith("`b/y` ")
    assert said in message
    assert message.endswith(
        "; its windows are scaled one by one, and neither training nor the choice of weights nor calibration uses it"
    )


@pytest.mark.parametrize(
    "values",
    [ones(*range(10)), noise(1.0, 90), noise(1e-9), waves(3)],
    ids=["ten ones", "a jump of less than a hundred spreads", "small numbers", "waves"],
)
def test_other_series_keep_their_scale(values: list[float]) -> None:
    values = [value if value != 6000 else 0.0 for value in values]
    corpus = read(rows({"y": waves()}, "a") + rows({"y": values}, "b"), "unique_id,ds,y")
    assert corpus.encoding.without_scale == ()
    assert corpus.encoding.spread[1, 0] == pytest.approx(np.std(values[:100]))


def test_later_test_rows_decide_nothing() -> None:
    found = [
        read(rows({"y": waves()}, "a") + rows({"y": noise(1e-3, level, since=150)}, "b"), "unique_id,ds,y").encoding
        for level in (0, 6e6)
    ]
    assert found[0].without_scale == found[1].without_scale == ()
    assert found[0].spread.tobytes() == found[1].spread.tobytes()


COLUMNS = ("wind", "sun", "plan", "flag")
"""Two past columns and two known ones; `sun` and `flag` are constant in the training rows."""


def covariates(level: float) -> dict[str, list[Any]]:
    """With three future rows of known columns."""
    late = [0.0] * 120 + [level] * (ROWS - 120)
    return {
        "y": waves(),
        "wind": waves(1),
        "sun": late,
        "plan": waves(2, ROWS + 3),
        "flag": [*late, level, level, level],
    }


def test_a_constant_covariate_is_left_out_whatever_it_does_later() -> None:
    found = []
    uses: dict[str, Any] = {"targets": ("y",), "past": ("wind", "sun"), "known": ("plan", "flag"), "missing": "mask"}
    for level in (0.0, 6000.0):
        corpus = read(rows(covariates(level)), "ds,y,wind,sun,plan,flag", **uses)
        scaled = corpus.scaled()
        assert corpus.encoding.left_out == ("sun", "flag")
        assert np.all(scaled.past[:, 1] == 0)
        assert np.all(scaled.known[:, 1] == 0)  # in the future rows too: there they are known
        assert np.abs(scaled.past[:100, 0].mean()) < 1e-6
        assert corpus.known_too_short() is None
        assert corpus.notes[-1] == (
            "`sun`, `flag` have no scale in the training rows: they are left out of what the network sees"
        )
        again = SeriesEncoding.from_json(json.loads(json.dumps(corpus.encoding.to_json(), allow_nan=False)))
        assert again.left_out == ("sun", "flag")
        assert again.scaled(corpus.table).known.tobytes() == scaled.known.tobytes()
        found.append((scaled.past.tobytes(), scaled.known.tobytes()))
        folder = prepare_table("a.csv", Layout(**uses), Path(f"prepared-{level}")).folder
        mapped = open_series(str(folder), Layout(**uses, split=(100, 50, 100)), None, lookback=6, horizon=3)
        assert mapped.scaled().known.tobytes() == scaled.known.tobytes()
    assert found[0] == found[1]


def test_a_missing_future_value_of_a_covariate_without_a_scale_is_still_missing() -> None:
    columns = covariates(0.0)
    columns["flag"] = columns["flag"][:-2]
    corpus = read(
        rows(columns), "ds,y,wind,sun,plan,flag", targets=("y",), past=("wind", "sun"), known=("plan", "flag")
    )
    assert corpus.scaled().known[ROWS:, 1].tolist() == pytest.approx([0, np.nan, np.nan], nan_ok=True)
    lack = corpus.known_too_short()
    assert lack is not None
    assert lack.startswith("`plan`, `flag` are known for 1 row only")


def test_covariates_without_a_scale_in_some_series_are_named_with_these() -> None:
    names = {"a": waves(4), "b": [5.0] * ROWS, "c": noise(1e-3, 6000)}
    lines = [
        line for name, wind in names.items() for line in rows({"y": waves(), "wind": wind, "size": [7] * ROWS}, name)
    ]
    corpus = read(lines, "unique_id,ds,y,wind,size", past=("wind",), static=("size",))
    assert corpus.encoding.left_out == ("b/wind", "c/wind", "size")
    scaled = corpus.scaled()
    assert np.all(scaled.static == 0)
    assert scaled.past[:ROWS].any()
    assert not scaled.past[ROWS:].any()
    newer = read(
        [line.replace(",7", ",90") for line in lines],
        "unique_id,ds,y,wind,size",
        name="newer.csv",
        past=("wind",),
        static=("size",),
        encoding=corpus.encoding,
    )
    assert np.all(newer.scaled().static == 0)
