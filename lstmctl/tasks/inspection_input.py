"""Data that a task provides for the inspection of its recurrence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lstmctl.data.vocabulary import TextEncoding
from lstmctl.models.recurrence import Recurrence
from lstmctl.protocols import ModelState
from lstmctl.results.clips import ClipView

SYMBOLS_TRACKED = 12
BEGINNING = ""
"""The symbol of a step that reads the beginning of a text."""


@dataclass(frozen=True)
class InspectionInput:
    """A recurrence and its input: lanes in parallel, each from a zero state."""

    recurrence: Recurrence
    input: Tensor
    """(time, batch, features), the input of the first layer."""
    symbols: tuple[str, ...]
    """Input of each step of the first lane: a symbol, or the start of a segment."""
    step: str
    """Unit of a step for an axis, such as `characters`."""
    loss: Callable[[Tensor, ModelState], Tensor]
    """Maps the recurrence's outputs at every step (time, batch, outputs) and its last state to each lane's loss at its
    last step, (batch,); differentiable."""
    properties: Callable[[], Mapping[str, Tensor]]
    """Compute what a unit might track, by name, (time, batch) each."""
    carried: bool
    """True if the task carries state between windows, so that a lane may be longer than a training window."""
    told_at: int | None = None
    """The step of the loss, if it is in the middle because each step is labelled from both directions, which both count
    from it. None if every cell counts from its own last step."""
    notes: tuple[str, ...] = ()
    """Sentences that must accompany the results."""
    loss_notes: tuple[str, ...] = ()
    """Sentences that must accompany the loss."""
    clip: Callable[[], ClipView] | None = None
    """The first lane as sound, with the probabilities of its labels; None if steps are not frames of sound."""

    @property
    def reach(self) -> int:
        """Steps from the loss to the farthest state."""
        last = len(self.input) - 1
        return last if self.told_at is None else min(self.told_at, last - self.told_at)


def evenly_chosen(numbers: Tensor, length: int, *, steps: int, lanes: int) -> Tensor:
    """Choose from `numbers` (sequences,) at even distances: one per lane, or more if lanes of `length` steps have fewer
    than `steps` in all."""
    count = min(len(numbers), max(lanes, steps // length))
    return numbers[torch.linspace(0, len(numbers) - 1, count, device=numbers.device).long()]


def symbols_tracked(read: Tensor, encoding: TextEncoding) -> dict[str, Tensor]:
    """Return indicators of the most frequent symbols of separate texts, which are seldom prose. Numbers in `read`
    (time, batch) that are outside the vocabulary are ignored."""
    counts = torch.bincount(read.flatten(), minlength=len(encoding))[: len(encoding)]
    frequent = counts.argsort(descending=True, stable=True)[:SYMBOLS_TRACKED].tolist()
    return {f"is {encoding.name(number)}": (read == number).float() for number in frequent}


def position(read: Tensor) -> Tensor:
    """Return the position of each step in its lane, (time, batch), of an input (time, batch, …)."""
    return torch.arange(len(read), device=read.device).unsqueeze(1).expand(read.shape[:2]).float()
