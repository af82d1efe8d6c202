"""Conversion of a budget in any unit to whole steps."""

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
"""Share of a time budget spent on measuring the duration of a step."""
LONGEST_CALIBRATION = 30.0
"""Most seconds spent on that."""
EVALUATION_RESERVE = 0.1
"""Share of a time budget reserved for evaluations, samples and checkpoints."""
TRIAL_STEPS = 3


def steps_within(budget: Budget, batches: Batches, model: Model, make_trainer: Callable[[Model, int], Trainer]) -> int:
    """Return the number of steps in a budget, at least 1.

    Targets and epochs are converted exactly; for seconds, steps are timed on a copy of the model, which is discarded.
    """
    if budget.unit == "seconds":
        return _steps_in(budget.amount, make_trainer(copy.deepcopy(model), 10**9))
    return budget.steps(batches.units_per_step, batches.steps_per_epoch)


def seconds_a_step(trainer: Trainer, trial: float) -> float:
    """Measure the duration of a step over `trial` seconds, after a warm-up. The trainer cannot be used afterwards.

    With several processes, all make the same number of steps, by the first one's clock."""
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
