"""The independently recurrent network, whose units read only their own past.

    h' = max(0, W x + b + u ⊙ h)

u starts uniform in [0, 1] and acts limited to ±2^(1/T), so that over T steps a state grows at most twofold; the paper
limits it after every update.

Source: S. Li, W. Li, C. Cook, C. Zhu & Y. Gao, "Independently Recurrent Neural Network (IndRNN): Building a Longer and
    Deeper RNN", CVPR 2018
Parameters: h(x + 2)
In time: step by step, without a matrix product in a step
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from lstmctl.cells.cell import Cell, CellOptions, State, Step
from lstmctl.cells.drawing import draw_weights


class IndRNNOptions(CellOptions):
    """`longest_memory`: T, in steps."""

    longest_memory: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1000


class IndRNN(Cell):
    """h' = max(0, W x + b + u ⊙ h)."""

    gates = ("u",)
    keeps = "u"
    Options: ClassVar[type[CellOptions]] = IndRNNOptions

    def __init__(self, inputs: int, hidden: int, options: IndRNNOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.input = nn.Linear(inputs, hidden)
        self.recurrent = nn.Parameter(torch.empty(hidden))
        self.limit = 2 ** (1 / options.longest_memory)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw input weights by `draw_weights`, and u uniform in [0, 1]."""
        draw_weights(self.input.weight, None, generator)
        with torch.no_grad():
            self.input.bias.zero_()
            self.recurrent.uniform_(0, 1, generator=generator)

    def project(self, input: Tensor) -> Tensor:
        projected: Tensor = self.input(input)
        return projected

    def _limited(self) -> Tensor:
        """Return u within its limits. The gradient passes as if there were none, so that u can come back."""
        excess = self.recurrent - self.recurrent.clamp(-self.limit, self.limit)
        return self.recurrent - excess.detach()

    def step(self, projected: Tensor, state: State) -> Step:
        u = self._limited()
        hidden = torch.relu(torch.addcmul(projected, u, state[0]))
        return Step(hidden, (hidden,), {"u": u.expand_as(hidden)})

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute all time steps, with two operations each, unless there is a mask."""
        if mask is not None:
            return super().sequence(input, state, mask)
        (hidden,), u, outputs = state, self._limited(), []
        for projected in self.project(input).unbind():
            hidden = torch.relu(torch.addcmul(projected, u, hidden))
            outputs.append(hidden)
        return torch.stack(outputs), (hidden,)
