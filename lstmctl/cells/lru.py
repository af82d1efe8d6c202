"""A diagonal linear recurrence with complex states, the linear recurrent unit, in a gated layer.

    λ = exp(−exp(ν) + i exp(θ))         within the unit circle, one per unit
    γ = √(1 − |λ|²)                     so that a state has about the variance of its input
    s' = λ ⊙ s + γ ⊙ (B x)              complex
    y = Re(C s') + D x
    h = GELU(y),  output = h ⊙ σ(G h + b)    with GELU in its tanh approximation

Source: A. Orvieto, S. Smith, A. Gu, A. Fernando, C. Gulcehre, R. Pascanu & S. De, "Resurrecting Recurrent Neural
    Networks for Long Sequences", ICML 2023, with the output gate of S5 (J. Smith, A. Warrington & S. Linderman,
    "Simplified State Space Layers for Sequence Modeling", ICLR 2023)
Parameters: 3hx + 3h² + 3h
In time: parallel, by an associative scan
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells.cell import Cell, CellOptions, State, Step
from lstmctl.cells.scan import linear_recurrence


class LRUOptions(CellOptions):
    """|λ|² starts uniform between the squares of `least` and `most`, and the angle of λ uniform in 0 … `angle`."""

    least: Annotated[float, Field(ge=0, lt=1)] = 0.5
    most: Annotated[float, Field(gt=0, lt=1)] = 0.99
    angle: Annotated[float, Field(gt=0, le=2 * math.pi)] = math.pi / 10


class LRU(Cell):
    """s' = λ ⊙ s + γ ⊙ (B x), and a gated output."""

    states = ("real", "imaginary")
    gates = ("keep", "o")
    keeps = "keep"
    path = "scan"
    Options: ClassVar[type[CellOptions]] = LRUOptions

    def __init__(self, inputs: int, hidden: int, options: LRUOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.start = options
        self.log_decay, self.log_angle = nn.Parameter(torch.empty(hidden)), nn.Parameter(torch.empty(hidden))
        self.read = nn.Parameter(torch.empty(2 * hidden, inputs))
        self.write = nn.Parameter(torch.empty(hidden, 2 * hidden))
        self.skip = nn.Parameter(torch.empty(hidden, inputs))
        self.gate = nn.Linear(hidden, hidden)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw λ in the ring of the options; B with variance 1/(2 · inputs), C 1/(2 · hidden), D and G 1/columns."""
        least, most = self.start.least**2, self.start.most**2
        with torch.no_grad():
            squares = torch.empty(self.hidden).uniform_(least, max(least, most), generator=generator)
            self.log_decay.copy_(squares.clamp(min=1e-6).log_().mul_(-0.5).log_())
            self.log_angle.uniform_(1e-3, self.start.angle, generator=generator).log_()
            for weight, variance in (
                (self.read, 1 / (2 * self.inputs)),
                (self.write, 1 / (2 * self.hidden)),
                (self.skip, 1 / self.inputs),
                (self.gate.weight, 1 / self.hidden),
            ):
                bound = (3 * variance) ** 0.5
                weight.uniform_(-bound, bound, generator=generator)
            self.gate.bias.zero_()

    def project(self, input: Tensor) -> Tensor:
        """Compute B x and D x, (…, inputs) → (…, 3 · hidden)."""
        return functional.linear(input, torch.cat([self.read, self.skip]))

    def step(self, projected: Tensor, state: State) -> Step:
        real, imaginary, skip = projected.chunk(3, dim=-1)
        size, angle = self._polar()
        cosine, sine, gain = size * angle.cos(), size * angle.sin(), (1 - size**2).sqrt()
        before_real, before_imaginary = state
        after = (
            cosine * before_real - sine * before_imaginary + gain * real,
            sine * before_real + cosine * before_imaginary + gain * imaginary,
        )
        output = _gelu(functional.linear(torch.cat(after, dim=-1), self.write) + skip)
        gate = torch.sigmoid(self.gate(output))
        return Step(output * gate, after, {"keep": size.expand_as(after[0]), "o": gate})

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute all time steps by a scan unless there is a mask."""
        if mask is not None:
            return super().sequence(input, state, mask)
        real, imaginary, skip = self.project(input).to(state[0].dtype).chunk(3, dim=-1)
        size, angle = self._polar()
        gain = (1 - size**2).sqrt()
        written = torch.complex(gain * real, gain * imaginary)
        states = linear_recurrence(torch.polar(size, angle).expand_as(written), written, torch.complex(*state))
        # Re(C s) for C = C₁ + i C₂ is C₁ Re s − C₂ Im s; the sign is part of the weights.
        parts = torch.cat([states.real, states.imag], dim=-1)
        output = functional.gelu(functional.linear(parts, self.write) + skip, approximate="tanh")
        return output * torch.sigmoid(self.gate(output)), (states[-1].real.clone(), states[-1].imag.clone())

    def _polar(self) -> tuple[Tensor, Tensor]:
        """Return |λ| and the angle of λ, (hidden,) each."""
        return (-self.log_decay.exp()).exp(), self.log_angle.exp()


def _gelu(values: Tensor) -> Tensor:
    """Compute the tanh approximation of GELU (Hendrycks & Gimpel 2016), as torch does."""
    return 0.5 * values * (1 + torch.tanh((2 / math.pi) ** 0.5 * (values + 0.044715 * values * values * values)))
