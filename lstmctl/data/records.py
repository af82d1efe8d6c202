"""Records of delimited text: rows whose quoted fields may contain separators and line breaks."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def records(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Join lines into records; yield the number of each record's first line, counted from 0, and its text. The last one
    may have an unclosed quotation mark."""
    start, parts, quotes = 0, list[str](), 0
    for number, line in enumerate(lines):
        parts.append(line)
        quotes += line.count('"')
        if quotes % 2 == 0:
            yield start, "\n".join(parts)
            start, parts, quotes = number + 1, [], 0
    if parts:
        yield start, "\n".join(parts)


def fields(record: str, separator: str) -> list[str]:
    """Return the fields of a record, without their quotation marks and surrounding blanks."""
    if '"' not in record:
        return [field.strip() for field in record.split(separator)]
    found, open_parts, quotes = [], list[str](), 0
    for part in record.split(separator):
        open_parts.append(part)
        quotes += part.count('"')
        if quotes % 2 == 0:
            found.append(separator.join(open_parts))
            open_parts, quotes = [], 0
    if open_parts:
        found.append(separator.join(open_parts))
    return [_unquoted(field).strip() for field in found]


def _unquoted(field: str) -> str:
    field = field.removesuffix("\r")
    is_quoted = len(field) > 1 and field[0] == field[-1] == '"'
    return field[1:-1].replace('""', '"') if is_quoted else field


def outside_quotes(codes: NDArray[np.uint8], sign: str) -> NDArray[np.int64]:
    """Return the positions of a sign outside quotation marks, in text that begins outside them."""
    found = np.flatnonzero(codes == ord(sign))
    quotes = np.flatnonzero(codes == ord('"'))
    return found if not len(quotes) else found[np.searchsorted(quotes, found) % 2 == 0]


def whole_records(content: bytes) -> int:
    """Return the end of the last whole record in a text; 0 if there is none."""
    if b'"' not in content:
        return content.rfind(b"\n") + 1
    ends = outside_quotes(np.frombuffer(content, dtype=np.uint8), "\n")
    return int(ends[-1]) + 1 if len(ends) else 0


def misquoted(block: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], separator: str) -> int | None:
    """Return the first record of a block whose quotation marks do not enclose whole fields; None if there is none.
    `starts` and `ends` (records,) are the records' positions, without line ends."""
    field, sign = _field(separator), re.escape(separator.encode())
    grammar = re.compile(field + rb"(?:" + sign + field + rb")*+\r?")
    quotes = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord('"'))
    for number in np.unique(np.searchsorted(ends, quotes)):
        if not grammar.fullmatch(block, int(starts[number]), int(ends[number])):
            return int(number)
    return None


def is_unclosed(record: bytes, separator: str) -> bool:
    """Return whether only the end of the last quoted field is missing."""
    sign = re.escape(separator.encode())
    return re.fullmatch(rb"(?:" + _field(separator) + sign + rb')*+"[^"]*+(?:""[^"]*+)*+', record) is not None


def _field(separator: str) -> bytes:
    """Return the grammar of a field."""
    # Quoted: anything, with doubled quotation marks. Unquoted: no separator, and quotation marks in pairs, not first.
    plain = rb'[^"\n' + re.escape(separator.encode()) + rb"]"
    return rb'(?:"[^"]*+(?:""[^"]*+)*+"|' + plain + rb'++(?:"' + plain + rb'*+"' + plain + rb"*+)*+|)"
