"""Parsing of the time between two rows (`15 minutes`, `1 row`) and of lengths in rows (`24 rows`, `1 horizon`).

Configs and tables use it; `data.timesteps` defines what a unit means in time.
"""

from __future__ import annotations

import re

UNITS = (
    *("microseconds", "milliseconds", "seconds", "minutes", "hours", "days", "weeks"),
    *("business days", "months", "month ends", "business month ends", "years", "rows"),
)
SHORT = {"s": "seconds", "sec": "seconds", "min": "minutes", "h": "hours", "d": "days", "quarters": "months"}
EXAMPLES = "15 minutes, 1 hour, 1 day, business days, 1 week, 1 month, month ends, 1 year, 1 row"
_FORM = re.compile(r"\s*(\d{1,9})?\s*([a-z]+(?: [a-z]+){0,2})\s*")


def read_step(text: str) -> tuple[int, str] | None:
    """Parse a step as a count (1 if omitted) and one of `UNITS`; None if the text is not a step."""
    found = _FORM.fullmatch(text.casefold())
    if found is None:
        return None
    number, unit = found.groups()
    plural = next((name for name in (*UNITS, *SHORT) if unit in (name, name.removesuffix("s"))), None)
    count = int(number or 1) * (3 if plural == "quarters" else 1)
    if plural is None or count < 1:
        return None
    return count, SHORT.get(plural, plural)


REST = "rest"
"""The training part of a split by the last rows of each series."""
_LENGTH = re.compile(r"\s*(\d{1,9})\s*(rows?|horizons?)?\s*")


def read_length(value: object) -> tuple[int, str] | None:
    """Parse a number of rows or horizons (`24`, `24 rows`, `1 horizon`) as a count and `rows` or `horizons`; None for
    anything else."""
    found = None if isinstance(value, bool) else _LENGTH.fullmatch(str(value).casefold())
    if found is None or int(found[1]) < 1:
        return None
    return int(found[1]), "horizons" if (found[2] or "").startswith("horizon") else "rows"
