"""Modules of torch as parts of a graph."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lstmctl.export.graph import Body, Value

ERROR_FUNCTION = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
"""Coefficients of a polynomial in 1 / (1 + 0.3275911 x), right to 1.5e-7 (Abramowitz & Stegun 1964, 7.1.26)."""


def numbers(tensor: Tensor) -> NDArray[Any]:
    """Return a weight as an array."""
    array: NDArray[Any] = tensor.detach().float().cpu().contiguous().numpy()
    return array


def linear(body: Body, layer: nn.Linear, x: Value, name: str, output: str = "") -> Value:
    """Apply a linear layer, whose weights are named `W_name` and `b_name`."""
    bias = body.weight(f"b_{name}", numbers(layer.bias)) if layer.bias is not None else None
    return body.linear(x, body.weight(f"W_{name}", numbers(layer.weight)), bias, output)


def embedding(body: Body, table: nn.Embedding, index: Value, name: str, *, unknown: bool = False) -> Value:
    """Look up embeddings; with `unknown`, one more row is their mean."""
    weight = table.weight.detach()
    if unknown:
        weight = torch.cat([weight, weight.mean(0, keepdim=True)])
    return body.lookup(body.weight(f"embedding_{name}", numbers(weight)), index)


def normed(body: Body, x: Value, eps: float) -> Value:
    """Return x with mean 0 and variance 1 over the last axis."""
    centred = x - body.reduce("mean", x, -1)
    variance = body.reduce("mean", body.unary("square", centred), -1)
    return centred / body.unary("sqrt", variance + eps)


def layer_norm(body: Body, layer: nn.LayerNorm, x: Value, name: str, output: str = "") -> Value:
    """Apply a layer norm, whose weights are named `norm_scale_name` and `norm_shift_name`."""
    scale = body.weight(f"norm_scale_{name}", numbers(layer.weight))
    shift = body.weight(f"norm_shift_{name}", numbers(layer.bias))
    return body.binary("add", normed(body, x, layer.eps) * scale, shift, output)


def gelu(body: Body, x: Value) -> Value:
    """Return x Φ(x), with Φ the normal distribution function."""
    size = body.unary("abs", x) * 0.5**0.5
    share = 1.0 / (size * 0.3275911 + 1.0)
    total = share * ERROR_FUNCTION[-1]
    for coefficient in ERROR_FUNCTION[-2::-1]:
        total = (total + coefficient) * share
    error = 1.0 - total * body.unary("exp", -body.unary("square", size))
    signed = body.where(body.binary("less", x, 0.0), -error, error)
    return x * 0.5 * (signed + 1.0)
