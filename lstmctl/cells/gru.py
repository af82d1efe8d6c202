"""The gated recurrent unit.

    r = σ(W_r x + b_r + U_r h + b_r′)          reset gate
    z = σ(W_z x + b_z + U_z h + b_z′)          update gate
    n = tanh(W_n x + b_n + r ⊙ (U_n h + b_n′)) candidate
    h' = (1 − z) ⊙ n + z ⊙ h

K. Cho et al., "Learning Phrase Representations using RNN Encoder–Decoder", EMNLP 2014, in the variant that applies r
after the recurrent product, as cuDNN and PyTorch do. It has three quarters of an LSTM's parameters at the same width.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells import unrolled
from lstmctl.cells.cell import CellOptions, State, Step, Stepper
from lstmctl.cells.fused import FusedCell, LongestMemory, memory_biases
from lstmctl.cells.packed import packed_linear


class GRUOptions(CellOptions):
    """`longest_memory`: initialise the biases of the update gate, which retains the state, for memories of up to this
    many steps (`fused.memory_biases`); None for zero biases."""

    longest_memory: LongestMemory = None


class GRU(FusedCell):
    """h' = (1 − z) ⊙ n + z ⊙ h."""

    gates = ("r", "z", "n")
    keeps = "z"
    Options: ClassVar[type[CellOptions]] = GRUOptions

    def __init__(self, inputs: int, hidden: int, options: GRUOptions) -> None:
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

    def packed_stepper(self, lanes: int, precision: torch.dtype, vectors: Tensor | None) -> Stepper:
        project = self.packed_projection(lanes, precision, vectors)
        recur = packed_linear(self.recurrent_weight, self.recurrent_bias, lanes, precision)
        gates = [2 * self.hidden, self.hidden]

        def advance(input: Tensor, state: State) -> tuple[Tensor, State]:
            (hidden,) = state
            input_r_z, input_n = project(input).split(gates, dim=-1)
            recurrent_r_z, recurrent_n = recur(hidden).split(gates, dim=-1)
            r, z = (input_r_z + recurrent_r_z).sigmoid_().chunk(2, dim=-1)
            n = torch.addcmul(input_n, r, recurrent_n)
            n = (2 * n).sigmoid_().mul_(2).sub_(1)  # tanh n, at a quarter of the cost
            hidden = torch.lerp(n, hidden, z)
            return hidden, (hidden,)

        return advance

    def unroll(self, input: Tensor, state: State) -> tuple[Tensor, State]:
        recurrent_r_z, recurrent_n = self.recurrent_bias.split([2 * self.hidden, self.hidden])
        bias = self.input_bias + functional.pad(recurrent_r_z, (0, self.hidden))
        projected = functional.linear(input, self.input_weight, bias)
        hidden, weight, bias_n = (part.to(projected.dtype) for part in (*state, self.recurrent_weight, recurrent_n))
        output = unrolled.gru(projected, hidden, weight, bias_n)
        return output, (output[-1].clone(),)  # a view would keep every step in memory
