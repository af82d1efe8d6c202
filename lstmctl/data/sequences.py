"""Labelled sequences in one array, what is to be told of each, and how both are written as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.encoding import TextEncoding
from lstmctl.errors import RunError

UNLABELLED = -1
"""The class number of a step or a sequence without a label."""

LONGEST = 100_000
"""Steps of a sequence, at most: its every step is kept in memory while it is learnt from."""

Array = NDArray[Any]


def range_in_words(shortest: int, longest: int) -> str:
    """`20 to 90`, or one number where both are the same."""
    return f"{shortest:,}" if shortest == longest else f"{shortest:,} to {longest:,}"


@dataclass(frozen=True)
class Sequences:
    """Sequences of any lengths, each a stretch of the same arrays; stretches may overlap."""

    inputs: Array
    """(steps,) symbol numbers, or (steps, features) scaled numbers."""
    starts: NDArray[np.int64]
    """(sequences,)."""
    lengths: NDArray[np.int64]
    """(sequences,), each at least 1."""
    targets: Array
    """Class numbers (sequences,), or (steps,) for a label at every step; numbers (sequences, outputs). `UNLABELLED`, or
    NaN, where nothing is known."""
    by_step: bool = False
    """Whether there is a label for every step."""
    scored: NDArray[np.bool_] | None = None
    """(steps,) the labelled steps that count in figures; None where all do. Training sees every label."""
    names: tuple[str, ...] = ()
    """Of sequences of frames, for people; texts need none."""

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def joined(cls, inputs: Array, lengths: NDArray[np.int64], targets: Array, **more: Any) -> Self:
        """Sequences that follow each other without a gap."""
        return cls(inputs, np.cumsum(lengths) - lengths, lengths, targets, **more)

    def between(self, start: int, stop: int) -> Self:
        """The sequences `start` to `stop` alone, over the same inputs."""
        return type(self)(
            self.inputs,
            self.starts[start:stop],
            self.lengths[start:stop],
            self.targets if self.by_step else self.targets[start:stop],
            self.by_step,
            self.scored,
            self.names[start:stop],
        )

    def input(self, index: int) -> Array:
        """One sequence, (length,) or (length, features)."""
        found: Array = self.inputs[self.starts[index] : self.starts[index] + self.lengths[index]]
        return found

    def target(self, index: int) -> Array:
        """What is to be told of one sequence: a class number, numbers (outputs,), or a label for each of its steps."""
        where = slice(self.starts[index], self.starts[index] + self.lengths[index]) if self.by_step else index
        return np.asarray(self.targets[where])


@dataclass(frozen=True)
class Numbers:
    """Columns of numbers and how they are scaled: (value − centre) / spread."""

    names: tuple[str, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]

    def scaled(self, values: Array) -> Array:
        """(…, columns) in float32."""
        found: Array = ((values - np.array(self.centre)) / np.array(self.spread)).astype(np.float32)
        return found

    def to_json(self) -> dict[str, Any]:
        return {"names": list(self.names), "centre": list(self.centre), "spread": list(self.spread)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Raises RunError where it is not what `to_json` wrote."""
        try:
            found = cls(
                tuple(str(name) for name in data["names"]),
                tuple(float(value) for value in data["centre"]),
                tuple(float(value) for value in data["spread"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RunError("encoding.json does not say how its numbers are scaled") from error
        sound = len(found.names) == len(found.centre) == len(found.spread)
        if not sound or not np.isfinite([*found.centre, *found.spread]).all() or not all(found.spread):
            raise RunError("encoding.json holds scales that are no finite numbers, or not one a column")
        return found


@dataclass(frozen=True)
class SequenceEncoding:
    """How sequences and what is told of them are written as numbers."""

    symbols: TextEncoding | None = None
    """Of texts and other sequences of symbols; None for frames."""
    features: Numbers | None = None
    """Of frames; None for symbols."""
    labels: tuple[str, ...] = ()
    """Classes by their number; none for a regression."""
    outputs: Numbers | None = None
    """Of a regression; None for classes."""
    decimal: str | None = None
    """The decimal sign of the run's own table; None if it has no number that shows it."""
    rate: int | None = None
    """Samples per second of the sound that frames are made of; None if they are not made of sound."""

    @property
    def inputs(self) -> int:
        """Distinct symbols, or features of a frame."""
        if self.symbols is not None:
            return len(self.symbols)
        assert self.features is not None
        return len(self.features.names)

    def to_json(self) -> dict[str, Any]:
        """What `encoding.json` holds."""
        parts = {"symbols": self.symbols, "features": self.features, "outputs": self.outputs}
        told = {name: part.to_json() for name, part in parts.items() if part is not None}
        decimal = {} if self.decimal is None else {"decimal": self.decimal}
        rate = {} if self.rate is None else {"rate": self.rate}
        return {"format": 1, **told, "labels": list(self.labels), **decimal, **rate}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """An encoding as `to_json` wrote it.

        Raises:
            RunError: it is not one.
        """
        labels = data.get("labels")
        sound = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
        if data.get("format") != 1 or not sound or ("symbols" in data) == ("features" in data):
            raise RunError("encoding.json is not an encoding of labelled sequences of format 1")
        assert isinstance(labels, list)
        if data.get("decimal") not in (None, ".", ","):
            raise RunError("encoding.json names a decimal sign that is none")
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
        """In words, how another encoding writes other numbers; None where it writes the same."""
        if self.symbols is not None and other.symbols is not None and self.symbols != other.symbols:
            return f"another vocabulary than this data: {other.symbols.difference(self.symbols)}"
        if self.labels != other.labels:
            return f"other labels than this data: {', '.join(other.labels)}, not {', '.join(self.labels)}"
        names = [part.names if part is not None else () for part in (self.features, other.features)]
        outputs = [part.names if part is not None else () for part in (self.outputs, other.outputs)]
        for what, (own, others) in (("features", names), ("outputs", outputs)):
            if own != others:
                return f"other {what} than this data: {', '.join(others) or 'none'}, not {', '.join(own) or 'none'}"
        if self.rate != other.rate:
            return f"another sampling rate than this data: {other.rate} Hz, not {self.rate}"
        return None


class SequenceCorpus(Protocol):
    """Labelled sequences in parts, from a table or drawn by the program."""

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
        """What was found in the data that one should know, in whole sentences."""
        ...

    def part(self, name: str) -> Sequences:
        """The sequences of one part."""
        ...
