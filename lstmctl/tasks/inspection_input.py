"""The view of a task's recurrence for inspections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lstmctl.data.encoding import TextEncoding
from lstmctl.models.recurrence import Recurrence
from lstmctl.protocols import ModelState

SYMBOLS_TRACKED = 12
BEGINNING = ""
"""Input of a step that reads nothing, before the first symbol of a text."""


@dataclass(frozen=True)
class InspectionInput:
    """A recurrence, and what runs through it: lanes side by side, each from a zero state."""

    recurrence: Recurrence
    input: Tensor
    """(time, batch, features), as it enters the first layer."""
    symbols: tuple[str, ...]
    """Input of each step of the first lane: a symbol, or the start of a segment."""
    step: str
    """Description of a step for an axis: `characters`."""
    loss: Callable[[Tensor, ModelState], Tensor]
    """From the recurrence's outputs at every step (time, batch, outputs) and the state after the last one to each
    lane's loss at its last step, (batch,); differentiable."""
    properties: Callable[[], Mapping[str, Tensor]]
    """By name, what a unit might track, (time, batch) each. They are counted only when they are asked for."""
    carried: bool
    """True if the task carries state from one window to the next, so that a lane may be longer than the training
    windows."""
    told_at: int | None = None
    """The step in the middle whose loss it is, where each step has an answer of what comes before it and after it: both
    directions count from there. None where every cell counts from its own last step."""
    notes: tuple[str, ...] = ()
    """Sentences that explain what is shown."""
    loss_notes: tuple[str, ...] = ()
    """Sentences that explain the loss."""

    @property
    def reach(self) -> int:
        """Steps from the loss to the farthest state."""
        last = len(self.input) - 1
        return last if self.told_at is None else min(self.told_at, last - self.told_at)


def evenly_chosen(numbers: Tensor, length: int, *, steps: int, lanes: int) -> Tensor:
    """So many of `numbers` (sequences,), at even distances: one a lane, and more where lanes of `length` steps would
    not even come to `steps` together."""
    count = min(len(numbers), max(lanes, steps // length))
    return numbers[torch.linspace(0, len(numbers) - 1, count, device=numbers.device).long()]


def symbols_tracked(read: Tensor, encoding: TextEncoding) -> dict[str, Tensor]:
    """Properties of separate texts that a unit may track: each of the frequent symbols. Labelled texts are seldom
    prose.

    Args:
        read: (time, batch); a number outside the vocabulary stands for no symbol.
    """
    counts = torch.bincount(read.flatten(), minlength=len(encoding))[: len(encoding)]
    frequent = counts.argsort(descending=True, stable=True)[:SYMBOLS_TRACKED].tolist()
    return {f"is {encoding.name(number)}": (read == number).float() for number in frequent}


def position(read: Tensor) -> Tensor:
    """The position of each step in its lane, (time, batch), for an input (time, batch, …)."""
    return torch.arange(len(read), device=read.device).unsqueeze(1).expand(read.shape[:2]).float()
