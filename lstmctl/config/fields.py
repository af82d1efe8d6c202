"""Field types whose rules pydantic cannot express, each with its own messages and JSON Schema.

Validators raise ValueError with the complete message: the problem; the allowed values.
"""

from __future__ import annotations

import datetime
import itertools
import math
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from lstmctl.config.budget import Budget
from lstmctl.config.wording import shown
from lstmctl.registry import CELLS, is_user_class
from lstmctl.step_grammar import EXAMPLES as STEP_EXAMPLES
from lstmctl.step_grammar import REST, read_length, read_step
from lstmctl.words import near, plural

_USER_CLASS = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"
_DEVICE = r"auto|cpu|cuda|cuda:[0-9]{1,3}|mps"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # no file in UTF-8 can hold one, config.yaml included
MOST_CELLS = 1000
"""Recurrent layers of a whole network, including all networks of an ensemble."""
_MOST_LEVELS = 16
_LARGEST = 2**63 - 1


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean …? ` if `word` is similar to one of `known`, otherwise an empty string."""
    found = near(word, known, most=1)
    return f"{found} " if found else ""


def _budget(value: object) -> Budget:
    if isinstance(value, Budget):
        return value
    if isinstance(value, str):
        return Budget.parse(value)
    raise ValueError(f"{shown(value)} is not a budget; write an amount and a noun, such as `2000 steps`")


def _cell(value: object) -> str:
    known = ", ".join(CELLS)
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not the name of a cell; use one of {known}, or your own `module:Class`")
    if is_user_class(value):
        if not re.fullmatch(_USER_CLASS, value):
            raise ValueError(f"{shown(value)} is not of the form `module:Class`; for example `my_cells:MyCell`")
    elif value not in CELLS:
        similar = did_you_mean(value, CELLS)
        raise ValueError(f"{shown(value)} is not a known cell; {similar}use one of {known}, or your own `module:Class`")
    return value


def _device(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_DEVICE, value):
        raise ValueError(f"{shown(value)} is not a device; use one of auto, cpu, cuda, cuda:0 (any number), mps")
    return value


def _paths(value: object) -> tuple[str, ...]:
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str) for path in paths):
        raise ValueError(f"{shown(value)} is not a path; use a file, a folder, or a list of them")
    if not paths:
        raise ValueError("an empty list; name at least one file or folder")
    for path in paths:
        if not path.strip() or "\0" in path or LONE_SURROGATE.search(path):
            raise ValueError(f"{shown(path)} is not a path; use a file, a folder, or a list of them")
    return tuple(paths)


_SPLIT = "2 or 3 fractions that sum to 1 such as [0.8, 0.1, 0.1], or 2 or 3 whole counts of symbols"


def _split(value: object) -> tuple[float, ...] | tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{shown(value)} is not a split; {_SPLIT}")
    if any(isinstance(part, str) and _is_date(part) for part in value):
        raise ValueError(f"only series can be split by date; a text is split by position: {_SPLIT}")
    if not all(isinstance(part, int | float) and not isinstance(part, bool) for part in value):
        raise ValueError(f"every part must be a number; {_SPLIT}")
    if len(value) not in (2, 3):
        raise ValueError(f"{plural(len(value), 'part')}; {_SPLIT}")
    if not all(0 < part <= _LARGEST for part in value):  # NaN compares as false and is refused too
        raise ValueError(f"every part must be above 0; {_SPLIT}")
    if all(isinstance(part, int) for part in value):
        return tuple(int(part) for part in value)
    if not math.isclose(math.fsum(value), 1.0, abs_tol=1e-6):
        raise ValueError(f"the fractions sum to {math.fsum(value):.6g}, not 1; {_SPLIT}")
    return tuple(float(part) for part in value)


_SERIES_SPLIT = (
    "2 or 3 fractions that sum to 1 such as [0.7, 0.1, 0.2], 2 or 3 whole counts of rows, the last rows of each series "
    "such as [rest, 24 rows, 1 horizon], or the dates at which the validation part and the test part begin, optionally "
    "followed by the date at which the test part ends"
)


def _series_split(value: object) -> tuple[float, ...] | tuple[int, ...] | tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{shown(value)} is not a split; {_SERIES_SPLIT}")
    if REST in value:
        return _last_rows(value)
    if not any(isinstance(part, str) for part in value):
        try:
            return _split(value)
        except ValueError as error:
            raise ValueError(str(error).replace(_SPLIT, _SERIES_SPLIT)) from error
    if wrong := next((part for part in value if not isinstance(part, str) or not _is_date(part)), None):
        raise ValueError(f"{shown(wrong)} is not a date such as 2017-07-01 or 2017-07-01T12:00; {_SERIES_SPLIT}")
    if len(value) not in (1, 2, 3):
        raise ValueError(f"{len(value)} dates; {_SERIES_SPLIT}")
    dates = [datetime.datetime.fromisoformat(part) for part in value]
    if len({date.tzinfo is None for date in dates}) > 1:
        raise ValueError("some dates have a time zone and some do not")
    if any(later <= earlier for earlier, later in itertools.pairwise(dates)):
        raise ValueError("the dates are not in chronological order")
    return tuple(value)


def _last_rows(value: list[object] | tuple[object, ...]) -> tuple[str, ...]:
    lengths = [read_length(part) for part in value[1:]]
    if value[0] != REST or len(value) not in (2, 3) or None in lengths:
        raise ValueError(
            f"{shown(list(value))} is not a split; {REST} is the training part, followed by the rows or horizons of "
            "the validation part and the (optional) test part, such as [rest, 24 rows, 1 horizon]"
        )
    counts = [f"{count} {unit.removesuffix('s') if count == 1 else unit}" for count, unit in filter(None, lengths)]
    return (REST, *counts)


def _file_names(value: object) -> str | None:
    if value is None:
        return value
    allowed = "use one such as {label}_{speaker}_{take}, with {label} in it and no field twice"
    if not isinstance(value, str) or not value.strip() or LONE_SURROGATE.search(value):
        raise ValueError(f"{shown(value)} is not a pattern; {allowed}")
    fields = re.findall(r"\{(\w+)\}", value)
    rest = re.sub(r"\{\w+\}", "", value)
    if "label" not in fields or len(set(fields)) < len(fields) or not all(map(str.isidentifier, fields)):
        raise ValueError(f"{shown(value)} does not say where the label is; {allowed}")
    if "{" in rest or "}" in rest or "}{" in value or "\\" in value:
        raise ValueError(f"{shown(value)} is not a pattern; put something between two fields, and / between folders")
    return value


def _names(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"{shown(value)} is not a column name; use one name, or a list of names")
    if twice := next((name for index, name in enumerate(names) if name in names[:index]), None):
        raise ValueError(f"{shown(twice)} is listed twice")
    return tuple(names)


def _some_names(value: object) -> tuple[str, ...]:
    names = _names(value)
    if not names:
        raise ValueError("an empty list; name at least one column, or leave it out")
    return names


def _held_out(value: object) -> tuple[str, ...] | None:
    if value is None:
        return value
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list | tuple) or not named or not all(isinstance(name, str) and name for name in named):
        raise ValueError(
            f"{shown(value)} does not name files or speakers; use a text such as *_0.wav, or a list of them"
        )
    return tuple(named)


def _step(value: object) -> str:
    if not isinstance(value, str) or (value != "auto" and read_step(value) is None):
        raise ValueError(f"{shown(value)} is not a time between rows; use auto, or an interval such as {STEP_EXAMPLES}")
    return value


def _holidays(value: object) -> tuple[str, ...]:
    entries = [value] if isinstance(value, str) else value
    allowed = (
        "use dates such as [2024-12-25, 2025-01-01], a file with one date per line, or a country such as US or DE-BY"
    )
    if not isinstance(entries, list | tuple) or not all(isinstance(one, str) and one.strip() for one in entries):
        raise ValueError(f"{shown(value)} does not name holidays; {allowed}")
    for one in entries:
        is_like_a_date = re.fullmatch(r"\d[\d.:/ -]*", one)
        if "\0" in one or LONE_SURROGATE.search(one) or (is_like_a_date and not (len(one) == 10 and _is_date(one))):
            raise ValueError(f"{shown(one)} is not a date such as 2024-12-25; {allowed}")
    return tuple(entries)


def _zone(value: object) -> str | None:
    if value is None or value == "UTC":
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d|[A-Za-z_]+(/[\w+-]+)+", value):
        raise ValueError(
            f"{shown(value)} is not a time zone; use UTC, an offset from it such as +02:00, or a place such as "
            "Europe/Vienna"
        )
    return value


_ROW_SPLIT = "use auto, order, random, time, time:COLUMN or group:COLUMN"


def _row_split(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"auto|order|random|time|(time|group):.*\S.*", value):
        raise ValueError(f"{shown(value)} is not a way to split rows; {_ROW_SPLIT}")
    return value


CALENDAR = ("hour", "weekday", "day-of-month", "month-end", "month", "quarter", "day-of-year", "holiday")


def _calendar(value: object) -> tuple[str, ...]:
    names = _names(value)
    if wrong := next((name for name in names if name not in CALENDAR), None):
        raise ValueError(
            f"{shown(wrong)} is not a calendar feature; {did_you_mean(wrong, CALENDAR)}use {', '.join(CALENDAR)}"
        )
    return names


def _levels(value: object) -> tuple[int, ...]:
    allowed = "whole percentages from 1 to 99, each once, such as [80, 90]"
    if not isinstance(value, list | tuple) or not all(type(level) is int and 1 <= level <= 99 for level in value):
        raise ValueError(f"{shown(value)} is not allowed; {allowed}")
    if not value or len(set(value)) < len(value):
        raise ValueError(f"{shown(list(value))} is not allowed; {allowed}")
    return tuple(sorted(value))


def _lengths(value: object) -> tuple[int, ...]:
    allowed = "whole numbers of at least 1, such as [80, 160]"
    if not isinstance(value, list | tuple) or not all(type(length) is int and length >= 1 for length in value):
        raise ValueError(f"{shown(value)} is not allowed; {allowed}")
    return tuple(sorted(set(value)))


def _is_date(text: str) -> bool:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _betas(value: object) -> tuple[float, float]:
    allowed = "two numbers, each at least 0 and below 1, such as [0.9, 0.99]"
    parts = list(value) if isinstance(value, list | tuple) else []
    if len(parts) != 2 or not all(type(part) in (int, float) and 0 <= part < 1 for part in parts):
        raise ValueError(f"{shown(value)} is not allowed; {allowed}")
    return float(parts[0]), float(parts[1])


def _options(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is not a section; use keys and values that the cell defines")
    _check_plain(value, 0)
    return dict(value)


def _check_plain(value: object, level: int) -> None:
    if level > _MOST_LEVELS:
        raise ValueError(f"nested more than {_MOST_LEVELS} levels deep")
    if isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{shown(key)} is used as a key; keys must be text")
            _check_plain(child, level + 1)
    elif isinstance(value, list | tuple):
        for child in value:
            _check_plain(child, level + 1)
    elif isinstance(value, str) and LONE_SURROGATE.search(value):
        raise ValueError(f"{shown(value)} cannot be written as UTF-8")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{shown(value)} is not a finite number")
    elif isinstance(value, int) and not -_LARGEST - 1 <= value <= _LARGEST:
        raise ValueError("a whole number beyond 2^63")
    elif not isinstance(value, None | bool | int | float | str):
        raise ValueError(f"{shown(value)} is not plain data")


BudgetField = Annotated[
    Budget,
    PlainValidator(_budget),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["2000 steps", "10 epochs", "3M characters", "90 seconds"]}),
]
Cell = Annotated[
    str,
    PlainValidator(_cell),
    WithJsonSchema({"anyOf": [{"enum": list(CELLS)}, {"type": "string", "pattern": f"^{_USER_CLASS}$"}]}),
]
Device = Annotated[str, PlainValidator(_device), WithJsonSchema({"type": "string", "pattern": f"^({_DEVICE})$"})]
Paths = Annotated[
    tuple[str, ...],
    PlainValidator(_paths),
    PlainSerializer(lambda paths: paths[0] if len(paths) == 1 else list(paths)),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            ]
        }
    ),
]
Split = Annotated[
    tuple[float, ...] | tuple[int, ...],
    PlainValidator(_split),
    PlainSerializer(list),
    WithJsonSchema({"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 2, "maxItems": 3}),
]
SeriesSplit = Annotated[
    tuple[float, ...] | tuple[int, ...] | tuple[str, ...],
    PlainValidator(_series_split),
    PlainSerializer(list),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]},
            "minItems": 1,
            "maxItems": 3,
        }
    ),
]
Names = Annotated[
    tuple[str, ...],
    PlainValidator(_names),
    PlainSerializer(list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
SomeNames = Annotated[
    tuple[str, ...],
    PlainValidator(_some_names),
    PlainSerializer(list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
FileNames = Annotated[
    str | None,
    PlainValidator(_file_names),
    WithJsonSchema({"type": ["string", "null"], "examples": ["{label}_{speaker}_{take}", "{speaker}/{label}-{take}"]}),
]
HeldOut = Annotated[
    tuple[str, ...] | None,
    PlainValidator(_held_out),
    PlainSerializer(lambda named: None if named is None else list(named)),
    WithJsonSchema(
        {"anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    ),
]
Calendar = Annotated[
    tuple[str, ...],
    PlainValidator(_calendar),
    PlainSerializer(list),
    WithJsonSchema({"type": "array", "items": {"enum": list(CALENDAR)}, "uniqueItems": True}),
]
RowSplit = Annotated[
    str,
    PlainValidator(_row_split),
    WithJsonSchema(
        {"anyOf": [{"enum": ["auto", "order", "random", "time"]}, {"type": "string", "pattern": "^(time|group):."}]}
    ),
]
TimeStep = Annotated[
    str, PlainValidator(_step), WithJsonSchema({"type": "string", "examples": ["auto", *STEP_EXAMPLES.split(", ")]})
]
Holidays = Annotated[
    tuple[str, ...],
    PlainValidator(_holidays),
    PlainSerializer(list),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            "examples": ["US", "DE-BY", "NYSE", "holidays.txt", ["2024-12-25", "2025-01-01"]],
        }
    ),
]
Zone = Annotated[
    str | None,
    PlainValidator(_zone),
    WithJsonSchema({"type": ["string", "null"], "examples": ["UTC", "+02:00", "Europe/Vienna"]}),
]
Lengths = Annotated[
    tuple[int, ...],
    PlainValidator(_lengths),
    PlainSerializer(list),
    WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 1}}),
]
Levels = Annotated[
    tuple[int, ...],
    PlainValidator(_levels),
    PlainSerializer(list),
    WithJsonSchema(
        {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 99}, "minItems": 1, "uniqueItems": True}
    ),
]
Betas = Annotated[
    tuple[float, float],
    PlainValidator(_betas),
    PlainSerializer(list),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
            "minItems": 2,
            "maxItems": 2,
        }
    ),
]
Options = Annotated[dict[str, Any], PlainValidator(_options), WithJsonSchema({"type": "object"})]


Fraction = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
AboveZero = Annotated[float, Field(gt=0, le=1e30)]
AtLeastZero = Annotated[float, Field(ge=0, le=1e30)]
"""The limits keep products of settings far below the largest float32."""
AtLeastOne = Annotated[int, Field(ge=1, le=2**31 - 1)]
Layers = Annotated[int, Field(ge=1, le=MOST_CELLS)]
Batch = Annotated[int, Field(ge=1, le=10**6)]
Threads = Annotated[int, Field(ge=1, le=1024)]
"""The limits of these three keep a slip of the finger from building modules, gathering lanes or starting threads for
hours."""
