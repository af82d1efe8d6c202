"""Normalisation of a window before it enters a network, and filling of its missing values."""

from __future__ import annotations

import torch
from torch import Tensor


def carried_forward(values: Tensor) -> Tensor:
    """Replace missing values of (rows, batch, channels) by the last known one, or by 0 if there is none."""
    rows = torch.arange(len(values), device=values.device).view(-1, 1, 1)
    last = torch.where(values.isnan(), 0, rows).cummax(0).values
    return values.gather(0, last).nan_to_num()


def taken_out(values: Tensor, seen: Tensor | None, kind: str) -> tuple[Tensor, Tensor]:
    """Compute shift and scale (1, batch, channels) of windows (rows, batch, channels); `seen` marks present values."""
    one = values.new_ones(1, *values.shape[1:])
    if kind == "none":
        return torch.zeros_like(one), one
    if kind == "last":
        if seen is None:
            return values[-1:], one
        rows = torch.arange(len(values), device=values.device).view(-1, 1, 1)
        last = torch.where(seen, rows, -1).amax(0, keepdim=True)
        return values.nan_to_num().gather(0, last.clamp(min=0)) * (last >= 0), one
    if seen is None:
        return values.mean(0, keepdim=True), (values.var(0, keepdim=True, correction=0) + 1e-5).sqrt()
    count = seen.sum(0, keepdim=True).clamp(min=1)
    mean = values.nan_to_num().sum(0, keepdim=True) / count
    variance = torch.where(seen, (values.nan_to_num() - mean).square(), 0).sum(0, keepdim=True) / count
    return mean, (variance + 1e-5).sqrt()
