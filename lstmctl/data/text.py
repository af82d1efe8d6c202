"""Text corpora: a file, several, or a folder of them, as one array of symbol numbers; or prepared text.

Several files are joined in the given order, with a line break after each that does not end with one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.locating import locate, portable_name, require_files, text_files
from lstmctl.data.prepared_folder import is_prepared
from lstmctl.data.prepared_text import open_prepared
from lstmctl.data.splitting import split_positions
from lstmctl.data.symbol_words import shown_symbols
from lstmctl.data.text_blocks import BlockEncoder, JoinedText, survey
from lstmctl.data.vocabulary import Kind, Symbols, TextEncoding
from lstmctl.errors import DataError

COUNTED = 1 << 20
"""Symbols to count at once."""


@dataclass(frozen=True)
class TextCorpus:
    """A text as numbers, with the facts that identify it."""

    symbols: Symbols
    """(length,) in the smallest integer type for the vocabulary, read-only; memory-mapped if prepared."""
    encoding: TextEncoding
    parts: dict[str, tuple[int, int]]
    """Start and stop of training, validation and, if there are three parts, test."""
    files: tuple[Path, ...]
    names: tuple[str, ...]
    """The sources as a run's own config names them, valid from any folder."""
    fingerprint: dict[str, Any]
    """Size in bytes and SHA-256 of the joined text, and its length in symbols; of an emphasised text, also the SHA-256
    of the table that says where."""
    emphasised: NDArray[np.bool_] | None = None
    """(length,) True at symbols that count more in training; None if all count the same."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """By part: a sentence if its text has symbols that a run does not know."""

    def __len__(self) -> int:
        return len(self.symbols)

    def part(self, name: str) -> Symbols:
        """Return the symbols of one part."""
        start, stop = self.parts[name]
        return self.symbols[start:stop]

    def counts(self) -> NDArray[np.int64]:
        """Return (vocabulary,) the frequency of each symbol."""
        counts = np.zeros(len(self.encoding), np.int64)
        for start in range(0, len(self), COUNTED):
            counts += np.bincount(self.symbols[start : start + COUNTED], minlength=len(counts))
        return counts


def open_text(
    sources: str | Sequence[str],
    symbols: Kind,
    split: Sequence[float] | Sequence[int] | None,
    config_folder: Path | None,
    *,
    encoding: TextEncoding | None = None,
) -> TextCorpus:
    """Find, check, join and encode a text; or open prepared text as the same corpus.

    Args:
        sources: names of files or folders.
        symbols: what a symbol is. Characters are read as strict UTF-8.
        split: fractions or counts; None makes everything one part, `validation`.
        config_folder: the first folder to look for names in.
        encoding: a run's vocabulary, for a text that the run has not seen; by default, the text defines its own.

    Raises:
        DataError: the text is missing or cannot be used; with the position and a remedy.
    """
    names = [sources] if isinstance(sources, str) else list(sources)
    found = [locate(name, config_folder, "data.text" if encoding is None else None) for name in names]
    unknown = ""
    if any(map(is_prepared, found)):
        if len(found) > 1:
            raise DataError("data.text contains both prepared and other text", hint="prepare all texts together")
        files = found
        numbers, encoding, fingerprint = open_prepared(found[0], symbols, encoding)
    else:
        files = files_of(found)
        numbers, encoding, fingerprint, unknown = _read(JoinedText(files, symbols), encoding)
    return TextCorpus(
        symbols=numbers,
        encoding=encoding,
        parts={"validation": (0, len(numbers))} if split is None else split_positions(len(numbers), split),
        files=tuple(files),
        names=tuple(portable_name(name, path) for name, path in zip(names, found, strict=True)),
        fingerprint=fingerprint,
        unknown={"validation": unknown} if unknown else {},
    )


def files_of(found: Sequence[Path]) -> list[Path]:
    """Return the text files of some paths, each once, in the given order.

    Raises:
        DataError: there are no text files.
    """
    return require_files(file for path in found for file in text_files(path))


def _read(text: JoinedText, encoding: TextEncoding | None) -> tuple[Symbols, TextEncoding, dict[str, Any], str]:
    """Return a text as numbers in memory, its vocabulary, its fingerprint, and a sentence on symbols that a given
    vocabulary lacks."""
    facts = survey(text)
    facts.require(text)
    unknown = [] if encoding is None else [chr(point) for point in facts.distinct if chr(point) not in encoding]
    encoding = encoding or facts.encoding(text.kind)
    encode, digest = BlockEncoder(encoding, unknown), hashlib.sha256()
    count = 0
    numbers = np.empty(facts.length, encode.type)
    done = 0
    for block in text.again(facts.length):
        digest.update(block.content)
        if unknown:
            content = block.content.decode("ascii") if block.text is None else block.text
            count += sum(map(content.count, unknown))
        numbers[done : done + len(block)] = encode(block)
        done += len(block)
    fingerprint = {"sha256": digest.hexdigest(), "bytes": facts.size, "symbols": facts.length}
    return numbers, encoding, fingerprint, nearest_instead(count, facts.length, unknown)


def nearest_instead(count: int, length: int, unknown: Sequence[str]) -> str:
    """Return a sentence on symbols that a run does not know; empty if there are none.

    Args:
        count: how often they occur.
        length: symbols in all.
        unknown: the symbols.
    """
    if not count:
        return ""
    return (
        f"{count:,} of {length:,} characters are unknown to the run, and are read and scored as the nearest known "
        f"ones: {shown_symbols(unknown)}."
    )
