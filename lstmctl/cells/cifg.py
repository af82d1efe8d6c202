"""The LSTM with coupled input and forget gates.

    f = σ(W_f x + U_f h + b_f)    forget gate
    g = tanh(W_g x + U_g h + b_g) candidate
    o = σ(Wₒ x + Uₒ h + bₒ)       output gate
    c' = f ⊙ c + (1 − f) ⊙ g      the input gate is 1 − f
    h' = o ⊙ tanh(c')

Source: K. Greff, R. Srivastava, J. Koutník, B. Steunebrink & J. Schmidhuber, "LSTM: A Search Space Odyssey", IEEE
    Transactions on Neural Networks and Learning Systems 28 (2017), there "CIFG"
Parameters: 3h(x + h + 1)
In time: step by step, by the fused kernels of the LSTM: 1 − σ(a) is σ(−a), so its input gate has the negative weights
"""

from __future__ import annotations

import torch
from torch import Tensor

from lstmctl.cells.cell import State, Step
from lstmctl.cells.fused import lstm_kernel
from lstmctl.cells.gated import GatedCell


class CoupledLSTM(GatedCell):
    """c' = f ⊙ c + (1 − f) ⊙ g; h' = o ⊙ tanh(c')."""

    states = ("hidden", "cell")
    gates = ("f", "g", "o")
    keeps = "f"
    count = 3
    retains = 0

    def step(self, projected: Tensor, state: State) -> Step:
        hidden, cell = state
        f, g, o = (projected + self.recur(hidden)).chunk(3, dim=-1)
        f, g, o = torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        cell = f * cell + (1 - f) * g
        hidden = o * torch.tanh(cell)
        return Step(hidden, (hidden, cell), {"f": f, "g": g, "o": o})

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute all time steps by the LSTM's kernel unless there is a mask."""
        if mask is not None:
            return super().sequence(input, state, mask)

        def with_input_gate(weights: Tensor) -> Tensor:
            return torch.cat([-weights[: self.hidden], weights])

        weights = self.input_weight, self.recurrent_weight, self.bias
        return lstm_kernel(input, state, *(with_input_gate(part) for part in weights))
