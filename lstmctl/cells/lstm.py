"""Long short-term memory.

    i = σ(Wᵢ x + bᵢ + Uᵢ h + bᵢ′)        input gate:  what to write
    f = σ(W_f x + b_f + U_f h + b_f′)    forget gate: what to keep
    g = tanh(W_g x + b_g + U_g h + b_g′) candidate
    o = σ(Wₒ x + bₒ + Uₒ h + bₒ′)        output gate: what to show
    c' = f ⊙ c + i ⊙ g
    h' = o ⊙ tanh(c')

S. Hochreiter & J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997); the forget gate is from F. Gers,
J. Schmidhuber & F. Cummins, "Learning to Forget", Neural Computation 12 (2000). The state c is carried by a sum, so its
gradient passes from step to step through f alone.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lstmctl.cells.cell import CellOptions, State, Step
from lstmctl.cells.fused import FusedCell


class LSTMOptions(CellOptions):
    """`forget_bias`: what the two biases of the forget gate sum to at the start (1: remember by default)."""

    forget_bias: float = 1.0


class LSTM(FusedCell):
    """c' = f ⊙ c + i ⊙ g; h' = o ⊙ tanh(c')."""

    states = ("hidden", "cell")
    gates = ("i", "f", "g", "o")
    Options: ClassVar[type[CellOptions]] = LSTMOptions

    def __init__(self, inputs: int, hidden: int, options: LSTMOptions) -> None:
        super().__init__(nn.LSTM(inputs, hidden), options)
        self.forget_bias = options.forget_bias

    def initialise(self, generator: torch.Generator) -> None:
        super().initialise(generator)
        with torch.no_grad():
            self.recurrent_bias.chunk(4)[1].fill_(self.forget_bias)

    def step(self, projected: Tensor, state: State) -> Step:
        hidden, cell = state
        i, f, g, o = (projected + self.recur(hidden)).chunk(4, dim=-1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        cell = f * cell + i * g
        hidden = o * torch.tanh(cell)
        return Step(hidden, (hidden, cell), {"i": i, "f": f, "g": g, "o": o})
