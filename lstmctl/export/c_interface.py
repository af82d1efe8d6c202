"""The header of an export to C, and the functions that users call."""

from __future__ import annotations

import numpy as np

from lstmctl.export.c_tables import declared_vocabulary
from lstmctl.export.c_text import TYPES, ascii, has_time, literal, product
from lstmctl.export.graph import Argument, Function, Predictor, Shape, Value, size


def header(predictor: Predictor) -> str:
    """Return `model.h`."""
    facts = "\n".join(f"   {ascii(f'{key}: {value}')}" for key, value in predictor.facts.items())
    parts = [
        f"/* A network exported by lstmctl.\n\n{facts}\n\n"
        "   Functions return 0, or -1 if an argument is out of range. They keep long arrays in static memory,\n"
        "   so only one thread may call them at a time. */",
        "#ifndef MODEL_H\n#define MODEL_H\n\n#include <stddef.h>\n#include <stdint.h>",
    ]
    if any(has_time(predictor.functions[name]) for name in predictor.entries):
        parts.append(
            "/* The largest number of time steps of a sequence. */\n"
            f"#ifndef MODEL_MOST_STEPS\n#define MODEL_MOST_STEPS {predictor.most_steps}\n#endif"
        )
    for name, vocabulary in predictor.vocabularies.items():
        parts.append(declared_vocabulary(name, vocabulary))
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
    told = [f"   {name}: {ascii(one.meaning)}" for name, one in function.inputs.items() if name not in function.carried]
    told += [
        f"   {name}: {ascii(one.meaning)} {_dimensions(one.value.shape)}"
        for name, one in function.outputs.items()
        if name not in function.carried
    ]
    lines = "\n".join(told)
    parts.append(f"/* {ascii(function.meaning)}\n\n{lines} */\n{signature(function)};")
    return "\n\n".join(parts)


def signature(function: Function) -> str:
    parameters = ["int time"] if has_time(function) else []
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


def entry(predictor: Predictor, function: Function) -> str:
    """Return the function that users call: it checks its arguments and calls the graph's."""
    checks = []
    if has_time(function):
        checks.append("time < 1 || time > MODEL_MOST_STEPS")
    loops = []
    for name, one in function.inputs.items():
        most = _range(predictor, function, one)
        if most is None:
            continue
        if not one.value.shape:
            checks.append(f"{name} < 0 || {name} >= {most}")
        else:
            length = product(one.value.shape)
            loops.append(
                f"    for (int k = 0; k < {length}; k++)\n        if ({name}[k] < 0 || {name}[k] >= {most})\n"
                "            return -1;\n"
            )
    refused = f"    if ({' || '.join(checks)})\n        return -1;\n" if checks else ""
    arguments = ["time"] if has_time(function) else []
    arguments += [f"state->{name}" if name in function.carried else name for name in function.inputs]
    arguments += [f"state->{name}" if name in function.carried else name for name in function.outputs]
    call = f"    {function.name}({', '.join(arguments)});\n    return 0;\n"
    called = f"{signature(function)}\n{{\n{refused}{''.join(loops)}{call}}}\n"
    if not function.carried:
        return called
    starts = []
    for name in function.carried:
        initial = function.inputs[name].initial
        if initial is not None and np.any(initial):
            values = ", ".join(literal(value) for value in initial.ravel().tolist())
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
