"""A stack of recurrent layers. Dropout, normalisation and residual sums sit between the cells, never inside them,
so that a cell's fused kernel and its `step` compute the same network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lstmctl.cells.cell import Cell
from lstmctl.protocols import ModelState


class Layer(NamedTuple):
    """One layer of a stack."""

    cells: list[Cell]
    """The forward one, and after it the backward one of a layer that reads in both directions."""
    norm: nn.Module


Stepper = Callable[[Tensor, ModelState], tuple[Tensor, ModelState]]
"""One step in time for writing: what is read and the state before it, to the output (batch, outputs) and the state."""


class StackStep(NamedTuple):
    """What one step of a whole stack gives."""

    output: Tensor
    """(batch, outputs)."""
    state: ModelState
    gates: list[dict[str, Tensor]]
    """For each layer, every gate (batch, hidden)."""


class Dropout(nn.Module):
    """Dropout of whole features: a fresh mask at every step in time, or one mask for a whole window (variational; Gal &
    Ghahramani 2016)."""

    def __init__(self, probability: float, variational: bool) -> None:
        super().__init__()
        self.probability, self.variational = probability, variational

    def forward(self, input: Tensor) -> Tensor:  # (time, batch, features) -> the same
        if not self.training or self.probability == 0:
            return input
        shape = (1, *input.shape[1:]) if self.variational else input.shape
        return input * _mask(shape, 1 - self.probability, input)


def _mask(shape: Sequence[int], keep: float, like: Tensor) -> Tensor:
    """1/keep with probability `keep`, else 0, in the type and on the device of `like`."""
    kept = round(keep * 2**16)
    if like.device.type != "cpu" or kept == 0:
        return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(keep).div_(keep)
    # The CPU's generator works in 64 bits. Four masks from each of its draws, at a resolution of 2⁻¹⁶, take a third of
    # the time of `bernoulli_`, which was a sixth of a training step.
    count = math.prod(shape)
    draws = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:count]
    return (draws < kept - 2**15).to(like.dtype).mul_(2**16 / kept).view(shape)


class Recurrence(nn.Module):
    """Layers of cells.

    Each layer's cell is followed, in this order, by a residual sum where its width equals its input's, layer norm and
    dropout. Both directions of a bidirectional layer are concatenated; a layer's state then holds the forward cell's
    states and after them the backward cell's.

    Args:
        make_cell: builds a cell for a number of inputs.
        inputs: features of the first layer's input.
        layers: at least 1.
        dropout: probability of dropping a feature after each layer, in [0, 1).
        variational: one dropout mask for all steps of a window.
        layer_norm: normalise each layer's output (Ba, Kiros & Hinton 2016).
        residual: add a layer's input to its output (He et al. 2016).
        bidirectional: a second cell in each layer reads the sequence backwards (Schuster & Paliwal 1997).
    """

    def __init__(
        self,
        make_cell: Callable[[int], Cell],
        inputs: int,
        layers: int,
        *,
        dropout: float = 0.0,
        variational: bool = False,
        layer_norm: bool = False,
        residual: bool = False,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.forward_cells, self.backward_cells = nn.ModuleList(), nn.ModuleList()
        self.norms = nn.ModuleList()
        self._layers: list[Layer] = []  # the same once more, ready for every step
        self.dropout = Dropout(dropout, variational)
        width = inputs
        for _ in range(layers):
            cells = [make_cell(width)]
            self.forward_cells.append(cells[0])
            if bidirectional:
                cells.append(make_cell(width))
                self.backward_cells.append(cells[1])
            width = sum(cell.hidden for cell in cells)
            norm = nn.LayerNorm(width) if layer_norm else nn.Identity()
            self.norms.append(norm)
            self._layers.append(Layer(cells, norm))
        self.outputs = width

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every cell's weights from `generator`; the norms start as identity."""
        for cell in [*self.forward_cells, *self.backward_cells]:
            assert isinstance(cell, Cell)
            cell.initialise(generator)

    def initial_state(self, batch: int, like: Tensor) -> ModelState:
        """Zeros for every layer, on the device and in the precision of `like`."""
        return tuple(
            tuple(part for cell in layer.cells for part in cell.initial_state(batch, like)) for layer in self.layers()
        )

    def forward(self, input: Tensor, state: ModelState, mask: Tensor | None = None) -> tuple[Tensor, ModelState]:
        """Whole sequences: (time, batch, inputs) to outputs (time, batch, outputs) and the state after them.

        `mask` (time, batch) is True where a step counts; see `Cell.sequence`.
        """
        after: list[tuple[Tensor, ...]] = []
        for layer, before in zip(self.layers(), state, strict=True):
            cells, carried = layer.cells, len(before) // len(layer.cells)
            output, now = cells[0].sequence(input, before[:carried], mask)
            if len(cells) == 2:
                flipped_mask = None if mask is None else mask.flip(0)
                backward, last = cells[1].sequence(input.flip(0), before[carried:], flipped_mask)
                output, now = torch.cat([output, backward.flip(0)], dim=-1), (*now, *last)
            input = self.dropout(self.handed_on(layer, input, output))
            after.append(now)
        return input, tuple(after)

    def whole(self, input: Tensor, lengths: Tensor) -> Tensor:
        """Whole sequences of different lengths, each from a zero state, both directions by their kernels.

        A step behind a sequence's end touches nothing before it going forward; going backward, each sequence is turned
        round within its own length, so that such steps come last there too.

        Args:
            input: (time, batch, inputs), padded behind the ends by whatever is finite.
            lengths: (batch,), each from 1 to time.

        Returns:
            Outputs (time, batch, outputs), zero behind the ends.
        """
        time = torch.arange(len(input), device=input.device).unsqueeze(1)
        counts = (time < lengths).unsqueeze(-1)
        turned = torch.where(time < lengths, lengths - 1 - time, time).unsqueeze(-1)
        state = self.initial_state(input.shape[1], input)
        for layer, before in zip(self.layers(), state, strict=True):
            cells, carried = layer.cells, len(before) // len(layer.cells)
            output, _ = cells[0].sequence(input, before[:carried])
            if len(cells) == 2:
                backward, _ = cells[1].sequence(input.take_along_dim(turned, 0), before[carried:])
                output = torch.cat([output, backward.take_along_dim(turned, 0)], dim=-1)
            input = self.dropout(self.handed_on(layer, input, output))
        return input * counts

    def summary(self, output: Tensor, lengths: Tensor) -> Tensor:
        """What has read all of a sequence, (batch, outputs): the forward cell's output at its end, and a backward
        cell's at its start. `output` is that of `whole`."""
        last = output.take_along_dim((lengths - 1).view(1, -1, 1), 0)[0]
        if not self.backward_cells:
            return last
        half = self.outputs // 2
        return torch.cat([last[:, :half], output[0, :, half:]], dim=-1)

    def step(self, input: Tensor, state: ModelState) -> StackStep:
        """One step in time, (batch, inputs), through all layers; a stack that also reads backwards has none."""
        if self.backward_cells:
            raise TypeError("a bidirectional recurrence cannot go step by step: it reads the whole sequence first")
        after, gates = [], []
        for layer, before in zip(self.layers(), state, strict=True):
            (cell,) = layer.cells
            output, now, open_gates = cell.step(cell.project(input), before)
            input = self.handed_on(layer, input, output)
            after.append(now)
            gates.append(open_gates)
        return StackStep(input, tuple(after), gates)

    def stepper(self, lanes: int, precision: torch.dtype, vectors: Tensor | None = None) -> Stepper:
        """`step` for writing, as fast as may be: without gates to look at and without gradients, of the weights as they
        are now. See `Cell.stepper`."""
        looked_up = vectors if self.residual else None  # what a sum needs is read here, and not by the first cell
        read = [None if self.residual else vectors] + [None] * (len(self._layers) - 1)
        steppers = [
            (layer, layer.cells[0].stepper(lanes, precision, known))
            for layer, known in zip(self._layers, read, strict=True)
        ]

        def advance(input: Tensor, state: ModelState) -> tuple[Tensor, ModelState]:
            input = input if looked_up is None else looked_up[input]
            after = []
            for (layer, step), before in zip(steppers, state, strict=True):
                output, now = step(input, before)
                input = self.handed_on(layer, input, output)
                after.append(now)
            return input, tuple(after)

        return advance

    def layers(self) -> list[Layer]:
        """From the first, which reads the input, to the last."""
        return self._layers

    def handed_on(self, layer: Layer, input: Tensor, output: Tensor) -> Tensor:
        """What the next layer reads, dropout aside, of a layer's input and its cells' outputs, both (…, features)."""
        summed = input + output if self.residual and input.shape[-1] == output.shape[-1] else output
        if isinstance(layer.norm, nn.Identity):  # whose call takes as long as a sum
            return summed
        normed: Tensor = layer.norm(summed)
        return normed


def reset_lanes(state: ModelState, reset: Tensor | None) -> ModelState:
    """The state with the lanes that `reset` (batch,) marks set to zero."""
    if reset is None:
        return state
    keep = (~reset).unsqueeze(-1)
    return tuple(tuple(part * keep for part in layer) for layer in state)


def detach(state: ModelState) -> ModelState:
    """The state as plain numbers: gradients end here."""
    return tuple(tuple(part.detach() for part in layer) for layer in state)
