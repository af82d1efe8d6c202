"""Checks for UTF-8 text, with what a file seems to be instead."""

from __future__ import annotations

from pathlib import Path

from lstmctl.data.character_sets import conversion, convert_command, utf_16_of
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
START = 1000
"""Bytes at the start of a file that show its kind."""
BYTES_HINT = "train on bytes: data.symbols=bytes"


def check_utf8(content: bytes, file: Path, *, or_bytes: bool = True) -> None:
    """Refuse anything but UTF-8 text; `or_bytes`: it could be read as bytes instead.

    Raises:
        DataError: with what the file seems to be, or the byte offset and line of the first invalid byte.
    """
    check_start(content[:START], file, or_bytes=or_bytes)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise not_utf8(content[error.start], error.start, line, content[:START], file, or_bytes=or_bytes) from error


def check_start(start: bytes, file: Path, *, or_bytes: bool = True) -> None:
    """Refuse a file that begins like UTF-16 without a byte order mark, which may be valid UTF-8, zeros and all.

    Raises:
        DataError: it does.
    """
    if (name := utf_16_of(start)) is not None:
        raise _other_kind(file, "UTF-16", or_bytes, name)


def not_utf8(byte: int, offset: int, line: int, start: bytes, file: Path, *, or_bytes: bool = True) -> DataError:
    """Return the error for a file whose first invalid byte is `byte` at `offset`, counted from 0, in `line`, counted
    from 1."""
    # Some signatures are letters, so they count only if the content is not text anyway.
    for signature, kind in SIGNATURES.items():
        if start.startswith(signature):
            return _other_kind(file, kind, or_bytes, kind.lower())
    return DataError(
        f"{file}: line {line}, byte offset {offset}: 0x{byte:02x} is not UTF-8",
        hint=conversion(file, offset) + (f"; or {BYTES_HINT}" if or_bytes else ""),
    )


def _other_kind(file: Path, kind: str, or_bytes: bool, encoding: str) -> DataError:
    if encoding.startswith("utf"):
        hint = f"convert it: {convert_command(file, encoding)}"
    else:
        hint = "extract the text, as a file in UTF-8"
    hint += f"; or {BYTES_HINT}" if or_bytes else ""
    return DataError(f"{file} is {kind}, not UTF-8 text", hint=hint)
