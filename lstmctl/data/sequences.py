"""Sequences of any lengths in one array, the labels of each, and how both are encoded as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.vocabulary import TextEncoding
from lstmctl.errors import RunError

UNLABELLED = -1
"""The class number of an unlabelled step or sequence."""

LONGEST = 100_000
"""Maximum number of steps of a sequence; training keeps all of them in memory."""

Array = NDArray[Any]


def range_in_words(shortest: int, longest: int) -> str:
    """Format a range, as `20 to 90`, or one number."""
    return f"{shortest:,}" if shortest == longest else f"{shortest:,} to {longest:,}"


@dataclass(frozen=True)
class Ragged:
    """Sequences of any lengths, each a stretch of one array; stretches may overlap."""

    values: Array
    """(steps,) symbol numbers, or (steps, features) scaled numbers."""
    starts: NDArray[np.int64]
    """(sequences,)."""
    lengths: NDArray[np.int64]
    """(sequences,)."""

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def joined(cls, values: Array, lengths: NDArray[np.int64], *more: Any, **others: Any) -> Self:
        """Return sequences that follow each other without a gap."""
        return cls(values, np.cumsum(lengths) - lengths, lengths, *more, **others)

    def between(self, start: int, stop: int) -> Self:
        """Return the sequences `start` to `stop`, over the same values."""
        return replace(self, starts=self.starts[start:stop], lengths=self.lengths[start:stop])

    def steps(self, start: int, stop: int) -> tuple[int, int]:
        """Return the first step and the step after the last of sequences `start` to `stop`."""
        if start == stop:
            return 0, 0
        return int(self.starts[start]), int((self.starts + self.lengths)[start:stop].max())

    def input(self, index: int) -> Array:
        """Return one sequence, (length,) or (length, features)."""
        found: Array = self.values[self.starts[index] : self.starts[index] + self.lengths[index]]
        return found


@dataclass(frozen=True)
class Sequences(Ragged):
    """Labelled sequences, each with at least one step."""

    targets: Array
    """Class numbers (sequences,), or (steps,) for a label at every step; numbers (sequences, outputs). `UNLABELLED`, or
    NaN, if unknown."""
    by_step: bool = False
    """True if every step has a label."""
    scored: NDArray[np.bool_] | None = None
    """(steps,) the labelled steps that metrics count; None for all. Training uses every label."""
    names: tuple[str, ...] = ()
    """Names of sequences of frames, for people; the texts that a run reads, as they were written."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other columns of a table to predict: a value per sequence, or per step for frames that have a label each."""

    @property
    def inputs(self) -> Array:
        return self.values

    def between(self, start: int, stop: int) -> Self:
        targets = self.targets if self.by_step else self.targets[start:stop]
        return replace(super().between(start, stop), targets=targets, names=self.names[start:stop])

    def target(self, index: int) -> Array:
        """Return the label of one sequence: a class number, numbers (outputs,), or a label for each of its steps."""
        where = slice(self.starts[index], self.starts[index] + self.lengths[index]) if self.by_step else index
        return np.asarray(self.targets[where])


@dataclass(frozen=True)
class Numbers:
    """Columns of numbers and their scales: (value − centre) / spread."""

    names: tuple[str, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]

    def scaled(self, values: Array) -> Array:
        """Return (…, columns) in float32."""
        found: Array = ((values - np.array(self.centre)) / np.array(self.spread)).astype(np.float32)
        return found

    def to_json(self) -> dict[str, Any]:
        return {"names": list(self.names), "centre": list(self.centre), "spread": list(self.spread)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Restore from `to_json`; raise RunError if it is damaged."""
        try:
            found = cls(
                tuple(str(name) for name in data["names"]),
                tuple(float(value) for value in data["centre"]),
                tuple(float(value) for value in data["spread"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RunError("encoding.json does not contain the scales of its numbers") from error
        sound = len(found.names) == len(found.centre) == len(found.spread)
        if not sound or not np.isfinite([*found.centre, *found.spread]).all() or not all(found.spread):
            raise RunError("encoding.json holds scales that are not finite numbers, one per column")
        return found


@dataclass(frozen=True)
class SequenceEncoding:
    """The encoding of sequences and their labels as numbers."""

    symbols: TextEncoding | None = None
    """Of sequences of symbols, such as texts; None for frames."""
    features: Numbers | None = None
    """Of frames; None for symbols."""
    labels: tuple[str, ...] = ()
    """Classes by number; empty for a regression."""
    outputs: Numbers | None = None
    """Of a regression; None for classes."""
    decimal: str | None = None
    """The decimal sign of the run's own table; None if it has no number that shows it."""
    rate: int | None = None
    """Samples per second of the sound that frames are made of; None if they are not made of sound."""

    @property
    def inputs(self) -> int:
        """Number of distinct symbols, or of features of a frame."""
        if self.symbols is not None:
            return len(self.symbols)
        assert self.features is not None
        return len(self.features.names)

    def to_json(self) -> dict[str, Any]:
        """Return the content of `encoding.json`."""
        parts = {"symbols": self.symbols, "features": self.features, "outputs": self.outputs}
        told = {name: part.to_json() for name, part in parts.items() if part is not None}
        decimal = {} if self.decimal is None else {"decimal": self.decimal}
        rate = {} if self.rate is None else {"rate": self.rate}
        return {"format": 1, **told, "labels": list(self.labels), **decimal, **rate}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Restore an encoding from `to_json`.

        Raises:
            RunError: the content is damaged.
        """
        labels = data.get("labels")
        sound = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
        if data.get("format") != 1 or not sound or ("symbols" in data) == ("features" in data):
            raise RunError("encoding.json is not an encoding of labelled sequences of format 1")
        assert isinstance(labels, list)
        if data.get("decimal") not in (None, ".", ","):
            raise RunError("encoding.json names an invalid decimal sign")
        rate = data.get("rate")
        if rate is not None and (type(rate) is not int or rate < 1):
            raise RunError("encoding.json names a sampling rate that is not a whole number")
        return cls(
            TextEncoding.from_json(data["symbols"]) if "symbols" in data else None,
            Numbers.from_json(data["features"]) if "features" in data else None,
            tuple(labels),
            Numbers.from_json(data["outputs"]) if "outputs" in data else None,
            data.get("decimal"),
            rate,
        )

    def difference(self, other: SequenceEncoding) -> str | None:
        """Describe how another encoding differs, ignoring symbols and labels; None if it does not."""
        if (self.symbols is None) != (other.symbols is None):
            kinds = ["frames" if one.symbols is None else "texts" for one in (other, self)]
            return f"other inputs than this data: {kinds[0]}, not {kinds[1]}"
        names = [part.names if part is not None else () for part in (self.features, other.features)]
        outputs = [part.names if part is not None else () for part in (self.outputs, other.outputs)]
        for what, (own, others) in (("features", names), ("outputs", outputs)):
            if own != others:
                return f"other {what} than this data: {', '.join(others) or 'none'}, not {', '.join(own) or 'none'}"
        if self.rate != other.rate:
            return f"another sampling rate than this data: {other.rate} Hz, not {self.rate}"
        return None


class SequenceCorpus(Protocol):
    """Labelled sequences in parts, from a table or synthetic."""

    @property
    def encoding(self) -> SequenceEncoding: ...
    @property
    def parts(self) -> Mapping[str, tuple[int, int]]:
        """Start and stop of each part, in sequences."""
        ...

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def fingerprint(self) -> dict[str, Any]: ...
    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the data that a user should know."""
        ...

    def part(self, name: str) -> Sequences:
        """Return the sequences of one part."""
        ...
