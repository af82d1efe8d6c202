"""A small program that uses an export to C: it continues a text, or calls the entry with held-out data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.export.c_text import TYPES, double, has_time, literal, product, rows
from lstmctl.export.graph import Argument, Function, Predictor, size


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
    if has_time(entry):
        timed = next(name for name, one in entry.inputs.items() if None in one.value.shape)
        arguments.append(str(len(predictor.example[timed])))
    for name, one in entry.inputs.items():
        if name in entry.carried:
            continue
        values = np.asarray(predictor.example[name])
        if not one.value.shape:
            arguments.append(str(int(values)))
            continue
        arrays.append(f"    static const {TYPES[one.value.type]} {name}[] = {{\n{rows(_values(values, one))}    }};\n")
        arguments.append(name)
    if entry.carried:
        arrays.append(f"    static model_{entry.name}_state state;\n")
        arguments.append("&state")
    printed = []
    for name, result in entry.outputs.items():
        if name in entry.carried:
            continue
        length = product(result.value.shape, time="MODEL_MOST_STEPS")
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
            yield literal(value) if argument.value.type == "float32" else double(value)
