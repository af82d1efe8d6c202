"""Cells whose gates are functions of W x + b + U h, computed step by step."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells.cell import Cell, CellOptions
from lstmctl.cells.drawing import RetentionOptions, draw_weights, memory_biases


class GatedCell(Cell):
    """A cell with one input map W x + b and one recurrent map U h for all of its gates.

    Attributes:
        count: number of gates.
        retains: position of the gate that retains the state, if it has one; its bias starts at 1.
        writes: position of a separate input gate, if the cell has one.
    """

    count: ClassVar[int] = 4
    retains: ClassVar[int | None] = None
    writes: ClassVar[int | None] = None
    Options: ClassVar[type[CellOptions]] = RetentionOptions

    def __init__(self, inputs: int, hidden: int, options: CellOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.input_weight = nn.Parameter(torch.empty(self.count * hidden, inputs))
        self.recurrent_weight = nn.Parameter(torch.empty(self.count * hidden, hidden))
        self.bias = nn.Parameter(torch.empty(self.count * hidden))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights by `draw_weights`, and set biases by `start_retention`."""
        draw_weights(self.input_weight, self.recurrent_weight, generator)
        start_retention(self.bias.chunk(self.count), self.options, self.retains, self.writes, generator)

    def project(self, input: Tensor) -> Tensor:
        """Compute W x + b for every gate, (…, inputs) → (…, number of gates · hidden)."""
        return functional.linear(input, self.input_weight, self.bias)

    def recur(self, hidden: Tensor) -> Tensor:
        """Compute U h for every gate, (batch, hidden) → (batch, number of gates · hidden)."""
        return functional.linear(hidden, self.recurrent_weight)


@torch.no_grad()
def start_retention(
    biases: tuple[Tensor, ...],
    options: CellOptions,
    retains: int | None,
    writes: int | None,
    generator: torch.Generator,
) -> None:
    """Set the biases (hidden,) of each gate to 0, except at `retains`: to 1, or by `longest_memory`. In the second
    case, the gate at `writes` gets their negatives."""
    for bias in biases:
        bias.zero_()
    if retains is None:
        return
    assert isinstance(options, RetentionOptions)
    if options.longest_memory is None:
        biases[retains].fill_(1)
        return
    biases[retains].copy_(memory_biases(options.longest_memory, len(biases[retains]), generator))
    if writes is not None:
        biases[writes].copy_(-biases[retains])
