"""The gated recurrent unit.

    r = σ(W_r x + b_r + U_r h + b_r′)          reset gate
    z = σ(W_z x + b_z + U_z h + b_z′)          update gate
    n = tanh(W_n x + b_n + r ⊙ (U_n h + b_n′)) candidate
    h' = (1 − z) ⊙ n + z ⊙ h

K. Cho et al., "Learning Phrase Representations using RNN Encoder–Decoder", EMNLP 2014, in the variant that applies r
after the recurrent product, as cuDNN and PyTorch do. Three quarters of an LSTM's parameters at the same width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmctl.cells.cell import CellOptions, State, Step
from lstmctl.cells.fused import FusedCell


class GRU(FusedCell):
    """h' = (1 − z) ⊙ n + z ⊙ h."""

    gates = ("r", "z", "n")

    def __init__(self, inputs: int, hidden: int, options: CellOptions) -> None:
        super().__init__(nn.GRU(inputs, hidden), options)

    def step(self, projected: Tensor, state: State) -> Step:
        (hidden,) = state
        input_r, input_z, input_n = projected.chunk(3, dim=-1)
        recurrent_r, recurrent_z, recurrent_n = self.recur(hidden).chunk(3, dim=-1)
        r = torch.sigmoid(input_r + recurrent_r)
        z = torch.sigmoid(input_z + recurrent_z)
        n = torch.tanh(input_n + r * recurrent_n)
        hidden = (1 - z) * n + z * hidden
        return Step(hidden, (hidden,), {"r": r, "z": z, "n": n})
