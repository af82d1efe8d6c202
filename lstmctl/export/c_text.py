"""Pieces of C source: types, numbers, texts and lines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import numpy as np

from lstmctl.export.graph import Function, Shape

TYPES = {"float32": "float", "float64": "double", "index": "int32_t"}


def has_time(function: Function) -> bool:
    """Return True if a function has an input with any number of time steps."""
    return any(None in one.value.shape for one in function.inputs.values())


def product(shape: Shape, time: str = "time") -> str:
    """Return the number of values of a shape, as an expression."""
    fixed = math.prod(length for length in shape if length is not None)
    if None not in shape:
        return str(fixed)
    return time if fixed == 1 else f"{time} * {fixed}"


def literal(value: float) -> str:
    """Return a float."""
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if re.search(r"[.en]", text) else f"{text}.0f"


def double(value: float) -> str:
    """Return a double."""
    text = repr(float(value))
    return text if math.isfinite(value) else "NAN" if math.isnan(value) else "INFINITY"


def rows(values: Iterable[str]) -> str:
    """Return lines of values for an initialiser."""
    lines, line = [], ""
    for value in values:
        if len(line) + len(value) > 110:
            lines.append(line)
            line = ""
        line += f"{value}, "
    return "".join(f"    {one.rstrip()}\n" for one in (*lines, line))


def ascii(text: str) -> str:
    """Return a text that fits into a comment."""
    return text.encode("ascii", "replace").decode().replace("*/", "* /")


def string(text: str) -> str:
    """Return a string literal; other bytes than plain ASCII are octal escapes."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode()
    )
    return f'"{plain}"'
