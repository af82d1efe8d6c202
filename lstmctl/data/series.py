"""Time series from a table: found, read, put on a regular grid, split by time, filled and scaled, without leaks.

No step that looks at values (scales, filling) looks at a row of a later part; validation rows only decide whether a
scale can be used.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.calendar import calendar_features
from lstmctl.data.holidays import Holidays, read_holidays
from lstmctl.data.local_time import is_named
from lstmctl.data.locating import locate, portable_name
from lstmctl.data.series_corpus import SHOWN, SeriesCorpus, remarks
from lstmctl.data.series_encoding import SeriesEncoding, history_rows
from lstmctl.data.series_scales import fit_scales
from lstmctl.data.series_splitting import SeriesParts, split_series
from lstmctl.data.series_table import Scaled, Table
from lstmctl.data.table_hints import NEWER_SERIES, SERIES, TableHints
from lstmctl.data.timesteps import DAY, Step, date_text
from lstmctl.data.transforms import require_domain
from lstmctl.errors import DataError
from lstmctl.words import plural

if TYPE_CHECKING:
    from lstmctl.data.sheets import Wanted
    from lstmctl.data.tables import Rows

log = logging.getLogger(__name__)

__all__ = ["Layout", "Scaled", "SeriesCorpus", "SeriesEncoding", "Table", "open_series"]

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Settings for reading a table: all keys of the config's `data` section except `series`."""

    time: str | None = None
    id: str | None = None
    targets: tuple[str, ...] | None = None
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    step: str = "auto"
    holidays: tuple[str, ...] = ()
    date_format: str | None = None
    zone: str | None = None
    separator: str = "auto"
    decimal: str = "auto"
    order: str = "error"
    duplicates: str = "error"
    missing: str = "error"
    transform: str = "none"
    scaler: str = "standard"
    split: tuple[float, ...] | tuple[int, ...] | tuple[str, ...] = (0.7, 0.1, 0.2)
    split_by: str = "auto"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the layout in a config's `data` section."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})


def open_series(
    files: str | Sequence[str],
    layout: Layout,
    config_folder: Path | None,
    *,
    lookback: int,
    horizon: int,
    season: int | Literal["auto"] = "auto",
    history: bool = False,
    encoding: SeriesEncoding | None = None,
    new_series: bool = False,
) -> SeriesCorpus:
    """Find, read, check, split and fill a table of series.

    Args:
        files: the name of one file.
        layout: how to read it.
        config_folder: the first folder to look for the name in.
        lookback: rows of a window's input.
        horizon: rows of its labels.
        season: rows after which the series repeat, or auto to infer it from the step.
        history: keep the rows of `history_rows` at the end of every series in the encoding, not just a lookback.
        encoding: a run's own, for data that the run has not seen: columns, step, scales and calendar are then the
            run's, all rows are one part, `validation`, and future rows may lack the targets. A part may have no
            windows, as forecasts need none.
        new_series: whether such data may have series that the run lacks. They are scaled by all their rows in it, and
            the corpus has an encoding with them.

    Raises:
        DataError: the table is missing or cannot be used; with the position and a remedy.
    """
    # These import polars, which takes a quarter of a second; texts and forecasts without a file do not need it.
    from lstmctl.data.categories import fit_categories, number_categories
    from lstmctl.data.filling import fill
    from lstmctl.data.prepared_folder import is_prepared
    from lstmctl.data.prepared_table import open_rows
    from lstmctl.data.time_grid import (
        by_the_clock_of,
        convert,
        days_of_month,
        find_step,
        insert_missing,
        number_rows,
        observed_ends,
        put_in_order,
        static_values,
    )

    name = one_file(files)
    path = locate(name, config_folder, "data.series" if encoding is None else None)
    wanted = wanted_columns(layout, encoding)
    if is_prepared(path):
        rows = open_rows(path, wanted, layout.separator, layout.decimal)
        if wanted.is_run and not is_named(wanted.zone):
            convert(rows, wanted.zone)
    else:
        rows = _read(path, wanted, layout, SERIES if encoding is None else NEWER_SERIES)
    if wanted.zone is not None and is_named(wanted.zone):
        by_the_clock_of(rows, wanted.zone, are_days=None if encoding is None else not encoding.step.zone)
    unknown = _unknown(rows, encoding, allowed=new_series)
    bounds = put_in_order(rows, layout.order, layout.duplicates)
    given: Holidays | None = None
    if encoding is None and layout.holidays:
        given = read_holidays(layout.holidays, config_folder, rows.times)
    if encoding is not None:
        step = encoding.step
    else:
        holidays = given.days if given is not None else ()
        step = find_step(rows, bounds, layout.step, holidays, are_marked="holiday" in layout.calendar)
    _check_times(rows, encoding)
    calendar = encoding.calendar if encoding is not None else layout.calendar
    known = {} if encoding is None else dict(zip(encoding.ids, encoding.tail.days.tolist(), strict=True))
    days = days_of_month(rows, bounds, step, known)
    dates, is_dated = rows.times, True
    if step.is_index and not rows.is_index:
        number_rows(rows, bounds, step)
        rows.notes.append(f"`{rows.columns.time}` gives the order alone: data.step is `{step}`")
        ends = observed_ends(rows, bounds)
    else:
        bounds = insert_missing(rows, bounds, step, days, layout.missing)
        ends = observed_ends(rows, bounds)
        dates, is_dated = rows.times, not rows.is_index
    transform = layout.transform
    if encoding is not None:
        transform = encoding.transform.name if encoding.transform is not None else "none"
    if transform != "none":
        require_domain(rows, transform, is_run=encoding is not None)
    if encoding is not None:
        cut = SeriesParts({"validation": np.stack([bounds[:-1], ends], axis=1)})
    else:
        cut = split_series(rows, bounds, ends, dates, layout.split, layout.split_by, horizon=horizon, is_dated=is_dated)
    parts = cut.rows
    del dates
    static = static_values(rows, bounds, layout.missing)
    categories = encoding.categories if encoding is not None else fit_categories(rows, parts["training"])
    number_categories(rows, static, categories, is_run=encoding is not None)
    calendar_features(rows.times[:0], calendar, step)  # to refuse an unsuitable one now, not during training
    table = Table(
        ids=rows.ids,
        bounds=bounds,
        ends=ends,
        times=rows.times,
        targets=rows.values["targets"],
        past=rows.values["past"],
        known=rows.values["known"],
        static=static,
        days=days,
        zone="" if step.is_index else rows.zone,
    )
    is_new = encoding is None
    if encoding is None:
        every = step.season() if season == "auto" else season
        # Scales come from observed values, before anything is filled.
        window = lookback + horizon
        scales = fit_scales(
            table, parts, layout.scaler, every, _channels(rows), window, transform, _places(rows, categories)
        )
    filled = fill(rows, bounds, ends, parts, step, layout.missing)
    # Mapped values were not filled in place.
    table = replace(table, targets=rows.values["targets"], past=rows.values["past"], known=rows.values["known"])
    if encoding is None:
        encoding = SeriesEncoding(
            **{field.name: getattr(scales, field.name) for field in fields(scales)},
            **vars(rows.columns),
            ids=rows.ids,
            step=step,
            calendar=layout.calendar,
            scaler=layout.scaler,
            season=every,
            rows_used=_rows_used(table, parts["training"], step),
            tail=table.tail(max(lookback, history_rows(every)) if history else lookback, horizon),
            writing=rows.form.writing,
            categories=categories,
        )
    elif unknown:
        encoding = _with_series(encoding, table, parts["validation"], unknown, lookback + horizon)
        rows.notes.append(_about_new(unknown, len(rows.ids)))
        log.warning("%s", rows.notes[-1])
    corpus = SeriesCorpus(
        table=table,
        encoding=encoding,
        parts=parts,
        filled=filled,
        lookback=lookback,
        horizon=horizon,
        names=(portable_name(name, path),),
        fingerprint=rows.fingerprint,
        notes=(),
        middle=cut.middle,
        overlap=cut.overlap,
        holidays=given.names if given else (),
    )
    if given is not None:
        rows.notes += _about_holidays(given, table, step, horizon)
    if is_new:
        for part in parts:
            corpus.require_windows(part)
    return replace(corpus, notes=(*rows.notes, *remarks(corpus)))


def _about_holidays(given: Holidays, table: Table, step: Step, horizon: int) -> list[str]:
    """Return notes on the number of holidays that a table leaves out, and on a list that ends before the forecast."""
    first, last = int(table.times.min()), int(table.times.max())
    end = int(step.times_after(last, horizon)[-1])
    passed = sum(first <= day * DAY <= last for day in given.days)
    leaves_out = step.unit in ("business days", "business month ends")
    effect = "forecasts leave out later ones" if leaves_out else "they and later ones are marked in the calendar"
    found = [f"{plural(passed, 'holiday')} of data.holidays between its rows; {effect}"]
    if given.last_listed is not None and date_text(given.last_listed * DAY)[:4] < date_text(end)[:4]:
        found.append(
            f"the last of data.holidays is {date_text(given.last_listed * DAY, clock=False)}, but forecasts go to "
            f"{date_text(end, clock=False)}: name later ones too"
        )
    return found


def _read(path: Path, wanted: Wanted, layout: Layout, hints: TableHints) -> Rows:
    """Read the rows of a table, by default with the separator and decimal sign of a run's own table.

    A newer table with another separator is read like any other.

    Raises:
        DataError: it cannot be used; with the position and a remedy.
    """
    from lstmctl.data.tables import open_sheet, read_rows

    separator, decimal = layout.separator, layout.decimal
    if wanted.writing is not None:
        separator = (separator if separator != "auto" else wanted.writing.separator) or "auto"
        decimal = (decimal if decimal != "auto" else wanted.writing.decimal) or "auto"
    try:
        return read_rows(open_sheet(path, separator, decimal, hints), wanted)
    except DataError as error:
        if separator == layout.separator:
            raise
        wrong = error
    try:
        rows = read_rows(open_sheet(path, hints=hints), wanted)
    except DataError:
        raise wrong from None
    if rows.form.writing.separator == separator:
        raise wrong
    return rows


def one_file(files: str | Sequence[str]) -> str:
    """Return the one file that `data.series` names.

    Raises:
        DataError: it names several.
    """
    named = [files] if isinstance(files, str) else list(files)
    if len(named) != 1:
        raise DataError(
            f"data.series names {len(named)} files, but series are read from one",
            hint="join them into one table: the same header once, and a column that names the series",
        )
    return named[0]


def wanted_columns(layout: Layout, encoding: SeriesEncoding | None = None) -> Wanted:
    """Return the column settings of a config or of a run's encoding."""
    from lstmctl.data.sheets import Wanted

    source: Layout | SeriesEncoding = layout if encoding is None else encoding
    return Wanted(
        **{name: getattr(source, name) for name in ("time", "id", "targets", "past", "known", "static")},
        date_format=layout.date_format,
        zone=(encoding.tail.zone if encoding is not None else "") or layout.zone,
        is_run=encoding is not None,
        writing=encoding.writing if encoding is not None else None,
        step=encoding.step if encoding is not None else None,
        categories=tuple(source.categories),
    )


def _unknown(rows: Rows, encoding: SeriesEncoding | None, *, allowed: bool) -> list[str]:
    """Return the series that the run was not trained on; raise DataError if there are any and they are not allowed."""
    if encoding is None:
        return []
    known = set(encoding.ids)
    unknown = [name for name in rows.ids if name not in known]
    if unknown and not allowed:
        row = int(np.argmax(rows.series == rows.ids.index(unknown[0])))
        more = f" (and {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
        raise DataError(
            f"{rows.place(row)}: series `{unknown[0]}`{more} is unknown to the run, which has no scale for it",
            hint=f"the run knows {', '.join(encoding.ids[:SHOWN])}{', …' if len(encoding.ids) > SHOWN else ''}; "
            "`forecast` takes new series too, and scales them by their own rows",
        )
    return unknown


def _with_series(
    encoding: SeriesEncoding, table: Table, rows: Indices, unknown: list[str], window: int
) -> SeriesEncoding:
    """Return an encoding with new series, scaled by all their observed `rows` (series, 2) of a table."""
    numbers = np.array([table.ids.index(name) for name in unknown])
    own = replace(table, ids=tuple(unknown), static=table.static[numbers])
    parts = {"training": rows[numbers], "validation": np.repeat(rows[numbers, 1:], 2, axis=1)}
    names = [f"{series}/{column}" for series in unknown for column in encoding.targets]
    transform = "none" if encoding.transform is None else encoding.transform.name
    categories = {
        use: [place for place, name in enumerate(getattr(encoding, use)) if name in encoding.categories]
        for use in ("past", "known", "static")
    }
    scales = fit_scales(own, parts, encoding.scaler, encoding.season, names, window, transform, categories, warn=False)
    return encoding.with_series(own.ids, scales)


def _about_new(unknown: list[str], count: int) -> str:
    """Return a sentence on how series that are new to the run are forecast."""
    shown = ", ".join([f"`{name}`" for name in unknown[:SHOWN]] + ["…"] * (len(unknown) > SHOWN))
    return (
        f"{len(unknown):,} of {count:,} series {'is' if len(unknown) == 1 else 'are'} new to the run: {shown}; scaled "
        "by all rows given here, with the intervals of all series together"
    )


def _check_times(rows: Rows, encoding: SeriesEncoding | None) -> None:
    from lstmctl.data.dates import ISO

    if encoding is not None and rows.is_index and not encoding.step.is_index:
        raise DataError(
            f"{rows.place(0)}: column `{rows.columns.time}` holds whole numbers, but the run's step is {encoding.step}",
            hint=ISO,
        )


def _channels(rows: Rows) -> list[str]:
    """Return a name for every series and target, series-major."""
    if rows.columns.id is None:
        return list(rows.columns.targets)
    return [f"{series}/{column}" for series in rows.ids for column in rows.columns.targets]


def _places(rows: Rows, categories: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the places of the columns of categories by use."""
    return {
        use: [place for place, name in enumerate(getattr(rows.columns, use)) if name in categories]
        for use in ("past", "known", "static")
    }


def _rows_used(table: Table, training: Indices, step: Step) -> str:
    """Describe the rows that the scales come from."""
    used = training[training[:, 1] > training[:, 0]]
    if not len(used):
        return "no rows"
    first = step.text(int(table.times[used[:, 0]].min()))
    last = step.text(int(table.times[used[:, 1] - 1].max()))
    if len(table.ids) == 1:
        return f"rows 1 to {used[0, 1]:,} ({first} to {last})"
    return f"{int(np.diff(used).sum()):,} training rows of {len(used):,} series ({first} to {last})"
