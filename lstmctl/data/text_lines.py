"""Files of single texts, a line each, in the symbols of a run."""

from __future__ import annotations

from pathlib import Path

from lstmctl.data.encoding import Symbols, TextEncoding, UnknownSymbolError
from lstmctl.data.locating import locate, read_bytes, text_files
from lstmctl.data.utf8 import BYTE_ORDER_MARK, check_utf8
from lstmctl.errors import DataError


def open_lines(name: str, encoding: TextEncoding) -> list[Symbols]:
    """Every line as numbers, without its end; an empty line is a text of no symbols.

    Args:
        name: a file, or a folder whose every `.txt` file is read.
        encoding: the run's own.

    Raises:
        DataError: nothing is found, it is not UTF-8 where the encoding is of characters, or a line holds what the
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
    # In bytes, what is not UTF-8 becomes surrogates, and `encode` makes bytes of them again.
    text = content.decode("utf-8", "surrogateescape").replace("\r\n", "\n").removesuffix("\n")
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            found.append(encoding.encode(line))
        except UnknownSymbolError as error:
            raise DataError(f"{path}: line {number}: the run's vocabulary has no {error}") from error
    return found
