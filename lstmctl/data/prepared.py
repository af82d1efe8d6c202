"""Prepared text: its numbers in a file of their own, which a training maps into memory instead of reading it.

A folder holds `symbols.bin`, the numbers one after the other, little-endian, in the smallest unsigned integer type that
holds the vocabulary, and `prepared.json`, which says what they mean. `data.preparing` writes it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl.data.encoding import Symbols, TextEncoding, smallest_integer
from lstmctl.data.text_blocks import Kind
from lstmctl.errors import DataError, LstmctlError

HEADER = "prepared.json"
NUMBERS = "symbols.bin"
PROGRESS = "progress.json"
"""There from the second reading of the text until the header is."""
FORMAT = 1
BLOCK = 1 << 20
"""Bytes checked at once."""
AGAIN = "remove the folder, and prepare the text again: lstmctl data prepare"


@dataclass(frozen=True)
class Header:
    """What `prepared.json` holds."""

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
    """How many numbers."""
    numbers_sha256: str
    """Of `symbols.bin`."""
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """As a `TextCorpus` of the same text has it."""
        return {"sha256": self.sha256, "bytes": self.bytes, "symbols": self.length}


def is_prepared(path: Path) -> bool:
    """Whether a folder holds prepared text, or what was begun of it."""
    return (path / HEADER).is_file() or (path / PROGRESS).is_file()


def read_header(folder: Path) -> tuple[Header, TextEncoding]:
    """The header of prepared text, and the vocabulary in it.

    Raises:
        DataError: it is missing, or not one.
    """
    path = folder / HEADER
    if not path.exists():
        raise DataError(f"{folder} is not prepared to its end", hint="give `lstmctl data prepare` again: it goes on")
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}", hint=AGAIN) from error
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise DataError(f"{path} is not a header of format {FORMAT}, but of {json.dumps(found)}", hint=AGAIN)
    types = {"files": list, "bytes": int, "sha256": str, "encoding": dict, "type": str, "length": int}
    for key, wanted in {**types, "numbers_sha256": str}.items():
        if type(data.get(key)) is not wanted:
            raise DataError(f"{path}: {key} is not {NAMES[wanted]}", hint=AGAIN)
    header = Header(**{key: data[key] for key in (*types, "numbers_sha256")})
    try:
        encoding = TextEncoding.from_json(header.encoding)
    except LstmctlError as error:
        raise DataError(f"{path}: {error}".replace("encoding.json", "encoding"), hint=AGAIN) from error
    if header.type != np.dtype(smallest_integer(len(encoding))).name:
        raise DataError(f"{path}: type is {header.type}, which is not that of {len(encoding):,} symbols", hint=AGAIN)
    return header, encoding


NAMES = {list: "a list", int: "a whole number", str: "a text", dict: "an object"}


def open_prepared(
    folder: Path, kind: Kind, known: TextEncoding | None = None
) -> tuple[Symbols, TextEncoding, dict[str, Any]]:
    """Prepared text, checked: its numbers (length,) mapped read-only, its vocabulary, and its fingerprint.

    All of the file is read once, a block at a time, for its hash and its largest number.

    Args:
        folder: as `data.preparing.prepare` made it.
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
            hint="give the text itself",
        )
    path = folder / NUMBERS
    number = np.dtype(header.type).newbyteorder("<")
    _check(path, header, number, len(encoding))
    return np.memmap(path, number, "r"), encoding, header.fingerprint


def _check(path: Path, header: Header, number: np.dtype[Any], vocabulary: int) -> None:
    """Raises DataError where the numbers are not those that the header is of."""
    wanted = header.length * number.itemsize
    digest = hashlib.sha256()
    place = 0
    try:
        size = path.stat().st_size
        if size != wanted or not size:
            raise DataError(
                f"{path} has {size:,} bytes; its header says {wanted:,}: {header.length:,} numbers of "
                f"{number.itemsize} byte{'s' if number.itemsize > 1 else ''}",
                hint=AGAIN,
            )
        with path.open("rb") as file:
            while content := file.read(BLOCK):
                digest.update(content)
                numbers = np.frombuffer(content, number)
                if numbers.max() >= vocabulary:
                    first = int(np.argmax(numbers >= vocabulary))
                    raise DataError(
                        f"{path}: number {place + first:,}, counted from 0, is {numbers[first]}, but the vocabulary of "
                        f"its header has {vocabulary:,} symbols",
                        hint=AGAIN,
                    )
                place += len(numbers)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", hint=AGAIN) from error
    if digest.hexdigest() != header.numbers_sha256:
        raise DataError(
            f"{path} is not as it was prepared: its SHA-256 is {digest.hexdigest()[:16]}…, "
            f"in its header {header.numbers_sha256[:16]}…",
            hint=AGAIN,
        )
