"""The LSTM of 1997, without a forget gate.

    i = σ(Wᵢ x + Uᵢ h + bᵢ)       input gate
    g = tanh(W_g x + U_g h + b_g) candidate
    o = σ(Wₒ x + Uₒ h + bₒ)       output gate
    c' = c + i ⊙ g                the constant error carousel: nothing is forgotten
    h' = o ⊙ tanh(c')

Source: S. Hochreiter & J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997), with today's tanh for the
    paper's scaled sigmoids, and full gradients for its truncated ones
Parameters: 3h(x + h + 1)
In time: step by step, by the fused kernels of the LSTM: its forget gate with a bias of 100 is 1
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lstmctl.cells.cell import CellOptions, State, Step
from lstmctl.cells.fused import lstm_kernel
from lstmctl.cells.gated import GatedCell

OPEN = 100.0
"""A pre-activation at which σ is 1 in float64, and its derivative is negligible."""


class LSTM1997(GatedCell):
    """c' = c + i ⊙ g; h' = o ⊙ tanh(c')."""

    states = ("hidden", "cell")
    gates = ("i", "g", "o")
    count = 3
    Options: ClassVar[type[CellOptions]] = CellOptions

    def step(self, projected: Tensor, state: State) -> Step:
        hidden, cell = state
        i, g, o = (projected + self.recur(hidden)).chunk(3, dim=-1)
        i, g, o = torch.sigmoid(i), torch.tanh(g), torch.sigmoid(o)
        cell = cell + i * g
        hidden = o * torch.tanh(cell)
        return Step(hidden, (hidden, cell), {"i": i, "g": g, "o": o})

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute all time steps by the LSTM's kernel unless there is a mask."""
        if mask is not None:
            return super().sequence(input, state, mask)

        def with_forget_gate(weights: Tensor, forget: float) -> Tensor:
            i, g, o = weights.chunk(3)
            return torch.cat([i, torch.full_like(i, forget), g, o])

        parts = (self.input_weight, 0.0), (self.recurrent_weight, 0.0), (self.bias, OPEN)
        return lstm_kernel(input, state, *(with_forget_gate(*part) for part in parts))
