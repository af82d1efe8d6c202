"""Functions of a graph as statements in C."""

from __future__ import annotations

from collections.abc import Callable

from lstmctl.export.c_expressions import Elements, flat, plus
from lstmctl.export.c_text import TYPES, ascii, has_time, product
from lstmctl.export.graph import ELEMENTWISE, Function, Operation, Predictor, Shape, Value, is_temporary, size

LARGE = 4096
"""Number of values from which an array is not put on the stack."""
VIEWS = ("slice", "transpose", "reverse")
READS_ELEMENTS = (*ELEMENTWISE, *VIEWS, "reduce", "concat")
"""Kinds of operations that read their inputs element by element, so that these need not be stored."""
LOOPS = "ijklmn"


def definition(function: Function, predictor: Predictor, small: set[str]) -> str:
    """Return the definition of a function of a predictor, whose `small` weights are int8."""
    return _Statements(function, predictor, small).code()


class _Statements:
    """Writes one function of a graph as C.

    An elementwise result that is read once is written where it is read; slices and transpositions are index arithmetic.
    Everything else is an array.
    """

    def __init__(self, function: Function, predictor: Predictor, small: set[str]) -> None:
        self.function, self.predictor, self.small = function, predictor, small
        self.lines: list[str] = []
        self.declared: list[str] = []
        self.elements = Elements(function)
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
            length = product(result.value.shape)
            kind = TYPES[result.value.type]
            self.lines.append(f"memcpy(out_{name}, {self.pointer(result.value)}, sizeof({kind}) * (size_t)({length}));")
        parameters = ["int time"] if has_time(function) else []
        unused = []
        for argument in function.inputs.values():
            name, kind = argument.value.name, TYPES[argument.value.type]
            parameters.append(f"const {kind} *{name}" if argument.value.shape else f"int32_t {name}")
            if name not in self.readers:
                unused.append(f"(void){name};")
        parameters += [f"{TYPES[result.value.type]} *out_{name}" for name, result in function.outputs.items()]
        body = "\n".join(f"    {line}" for line in (*self.declared, *unused, *self.lines))
        head = f"/* {ascii(function.meaning)} */\nstatic void {function.name}({', '.join(parameters)})"
        return f"{head}\n{{\n{body}\n}}\n"

    def operation(self, one: Operation) -> None:
        if one.kind == "scan":
            self.scan(one)
            return
        (value,) = one.outputs
        if self.is_inlined(one, value):
            self.elements.inlined[value.name] = one
            return
        x = one.inputs[0]
        if one.kind == "reshape":
            self.declared.append(f"const {TYPES[value.type]} *{value.name};")
            self.lines.append(f"{value.name} = {self.pointer(x)};")
            return
        if one.kind == "slice" and one.options["axis"] == 0 and x.name not in self.elements.inlined:
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
                rows = product(value.shape[:-1])
                self.lines.append(f"softmax({self.pointer(x)}, {value.name}, {rows}, {width});")
            case "concat":
                self.concat(one, value)
            case "reduce":
                self.reduce(one, value)
            case "successor":
                self.successor(one, value)
            case "smoothed":
                self.smoothed(one, value)
            case _:
                at, computed = self.elements.at, self.elements.computed
                self.loop(value.shape, lambda index: f"{at(value, index)} = {computed(one, index)};")

    def is_inlined(self, one: Operation, value: Value) -> bool:
        readers = self.readers.get(value.name, [])
        if not readers or not all(kind in READS_ELEMENTS for kind in readers) or not is_temporary(value.name):
            return False
        return one.kind in VIEWS or (one.kind in ELEMENTWISE and len(readers) == 1 and readers[0] in ELEMENTWISE)

    def declare(self, value: Value) -> None:
        length = product(value.shape, time="MODEL_MOST_STEPS")
        is_large = None in value.shape or size(value.shape) > LARGE
        self.declared.append(f"{'static ' * is_large}{TYPES[value.type]} {value.name}[{length}];")

    def pointer(self, value: Value) -> str:
        assert value.name not in self.elements.inlined, value.name
        return value.name

    def linear(self, one: Operation, value: Value) -> None:
        x, weight, *bias = one.inputs
        assert value.type == "float32"
        rows, (outputs, inputs) = product(value.shape[:-1]), weight.shape
        given = bias[0].name if bias else "NULL"
        small = weight.name in self.small
        table = f"{weight.name}, {weight.name}_scale" if small else weight.name
        name = "linear_int8" if small else "linear"
        self.lines.append(f"{name}({self.pointer(x)}, {table}, {given}, {value.name}, {rows}, {inputs}, {outputs});")

    def lookup(self, one: Operation, value: Value) -> None:
        table, index = one.inputs
        width = size(table.shape[1:]) if len(table.shape) > 1 else 1

        def copied(place: list[str]) -> str:
            row = self.elements.read(index, place)
            source = f"{table.name}[{row} * {width} + c]"
            if table.name in self.small:
                source = f"(float){source} * {table.name}_scale[{row}]"
            to = flat(index.shape, place)
            at = f"{to} * {width} + c" if to != "0" else "c"
            return f"for (int c = 0; c < {width}; c++) {value.name}[{at}] = {source};"

        self.loop(index.shape, copied)

    def concat(self, one: Operation, value: Value) -> None:
        axis, start = one.options["axis"], 0
        for part in one.inputs:
            shape = (*value.shape[:axis], part.shape[axis], *value.shape[axis + 1 :])

            def copied(index: list[str], part: Value = part, start: int = start) -> str:
                to = [plus(at, start) if place == axis else at for place, at in enumerate(index)]
                return f"{self.elements.at(value, to)} = {self.elements.read(part, index)};"

            self.loop(shape, copied)
            start += part.shape[axis] or 0

    def reduce(self, one: Operation, value: Value) -> None:
        (x,), axis, function = one.inputs, one.options["axis"], one.options["function"]
        length = "time" if x.shape[axis] is None else str(x.shape[axis])
        kind = TYPES[value.type]

        def reduced(index: list[str]) -> str:
            read = self.elements.read(x, [*index[:axis], "r", *index[axis + 1 :]])
            add = f"if ({read} > sum || r == 0) sum = {read};" if function == "max" else f"sum += {read};"
            mean = f" / ({kind}){length}" if function == "mean" else ""
            inner = f"for (int r = 0; r < {length}; r++) {add}"
            return f"{{ {kind} sum = 0; {inner} {self.elements.at(value, index)} = sum{mean}; }}"

        self.loop(value.shape, reduced)

    def successor(self, one: Operation, value: Value) -> None:
        starts, symbols, context, symbol = one.inputs
        at, found = self.elements.whole(context), f"{value.name}[0]"
        self.lines += [
            f"{found} = -1;",
            f"for (int32_t k = {at} < 0 ? 0 : {starts.name}[{at}]; {at} >= 0 && k < {starts.name}[{at} + 1]; k++)",
            f"    if ({symbols.name}[k] == {self.elements.whole(symbol)})",
            f"        {found} = k;",
        ]

    def smoothed(self, one: Operation, value: Value) -> None:
        lower, starts, symbols, counts, discounts, context = one.inputs
        at, count = self.elements.whole(context), f"{counts.name}[k]"
        discount = f"{discounts.name}[{count} < 3 ? {count} : 3]"
        grams = f"for (int32_t k = {starts.name}[{at}]; k < {starts.name}[{at} + 1]; k++)"
        self.lines += [
            f"memcpy({value.name}, {self.pointer(lower)}, sizeof {value.name});",
            f"if ({at} >= 0) {{",
            "    float total = 0, left = 0;",
            f"    {grams} {{",
            f"        total += (float){count};",
            f"        left += {discount};",
            "    }",
            f"    for (int k = 0; k < {value.shape[0]} && total > 0; k++)",
            f"        {value.name}[k] *= left / total;",
            f"    {grams}",
            "        if (total > 0)",
            f"            {value.name}[{symbols.name}[k]] += ((float){count} - {discount}) / total;",
            "}",
        ]

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
        arguments = ["time"] if has_time(function) else []
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


def _step_of(value: Value, step: str, name: str) -> str:
    width = size(value.shape[1:]) if len(value.shape) > 1 else 1
    if len(value.shape) == 1 and value.type == "index":
        return f"{name}[{step}]"
    return f"{name} + {step} * {width}"
