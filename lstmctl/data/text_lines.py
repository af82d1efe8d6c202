"""Files with one text per line, in the symbols of a run."""

from __future__ import annotations

from pathlib import Path

from lstmctl.data.encoding import Symbols, TextEncoding, UnknownSymbolError
from lstmctl.data.locating import locate, read_bytes, text_files
from lstmctl.data.utf8 import BYTE_ORDER_MARK, check_utf8
from lstmctl.errors import DataError


def open_lines(name: str, encoding: TextEncoding) -> list[Symbols]:
    """Return every line of a file, or of a folder's `.txt` files, as numbers without its end; an empty line has no
    symbols.

    Raises:
        DataError: the file is missing, not UTF-8 if the encoding is of characters, or a line holds something that the
            encoding lacks; with the line.
    """
    return [line for path in text_files(locate(name, None, None)) for line in _lines(path, encoding)]


def _lines(path: Path, encoding: TextEncoding) -> list[Symbols]:
    content = read_bytes(path)
    if encoding.kind == "characters":
        check_utf8(content, path)
        content = content.removeprefix(BYTE_ORDER_MARK)
    if not content:
        raise DataError(f"{path} is empty")
    # Bytes that are not UTF-8 become surrogates, which `encode` converts back.
    text = content.decode("utf-8", "surrogateescape").replace("\r\n", "\n").removesuffix("\n")
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            found.append(encoding.encode(line))
        except UnknownSymbolError as error:
            raise DataError(f"{path}: line {number}: the run's vocabulary has no {error}") from error
    return found
