"""A predictor as a graph: a few typed operations on arrays, in functions, over named weights.

A task describes its predictor once in these terms; a target (NumPy, C, JavaScript, ONNX) translates them and knows no
tasks. A function has no side effects. Its values have fixed shapes, except for a first axis of any number of time steps
(`None`). Elementwise operations broadcast as in NumPy. A state that is carried from call to call is an input and an
output of the same name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int | None, ...]
Type = Literal["float32", "float64", "index"]
Kind = Literal[
    "linear",
    "lookup",
    "unary",
    "binary",
    "where",
    "slice",
    "reverse",
    "reshape",
    "transpose",
    "concat",
    "reduce",
    "softmax",
    "cast",
    "scan",
    "successor",
    "smoothed",
]
ELEMENTWISE = ("unary", "binary", "where", "cast")
UNARY = ("sigmoid", "tanh", "relu", "exp", "log", "sqrt", "sin", "cos", "abs", "floor", "softplus", "isnan", "square")
BINARY = ("add", "sub", "mul", "div", "max", "min", "less", "equal")
"""`less` and `equal` are 1 where they hold, else 0."""
REDUCTIONS = ("sum", "mean", "max")
NEUTRAL = {"add": 0.0, "sub": 0.0, "mul": 1.0, "div": 1.0}
"""The right operands that leave the left one unchanged."""


@dataclass(eq=False)
class Value:
    """A result, an input or a weight; or a number, which has no name."""

    name: str
    shape: Shape
    type: Type
    body: Body = field(repr=False)
    number: float | None = None
    is_weight: bool = False

    def __add__(self, other: Operand) -> Value:
        return self.body.binary("add", self, other)

    def __radd__(self, other: float) -> Value:
        return self.body.binary("add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self.body.binary("sub", self, other)

    def __rsub__(self, other: float) -> Value:
        return self.body.binary("sub", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self.body.binary("mul", self, other)

    def __rmul__(self, other: float) -> Value:
        return self.body.binary("mul", other, self)

    def __rtruediv__(self, other: float) -> Value:
        return self.body.binary("div", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self.body.binary("div", self, other)

    def __neg__(self) -> Value:
        return self.body.binary("mul", self, -1.0)


Operand = Value | float


@dataclass(frozen=True)
class Operation:
    """One step of a function."""

    kind: Kind
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    options: Mapping[str, Any]
    """Arguments by kind: the `function` of an elementwise operation, a reduction or a scan; `axis`, `start` and `stop`
    of a slice; the `axis` of a concatenation; the `order` of a transposition; for a scan, the number of `sequences`,
    the number of `carried` states, and whether it runs `backwards`."""


@dataclass(frozen=True)
class Argument:
    """An input of a function."""

    value: Value
    meaning: str
    vocabulary: str | None = None
    """The vocabulary whose numbers it holds."""
    initial: NDArray[np.float32] | None = None
    """The first value of a carried state."""
    framing: tuple[int, int, int] | None = None
    """For sections of a signal: their length, the distance between two, and the number of samples by which the first
    begins before the signal, which is 0 beyond its ends."""


@dataclass(frozen=True)
class Result:
    """An output of a function."""

    value: Value
    meaning: str
    vocabulary: str | None = None
    """The vocabulary whose entries its last axis scores."""


@dataclass(frozen=True)
class Function:
    """A function of a predictor, by its operations in order."""

    name: str
    meaning: str
    inputs: Mapping[str, Argument]
    outputs: Mapping[str, Result]
    operations: tuple[Operation, ...]
    shown: Mapping[str, str]
    """Names of values that are worth watching, such as gates, to the names they are shown under (`f_1`)."""

    @property
    def carried(self) -> tuple[str, ...]:
        """Names of the states: inputs that are outputs too."""
        return tuple(name for name in self.inputs if name in self.outputs)

    @property
    def called(self) -> tuple[str, ...]:
        """Names of the functions that it scans with."""
        return tuple(dict.fromkeys(one.options["function"] for one in self.operations if one.kind == "scan"))

    def uses(self) -> dict[str, int]:
        """Return how often each value is used."""
        found: dict[str, int] = {}
        used = [value for one in self.operations for value in one.inputs]
        for value in [*used, *(result.value for result in self.outputs.values())]:
            found[value.name] = found.get(value.name, 0) + 1
        return found


@dataclass(frozen=True)
class Vocabulary:
    """The meanings of numbers: symbols of a text, or labels."""

    kind: Literal["characters", "bytes", "labels"]
    entries: tuple[str, ...]
    unknown: int | None = None
    """The number of all other symbols; None if there is none."""
    start: int | None = None
    """The symbol that begins a text."""
    end: int | None = None
    """The symbol that ends a text."""
    never: int | None = None
    """A symbol that is read, but never written."""


@dataclass(frozen=True)
class Predictor:
    """All functions of a predictor, with the weights that they share."""

    functions: Mapping[str, Function]
    """By name, each after the functions that it scans with."""
    weights: Mapping[str, NDArray[Any]]
    vocabularies: Mapping[str, Vocabulary]
    facts: Mapping[str, Any]
    """For people: the run, its task, its cell, columns and units."""
    entries: tuple[str, ...]
    """The functions that users call; the others are parts of them."""
    example: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Inputs of one call of the first entry, without carried states."""
    exact: frozenset[str] = frozenset()
    """Weights that are not learned, and stay in full precision."""
    most_steps: int = 0
    """The largest number of time steps of a sequence that the run knows."""

    @property
    def parameters(self) -> int:
        """The number of weights, without the counts of n-grams."""
        return sum(array.size for array in self.weights.values() if array.dtype.kind == "f")

    @property
    def entry(self) -> Function:
        """The first function that users call."""
        return self.functions[self.entries[0]]

    @property
    def writer(self) -> tuple[Function, Argument] | None:
        """The function that scores the next symbol, with its input of symbols, so that a choice can be fed back."""
        for name in self.entries:
            function = self.functions[name]
            scored = next(iter(function.outputs.values())).vocabulary
            for argument in function.inputs.values():
                if scored is not None and argument.vocabulary == scored:
                    return function, argument
        return None

    def given(self, function: Function) -> tuple[str, ...]:
        """Return the names of the inputs that no function returns."""
        returned = {name for entry in self.entries for name in self.functions[entry].outputs}
        return tuple(name for name in function.inputs if name not in returned)

    @property
    def states(self) -> dict[str, Argument]:
        """All carried states of the functions that users call."""
        functions = [self.functions[name] for name in self.entries]
        return {name: function.inputs[name] for function in functions for name in function.carried}


class Body:
    """A function while it is being written: each method adds an operation and returns its result.

    Args:
        name, meaning: of the function.
        weights: the predictor's; new ones are added.
    """

    def __init__(self, name: str, meaning: str, weights: dict[str, NDArray[Any]]) -> None:
        self.name, self.meaning, self.weights = name, meaning, weights
        self._inputs: dict[str, Argument] = {}
        self._outputs: dict[str, Result] = {}
        self._operations: list[Operation] = []
        self._shown: dict[str, str] = {}
        self._names = set[str]()
        self._known: dict[Any, Value] = {}
        """Results by the operations that compute them."""

    # Inputs, weights, outputs.

    def input(
        self,
        name: str,
        shape: Shape,
        meaning: str,
        *,
        type: Type = "float32",
        vocabulary: str | None = None,
        initial: NDArray[np.float32] | None = None,
        framing: tuple[int, int, int] | None = None,
    ) -> Value:
        value = Value(self._new(name), shape, type, self)
        self._inputs[name] = Argument(value, meaning, vocabulary, initial, framing)
        return value

    def weight(self, name: str, array: NDArray[Any]) -> Value:
        """Return a weight, which is stored once for all functions."""
        known = self.weights.setdefault(name, array)
        assert known is array or np.array_equal(known, array), f"two weights are named {name}"
        type: Type = "index" if array.dtype.kind in "iu" else "float64" if array.dtype == np.float64 else "float32"
        return Value(name, array.shape, type, self, is_weight=True)

    def output(self, name: str, value: Value, meaning: str, vocabulary: str | None = None) -> None:
        self._outputs[name] = Result(value, meaning, vocabulary)

    def rename(self, value: Value, name: str) -> None:
        """Name a result that has no name yet."""
        if is_temporary(value.name) and not value.is_weight:
            self._names.discard(value.name)
            value.name = self._new(name)

    def show(self, value: Value, name: str, shown_as: str = "") -> None:
        """Mark a result as worth watching, and name it."""
        if not value.is_weight and value.name not in self._shown and value.name not in self._inputs:
            self.rename(value, name)
            self._shown[value.name] = shown_as or name

    def function(self) -> Function:
        """Return the function, without unused operations."""
        needed, kept = {result.value.name for result in self._outputs.values()}, []
        for one in reversed(self._operations):
            if any(value.name in needed for value in one.outputs):
                needed |= {value.name for value in one.inputs}
                kept.append(one)
        shown = {name: told for name, told in self._shown.items() if name in needed}
        return Function(self.name, self.meaning, self._inputs, self._outputs, tuple(reversed(kept)), shown)

    # Operations.

    def linear(self, x: Value, weight: Value, bias: Value | None = None, name: str = "") -> Value:
        """Return W x + b over the last axis, for `weight` (outputs, inputs)."""
        assert x.shape[-1] == weight.shape[1], (x.shape, weight.shape)
        inputs = (x, weight) if bias is None else (x, weight, bias)
        return self._add("linear", inputs, (*x.shape[:-1], weight.shape[0]), x.type, name)

    def lookup(self, table: Value, index: Value, name: str = "") -> Value:
        """Return the rows of a table at the given numbers."""
        return self._add("lookup", (table, index), (*index.shape, *table.shape[1:]), table.type, name)

    def unary(self, function: str, x: Value, name: str = "") -> Value:
        assert function in UNARY, function
        return self._add("unary", (x,), x.shape, x.type, name, function=function)

    def binary(self, function: str, a: Operand, b: Operand, name: str = "") -> Value:
        assert function in BINARY, function
        left, right = (one if isinstance(one, Value) else self.number(one) for one in (a, b))
        if function in NEUTRAL and right.number == NEUTRAL[function] and not left.is_weight:
            return left
        shape = broadcast(left.shape, right.shape)
        return self._add("binary", (left, right), shape, _promoted([left, right]), name, function=function)

    def where(self, condition: Value, a: Operand, b: Operand, name: str = "") -> Value:
        """Return `a` where the condition is not 0, else `b`."""
        left, right = (one if isinstance(one, Value) else self.number(one) for one in (a, b))
        shape = broadcast(condition.shape, broadcast(left.shape, right.shape))
        return self._add("where", (condition, left, right), shape, _promoted([left, right]), name)

    def slice(self, x: Value, start: int, stop: int, axis: int = -1, name: str = "") -> Value:
        """Return x[start:stop] along an axis; if the axis has any number of steps, `start` and `stop` count from the
        end: start=-1 and stop=0 are the last step."""
        axis %= len(x.shape)
        shape = (*x.shape[:axis], stop - start, *x.shape[axis + 1 :])
        return self._add("slice", (x,), shape, x.type, name, axis=axis, start=start, stop=stop)

    def reverse(self, x: Value, name: str = "") -> Value:
        """Reverse the last axis."""
        return self._add("reverse", (x,), x.shape, x.type, name)

    def reshape(self, x: Value, shape: Shape, name: str = "") -> Value:
        return x if x.shape == shape else self._add("reshape", (x,), shape, x.type, name)

    def transpose(self, x: Value, order: Sequence[int], name: str = "") -> Value:
        if list(order) == sorted(order):
            return x
        return self._add("transpose", (x,), tuple(x.shape[axis] for axis in order), x.type, name, order=tuple(order))

    def concat(self, values: Sequence[Value], axis: int = -1, name: str = "") -> Value:
        """Join values along an axis; all other axes are broadcast."""
        if len(values) == 1:
            return values[0]
        axis %= len(values[0].shape)
        length = sum(value.shape[axis] or 0 for value in values)
        shape = (*values[0].shape[:axis], length, *values[0].shape[axis + 1 :])
        return self._add("concat", tuple(values), shape, _promoted(values), name, axis=axis)

    def reduce(self, function: str, x: Value, axis: int, name: str = "") -> Value:
        """Reduce an axis to one."""
        assert function in REDUCTIONS, function
        axis %= len(x.shape)
        shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        return self._add("reduce", (x,), shape, x.type, name, function=function, axis=axis)

    def softmax(self, x: Value, name: str = "") -> Value:
        """Softmax over the last axis."""
        return self._add("softmax", (x,), x.shape, x.type, name)

    def cast(self, x: Value, type: Type, name: str = "") -> Value:
        return x if x.type == type else self._add("cast", (x,), x.shape, type, name)

    def scan(
        self,
        function: Function,
        sequences: Sequence[Value],
        states: Sequence[Value],
        *,
        backwards: bool = False,
        constants: Sequence[Value] = (),
        name: str = "",
    ) -> tuple[list[Value], list[Value]]:
        """Apply a function along the first axis.

        Args:
            function: its inputs are a step of each sequence, the constants, then the carried states; its outputs are
                those to stack, then the states.
            sequences: (time, …) each.
            states: before the first step.
            backwards: begin with the last step; outputs keep their places.
            constants: the same for every step.
            name: of the outputs.

        Returns:
            The stacked outputs, and the states after the last step.
        """
        length = sequences[0].shape[0]
        results = list(function.outputs.values())
        stacked, carried = results[: len(results) - len(states)], results[len(results) - len(states) :]
        outputs = [Value(self._new(name or result.value.name), (length, *result.value.shape), result.value.type, self)
                   for result in stacked]  # fmt: skip
        after = [Value(self._new(f"{name or function.name}_{state.name}"), state.shape, state.type, self)
                 for state in (one.value for one in carried)]  # fmt: skip
        options = {
            "function": function.name,
            "carried": len(states),
            "sequences": len(sequences),
            "backwards": backwards,
        }
        inputs = (*sequences, *constants, *states)
        self._operations.append(Operation("scan", inputs, (*outputs, *after), options))
        return outputs, after

    def successor(self, starts: Value, symbols: Value, context: Operand, symbol: Value) -> Value:
        """Return the number of the n-gram of a context and the next symbol, or -1 if it was not counted; `starts` and
        `symbols` as in `baselines.text.GramCounts`."""
        context = context if isinstance(context, Value) else self.number(context)
        return self._add("successor", (starts, symbols, context, symbol), (), "index", "")

    def smoothed(
        self, lower: Value, starts: Value, symbols: Value, counts: Value, discounts: Value, context: Operand
    ) -> Value:
        """Return the probabilities of all symbols after a context (-1 if it was not counted), by discounted counts
        interpolated with `lower`, the probabilities after the shorter context (Kneser and Ney 1995), as
        `baselines.text.NGram` does."""
        context = context if isinstance(context, Value) else self.number(context)
        return self._add("smoothed", (lower, starts, symbols, counts, discounts, context), lower.shape, lower.type, "")

    def number(self, number: float) -> Value:
        return Value("", (), "float32", self, number=float(number))

    def _add(self, kind: Kind, inputs: tuple[Value, ...], shape: Shape, type: Type, name: str, **options: Any) -> Value:
        """Add an operation, unless it is there already."""
        operands = tuple(
            (one.name if one.is_weight else id(one)) if one.number is None else one.number for one in inputs
        )
        key = (kind, operands, shape, type, tuple(options.items()))
        if (known := self._known.get(key)) is not None and not name:
            return known
        value = Value(self._new(name), shape, type, self)
        self._operations.append(Operation(kind, inputs, (value,), options))
        self._known[key] = value
        return value

    def _new(self, name: str) -> str:
        """Return a name that is free; `t1`, `t2`, … for a value without one."""
        count, found = 1, name or "t1"
        while found in self._names or found in self.weights:
            count += 1
            found = f"{name}_{count}" if name else f"t{count}"
        self._names.add(found)
        return found


def broadcast(a: Shape, b: Shape) -> Shape:
    """Return the shape of two shapes together, as in NumPy."""
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    padded = (1,) * (len(longer) - len(shorter)) + shorter
    found = []
    for one, other in zip(longer, padded, strict=True):
        assert one == other or 1 in (one, other), (a, b)
        found.append(other if one == 1 else one)
    return tuple(found)


def size(shape: Shape) -> int:
    """Return the number of values of a shape without a free axis."""
    return math.prod(dimension or 0 for dimension in shape)


def is_temporary(name: str) -> bool:
    """Return True for a name that `Body` made up."""
    return name[:1] == "t" and name[1:].isdigit()


def _promoted(values: Sequence[Value]) -> Type:
    types = {value.type for value in values if value.number is None}
    return "float64" if "float64" in types or types == {"index"} else "float32"
