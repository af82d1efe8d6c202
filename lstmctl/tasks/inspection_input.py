"""What a task shows of its recurrence to whoever looks into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lstmctl.data.encoding import TextEncoding
from lstmctl.models.recurrence import Recurrence
from lstmctl.protocols import ModelState
from lstmctl.results.clips import ClipView

SYMBOLS_TRACKED = 12
BEGINNING = ""
"""What a step has read that stands before the first symbol of a text."""


@dataclass(frozen=True)
class InspectionInput:
    """A recurrence, and what runs through it: lanes side by side, each from a zero state."""

    recurrence: Recurrence
    input: Tensor
    """(time, batch, features), as it enters the first layer."""
    symbols: tuple[str, ...]
    """What each step of the first lane has read: a symbol, or where a segment begins."""
    step: str
    """What a step is, as an axis says it: `characters`."""
    loss: Callable[[Tensor, ModelState], Tensor]
    """From the recurrence's outputs at every step (time, batch, outputs) and the state after the last one to each
    lane's loss at its last step, (batch,); differentiable."""
    properties: Callable[[], Mapping[str, Tensor]]
    """By name, what a unit might track, (time, batch) each. They are counted only when they are asked for."""
    carried: bool
    """Whether the task carries state from one window to the next, so that a lane may be longer than the windows it
    learnt on."""
    told_at: int | None = None
    """The step in the middle whose loss it is, where each step has an answer of what comes before it and after it: both
    directions count from there. None where every cell counts from its own last step."""
    notes: tuple[str, ...] = ()
    """What must be said of what is shown, in whole sentences."""
    loss_notes: tuple[str, ...] = ()
    """What must be said of the loss."""
    clip: Callable[[], ClipView] | None = None
    """The first lane as sound, with the probabilities of its labels; None if steps are not frames of sound."""

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
    """What a unit may track in separate texts: each distinct symbol by itself, the frequent ones. A text of labels is
    seldom prose.

    Args:
        read: (time, batch); a number outside the vocabulary stands for no symbol.
    """
    counts = torch.bincount(read.flatten(), minlength=len(encoding))[: len(encoding)]
    frequent = counts.argsort(descending=True, stable=True)[:SYMBOLS_TRACKED].tolist()
    return {f"is {encoding.name(number)}": (read == number).float() for number in frequent}


def position(read: Tensor) -> Tensor:
    """Of each step in its lane, (time, batch), of what is read (time, batch, …)."""
    return torch.arange(len(read), device=read.device).unsqueeze(1).expand(read.shape[:2]).float()
