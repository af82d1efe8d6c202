"""Weights laid out for the products that a step makes: of few rows, again and again with the same matrix.

A product of torch's lays its matrix out anew at every call, which for a single row costs as much as the product itself.
Here oneDNN does it once, or fbgemm for 8 bits. These are operations that torch keeps for its own compiler, so nothing
is taken for granted: where they are missing, `available` says so and the step multiplies as everywhere.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

SMALL = 2**17
"""Weights, of which a single row's plain product takes less time than oneDNN needs to begin one."""

Product = Callable[[Tensor], Tensor]
"""(rows, inputs) to (rows, outputs), float32 both."""


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
        self.bias = bias.detach().to(precision, copy=True)
        self._product = torch.ops.mkldnn._linear_pointwise.default

    def __call__(self, input: Tensor) -> Tensor:  # (rows, inputs) -> (rows, outputs)
        product: Tensor = self._product(input.to(self.precision), self.weight, self.bias, "none", [], "")
        return product.float()


class QuantisedLinear:
    """W x + b in 8 bits, with one scale per output for the weights and one per call for the inputs.

    W takes a quarter of float32's memory, and reading it is most of what a step does. Inputs are rounded to 7 bits:
    without AVX512-VNNI, the sums of two products of 8 bits overflow.

    Args:
        weight: W, (outputs, inputs), on a CPU.
        bias: b, (outputs,), which stays in float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        weight = weight.detach()
        scales = weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / 127
        rounded = (weight / scales.unsqueeze(1)).round().to(torch.int8)
        with warnings.catch_warnings():  # tensors of this type are deprecated, but the kernel takes no other
            warnings.simplefilter("ignore")
            zeros = torch.zeros(len(weight), dtype=torch.long)
            quantised = torch._make_per_channel_quantized_tensor(rounded, scales, zeros, 0)
        self.weight = torch.ops.quantized.linear_prepack(quantised, bias.detach().clone())
        self._product = torch.ops.quantized.linear_dynamic.default
        self._seven_bits = torch.backends.quantized.engine != "qnnpack"  # which has 8, and warns when asked for 7

    def __call__(self, input: Tensor) -> Tensor:  # (rows, inputs) -> (rows, outputs)
        product: Tensor = self._product(input, self.weight, self._seven_bits)
        return product


def packed_linear(weight: Tensor, bias: Tensor, rows: int, precision: torch.dtype) -> Product:
    """Return the fastest product W x + b for a precision that `has_kernels`: float32, bfloat16 or int8.

    Args:
        weight: W, (outputs, inputs), float32 and on a CPU.
        bias: b, (outputs,).
        rows: of the inputs to come.
        precision: of the product; what goes in and comes out is float32.
    """
    if precision == torch.int8:
        return QuantisedLinear(weight, bias)
    if precision == torch.float32 and rows == 1 and weight.numel() <= SMALL:
        kept, offset = weight.detach().clone(), bias.detach().clone()
        return lambda input: functional.linear(input, kept, offset)
    return PackedLinear(weight, bias, rows, precision)


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


def sum_with_product(weight: Tensor, rows: int) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """`(sum, input, out)` to sum + input · weightᵀ, for many inputs (rows, inputs) and one weight (outputs, inputs).

    The sum may be put into `out`, which may be `sum` itself, or into memory of its own: look at what is returned.
    """
    if weight.device.type != "cpu" or not has_kernels(weight.dtype):
        columns = weight.t()
        return lambda sum, input, out: torch.addmm(sum, input, columns, out=out)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    operation = torch.ops.mkldnn._linear_pointwise.binary
    return lambda sum, input, out: operation(input, sum, packed, None, "add")


@cache
def has_kernels(precision: torch.dtype) -> bool:
    """Whether torch has products with packed weights for this processor, which only a trial can say."""
    try:
        if precision == torch.int8:
            halves = torch.full((16, 16), 0.5)
            return bool((QuantisedLinear(halves, halves[0])(halves[:2]) - 4.5).abs().max() < 0.1)
        ones = torch.ones(16, 16, dtype=precision)
        packed = torch.ops.mkldnn._reorder_linear_weight(ones, 2)
        product = torch.ops.mkldnn._linear_pointwise.default(ones[:2], packed, ones[0], "none", [], "")
        total = torch.ops.mkldnn._linear_pointwise.binary(ones[:2], product, packed, None, "add")
    except (AttributeError, RuntimeError):  # a torch without these operations, or a processor without the kernel
        return False
    return bool((total == 33).all())


def available(weight: Tensor, precision: torch.dtype = torch.float32) -> bool:
    """Whether a weight can be packed for products in a precision: in float32, on a CPU that has the kernels."""
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and has_kernels(precision)
