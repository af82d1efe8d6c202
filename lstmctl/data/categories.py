"""Columns of categories: a vocabulary from training rows, in which 0 stands for every other category.

Tables hold numbers, so a category is its number from here on; a network has a vector for each.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.tables import Rows
from lstmctl.errors import DataError
from lstmctl.words import plural

log = logging.getLogger(__name__)

SHOWN = 3
"""Unseen categories to name; the others are counted."""


def fit_categories(rows: Rows, training: NDArray[np.int64]) -> dict[str, tuple[str, ...]]:
    """Return the categories of each column that occur in the training rows, in order of appearance in the table.

    Args:
        rows: with categories by their place in `rows.categories`.
        training: (series, 2) start and stop row of the training part of each series.

    Raises:
        DataError: a column has none.
    """
    if not rows.categories:
        return {}
    chosen = np.concatenate([np.arange(start, stop) for start, stop in training])
    found = {}
    for use, column, name in _columns(rows):
        places = rows.values[use][chosen, column]
        there = np.unique(places[~np.isnan(places)]).astype(np.int64)
        if not len(there):
            raise DataError(
                f"{rows.path}: column `{name}` has no value in the training rows, so it has no category to learn",
                hint=f"leave it out of data.categories and data.{use}",
            )
        found[name] = tuple(rows.categories[name][place] for place in there)
    return found


def number_categories(
    rows: Rows, static: NDArray[np.float64], vocabularies: Mapping[str, tuple[str, ...]], *, is_run: bool
) -> None:
    """Replace the places of categories in `rows.values`, and in `static` (series, columns), by their numbers in a
    vocabulary, from 1, in place. Other categories get the number 0 and are named in a note, or, if a run reads a newer
    table, in a warning."""
    for use, column, name in _columns(rows):
        known = {category: number for number, category in enumerate(vocabularies[name], start=1)}
        numbers = np.array([*(known.get(category, 0) for category in rows.categories[name]), np.nan])
        values = (static if use == "static" else rows.values[use])[:, column]
        values[:] = numbers[np.where(np.isnan(values), -1, values).astype(np.int64)]
        unseen = [category for category in rows.categories[name] if category not in known]
        if not unseen:
            continue
        shown = ", ".join([f"`{category}`" for category in unseen[:SHOWN]] + ["…"] * (len(unseen) > SHOWN))
        count = int(np.count_nonzero(values == 0))
        where = plural(count, "series", "series") if use == "static" else plural(count, "row")
        note = (
            f"{plural(len(unseen), 'category', 'categories')} of `{name}` in {where} did not occur in the training "
            f"rows: {shown}; the mean of the known categories is used instead"
        )
        rows.notes.append(note)
        if is_run:
            log.warning("%s", note)


def _columns(rows: Rows) -> Iterator[tuple[str, int, str]]:
    """Yield the use, the place and the name of each column of categories."""
    for use in ("past", "known", "static"):
        for column, name in enumerate(getattr(rows.columns, use)):
            if name in rows.categories:
                yield use, column, name
