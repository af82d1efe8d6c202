"""Days without a row: dates of a config, of a file, or public holidays of a country."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl.data.locating import check_regular, locate, portable_name
from lstmctl.data.timesteps import DAY, Times
from lstmctl.errors import DataError

CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,4})?|[A-Z]{3,5}")
"""A country, with a subdivision (`US`, `DE-BY`), or an exchange (`NYSE`)."""
YEARS_AHEAD = 20
"""Years after the table's end for which a country's holidays are worked out."""
EPOCH = datetime.date(1970, 1, 1)


@dataclass(frozen=True)
class Holidays:
    """Holidays of a table."""

    days: tuple[int, ...]
    """Days since 1970-01-01, ascending."""
    names: tuple[str, ...]
    """The config's entries, valid from any folder."""
    last_listed: int | None
    """The last day, if all are listed; None if a country's are among them."""


def read_holidays(entries: Sequence[str], config_folder: Path | None, times: Times) -> Holidays:
    """Return the holidays that a config names.

    Args:
        entries: dates, names of files with one date per line, or codes of countries or exchanges.
        config_folder: the first folder to look for files in.
        times: (rows,) of the table, which decide the years of a country's holidays.

    Raises:
        DataError: a file cannot be read, a line of it is not a date, or a code is unknown or needs a package.
    """
    found, names, is_listed = set[datetime.date](), list[str](), True
    for entry in entries:
        if (date := as_date(entry)) is not None:
            found.add(date)
            names.append(entry)
        elif CODE.fullmatch(entry):
            years = (np.array([times.min(), times.max()]) // DAY).astype("datetime64[D]").astype("datetime64[Y]")
            first, last = (years.astype(np.int64) + 1970).tolist()
            found.update(_of_code(entry, range(first, last + YEARS_AHEAD + 1)))
            names.append(entry)
            is_listed = False
        else:
            path = locate(entry, config_folder, "data.holidays")
            found.update(_of_file(path))
            names.append(portable_name(entry, path))
    days = tuple(sorted((date - EPOCH).days for date in found))
    return Holidays(days, tuple(names), days[-1] if is_listed and days else None)


def as_date(text: str) -> datetime.date | None:
    """Return the date that a text such as 2024-12-25 is; None for anything else."""
    try:
        return datetime.date.fromisoformat(text) if len(text) == len("2024-12-25") else None
    except ValueError:
        return None


def _of_file(path: Path) -> Iterable[datetime.date]:
    """Return the dates of a file: one per line, before a comma if there is one; empty lines and `#` are skipped."""
    check_regular(path, "a file with one date per line")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].partition(",")[0].strip().strip('"')
        if not text or (number == 1 and not text[0].isdigit()):  # a header
            continue
        if (date := as_date(text)) is None:
            raise DataError(
                f"{path}: line {number}: `{text[:40]}` is not a date",
                hint="write one date per line, such as 2024-12-25",
            )
        found.append(date)
    if not found:
        raise DataError(f"{path} contains no dates", hint="write one date per line, such as 2024-12-25")
    return found


def _of_code(code: str, years: range) -> Iterable[datetime.date]:
    try:
        import holidays  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise DataError(
            f"data.holidays {code} needs the package holidays, which is not installed",
            hint="pip install 'lstmctl[holidays]'; or name a file with one date per line: data.holidays=holidays.txt",
        ) from error
    country, _, subdivision = code.partition("-")
    make: Any = holidays.country_holidays if len(country) == 2 else holidays.financial_holidays
    try:
        settings = {"subdiv": subdivision} if subdivision else {}
        return list(make(country, years=years, **settings))
    except (NotImplementedError, KeyError) as error:
        raise DataError(
            f"data.holidays {code} is not known to the package holidays",
            hint="use a country such as US or DE-BY, an exchange such as NYSE, or a file with one date per line",
        ) from error
