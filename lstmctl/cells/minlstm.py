"""The minimal LSTM, whose gates do not see the state, so that all steps can be computed at once.

    f̂ = σ(W_f x + b_f),  î = σ(Wᵢ x + bᵢ)
    f = f̂ / (f̂ + î)           forget gate
    i = î / (f̂ + î)            input gate, so that f + i = 1
    n = g(W_n x + b_n)         candidate, with g(a) = a + ½ for a ≥ 0, else σ(a)
    h' = f ⊙ h + i ⊙ n

The paper scans logarithms; this file scans the values themselves (`cells/scan.py`).

Source: L. Feng, F. Tung, M. Ahmed, Y. Bengio & H. Hajimirsadeghi, "Were RNNs All We Needed?" (2024), algorithm 8
Parameters: 3h(x + 1)
In time: parallel, by an associative scan
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells.cell import Cell, CellOptions, State, Step
from lstmctl.cells.drawing import RetentionOptions, draw_weights
from lstmctl.cells.gated import start_retention
from lstmctl.cells.mingru import above_zero
from lstmctl.cells.scan import linear_recurrence


class MinLSTM(Cell):
    """h' = f ⊙ h + i ⊙ n."""

    gates = ("f", "i", "n")
    keeps = "f"
    path = "scan"
    Options: ClassVar[type[CellOptions]] = RetentionOptions

    def __init__(self, inputs: int, hidden: int, options: RetentionOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.input = nn.Linear(inputs, 3 * hidden)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights by `draw_weights`; the biases of f start at 1 or by `longest_memory`, those of i at 0 or its
        negatives."""
        draw_weights(self.input.weight, None, generator)
        start_retention(self.input.bias.chunk(3), self.options, 0, 1, generator)

    def project(self, input: Tensor) -> Tensor:
        projected: Tensor = self.input(input)
        return projected

    def step(self, projected: Tensor, state: State) -> Step:
        (hidden,) = state
        f, i, n = _gates(projected)
        hidden = f * hidden + i * n
        return Step(hidden, (hidden,), {"f": f, "i": i, "n": n})

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute all time steps by a scan unless there is a mask."""
        if mask is not None:
            return super().sequence(input, state, mask)
        (hidden,) = state
        f, i, n = _gates(self.project(input).to(hidden.dtype))
        output = linear_recurrence(f, i * n, hidden)
        return output, (output[-1].clone(),)  # a view would keep every step in memory


def _gates(projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return f, i and n. The quotients are computed from logarithms, which do not underflow: f = σ(log f̂ − log î)."""
    f, i, n = projected.chunk(3, dim=-1)
    ratio = functional.softplus(-i) - functional.softplus(-f)
    return torch.sigmoid(ratio), torch.sigmoid(-ratio), above_zero(n)
