"""A temporal convolution of a fixed reach: not a recurrent cell, but the usual alternative.

    u = x (or W x + b if the widths differ)
    for level l = 0, 1, …, with the dilation d = 2ˡ:
        r = ReLU(conv_d(ReLU(conv_d(u)))),  u ← ReLU(u + r)
    conv_d(u)_t = b + Σ_j W_j u_{t − j d}    over `kernel` steps j = 0, 1, …

An output depends on the last 1 + 2 (kernel − 1)(2^levels − 1) steps; the state is what the convolutions read of them.

Source: S. Bai, J. Kolter & V. Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
    Sequence Modeling" (2018), without weight norm
Parameters: 10h(3h + 1) (with 5 levels and a kernel of 3), and h(x + 1) where x ≠ h
In time: parallel, by convolutions
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from lstmctl.cells.cell import Cell, CellOptions, State, Step


class TCNOptions(CellOptions):
    """`kernel`: steps that a convolution reads; `levels`: blocks of two convolutions, whose dilation doubles from one
    to the next. The defaults reach 125 steps."""

    kernel: Annotated[int, Field(ge=2, le=100)] = 3
    levels: Annotated[int, Field(ge=1, le=16)] = 5


class TemporalConvolution(Cell):
    """Dilated causal convolutions in residual blocks."""

    states = ("past",)
    opened = ()
    path = "convolution"
    Options: ClassVar[type[CellOptions]] = TCNOptions

    def __init__(self, inputs: int, hidden: int, options: TCNOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.widen = nn.Linear(inputs, hidden) if inputs != hidden else nn.Identity()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(hidden, hidden, options.kernel, dilation=2**level)
            for level in range(options.levels)
            for _ in range(2)
        )
        self.reaches = [(options.kernel - 1) * 2**level for level in range(options.levels) for _ in range(2)]

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights uniform with variance 2/inputs, for rectified inputs (He et al. 2015); biases are zero."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name.endswith("bias"):
                    parameter.zero_()
                else:
                    bound = (6 / parameter[0].numel()) ** 0.5
                    parameter.uniform_(-bound, bound, generator=generator)

    def initial_state(self, batch: int, like: Tensor) -> State:
        """Return zeros (batch, hidden, steps read), those of all convolutions side by side."""
        return (like.new_zeros(batch, self.hidden, sum(self.reaches)),)

    def step(self, projected: Tensor, state: State) -> Step:
        output, state = self.sequence(projected.unsqueeze(0), state)
        return Step(output[0], state, {})

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute all time steps by convolutions unless there is a mask."""
        if mask is not None:
            return super().sequence(input, state, mask)
        block = self.widen(input).permute(1, 2, 0)  # (batch, hidden, time)
        inner, after = block, []
        for index, (convolution, past) in enumerate(
            zip(self.convolutions, state[0].split(self.reaches, dim=-1), strict=True)
        ):
            read = torch.cat([past.to(inner.dtype), inner], dim=-1)
            after.append(read[..., -past.shape[-1] :])
            inner = torch.relu(convolution(read))
            if index % 2 == 1:
                block = inner = torch.relu(block + inner)
        return block.permute(2, 0, 1), (torch.cat(after, dim=-1),)
