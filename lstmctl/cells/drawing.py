"""Initial weights shared by many cells."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from lstmctl.cells.cell import CellOptions

LongestMemory = Annotated[int, Field(ge=3, le=2**31 - 1)] | None
"""Option of cells with a retention gate (`Cell.keeps`), in steps."""


class RetentionOptions(CellOptions):
    """`longest_memory`: initialise the biases of the gate that retains the state for memories of up to this many steps
    (`memory_biases`), and the biases of a separate input gate to the negatives of these."""

    longest_memory: LongestMemory = None


def memory_biases(longest: int, units: int, generator: torch.Generator) -> Tensor:
    """Return biases (units,) for a retention gate: log u with u uniform in 1 … longest − 1, so that at initialisation
    a unit retains its state for about 1 + u steps (Tallec & Ollivier, "Can Recurrent Neural Networks Warp Time?",
    ICLR 2018)."""
    return torch.empty(units).uniform_(1, longest - 1, generator=generator).log_()


def draw_weights(input: Tensor, recurrent: Tensor | None, generator: torch.Generator) -> None:
    """Draw input weights uniform in ±√(3/inputs), so that their products have unit variance for inputs of unit
    variance, and recurrent weights orthogonal for each gate (Saxe, McClelland & Ganguli 2014).

    Args:
        input: W, (any, inputs).
        recurrent: U, (number of gates · hidden, hidden), or None.
    """
    with torch.no_grad():
        bound = (3 / input.shape[1]) ** 0.5
        input.uniform_(-bound, bound, generator=generator)
        if recurrent is not None:
            for gate in torch.split(recurrent, recurrent.shape[1]):
                nn.init.orthogonal_(gate, generator=generator)
