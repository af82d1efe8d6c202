"""What a recurrent cell is: a pure `step`, and a `sequence` that applies it along time.

Shapes use one vocabulary throughout: `time`, `batch`, `inputs`, `hidden`. Sequences are time-first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from lstmctl.errors import ConfigError

State = tuple[Tensor, ...]
"""One tensor (batch, hidden) for each name in `Cell.states`."""


class Step(NamedTuple):
    """What one step of a cell gives."""

    output: Tensor
    """(batch, hidden), what the next layer sees."""
    state: State
    """What the next step sees."""
    gates: dict[str, Tensor]
    """Every gate by its name in the equations, (batch, hidden) each."""


Stepper = Callable[[Tensor, State], tuple[Tensor, State]]
"""One step in time for writing: what is read and the state before it, to the output (batch, hidden) and the state."""


class CellOptions(BaseModel):
    """A cell's own settings, `model.options` in a config. A cell without any uses this empty one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Cell(nn.Module):
    """One recurrence.

    A subclass states which tensors it carries (`states`) and computes one `step`. That is enough to train: `sequence`
    applies `step` along time. A cell with a fused kernel overrides `sequence` and keeps the same weights.

    Attributes:
        states: names of the carried tensors, in order; empty for a cell without memory.
        gates: names of what `step` reports in `Step.gates`.
        keeps: the gate that a unit's last state is multiplied with on its way into the next one, such as `f` in
            c' = f ⊙ c + …: how long the unit keeps what it holds follows from it; None where there is no such gate.
        Options: schema of `model.options`.
    """

    states: ClassVar[tuple[str, ...]] = ("hidden",)
    gates: ClassVar[tuple[str, ...]] = ()
    keeps: ClassVar[str | None] = None
    Options: ClassVar[type[CellOptions]] = CellOptions

    def __init__(self, inputs: int, hidden: int, options: CellOptions) -> None:
        super().__init__()
        self.inputs, self.hidden, self.options = inputs, hidden, options

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from `generator` alone; by default matrices uniform in ±1/√columns, the rest zero."""
        with torch.no_grad():
            for parameter in self.parameters():
                if parameter.dim() < 2:
                    parameter.zero_()
                else:
                    bound = parameter.shape[1] ** -0.5
                    parameter.uniform_(-bound, bound, generator=generator)

    def initial_state(self, batch: int, like: Tensor) -> State:
        """Zeros (batch, hidden) for each state, on the device and in the precision of `like`."""
        return tuple(like.new_zeros(batch, self.hidden) for _ in self.states)

    def project(self, input: Tensor) -> Tensor:
        """The part of a step that needs no state, (…, inputs) → (…, any), computed for all of time at once."""
        return input

    def step(self, projected: Tensor, state: State) -> Step:
        """One step in time: `projected` (batch, any) and the state before it, to `Step`."""
        raise TypeError(f"{type(self).__name__} has no step; a cell must define one")

    def stepper(self, lanes: int, precision: torch.dtype, vectors: Tensor | None = None) -> Stepper:
        """`step` for writing, as fast as may be: without gates to look at and without gradients, of the weights as they
        are now.

        Args:
            lanes: of the steps to come.
            precision: of their products, float32, bfloat16 or int8; only a hint.
            vectors: all that is ever read, (count, inputs). A step then reads their numbers (batch,) in place of
                features (batch, inputs).
        """

        def advance(input: Tensor, state: State) -> tuple[Tensor, State]:
            features = input if vectors is None else vectors[input]
            return self.step(self.project(features), state)[:2]

        return advance

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """All steps in time.

        Args:
            input: (time, batch, inputs).
            state: what is carried into the first step.
            mask: (time, batch), True where a step counts. A masked step leaves that lane's state as it was.

        Returns:
            The outputs (time, batch, hidden) and the state after the last step.
        """
        outputs = []
        for time, projected in enumerate(self.project(input)):
            output, after, _ = self.step(projected, state)
            if mask is not None:
                valid = mask[time].unsqueeze(-1)
                after = tuple(torch.where(valid, new, old) for new, old in zip(after, state, strict=True))
            outputs.append(output)
            state = after
        return torch.stack(outputs), state


def checked_options(cell: type[Cell], options: dict[str, object]) -> CellOptions:
    """`model.options` as the cell's own schema reads them.

    Raises:
        ConfigError: an option is unknown or out of range; every such option is named.
    """
    try:
        return cell.Options.model_validate(options)
    except ValidationError as error:
        allowed = ", ".join(cell.Options.model_fields) or "none"
        raise ConfigError(
            [
                f"model.options.{'.'.join(str(part) for part in problem['loc'])} — {problem['msg'].lower()}; "
                f"options of {cell.__name__}: {allowed}"
                for problem in error.errors()
            ]
        ) from error
