"""Pairs of texts, one per line: source, tab, target.

Blanks around either half do not count; empty lines are left out. Several files follow one another in the order given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.encoding import Symbols, TextEncoding, UnknownSymbolError, smallest_integer
from lstmctl.data.locating import locate, portable_name, read_bytes, require_files
from lstmctl.data.sequences import LONGEST, range_in_words
from lstmctl.data.splitting import split_positions
from lstmctl.data.utf8 import BYTE_ORDER_MARK, check_utf8
from lstmctl.errors import DataError, RunError
from lstmctl.words import plural

SHAPE = "each line must contain a source, a tab and a target"


@dataclass(frozen=True)
class PairsEncoding:
    """The vocabularies of sources and targets."""

    source: TextEncoding
    target: TextEncoding

    def to_json(self) -> dict[str, Any]:
        """The contents of `encoding.json`."""
        return {"format": 1, "source": self.source.to_json(), "target": self.target.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """An encoding as `to_json` wrote it.

        Raises:
            RunError: it is not one.
        """
        sides = [data.get(side) for side in ("source", "target")]
        if data.get("format") != 1 or not all(isinstance(side, dict) for side in sides):
            raise RunError("encoding.json is not an encoding of pairs of format 1")
        source, target = (TextEncoding.from_json(side) for side in sides if isinstance(side, dict))
        return cls(source, target)

    def difference(self, other: PairsEncoding) -> str | None:
        """In words, how another encoding writes other numbers; None where it writes the same."""
        for what, own, others in (("source", self.source, other.source), ("target", self.target, other.target)):
            if own != others:
                return f"another {what} vocabulary than this data: {others.difference(own)}"
        return None


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts one after the other in one array."""

    symbols: Symbols
    """(symbols,) in the smallest integer type that holds the vocabulary."""
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    """(texts,); a length of 0 is a text that is not known."""

    def __len__(self) -> int:
        return len(self.starts)

    def text(self, index: int) -> Symbols:
        """(length,) the symbols of one text."""
        return self.symbols[self.starts[index] : self.starts[index] + self.lengths[index]]

    def between(self, start: int, stop: int) -> Texts:
        """The texts `start` to `stop` alone, over the same symbols."""
        return Texts(self.symbols, self.starts[start:stop], self.lengths[start:stop])


@dataclass(frozen=True, eq=False)
class PairsCorpus:
    """Pairs as numbers, with what is needed to know them again."""

    sources: Texts
    targets: Texts
    encoding: PairsEncoding
    parts: dict[str, tuple[int, int]]
    """Start and stop of each part, in pairs."""
    names: tuple[str, ...]
    """Names of the files for a run's own config, which work from any folder."""
    fingerprint: dict[str, Any]
    """Size in bytes and SHA-256 of the files, one after the other, and their pairs."""
    notes: tuple[str, ...]
    """Sentences about what was found and left out."""

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def is_labelled(self) -> bool:
        """True if every source has a target."""
        return bool(self.targets.lengths.all())

    def part(self, name: str) -> tuple[Texts, Texts]:
        """The sources and targets of one part."""
        start, stop = self.parts[name]
        return self.sources.between(start, stop), self.targets.between(start, stop)


@dataclass
class _Lines:
    """Raw pairs, each with its position."""

    sources: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    empty: int = 0


def open_pairs(
    paths: str | Sequence[str],
    split: Sequence[float] | Sequence[int],
    config_folder: Path | None,
    *,
    encoding: PairsEncoding | None = None,
) -> PairsCorpus:
    """Find, check, split and encode pairs of texts.

    Args:
        paths: names of files, read as UTF-8.
        split: fractions or counts of pairs.
        config_folder: where names are looked for first.
        encoding: a run's own vocabularies, for pairs the run has not seen: then all are one part, `validation`, and a
            line without a tab is a source whose target is not known.

    Raises:
        DataError: the data is missing or unsuitable; the message says where, and what would be right.
    """
    named = [paths] if isinstance(paths, str) else list(paths)
    found = [locate(name, config_folder, "data.pairs" if encoding is None else None) for name in named]
    lines, digest, size = _Lines(), hashlib.sha256(), 0
    for path in require_files(found):
        content = read_bytes(path)
        check_utf8(content, path, or_bytes=False)
        _read(content, path, lines, may_lack_target=encoding is not None)
        digest.update(content)
        size += len(content)
    what = ", ".join(map(str, found))
    if not lines.sources:
        raise DataError(f"{what} contains no pair", hint=SHAPE)
    vocabularies = (None, None) if encoding is None else (encoding.source, encoding.target)
    sources, source = _encode(lines.sources, lines.places, vocabularies[0], "source")
    targets, target = _encode(lines.targets, lines.places, vocabularies[1], "target")
    parts = {"validation": (0, len(sources))} if encoding is not None else _split(len(sources), split, what)
    return PairsCorpus(
        sources=sources,
        targets=targets,
        encoding=PairsEncoding(source, target),
        parts=parts,
        names=tuple(portable_name(name, path) for name, path in zip(named, found, strict=True)),
        fingerprint={"sha256": digest.hexdigest(), "bytes": size, "pairs": len(sources)},
        notes=tuple(_notes(lines, parts)),
    )


def _read(content: bytes, path: Path, lines: _Lines, *, may_lack_target: bool) -> None:
    """Add the pairs of one file.

    Raises:
        DataError: a line is not a pair; with the line, and what would be right.
    """
    text = content.removeprefix(BYTE_ORDER_MARK).decode("utf-8")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            lines.empty += 1
            continue
        place = f"{path}: line {number}"
        source, *rest = (half.strip() for half in line.split("\t"))
        if not rest and not may_lack_target:
            raise DataError(f"{place}: no tab", hint=SHAPE)
        if len(rest) > 1:
            raise DataError(f"{place}: {len(rest)} tabs, but a pair has one", hint=f"{SHAPE}; write others as spaces")
        if not source or rest == [""]:
            side = "before" if not source else "after"
            raise DataError(f"{place}: no text {side} the tab", hint=f"{SHAPE}; complete it, or delete the line")
        for half in (source, *rest):
            if len(half) > LONGEST:
                raise DataError(
                    f"{place}: a text of {len(half):,} characters, but one may have {LONGEST:,} at most",
                    hint="cut it into several pairs",
                )
        lines.sources.append(source)
        lines.targets.append(rest[0] if rest else "")
        lines.places.append(place)
    lines.empty -= text.endswith("\n")  # the text after the last line's end is not a line


def _encode(
    texts: list[str], places: list[str], encoding: TextEncoding | None, side: str
) -> tuple[Texts, TextEncoding]:
    """All texts of one side as numbers, by their own vocabulary or a run's.

    Raises:
        DataError: a run's vocabulary lacks a character; with line, character, and its position in the text.
    """
    joined = "".join(texts)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    if encoding is None:
        encoding = TextEncoding.of(joined)
    try:
        symbols = encoding.encode(joined).astype(smallest_integer(len(encoding)), copy=False)
    except UnknownSymbolError as error:
        index = int(np.searchsorted(starts, error.position, side="right")) - 1
        found = UnknownSymbolError(error.symbol, error.position - int(starts[index]))
        raise DataError(
            f"{places[index]}: the run's {side} vocabulary has no {found}",
            hint="the run was trained without that character; write the text with those it knows",
        ) from error
    return Texts(symbols, starts, lengths), encoding


def _split(pairs: int, split: Sequence[float] | Sequence[int], what: str) -> dict[str, tuple[int, int]]:
    try:
        return split_positions(pairs, split, "pairs")
    except DataError as error:
        hint = "fewer pairs for its parts in data.split, or more pairs in the file"
        raise DataError(f"{what}: {error}", hint=hint) from error


def _notes(lines: _Lines, parts: Mapping[str, tuple[int, int]]) -> list[str]:
    notes = []
    if lines.empty:
        notes.append(f"{plural(lines.empty, 'empty line is', 'empty lines are')} left out.")
    for side, texts in (("Sources", lines.sources), ("Targets", [text for text in lines.targets if text])):
        lengths = [len(text) for text in texts]
        if lengths:
            notes.append(f"{side} have {range_in_words(min(lengths), max(lengths))} characters.")
    if unknown := sum(not text for text in lines.targets):
        notes.append(f"{plural(unknown, 'source has', 'sources have')} no target.")
    if "training" in parts:
        start, stop = parts["training"]
        seen = set(lines.sources[start:stop])
        for name, (first, last) in list(parts.items())[1:]:
            again = sum(text in seen for text in lines.sources[first:last])
            if again:
                notes.append(
                    f"{again:,} of the {last - first:,} sources of the {name} part are in the training part too."
                )
    return notes
