"""The Mogrifier LSTM, whose input and state modulate each other before every step.

    for r = 1, 3, …:  x ← 2 σ(Q_r h) ⊙ x
    for r = 2, 4, …:  h ← 2 σ(R_r x) ⊙ h     alternately, `rounds` times in all
    then the equations of the LSTM with this x and this h, and c' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh(c')

Source: G. Melis, T. Kočiský & P. Blunsom, "Mogrifier LSTM", ICLR 2020
Parameters: 4h(x + h + 1) + 5xh (with 5 rounds)
In time: step by step
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells.cell import CellOptions, State, Step
from lstmctl.cells.drawing import RetentionOptions
from lstmctl.cells.gated import GatedCell


class MogrifierOptions(RetentionOptions):
    """`rounds`: how often x and h modulate each other; 0 for a plain LSTM."""

    rounds: Annotated[int, Field(ge=0, le=100)] = 5


class MogrifierLSTM(GatedCell):
    """An LSTM of an input and a state that modulate each other."""

    states = ("hidden", "cell")
    gates = ("i", "f", "g", "o")
    keeps = "f"
    retains, writes = 1, 0
    Options: ClassVar[type[CellOptions]] = MogrifierOptions

    def __init__(self, inputs: int, hidden: int, options: MogrifierOptions) -> None:
        super().__init__(inputs, hidden, options)
        sizes = [(inputs, hidden), (hidden, inputs)]
        self.modulate = nn.ParameterList(nn.Parameter(torch.empty(sizes[r % 2])) for r in range(options.rounds))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights as `GatedCell` does, and the modulating matrices uniform in ±1/√columns."""
        super().initialise(generator)
        for weight in self.modulate:
            bound = weight.shape[1] ** -0.5
            nn.init.uniform_(weight, -bound, bound, generator=generator)

    def project(self, input: Tensor) -> Tensor:
        """Return the input itself: what is projected depends on the state."""
        return input

    def step(self, projected: Tensor, state: State) -> Step:
        hidden, cell = state
        input = projected
        for r, weight in enumerate(self.modulate):
            if r % 2 == 0:
                input = 2 * torch.sigmoid(functional.linear(hidden, weight)) * input
            else:
                hidden = 2 * torch.sigmoid(functional.linear(input, weight)) * hidden
        i, f, g, o = (functional.linear(input, self.input_weight, self.bias) + self.recur(hidden)).chunk(4, dim=-1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        cell = f * cell + i * g
        hidden = o * torch.tanh(cell)
        return Step(hidden, (hidden, cell), {"i": i, "f": f, "g": g, "o": o})
