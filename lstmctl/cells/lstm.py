"""Long short-term memory.

    i = σ(Wᵢ x + bᵢ + Uᵢ h + bᵢ′)        input gate:  what to write
    f = σ(W_f x + b_f + U_f h + b_f′)    forget gate: what to keep
    g = tanh(W_g x + b_g + U_g h + b_g′) candidate
    o = σ(Wₒ x + bₒ + Uₒ h + bₒ′)        output gate: what to show
    c' = f ⊙ c + i ⊙ g
    h' = o ⊙ tanh(c')

The state c is updated by a sum, so its gradient passes from step to step only through f.

Source: S. Hochreiter & J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997); the forget gate is from
    F. Gers, J. Schmidhuber & F. Cummins, "Learning to Forget", Neural Computation 12 (2000)
Parameters: 4h(x + h + 2)
In time: step by step, by fused kernels (oneDNN, cuDNN)
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn

from lstmctl.cells.cell import CellOptions, State, Step
from lstmctl.cells.drawing import LongestMemory, memory_biases
from lstmctl.cells.fused import FusedCell


class LSTMOptions(CellOptions):
    """Initial values of the gates' biases.

    `forget_bias`: the sum of the forget gate's two biases (1: remember by default).

    `longest_memory`: used instead of `forget_bias`, for memories of up to this many steps: the forget gate's biases are
    drawn by `drawing.memory_biases`, and the input gate's are their negatives.
    """

    forget_bias: Annotated[float, Field(ge=-1e6, le=1e6)] = 1.0
    longest_memory: LongestMemory = None

    @field_validator("longest_memory")
    @classmethod
    def _alone(cls, value: int | None, others: ValidationInfo) -> int | None:
        if value is not None and others.data.get("forget_bias", 1.0) != 1.0:
            raise ValueError("cannot be combined with forget_bias; set only one of them")
        return value


class LSTM(FusedCell):
    """c' = f ⊙ c + i ⊙ g; h' = o ⊙ tanh(c')."""

    states = ("hidden", "cell")
    gates = ("i", "f", "g", "o")
    keeps = "f"
    Options: ClassVar[type[CellOptions]] = LSTMOptions

    def __init__(self, inputs: int, hidden: int, options: LSTMOptions) -> None:
        super().__init__(nn.LSTM(inputs, hidden), options)
        self.forget_bias, self.longest_memory = options.forget_bias, options.longest_memory

    def initialise(self, generator: torch.Generator) -> None:
        super().initialise(generator)
        with torch.no_grad():
            input_bias, forget_bias, _, _ = self.recurrent_bias.chunk(4)
            if self.longest_memory is None:
                forget_bias.fill_(self.forget_bias)
            else:
                forget_bias.copy_(memory_biases(self.longest_memory, self.hidden, generator))
                input_bias.copy_(-forget_bias)

    def step(self, projected: Tensor, state: State) -> Step:
        hidden, cell = state
        i, f, g, o = (projected + self.recur(hidden)).chunk(4, dim=-1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        cell = f * cell + i * g
        hidden = o * torch.tanh(cell)
        return Step(hidden, (hidden, cell), {"i": i, "f": f, "g": g, "o": o})
