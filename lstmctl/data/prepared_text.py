"""Prepared text: its numbers in a separate file, which training memory-maps instead of reading it.

A folder holds `symbols.bin`, the numbers one after the other, little-endian, in the smallest unsigned integer type that
holds the vocabulary, and `prepared.json`, which says what they mean. `data.preparing_text` writes it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl.data import prepared_folder
from lstmctl.data.encoding import Symbols, TextEncoding, smallest_integer
from lstmctl.data.prepared_folder import AGAIN, HEADER, checked_blocks
from lstmctl.data.text_blocks import Kind
from lstmctl.errors import DataError, LstmctlError
from lstmctl.words import plural

NUMBERS = "symbols.bin"
FORMAT = 1


@dataclass(frozen=True)
class Header:
    """The contents of `prepared.json`."""

    files: list[str]
    """The text's, for people."""
    bytes: int
    """Of the joined text."""
    sha256: str
    """Of the joined text."""
    encoding: dict[str, Any]
    """As in a run's `encoding.json`."""
    type: str
    """Of the numbers, as numpy calls it."""
    length: int
    """Number of symbols."""
    numbers_sha256: str
    """Of `symbols.bin`."""
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """As a `TextCorpus` of the same text has it."""
        return {"sha256": self.sha256, "bytes": self.bytes, "symbols": self.length}


def read_header(folder: Path) -> tuple[Header, TextEncoding]:
    """The header of prepared text, and the vocabulary in it.

    Raises:
        DataError: it is missing, or not one.
    """
    types = {"files": list, "bytes": int, "sha256": str, "encoding": dict, "type": str, "length": int}
    header = Header(**prepared_folder.read_header(folder, "text", FORMAT, {**types, "numbers_sha256": str}))
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
    """Prepared text, checked: its numbers (length,) mapped read-only, its vocabulary, and its fingerprint.

    All of the file is read once, a block at a time, for its hash and its largest number.

    Args:
        folder: as `data.preparing_text.prepare_text` made it.
        kind: what a symbol should be.
        known: a run's own vocabulary, for text the run has not seen.

    Raises:
        DataError: the folder is not whole, not as it was prepared, or of other symbols.
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
    """Raises DataError where the numbers are not those that the header is of."""
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
