"""Cells whose weights live in a `torch.nn` module, so that whole-sequence kernels and `step` share the same weights."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells.cell import Cell, CellOptions, State, Stepper
from lstmctl.cells.fast import SEQUENCES, STEPPERS
from lstmctl.cells.packed import available

LongestMemory = Annotated[int, Field(ge=3, le=2**31 - 1)] | None
"""Option of cells with a retention gate (`Cell.keeps`), in steps."""


def memory_biases(longest: int, units: int, generator: torch.Generator) -> Tensor:
    """Return biases (units,) for a retention gate: log u with u uniform in 1 … longest − 1, so that at initialisation
    a unit retains its state for about 1 + u steps (Tallec & Ollivier, "Can Recurrent Neural Networks Warp Time?",
    ICLR 2018)."""
    return torch.empty(units).uniform_(1, longest - 1, generator=generator).log_()


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
        """Draw input weights uniform in ±√(3/inputs), so that their products have unit variance for inputs of unit
        variance, and recurrent weights orthogonal for each gate (Saxe, McClelland & Ganguli 2014); set biases to
        zero."""
        with torch.no_grad():
            bound = (3 / self.inputs) ** 0.5
            self.input_weight.uniform_(-bound, bound, generator=generator)
            for gate in torch.split(self.recurrent_weight, self.hidden):
                nn.init.orthogonal_(gate, generator=generator)
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
