"""Cells whose weights live in a `torch.nn` module, so that whole-sequence kernels and `step` share the same weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells.cell import Cell, CellOptions, State, Stepper
from lstmctl.cells.drawing import draw_weights
from lstmctl.cells.fast import SEQUENCES, STEPPERS
from lstmctl.cells.packed import available


def lstm_kernel(input: Tensor, state: State, weight: Tensor, recurrent: Tensor, bias: Tensor) -> tuple[Tensor, State]:
    """Compute an LSTM over whole sequences by torch's kernel, for weights that a cell derives from its own.

    Args:
        input: (time, batch, inputs).
        state: h and c before the first step, (batch, hidden) each.
        weight, recurrent, bias: W, U and b for i, f, g and o.

    Returns:
        All h', (time, batch, hidden), and the state after the last step.
    """
    # One buffer in cuDNN's order; otherwise cuDNN would make one, with a warning.
    parts = (weight, recurrent, bias, torch.zeros_like(bias))
    buffer = torch.cat([part.flatten() for part in parts])
    weights = [part.view_as(of) for part, of in zip(buffer.split([p.numel() for p in parts]), parts, strict=True)]
    before = tuple(part.unsqueeze(0).contiguous() for part in state)
    training = torch.is_grad_enabled()
    output, hidden, cell = torch.lstm(input, before, weights, True, 1, 0.0, training, False, False)
    return output, (hidden.squeeze(0), cell.squeeze(0))


class FusedCell(Cell):
    """A cell whose whole sequences are computed by a single-layer `torch.nn` recurrent module.

    The gate order and the two bias vectors follow `torch.nn`. Torch chooses the kernel: cuDNN on a GPU; on a CPU,
    oneDNN for the LSTM in float32 and bfloat16. Cells that torch would compute on a CPU one small operation at a time,
    and generation step by step, have hand-written paths in `fast`.
    """

    def __init__(self, kernel: nn.RNNBase, options: CellOptions) -> None:
        super().__init__(kernel.input_size, kernel.hidden_size, options)
        self.kernel = kernel

    @property
    def recurrent_weight(self) -> Tensor:
        """U, (number of gates · hidden, hidden)."""
        weight = self.kernel.weight_hh_l0
        assert isinstance(weight, Tensor)
        return weight

    @property
    def recurrent_bias(self) -> Tensor:
        """b′, (number of gates · hidden,)."""
        bias = self.kernel.bias_hh_l0
        assert isinstance(bias, Tensor)
        return bias

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights by `draw_weights` and set biases to zero."""
        draw_weights(self.input_weight, self.recurrent_weight, generator)
        with torch.no_grad():
            self.input_bias.zero_()
            self.recurrent_bias.zero_()

    def project(self, input: Tensor) -> Tensor:
        """Compute W x + b for every gate, (…, inputs) → (…, number of gates · hidden)."""
        return functional.linear(input, self.input_weight, self.input_bias)

    @property
    def input_weight(self) -> Tensor:
        """W, (number of gates · hidden, inputs)."""
        weight = self.kernel.weight_ih_l0
        assert isinstance(weight, Tensor)
        return weight

    @property
    def input_bias(self) -> Tensor:
        """b, (number of gates · hidden,)."""
        bias = self.kernel.bias_ih_l0
        assert isinstance(bias, Tensor)
        return bias

    def stepper(self, lanes: int, precision: torch.dtype, vectors: Tensor | None = None) -> Stepper:
        if not available(self.input_weight, precision):
            return super().stepper(lanes, precision, vectors)
        return STEPPERS[type(self.kernel)](self.kernel, lanes, precision, vectors)

    def recur(self, hidden: Tensor) -> Tensor:
        """Compute U h + b′ for every gate, (batch, hidden) → (batch, number of gates · hidden)."""
        return functional.linear(hidden, self.recurrent_weight, self.recurrent_bias)

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute all time steps, by the fused kernel or a hand-written pass unless there is a mask."""
        if mask is not None:
            return super().sequence(input, state, mask)
        if input.device.type == "cpu" and (unroll := SEQUENCES.get(type(self.kernel))) is not None:
            return unroll(self.kernel, input, state)
        # torch.nn expects a leading axis of layers, which is always 1 here, and a bare tensor for a single state.
        before = tuple(part.unsqueeze(0).contiguous() for part in state)
        output, after = self.kernel(input, before if len(before) > 1 else before[0])
        after = after if isinstance(after, tuple) else (after,)
        return output, tuple(part.squeeze(0) for part in after)
