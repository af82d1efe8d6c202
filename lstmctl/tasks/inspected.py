"""What a task shows of its recurrence to whoever looks into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from lstmctl.models.recurrence import Recurrence
from lstmctl.protocols import ModelState


@dataclass(frozen=True)
class Inspected:
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
