"""Weights laid out for the products that a step makes: of few rows, again and again with the same matrix.

A product of torch's lays its matrix out anew at every call, which for a single row costs as much as the product itself.
Here oneDNN does it once. These are operations that torch keeps for its own compiler, so nothing is taken for granted:
where they are missing, `available` says so and the step multiplies as everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor


class PackedLinear:
    """W x + b for a W and b that stay as they are.

    Args:
        weight: W, (outputs, inputs), on a CPU.
        bias: b, (outputs,).
        rows: of the inputs to come; others work as well, more slowly.
        precision: of the product, float32 or bfloat16; what goes in and comes out is float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor, rows: int, precision: torch.dtype) -> None:
        self.precision = precision
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(precision).contiguous(), rows)
        self.bias = bias.detach().to(precision)
        self._product = torch.ops.mkldnn._linear_pointwise.default

    def __call__(self, input: Tensor) -> Tensor:  # (rows, inputs) -> (rows, outputs)
        product: Tensor = self._product(input.to(self.precision), self.weight, self.bias, "none", [], "")
        return product.float()


class Lookup:
    """W x + b where x is one of a few vectors, given by its number: the product with each is made once.

    Args:
        weight: W, (outputs, inputs).
        bias: b, (outputs,).
        vectors: all x, (count, inputs).
    """

    def __init__(self, weight: Tensor, bias: Tensor, vectors: Tensor) -> None:
        self.table = torch.nn.functional.linear(vectors, weight, bias).detach()

    def __call__(self, numbers: Tensor) -> Tensor:  # (rows,) -> (rows, outputs)
        return self.table.index_select(0, numbers)


def available(weight: Tensor) -> bool:
    """Whether a weight can be packed: on a CPU, in float32, by a torch that has what it takes."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
