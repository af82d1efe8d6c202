"""Parts of a corpus, always by position: training first, then validation, then test; and the part that is reported."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lstmctl.errors import DataError

PARTS = ("training", "validation", "test")
HELD_OUT = 0.1
"""Share of the training part, at its end, on which choices are made that must not see any other part."""


def reported_part(parts: Collection[str]) -> Literal["test", "validation"]:
    """Return the part whose metrics are reported by default: test if there is one, else validation."""
    return "test" if "test" in parts else "validation"


def held_out(training: int) -> int:
    """Return how many of the last symbols or rows of a training part of this length are held out for tuning."""
    return int(HELD_OUT * training)


def split_positions(length: int, split: Sequence[float] | Sequence[int], unit: str = "") -> dict[str, tuple[int, int]]:
    """Return start and stop of each part.

    Args:
        length: symbols or rows in all.
        split: two or three fractions that sum to 1, or counts, which may leave a tail unused.
        unit: what is split, for messages.

    Raises:
        DataError: the counts need more than there is, or a part comes out empty.
    """
    unit = unit and f" {unit}"
    if all(isinstance(share, int) for share in split):
        edges = [int(sum(split[: part + 1])) for part in range(len(split))]
        if edges[-1] > length:
            raise DataError(f"data.split needs {edges[-1]:,}{unit} but the data has only {length:,}")
    else:
        # The small constant keeps 0.8 + 0.1 from falling a hair short of a whole number.
        edges = [math.floor(sum(split[: part + 1]) * length + 1e-6) for part in range(len(split))]
        edges[-1] = length
    starts = [0, *edges[:-1]]
    parts = {name: (start, stop) for name, start, stop in zip(PARTS, starts, edges, strict=False)}
    for name, (start, stop) in parts.items():
        if start == stop:
            raise DataError(f"data.split leaves no {name} part of {length:,}{unit}; increase its share or add data")
    return parts


def without_test(split: Sequence[float] | Sequence[int]) -> tuple[float, ...] | tuple[int, ...]:
    """Return the shares of the training and validation parts if the test part is a separate file."""
    if all(isinstance(share, int) for share in split):
        return tuple(int(share) for share in split[:2])
    training, validation = split[:2]
    return training / (training + validation), validation / (training + validation)


def between_groups(parts: dict[str, tuple[int, int]], groups: NDArray[np.int64]) -> dict[str, tuple[int, int]]:
    """Move the ends of each part to the nearest position at which a new group begins and no part is empty.

    Args:
        parts: start and stop of each part, one after the other.
        groups: (rows,) the group of each row, each group one stretch.

    Raises:
        DataError: there are fewer groups than parts.
    """
    edges = np.concatenate([[0], np.flatnonzero(np.diff(groups)) + 1, [len(groups)]])
    if len(edges) - 1 < len(parts):
        raise DataError(
            f"{len(parts)} parts need at least {len(parts)} groups, but there are {len(edges) - 1}",
            hint="split by a column with more groups, or at random: data.split_by=random",
        )
    found, first = {}, 0
    for number, (name, (_, stop)) in enumerate(parts.items(), start=1):
        possible = np.arange(first + 1, len(edges) - len(parts) + number)
        last = int(possible[np.abs(edges[possible] - stop).argmin()])
        found[name] = int(edges[first]), int(edges[last])
        first = last
    return found
