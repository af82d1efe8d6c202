"""Text corpora: a file, several, or a folder of them, as one array of symbol numbers.

Several files follow one another in the order given; where one does not end with a line break, one is put between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lstmctl.data.encoding import Symbols, TextEncoding, UnknownSymbolError, smallest_integer
from lstmctl.data.locating import locate, portable_name, read_bytes, require_files, text_files
from lstmctl.data.splitting import split_positions
from lstmctl.errors import DataError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SIGNATURES = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"%PDF": "PDF",
}


@dataclass(frozen=True)
class TextCorpus:
    """A text as numbers, with what is needed to know it again."""

    symbols: Symbols
    """(length,) the whole text, in the smallest integer type that holds the vocabulary."""
    encoding: TextEncoding
    parts: dict[str, tuple[int, int]]
    """Start and stop of training, validation and, where there are three parts, test."""
    files: tuple[Path, ...]
    names: tuple[str, ...]
    """How a run's own config names the sources, so that it runs again from another folder."""
    fingerprint: dict[str, Any]
    """Size in bytes and SHA-256 of the joined text, and its length in symbols."""

    def __len__(self) -> int:
        return len(self.symbols)

    def part(self, name: str) -> Symbols:
        """The symbols of one part."""
        start, stop = self.parts[name]
        return self.symbols[start:stop]


def open_text(
    sources: str | Sequence[str],
    symbols: Literal["characters", "bytes"],
    split: Sequence[float] | Sequence[int] | None,
    config_folder: Path | None,
    *,
    encoding: TextEncoding | None = None,
) -> TextCorpus:
    """Find, check, join and encode a text.

    Args:
        sources: names of files or folders.
        symbols: what a symbol is. Characters are read as UTF-8, strictly.
        split: fractions or counts; None makes all of it one part, `validation`.
        config_folder: where names are looked for first.
        encoding: a run's own vocabulary, for text the run has not seen; by default that of the text itself.

    Raises:
        DataError: nothing is found, or it cannot be used as it is; the message says where and what would be right.
    """
    names = [sources] if isinstance(sources, str) else list(sources)
    found = [locate(name, config_folder) for name in names]
    files = require_files(file for path in found for file in text_files(path))
    joined = bytearray()
    for file in files:
        content = read_bytes(file)
        if symbols == "characters":
            check_utf8(content, file)
            content = content.removeprefix(BYTE_ORDER_MARK)
        if joined and content and not joined.endswith((b"\n", b"\r")):
            joined += b"\n"
        joined += content
    what = ", ".join(map(str, files[:3])) + (", …" if len(files) > 3 else "")
    if not joined:
        raise DataError(f"{what} is empty")
    numbers, encoding = _encode(bytes(joined), symbols, encoding, what)
    if len(np.unique(numbers)) < 2:
        raise DataError(
            f"{what} has one distinct symbol only, {encoding.name(int(numbers[0]))}; there is nothing to predict"
        )
    return TextCorpus(
        symbols=numbers,
        encoding=encoding,
        parts={"validation": (0, len(numbers))} if split is None else split_positions(len(numbers), split),
        files=tuple(files),
        names=tuple(portable_name(name, path) for name, path in zip(names, found, strict=True)),
        fingerprint={"sha256": hashlib.sha256(joined).hexdigest(), "bytes": len(joined), "symbols": len(numbers)},
    )


def check_utf8(content: bytes, file: Path, *, or_bytes: bool = True) -> None:
    """Refuse what is not UTF-8 text.

    Args:
        content: of the file.
        file: its path, for messages.
        or_bytes: whether it could be read as bytes instead.

    Raises:
        DataError: with what the file seems to be instead, or the byte offset and line of the first wrong byte.
    """
    if _is_bare_utf16(content[:1000]):
        raise _other_kind(file, "UTF-16", or_bytes)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        # Some signatures are letters, so they speak only where the content is not text anyway.
        for signature, kind in SIGNATURES.items():
            if content.startswith(signature):
                raise _other_kind(file, kind, or_bytes) from error
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file}: line {line}, byte offset {error.start}: 0x{content[error.start]:02x} is not UTF-8",
            hint=f"convert it, say from Latin-1: iconv -f latin1 -t utf-8 {file.name}"
            + (f"; or {BYTES_HINT}" if or_bytes else ""),
        ) from error


BYTES_HINT = "train on bytes: data.symbols=bytes"


def _is_bare_utf16(start: bytes) -> bool:
    """Whether a file begins as plain letters in UTF-16 without a byte order mark do: every second byte is zero."""
    halves = start[0::2], start[1::2]
    return len(start) >= 16 and any(not any(half) for half in halves) and any(all(half) for half in halves)


def _other_kind(file: Path, kind: str, or_bytes: bool) -> DataError:
    hint = "convert it to UTF-8 first" + (f", or {BYTES_HINT}" if or_bytes else "")
    return DataError(f"{file} is {kind}, not UTF-8 text", hint=hint)


def _encode(
    joined: bytes, symbols: Literal["characters", "bytes"], encoding: TextEncoding | None, what: str
) -> tuple[Symbols, TextEncoding]:
    if symbols == "bytes":
        return np.frombuffer(joined, dtype=np.uint8), TextEncoding("bytes")
    text = joined.decode("utf-8")
    if encoding is None:
        encoding = TextEncoding.of(text)
    try:
        return encoding.encode(text).astype(smallest_integer(len(encoding)), copy=False), encoding
    except UnknownSymbolError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DataError(f"{what}: line {line}: the run's vocabulary has no {error}") from error
