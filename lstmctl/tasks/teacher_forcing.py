"""Inputs and targets of a network that predicts a text with a beginning and an end."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lstmctl.data.sequences import UNLABELLED


def teacher_forced(texts: Tensor, lengths: Tensor, mark: int) -> tuple[Tensor, Tensor]:
    """Shift texts by one step, so that each symbol is predicted from the true ones before it (Williams & Zipser 1989).

    Return the inputs (`mark`, then the text) and the targets (the text, then `mark`, then `UNLABELLED`), both
    (time + 1, batch).
    """
    edge = texts.new_full((1, texts.shape[1]), mark)
    time = torch.arange(len(texts) + 1, device=texts.device).unsqueeze(1)
    told = torch.where(time < lengths, torch.cat([texts, edge]), UNLABELLED)
    return torch.cat([edge, texts]), torch.where(time == lengths, mark, told)


def nats_of(scores: Tensor, told: Tensor) -> Tensor:
    """Return −ln p of each symbol, (time, batch), and 0 past the ends.

    Args:
        scores: (time, batch, symbols), in float32 or bfloat16.
        told: (time, batch) the true symbols, and `UNLABELLED` past the ends.
    """
    flat = scores.flatten(0, 1)
    flat = flat.float() if flat.dtype == torch.bfloat16 else flat
    return functional.cross_entropy(flat, told.flatten(), ignore_index=UNLABELLED, reduction="none").view_as(told)
