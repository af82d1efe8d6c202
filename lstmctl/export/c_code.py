"""Export to one C99 file without malloc, with weights as tables of float32 or int8; a header; and an example."""

from __future__ import annotations

import math
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.export.graph import (
    ELEMENTWISE,
    Argument,
    Function,
    Operation,
    Predictor,
    Shape,
    Value,
    Vocabulary,
    is_temporary,
    size,
)
from lstmctl.export.probes import Arrays, Call, Probe
from lstmctl.export.targets import Ran, Target, UnavailableError

COMPILERS = ("gcc", "clang", "cc")
FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic")
LARGE = 4096
"""Values of an array that is not put on the stack."""
LEVELS = 127
"""Of an int8 weight, on each side of 0."""
VIEWS = ("slice", "transpose", "reverse")
READS_ELEMENTS = (*ELEMENTWISE, *VIEWS, "reduce", "concat")
"""Kinds of operations that read their inputs element by element, so that these need not be stored."""
LOOPS = "ijklmn"
TYPES = {"float32": "float", "float64": "double", "index": "int32_t"}
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
HELPERS = {
    "linear": """\
static void linear(const float *x, const float *W, const float *b, float *y, int rows, int inputs, int outputs)
{
    for (int row = 0; row < rows; row++, x += inputs, y += outputs)
        for (int output = 0; output < outputs; output++) {
            const float *w = W + (size_t)output * (size_t)inputs;
            float sum = 0;
            for (int input = 0; input < inputs; input++)
                sum += w[input] * x[input];
            y[output] = b ? sum + b[output] : sum;
        }
}
""",
    "linear_int8": """\
static void linear_int8(const float *x, const int8_t *W, const float *scale, const float *b, float *y, int rows,
                        int inputs, int outputs)
{
    for (int row = 0; row < rows; row++, x += inputs, y += outputs)
        for (int output = 0; output < outputs; output++) {
            const int8_t *w = W + (size_t)output * (size_t)inputs;
            float sum = 0;
            for (int input = 0; input < inputs; input++)
                sum += (float)w[input] * x[input];
            y[output] = b ? sum * scale[output] + b[output] : sum * scale[output];
        }
}
""",
    "sigmoid": """\
static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}
""",
    "relu": """\
static float relu(float x)
{
    return x > 0 ? x : 0;
}
""",
    "softplus": """\
static float softplus(float x)
{
    return x > 20 ? x : log1pf(expf(x));
}
""",
    "square": """\
static float square(float x)
{
    return x * x;
}
""",
    "softmax": """\
static void softmax(const float *x, float *y, int rows, int width)
{
    for (int row = 0; row < rows; row++, x += width, y += width) {
        float most = x[0], sum = 0;
        for (int k = 1; k < width; k++)
            most = fmaxf(most, x[k]);
        for (int k = 0; k < width; k++)
            sum += y[k] = expf(x[k] - most);
        for (int k = 0; k < width; k++)
            y[k] /= sum;
    }
}
""",
}


def write(predictor: Predictor, folder: Path, precision: str) -> None:
    """Write `model.c`, `model.h` and `example.c`."""
    (folder / "model.c").write_text(source(predictor, precision), encoding="ascii")
    (folder / "model.h").write_text(header(predictor), encoding="ascii")
    (folder / "example.c").write_text(example(predictor), encoding="ascii")


# The header, and the functions that users call.


def header(predictor: Predictor) -> str:
    """Return `model.h`."""
    facts = "\n".join(f"   {_ascii(f'{key}: {value}')}" for key, value in predictor.facts.items())
    parts = [
        f"/* A network exported by lstmctl.\n\n{facts}\n\n"
        "   Functions return 0, or -1 if an argument is out of range. They keep long arrays in static memory,\n"
        "   so only one thread may call them at a time. */",
        "#ifndef MODEL_H\n#define MODEL_H\n\n#include <stddef.h>\n#include <stdint.h>",
    ]
    if any(_has_time(predictor.functions[name]) for name in predictor.entries):
        parts.append(
            "/* The largest number of time steps of a sequence. */\n"
            f"#ifndef MODEL_MOST_STEPS\n#define MODEL_MOST_STEPS {predictor.most_steps}\n#endif"
        )
    for name, vocabulary in predictor.vocabularies.items():
        parts.append(_declared_vocabulary(name, vocabulary))
    for name in predictor.entries:
        parts.append(_declared(predictor.functions[name]))
    return "\n\n".join([*parts, "#endif"]) + "\n"


def _declared(function: Function) -> str:
    parts = []
    if function.carried:
        fields = "".join(f"    float {name}[{size(function.inputs[name].value.shape)}];\n" for name in function.carried)
        state = f"model_{function.name}_state"
        parts.append(
            f"/* What is carried from one call of model_{function.name} to the next. */\n"
            f"typedef struct {{\n{fields}}} {state};\n\nvoid model_{function.name}_start({state} *state);"
        )
    told = [
        f"   {name}: {_ascii(one.meaning)}" for name, one in function.inputs.items() if name not in function.carried
    ]
    told += [
        f"   {name}: {_ascii(one.meaning)} {_dimensions(one.value.shape)}"
        for name, one in function.outputs.items()
        if name not in function.carried
    ]
    lines = "\n".join(told)
    parts.append(f"/* {_ascii(function.meaning)}\n\n{lines} */\n{_signature(function)};")
    return "\n\n".join(parts)


def _signature(function: Function) -> str:
    parameters = ["int time"] if _has_time(function) else []
    for name, one in function.inputs.items():
        if name not in function.carried:
            parameters.append(f"const {_parameter(name, one.value)}" if one.value.shape else f"int32_t {name}")
    if function.carried:
        parameters.append(f"model_{function.name}_state *state")
    parameters += [
        _parameter(name, one.value) for name, one in function.outputs.items() if name not in function.carried
    ]
    return f"int model_{function.name}({', '.join(parameters)})"


def _parameter(name: str, value: Value) -> str:
    kind = TYPES[value.type]
    return f"{kind} *{name}" if None in value.shape else f"{kind} {name}[{size(value.shape)}]"


def _dimensions(shape: Shape) -> str:
    return "".join(f"[{'time' if one is None else one}]" for one in shape)


def _entry(predictor: Predictor, function: Function) -> str:
    """Return the function that users call: it checks its arguments and calls the graph's."""
    checks = []
    if _has_time(function):
        checks.append("time < 1 || time > MODEL_MOST_STEPS")
    loops = []
    for name, one in function.inputs.items():
        most = _range(predictor, function, one)
        if most is None:
            continue
        if not one.value.shape:
            checks.append(f"{name} < 0 || {name} >= {most}")
        else:
            length = _product(one.value.shape)
            loops.append(
                f"    for (int k = 0; k < {length}; k++)\n        if ({name}[k] < 0 || {name}[k] >= {most})\n"
                "            return -1;\n"
            )
    refused = f"    if ({' || '.join(checks)})\n        return -1;\n" if checks else ""
    arguments = ["time"] if _has_time(function) else []
    arguments += [f"state->{name}" if name in function.carried else name for name in function.inputs]
    arguments += [f"state->{name}" if name in function.carried else name for name in function.outputs]
    call = f"    {function.name}({', '.join(arguments)});\n    return 0;\n"
    called = f"{_signature(function)}\n{{\n{refused}{''.join(loops)}{call}}}\n"
    if not function.carried:
        return called
    starts = []
    for name in function.carried:
        initial = function.inputs[name].initial
        if initial is not None and np.any(initial):
            values = ", ".join(_literal(value) for value in initial.ravel().tolist())
            starts.append(
                f"    static const float start_{name}[] = {{{values}}};\n"
                f"    memcpy(state->{name}, start_{name}, sizeof start_{name});\n"
            )
    zero = "    memset(state, 0, sizeof *state);\n"
    start = f"void model_{function.name}_start(model_{function.name}_state *state)\n{{\n{zero}{''.join(starts)}}}\n"
    return f"{start}\n{called}"


def _range(predictor: Predictor, function: Function, argument: Argument) -> int | None:
    """Return the number of rows of the table that an input is looked up in."""
    if argument.value.type != "index":
        return None
    rows = [
        one.inputs[0].shape[0] or 0
        for one in function.operations
        if one.kind == "lookup" and one.inputs[1] is argument.value
    ]
    return min(rows, default=None)


# Vocabularies.


def _declared_vocabulary(name: str, vocabulary: Vocabulary) -> str:
    count = 256 if vocabulary.kind == "bytes" else len(vocabulary.entries)
    if vocabulary.kind == "labels":
        return f"/* Names of {name}, in UTF-8. */\nextern const char *const model_{name}[{count}];"
    return (
        f"/* Read the next of the {count} {name} of a text in UTF-8 and move on: its number, or -1 if unknown. */\n"
        f"int32_t model_read_{name}(const char **text);\n\n"
        f"/* Write one of the {name} as UTF-8, without an end; returns the number of bytes, at most 4. */\n"
        f"int model_write_{name}(int32_t number, char *text);"
    )


def _vocabulary(name: str, vocabulary: Vocabulary) -> str:
    if vocabulary.kind == "labels":
        names = ",\n    ".join(_string(entry) for entry in vocabulary.entries)
        return f"const char *const model_{name}[{len(vocabulary.entries)}] = {{\n    {names}}};\n"
    if vocabulary.kind == "bytes":
        return (
            f"int32_t model_read_{name}(const char **text)\n{{\n    return (unsigned char)*(*text)++;\n}}\n\n"
            f"int model_write_{name}(int32_t number, char *text)\n{{\n    *text = (char)number;\n    return 1;\n}}\n"
        )
    points = [ord(entry) if entry else 0 for entry in vocabulary.entries]
    unknown = -1 if vocabulary.unknown is None else vocabulary.unknown
    known = len(points) if vocabulary.unknown is None else unknown
    return f"""\
static const uint32_t {name}_points[] = {{
{_rows(str(point) for point in points)}}};

int32_t model_read_{name}(const char **text)
{{
    const unsigned char *at = (const unsigned char *)*text;
    uint32_t point = *at++;
    int more = point >= 0xF0 ? 3 : point >= 0xE0 ? 2 : point >= 0xC0 ? 1 : 0;
    point &= more ? 0x3Fu >> more : 0xFFu;
    for (; more > 0 && (*at & 0xC0) == 0x80; more--)
        point = point << 6 | (*at++ & 0x3Fu);
    *text = (const char *)at;
    for (int32_t number = 0; number < {known}; number++)
        if ({name}_points[number] == point)
            return number;
    return {unknown};
}}

int model_write_{name}(int32_t number, char *text)
{{
    uint32_t point;
    if (number < 0 || number >= {len(points)})
        return 0;
    point = {name}_points[number];
    if (point < 0x80) {{
        text[0] = (char)point;
        return 1;
    }}
    int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    for (int k = more; k > 0; k--, point >>= 6)
        text[k] = (char)(0x80 | (point & 0x3F));
    text[0] = (char)((more == 1 ? 0xC0 : more == 2 ? 0xE0 : 0xF0) | point);
    return more + 1;
}}
"""


# The graph.


def source(predictor: Predictor, precision: str = "float32") -> str:
    """Return `model.c`."""
    small = _quantised(predictor) if precision == "int8" else set()
    emitted = [_Emitter(function, predictor, small).code() for function in predictor.functions.values()]
    used = [name for name in HELPERS if any(re.search(rf"\b{name}\(", one) for one in emitted)]
    return "\n".join(
        [
            '#include "model.h"\n\n#include <math.h>\n#include <string.h>\n',
            *(_table(name, array, small) for name, array in predictor.weights.items()),
            *(_vocabulary(name, one) for name, one in predictor.vocabularies.items()),
            *(HELPERS[name] for name in used),
            *emitted,
            *(_entry(predictor, predictor.functions[name]) for name in predictor.entries),
        ]
    )


def _quantised(predictor: Predictor) -> set[str]:
    """Return the weights that can be int8: matrices that only linear maps and lookups read."""
    found = {name for name, array in predictor.weights.items() if array.ndim == 2 and array.dtype == np.float32}
    found -= predictor.exact
    for function in predictor.functions.values():
        for one in function.operations:
            for place, value in enumerate(one.inputs):
                if value.is_weight and (one.kind, place) not in (("linear", 1), ("lookup", 0)):
                    found.discard(value.name)
    return found


def _table(name: str, array: NDArray[Any], small: set[str]) -> str:
    if name in small:
        scale = np.maximum(np.abs(array).max(1), 1e-30) / LEVELS
        rounded = np.rint(array / scale[:, None]).astype(int)
        return (
            f"static const int8_t {name}[] = {{\n{_rows(map(str, rounded.ravel().tolist()))}}};\n"
            f"static const float {name}_scale[] = {{\n{_rows(map(_literal, scale.tolist()))}}};\n"
        )
    if array.dtype == np.float64:
        return f"static const double {name}[] = {{\n{_rows(map(_double, array.ravel().tolist()))}}};\n"
    values = [_literal(value) for value in array.astype(np.float32).ravel().tolist()]
    return f"static const float {name}[] = {{\n{_rows(values)}}};\n"


class _Emitter:
    """Writes one function of a graph as C.

    An elementwise result that is read once is written where it is read; slices and transpositions are index arithmetic.
    Everything else is an array.
    """

    def __init__(self, function: Function, predictor: Predictor, small: set[str]) -> None:
        self.function, self.predictor, self.small = function, predictor, small
        self.lines: list[str] = []
        self.declared: list[str] = []
        self.inlined: dict[str, Operation] = {}
        self.uses = function.uses()
        self.readers: dict[str, list[str]] = {}
        for one in function.operations:
            for value in one.inputs:
                self.readers.setdefault(value.name, []).append(one.kind)
        for result in function.outputs.values():
            self.readers.setdefault(result.value.name, []).append("output")

    def code(self) -> str:
        function = self.function
        for one in function.operations:
            self.operation(one)
        for name, result in function.outputs.items():
            length = _product(result.value.shape)
            kind = TYPES[result.value.type]
            self.lines.append(f"memcpy(out_{name}, {self.pointer(result.value)}, sizeof({kind}) * (size_t)({length}));")
        parameters = ["int time"] if _has_time(function) else []
        unused = []
        for argument in function.inputs.values():
            name, kind = argument.value.name, TYPES[argument.value.type]
            parameters.append(f"const {kind} *{name}" if argument.value.shape else f"int32_t {name}")
            if name not in self.readers:
                unused.append(f"(void){name};")
        parameters += [f"{TYPES[result.value.type]} *out_{name}" for name, result in function.outputs.items()]
        body = "\n".join(f"    {line}" for line in (*self.declared, *unused, *self.lines))
        head = f"/* {_ascii(function.meaning)} */\nstatic void {function.name}({', '.join(parameters)})"
        return f"{head}\n{{\n{body}\n}}\n"

    def operation(self, one: Operation) -> None:
        if one.kind == "scan":
            self.scan(one)
            return
        (value,) = one.outputs
        if self.is_inlined(one, value):
            self.inlined[value.name] = one
            return
        x = one.inputs[0]
        if one.kind == "reshape":
            self.declared.append(f"const {TYPES[value.type]} *{value.name};")
            self.lines.append(f"{value.name} = {self.pointer(x)};")
            return
        if one.kind == "slice" and one.options["axis"] == 0 and x.name not in self.inlined:
            self.declared.append(f"const {TYPES[value.type]} *{value.name};")
            width = size(x.shape[1:]) if len(x.shape) > 1 else 1
            start = one.options["start"]
            first = f"(time - {-start})" if start < 0 else str(start)
            self.lines.append(f"{value.name} = {self.pointer(x)} + {first} * {width};")
            return
        self.declare(value)
        match one.kind:
            case "linear":
                self.linear(one, value)
            case "lookup":
                self.lookup(one, value)
            case "softmax":
                width = value.shape[-1] or 0
                rows = _product(value.shape[:-1])
                self.lines.append(f"softmax({self.pointer(x)}, {value.name}, {rows}, {width});")
            case "concat":
                self.concat(one, value)
            case "reduce":
                self.reduce(one, value)
            case _:
                self.loop(value.shape, lambda index: f"{self.at(value, index)} = {self.computed(one, index)};")

    def is_inlined(self, one: Operation, value: Value) -> bool:
        readers = self.readers.get(value.name, [])
        if not readers or not all(kind in READS_ELEMENTS for kind in readers) or not is_temporary(value.name):
            return False
        return one.kind in VIEWS or (one.kind in ELEMENTWISE and len(readers) == 1 and readers[0] in ELEMENTWISE)

    def declare(self, value: Value) -> None:
        length = _product(value.shape, time="MODEL_MOST_STEPS")
        is_large = None in value.shape or size(value.shape) > LARGE
        self.declared.append(f"{'static ' * is_large}{TYPES[value.type]} {value.name}[{length}];")

    def pointer(self, value: Value) -> str:
        assert value.name not in self.inlined, value.name
        return value.name

    def linear(self, one: Operation, value: Value) -> None:
        x, weight, *bias = one.inputs
        assert value.type == "float32"
        rows, (outputs, inputs) = _product(value.shape[:-1]), weight.shape
        given = bias[0].name if bias else "NULL"
        small = weight.name in self.small
        table = f"{weight.name}, {weight.name}_scale" if small else weight.name
        name = "linear_int8" if small else "linear"
        self.lines.append(f"{name}({self.pointer(x)}, {table}, {given}, {value.name}, {rows}, {inputs}, {outputs});")

    def lookup(self, one: Operation, value: Value) -> None:
        table, index = one.inputs
        width = size(table.shape[1:]) if len(table.shape) > 1 else 1

        def copied(place: list[str]) -> str:
            row = self.read(index, place)
            source = f"{table.name}[{row} * {width} + c]"
            if table.name in self.small:
                source = f"(float){source} * {table.name}_scale[{row}]"
            to = _flat(index.shape, place)
            at = f"{to} * {width} + c" if to != "0" else "c"
            return f"for (int c = 0; c < {width}; c++) {value.name}[{at}] = {source};"

        self.loop(index.shape, copied)

    def concat(self, one: Operation, value: Value) -> None:
        axis, start = one.options["axis"], 0
        for part in one.inputs:
            shape = (*value.shape[:axis], part.shape[axis], *value.shape[axis + 1 :])

            def copied(index: list[str], part: Value = part, start: int = start) -> str:
                to = [_plus(at, start) if place == axis else at for place, at in enumerate(index)]
                return f"{self.at(value, to)} = {self.read(part, index)};"

            self.loop(shape, copied)
            start += part.shape[axis] or 0

    def reduce(self, one: Operation, value: Value) -> None:
        (x,), axis, function = one.inputs, one.options["axis"], one.options["function"]
        length = "time" if x.shape[axis] is None else str(x.shape[axis])
        kind = TYPES[value.type]

        def reduced(index: list[str]) -> str:
            read = self.read(x, [*index[:axis], "r", *index[axis + 1 :]])
            add = f"if ({read} > sum || r == 0) sum = {read};" if function == "max" else f"sum += {read};"
            mean = f" / ({kind}){length}" if function == "mean" else ""
            inner = f"for (int r = 0; r < {length}; r++) {add}"
            return f"{{ {kind} sum = 0; {inner} {self.at(value, index)} = sum{mean}; }}"

        self.loop(value.shape, reduced)

    def scan(self, one: Operation) -> None:
        function = self.predictor.functions[one.options["function"]]
        sequences, carried = one.options["sequences"], one.options["carried"]
        along, states = one.inputs[:sequences], one.inputs[len(one.inputs) - carried :]
        constants = one.inputs[sequences : len(one.inputs) - carried]
        stacked, after = one.outputs[: len(one.outputs) - carried], one.outputs[len(one.outputs) - carried :]
        for value in one.outputs:
            self.declare(value)
        for state, value in zip(states, after, strict=True):
            kind = TYPES[value.type]
            self.lines.append(f"memcpy({value.name}, {self.pointer(state)}, sizeof({kind}) * {size(value.shape)});")
        length = "time" if along[0].shape[0] is None else str(along[0].shape[0])
        t = f"{length} - 1 - step" if one.options["backwards"] else "step"
        arguments = ["time"] if _has_time(function) else []
        arguments += [_step_of(value, "t", self.pointer(value)) for value in along]
        arguments += [self.pointer(value) if value.shape else value.name for value in constants]
        arguments += [value.name for value in after]
        arguments += [_step_of(value, "t", value.name) for value in stacked]
        arguments += [value.name for value in after]
        self.lines += [
            f"for (int step = 0; step < {length}; step++) {{",
            f"    int t = {t};",
            f"    {function.name}({', '.join(arguments)});",
            "}",
        ]

    def loop(self, shape: Shape, line: Callable[[list[str]], str]) -> None:
        """Write loops over all elements of a shape around a line."""
        index, heads = [], []
        for place, length in enumerate(shape):
            if length == 1:
                index.append("0")
                continue
            name = LOOPS[place]
            index.append(name)
            heads.append(f"for (int {name} = 0; {name} < {'time' if length is None else length}; {name}++)")
        for depth, head in enumerate(heads):
            self.lines.append("    " * depth + head)
        self.lines.append("    " * len(heads) + line(index))

    def at(self, value: Value, index: Sequence[str]) -> str:
        return f"{value.name}[{_flat(value.shape, index)}]"

    def read(self, value: Value, index: Sequence[str]) -> str:
        """Return an expression of one element; the index may have more axes, or longer ones, than the value."""
        if value.number is not None:
            return _literal(value.number)
        index = index[len(index) - len(value.shape) :]
        own = ["0" if length == 1 else at for length, at in zip(value.shape, index, strict=True)]
        if value.name in self.inlined:
            return self.computed(self.inlined[value.name], own)
        if not value.shape and value.name in (one.value.name for one in self.function.inputs.values()):
            return value.name
        return self.at(value, own)

    def computed(self, one: Operation, index: list[str]) -> str:
        """Return an expression of one element of an operation's result."""
        x, options = one.inputs[0], one.options
        double = one.outputs[0].type == "float64"
        match one.kind:
            case "slice":
                start = options["start"]
                shift = f"time - {-start}" if start < 0 else start
                moved = [
                    (f"({at} + {shift})" if start < 0 else _plus(at, start)) if axis == options["axis"] else at
                    for axis, at in enumerate(index)
                ]
                return self.read(x, moved)
            case "reverse":
                return self.read(x, [*index[:-1], f"({(x.shape[-1] or 0) - 1} - {index[-1]})"])
            case "transpose":
                place = dict(zip(options["order"], index, strict=True))
                return self.read(x, [place[axis] for axis in range(len(index))])
            case "unary":
                return _unary(options["function"], self.read(x, index), double)
            case "binary":
                a, b = (self.read(value, index) for value in one.inputs)
                name = options["function"]
                if name in OPERATORS:
                    return f"({a} {OPERATORS[name]} {b})"
                if name in ("less", "equal"):
                    return f"({a} {'<' if name == 'less' else '=='} {b} ? 1.0f : 0.0f)"
                return f"f{name}{'' if double else 'f'}({a}, {b})"
            case "where":
                condition, a, b = (self.read(value, index) for value in one.inputs)
                return f"({condition} != 0 ? {a} : {b})"
            case "cast":
                return f"({TYPES[one.outputs[0].type]})({self.read(x, index)})"
        raise AssertionError(one.kind)


def _unary(name: str, x: str, double: bool) -> str:
    if name == "isnan":
        return f"(isnan({x}) ? 1.0f : 0.0f)"
    if name in HELPERS:
        assert not double or name == "square", name
        return f"({x} * {x})" if double else f"{name}({x})"
    name = "fabs" if name == "abs" else name
    return f"{name}{'' if double else 'f'}({x})"


def _has_time(function: Function) -> bool:
    return any(None in one.value.shape for one in function.inputs.values())


def _step_of(value: Value, step: str, name: str) -> str:
    width = size(value.shape[1:]) if len(value.shape) > 1 else 1
    if len(value.shape) == 1 and value.type == "index":
        return f"{name}[{step}]"
    return f"{name} + {step} * {width}"


def _flat(shape: Shape, index: Sequence[str]) -> str:
    """Return the place of an element in an array."""
    terms, stride = [], 1
    for length, at in reversed(list(zip(shape, index, strict=True))):
        if at != "0":
            terms.append(at if stride == 1 else f"{at} * {stride}")
        stride *= length or 0
    return " + ".join(reversed(terms)) or "0"


def _plus(at: str, start: int) -> str:
    if not start:
        return at
    return f"({at} + {start})" if at != "0" else str(start)


def _product(shape: Shape, time: str = "time") -> str:
    fixed = math.prod(length for length in shape if length is not None)
    if None not in shape:
        return str(fixed)
    return time if fixed == 1 else f"{time} * {fixed}"


def _literal(value: float) -> str:
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if re.search(r"[.en]", text) else f"{text}.0f"


def _double(value: float) -> str:
    text = repr(float(value))
    return text if math.isfinite(value) else "NAN" if math.isnan(value) else "INFINITY"


def _rows(values: Iterable[str]) -> str:
    lines, line = [], ""
    for value in values:
        if len(line) + len(value) > 110:
            lines.append(line)
            line = ""
        line += f"{value}, "
    return "".join(f"    {one.rstrip()}\n" for one in (*lines, line))


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode().replace("*/", "* /")


def _string(text: str) -> str:
    """Return a string literal; other bytes than plain ASCII are octal escapes."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode()
    )
    return f'"{plain}"'


# The example.


def example(predictor: Predictor) -> str:
    """Return a small program: one that continues a text, or calls the entry with an example."""
    if predictor.writer is not None and predictor.writer[0] is predictor.entry and predictor.entry.carried:
        return _writing_example(predictor, *predictor.writer)
    return _calling_example(predictor)


def _writing_example(predictor: Predictor, entry: Function, written: Argument) -> str:
    name = str(written.vocabulary)
    vocabulary = predictor.vocabularies[name]
    count = entry.outputs["scores"].value.shape[-1]
    others = [one for one in predictor.given(entry) if entry.inputs[one] is not written]
    arguments = "".join(f"0 /* {one} */, " for one in others)
    end = f"        if (best == {vocabulary.end})\n            break;\n" if vocabulary.end is not None else ""
    better = "scores[k] > scores[best]"
    if vocabulary.never is not None:
        better = f"k != {vocabulary.never} && (best == {vocabulary.never} || {better})"
    begins = "" if vocabulary.end is not None else "if (!*text)\n        "
    return f"""\
/* Continue a text with the likeliest symbols: cc -O2 -o example example.c model.c -lm && ./example "text" */
#include "model.h"

#include <stdio.h>

int main(int count, char **given)
{{
    const char *text = count > 1 ? given[1] : "";
    static model_{entry.name}_state state;
    static float scores[{count}];
    model_{entry.name}_start(&state);
    {begins}model_{entry.name}({arguments}{vocabulary.start}, &state, scores);
    while (*text)
        if (model_{entry.name}({arguments}model_read_{name}(&text), &state, scores))
            fputs("unknown symbol\\n", stderr);
    for (int written = 0; written < 200; written++) {{
        char symbol[4];
        int32_t best = 0;
        for (int32_t k = 1; k < {count}; k++)
            if ({better})
                best = k;
{end}        fwrite(symbol, 1, (size_t)model_write_{name}(best, symbol), stdout);
        model_{entry.name}({arguments}best, &state, scores);
    }}
    puts("");
    return 0;
}}
"""


def _calling_example(predictor: Predictor) -> str:
    entry = predictor.entry
    arrays, arguments = [], []
    if _has_time(entry):
        timed = next(name for name, one in entry.inputs.items() if None in one.value.shape)
        arguments.append(str(len(predictor.example[timed])))
    for name, one in entry.inputs.items():
        if name in entry.carried:
            continue
        values = np.asarray(predictor.example[name])
        if not one.value.shape:
            arguments.append(str(int(values)))
            continue
        arrays.append(f"    static const {TYPES[one.value.type]} {name}[] = {{\n{_rows(_values(values, one))}    }};\n")
        arguments.append(name)
    if entry.carried:
        arrays.append(f"    static model_{entry.name}_state state;\n")
        arguments.append("&state")
    printed = []
    for name, result in entry.outputs.items():
        if name in entry.carried:
            continue
        length = _product(result.value.shape, time="MODEL_MOST_STEPS")
        arrays.append(f"    static {TYPES[result.value.type]} {name}[{length}];\n")
        arguments.append(name)
        count = f"{arguments[0]} * {size(result.value.shape[1:])}" if None in result.value.shape else length
        printed.append(
            f'    printf("{name}:");\n    for (int k = 0; k < {count}; k++)\n'
            f'        printf(" %g", (double){name}[k]);\n    puts("");\n'
        )
    start = f"    model_{entry.name}_start(&state);\n" if entry.carried else ""
    return (
        "/* Call the model with held-out data: cc -O2 -o example example.c model.c -lm && ./example */\n"
        '#include "model.h"\n\n#include <math.h>\n#include <stdio.h>\n\nint main(void)\n{\n'
        f"{''.join(arrays)}{start}    if (model_{entry.name}({', '.join(arguments)}))\n        return 1;\n"
        f"{''.join(printed)}    return 0;\n}}\n"
    )


def _values(values: NDArray[Any], argument: Argument) -> Iterator[str]:
    for value in values.ravel().tolist():
        if argument.value.type == "index":
            yield str(int(value))
        elif math.isnan(value):
            yield "NAN"
        else:
            yield _literal(value) if argument.value.type == "float32" else _double(value)


# The check.


def run(predictor: Predictor, folder: Path, probe: Probe) -> Ran:
    """Compile the file with a program that reads arguments and writes results, and run it."""
    named = os.environ.get("CC")
    compiler = next(filter(None, map(shutil.which, [named] if named else COMPILERS)), None)
    if compiler is None:
        raise UnavailableError("no C compiler is installed (gcc, clang or cc, or the one in $CC)")
    with tempfile.TemporaryDirectory() as scratch:
        program = compiled(compiler, folder, checking_program(predictor), Path(scratch))
        calls = b"".join(packed(predictor, call) for call in probe.calls)
        done = subprocess.run([str(program)], input=calls, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the exported program fails: {done.stderr.decode(errors='replace')[-2000:]}")
    told = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=False).stdout.strip()
    return Ran(_unpacked(predictor, probe, done.stdout), float(done.stderr), f"{Path(compiler).name} {told}")


def compiled(compiler: str, folder: Path, main: str, scratch: Path, flags: Sequence[str] = ()) -> Path:
    """Compile an export with a main program; a warning is an error."""
    program, harness = scratch / "check", scratch / "check.c"
    harness.write_text(main, encoding="ascii")
    command = [
        compiler,
        *FLAGS,
        *flags,
        f"-I{folder}",
        str(harness),
        str(folder / "model.c"),
        "-o",
        str(program),
        "-lm",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise RuntimeError(f"{compiler} does not accept the exported file: {done.stderr[-2000:]}")
    return program


def checking_program(predictor: Predictor) -> str:
    """Return a program that reads calls from stdin, and writes their results to stdout and the seconds to stderr. A
    refused call writes nothing."""
    functions = [predictor.functions[name] for name in predictor.entries]
    values = {name: one for function in functions for name, one in _ends(function)}
    arrays = [
        f"{TYPES[value.type]} {name}[{_product(value.shape, 'MODEL_MOST_STEPS')}]"
        for name, value in values.items()
        if name not in predictor.states
    ]
    arrays += [f"model_{one.name}_state {one.name}_state" for one in functions if one.carried]
    starts = "".join(f"            model_{one.name}_start(&{one.name}_state);\n" for one in functions if one.carried)
    cases = "".join(
        f"        if (which == {number}) {{\n{_case(predictor, one)}        }}\n"
        for number, one in enumerate(functions)
    )
    declared = "".join(f"static {one};\n" for one in arrays)
    steps = "static int32_t steps;\n" if any(map(_has_time, functions)) else ""
    return (
        f'#include "model.h"\n\n#include <stdio.h>\n#include <time.h>\n\n{steps}{declared}\n'
        "static int get(void *to, size_t size, size_t count)\n{\n"
        "    return fread(to, size, count, stdin) == count;\n}\n\n"
        "int main(void)\n{\n    clock_t total = 0;\n    int32_t which, restarts = 1;\n"
        "    while (get(&which, sizeof which, 1) && get(&restarts, sizeof restarts, 1)) {\n"
        "        clock_t before;\n        int refused = -1;\n"
        f"        if (restarts) {{\n{starts}        }}\n{cases}"
        "        if (refused)\n            continue;\n    }\n"
        '    fprintf(stderr, "%.9f", (double)total / CLOCKS_PER_SEC);\n    return 0;\n}\n'
    )


def _case(predictor: Predictor, function: Function) -> str:
    given, reads = predictor.given(function), []
    if _length_is_given(predictor, function):
        reads.append("!get(&steps, sizeof steps, 1) || steps < 0 || steps > MODEL_MOST_STEPS")
    for name in given:
        value = function.inputs[name].value
        reads.append(f"!get({name}, sizeof({TYPES[value.type]}), (size_t)({_product(value.shape, 'steps')}))")
    arguments = ["steps"] if _has_time(function) else []
    for name, one in function.inputs.items():
        if name not in function.carried:
            arguments.append(name if one.value.shape else f"{name}[0]")
    if function.carried:
        arguments.append(f"&{function.name}_state")
    arguments += [_own(predictor, name) for name in function.outputs if name not in function.carried]
    writes = "".join(
        f"                fwrite({_own(predictor, name)}, sizeof({TYPES[result.value.type]}), "
        f"(size_t)({_product(result.value.shape, 'steps')}), stdout);\n"
        for name, result in function.outputs.items()
    )
    stop = f"            if ({' || '.join(reads)})\n                break;\n" if reads else ""
    return (
        f"{stop}            before = clock();\n            refused = model_{function.name}({', '.join(arguments)});\n"
        f"            total += clock() - before;\n            if (!refused) {{\n{writes}            }}\n"
    )


def _own(predictor: Predictor, name: str) -> str:
    """Return the program's variable of a value: a state's is in its structure."""
    owner = next((one for one in predictor.entries if name in predictor.functions[one].carried), None)
    return name if owner is None else f"{owner}_state.{name}"


def _ends(function: Function) -> list[tuple[str, Value]]:
    """Return the inputs and outputs of a function, in order."""
    inputs = [(name, one.value) for name, one in function.inputs.items()]
    return [*inputs, *((name, one.value) for name, one in function.outputs.items())]


def _length_is_given(predictor: Predictor, function: Function) -> bool:
    return any(None in function.inputs[name].value.shape for name in predictor.given(function))


def packed(predictor: Predictor, call: Call) -> bytes:
    """Return a call as `checking_program` reads it."""
    function = predictor.functions[call.function]
    found = struct.pack("=ii", predictor.entries.index(call.function), call.restarts)
    if _length_is_given(predictor, function):
        found += struct.pack("=i", _length(function, call.inputs))
    for name in predictor.given(function):
        found += np.asarray(call.inputs[name]).astype(_dtype(function.inputs[name].value)).tobytes()
    return found


def _unpacked(predictor: Predictor, probe: Probe, written: bytes) -> list[Arrays]:
    """Return the results of calls as `checking_program` writes them."""
    found, place, length = list[Arrays](), 0, 0
    for call in probe.calls:
        function, outputs = predictor.functions[call.function], dict[str, NDArray[Any]]()
        length = _length(function, call.inputs) or length
        for name, result in function.outputs.items():
            shape = [length if one is None else one for one in result.value.shape]
            kind = np.dtype(_dtype(result.value))
            outputs[name] = np.frombuffer(written, kind, math.prod(shape), place).reshape(shape)
            place += math.prod(shape) * kind.itemsize
        found.append(outputs)
    return found


def _length(function: Function, inputs: Arrays) -> int:
    """Return the number of time steps of a call; 0 if its arguments have none."""
    timed = (name for name, one in function.inputs.items() if None in one.value.shape and name in inputs)
    return next((len(inputs[name]) for name in timed), 0)


def _dtype(value: Value) -> Any:
    return {"float32": np.float32, "float64": np.float64, "index": np.int32}[value.type]


def target() -> Target:
    """Return this form of export."""
    return Target(("float32", "int8"), write, run)
