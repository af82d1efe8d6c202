"""The choice of the next symbol from its scores: truncation, temperature, penalties.

Everything here works on tensors (batch, symbols) and is independent of the vocabulary. The settings are in
`sampling_settings`, which needs no torch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lstmctl.sampling_settings import Sampling

PENALTY_REACH = 64
"""Number of most recent symbols that a repetition penalty applies to."""


def choose(logits: Tensor, sampling: Sampling, recent: Tensor, generator: torch.Generator) -> Tensor:
    """Choose one symbol per lane: scores (batch, symbols) to (batch,).

    `recent` (count, batch) holds the symbols that a repetition penalty applies to. Each lane uses one uniform draw, so
    its result does not depend on the truncation in other lanes.
    """
    if sampling.repetition_penalty != 1 and len(recent):
        seen = logits.gather(1, recent.t())
        seen = torch.where(seen > 0, seen / sampling.repetition_penalty, seen * sampling.repetition_penalty)
        logits = logits.scatter(1, recent.t(), seen)
    if sampling.temperature == 0:
        return logits.argmax(dim=1)
    # In float64, dividing a float32 by 1e-200 cannot overflow; at lower temperatures the outcome is certain as well.
    probabilities = (logits.double() / max(sampling.temperature, 1e-200)).softmax(dim=1)
    drawn = torch.rand(len(logits), 1, generator=generator, dtype=torch.float64)
    if (sampling.top_k, sampling.top_p, sampling.min_p) == (None, 1, 0):  # no truncation, so no need to sort
        return _at(drawn, probabilities, probabilities.shape[1] - 1).squeeze(1)
    probabilities, symbols = probabilities.sort(dim=1, descending=True, stable=True)
    keep = torch.ones_like(probabilities, dtype=torch.bool)
    if sampling.top_k is not None:
        keep[:, sampling.top_k :] = False
    keep &= probabilities.cumsum(dim=1) - probabilities < sampling.top_p
    keep &= probabilities >= sampling.min_p * probabilities[:, :1]
    keep[:, 0] = True
    last = keep.sum(dim=1, keepdim=True) - 1
    return symbols.gather(1, _at(drawn, probabilities * keep, last)).squeeze(1)


def _at(drawn: Tensor, probabilities: Tensor, last: Tensor | int) -> Tensor:
    """Return, for each row, the column (batch, 1) whose share of the total probability contains a draw from [0, 1);
    at most `last`, despite rounding."""
    cumulative = probabilities.cumsum(dim=1)
    return torch.searchsorted(cumulative, drawn * cumulative[:, -1:], right=True).clamp(max=last)
