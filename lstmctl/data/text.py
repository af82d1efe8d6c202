"""Text corpora: a file, several, or a folder of them, as one array of symbol numbers; or what was prepared of them.

Several files follow one another in the order given; where one does not end with a line break, one is put between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.encoding import Symbols, TextEncoding
from lstmctl.data.locating import locate, portable_name, require_files, text_files
from lstmctl.data.prepared_folder import is_prepared
from lstmctl.data.prepared_text import open_prepared
from lstmctl.data.splitting import split_positions
from lstmctl.data.symbol_words import shown_symbols
from lstmctl.data.text_blocks import BlockEncoder, JoinedText, Kind, survey
from lstmctl.errors import DataError

COUNTED = 1 << 20
"""Symbols counted at once."""


@dataclass(frozen=True)
class TextCorpus:
    """A text as numbers, with what is needed to know it again."""

    symbols: Symbols
    """(length,) the whole text, in the smallest integer type that holds the vocabulary; not to be written to. What was
    prepared stays on the disk, and comes into memory where it is read."""
    encoding: TextEncoding
    parts: dict[str, tuple[int, int]]
    """Start and stop of training, validation and, where there are three parts, test."""
    files: tuple[Path, ...]
    names: tuple[str, ...]
    """How a run's own config names the sources, so that it runs again from another folder."""
    fingerprint: dict[str, Any]
    """Size in bytes and SHA-256 of the joined text, and its length in symbols."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """By part: a sentence if its text has symbols that a run does not know."""

    def __len__(self) -> int:
        return len(self.symbols)

    def part(self, name: str) -> Symbols:
        """The symbols of one part."""
        start, stop = self.parts[name]
        return self.symbols[start:stop]

    def counts(self) -> NDArray[np.int64]:
        """(vocabulary,) how often each symbol occurs."""
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
    """Find, check, join and encode a text; or open what `lstmctl data prepare` made of one, which is the same corpus.

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
    found = [locate(name, config_folder, "data.text" if encoding is None else None) for name in names]
    unknown = ""
    if any(map(is_prepared, found)):
        if len(found) > 1:
            raise DataError("data.text names prepared text among other text", hint="prepare all of it as one")
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
    """The text files that paths stand for, each once, in the order given.

    Raises:
        DataError: there is none.
    """
    return require_files(file for path in found for file in text_files(path))


def _read(text: JoinedText, encoding: TextEncoding | None) -> tuple[Symbols, TextEncoding, dict[str, Any], str]:
    """All numbers of a text, in memory, with its vocabulary, its fingerprint, and a sentence on symbols that a given
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
