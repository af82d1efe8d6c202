"""Pairs of texts, one per line: the source, a tab, the target.

Blanks around either are ignored, and so are empty lines. Several files are joined in the given order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from lstmctl.data.encoding import TextEncoding, UnknownSymbolError
from lstmctl.data.locating import locate, portable_name, read_bytes, require_files
from lstmctl.data.sequences import LONGEST, Ragged, range_in_words
from lstmctl.data.splitting import split_positions
from lstmctl.data.utf8 import BYTE_ORDER_MARK, check_utf8
from lstmctl.errors import DataError, RunError
from lstmctl.words import plural

SHAPE = "a line is a source, a tab, and a target"


@dataclass(frozen=True)
class PairsEncoding:
    """The vocabularies of sources and targets."""

    source: TextEncoding
    target: TextEncoding

    def to_json(self) -> dict[str, Any]:
        """Return the content of `encoding.json`."""
        return {"format": 1, "source": self.source.to_json(), "target": self.target.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Restore an encoding from `to_json`.

        Raises:
            RunError: the content is damaged.
        """
        sides = [data.get(side) for side in ("source", "target")]
        if data.get("format") != 1 or not all(isinstance(side, dict) for side in sides):
            raise RunError("encoding.json is not an encoding of pairs of format 1")
        source, target = (TextEncoding.from_json(side) for side in sides if isinstance(side, dict))
        return cls(source, target)

    def difference(self, other: PairsEncoding) -> str | None:
        """Describe how another encoding differs; None if it does not."""
        for what, own, others in (("source", self.source, other.source), ("target", self.target, other.target)):
            if own != others:
                return f"another {what} vocabulary than this data: {others.difference(own)}"
        return None


@dataclass(frozen=True, eq=False)
class PairsCorpus:
    """Pairs as numbers, with what identifies them."""

    sources: Ragged
    targets: Ragged
    """A length of 0 is an unknown target."""
    encoding: PairsEncoding
    parts: dict[str, tuple[int, int]]
    """Start and stop of each part, in pairs."""
    names: tuple[str, ...]
    """The files as a run's own config names them, valid from any folder."""
    fingerprint: dict[str, Any]
    """Size in bytes and SHA-256 of the joined files, and the number of pairs."""
    notes: tuple[str, ...]
    """What was found and ignored, in sentences."""

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def is_labelled(self) -> bool:
        """True if every source has a target."""
        return bool(self.targets.lengths.all())

    def part(self, name: str) -> tuple[Ragged, Ragged]:
        """Return the sources and targets of one part."""
        start, stop = self.parts[name]
        return self.sources.between(start, stop), self.targets.between(start, stop)


@dataclass
class _Lines:
    """Pairs as texts, with their positions."""

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
        paths: names of files in UTF-8.
        split: fractions or counts of pairs.
        config_folder: the first folder to look for names in.
        encoding: a run's own vocabularies, for pairs that the run has not seen: then all are one part, `validation`,
            and a line without a tab is a source with an unknown target.

    Raises:
        DataError: the pairs are missing or cannot be used; with the position, and what would be right.
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
            raise DataError(f"{place}: nothing {side} the tab", hint=f"{SHAPE}; complete it, or delete the line")
        for half in (source, *rest):
            if len(half) > LONGEST:
                raise DataError(
                    f"{place}: a text of {len(half):,} characters, but one may have {LONGEST:,} at most",
                    hint="cut it into several pairs",
                )
        lines.sources.append(source)
        lines.targets.append(rest[0] if rest else "")
        lines.places.append(place)
    lines.empty -= text.endswith("\n")  # the end of the last line does not begin another


def _encode(
    texts: list[str], places: list[str], encoding: TextEncoding | None, side: str
) -> tuple[Ragged, TextEncoding]:
    """Encode all texts of one side, by their own vocabulary or a run's.

    Raises:
        DataError: a run's vocabulary lacks a character; with line, character, and its position in the text.
    """
    joined = "".join(texts)
    if encoding is None:
        encoding = TextEncoding.of(joined)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    try:
        return Ragged.joined(encoding.encode(joined), lengths), encoding
    except UnknownSymbolError as error:
        starts = np.cumsum(lengths) - lengths
        index = int(np.searchsorted(starts, error.position, side="right")) - 1
        found = UnknownSymbolError(error.symbol, error.position - int(starts[index]))
        raise DataError(
            f"{places[index]}: the run's {side} vocabulary has no {found}",
            hint="the run was trained without that character; replace it",
        ) from error


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
