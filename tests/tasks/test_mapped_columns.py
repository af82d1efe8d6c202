"""Columns of a mapped table: what is gathered of them is what the scaled table holds, to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.series import Layout, SeriesCorpus, open_series
from lstmctl.tasks import mapped_columns as module
from lstmctl.tasks.mapped_columns import MappedColumns, mapped_columns
from lstmctl.tasks.series_windows import places

LAYOUT = Layout(
    past=("seen",), known=("plan",), static=("size",), calendar=("hour", "weekday", "day-of-year"), missing="mask"
)
SIZES = {"low": 90, "high": 70, "far": 111}


def write_three_series(path: Path) -> None:
    """Hours of three series at different levels, with some missing values and six future rows of known columns."""
    draw = np.random.default_rng(4)
    start = np.datetime64("2020-02-27T00:00:00")
    lines = ["unique_id,ds,y,seen,plan,size"]
    for number, (name, rows) in enumerate(SIZES.items()):
        for row in range(rows + 6):
            values = ["" if draw.random() < 0.1 else f"{draw.normal(10.0**number, number + 1):.4f}" for _ in range(3)]
            if row >= rows:
                values[:2] = "", ""
            lines.append(f"{name},{start + np.timedelta64(row, 'h')},{','.join(values)},{number}")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def corpora() -> tuple[SeriesCorpus, SeriesCorpus]:
    """The table as read, and as memory-mapped."""
    write_three_series(Path("a.csv"))
    folder = prepare_table("a.csv", LAYOUT, block=1000).folder
    direct, mapped = (
        open_series(str(name), LAYOUT, None, lookback=12, horizon=4) for name in (Path("a.csv").absolute(), folder)
    )
    assert (direct.is_mapped, mapped.is_mapped) == (False, True)
    return direct, mapped


def columns_of(corpus: SeriesCorpus) -> tuple[MappedColumns, MappedColumns, MappedColumns]:
    return mapped_columns(corpus.encoding, corpus.table, places(corpus.table.ids, corpus.encoding.ids))


def test_any_rows_are_those_of_the_scaled_table(corpora: tuple[SeriesCorpus, SeriesCorpus]) -> None:
    scaled = corpora[0].scaled()
    draw = np.random.default_rng(1)
    rows = len(corpora[0].table.times)
    for columns, array in zip(columns_of(corpora[1]), (scaled.values, scaled.past, scaled.known), strict=True):
        assert (columns.shape, len(columns)) == (array.shape, rows)
        for shape in ((), (5,), (16, 30)):
            chosen = torch.from_numpy(np.asarray(draw.integers(0, rows, shape)))
            assert columns[chosen].dtype == torch.float32
            assert columns[chosen].numpy().tobytes() == array[chosen.numpy()].tobytes()
        assert columns[60:100].numpy().tobytes() == array[60:100].tobytes()


def test_all_rows_go_to_a_device_in_chunks(
    corpora: tuple[SeriesCorpus, SeriesCorpus], monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled = corpora[0].scaled()
    monkeypatch.setattr(module, "CHUNK", 50)
    for columns, array in zip(columns_of(corpora[1]), (scaled.values, scaled.past, scaled.known), strict=True):
        assert columns.to(torch.device("cpu")).numpy().tobytes() == array.tobytes()


def test_a_table_of_some_series_is_scaled_by_the_runs_own(corpora: tuple[SeriesCorpus, SeriesCorpus]) -> None:
    lines = Path("a.csv").read_text().splitlines()
    kept = [lines[0], *(line for line in lines if line.startswith("far,")), *(x for x in lines if x.startswith("low,"))]
    Path("b.csv").write_text("\n".join(kept) + "\n")
    folder = prepare_table("b.csv", LAYOUT, block=1000).folder
    known = corpora[0].encoding
    direct, mapped = (
        open_series(str(name), LAYOUT, None, lookback=12, horizon=4, encoding=known)
        for name in (Path("b.csv").absolute(), folder)
    )
    assert mapped.table.ids == ("far", "low")
    scaled = direct.scaled()
    for columns, array in zip(columns_of(mapped), (scaled.values, scaled.past, scaled.known), strict=True):
        assert columns[: len(columns)].numpy().tobytes() == array.tobytes()


def test_columns_that_are_not_there_are_not_computed(corpora: tuple[SeriesCorpus, SeriesCorpus]) -> None:
    table = corpora[1].table

    def never(rows: object, series: object) -> NDArray[np.float32]:
        raise AssertionError

    empty = MappedColumns(table, 0, never)
    assert empty[torch.zeros(3, 4, dtype=torch.int64)].shape == (3, 4, 0)
