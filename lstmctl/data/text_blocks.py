"""Text files, joined and checked, one block at a time, so that a text may be larger than memory.

They are read twice: for their vocabulary and length (`survey`), then for their numbers (`BlockEncoder`).
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.hangul import decomposed
from lstmctl.data.locating import check_regular
from lstmctl.data.utf8 import BYTE_ORDER_MARK, START, check_start, not_utf8
from lstmctl.data.vocabulary import Kind, Symbols, TextEncoding, smallest_integer
from lstmctl.errors import DataError

BLOCK = 1 << 17
"""Bytes to read at once; what is computed from them fits into a processor's cache."""
CODE_POINTS = 0x110000


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the joined text, of whole characters."""

    content: bytes
    text: str | None = None
    """The symbols; None if every byte is one: in ASCII, and if symbols are bytes."""

    def __len__(self) -> int:
        """Number of symbols."""
        return len(self.content if self.text is None else self.text)


class JoinedText:
    """Files joined, with a line break after each that does not end with one.

    Args:
        files: at least one.
        kind: what a symbol is. Characters are read as strict UTF-8, without byte order marks.
        block: bytes to read at once.

    Raises:
        DataError: a file is missing or not regular.
    """

    def __init__(self, files: Sequence[Path], kind: Kind, block: int = BLOCK) -> None:
        self.files, self.kind, self.block = tuple(files), kind, block
        self.identity = self._identity()
        """Path, bytes and time of change, in nanoseconds, of each file."""

    def __str__(self) -> str:
        return ", ".join(map(str, self.files[:3])) + (", …" if len(self.files) > 3 else "")

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size, _ in self.identity)

    def blocks(self) -> Iterator[Block]:
        """Yield the whole text, in the same blocks each time.

        Raises:
            DataError: a file cannot be read, or is not UTF-8, with the byte offset and line.
        """
        ended = True
        for file in self.files:
            begun = False
            for block in self._bytes(file) if self.kind == "bytes" else self._characters(file):
                if not (begun or ended):
                    yield Block(b"\n")
                begun = True
                ended = block.content.endswith((b"\n", b"\r"))
                yield block

    def again(self, length: int) -> Iterator[Block]:
        """Yield the whole text once more, which had `length` symbols before.

        Raises:
            DataError: a file has changed since this object was made.
        """
        for block in self.blocks():
            length -= len(block)
            if length < 0:
                break
            yield block
        changed = [now[0] for before, now in zip(self.identity, self._identity(), strict=True) if before != now]
        if changed or length:
            what = ", ".join(changed) or str(self)
            raise DataError(f"{what} changed while it was read", hint="wait until it is complete, then try again")

    def symbols(self, text: str | None) -> str | None:
        """Return the symbols of characters; None of None."""
        return decomposed(text) if text is not None and self.kind == "decomposed" else text

    def _identity(self) -> list[tuple[str, int, int]]:
        found = []
        for file in self.files:
            with _readable(file):
                facts = file.stat()
            found.append((str(file.resolve()), facts.st_size, facts.st_mtime_ns))
        return found

    def _bytes(self, file: Path) -> Iterator[Block]:
        with _opened(file) as stream:
            while content := stream.read(self.block):
                yield Block(content)

    def _characters(self, file: Path) -> Iterator[Block]:
        with _opened(file) as stream:
            start = stream.read(START)
            check_start(start, file)
            # The position in the file of `rest`, the beginning of a character that the last block cut.
            place = len(BYTE_ORDER_MARK) if start.startswith(BYTE_ORDER_MARK) else 0
            stream.seek(place)
            rest = b""
            while True:
                piece = stream.read(self.block)
                content = rest + piece
                if content.isascii():
                    text, stop = None, len(content)
                else:
                    try:
                        text, stop = codecs.utf_8_decode(content, "strict", not piece)
                    except UnicodeDecodeError as error:
                        wrong = place + error.start
                        line = _line_breaks(stream, wrong) + 1
                        raise not_utf8(content[error.start], wrong, line, start, file) from error
                if stop:
                    yield Block(content[:stop], self.symbols(text))
                if not piece:
                    return
                rest = content[stop:]
                place += stop


@dataclass(frozen=True)
class Survey:
    """Facts about a text that are known before it is encoded."""

    size: int
    """Bytes of the joined text."""
    length: int
    """Symbols of the text."""
    distinct: NDArray[np.intp]
    """The code points, or bytes, that occur, in order."""

    def encoding(self, kind: Kind) -> TextEncoding:
        """Return the vocabulary: what occurs, or all bytes."""
        return TextEncoding(kind, "" if kind == "bytes" else "".join(map(chr, self.distinct)))

    def require(self, text: JoinedText) -> None:
        """Raise DataError if there is nothing to learn from."""
        if not self.length:
            raise DataError(f"{text} is empty")
        if len(self.distinct) < 2:
            only = TextEncoding("bytes") if text.kind == "bytes" else self.encoding(text.kind)
            name = only.name(int(self.distinct[0]) if text.kind == "bytes" else 0)
            raise DataError(f"{text} has only one distinct symbol, {name}; there is nothing to predict")


def survey(text: JoinedText, watch: Callable[[int], object] = lambda size: None) -> Survey:
    """Read a text for its vocabulary and its length, and report the bytes of each block to `watch`.

    Raises:
        DataError: as `JoinedText.blocks`.
    """
    size = length = 0
    seen = np.zeros(CODE_POINTS, dtype=bool)
    alone = 256 if text.kind == "bytes" else 128
    known = b""
    for block in text.blocks():
        size, length = size + len(block.content), length + len(block)
        # Removing known bytes is fast, and leaves whole characters of UTF-8.
        if fresh := block.content.translate(None, delete=known):
            seen[_points(Block(fresh, text.symbols(None if block.text is None else fresh.decode("utf-8"))))] = True
            known = np.flatnonzero(seen[:alone]).astype(np.uint8).tobytes()
        watch(len(block.content))
    return Survey(size, length, np.flatnonzero(seen))


class BlockEncoder:
    """Makes numbers of blocks of text, in the smallest integer type that holds the vocabulary.

    Args:
        encoding: the vocabulary.
        unknown: characters outside it that are read as the nearest known ones.
    """

    def __init__(self, encoding: TextEncoding, unknown: Sequence[str] = ()) -> None:
        self.kind = encoding.kind
        self.type = smallest_integer(len(encoding))
        points = [ord(symbol) for symbol in encoding.symbols]
        others = [ord(symbol) for symbol in unknown]
        self._numbers: NDArray[np.unsignedinteger[Any]] = np.zeros(max([*points, *others, 255]) + 1, self.type)
        self._numbers[points] = np.arange(len(points))
        if others:
            self._numbers[others] = encoding.encode("".join(map(encoding.nearest, unknown)))
        self._of_byte = self._numbers[:256].tobytes()

    def __call__(self, block: Block) -> Symbols:
        """Return (symbols,) numbers; undefined for unknown symbols."""
        if self.kind == "bytes":
            return np.frombuffer(block.content, np.uint8)
        if block.text is None and self.type is np.uint8:
            return np.frombuffer(block.content.translate(self._of_byte), np.uint8)
        return self._numbers.take(_points(block), mode="clip")


def _points(block: Block) -> NDArray[np.unsignedinteger[Any]]:
    """Return the code points, or the bytes, of a block."""
    if block.text is None:
        return np.frombuffer(block.content, np.uint8)
    return np.frombuffer(block.text.encode("utf-32-le"), "<u4")


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    with _readable(file), file.open("rb") as stream:
        yield stream


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    check_regular(file, "a text file or a folder")
    try:
        yield
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error


def _line_breaks(stream: BinaryIO, stop: int) -> int:
    """Count the line breaks in the first `stop` bytes of a file."""
    stream.seek(0)
    count = 0
    while stop > 0 and (piece := stream.read(min(BLOCK, stop))):
        count, stop = count + piece.count(b"\n"), stop - len(piece)
    return count
