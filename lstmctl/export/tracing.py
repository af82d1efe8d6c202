"""The equations of a cell, from its own `step`.

`Cell.step` is called once with stand-ins for tensors that write down each operation, so a user's own cell is exported
like the bundled ones, as long as it uses the operations below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lstmctl.cells.cell import Cell
from lstmctl.errors import UsageError
from lstmctl.export.graph import Body, Value
from lstmctl.export.modules import gelu, normed, numbers

FUSED = {
    "kernel.weight_ih_l0": "W",
    "kernel.bias_ih_l0": "b",
    "kernel.weight_hh_l0": "U",
    "kernel.bias_hh_l0": "b_recurrent",
}
"""Weights of the bundled cells by their names in the equations."""
UNARY = {"sigmoid", "tanh", "relu", "exp", "log", "sqrt", "sin", "cos", "abs", "softplus", "square"}
UNCHANGED = ("detach", "to", "float", "contiguous", "clone", "expand_as", "type_as")
LOWEST = 1e30
"""Stands for an infinity, which tables of weights and JSON lack; its exponential is 0, or infinite, all the same."""
BINARY = {
    **{"add": "add", "sub": "sub", "subtract": "sub", "mul": "mul", "multiply": "mul", "div": "div"},
    **{"true_divide": "div", "maximum": "max", "minimum": "min"},
}


class NotExportableError(UsageError):
    """A part of a run that has no counterpart in an export."""


def traced_step(
    cell: Cell, body: Body, x: Value, state: list[Value], suffix: str
) -> tuple[Value, list[Value], dict[str, Value]]:
    """Write the equations of a cell into a function.

    Args:
        cell: with its weights.
        body: the function.
        x: the input (…, inputs).
        state: the previous state, (…, hidden) for each of the cell's.
        suffix: for the names of weights, gates and states, such as `_1`.

    Returns:
        The output, the new state, and every gate by its name.

    Raises:
        NotExportableError: the cell uses an operation that exports do not have.
    """
    names = {id(parameter): name for name, parameter in [*cell.named_parameters(), *cell.named_buffers()]}
    trace = _Trace(cell, body, names, suffix)
    with torch.no_grad():
        step = cell.step(_as_tensor(cell.project(_as_tensor(_Traced(trace, x)))), _as_state(trace, state))
    output, after = trace.value(step.output), [trace.value(part) for part in step.state]
    gates = {name: trace.value(gate) for name, gate in step.gates.items()}
    return output, after, gates


def _as_tensor(traced: Any) -> Tensor:
    """A stand-in has no `Tensor` in its bases; the cell does not notice."""
    tensor: Tensor = traced
    return tensor


def _as_state(trace: _Trace, state: list[Value]) -> tuple[Tensor, ...]:
    return tuple(_as_tensor(_Traced(trace, part)) for part in state)


class _Trace:
    def __init__(self, cell: nn.Module, body: Body, names: Mapping[int, str], suffix: str) -> None:
        self.cell, self.body, self.names, self.suffix = cell, body, names, suffix
        self.constants = 0

    def value(self, operand: Any, *, transposed: bool = False) -> Value:
        """Return a stand-in's value, a weight, or a number."""
        if isinstance(operand, _Traced):
            return operand.value
        if isinstance(operand, Tensor) and operand.dim() == 0:
            operand = float(operand)
        if isinstance(operand, int | float):
            return self.body.number(min(max(operand, -LOWEST), LOWEST))
        if isinstance(operand, Tensor):
            name = self.names.get(id(operand))
            if name is None:  # a view of a weight, or computed from weights alone
                self.constants += 1
                name = f"constant{self.constants}"
            array = numbers(operand.t() if transposed else operand)
            name = FUSED.get(name, name.replace(".", "_")) + ("_transposed" if transposed else "")
            return self.body.weight(f"{name}{self.suffix}", array)
        raise self.refuse(f"a value of type {type(operand).__name__}")

    def refuse(self, what: str) -> NotExportableError:
        return NotExportableError(
            f"the cell {type(self.cell).__name__} cannot be exported: its step uses {what}, which exports do not have",
            hint=f"a step may use +, −, ×, ÷, linear, chunk, cat, where, {', '.join(sorted(UNARY))}",
        )

    def call(self, name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Write down one operation of torch."""
        body, value = self.body, self.value
        if name in UNARY and len(args) == 1:
            return self._made(body.unary(name, value(args[0])))
        if name in BINARY and len(args) == 2 and not options:
            return self._made(body.binary(BINARY[name], value(args[0]), value(args[1])))
        if name in UNCHANGED:
            return self._made(value(args[0]))
        match name:
            case "eq" | "lt":
                return self._made(body.binary("equal" if name == "eq" else "less", value(args[0]), value(args[1])))
            case "gt":
                return self._made(body.binary("less", value(args[1]), value(args[0])))
            case "ge" | "le":
                first, second = (args[0], args[1]) if name == "ge" else (args[1], args[0])
                return self._made(1.0 - body.binary("less", value(first), value(second)))
            case "masked_fill":
                return self._made(body.where(value(args[1]), value(args[2]), value(args[0])))
            case "clamp":
                low, high = [*args[1:], options.get("min"), options.get("max")][:2]
                found = value(args[0])
                found = found if low is None else body.binary("max", found, value(low))
                return self._made(found if high is None else body.binary("min", found, value(high)))
            case "logsigmoid" | "log_sigmoid":
                return self._made(-body.unary("softplus", -value(args[0])))
            case "gelu" if not options:
                return self._made(gelu(body, value(args[0])))
            case "layer_norm":
                return self._made(self._layer_norm(*args, **options))
            case "rsub" if not options:
                return self._made(body.binary("sub", value(args[1]), value(args[0])))
            case "neg":
                return self._made(body.binary("mul", value(args[0]), -1.0))
            case "linear":
                weight, bias = [*args[1:], *options.values(), None][:2]
                given = None if bias is None else value(bias)
                return self._made(body.linear(value(args[0]), value(weight), given))
            case "matmul" | "mm" if isinstance(args[1], Tensor):
                return self._made(body.linear(value(args[0]), value(args[1], transposed=True)))
            case "addcmul" if not options:
                product = body.binary("mul", value(args[1]), value(args[2]))
                return self._made(body.binary("add", value(args[0]), product))
            case "lerp":
                start, end, share = map(value, args)
                return self._made(start + share * (end - start))
            case "where":
                condition, a, b = map(value, args)
                return self._made(body.where(condition, a, b))
            case "cat" if options.get("dim", args[1] if len(args) > 1 else 0) in (-1, 1):
                return self._made(body.concat([value(one) for one in args[0]]))
            case "expand_as":
                return self._made(value(args[0]))
            case "chunk" | "split":
                return self._parts(name, *args, **options)
        raise self.refuse(f"torch.{name}")

    def _layer_norm(self, x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Value:
        body, found = self.body, self.value(x)
        if tuple(shape) != found.shape[-1:]:
            raise self.refuse("layer_norm over several axes")
        found = normed(body, found, eps)
        if weight is not None:
            found = body.binary("mul", found, self.value(weight))
        return found if bias is None else body.binary("add", found, self.value(bias))

    def _parts(self, name: str, x: Any, size: Any, dim: int = 0) -> tuple[Any, ...]:
        if dim not in (-1, 1):
            raise self.refuse(f"torch.{name} along axis {dim}")
        value = self.value(x)
        self.body.rename(value, f"sums{self.suffix}")
        width = value.shape[-1] or 0
        if name == "chunk":
            size = -(-width // size)
        sizes = [min(size, width - start) for start in range(0, width, size)] if isinstance(size, int) else list(size)
        starts = [sum(sizes[:place]) for place in range(len(sizes))]
        return tuple(
            self._made(self.body.slice(value, start, start + length))
            for start, length in zip(starts, sizes, strict=True)
        )

    def _made(self, value: Value) -> _Traced:
        return _Traced(self, value)


class _Traced:
    """Stands for a tensor (batch, features)."""

    def __init__(self, trace: _Trace, value: Value) -> None:
        self.trace, self.value = trace, value

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        found = next(_traces(args))
        return found.call(function.__name__.strip("_"), args, options or {})

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **options: self.trace.call(name, (self, *args), options)

    def __add__(self, other: Any) -> Any:
        return self.trace.call("add", (self, other), {})

    def __sub__(self, other: Any) -> Any:
        return self.trace.call("sub", (self, other), {})

    def __mul__(self, other: Any) -> Any:
        return self.trace.call("mul", (self, other), {})

    def __truediv__(self, other: Any) -> Any:
        return self.trace.call("div", (self, other), {})

    def __matmul__(self, other: Any) -> Any:
        return self.trace.call("matmul", (self, other), {})

    def __radd__(self, other: Any) -> Any:
        return self.trace.call("add", (other, self), {})

    def __rsub__(self, other: Any) -> Any:
        return self.trace.call("sub", (other, self), {})

    def __rmul__(self, other: Any) -> Any:
        return self.trace.call("mul", (other, self), {})

    def __neg__(self) -> Any:
        return self.trace.call("neg", (self,), {})

    def __pow__(self, power: Any) -> Any:
        if power != 2:
            raise self.trace.refuse(f"a power of {power}")
        return self.trace.call("square", (self,), {})

    def __eq__(self, other: object) -> Any:
        return self.trace.call("eq", (self, other), {})

    def __lt__(self, other: Any) -> Any:
        return self.trace.call("lt", (self, other), {})

    def __gt__(self, other: Any) -> Any:
        return self.trace.call("gt", (self, other), {})

    def __le__(self, other: Any) -> Any:
        return self.trace.call("le", (self, other), {})

    def __ge__(self, other: Any) -> Any:
        return self.trace.call("ge", (self, other), {})

    def __hash__(self) -> int:
        return id(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape without the batch: only the last axis is known."""
        return tuple(length or 0 for length in self.value.shape)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    def __bool__(self) -> bool:
        raise self.trace.refuse("a condition on values")


def _traces(args: Any) -> Any:
    for one in args:
        if isinstance(one, _Traced):
            yield one.trace
        elif isinstance(one, list | tuple):
            yield from _traces(one)
