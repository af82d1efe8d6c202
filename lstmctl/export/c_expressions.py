"""Expressions in C of single elements of a graph's values."""

from __future__ import annotations

from collections.abc import Sequence

from lstmctl.export.c_helpers import HELPERS
from lstmctl.export.c_text import TYPES, double, literal
from lstmctl.export.graph import Function, Operation, Shape, Value

OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


class Elements:
    """Reads elements of the values of a function; those of `inlined` operations are computed where they are read."""

    def __init__(self, function: Function) -> None:
        self.scalars = {one.value.name for one in function.inputs.values() if not one.value.shape}
        self.inlined: dict[str, Operation] = {}

    def whole(self, value: Value) -> str:
        """Return an expression of a whole number."""
        return self.read(value, []) if value.number is None else str(int(value.number))

    def at(self, value: Value, index: Sequence[str]) -> str:
        """Return an element of a stored array."""
        return f"{value.name}[{flat(value.shape, index)}]"

    def read(self, value: Value, index: Sequence[str], *, is_double: bool = False) -> str:
        """Return an expression of one element; the index may have more axes, or longer ones, than the value. A number
        is a float or a double."""
        if value.number is not None:
            return double(value.number) if is_double else literal(value.number)
        index = index[len(index) - len(value.shape) :]
        own = ["0" if length == 1 else at for length, at in zip(value.shape, index, strict=True)]
        if value.name in self.inlined:
            return self.computed(self.inlined[value.name], own)
        if value.name in self.scalars:
            return value.name
        return self.at(value, own)

    def computed(self, one: Operation, index: list[str]) -> str:
        """Return an expression of one element of an operation's result."""
        x, options = one.inputs[0], one.options
        is_double = one.outputs[0].type == "float64"
        match one.kind:
            case "slice":
                start = options["start"]
                shift = f"time - {-start}" if start < 0 else start
                moved = [
                    (f"({at} + {shift})" if start < 0 else plus(at, start)) if axis == options["axis"] else at
                    for axis, at in enumerate(index)
                ]
                return self.read(x, moved)
            case "reverse":
                return self.read(x, [*index[:-1], f"({(x.shape[-1] or 0) - 1} - {index[-1]})"])
            case "transpose":
                place = dict(zip(options["order"], index, strict=True))
                return self.read(x, [place[axis] for axis in range(len(index))])
            case "unary":
                return _unary(options["function"], self.read(x, index), is_double)
            case "binary":
                a, b = (self.read(value, index, is_double=is_double) for value in one.inputs)
                name = options["function"]
                if name in OPERATORS:
                    return f"({a} {OPERATORS[name]} {b})"
                if name in ("less", "equal"):
                    return f"({a} {'<' if name == 'less' else '=='} {b} ? 1.0f : 0.0f)"
                return f"f{name}{'' if is_double else 'f'}({a}, {b})"
            case "where":
                condition, a, b = (self.read(value, index, is_double=is_double) for value in one.inputs)
                return f"({condition} != 0 ? {a} : {b})"
            case "cast":
                return f"({TYPES[one.outputs[0].type]})({self.read(x, index)})"
        raise AssertionError(one.kind)


def _unary(name: str, x: str, is_double: bool) -> str:
    if name == "isnan":
        return f"(isnan({x}) ? 1.0f : 0.0f)"
    if name in HELPERS:
        assert not is_double or name == "square", name
        return f"({x} * {x})" if is_double else f"{name}({x})"
    name = "fabs" if name == "abs" else name
    return f"{name}{'' if is_double else 'f'}({x})"


def flat(shape: Shape, index: Sequence[str]) -> str:
    """Return the position of an element in an array."""
    terms, stride = [], 1
    for length, at in reversed(list(zip(shape, index, strict=True))):
        if at != "0":
            terms.append(at if stride == 1 else f"{at} * {stride}")
        stride *= length or 0
    return " + ".join(reversed(terms)) or "0"


def plus(at: str, start: int) -> str:
    """Return a position plus an offset."""
    if not start:
        return at
    return f"({at} + {start})" if at != "0" else str(start)
