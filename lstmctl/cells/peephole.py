"""The LSTM with peephole connections, by which the gates see the state.

    i = σ(Wᵢ x + Uᵢ h + pᵢ ⊙ c + bᵢ)    input gate
    f = σ(W_f x + U_f h + p_f ⊙ c + b_f) forget gate
    g = tanh(W_g x + U_g h + b_g)        candidate
    c' = f ⊙ c + i ⊙ g
    o = σ(Wₒ x + Uₒ h + pₒ ⊙ c' + bₒ)   output gate
    h' = o ⊙ tanh(c')

Source: F. Gers, N. Schraudolph & J. Schmidhuber, "Learning Precise Timing with LSTM Recurrent Networks", Journal of
    Machine Learning Research 3 (2002)
Parameters: 4h(x + h + 1) + 3h
In time: step by step
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmctl.cells.cell import CellOptions, State, Step
from lstmctl.cells.gated import GatedCell


class PeepholeLSTM(GatedCell):
    """c' = f ⊙ c + i ⊙ g; h' = o ⊙ tanh(c'), with gates that see c."""

    states = ("hidden", "cell")
    gates = ("i", "f", "g", "o")
    keeps = "f"
    retains, writes = 1, 0

    def __init__(self, inputs: int, hidden: int, options: CellOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.peepholes = nn.Parameter(torch.empty(3, hidden))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights as `GatedCell` does; the peepholes start at 0, as in an LSTM without them."""
        super().initialise(generator)
        nn.init.zeros_(self.peepholes)

    def step(self, projected: Tensor, state: State) -> Step:
        hidden, cell = state
        i, f, g, o = (projected + self.recur(hidden)).chunk(4, dim=-1)
        to_i, to_f, to_o = self.peepholes
        i, f, g = torch.sigmoid(i + to_i * cell), torch.sigmoid(f + to_f * cell), torch.tanh(g)
        cell = f * cell + i * g
        o = torch.sigmoid(o + to_o * cell)
        hidden = o * torch.tanh(cell)
        return Step(hidden, (hidden, cell), {"i": i, "f": f, "g": g, "o": o})
