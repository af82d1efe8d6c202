"""Prepared text in use: a training maps it, and is the same to the bit as one on the text itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl import Run, resume, train
from lstmctl.api.assembly import open_data
from lstmctl.api.preparation import CheckedBatches, assemble
from lstmctl.cells.lstm import LSTM
from lstmctl.config import load
from lstmctl.data.preparing_text import prepare_text
from lstmctl.errors import DataError
from lstmctl.events import Concluding, Event, Stepped
from lstmctl.runs.folder import RunFolder


@pytest.fixture
def prepared(text_file: Path) -> Path:
    return prepare_text(str(text_file), "characters", block=1000).folder


def state(run: Run) -> dict[str, bytes]:
    return {name: (run.path / name).read_bytes() for name in ("best.safetensors", "last.safetensors")}


@pytest.mark.parametrize("shape", ["many-to-many", "many-to-one"])
def test_training_copies_nothing_of_it(shape: str, small_config: Path, prepared: Path) -> None:
    settings = load(str(small_config), [f"data.text={prepared}", f"task.shape={shape}"]).settings
    assembled = assemble(settings, None, LSTM)
    mapped = assembled.corpus.symbols
    assert isinstance(mapped, np.memmap)
    for name in assembled.corpus.parts:
        part = assembled.task.part(assembled.corpus, name, torch.device("cpu"))
        assert part.dtype == torch.uint8
        assert np.shares_memory(part.numpy(), mapped)
    assert isinstance(assembled.batches, CheckedBatches)
    assert np.shares_memory(assembled.batches.batches.symbols.numpy(), mapped)  # type: ignore[attr-defined]
    assert assembled.batches[0].input.dtype == torch.int64


@pytest.mark.parametrize("shape", ["many-to-many", "many-to-one"])
def test_it_is_the_same_run(shape: str, small_config: Path, prepared: Path) -> None:
    settings = [f"task.shape={shape}", "training.budget=14 steps"]
    direct, mapped = train(small_config, settings), train(small_config, [*settings, f"data.text={prepared}"])
    assert state(mapped) == state(direct)
    assert mapped.metrics == direct.metrics
    assert (mapped.path / "evaluation.json").read_bytes() == (direct.path / "evaluation.json").read_bytes()
    assert mapped.evaluate("validation").metrics == direct.evaluate("validation").metrics
    assert mapped.evaluate(file=prepared).metrics == direct.evaluate(file="small.txt").metrics


@pytest.mark.parametrize("begun_on_text", [True, False])
def test_a_run_continues_with_the_other(begun_on_text: bool, small_config: Path, prepared: Path) -> None:
    text, other = (Path("small.txt"), prepared) if begun_on_text else (prepared, Path("small.txt"))
    whole = train(small_config)

    def stop(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 20:
            os.kill(os.getpid(), signal.SIGINT)

    stopped = train(small_config, [f"data.text={text}"], observe=stop)
    assert stopped.status == "interrupted"
    finished = resume(stopped.path, [f"data.text={other}"])
    assert state(finished) == state(whole)
    assert finished.metrics == whole.metrics


def test_a_config_names_it_from_anywhere(small_config: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train(small_config, ["data.text=small.prepared", "training.budget=2 steps"])
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    again = load(str(Path("..") / run.path / "config.yaml"))
    assert isinstance(open_data(again.settings, again.folder).symbols, np.memmap)


def test_a_file_that_becomes_shorter_while_it_trains_is_named_and_ends_no_process(
    small_config: Path, prepared: Path
) -> None:
    symbols = prepared / "symbols.bin"

    def shorten(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 20:
            os.truncate(symbols, 100)

    with pytest.raises(DataError, match=f"{symbols} has become shorter while it was in use: 100 bytes, of "):
        train(small_config, [f"data.text={prepared}"], observe=shorten)
    assert Run(RunFolder(Path("runs/small-lstm-001"))).status == "failed"


def test_a_file_that_becomes_shorter_while_the_run_is_scored_is_named_and_ends_no_process(
    small_config: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lstmctl.api.running.SECONDS_BETWEEN_WORDS", -1.0)  # a word after every batch
    symbols = prepared / "symbols.bin"

    def shorten(event: Event) -> None:
        if isinstance(event, Concluding) and event.doing == "scoring the test part" and event.share:
            os.truncate(symbols, 100)

    with pytest.raises(DataError, match=f"{symbols} has become shorter while it was in use: 100 bytes, of "):
        train(small_config, [f"data.text={prepared}", "training.budget=2 steps"], observe=shorten)
    assert Run(RunFolder(Path("runs/small-lstm-001"))).status == "failed"
