"""Augmentation of training windows: some are mirrored, some lose their oldest rows."""

from __future__ import annotations

import torch
from torch import Tensor

from lstmctl.config.schema import Forecast as ForecastSettings
from lstmctl.models.forecaster import Window


def augmented(
    window: Window, target: Tensor, shift: Tensor, settings: ForecastSettings, shorten: float
) -> tuple[Window, Tensor]:
    """Mirror windows at random if forecasts are odd, and shorten the share `shorten` of them by their oldest segments.

    It draws from torch's global generator, which the trainer seeds at every step. The windows are normalised; `target`
    (horizon, batch, channels) is scaled, and mirrored around `shift` (1, batch, channels), which was removed from them.
    """
    lookback, batch, channels = window.values.shape
    if settings.symmetry == "odd":
        together = settings.channels == "joint" or settings.decoding == "refined"
        each = 1 if together else channels
        sign = torch.where(torch.rand(1, batch, each) < 0.5, -1.0, 1.0).to(window.values, non_blocking=True)
        window, target = window._replace(values=window.values * sign), shift + sign * (target - shift)
    if shorten:
        segments = lookback // settings.segment
        hidden = (torch.rand(batch) * segments).long() * (torch.rand(batch) < shorten)
        kept = torch.arange(lookback).unsqueeze(1) >= hidden * settings.segment
        mask = kept.unsqueeze(-1).to(window.values, non_blocking=True)
        seen = None if window.seen is None else window.seen * mask
        window = window._replace(values=window.values * mask, past=window.past * mask, seen=seen)
    return window, target
