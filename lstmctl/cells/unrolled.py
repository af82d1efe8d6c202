"""Recurrences over a window with a hand-written backward pass.

At every step, automatic differentiation of a loop computes a product for the gradient of U, adds it to a sum, and
records a node for each small operation. Written by hand, a backward step is only the few operations of its equations,
and the gradient of U is one product over the whole window:

    dU = Σ_t δ_tᵀ h_{t−1}            δ_t = dL / d(U h_{t−1} + …), by P. Werbos, "Backpropagation through time", 1990

All shapes are time-first: (time, batch, gates · hidden) for the pre-activations, (batch, hidden) for a state. U is
(gates · hidden, hidden), with the gates in the order of `torch.nn`. Second derivatives are not supported.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lstmctl.cells.halves import in_halves
from lstmctl.cells.packed import sum_with_product

_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_relu_backward = torch.ops.aten.threshold_backward.grad_input


def rnn(projected: Tensor, hidden: Tensor, weight: Tensor, *, relu: bool) -> Tensor:
    """Compute h' = tanh(a + U h), or relu instead of tanh.

    Args:
        projected: a = W x + b + b′, (time, batch, hidden).
        hidden: state before the first step, (batch, hidden), in the same precision.
        weight: U, in the same precision.

    Returns:
        All h', (time, batch, hidden).
    """
    return cast(Tensor, _RNN.apply(projected, hidden, weight, relu))  # type: ignore[no-untyped-call]


def gru(projected: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute the equations of `lstmctl.cells.gru`.

    Args:
        projected: W x + b, (time, batch, 3 · hidden), with b′ added for r and z. It is overwritten: its memory is
            reused for the gates.
        hidden: state before the first step, (batch, hidden), in the same precision.
        weight, bias: U and b_n′ (hidden,), in the same precision.

    Returns:
        All h', (time, batch, hidden).
    """
    return cast(Tensor, _GRU.apply(projected, hidden, weight, bias))  # type: ignore[no-untyped-call]


class _RNN(torch.autograd.Function):
    """See `rnn`."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, hidden: Tensor, weight: Tensor, relu: bool) -> Tensor:
        hiddens = torch.cat([hidden.unsqueeze(0), projected])
        add_product = sum_with_product(weight, len(hidden))
        activate = torch.ops.aten.relu.out if relu else torch.tanh

        def read(lanes: slice) -> None:
            for before, now in pairwise(hiddens[:, lanes].unbind()):
                activate(add_product(now, before, now), out=now)

        in_halves(read, hidden)
        ctx.save_for_backward(hiddens, weight)
        ctx.relu = relu
        return hiddens[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hiddens, weight = ctx.saved_tensors
        errors = torch.empty_like(gradient, memory_format=torch.contiguous_format)
        first = torch.empty_like(hiddens[0])
        add_product = sum_with_product(weight.t().contiguous(), gradient.shape[1])

        def go_back(lanes: slice) -> None:
            steps, given = hiddens[:, lanes].unbind(), _with_none_before(gradient[:, lanes])
            onward, error = given[-1], errors[:, lanes].unbind()
            for time in reversed(range(len(error))):
                if ctx.relu:
                    _relu_backward(onward, steps[time + 1], 0, grad_input=error[time])
                else:
                    _tanh_backward(onward, steps[time + 1], grad_input=error[time])
                onward = add_product(given[time], error[time], None)
            first[lanes] = onward

        in_halves(go_back, first)
        return errors, first, _weight_gradient(errors, hiddens), None


class _GRU(torch.autograd.Function):
    """See `gru`."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        width = hidden.shape[1]
        # The memory of n's projection is reused for the recurrent part of n, which is needed separately.
        gates = projected
        candidates = gates[..., 2 * width :].clone(memory_format=torch.contiguous_format)
        gates[..., 2 * width :] = bias
        hiddens = torch.empty(len(projected) + 1, *hidden.shape, dtype=projected.dtype, device=projected.device)
        hiddens[0] = hidden
        add_product = sum_with_product(weight, len(hidden))

        def read(lanes: slice) -> None:
            steps = hiddens[:, lanes].unbind()
            r, z, recurrent = (gate.unbind() for gate in gates[:, lanes].chunk(3, dim=-1))
            r_z = gates[:, lanes, : 2 * width].unbind()
            of_steps = zip(gates[:, lanes].unbind(), candidates[:, lanes].unbind(), strict=True)
            for t, (gate, candidate) in enumerate(of_steps):
                if (total := add_product(gate, steps[t], gate)) is not gate:
                    recurrent[t].copy_(total[:, 2 * width :])
                torch.sigmoid(total[:, : 2 * width], out=r_z[t])
                candidate.addcmul_(r[t], recurrent[t]).tanh_()
                torch.lerp(candidate, steps[t], z[t], out=steps[t + 1])

        in_halves(read, hidden)
        ctx.save_for_backward(gates, candidates, hiddens, weight)
        return hiddens[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        gates, candidates, hiddens, weight = ctx.saved_tensors
        r, z, recurrent = gates.chunk(3, dim=-1)
        # The factor of the gradient of h' in each error, for all steps at once, leaves one multiplication per step.
        to_candidate = _remainder(torch.addcmul(gates.new_ones(()), candidates, candidates, value=-1), z)
        errors = torch.empty_like(gates)
        error_r, error_z, error_recurrent = errors.chunk(3, dim=-1)
        torch.mul(to_candidate, r, out=error_recurrent)
        _remainder(torch.mul(error_recurrent, recurrent, out=error_r), r)
        _remainder(torch.sub(hiddens[:-1], candidates, out=error_z).mul_(z), z)
        onwards = torch.empty_like(hiddens)
        onwards[-1] = gradient[-1]
        add_product = sum_with_product(weight.t().contiguous(), gradient.shape[1])

        def go_back(lanes: slice) -> None:
            onward, given = onwards[:, lanes].unbind(), _with_none_before(gradient[:, lanes])
            error, keeps = errors[:, lanes].unbind(), z[:, lanes].unbind()
            by_gate = errors[:, lanes].unflatten(-1, (3, -1)).unbind()
            for t in reversed(range(len(error))):
                by_gate[t].mul_(onward[t + 1].unsqueeze(1))
                torch.addcmul(given[t], onward[t + 1], keeps[t], out=onward[t])
                if (total := add_product(onward[t], error[t], onward[t])) is not onward[t]:
                    onward[t].copy_(total)

        in_halves(go_back, onwards[0])
        weight_gradient, bias_gradient = _weight_gradient(errors, hiddens), error_recurrent.sum((0, 1))
        torch.mul(onwards[1:], to_candidate, out=error_recurrent)  # reuse the memory for the gradient of n's projection
        return errors, onwards[0], weight_gradient, bias_gradient


def _remainder(whole: Tensor, gate: Tensor) -> Tensor:
    """Compute whole ⊙ (1 − gate), in the memory of `whole`."""
    return whole.addcmul_(whole, gate, value=-1)


def _with_none_before(gradient: Tensor) -> list[Tensor]:
    """Return the incoming gradient of h at every time, preceded by zeros for the state before the first step."""
    return [torch.zeros_like(gradient[0]), *gradient.unbind()]


def _weight_gradient(errors: Tensor, hiddens: Tensor) -> Tensor:
    """dU, (gates · hidden, hidden)."""
    return errors.flatten(0, 1).t() @ hiddens[:-1].flatten(0, 1)
