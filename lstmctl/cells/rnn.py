"""The vanilla recurrent network.

    h' = tanh(W x + b + U h + b′)

The same matrix U acts at every step, so the gradient k steps back is a product of k Jacobians Uᵀ diag(1 − h²), which
vanishes or explodes at a rate set by U (Bengio, Simard & Frasconi 1994).

Source: J. L. Elman, "Finding Structure in Time", Cognitive Science 14 (1990), with PyTorch's two bias vectors
Parameters: h(x + h + 2)
In time: step by step, by fused kernels (cuDNN, our own on a CPU)
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lstmctl.cells.cell import CellOptions, State, Step
from lstmctl.cells.fused import FusedCell


class RNNOptions(CellOptions):
    """`nonlinearity`: tanh, or relu (Le, Jaitly & Hinton 2015)."""

    nonlinearity: Literal["tanh", "relu"] = "tanh"


class RNN(FusedCell):
    """h' = tanh(W x + b + U h + b′)."""

    Options: ClassVar[type[CellOptions]] = RNNOptions

    def __init__(self, inputs: int, hidden: int, options: RNNOptions) -> None:
        super().__init__(nn.RNN(inputs, hidden, nonlinearity=options.nonlinearity), options)
        self.activation = torch.relu if options.nonlinearity == "relu" else torch.tanh

    def step(self, projected: Tensor, state: State) -> Step:
        (hidden,) = state
        hidden = self.activation(projected + self.recur(hidden))
        return Step(hidden, (hidden,), {})
