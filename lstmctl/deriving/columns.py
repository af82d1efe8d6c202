"""Uses of a table's columns that its reader leaves open, where the values leave no doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from lstmctl.data.tables import ID_NAMES, TARGET_NAMES
from lstmctl.data.time_columns import TIME_NAMES
from lstmctl.deriving.derived import Derived
from lstmctl.words import listed

if TYPE_CHECKING:
    from lstmctl.data.sheets import Sheet

TRIED = 200_000
"""Number of rows from which the use of a column is inferred."""
NUMERIC = ("number", "whole")


def settle_columns(sheet: Sheet, derived: Derived) -> None:
    """Decide which column holds the times, if the table lacks dates; which names the series; and that other texts are
    not used. Columns that the reader recognises, and unclear ones, are left to the reader.

    Args:
        sheet: the table.
        derived: receives the decisions.
    """
    given = derived.given
    kinds = {name: sheet.kind(place) for place, name in enumerate(sheet.names)}
    dates = [name for name, kind in kinds.items() if kind == "date"]
    time = given.get("data.time") or (dates[0] if len(dates) == 1 else None)
    if time is None and not dates and (counting := _counting(sheet, kinds)) is not None:
        time = derived.decide("data.time", counting, "it counts the rows")
    if time not in kinds:
        return
    texts = [name for name, kind in kinds.items() if kind == "text" and name != time]
    series = given.get("data.id") or next((name for name in kinds if name.casefold() in ID_NAMES), None)
    if series is None and texts and _repeats(sheet, time):
        if (series := _naming(sheet, time, texts)) is None:
            return
        derived.decide("data.id", series, "each time then occurs once per series")
    unused = [name for name in texts if name != series]
    numbers = [name for name, kind in kinds.items() if kind in NUMERIC and name not in (time, series)]
    used = [name for key in ("past", "known", "static") for name in given.get(f"data.{key}", ())]
    has_main = series is not None and any(name.casefold() in TARGET_NAMES for name in numbers)
    if unused and numbers and not has_main and not any(_may_be_numbers(sheet, name) for name in unused):
        targets = [name for name in numbers if name not in used]
        derived.decide("data.targets", targets, f"{listed(unused)} {'hold' if unused[1:] else 'holds'} text")


def _counting(sheet: Sheet, kinds: dict[str, str]) -> str | None:
    """Return the column of whole numbers that grows by the same step in every row, if there is one and no other."""
    found = []
    for place, name in enumerate(sheet.names):
        if kinds[name] == "whole" and place not in sheet.unnamed:
            if name.casefold() in TIME_NAMES:
                return None  # the reader recognises it
            steps = np.diff(sheet.numbers([place])[:TRIED, 0])
            if len(steps) and steps[0] > 0 and bool((steps == steps[0]).all()):
                found.append(name)
    return found[0] if len(found) == 1 else None


def _repeats(sheet: Sheet, time: str) -> bool:
    times = sheet.texts(sheet.names.index(time)).head(TRIED)
    return times.n_unique() < len(times)


def _naming(sheet: Sheet, time: str, texts: list[str]) -> str | None:
    """Return the only column of texts for which each time occurs at most once per value."""
    times = sheet.texts(sheet.names.index(time)).head(TRIED)
    found = []
    for name in texts:
        both = pl.DataFrame({"time": times, "name": sheet.texts(sheet.names.index(name)).head(TRIED)})
        if both.n_unique() == len(both):
            found.append(name)
    return found[0] if len(found) == 1 else None


def _may_be_numbers(sheet: Sheet, name: str) -> bool:
    """Return whether most values of a column of texts contain a digit, as prices with a currency do."""
    texts = sheet.texts(sheet.names.index(name)).head(TRIED)
    return bool(texts.str.contains(r"\d").sum() > len(texts) / 2)
