"""The input of a forecast beyond the end of a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl.errors import DataError
from lstmctl.tasks.last_windows import last_windows
from tests.tasks.conftest import CPU, pose, two_series


def test_it_is_the_end_of_every_series(series_config: Path, tmp_path: Path) -> None:
    two_series(tmp_path / "small.csv")
    task, corpus, _ = pose(series_config)
    scaled = torch.from_numpy(corpus.scaled().values)
    for table in (None, corpus):  # the run keeps the end of its own table
        batch, _ = last_windows(task.encoding, task.settings, CPU, table)
        assert batch.series is not None
        assert batch.series.tolist() == [0, 1]
        assert torch.equal(batch.input[:, 0], scaled[300 - 12 : 300])
        assert torch.equal(batch.input[:, 1], scaled[560 - 12 : 560])
        assert batch.target.shape == (4, 2, 1)
        assert bool(batch.target.isnan().all())
    _, last = last_windows(task.encoding, task.settings, CPU, corpus)
    assert last.tolist() == [299, 559]
    preview, last = last_windows(task.encoding, task.settings, CPU, corpus, preview=True)
    assert preview.lanes == 1
    assert last.tolist() == [299]


def test_a_series_shorter_than_the_lookback_is_forecast_from_the_rows_it_has(
    series_config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two_series(tmp_path / "small.csv")
    task, _, _ = pose(series_config)
    lines = (tmp_path / "small.csv").read_text().splitlines()
    (tmp_path / "newer.csv").write_text("\n".join([*lines[:9], *lines[301:]]) + "\n")
    corpus = task.read([str(tmp_path / "newer.csv")])
    batch, last = last_windows(task.encoding, task.settings, CPU, corpus)
    assert batch.series is not None
    assert batch.series.tolist() == [0, 1]
    assert np.array_equal(last, [7, 8 + 260 - 1])
    scaled = torch.from_numpy(corpus.scaled().values)
    assert torch.equal(batch.input[4:, 0], scaled[:8])
    assert torch.equal(batch.input[:4, 0], scaled[:1].expand(4, -1))
    assert torch.equal(batch.input[:, 1], scaled[268 - 12 : 268])
    assert (
        "1 series is shorter than the 12 rows that a forecast is based on: what precedes it is unknown" in caplog.text
    )
    masked, _ = last_windows(task.encoding, task.settings, CPU, corpus, masked=True)
    assert masked.input.isnan().sum(0).flatten().tolist() == [4, 0]
    assert torch.equal(masked.input[4:], batch.input[4:])
    (tmp_path / "short.csv").write_text("\n".join(lines[:9]) + "\n")
    with pytest.raises(DataError, match=r"has 8 rows; a forecast is made from task\.lookback=12"):
        last_windows(task.encoding, task.settings, CPU, task.read([str(tmp_path / "short.csv")]))
