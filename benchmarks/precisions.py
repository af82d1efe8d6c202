"""The precisions that a benchmark can measure on a device."""

from __future__ import annotations

import torch
from torch import nn

from lstmctl.training.precision import computes_bfloat16, lacks_bfloat16


def precisions(device: torch.device) -> list[str]:
    """float32 and, where torch has kernels for an LSTM in it, bfloat16; a line says why it is left out."""
    layer, input = nn.LSTM(8, 8).to(device), torch.zeros(2, 1, 8, device=device)
    if computes_bfloat16(device, lambda: layer(input)[0].sum().backward()):
        return ["float32", "bfloat16"]
    print(f"Without bfloat16: {lacks_bfloat16(device)}.\n")
    return ["float32"]
