"""Fast paths of the bundled cells over the weights of their `torch.nn` modules: generation step by step with weights
that are packed once, and whole sequences on a CPU where torch's own kernels are slower.

The equations are those of `lstmctl.cells.rnn`, `lstm` and `gru`, whose `step` defines each cell; tests compare
these paths with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells import unrolled
from lstmctl.cells.cell import State, Stepper
from lstmctl.cells.packed import Lookup, Product, packed_linear


class Weights(NamedTuple):
    """The weights of a single-layer `torch.nn` module, for all gates in its order."""

    input: Tensor
    """W, (number of gates · hidden, inputs)."""
    input_bias: Tensor
    """b, (number of gates · hidden,)."""
    recurrent: Tensor
    """U, (number of gates · hidden, hidden)."""
    recurrent_bias: Tensor
    """b′, (number of gates · hidden,)."""

    @classmethod
    def of(cls, module: nn.RNNBase) -> Weights:
        """Return the weights themselves, not copies."""
        names = ("weight_ih_l0", "bias_ih_l0", "weight_hh_l0", "bias_hh_l0")
        return cls(*(module.get_parameter(name) for name in names))


MakeStepper = Callable[[nn.RNNBase, int, torch.dtype, Tensor | None], Stepper]
"""From a module, the number of lanes, the precision, and all possible inputs (or None, if steps read features) to a
step for generation; see `Cell.stepper`."""
Unroll = Callable[[nn.RNNBase, Tensor, State], tuple[Tensor, State]]
"""From a module, inputs (time, batch, inputs) and the state before the first step to all outputs (time, batch, hidden)
and the state after the last step."""


def rnn_stepper(module: nn.RNNBase, lanes: int, precision: torch.dtype, vectors: Tensor | None) -> Stepper:
    """Make a step of the vanilla RNN."""
    weights = Weights.of(module)
    activation = torch.relu if module.mode == "RNN_RELU" else torch.tanh
    total = _sum(weights, lanes, precision, vectors, torch.ones_like(weights.recurrent_bias))

    def advance(input: Tensor, state: State) -> tuple[Tensor, State]:
        hidden = activation(total(input, state[0]))
        return hidden, (hidden,)

    return advance


def lstm_stepper(module: nn.RNNBase, lanes: int, precision: torch.dtype, vectors: Tensor | None) -> Stepper:
    """Make a step of the LSTM. tanh a = 2s − 1 with s = σ(2a), so one σ serves all four gates; it also takes a quarter
    of the time of tanh."""
    weights = Weights.of(module)
    scale = torch.ones_like(weights.recurrent_bias)
    scale.chunk(4)[2].fill_(2)
    gates = _sum(weights, lanes, precision, vectors, scale)

    def advance(input: Tensor, state: State) -> tuple[Tensor, State]:
        hidden, cell = state
        i, f, g, o = gates(input, hidden).sigmoid_().chunk(4, dim=-1)
        cell = torch.addcmul(f * cell, i, g, value=2).sub_(i)
        hidden = torch.lerp(-o, o, (cell + cell).sigmoid_())
        return hidden, (hidden, cell)

    return advance


def gru_stepper(module: nn.RNNBase, lanes: int, precision: torch.dtype, vectors: Tensor | None) -> Stepper:
    """Make a step of the GRU; its tanh is computed as in `lstm_stepper`."""
    weight, bias, recurrent, recurrent_bias = Weights.of(module)
    project: Product = (
        Lookup(weight, bias, vectors) if vectors is not None else packed_linear(weight, bias, lanes, precision)
    )
    recur = packed_linear(recurrent, recurrent_bias, lanes, precision)
    gates = [2 * module.hidden_size, module.hidden_size]

    def advance(input: Tensor, state: State) -> tuple[Tensor, State]:
        (hidden,) = state
        input_r_z, input_n = project(input).split(gates, dim=-1)
        recurrent_r_z, recurrent_n = recur(hidden).split(gates, dim=-1)
        r, z = (input_r_z + recurrent_r_z).sigmoid_().chunk(2, dim=-1)
        n = torch.addcmul(input_n, r, recurrent_n)
        n = (2 * n).sigmoid_().mul_(2).sub_(1)
        hidden = torch.lerp(n, hidden, z)
        return hidden, (hidden,)

    return advance


def rnn_sequence(module: nn.RNNBase, input: Tensor, state: State) -> tuple[Tensor, State]:
    """Compute all steps of the vanilla RNN."""
    weights = Weights.of(module)
    projected = functional.linear(input, weights.input, weights.input_bias + weights.recurrent_bias)
    hidden, recurrent = state[0].to(projected.dtype), weights.recurrent.to(projected.dtype)
    output = unrolled.rnn(projected, hidden, recurrent, relu=module.mode == "RNN_RELU")
    return output, (output[-1].clone(),)  # a view would keep every step in memory


def gru_sequence(module: nn.RNNBase, input: Tensor, state: State) -> tuple[Tensor, State]:
    """Compute all steps of the GRU."""
    weights, size = Weights.of(module), module.hidden_size
    recurrent_r_z, recurrent_n = weights.recurrent_bias.split([2 * size, size])
    bias = weights.input_bias + functional.pad(recurrent_r_z, (0, size))
    projected = functional.linear(input, weights.input, bias)
    hidden, recurrent, bias_n = (part.to(projected.dtype) for part in (*state, weights.recurrent, recurrent_n))
    output = unrolled.gru(projected, hidden, recurrent, bias_n)
    return output, (output[-1].clone(),)


STEPPERS: dict[type[nn.RNNBase], MakeStepper] = {nn.RNN: rnn_stepper, nn.LSTM: lstm_stepper, nn.GRU: gru_stepper}
SEQUENCES: dict[type[nn.RNNBase], Unroll] = {nn.RNN: rnn_sequence, nn.GRU: gru_sequence}
"""The LSTM is left to oneDNN, whose kernel is faster."""


def _sum(
    weights: Weights, lanes: int, precision: torch.dtype, vectors: Tensor | None, scale: Tensor
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return W x + b + U h + b′ for every gate, times `scale` (number of gates · hidden,), as a function of x (or of
    its index) and h. Given features, it is a single product, [W U] [x; h] + (b + b′)."""
    scaled = [weight * scale.unsqueeze(1) for weight in (weights.input, weights.recurrent)]
    bias = (weights.input_bias + weights.recurrent_bias) * scale
    if vectors is None:
        joint = packed_linear(torch.cat(scaled, dim=1), bias, lanes, precision)
        return lambda features, hidden: joint(torch.cat([features, hidden], dim=1))
    look_up, recur = Lookup(scaled[0], bias, vectors), packed_linear(scaled[1], bias * 0, lanes, precision)
    return lambda numbers, hidden: recur(hidden).add_(look_up(numbers))
