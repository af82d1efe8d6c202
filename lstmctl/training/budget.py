"""A budget in whole steps, whatever it was given in."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import TypeVar

from torch import nn

from lstmctl.config.budget import Budget
from lstmctl.protocols import Batches
from lstmctl.training.trainer import Trainer

Model = TypeVar("Model", bound=nn.Module)

CALIBRATION_SHARE = 0.03
"""Part of a time budget spent on finding out how long a step takes."""
LONGEST_CALIBRATION = 30.0
"""Seconds spent on that at most."""
EVALUATION_RESERVE = 0.1
"""Part of a time budget left for evaluations, samples and checkpoints."""
TRIAL_STEPS = 3


def steps_within(budget: Budget, batches: Batches, model: Model, make_trainer: Callable[[Model, int], Trainer]) -> int:
    """How many steps a budget stands for, at least 1.

    Targets and epochs are counted out; seconds by timing steps on a copy of the model that is then thrown away.
    """
    if budget.unit == "seconds":
        return _steps_in(budget.amount, make_trainer(copy.deepcopy(model), 10**9))
    return budget.steps(batches.units_per_step, batches.steps_per_epoch)


def seconds_a_step(trainer: Trainer, trial: float) -> float:
    """How long a step takes, from steps made for `trial` seconds after a few to warm up; the trainer is used up.

    Several processes make as many steps each, by the clock of the first."""
    trainer.model.train()
    trainer.make_steps(TRIAL_STEPS)  # the first steps also allocate and compile
    started, made = time.perf_counter(), 0

    def too_few() -> bool:
        return made < TRIAL_STEPS or time.perf_counter() - started < trial

    while trainer.processes.from_first(too_few):
        trainer.make_steps(1)
        made += 1
    return (time.perf_counter() - started) / made


def _steps_in(seconds: float, trainer: Trainer) -> int:
    calibration = min(CALIBRATION_SHARE * seconds, LONGEST_CALIBRATION)
    each = seconds_a_step(trainer, calibration)
    steps = max(1, int((seconds * (1 - EVALUATION_RESERVE) - calibration) / each))
    return trainer.processes.from_first(lambda: steps)
