"""Parts of a corpus, always by position: training first, then validation, then test."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lstmctl.errors import DataError

PARTS = ("training", "validation", "test")
HELD_OUT = 0.1
"""Share of the training part, at its end, on which choices are made that must not see any other part."""


def held_out(training: int) -> int:
    """Number of last symbols or rows of a training part of a given length that are held out for tuning."""
    return int(HELD_OUT * training)


def split_positions(length: int, split: Sequence[float] | Sequence[int], unit: str = "") -> dict[str, tuple[int, int]]:
    """Start and stop of each part.

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
