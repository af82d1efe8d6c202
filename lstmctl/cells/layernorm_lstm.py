"""The LSTM with layer normalisation inside the gates.

    a = LN(W x; α, 0) + LN(U h; β, 0) + b    for the gates i, f, g, o together
    i = σ(aᵢ), f = σ(a_f), g = tanh(a_g), o = σ(aₒ)
    c' = f ⊙ c + i ⊙ g
    h' = o ⊙ tanh(LN(c'; γ, δ))
    LN(v; γ, δ) = γ ⊙ (v − mean v) / √(var v + 10⁻⁵) + δ

Source: J. Ba, J. Kiros & G. Hinton, "Layer Normalization" (2016), equations 20 to 22; without their two
    shifts inside the sum, which b makes redundant
Parameters: 4h(x + h + 1) + 10h
In time: step by step
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells.cell import CellOptions, State, Step
from lstmctl.cells.gated import GatedCell


class LayerNormLSTM(GatedCell):
    """c' = f ⊙ c + i ⊙ g; h' = o ⊙ tanh(LN(c')), with normalised gates."""

    states = ("hidden", "cell")
    gates = ("i", "f", "g", "o")
    keeps = "f"
    retains, writes = 1, 0

    def __init__(self, inputs: int, hidden: int, options: CellOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.input_scale = nn.Parameter(torch.empty(4 * hidden))
        self.recurrent_scale = nn.Parameter(torch.empty(4 * hidden))
        self.cell_scale, self.cell_bias = nn.Parameter(torch.empty(hidden)), nn.Parameter(torch.empty(hidden))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights as `GatedCell` does; scales start at 1."""
        super().initialise(generator)
        for scale in (self.input_scale, self.recurrent_scale, self.cell_scale):
            nn.init.ones_(scale)
        nn.init.zeros_(self.cell_bias)

    def project(self, input: Tensor) -> Tensor:
        """Compute LN(W x) + b for every gate, (…, inputs) → (…, 4 · hidden)."""
        products = functional.linear(input, self.input_weight)
        return functional.layer_norm(products, (4 * self.hidden,), self.input_scale, self.bias)

    def step(self, projected: Tensor, state: State) -> Step:
        hidden, cell = state
        products = self.recur(hidden)
        total = projected + functional.layer_norm(products, (4 * self.hidden,), self.recurrent_scale)
        i, f, g, o = total.chunk(4, dim=-1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        cell = f * cell + i * g
        hidden = o * torch.tanh(functional.layer_norm(cell, (self.hidden,), self.cell_scale, self.cell_bias))
        return Step(hidden, (hidden, cell), {"i": i, "f": f, "g": g, "o": o})
