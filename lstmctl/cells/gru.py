"""The gated recurrent unit.

    r = σ(W_r x + b_r + U_r h + b_r′)          reset gate
    z = σ(W_z x + b_z + U_z h + b_z′)          update gate
    n = tanh(W_n x + b_n + r ⊙ (U_n h + b_n′)) candidate
    h' = (1 − z) ⊙ n + z ⊙ h

It has three quarters of an LSTM's parameters at the same width.

Source: K. Cho et al., "Learning Phrase Representations using RNN Encoder–Decoder", EMNLP 2014, in the variant that
    applies r after the recurrent product, as cuDNN and PyTorch do
Parameters: 3h(x + h + 2)
In time: step by step, by fused kernels (cuDNN, our own on a CPU)
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lstmctl.cells.cell import CellOptions, State, Step
from lstmctl.cells.drawing import RetentionOptions, memory_biases
from lstmctl.cells.fused import FusedCell


class GRU(FusedCell):
    """h' = (1 − z) ⊙ n + z ⊙ h."""

    gates = ("r", "z", "n")
    keeps = "z"
    Options: ClassVar[type[CellOptions]] = RetentionOptions

    def __init__(self, inputs: int, hidden: int, options: RetentionOptions) -> None:
        super().__init__(nn.GRU(inputs, hidden), options)
        self.longest_memory = options.longest_memory

    def initialise(self, generator: torch.Generator) -> None:
        super().initialise(generator)
        if self.longest_memory is not None:
            with torch.no_grad():
                self.recurrent_bias.chunk(3)[1].copy_(memory_biases(self.longest_memory, self.hidden, generator))

    def step(self, projected: Tensor, state: State) -> Step:
        (hidden,) = state
        input_r, input_z, input_n = projected.chunk(3, dim=-1)
        recurrent_r, recurrent_z, recurrent_n = self.recur(hidden).chunk(3, dim=-1)
        r = torch.sigmoid(input_r + recurrent_r)
        z = torch.sigmoid(input_z + recurrent_z)
        n = torch.tanh(input_n + r * recurrent_n)
        hidden = (1 - z) * n + z * hidden
        return Step(hidden, (hidden,), {"r": r, "z": z, "n": n})
