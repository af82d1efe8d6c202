"""The interface of a recurrent cell: a pure `step`, and a `sequence` that applies it along time.

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
"""One tensor (batch, …) for each name in `Cell.states`; zeros are the state before the first step."""


class Step(NamedTuple):
    """Result of one step of a cell."""

    output: Tensor
    """(batch, hidden), the input of the next layer."""
    state: State
    """The state passed to the next step."""
    gates: dict[str, Tensor]
    """Every gate, (batch, hidden) each, under its name in the equations."""


Stepper = Callable[[Tensor, State], tuple[Tensor, State]]
"""One time step of generation: (input, previous state) to (output (batch, hidden), new state)."""


OF_WEIGHTS = {"initialise", "Options"}
"""What a subclass of a finished cell may define without computing anything else than it."""


class CellOptions(BaseModel):
    """Settings specific to one cell, `model.options` in a config. A cell without options uses this empty class."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Cell(nn.Module):
    """One recurrent cell.

    A subclass lists the tensors it carries (`states`) and implements `step`. That is enough to train: `sequence`
    applies `step` along time. A cell with a fused kernel overrides `sequence` and uses the same weights. A subclass of
    such a cell is computed by its own `step`, unless it overrides `sequence` too or differs in `OF_WEIGHTS` only.

    Attributes:
        states: names of the carried tensors, in order; empty for a cell without memory.
        opened: the states that an encoder may start with values in (−1, 1); None for all.
        gates: names of the gates that `step` returns in `Step.gates`.
        keeps: name of the gate that multiplies a unit's previous state, such as `f` in c' = f ⊙ c + …; it determines
            how long the unit retains information. None for a cell without this gate.
        path: name of the computation of whole sequences, where torch's own kernels don't show it: `stepwise`, `scan`,
            `chunks`, `attention` or `convolution`.
        Options: schema of `model.options`.
    """

    states: ClassVar[tuple[str, ...]] = ("hidden",)
    opened: ClassVar[tuple[str, ...] | None] = None
    gates: ClassVar[tuple[str, ...]] = ()
    keeps: ClassVar[str | None] = None
    path: ClassVar[str] = "stepwise"
    Options: ClassVar[type[CellOptions]] = CellOptions

    def __init_subclass__(cls, **arguments: object) -> None:
        super().__init_subclass__(**arguments)
        parent = next(base for base in cls.__mro__[1:] if issubclass(base, Cell))
        defined = {name for base in cls.__mro__[: cls.__mro__.index(parent)] for name in vars(base)}
        own = {name for name in defined if name == "__init__" or not name.startswith("__")} - OF_WEIGHTS
        if parent.step is not Cell.step and own and "sequence" not in own:
            for name in {"sequence", "stepper", "path"} - own:  # those of the parent compute the parent
                setattr(cls, name, getattr(Cell, name))

    def __init__(self, inputs: int, hidden: int, options: CellOptions) -> None:
        super().__init__()
        self.inputs, self.hidden, self.options = inputs, hidden, options

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from `generator`; by default matrices uniform in ±1/√columns, everything else zero."""
        with torch.no_grad():
            for parameter in self.parameters():
                if parameter.dim() < 2:
                    parameter.zero_()
                else:
                    bound = parameter.shape[1] ** -0.5
                    parameter.uniform_(-bound, bound, generator=generator)

    @classmethod
    def multiple(cls, options: CellOptions) -> int:
        """Return the number that `model.hidden` must be a multiple of, such as the number of heads."""
        return 1

    def initial_state(self, batch: int, like: Tensor) -> State:
        """Return zeros (batch, hidden) for each state, on the device and in the precision of `like`. Override it for
        states of other shapes (batch, …)."""
        return tuple(like.new_zeros(batch, self.hidden) for _ in self.states)

    def vectors(self) -> tuple[str, ...]:
        """Return the names of the states that are vectors, (batch, any), whose elements can be shown as units."""
        before = self.initial_state(1, torch.zeros(1))
        return tuple(name for name, part in zip(self.states, before, strict=True) if part.dim() == 2)

    def project(self, input: Tensor) -> Tensor:
        """Compute the part of a step that needs no state, (…, inputs) → (…, any), for all time steps at once."""
        return input

    def step(self, projected: Tensor, state: State) -> Step:
        """Compute one time step from `projected` (batch, any) and the previous state."""
        raise TypeError(f"{type(self).__name__} has no step; a cell must define one")

    def stepper(self, lanes: int, precision: torch.dtype, vectors: Tensor | None = None) -> Stepper:
        """Return a fast `step` for generation: no gates, no gradients, weights frozen at the call.

        Args:
            lanes: number of sequences generated in parallel.
            precision: of the matrix products: float32, bfloat16 or int8; only a hint.
            vectors: all possible inputs (count, inputs), for example an embedding table. A step then takes their
                indices (batch,) instead of features (batch, inputs).
        """

        def advance(input: Tensor, state: State) -> tuple[Tensor, State]:
            features = input if vectors is None else vectors[input]
            return self.step(self.project(features), state)[:2]

        return advance

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute all time steps.

        Args:
            input: (time, batch, inputs).
            state: the state before the first step.
            mask: (time, batch), True where a step counts. A masked step leaves that lane's state unchanged.

        Returns:
            The outputs (time, batch, hidden) and the state after the last step.
        """
        outputs = []
        for time, projected in enumerate(self.project(input)):
            output, after, _ = self.step(projected, state)
            if mask is not None:
                after = tuple(
                    torch.where(for_lanes(mask[time], new), new, old) for new, old in zip(after, state, strict=True)
                )
            outputs.append(output)
            state = after
        return torch.stack(outputs), state


def for_lanes(values: Tensor, state: Tensor) -> Tensor:
    """Return values (batch,) in the shape that broadcasts over a state (batch, …)."""
    return values.view(-1, *[1] * (state.dim() - 1))


def checked_options(cell: type[Cell], options: dict[str, object]) -> CellOptions:
    """Validate `model.options` with the cell's own schema.

    Raises:
        ConfigError: an option is unknown or out of range; the error lists all of them.
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
