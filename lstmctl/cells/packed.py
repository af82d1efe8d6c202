"""Packed weights for the products of a single step: few rows, and the same matrix every time.

Torch reorders the matrix at every call, which for a single row costs as much as the product itself. Here oneDNN (or
fbgemm, for 8 bits) does it once. These operations are internal to torch's compiler and may be missing, so `available`
checks for them and steps fall back to ordinary products.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

SMALL = 2**17
"""Number of weights up to which an ordinary single-row product takes less time than oneDNN's call overhead."""

Product = Callable[[Tensor], Tensor]
"""(rows, inputs) to (rows, outputs), both float32."""


class PackedLinear:
    """W x + b for constant W and b.

    Args:
        weight: W, (outputs, inputs), on a CPU.
        bias: b, (outputs,).
        rows: expected number of input rows; other numbers work too, but more slowly.
        precision: of the product, float32 or bfloat16; input and output are float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor, rows: int, precision: torch.dtype) -> None:
        self.precision = precision
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(precision).contiguous(), rows)
        self.bias = bias.detach().to(precision, copy=True)
        self._product = torch.ops.mkldnn._linear_pointwise.default

    def __call__(self, input: Tensor) -> Tensor:  # (rows, inputs) -> (rows, outputs)
        product: Tensor = self._product(input.to(self.precision), self.weight, self.bias, "none", [], "")
        return product.float()


class QuantisedLinear:
    """W x + b in 8 bits, with one scale per output for the weights and one per call for the inputs.

    W takes a quarter of float32's memory, and reading it is most of the work of a step. Inputs are rounded to 7 bits:
    without AVX512-VNNI, the sum of two 8-bit products overflows.

    Args:
        weight: W, (outputs, inputs), on a CPU.
        bias: b, (outputs,), which stays in float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        weight = weight.detach()
        scales = weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / 127
        rounded = (weight / scales.unsqueeze(1)).round().to(torch.int8)
        with warnings.catch_warnings():  # quantised tensors are deprecated, but the kernel accepts nothing else
            warnings.simplefilter("ignore")
            zeros = torch.zeros(len(weight), dtype=torch.long)
            quantised = torch._make_per_channel_quantized_tensor(rounded, scales, zeros, 0)
        self.weight = torch.ops.quantized.linear_prepack(quantised, bias.detach().clone())
        self._product = torch.ops.quantized.linear_dynamic.default
        self._seven_bits = torch.backends.quantized.engine != "qnnpack"  # qnnpack uses 8 bits and warns if asked for 7

    def __call__(self, input: Tensor) -> Tensor:  # (rows, inputs) -> (rows, outputs)
        product: Tensor = self._product(input, self.weight, self._seven_bits)
        return product


def packed_linear(weight: Tensor, bias: Tensor, rows: int, precision: torch.dtype) -> Product:
    """Return the fastest product W x + b for a precision that `has_kernels`: float32, bfloat16 or int8.

    Args:
        weight: W, (outputs, inputs), float32 and on a CPU.
        bias: b, (outputs,).
        rows: expected number of input rows.
        precision: of the product; input and output are float32.
    """
    if precision == torch.int8:
        return QuantisedLinear(weight, bias)
    if precision == torch.float32 and rows == 1 and weight.numel() <= SMALL:
        kept, offset = weight.detach().clone(), bias.detach().clone()
        return lambda input: functional.linear(input, kept, offset)
    return PackedLinear(weight, bias, rows, precision)


class Lookup:
    """W x + b for x from a small set of vectors, given by index: the products are computed once.

    Args:
        weight: W, (outputs, inputs).
        bias: b, (outputs,).
        vectors: all x, (count, inputs).
    """

    def __init__(self, weight: Tensor, bias: Tensor, vectors: Tensor) -> None:
        self.table = torch.nn.functional.linear(vectors, weight, bias).detach()

    def __call__(self, numbers: Tensor) -> Tensor:  # (rows,) -> (rows, outputs)
        return self.table.index_select(0, numbers)


def sum_with_product(weight: Tensor, rows: int) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """Return a function `(sum, input, out)` that computes sum + input · weightᵀ, for many inputs (rows, inputs) and one
    weight (outputs, inputs).

    The result may be in `out` (which may be `sum` itself) or in new memory: use the return value.
    """
    if weight.device.type != "cpu" or not has_kernels(weight.dtype):
        columns = weight.t()
        return lambda sum, input, out: torch.addmm(sum, input, columns, out=out)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    operation = torch.ops.mkldnn._linear_pointwise.binary
    return lambda sum, input, out: operation(input, sum, packed, None, "add")


@cache
def has_kernels(precision: torch.dtype) -> bool:
    """Return True if torch has packed products for this processor, determined by a trial."""
    try:
        if precision == torch.int8:
            halves = torch.full((16, 16), 0.5)
            return bool((QuantisedLinear(halves, halves[0])(halves[:2]) - 4.5).abs().max() < 0.1)
        ones = torch.ones(16, 16, dtype=precision)
        packed = torch.ops.mkldnn._reorder_linear_weight(ones, 2)
        product = torch.ops.mkldnn._linear_pointwise.default(ones[:2], packed, ones[0], "none", [], "")
        total = torch.ops.mkldnn._linear_pointwise.binary(ones[:2], product, packed, None, "add")
    except (AttributeError, RuntimeError):  # torch lacks these operations, or the processor lacks the kernel
        return False
    return bool((total == 33).all())


def available(weight: Tensor, precision: torch.dtype = torch.float32) -> bool:
    """Return True if a weight can be packed for a precision: it must be float32, on a CPU that has the kernels."""
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and has_kernels(precision)
