"""Where quotation marks in a delimited file do not enclose whole fields."""

from __future__ import annotations

import re


def misquoted_line(block: bytes, separator: str, width: int) -> int | None:
    """The first line whose quotation marks do not enclose whole fields, counted from 1; None where there is none.

    Args:
        block: whole lines.
        separator: between fields.
        width: fields of a line.
    """
    sign = re.escape(separator.encode())
    # In quotes anything, a quotation mark as two; without, anything but the separator, and no quotation mark first.
    field = rb'(?:"(?:[^"]|"")*"|[^"' + sign + rb"][^" + sign + rb"]*|)"
    fields = re.compile(field + rb"(?:" + sign + field + rb"){" + str(width - 1).encode() + rb"}\r?")
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), start=1):
        if b'"' in line and not fields.fullmatch(line):
            return number
    return None
