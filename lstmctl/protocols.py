"""Interfaces between tasks, models and training: batches, losses, and the methods that each side may call.

A task knows the problem but not the optimisation; a trainer knows the optimisation but not the problem. Tensors are
time-first: (time, batch, …), or (batch,) without time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from lstmctl.metrics import Metric

ModelState = tuple[tuple[Tensor, ...], ...]
"""State of a recurrence: for each layer, one (batch, hidden) tensor for each of its cell's states."""

Totals = dict[str, Any]
"""Sums of scores, as numbers or arrays; those of several batches add up, whatever their sizes."""


@dataclass(frozen=True)
class Batch:
    """Input and target of one training step or one scoring call.

    The batch determines whether state carries over: `fresh` batches start every lane from zero, others continue from
    the state of the previous batch, except in lanes marked by `reset`.
    """

    input: Tensor
    """(time, batch) symbols or (time, batch, features)."""
    target: Tensor
    """(time, batch, …) for a target at every step, (batch, …) for one per sequence."""
    fresh: bool
    mask: Tensor | None = None
    """(time, batch), True where a step counts; None if all do."""
    reset: Tensor | None = None
    """(batch,), True where a lane starts from zero; None if none does."""
    weight: Tensor | None = None
    """Like `target`, factors of the training loss; None if all are 1. Metrics ignore them."""

    @property
    def lanes(self) -> int:
        return self.input.shape[1]

    @property
    def units(self) -> int:
        """Number of targets that enter the loss, the unit of budgets."""
        if self.mask is not None and self.target.shape[:2] == self.mask.shape:
            return int(self.mask.sum())
        return self.target.shape[0] * (self.target.shape[1] if self.target.dim() > 1 else 1)

    def part(self, start: int, stop: int) -> Self:
        """Return the lanes from `start` to `stop`."""
        # The batch axis is the second axis of tensors with time, and the only axis of tensors without.
        parts: dict[str, Any] = {
            field.name: value[start:stop] if value.dim() == 1 else value[:, start:stop]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **parts)


@dataclass(frozen=True)
class Loss:
    """A batch's loss as sum and count, so that ragged batches, micro-batches and processes can be added."""

    sum: Tensor
    """The loss in training."""
    count: int
    state: ModelState
    unweighted: Tensor | None = None
    """The same sum without the batch's weights, where it has any."""

    @property
    def reported(self) -> Tensor:
        """The sum that is reported, whatever the weights."""
        return self.sum if self.unweighted is None else self.unweighted


class Batches(Protocol):
    """The training batches, in order, as a pure function of the step: no other state has to be saved."""

    units_per_step: int
    steps_per_epoch: int

    def __getitem__(self, step: int) -> Batch: ...


class Task(Protocol):
    """Definition of a sequence problem, rebuilt from a config and an encoding without the corpus.

    Each task accepts only networks and batches that it created itself.
    """

    @property
    def primary(self) -> Metric:
        """The metric used for model selection."""
        ...

    @property
    def unit(self) -> str:
        """The unit of a budget, in the plural."""
        ...

    def initial_state(self, model: Any, batch: Any) -> ModelState:
        """Return the zero state for all lanes of `batch`."""
        ...

    def loss(self, model: Any, batch: Any, state: ModelState) -> Loss:
        """Compute the training loss."""
        ...

    def score(self, model: Any, batch: Any, state: ModelState) -> tuple[Totals, ModelState]:
        """Compute the sums that evaluation accumulates, and the state after the batch."""
        ...

    def metrics(self, totals: Totals) -> dict[str, float]:
        """Compute the metrics from totals."""
        ...

    def sample(self, model: Any, generator: torch.Generator) -> str:
        """Generate a short sample of the model's output, for people to follow the training."""
        ...


Evaluate = Iterable[Batch]
"""Batches to score in order; state carries over from one to the next unless it is fresh."""
