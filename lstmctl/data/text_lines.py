"""Files of single texts, a line each."""

from __future__ import annotations

from pathlib import Path

from lstmctl.data.locating import locate, read_bytes, text_files
from lstmctl.data.utf8 import BYTE_ORDER_MARK, check_utf8
from lstmctl.errors import DataError


def open_lines(name: str, symbols: str) -> list[str]:
    """Return every line without its end.

    Args:
        name: a file, or a folder of `.txt` files.
        symbols: as `data.symbols`; for `bytes`, bytes that are not UTF-8 become surrogates.

    Raises:
        DataError: nothing is found, or symbols are characters and a file is not UTF-8.
    """
    return [line for path in text_files(locate(name, None, None)) for line in _lines(path, symbols)]


def _lines(path: Path, symbols: str) -> list[str]:
    content = read_bytes(path)
    if symbols != "bytes":
        check_utf8(content, path)
        content = content.removeprefix(BYTE_ORDER_MARK)
    if not content:
        raise DataError(f"{path} is empty")
    return content.decode("utf-8", "surrogateescape").replace("\r\n", "\n").removesuffix("\n").split("\n")
