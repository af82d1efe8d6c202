"""Parsing of the time between two rows: `15 minutes`, `business days`, `1 row`.

Configs and tables use it; `data.timesteps` defines what a unit means in time.
"""

from __future__ import annotations

import re

UNITS = (
    *("microseconds", "milliseconds", "seconds", "minutes", "hours", "days", "weeks"),
    *("business days", "months", "month ends", "years", "rows"),
)
SHORT = {"s": "seconds", "sec": "seconds", "min": "minutes", "h": "hours", "d": "days", "quarters": "months"}
EXAMPLES = "15 minutes, 1 hour, 1 day, business days, 1 week, 1 month, month ends, 1 year, 1 row"
_FORM = re.compile(r"\s*(\d{1,9})?\s*([a-z]+(?: [a-z]+)?)\s*")


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
