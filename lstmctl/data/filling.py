"""Fill missing values in rows on a regular grid.

Filling looks ahead within one part alone, so that no training row depends on a later part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.prepared_table import private
from lstmctl.data.tables import Rows
from lstmctl.data.time_grid import FILL_HINT
from lstmctl.data.timesteps import Step
from lstmctl.errors import DataError
from lstmctl.words import plural

Indices = NDArray[np.int64]


def fill(
    rows: Rows, bounds: Indices, ends: Indices, parts: Mapping[str, Indices], step: Step, missing: str
) -> NDArray[np.bool_] | None:
    """Fill missing targets and covariates of observed rows, in place; inserted rows are not noted again.

    `interpolate` interpolates linearly, in training rows only: in scored rows, it would leak values after a window.
    Elsewhere it repeats the last value, as `forward-fill` does everywhere, even across a part's start, since the past
    is known. Return (rows, targets), True where a target was filled; None if none was.

    Raises:
        DataError: a value is missing and that is an error, or no earlier value can fill it.
    """
    filled: NDArray[np.bool_] | None = None
    for use in ("targets", "past", "known"):
        names: Sequence[str] = getattr(rows.columns, use)
        for column, name in enumerate(names):
            holes = np.flatnonzero(np.isnan(rows.values[use][:, column]))
            holes = holes[holes < ends[rows.series[holes]]]
            if not len(holes):
                continue
            written = holes[rows.lines[holes] > 0]
            if len(written):
                _note_missing(rows, written, name, step, missing)
            if missing == "mask":
                continue
            if use == "targets":
                filled = np.zeros(rows.values[use].shape, dtype=bool) if filled is None else filled
                filled[holes, column] = True
            rows.values[use] = private(rows.values[use])
            values = rows.values[use][:, column]
            for series in np.unique(rows.series[holes]):
                start, end = int(bounds[series]), int(ends[series])
                block = values[start:end]
                if missing == "interpolate" and name not in rows.categories:
                    first, stop = parts["training"][series] if "training" in parts else (start, start)
                    _interpolate(block[first - start : stop - start])
                _carry_forward(block)
                if np.isnan(block[0]):
                    raise _nothing_before(rows, block, start, name, step)
    return filled


def _interpolate(block: NDArray[np.float64]) -> None:
    """Interpolate between known values, in place; values before the first and after the last stay missing."""
    known = np.flatnonzero(~np.isnan(block))
    if len(known) < 2:
        return
    inner = np.arange(known[0], known[-1] + 1)
    holes = inner[np.isnan(block[inner])]
    block[holes] = np.interp(holes, known, block[known])


def _carry_forward(block: NDArray[np.float64]) -> None:
    """Fill with the last known value, in place."""
    holes = np.flatnonzero(np.isnan(block))
    begins = np.diff(holes, prepend=-2) > 1
    before = (holes[begins] - 1)[np.cumsum(begins) - 1]
    block[holes[before >= 0]] = block[before[before >= 0]]


def _nothing_before(rows: Rows, block: NDArray[np.float64], start: int, name: str, step: Step) -> DataError:
    known = ~np.isnan(block)
    count = int(np.argmax(known)) if known.any() else len(block)
    until = (
        f"before {step.text(int(rows.times[start + count]))} ({rows.unit} {rows.lines[start + count]})"
        if known.any()
        else "in any row"
    )
    return DataError(
        f"{rows.path}, column `{name}`: {rows.whose(start)}no value {until}, so that "
        f"{plural(count, 'row has', 'rows have')} no value to be filled with",
        hint="data.missing=mask leaves them unscored; or delete those rows, or leave the column out: data.targets=[…]",
    )


def _note_missing(rows: Rows, holes: Indices, name: str, step: Step, missing: str) -> None:
    row = int(holes[np.argmin(rows.lines[holes])])
    time = step.text(int(rows.times[row]))
    if missing == "error":
        raise DataError(
            f"{rows.place(row)}, column `{name}`: {rows.whose(row)}no value at {time}"
            + (f" ({len(holes):,} missing in all)" if len(holes) > 1 else ""),
            hint=FILL_HINT,
        )
    done = "left unscored" if missing == "mask" else "filled"
    rows.notes.append(
        f"{plural(len(holes), 'missing value')} of `{name}` {done} ({missing}), "
        f"first at {time} ({rows.unit} {rows.lines[row]})"
    )
