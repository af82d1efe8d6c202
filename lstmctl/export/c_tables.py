"""Tables in C: weights as float32, float64, int8 or whole numbers, and vocabularies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.export.c_text import double, literal, rows, string
from lstmctl.export.graph import Predictor, Vocabulary

LEVELS = 127
"""Number of levels of an int8 weight on each side of 0."""


def quantised(predictor: Predictor) -> set[str]:
    """Return the weights that can be int8: matrices that only linear maps and lookups read."""
    found = {name for name, array in predictor.weights.items() if array.ndim == 2 and array.dtype == np.float32}
    found -= predictor.exact
    for function in predictor.functions.values():
        for one in function.operations:
            for place, value in enumerate(one.inputs):
                if value.is_weight and (one.kind, place) not in (("linear", 1), ("lookup", 0)):
                    found.discard(value.name)
    return found


def table(name: str, array: NDArray[Any], small: set[str]) -> str:
    """Return the definition of a weight; a `small` one is int8, with a scale for each row."""
    if name in small:
        scale = np.maximum(np.abs(array).max(1), 1e-30) / LEVELS
        rounded = np.rint(array / scale[:, None]).astype(int)
        return (
            f"static const int8_t {name}[] = {{\n{rows(map(str, rounded.ravel().tolist()))}}};\n"
            f"static const float {name}_scale[] = {{\n{rows(map(literal, scale.tolist()))}}};\n"
        )
    if array.dtype.kind in "iu":
        return f"static const {array.dtype.name}_t {name}[] = {{\n{rows(map(str, array.ravel().tolist()))}}};\n"
    if array.dtype == np.float64:
        return f"static const double {name}[] = {{\n{rows(map(double, array.ravel().tolist()))}}};\n"
    values = [literal(value) for value in array.astype(np.float32).ravel().tolist()]
    return f"static const float {name}[] = {{\n{rows(values)}}};\n"


def declared_vocabulary(name: str, vocabulary: Vocabulary) -> str:
    """Return the declarations of a vocabulary in the header."""
    count = 256 if vocabulary.kind == "bytes" else len(vocabulary.entries)
    if vocabulary.kind == "labels":
        return f"/* Names of {name}, in UTF-8. */\nextern const char *const model_{name}[{count}];"
    return (
        f"/* Read the next of the {count} {name} of a text in UTF-8 and move on: its number, or -1 if unknown. */\n"
        f"int32_t model_read_{name}(const char **text);\n\n"
        f"/* Write one of the {name} as UTF-8, without an end; returns the number of bytes, at most 4. */\n"
        f"int model_write_{name}(int32_t number, char *text);"
    )


def vocabulary(name: str, vocabulary: Vocabulary) -> str:
    """Return the names of labels, or functions that read and write symbols."""
    if vocabulary.kind == "labels":
        names = ",\n    ".join(string(entry) for entry in vocabulary.entries)
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
{rows(str(point) for point in points)}}};

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
