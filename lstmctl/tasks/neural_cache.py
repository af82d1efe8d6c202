"""A neural cache: a language model that also predicts what followed similar moments of the text it has just read.

With h_i the outputs of the recurrence after symbol x_i, and the last `SIZE` of them remembered,

    p_cache(w | h_t) ∝ Σ_{i < t} [x_{i+1} = w] exp(θ h_t · h_i),   p = (1 − λ) p_model + λ p_cache

(E. Grave, A. Joulin & N. Usunier, "Improving Neural Language Models with a Continuous Cache", ICLR 2017). Nothing is
trained: θ and λ are chosen on the validation part. The result answers another question than the static metric: how well
the model predicts a text that it may remember.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

SIZE = 2000
"""Remembered symbols."""
SCALES = (0.03, 0.1, 0.3, 1.0)
SHARES = (0.02, 0.05, 0.1, 0.2, 0.3)
AT_ONCE = 512
"""Symbols that are predicted at once; changes no result."""


class Reading(NamedTuple):
    """A text of n + 1 symbols, read as one stream."""

    nats: Tensor
    """(n,), the model's −ln p of every symbol but the first."""
    outputs: Tensor
    """(n, outputs), of the recurrence before each of these symbols."""
    targets: Tensor
    """(n,), these symbols."""


class CacheChoice(NamedTuple):
    """θ and λ; λ = 0 for no cache."""

    scale: float
    share: float


def chosen_cache(validation: Reading) -> CacheChoice:
    """Return the θ and λ with the smallest loss on a text."""
    cached = {scale: cache_probability(validation, scale) for scale in SCALES}
    losses = {CacheChoice(SCALES[0], 0.0): float(validation.nats.mean())}
    for scale, share in itertools.product(SCALES, SHARES):
        losses[CacheChoice(scale, share)] = float(with_cache(validation.nats, cached[scale], share).mean())
    return min(losses, key=lambda choice: losses[choice])


def cache_probability(reading: Reading, scale: float, size: int = SIZE) -> Tensor:
    """Return p_cache (n,) of every target, from the `size` symbols before it; NaN for the first, which has none."""
    outputs, targets = reading.outputs, reading.targets
    found = []
    for start in range(0, len(targets), AT_ONCE):
        stop, first = min(start + AT_ONCE, len(targets)), max(0, start - size)
        behind = torch.arange(start, stop, device=targets.device).unsqueeze(1) - torch.arange(
            first, stop, device=targets.device
        )
        similar = scale * outputs[start:stop] @ outputs[first:stop].T
        weights = similar.masked_fill((behind <= 0) | (behind > size), -torch.inf).softmax(dim=1)
        same = targets[start:stop].unsqueeze(1) == targets[first:stop]
        found.append((weights * same).sum(dim=1))
    return torch.cat(found)


def with_cache(nats: Tensor, cached: Tensor, share: float) -> Tensor:
    """Return −ln of the mixture (n,); the first symbol, for which the cache is empty, is the model's alone."""
    mixed = -torch.log((1 - share) * torch.exp(-nats) + share * cached)
    return torch.where(cached.isnan(), nats, mixed)
