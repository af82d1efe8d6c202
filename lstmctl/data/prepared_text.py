"""Prepared text: its numbers in a separate file, which training memory-maps instead of reading it.

A folder holds `symbols.bin`, the numbers, little-endian, in the smallest unsigned integer type for the vocabulary, and
`prepared.json`, which describes them. `data.preparing_text` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl.data import prepared_folder
from lstmctl.data.prepared_folder import AGAIN, HEADER, checked_blocks
from lstmctl.data.vocabulary import Kind, Symbols, TextEncoding, smallest_integer
from lstmctl.errors import DataError, LstmctlError
from lstmctl.words import plural

NUMBERS = "symbols.bin"
FORMAT = 1


@dataclass(frozen=True)
class Header:
    """Content of `prepared.json`."""

    files: list[str]
    """The text's paths, for people."""
    bytes: int
    """Of the joined text."""
    sha256: str
    """Of the joined text."""
    encoding: dict[str, Any]
    """As in a run's `encoding.json`."""
    type: str
    """Type of the numbers, as named by numpy."""
    length: int
    """Number of symbols."""
    numbers_sha256: str
    """Of `symbols.bin`."""
    format: int = FORMAT

    @property
    def vocabulary(self) -> int:
        """Return the number of symbols."""
        return len(TextEncoding.from_json(self.encoding))

    @property
    def fingerprint(self) -> dict[str, Any]:
        """As of a `TextCorpus` of the same text."""
        return {"sha256": self.sha256, "bytes": self.bytes, "symbols": self.length}


def read_header(folder: Path) -> tuple[Header, TextEncoding]:
    """Read the header of prepared text, and its vocabulary.

    Raises:
        DataError: it is missing or damaged.
    """
    header = prepared_folder.read_header(folder, "text", FORMAT, Header)
    path = folder / HEADER
    try:
        encoding = TextEncoding.from_json(header.encoding)
    except LstmctlError as error:
        raise DataError(f"{path}: {error}".replace("encoding.json", "encoding"), hint=AGAIN) from error
    if header.type != np.dtype(smallest_integer(len(encoding))).name:
        raise DataError(f"{path}: type is {header.type}, which is not that of {len(encoding):,} symbols", hint=AGAIN)
    return header, encoding


def open_prepared(
    folder: Path, kind: Kind, known: TextEncoding | None = None
) -> tuple[Symbols, TextEncoding, dict[str, Any]]:
    """Return prepared text, checked: its numbers (length,) mapped read-only, its vocabulary, and its fingerprint.

    The whole file is read once, one block at a time, for its hash and its largest number.

    Args:
        folder: from `data.preparing_text.prepare_text`.
        kind: what a symbol should be.
        known: a run's own vocabulary, for a text that the run has not seen.

    Raises:
        DataError: the folder is incomplete or damaged, or has other symbols.
    """
    header, encoding = read_header(folder)
    if encoding.kind != kind:
        raise DataError(f"{folder} was prepared as {encoding.kind}, not {kind}", hint=f"data.symbols={encoding.kind}")
    if known is not None and known != encoding:
        raise DataError(
            f"{folder} was prepared with another vocabulary than the run's: {encoding.difference(known)}",
            hint="use the text itself",
        )
    path = folder / NUMBERS
    number = np.dtype(header.type).newbyteorder("<")
    _check(path, header, number, len(encoding))
    return np.memmap(path, number, "r"), encoding, header.fingerprint


def _check(path: Path, header: Header, number: np.dtype[Any], vocabulary: int) -> None:
    """Raise DataError if the numbers do not match the header."""
    expected = f"{header.length:,} numbers of {plural(number.itemsize, 'byte')}"
    place = 0
    for content in checked_blocks(path, header.length * number.itemsize, header.numbers_sha256, expected):
        numbers = np.frombuffer(content, number)
        if numbers.max() >= vocabulary:
            first = int(np.argmax(numbers >= vocabulary))
            raise DataError(
                f"{path}: number {place + first:,}, counted from 0, is {numbers[first]}, but the vocabulary of "
                f"its header has {vocabulary:,} symbols",
                hint=AGAIN,
            )
        place += len(numbers)
