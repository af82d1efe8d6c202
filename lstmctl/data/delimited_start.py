"""The first lines of a delimited file: encoding, lines above the header, separator and first rows."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lstmctl.data.character_sets import utf_16_of
from lstmctl.data.dates import is_date
from lstmctl.data.number_format import is_number
from lstmctl.data.records import fields, records
from lstmctl.data.table_hints import TableHints
from lstmctl.data.utf8 import BYTE_ORDER_MARK
from lstmctl.errors import DataError
from lstmctl.shell import setting

SEPARATORS = (",", ";", "\t", "|")
SAMPLED = 200
"""Rows to recognise the use of columns by."""
EVIDENCE = 10 * SAMPLED
"""Rows to recognise the separator and the number format by."""
_HEAD = 1 << 18
"""Bytes that usually hold these rows."""
_LONGEST_HEAD = 1 << 26
_FEWEST = 20
"""Minimum number of lines to read, even if they are long."""
_COMMENTS = ("#", "//", "%", "!")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[\s,;|]*', re.IGNORECASE)
_UTF = {b"\xff\xfe\x00\x00": "utf-32", b"\x00\x00\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
CONVERT = "convert it to UTF-8 first; from a spreadsheet, save it as CSV"


@dataclass(frozen=True)
class Start:
    """Format of the beginning of a delimited file."""

    content: bytes | None
    """The whole file as UTF-8 with usual line ends, if the file itself has others or another encoding."""
    above: int
    """Bytes above the header."""
    header_line: int
    """Counted from 1."""
    separator: str
    header: list[str]
    rows: list[list[str]]
    """The fields of the first rows with any content."""
    table_line: int | None
    """The line, counted from 1, from which rows have one number of fields, if the header has another."""

    @property
    def table_hint(self) -> str | None:
        """Remedy for a header with another number of fields than the rows."""
        if self.table_line is None:
            return None
        return f"the header seems to be line {self.table_line}: delete the lines above it, or begin them with #"


def read_start(path: Path, separator: str) -> Start:
    """Read the first lines of a delimited file; `separator` is one of `SEPARATORS`, or auto.

    Raises:
        DataError: it is empty, has an unknown encoding, or its first line names an unknown separator.
    """
    with path.open("rb") as file:
        head, is_all, content = _head(file, path)
    text = head.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    header, said, replaced = _preamble(path, lines, separator)
    separator = said or separator
    read = list(records(lines[header:]))
    if not is_all and len(read) > 1:
        read.pop()  # it may be cut off
    read = read[:EVIDENCE]
    texts = [record for _, record in read if record.strip()]
    if replaced is not None:
        texts = [replaced, *texts[1:]]
    if separator == "auto":
        separator = _separator(texts)
    split = [fields(record, separator) for record in texts]
    places = [place for place, record in read if record.strip()]
    return Start(
        content=content,
        above=_offset(head, header),
        header_line=header + 1,
        separator=separator,
        header=split[0],
        rows=[row for row in split[1:] if any(row)],
        table_line=_table_line(texts, [header + 1 + place for place in places], len(split[0])),
    )


def column_names(start: Start, path: Path, hints: TableHints) -> tuple[str, ...]:
    """Return the columns' names, with a substitute for missing ones.

    Raises:
        DataError: there is one column only, a date or a number is where a name should be, or two names are the same.
    """
    header, place = start.header, f"{path}: line {start.header_line}"
    if len(header) < hints.columns:
        others = [other for other in SEPARATORS if other in header[0] and other != start.separator]
        hint = start.table_hint or f"a table has {hints.holds}"
        if others:
            hint = f"the columns seem to be separated otherwise: {setting('data.separator', others[0])}"
        elif start.table_hint is None and " " in header[0]:
            hint = f"if blanks separate the columns, replace them by one comma; {hint}"
        raise DataError(f"{place}: one column only, `{header[0][:40]}`", hint=hint)
    if date := next((name for name in header if is_date(name)), None):
        raise DataError(
            f"{place}: `{date}` is where a column's name should be",
            hint="put a header line before the data, such as "
            + start.separator.join(["date", *(f"series{number}" for number in range(1, len(header)))][:4]),
        )
    if all(not name or is_number(name) for name in header):
        raise DataError(
            f"{place} contains numbers in the place of the columns' names",
            hint="put a header line before the data, such as " + start.separator.join(hints.header),
        )
    names = [" ".join(name.split()) or f"column {number}" for number, name in enumerate(header, start=1)]
    if len(set(names)) < len(names):
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise DataError(f"{place}: two columns are named `{twice}`; rename one")
    return tuple(names)


def _head(file: BinaryIO, path: Path) -> tuple[bytes, bool, bytes | None]:
    """Return the first bytes, whether they are the whole file, and the whole file if it had to be converted."""
    head = file.read(_HEAD)
    is_all = len(head) < _HEAD
    encoding = _encoding(head)
    if encoding is None and b"\0" in head:
        raise DataError(f"{path} contains zero bytes, as binary files do", hint=CONVERT)
    is_old = b"\n" not in head and b"\r" in head
    if encoding is not None or is_old:
        content = head + file.read()
        if encoding is not None:
            try:
                content = content.decode(encoding).encode()
            except UnicodeError as error:
                raise DataError(f"{path} begins as {encoding.upper()} does, but is damaged: {error}") from error
            if b"\n" not in content[:_HEAD]:
                is_old = b"\r" in content[:_HEAD]
        # Old spreadsheets end lines with one carriage return.
        content = re.sub(b"\r\n?", b"\n", content) if is_old else content
        return content, True, content
    while not is_all and head.count(b"\n") < _FEWEST and len(head) < _LONGEST_HEAD:
        more = file.read(len(head))
        is_all, head = not more, head + more
    return head, is_all, None


def _encoding(head: bytes) -> str | None:
    """Return the encoding of a file; None if it seems to be UTF-8."""
    found = next((encoding for mark, encoding in _UTF.items() if head.startswith(mark)), None)
    return utf_16_of(head[:1000]) if found is None else found


def _preamble(path: Path, lines: list[str], separator: str) -> tuple[int, str | None, str | None]:
    """Return the index of the header's line, the separator that the first line names, and a header written as a
    comment."""
    said, comment = None, None
    for number, line in enumerate(lines):
        if number == 0 and (named := _SEPARATOR_LINE.fullmatch(line)):
            said = named[1] if separator == "auto" else None
            if said is not None and said not in SEPARATORS:
                raise DataError(
                    f"{path}: line 1: `{line.strip()}` names a separator that is not supported",
                    hint="separate columns by a comma, a semicolon, a tab or |, and delete line 1",
                )
        elif line.lstrip().startswith(_COMMENTS):
            comment = number
        elif line.strip():
            if comment is not None and (names := _commented_header(lines[comment], line, said or separator)):
                return comment, said, names
            return number, said, None
    if comment is not None:
        raise DataError(f"{path} contains only comments", hint="put a header line and rows below them")
    raise DataError(f"{path} is empty")


def _commented_header(comment: str, line: str, separator: str) -> str | None:
    """Return the names of columns in a comment right above the data; None if it has none."""
    names = comment.lstrip().lstrip("#%")
    separator = _separator([line]) if separator == "auto" else separator
    row, found = fields(line, separator), fields(names, separator)
    is_data = any(map(is_date, row)) or all(not field or is_number(field) for field in row)
    is_header = 1 < len(found) == len(row) and not any(is_date(name) or is_number(name) for name in found)
    return names.strip(" ") if is_data and is_header else None


def _offset(head: bytes, line: int) -> int:
    place = 0
    for _ in range(line):
        place = head.index(b"\n", place) + 1
    return place


def _separator(texts: list[str]) -> str:
    """Return the separator: one that is as frequent in the first rows as in the header; else the most frequent in the
    header."""
    sample = [re.sub(r'"[^"]*"', "", text) for text in texts[:SAMPLED]]
    counts = {separator: [text.count(separator) for text in sample] for separator in SEPARATORS}
    steady = [separator for separator, found in counts.items() if found[0] and len(set(found)) == 1]
    return max(steady or SEPARATORS, key=lambda separator: counts[separator][0])


def _table_line(texts: list[str], lines: list[int], width: int) -> int | None:
    """Return the line where a table seems to begin below lines of another form."""
    for separator in SEPARATORS:
        counts = [len(fields(text, separator)) for text in texts[:SAMPLED]]
        usual = Counter(counts).most_common(1)[0][0]
        first = counts.index(usual)
        if first and usual > max(width, 1) and set(counts[first:]) == {usual}:
            return lines[first]
    return None
