"""A run stopped by real signals and resumed equals one that was never stopped, bit for bit.

Runs that are stopped use a separate process; those that start or continue undisturbed use the test's own, which knows
only the files on disk.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import processes
from tests.conftest import Command

Train = Callable[..., str]

CELLS = ["rnn", "lstm", "gru", "feedforward"]
STEPS = 160
SETTINGS = [
    f"training.budget={STEPS} steps",
    "training.evaluate_every=45",
    "training.save_every=23",
    "training.sample_every=60",
]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lstmctl", "train", *arguments, "--quiet"]


@pytest.fixture
def train(lstmctl: Command) -> Train:
    """`train(*arguments, expect=0)`: what `lstmctl train` says on stderr, in this process."""

    def run(*arguments: str, expect: int = 0) -> str:
        result = lstmctl("train", *arguments, "--quiet")
        assert result.code == expect, result.err
        return result.err

    return run


def result_of(run: Path) -> dict[str, Any]:
    """Everything a run leaves that time has no part in."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    pointers = json.loads((run / "checkpoints/pointers.json").read_text())
    last = run / "checkpoints" / f"step-{pointers['last']}"
    state = json.loads((last / "state.json").read_text())
    info = json.loads((run / "run.json").read_text())
    return {
        "metrics": [{key: value for key, value in row.items() if key != "seconds"} for row in rows],
        "samples": (run / "samples.txt").read_text(),
        "last": (run / "last.safetensors").read_bytes(),
        "best": (run / "best.safetensors").read_bytes(),
        "state": (last / "state.safetensors").read_bytes(),
        "weights": (last / "weights.safetensors").read_bytes(),
        "progress": {key: value for key, value in state.items() if key not in ("seconds", "logs")},
        "pointers": {name: pointers[name] for name in ("last", "best")},
        "final": info["metrics"],
        "status": info["status"],
    }


def wait_for_rows(process: processes.Process, run: Path, rows: int) -> None:
    """Return once a run's log has this many rows, or its process has ended."""
    log = run / "metrics.jsonl"
    while process.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") >= rows):
        time.sleep(0.002)


def interrupt(config: Path, cell: str, number: int, after: int) -> Path:
    """Start a run, send it a signal once its log has grown past `after` rows, and give its folder."""
    earlier = len(list(Path("runs").glob(f"small-{cell}-*")))
    run = Path(f"runs/small-{cell}-{earlier + 1:03d}")
    process = processes.start(command(str(config), f"model.cell={cell}", *SETTINGS), stderr=subprocess.PIPE, text=True)
    wait_for_rows(process, run, after)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    expected = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130, signal.SIGTERM: 143}[signal.Signals(number)]
    assert process.returncode == expected, errors
    if number != signal.SIGKILL:
        assert f"lstmctl train --resume {run}" in errors
        assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    return run


@pytest.mark.parametrize("cell", CELLS)
def test_killed_and_resumed_equals_undisturbed(cell: str, small_config: Path, train: Train) -> None:
    train(str(small_config), f"model.cell={cell}", *SETTINGS)
    undisturbed = result_of(Path(f"runs/small-{cell}-001"))
    assert undisturbed["status"] == "finished"
    draw = random.Random(cell)
    for number in (signal.SIGKILL, signal.SIGINT):
        run = interrupt(small_config, cell, number, after=draw.randrange(1, STEPS // 3))
        train("--resume", str(run))
        assert result_of(run) == undisturbed, (cell, number)


def test_stopped_again_and_again_equals_undisturbed(small_config: Path, train: Train) -> None:
    train(str(small_config), *SETTINGS)
    run = interrupt(small_config, "lstm", signal.SIGTERM, after=20)
    for pause in (0.0, 0.05, 0.1):
        process = processes.start(command("--resume", str(run)), stderr=subprocess.DEVNULL)
        rows = (run / "metrics.jsonl").read_bytes().count(b"\n")
        wait_for_rows(process, run, rows + 15)
        time.sleep(pause)
        process.kill()
        process.wait()
    train("--resume", str(run))
    assert result_of(run) == result_of(Path("runs/small-lstm-001"))


def test_a_run_without_any_checkpoint_starts_again(small_config: Path, train: Train) -> None:
    run = interrupt(small_config, "lstm", signal.SIGKILL, after=1)
    shutil.rmtree(run / "checkpoints")
    train("--resume", str(run))
    train(str(small_config), *SETTINGS)
    assert result_of(run) == result_of(Path("runs/small-lstm-002"))


def test_before_the_first_evaluation_the_newest_weights_are_the_best(small_config: Path) -> None:
    run = interrupt(small_config, "lstm", signal.SIGINT, after=3)
    pointers = json.loads((run / "checkpoints/pointers.json").read_text())
    evaluated = any("validation" in row for row in (run / "metrics.jsonl").read_text().splitlines())
    assert pointers["last"] > 0
    assert evaluated or pointers["best"] == pointers["last"]


def test_a_finished_run_has_nothing_to_resume(small_config: Path, train: Train) -> None:
    train(str(small_config))
    before = result_of(Path("runs/small-lstm-001"))
    train("--resume", "latest")
    assert result_of(Path("runs/small-lstm-001")) == before


def test_a_second_interrupt_stops_at_once_and_loses_nothing_saved(small_config: Path, train: Train) -> None:
    process = processes.start(
        command(str(small_config), "training.budget=2M steps", "training.save_every=50"),
        stderr=subprocess.PIPE,
        text=True,
    )
    pointers = Path("runs/small-lstm-001/checkpoints/pointers.json")
    while not pointers.exists() or json.loads(pointers.read_text())["last"] < 50:
        assert process.poll() is None
        time.sleep(0.01)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert json.loads(pointers.read_text())["last"] >= 50
    train("--resume", "latest", "training.budget=3 steps", expect=2)


def test_changed_data_is_refused_unless_allowed(small_config: Path, text_file: Path, train: Train) -> None:
    run = interrupt(small_config, "lstm", signal.SIGINT, after=10)
    text_file.write_text(text_file.read_text().replace("Ann", "Bob", 1))
    result = train("--resume", str(run), expect=4)
    assert "small.txt changed since the run began: SHA-256" in result
    assert "--allow-data-change" in result
    train("--resume", str(run), "--allow-data-change")


def test_only_display_and_save_settings_may_change_on_resume(small_config: Path, train: Train) -> None:
    run = interrupt(small_config, "lstm", signal.SIGINT, after=10)
    result = train("--resume", str(run), "training.learning_rate=0.1", expect=2)
    assert "training.learning_rate=0.1  cannot change when a run is resumed" in result
    train("--resume", str(run), "training.save_every=5")


def test_a_running_run_names_its_holder(small_config: Path, train: Train) -> None:
    process = processes.start(command(str(small_config), "training.budget=2M steps"), stderr=subprocess.DEVNULL)
    run = Path("runs/small-lstm-001")
    while not (run / "checkpoints/pointers.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    result = train("--resume", str(run), expect=4)
    process.kill()
    process.wait()
    assert f"{run} is in use by process {process.pid} on " in result
