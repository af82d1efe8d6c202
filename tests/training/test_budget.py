"""A budget in steps, whatever it was given in."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lstmctl.api import resume, train
from lstmctl.config.budget import Budget
from lstmctl.protocols import Batch
from lstmctl.training.budget import steps_within
from lstmctl.training.distributed import ALONE
from tests import processes


class Order:
    """Batches of 48 targets, 12.5 to an epoch."""

    units_per_step = 48
    steps_per_epoch = 12.5

    def __getitem__(self, step: int) -> Batch:
        raise AssertionError("counting needs no data")


def steps(text: str) -> int:
    def make_trainer(model: nn.Module, count: int) -> None:
        raise AssertionError("counting needs no trial")

    return steps_within(Budget.parse(text), Order(), nn.Linear(1, 1), make_trainer)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 step", 1),
        ("2000 steps", 2000),
        ("1 epoch", 12),
        ("2 epochs", 25),
        ("0.01 epochs", 1),
        ("1 character", 1),
        ("48 characters", 1),
        ("49 characters", 2),
        ("4.8k characters", 100),
        ("3M characters", 62_500),
        ("3000001 characters", 62_501),
    ],
)
def test_steps_epochs_and_targets_are_counted_out(text: str, expected: int) -> None:
    assert steps(text) == expected


@pytest.mark.parametrize(
    ("budget", "expected"), [("7 steps", 7), ("500 characters", math.ceil(500 / 64)), ("2 epochs", None)]
)
def test_a_run_makes_as_many_steps_and_no_more(small_config: Path, budget: str, expected: int | None) -> None:
    run = train(small_config, [f"training.budget={budget}"])
    expected = round(2 * run.info["steps_per_epoch"]) if expected is None else expected
    assert (run.info["steps"], run.info["step"]) == (expected, expected)
    assert run.info["units_trained"] == expected * 4 * 16 >= (500 if "characters" in budget else 0)
    assert run.folder.checkpoints.pointers()["last"] == expected


def test_seconds_become_steps_that_resume_keeps(small_config: Path) -> None:
    settings = ["training.budget=2 seconds", "training.save_every=10", "training.evaluate_every=10"]
    command = [sys.executable, "-m", "lstmctl", "train", str(small_config), *settings, "--quiet"]
    process = processes.start(command, stderr=subprocess.PIPE, text=True)
    path = Path("runs/small-lstm-001")
    while process.poll() is None and not (path / "checkpoints/step-10").exists():
        time.sleep(0.005)
    process.kill()
    process.communicate()
    counted = json.loads((path / "run.json").read_text())["steps"]
    assert counted > 10
    assert "budget: 2 seconds" in (path / "config.yaml").read_text()
    resume(path)
    info = json.loads((path / "run.json").read_text())
    assert (info["steps"], info["step"], info["status"]) == (counted, counted, "finished")
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    rates = {row["step"]: row["learning_rate"] for row in rows if "loss" in row}
    assert rates[counted] == pytest.approx(1e-2 * (1 - (counted - 1 - 20) / (counted - 20)))


def test_the_trial_of_the_speed_moves_nothing(small_config: Path) -> None:
    """The run that was timed first starts from the same weights and in the same place as one that was not."""
    torch.manual_seed(4)
    timed = train(small_config, ["training.budget=1 second", "training.average=null"])
    started = [row for row in rows_of(timed.path) if row["step"] == 1]
    counted = train(small_config, [f"training.budget={timed.info['steps']} steps", "training.average=null"])
    assert [row for row in rows_of(counted.path) if row["step"] == 1] == started
    for name in ("last", "best"):
        ours, theirs = (run.path / f"{name}.safetensors" for run in (timed, counted))
        assert ours.read_bytes() == theirs.read_bytes()


def rows_of(path: Path) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_no_budget_takes_long_to_calibrate(monkeypatch: pytest.MonkeyPatch) -> None:
    trials: list[float] = []

    def timed(trainer: object, trial: float) -> float:
        trials.append(trial)
        return 0.5

    monkeypatch.setattr("lstmctl.training.budget.seconds_a_step", timed)
    trainer = SimpleNamespace(processes=ALONE)
    for text, expected in (("100 seconds", 174), ("1000 hours", 6_479_940)):
        assert steps_within(Budget.parse(text), Order(), nn.Linear(1, 1), lambda model, count: trainer) == expected  # type: ignore[arg-type, return-value]
    assert trials == [3.0, 30.0]
