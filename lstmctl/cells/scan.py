"""First-order linear recurrences over whole sequences, by an associative scan.

    h_t = a_t ⊙ h_{t−1} + b_t

Two steps are one step of the same form: (a, b) then (a′, b′) is (a′ a, a′ b + b′), which is associative. So pairs of
steps are joined, the recurrence of half the length is computed in the same way, and the steps between are filled in
(G. Blelloch, "Prefix Sums and Their Applications", 1990): 2 log₂ T operations over whole tensors instead of T over one
step each. Nothing is divided and nothing leaves the range of h, so logarithms are not needed for stability. Cumulative
products and sums need them (F. Heinsen, "Efficient Parallelization of a Ubiquitous Sequential Computation", 2023).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

LOOPED = 2048
"""Minimum number of values per step at which a plain loop is faster on a CPU: each step fills the cache, and the loop
does fewer operations."""


def linear_recurrence(decay: Tensor, input: Tensor, before: Tensor) -> Tensor:
    """Compute h_t = a_t ⊙ h_{t−1} + b_t for all t.

    Args:
        decay: a, real or complex, (time, batch, hidden).
        input: b, (time, batch, hidden), of the same type.
        before: h before the first step, (batch, hidden).

    Returns:
        All h, (time, batch, hidden). Derivatives of any order are supported.
    """
    return cast(Tensor, _LinearRecurrence.apply(decay, input, before))  # type: ignore[no-untyped-call]


class _LinearRecurrence(torch.autograd.Function):
    """See `linear_recurrence`. Its gradient δ is the same recurrence, backward in time: δ_t = dL/dh_t + ā_{t+1} δ_{t+1}
    with the conjugate ā."""

    @staticmethod
    def forward(ctx: Any, decay: Tensor, input: Tensor, before: Tensor) -> Tensor:
        first = torch.addcmul(input[:1], decay[:1], before.unsqueeze(0))
        hiddens = _scan(decay, torch.cat([first, input[1:]]))
        ctx.save_for_backward(decay, before, hiddens)
        return hiddens

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, before, hiddens = ctx.saved_tensors
        later = torch.cat([decay[1:], torch.zeros_like(decay[:1])]).conj()
        errors = linear_recurrence(later.flip(0), gradient.flip(0), torch.zeros_like(before)).flip(0)
        earlier = torch.cat([before.unsqueeze(0), hiddens[:-1]])
        return errors * earlier.conj(), errors, errors[0] * decay[0].conj()


def _scan(decay: Tensor, input: Tensor) -> Tensor:
    """Compute h for h_0 = b_0; a_0 is not used."""
    steps = len(input)
    if input.device.type == "cpu" and input[0].numel() >= LOOPED:
        hiddens = input.clone()
        values, factors = hiddens.unbind(), decay.unbind()
        for step in range(1, steps):
            values[step].addcmul_(factors[step], values[step - 1])
        return hiddens
    if steps == 1:
        return input
    pairs = steps // 2 * 2
    odd_decay, odd_input = decay[1:pairs:2], input[1:pairs:2]
    odd = _scan(odd_decay * decay[:pairs:2], torch.addcmul(odd_input, odd_decay, input[:pairs:2]))
    hiddens = torch.empty_like(input)
    hiddens[1::2] = odd
    hiddens[0] = input[0]
    evens = hiddens[2::2]
    torch.addcmul(input[2::2], decay[2::2], odd[: len(evens)], out=evens)
    return hiddens
