"""A prepared table in use: a training maps it, and is the same to the bit as one on the table itself."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl import Run, compare, resume, train
from lstmctl.api.assembly import open_data
from lstmctl.api.preparation import assemble
from lstmctl.cells.gru import GRU
from lstmctl.config import load
from lstmctl.config.schema import SeriesData
from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.series import Layout, SeriesCorpus
from lstmctl.errors import DataError
from lstmctl.events import Event, Stepped
from lstmctl.tasks.forecast import Forecast
from lstmctl.tasks.mapped_columns import MappedColumns
from lstmctl.tasks.series_windows import SeriesBatch
from tests.conftest import write_waves

QUICK = ["training.budget=20 steps", "model.ridge=1"]
COLUMNS = ["data.targets=[a]", "data.past=[b]", "data.known=[c]", "data.calendar=[hour, weekday]"]


def prepared_by(config: Path, *settings: str) -> Path:
    """The result of `data prepare` for the config's table."""
    data = load(str(config), list(settings)).settings.data
    assert isinstance(data, SeriesData)
    return prepare_table(data.series, Layout.of(data.model_dump()), None, config.parent, block=1000).folder


def write_three(path: Path) -> None:
    """The waves, and a column that is known in advance; a few values are missing."""
    lines = write_waves(path).read_text().splitlines()
    lines = [f"{line},{place % 5}" if place else f"{line},c" for place, line in enumerate(lines)]
    for gone in (50, 51, 300):
        time, a, _, c = lines[gone].split(",")
        lines[gone] = f"{time},{a},,{c}"
    path.write_text("\n".join(lines) + "\n")


def state(run: Run) -> dict[str, bytes]:
    names = ("best.safetensors", "last.safetensors", "encoding.json", "calibration.json", "evaluation.json")
    return {name: (run.path / name).read_bytes() for name in names}


def batches(config: Path, *settings: str) -> tuple[list[SeriesBatch], SeriesCorpus, Forecast]:
    """The first training batches, and all scored batches of the test part."""
    assembled = assemble(load(str(config), list(settings)).settings, config.parent, GRU, steps=1)
    task, corpus = assembled.task, assembled.corpus
    assert isinstance(task, Forecast)
    assert isinstance(corpus, SeriesCorpus)
    order = assembled.batches
    found = [order[step] for step in range(60)]
    found += list(task.part(corpus, "test", torch.device("cpu")).scored())
    assert all(isinstance(batch, SeriesBatch) for batch in found)
    return found, corpus, task  # type: ignore[return-value]


@pytest.mark.parametrize("missing", ["forward-fill", "mask"])
def test_every_window_is_the_same_and_the_table_is_not_copied(missing: str, series_config: Path) -> None:
    write_three(series_config.parent / "small.csv")
    settings = [*COLUMNS, f"data.missing={missing}"]
    folder = prepared_by(series_config, *settings)
    direct, _, _ = batches(series_config, *settings)
    mapped, corpus, task = batches(series_config, *settings, f"data.series={folder}")
    part = task.part(corpus, "training", torch.device("cpu"))
    assert corpus.is_mapped
    assert [type(columns) for columns in (part.values, part.past, part.known)] == [MappedColumns] * 3
    assert len(mapped) == len(direct) >= 61
    for one, other in zip(mapped, direct, strict=True):
        for name in ("input", "target", "past", "known", "static", "series"):
            own, theirs = getattr(one, name), getattr(other, name)
            assert own.dtype == theirs.dtype
            assert own.shape == theirs.shape
            assert own.contiguous().numpy().tobytes() == theirs.contiguous().numpy().tobytes(), name


def test_another_device_gets_what_a_tensor_would_hold(series_config: Path) -> None:
    write_three(series_config.parent / "small.csv")
    settings = load(str(series_config), [*COLUMNS, "data.missing=mask"]).settings
    folder = prepared_by(series_config, *COLUMNS, "data.missing=mask")
    direct = open_data(settings, series_config.parent).scaled()
    mapped = load(str(series_config), [*COLUMNS, "data.missing=mask", f"data.series={folder}"]).settings
    corpus = open_data(mapped, None)
    task = Forecast.of(mapped, corpus)
    part = task.part(corpus, "training", torch.device("cpu"))
    for columns, array in ((part.values, direct.values), (part.past, direct.past), (part.known, direct.known)):
        assert columns.to(torch.device("cpu")).numpy().tobytes() == array.tobytes()
        assert columns.shape == array.shape
    meta = task.part(corpus, "training", torch.device("meta"))
    assert isinstance(meta.values, torch.Tensor)


def test_it_is_the_same_run(series_config: Path) -> None:
    write_three(series_config.parent / "small.csv")
    settings = [*QUICK, *COLUMNS, "data.missing=forward-fill", "task.loss=quantile"]
    folder = prepared_by(series_config, *settings)
    direct, mapped = train(series_config, settings), train(series_config, [*settings, f"data.series={folder}"])
    assert state(mapped) == state(direct)
    assert mapped.metrics == direct.metrics
    facts = [json.loads((run.path / "run.json").read_bytes())["data"] for run in (mapped, direct)]
    assert facts[0].pop("files") == [str(folder)]
    assert facts[1].pop("files") == [str(series_config.parent / "small.csv")]
    assert facts[0] == facts[1]
    assert mapped.evaluate("validation").metrics == direct.evaluate("validation").metrics
    assert mapped.evaluate(file=folder).metrics == direct.evaluate(file="small.csv").metrics
    for refit in (False, True):
        one, other = (run.backtest(windows=2, refit=refit) for run in (mapped, direct))
        assert (one.scores, one.forecasts) == (other.scores, other.forecasts)
    future = series_config.parent / "future.csv"
    lines = (series_config.parent / "small.csv").read_text().splitlines()
    future.write_text("\n".join([*lines, *(f"2020-01-17 {16 + row}:00:00,,,{row}" for row in range(4))]) + "\n")
    ahead = prepare_table(str(future), Layout(targets=("a",), past=("b",), known=("c",)), block=1000).folder
    assert mapped.forecast(ahead) == direct.forecast(future)


@pytest.mark.parametrize("begun_on_the_table", [True, False])
def test_a_run_continues_with_the_other(begun_on_the_table: bool, series_config: Path) -> None:
    folder, table = prepared_by(series_config), series_config.parent / "small.csv"
    first, other = (table, folder) if begun_on_the_table else (folder, table)
    whole = train(series_config, QUICK)

    def stop(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 8:
            os.kill(os.getpid(), signal.SIGINT)

    stopped = train(series_config, [*QUICK, f"data.series={first}"], observe=stop)
    assert stopped.status == "interrupted"
    finished = resume(stopped.path, [f"data.series={other}"])
    assert state(finished) == state(whole)
    assert finished.metrics == whole.metrics


def test_a_table_that_is_another_is_not_gone_on_with(series_config: Path) -> None:
    folder = prepared_by(series_config)
    run = train(series_config, [*QUICK, f"data.series={folder}"])
    write_waves(series_config.parent / "small.csv", rows=401)
    (folder / "prepared.json").unlink()
    other = prepared_by(series_config)
    assert other == folder
    with pytest.raises(DataError, match=r"small\.prepared has changed since waves-gru-001 was trained"):
        run.evaluate("test")


def test_a_comparison_of_it_is_that_of_the_table(series_config: Path) -> None:
    folder = prepared_by(series_config)
    settings = ["training.budget=4 steps"]
    found = [
        compare(["rnn", "gru"], series_config, [*settings, *of], seeds=2) for of in ([], [f"data.series={folder}"])
    ]
    assert [arm.values for arm in found[0].arms] == [arm.values for arm in found[1].arms]


def test_a_config_names_it_from_anywhere(series_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared_by(series_config)
    run = train(series_config, ["data.series=small.prepared", "training.budget=2 steps"])
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    again = load(str(Path("..") / run.path / "config.yaml"))
    corpus = open_data(again.settings, again.folder)
    assert isinstance(corpus, SeriesCorpus)
    assert isinstance(corpus.table.targets, np.memmap)


@pytest.mark.parametrize("missing", ["forward-fill", "mask"])
def test_a_file_that_becomes_shorter_while_it_trains_is_named_and_ends_no_process(
    missing: str, series_config: Path
) -> None:
    folder = prepared_by(series_config, f"data.missing={missing}")

    def shorten(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 10:
            os.truncate(folder / "targets.bin", 100)

    settings = [f"data.series={folder}", f"data.missing={missing}"]
    with pytest.raises(DataError, match=r"targets\.bin has become shorter while it was in use: 100 bytes, of "):
        train(series_config, settings, observe=shorten)
