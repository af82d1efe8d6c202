"""A stack of recurrent layers. Dropout, normalisation and residual sums are applied between cells, never inside them,
so a cell's fused kernel and its `step` compute the same network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lstmctl.cells.cell import Cell, checked_options, for_lanes
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.errors import ConfigError
from lstmctl.protocols import ModelState


class Layer(NamedTuple):
    """One layer of a stack."""

    cells: list[Cell]
    """The forward cell, followed by the backward cell if the layer is bidirectional."""
    norm: nn.Module


Stepper = Callable[[Tensor, ModelState], tuple[Tensor, ModelState]]
"""One time step of generation: (input, previous state) to (output (batch, outputs), new state)."""


class StackStep(NamedTuple):
    """Result of one step of a whole stack."""

    output: Tensor
    """(batch, outputs)."""
    state: ModelState
    gates: list[dict[str, Tensor]]
    """Per layer, every gate (batch, hidden)."""


class Dropout(nn.Module):
    """Dropout of features, with a new mask at every time step or one mask per window (variational; Gal & Ghahramani
    2016)."""

    def __init__(self, probability: float, variational: bool) -> None:
        super().__init__()
        self.probability, self.variational = probability, variational

    def forward(self, input: Tensor) -> Tensor:  # (time, batch, features) -> the same
        if not self.training or self.probability == 0:
            return input
        shape = (1, *input.shape[1:]) if self.variational else input.shape
        return input * _mask(shape, 1 - self.probability, input)


def _mask(shape: Sequence[int], keep: float, like: Tensor) -> Tensor:
    """Return 1/keep with probability `keep`, else 0, in the type and on the device of `like`."""
    kept = round(keep * 2**16)
    if like.device.type != "cpu" or kept == 0:
        return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(keep).div_(keep)
        # The CPU's generator produces 64-bit draws. Taking four masks from each, at a resolution of 2⁻¹⁶, needs a third
        # of the time of `bernoulli_`, which was a sixth of a training step.
    count = math.prod(shape)
    draws = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:count]
    return (draws < kept - 2**15).to(like.dtype).mul_(2**16 / kept).view(shape)


class Recurrence(nn.Module):
    """Layers of cells.

    Each layer's cell is followed, in this order, by a residual sum (if input and output have the same width), layer
    norm and dropout. The outputs of both directions of a bidirectional layer are concatenated; its state holds the
    forward cell's states, then the backward cell's.

    Args:
        make_cell: builds a cell for a number of inputs.
        inputs: number of features of the first layer's input.
        layers: number of layers, at least 1.
        dropout: probability of dropping a feature after each layer, in [0, 1).
        variational: use one dropout mask for all steps of a window.
        layer_norm: normalise each layer's output (Ba, Kiros & Hinton 2016).
        residual: add a layer's input to its output (He et al. 2016).
        bidirectional: add a second cell to each layer that reads the sequence backwards (Schuster & Paliwal 1997).
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
        self._layers: list[Layer] = []  # the same modules, grouped for fast access at every step
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
        """Draw every cell's weights from `generator`; the norms start as the identity."""
        for cell in [*self.forward_cells, *self.backward_cells]:
            assert isinstance(cell, Cell)
            cell.initialise(generator)

    def initial_state(self, batch: int, like: Tensor) -> ModelState:
        """Return zeros for every layer, on the device and in the precision of `like`."""
        return tuple(
            tuple(part for cell in layer.cells for part in cell.initial_state(batch, like)) for layer in self.layers()
        )

    def forward(self, input: Tensor, state: ModelState, mask: Tensor | None = None) -> tuple[Tensor, ModelState]:
        """Map whole sequences (time, batch, inputs) to outputs (time, batch, outputs) and the final state.

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
        """Process whole sequences of different lengths from a zero state, with the fused kernels in both directions.

        Padding follows a sequence's last step, so the forward pass never reads it first. For the backward pass, each
        sequence is reversed within its own length, so that padding comes last there too.

        Args:
            input: (time, batch, inputs), padded with any finite values.
            lengths: (batch,), each from 1 to time.

        Returns:
            Outputs (time, batch, outputs), zero for padding.
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
        """Return the outputs (batch, outputs) that have seen the whole sequence: the forward cell's at the end, and a
        backward cell's at the start. `output` is the result of `whole`."""
        last = output.take_along_dim((lengths - 1).view(1, -1, 1), 0)[0]
        if not self.backward_cells:
            return last
        half = self.outputs // 2
        return torch.cat([last[:, :half], output[0, :, half:]], dim=-1)

    def step(self, input: Tensor, state: ModelState) -> StackStep:
        """Compute one time step (batch, inputs) through all layers; not available for bidirectional stacks."""
        if self.backward_cells:
            raise TypeError("a bidirectional recurrence has no single step: it reads the whole sequence first")
        after, gates = [], []
        for layer, before in zip(self.layers(), state, strict=True):
            (cell,) = layer.cells
            output, now, open_gates = cell.step(cell.project(input), before)
            input = self.handed_on(layer, input, output)
            after.append(now)
            gates.append(open_gates)
        return StackStep(input, tuple(after), gates)

    def stepper(self, lanes: int, precision: torch.dtype, vectors: Tensor | None = None) -> Stepper:
        """Return a fast `step` for generation: no gates, no gradients, weights frozen at the call. See
        `Cell.stepper`."""
        looked_up = vectors if self.residual else None  # looked up here if the residual sum needs the vectors
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
        """Return the layers from first (which reads the input) to last."""
        return self._layers

    def handed_on(self, layer: Layer, input: Tensor, output: Tensor) -> Tensor:
        """Return the next layer's input, before dropout, from a layer's input and its cells' outputs, (…, features)."""
        summed = input + output if self.residual and input.shape[-1] == output.shape[-1] else output
        if isinstance(layer.norm, nn.Identity):  # calling it would take as long as a sum
            return summed
        normed: Tensor = layer.norm(summed)
        return normed


def reset_lanes(state: ModelState, reset: Tensor | None) -> ModelState:
    """Set the lanes that `reset` (batch,) marks to zero."""
    if reset is None:
        return state
    return tuple(tuple(part * for_lanes(~reset, part) for part in layer) for layer in state)


def detach(state: ModelState) -> ModelState:
    """Return the state without its history, so that gradients stop here."""
    return tuple(tuple(part.detach() for part in layer) for layer in state)


def build_recurrence(
    settings: ModelSettings, cell: type[Cell], inputs: int, *, bidirectional: bool = False
) -> Recurrence:
    """Build the stack that a config describes; its weights are not drawn yet.

    Args:
        settings: `model` of the config.
        cell: the class of its cells.
        inputs: features of the first layer's input.
        bidirectional: let each layer also read backwards.

    Raises:
        ConfigError: the cell rejects `model.options` or `model.hidden`.
    """
    options = checked_options(cell, settings.options)
    if settings.hidden % (multiple := cell.multiple(options)):
        nearest = max(1, round(settings.hidden / multiple)) * multiple
        raise ConfigError(
            f"model.hidden — {settings.hidden} is not a multiple of {multiple}, as the heads of {cell.__name__} need",
            hint=f"model.hidden={nearest}",
        )
    return Recurrence(
        lambda width: cell(width, settings.hidden, options),
        inputs,
        settings.layers,
        dropout=settings.dropout,
        variational=settings.variational_dropout,
        layer_norm=settings.layer_norm,
        residual=settings.residual,
        bidirectional=bidirectional,
    )
