"""Pairs of texts, one per line: the source, a tab, the target.

Blanks around either are ignored, and so are empty lines. Several files are joined in the given order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.locating import locate, portable_name, read_bytes, require_files
from lstmctl.data.row_order import stratified
from lstmctl.data.sequences import LONGEST, Ragged, range_in_words
from lstmctl.data.shared_rows import shared_rows
from lstmctl.data.splitting import split_positions, without_test
from lstmctl.data.symbol_words import shown_symbols, unknown_symbols
from lstmctl.data.utf8 import BYTE_ORDER_MARK, check_utf8
from lstmctl.data.vocabulary import TextEncoding
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


@dataclass(frozen=True, eq=False)
class Texts(Ragged):
    """Texts, one after the other; a length of 0 is an unknown text."""

    written: tuple[str, ...] = ()
    """The texts as they were written, if they are known."""

    def between(self, start: int, stop: int) -> Self:
        return replace(super().between(start, stop), written=self.written[start:stop])


@dataclass(frozen=True, eq=False)
class PairsCorpus:
    """Pairs as numbers, with the facts that identify them."""

    sources: Texts
    targets: Texts
    """A length of 0 is an unknown target."""
    encoding: PairsEncoding
    parts: dict[str, tuple[int, int]]
    """Start and stop of each part, in pairs."""
    names: tuple[str, ...]
    """Names of the files in a run's own config, valid from any folder."""
    fingerprint: dict[str, Any]
    """Size in bytes and SHA-256 of the joined files, and the number of pairs."""
    notes: tuple[str, ...]
    """Sentences about what was found and left out."""
    warnings: Mapping[str, tuple[str, ...]]
    """By part: sentences on why its scores may mislead."""
    unknown: Mapping[str, str]
    """By part: a sentence if some of its texts have symbols that the vocabulary lacks."""
    test_names: tuple[str, ...] = ()
    """Name of the file of the test part in a run's own config."""

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def is_labelled(self) -> bool:
        """True if every source has a target."""
        return bool(self.targets.lengths.all())

    def part(self, name: str) -> tuple[Texts, Texts]:
        """Return the sources and targets of one part."""
        start, stop = self.parts[name]
        return self.sources.between(start, stop), self.targets.between(start, stop)


@dataclass
class _Lines:
    """Raw pairs."""

    sources: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    empty: int = 0

    def reorder(self, order: NDArray[np.int64]) -> None:
        """Bring the pairs into another order."""
        self.sources, self.targets = ([texts[number] for number in order] for texts in (self.sources, self.targets))


@dataclass(frozen=True)
class PairsLayout:
    """Settings for splitting pairs: all keys of the config's `data` section except `pairs`."""

    split: tuple[float, ...] | tuple[int, ...] = (0.8, 0.1, 0.1)
    split_by: str = "order"
    split_seed: int = 0
    test: str | tuple[str, ...] | None = None
    vocabulary: str = "training"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Take the keys from a config's `data` section."""
        found: dict[str, Any] = {key: values[key] for key in cls.__dataclass_fields__}
        for key, value in found.items():
            found[key] = tuple(value) if isinstance(value, list) else value
        return cls(**found)


def open_pairs(
    paths: str | Sequence[str],
    layout: PairsLayout,
    config_folder: Path | None,
    *,
    encoding: PairsEncoding | None = None,
    with_targets: bool = True,
) -> PairsCorpus:
    """Find, check, split and encode pairs of texts.

    Args:
        paths: names of files, read as UTF-8.
        layout: how to split them.
        config_folder: the first folder to look for names in.
        encoding: a run's own vocabularies, for pairs the run has not seen: all pairs are then one part, `validation`,
            and a line without a tab is a source with an unknown target.
        with_targets: whether to keep the targets.

    Raises:
        DataError: the pairs are missing or cannot be used; with the position and a remedy.
    """
    lines, digest = _Lines(), hashlib.sha256()
    is_new = encoding is not None
    key = None if is_new else "data.pairs"
    names, size = _read_files(paths, config_folder, key, lines, digest, with_targets=with_targets)
    test_names: tuple[str, ...] = ()
    if encoding is not None:
        parts = {"validation": (0, len(lines.sources))}
    else:
        if layout.split_by == "random":
            lines.reorder(stratified(None, len(lines.sources), layout.split_seed))
        split = layout.split if layout.test is None else without_test(layout.split)
        parts = _split(len(lines.sources), split, ", ".join(names))
        if layout.test is not None:
            start = len(lines.sources)
            test_names, more = _read_files(layout.test, config_folder, "data.test", lines, digest)
            parts["test"], size = (start, len(lines.sources)), size + more
    own = parts["training"] if layout.vocabulary == "training" and not is_new else (0, len(lines.sources))
    if encoding is None:
        source, target = (
            TextEncoding.of("".join(texts[slice(*own)]), has_unknown=layout.vocabulary == "training")
            for texts in (lines.sources, lines.targets)
        )
    else:
        source, target = encoding.source, encoding.target
    sources, targets = _encode(lines.sources, source), _encode(lines.targets, target)
    cure = "" if layout.test is not None else "; leave out repeated sources"
    shared = shared_rows(lines.sources, parts, "source", cure)
    return PairsCorpus(
        sources=sources,
        targets=targets,
        encoding=PairsEncoding(source, target),
        parts=parts,
        names=names,
        fingerprint={"sha256": digest.hexdigest(), "bytes": size, "pairs": len(sources)},
        notes=tuple(_notes(lines, parts, layout, is_new=is_new)),
        warnings={name: (said,) for name, said in shared.items()},
        unknown=_unknown(lines, parts, source, target),
        test_names=test_names,
    )


def _read_files(
    paths: str | Sequence[str],
    config_folder: Path | None,
    key: str | None,
    lines: _Lines,
    digest: hashlib._Hash,
    *,
    with_targets: bool = True,
) -> tuple[tuple[str, ...], int]:
    """Add the pairs of some files; return their names for a run's own config, and their size in bytes."""
    named = [paths] if isinstance(paths, str) else list(paths)
    found = [locate(name, config_folder, key) for name in named]
    size, before = 0, len(lines.sources)
    for path in require_files(found):
        content = read_bytes(path)
        check_utf8(content, path, or_bytes=False)
        _read(content, path, lines, may_lack_target=key is None, with_targets=with_targets)
        digest.update(content)
        size += len(content)
    if len(lines.sources) == before:
        raise DataError(f"{', '.join(map(str, found))} contains no pair", hint=SHAPE)
    return tuple(portable_name(name, path) for name, path in zip(named, found, strict=True)), size


def _unknown(
    lines: _Lines, parts: Mapping[str, tuple[int, int]], source: TextEncoding, target: TextEncoding
) -> dict[str, str]:
    """Return, by part, a sentence if its texts have symbols that the vocabularies lack."""
    found = {}
    for name, (start, stop) in parts.items():
        said = []
        for side, texts, encoding in (("source", lines.sources, source), ("target", lines.targets, target)):
            count, symbols = unknown_symbols(texts[start:stop], encoding)
            if count:
                said.append(f"{count:,} of {plural(stop - start, side)} ({shown_symbols(symbols)})")
        if said:
            own = "training" in parts
            whose = "the training part lacks" if own else "the run does not know"
            where = f" of the {name} part" if own else ""
            found[name] = f"{' and '.join(said)}{where} with symbols that {whose}, read as unknown."
    return found


def _read(content: bytes, path: Path, lines: _Lines, *, may_lack_target: bool, with_targets: bool) -> None:
    """Add the pairs of one file, or its sources alone.

    Raises:
        DataError: a line is not a pair; with the line and a remedy.
    """
    text = content.removeprefix(BYTE_ORDER_MARK).decode("utf-8")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            lines.empty += 1
            continue
        place = f"{path}: line {number}"
        source, *rest = (half.strip() for half in line.split("\t"))
        rest = rest if with_targets else []
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
    lines.empty -= text.endswith("\n")  # the text after the last line's end is not a line


def _encode(texts: list[str], encoding: TextEncoding) -> Texts:
    """Encode all texts of one side."""
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    return Texts.joined(encoding.read("".join(texts)), lengths, tuple(texts))


def _split(pairs: int, split: Sequence[float] | Sequence[int], what: str) -> dict[str, tuple[int, int]]:
    try:
        return split_positions(pairs, split, "pairs")
    except DataError as error:
        hint = "fewer pairs for its parts in data.split, or more pairs in the file"
        raise DataError(f"{what}: {error}", hint=hint) from error


def _notes(lines: _Lines, parts: Mapping[str, tuple[int, int]], layout: PairsLayout, *, is_new: bool) -> list[str]:
    notes = []
    if lines.empty:
        notes.append(f"{plural(lines.empty, 'empty line was', 'empty lines were')} ignored.")
    if layout.split_by == "random" and not is_new:
        notes.append(f"Pairs are split at random (data.split_seed {layout.split_seed}).")
    for side, texts in (("Sources", lines.sources), ("Targets", [text for text in lines.targets if text])):
        lengths = [len(text) for text in texts]
        if lengths:
            notes.append(f"{side} have {range_in_words(min(lengths), max(lengths))} characters.")
    if unknown := sum(not text for text in lines.targets):
        notes.append(f"{plural(unknown, 'source has', 'sources have')} no target.")
    return notes
