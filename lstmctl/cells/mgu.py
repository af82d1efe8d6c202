"""The minimal gated unit, a GRU with one gate.

    k = σ(W_k x + U_k h + b_k)                   the only gate: the share of a unit that is kept
    n = tanh(W_n x + U_n ((1 − k) ⊙ h) + b_n)    candidate
    h' = k ⊙ h + (1 − k) ⊙ n

Source: G.-B. Zhou, J. Wu, C.-L. Zhang & Z.-H. Zhou, "Minimal Gated Unit for Recurrent Neural Networks", International
    Journal of Automation and Computing 13 (2016), with k for its 1 − f
Parameters: 2h(x + h + 1)
In time: step by step
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lstmctl.cells.cell import State, Step
from lstmctl.cells.gated import GatedCell


class MinimalGatedUnit(GatedCell):
    """h' = k ⊙ h + (1 − k) ⊙ n."""

    gates = ("k", "n")
    keeps = "k"
    count = 2
    retains = 0

    def step(self, projected: Tensor, state: State) -> Step:
        (hidden,) = state
        of_gate, of_candidate = self.recurrent_weight.chunk(2)
        k, n = projected.chunk(2, dim=-1)
        k = torch.sigmoid(k + functional.linear(hidden, of_gate))
        n = torch.tanh(n + functional.linear((1 - k) * hidden, of_candidate))
        hidden = torch.lerp(n, hidden, k)
        return Step(hidden, (hidden,), {"k": k, "n": n})
