"""Where tasks, models and training meet: batches, losses, and what each side may ask of the other.

A task knows the meaning of a problem and nothing of optimisation; a trainer knows optimisation and nothing of meaning.
Tensors are time-first: (time, batch, …). What has no time is (batch,).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from lstmctl.metrics import Metric

ModelState = tuple[tuple[Tensor, ...], ...]
"""What a recurrence carries: for each layer, one (batch, hidden) tensor for each of its cell's states."""

Totals = dict[str, Any]
"""Sums over what was scored, numbers or arrays; those of several batches add up, whatever their sizes."""


@dataclass(frozen=True)
class Batch:
    """What one step learns from, or one call scores.

    The batch, not the loop, says whether state carries over: `fresh` batches start every lane from zero, others go on
    from the state the batch before left, except in lanes that `reset` marks.
    """

    input: Tensor
    """(time, batch) symbols or (time, batch, features)."""
    target: Tensor
    """(time, batch, …) for a target at every step, (batch, …) for one a sequence."""
    fresh: bool
    mask: Tensor | None = None
    """(time, batch), True where a step counts; None when all do."""
    reset: Tensor | None = None
    """(batch,), True where a lane starts from zero; None when none does."""

    @property
    def lanes(self) -> int:
        return self.input.shape[1]

    @property
    def units(self) -> int:
        """Targets that enter the loss: what a budget counts."""
        if self.mask is not None and self.target.shape[:2] == self.mask.shape:
            return int(self.mask.sum())
        return self.target.shape[0] * (self.target.shape[1] if self.target.dim() > 1 else 1)

    def part(self, start: int, stop: int) -> Self:
        """The lanes `start` to `stop` alone."""
        # The batch axis is the second of all that has time, and the only one of what has none.
        parts: dict[str, Any] = {
            field.name: value[start:stop] if value.dim() == 1 else value[:, start:stop]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **parts)


@dataclass(frozen=True)
class Loss:
    """A batch's loss as sum and count, so that ragged batches, micro-batches and processes add up."""

    sum: Tensor
    count: int
    state: ModelState


class Batches(Protocol):
    """A training order as a pure function of the step number: there is nothing else to save."""

    units_per_step: int
    steps_per_epoch: int

    def __getitem__(self, step: int) -> Batch: ...


class Task(Protocol):
    """The meaning of a sequence problem, rebuilt from a config and an encoding; it never needs the corpus.

    Each task takes the network and the batches that it made itself.
    """

    @property
    def primary(self) -> Metric:
        """The figure that decides which weights are best."""
        ...

    @property
    def unit(self) -> str:
        """What a budget counts, in the plural."""
        ...

    def initial_state(self, model: Any, batch: Any) -> ModelState:
        """The zero state for all lanes of `batch`."""
        ...

    def loss(self, model: Any, batch: Any, state: ModelState) -> Loss:
        """What training minimises."""
        ...

    def score(self, model: Any, batch: Any, state: ModelState) -> tuple[Totals, ModelState]:
        """What evaluation adds up, and the state after the batch."""
        ...

    def metrics(self, totals: Totals) -> dict[str, float]:
        """The figures that follow from totals."""
        ...

    def sample(self, model: Any, generator: torch.Generator) -> str:
        """A short piece of what the model does, for a person to look at while it trains."""
        ...


Evaluate = Iterable[Batch]
"""Batches to score in order; state carries from one to the next where they are not fresh."""
