"""The encoding of a run's series: columns, step, scales, and the last rows to forecast from."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from lstmctl.data.calendar import MARKS, PHASES, calendar_features
from lstmctl.data.series_scales import Scales
from lstmctl.data.series_table import Scaled, Table
from lstmctl.data.table_writing import Writing
from lstmctl.data.timesteps import CHUNK, LAST, Step
from lstmctl.data.transforms import TRANSFORMS, Transform, restored
from lstmctl.errors import RunError
from lstmctl.step_grammar import UNITS

Places = slice | NDArray[np.int64]
Which = int | NDArray[np.int64]
SEASONS, FEWEST_ROWS, MOST_ROWS = 7, 100, 1000
SCALES = ("centre", "spread", "naive_error", "naive_square")
"""Numbers of every series and target."""
OPTIONAL = ("naive_error", "naive_square", "past_spread", "known_spread", "static_spread")
"""Numbers that may be NaN."""


@dataclass(frozen=True, eq=False)
class SeriesEncoding(Scales):
    """Converts numbers of a table to a network's, and back."""

    ids: tuple[str, ...]
    targets: tuple[str, ...]
    past: tuple[str, ...]
    known: tuple[str, ...]
    static: tuple[str, ...]
    time: str | None
    """Name of the column of times."""
    id: str | None
    """Name of the column of series names; None for a wide table."""
    step: Step
    calendar: tuple[str, ...]
    scaler: str
    season: int
    """In rows."""
    rows_used: str
    """A description of the rows that scales were computed from."""
    tail: Table
    """The last rows of each series, to forecast without the data."""
    writing: Writing | None = None
    """The format of the table; None in runs that did not keep it."""
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns whose values are numbers of categories, with these in order from 1; 0 is any other category."""

    @property
    def without_scale(self) -> tuple[str, ...]:
        """The channels without a scale in their training rows."""
        lacking = np.flatnonzero(~self.has_scale)
        return tuple(self.channels[place] for place in lacking)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The covariates without a scale in their training rows; a network sees them as 0."""
        found = list[str]()
        for names, spread in ((self.past, self.past_spread), (self.known, self.known_spread)):
            for name, lacking in zip(names, np.isnan(spread).T, strict=True):
                if lacking.all():
                    found.append(name)
                else:
                    found += [f"{self.ids[own]}/{name}" for own in np.flatnonzero(lacking)]
        return (*found, *(self.static[column] for column in np.flatnonzero(np.isnan(self.static_spread))))

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of all series and targets: the column, the series, or both."""
        if self.id is None:
            return self.targets
        if len(self.targets) == 1:
            return self.ids
        return tuple(f"{series}/{column}" for series in self.ids for column in self.targets)

    def scaled(self, table: Table) -> Scaled:
        """Return a table as a network sees it, each series by its own scale.

        Raises:
            KeyError: the table has an unknown series; `open_series` refuses it earlier.
        """
        number = {series: index for index, series in enumerate(self.ids)}
        rows = len(table.times)
        values = np.empty((rows, len(self.targets)), dtype=np.float32)
        past = np.empty((rows, len(self.past)), dtype=np.float32)
        known = np.empty((rows, self.known_width), dtype=np.float32)
        for series, name in enumerate(table.ids):
            for start in range(int(table.bounds[series]), int(table.bounds[series + 1]), CHUNK):
                part = slice(start, min(start + CHUNK, int(table.bounds[series + 1])))
                values[part] = self.scaled_targets(table, part, number[name])
                past[part] = self.scaled_past(table, part, number[name])
                known[part] = self.scaled_known(table, part, number[name], table.ends[series])
        return Scaled(values, past, known, self.scaled_static(table))

    def last_shared(self, table: Table) -> str | None:
        """Return the run's last time of a series that does not begin later in a table; None if there is none."""
        if not self.tail.times.size:  # of a published run
            return None
        ends = dict(zip(self.tail.ids, self.tail.times[self.tail.ends - 1].tolist(), strict=True))
        begins = zip(table.ids, table.times[table.bounds[:-1]].tolist(), strict=True)
        shared = (ends[name] for name, begin in begins if name in ends and begin <= ends[name])
        return next(map(self.step.text, shared), None)

    @property
    def known_width(self) -> int:
        """Number of columns known in advance, two for each feature of the calendar."""
        return len(self.known) + 2 * len(self.calendar)

    def scaled_targets(self, table: Table, rows: Places, series: Which) -> NDArray[np.float32]:
        """Return (…, targets) of rows (…) of a table, scaled; `series` is the number here of the series of all rows, or
        of each."""
        return _float32(self.scaled_units(_at(table.targets, rows), series))

    def scaled_units(self, values: NDArray[np.float64], series: Which) -> NDArray[np.float64]:
        """Scale targets (…, targets) of one series, or of `series` (…)."""
        if self.transform is not None:
            return self.transform.scaled(values, series)
        return (values - self.centre[series]) / self.spread[series]

    def in_units(self, values: NDArray[np.float64], series: Which) -> NDArray[np.float64]:
        """Undo the scaling of targets (…, targets) of one series, or of `series` (…)."""
        if self.transform is None:
            return values * self.spread[series] + self.centre[series]
        of = self.transform
        return restored(of.name, values * of.spread[series] + of.centre[series], of.power[series])

    def scaled_past(self, table: Table, rows: Places, series: Which) -> NDArray[np.float32]:
        """Return (…, past columns) likewise; 0 for a missing value or a column without a scale."""
        helps = (_at(table.past, rows) - self.past_centre[series]) / self.past_spread[series]
        return _float32(np.where(np.isnan(helps), 0.0, helps))

    def scaled_known(self, table: Table, rows: Places, series: Which, ends: Which) -> NDArray[np.float32]:
        """Return (…, known columns + 2 · calendar features) likewise; `ends` are the table's, of the same series."""
        given, spread = _at(table.known, rows), self.known_spread[series]
        helps = np.where(np.isnan(spread) & ~np.isnan(given), 0.0, (given - self.known_centre[series]) / spread)
        if self.known:
            numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
            observed = numbers < ends
            helps[np.isnan(helps) & observed[..., np.newaxis]] = 0.0
        if not self.calendar:
            return _float32(helps)
        times = table.times[rows]
        features = calendar_features(times.ravel(), self.calendar, self.step)
        return _float32(np.concatenate([helps, features.reshape(*times.shape, -1)], axis=-1))

    def scaled_static(self, table: Table) -> NDArray[np.float32]:
        """Return (series, static columns) likewise."""
        facts = (table.static - self.static_centre) / self.static_spread
        return _float32(np.where(np.isnan(facts), 0.0, facts))

    def with_series(self, ids: tuple[str, ...], scales: Scales) -> SeriesEncoding:
        """Return the encoding with further series, which `tail` lacks; `scales` are theirs."""
        of_series: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(scales, name)])
            for name in (*SCALES, "has_scale", "past_centre", "past_spread", "known_centre", "known_spread")
        }
        transform = self.transform
        if transform is not None and scales.transform is not None:
            arrays = zip(transform.arrays, scales.transform.arrays, strict=True)
            transform = Transform(transform.name, *(np.concatenate(pair) for pair in arrays))
        return replace(self, ids=(*self.ids, *ids), transform=transform, **of_series)

    def to_json(self) -> dict[str, Any]:
        """Return the content of `encoding.json`; NaN is null, and every other number is exact."""
        plain: dict[str, Any] = {"format": 1, "kind": "series"}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Mapping):
                value = {name: list(names) for name, names in value.items()}
            elif isinstance(value, Table | Transform):
                value = {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
            elif isinstance(value, Writing):
                value = asdict(value)
            plain[entry.name] = str(value) if isinstance(value, Step) else _plain(value)
        if self.step.holidays:
            plain["holidays"] = list(self.step.holidays)
        if self.step.zone:
            plain["zone"] = self.step.zone
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SeriesEncoding:
        """Restore an encoding from `to_json`.

        Raises:
            RunError: the content is damaged; with its key.
        """
        if data.get("format") != 1 or data.get("kind") != "series":
            raise RunError("encoding.json is not a series encoding of format 1")
        names = {key: _read(data, key, NAMES) for key in ("ids", "targets", "past", "known", "static", "calendar")}
        series, targets = len(names["ids"]), len(names["targets"])
        if not series or not targets or not set(names["calendar"]) <= {*PHASES, *MARKS}:
            raise _damaged("ids" if not series else "targets" if not targets else "calendar")
        shapes = {
            **dict.fromkeys(SCALES, (series, targets)),
            **dict.fromkeys(("past_centre", "past_spread"), (series, len(names["past"]))),
            **dict.fromkeys(("known_centre", "known_spread"), (series, len(names["known"]))),
            **dict.fromkeys(("static_centre", "static_spread"), (len(names["static"]),)),
        }
        if "naive_square" not in data:  # in older runs
            data = {**data, "naive_square": np.full((series, targets), None).tolist()}
        arrays = {key: _numbers(data, key, shape, optional=key in OPTIONAL) for key, shape in shapes.items()}
        arrays["has_scale"] = _flags(data, "has_scale", (series, targets))
        for key, array in arrays.items():
            if (key.endswith("spread") or key in ("naive_error", "naive_square")) and np.any(array <= 0):
                raise _damaged(key)
        tail = _table(data, names, _step(data))
        return cls(
            ids=names["ids"],
            targets=names["targets"],
            past=names["past"],
            known=names["known"],
            static=names["static"],
            time=_read(data, "time", OPTIONAL_NAME),
            id=_read(data, "id", OPTIONAL_NAME),
            step=_step(data),
            calendar=names["calendar"],
            scaler=_read(data, "scaler", NAME),
            season=_read(data, "season", SEASON),
            rows_used=_read(data, "rows_used", NAME),
            tail=tail,
            writing=_read(data, "writing", WRITING),
            transform=_transform(data, (series, targets)),
            categories=_categories(data, names, tail),
            **arrays,
        )


def history_rows(season: int) -> int:
    """Return the most rows before an origin that a forecast without a network is fitted to: seven seasons, within
    bounds."""
    return max(min(max(SEASONS * season, FEWEST_ROWS), MOST_ROWS), 2 * season)


def _at(values: NDArray[np.float64], rows: Places) -> NDArray[np.float64]:
    # `take` copies whole rows, several times as fast as indexing by an array.
    return values[rows] if isinstance(rows, slice) else np.take(values, rows, axis=0)


def _float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    # A value without a scale (data.scaler=none) may be too large for float32; training reports the infinity.
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype == np.float64 and np.isnan(value).any():
            holes = value.astype(object)
            holes[np.isnan(value)] = None
            return holes.tolist()
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _damaged(key: str) -> RunError:
    return RunError(f"encoding.json is damaged at `{key}`")


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a name occurs twice")
    return names


NAMES: TypeAdapter[tuple[str, ...]] = TypeAdapter(Annotated[tuple[str, ...], AfterValidator(_unique)])
NAME: TypeAdapter[str] = TypeAdapter(str)
OPTIONAL_NAME: TypeAdapter[str | None] = TypeAdapter(str | None)
DAYS: TypeAdapter[tuple[int, ...]] = TypeAdapter(tuple[int, ...])
SEASON: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=1)])
WRITING: TypeAdapter[Writing | None] = TypeAdapter(Writing | None)
CATEGORIES: TypeAdapter[dict[str, tuple[str, ...]] | None] = TypeAdapter(dict[str, tuple[str, ...]] | None)
USES = ("past", "known", "static")
T = TypeVar("T")


def _read(data: Mapping[str, Any], key: str, kind: TypeAdapter[T]) -> T:
    try:
        return kind.validate_json(json.dumps(data.get(key)), strict=True)
    except ValidationError as error:
        raise _damaged(key) from error


def _categories(
    data: Mapping[str, Any], names: Mapping[str, tuple[str, ...]], tail: Table
) -> dict[str, tuple[str, ...]]:
    """Return the categories of columns; older runs have none."""
    found = _read(data, "categories", CATEGORIES) or {}
    numbers = {name: getattr(tail, use)[:, place] for use in USES for place, name in enumerate(names[use])}
    for name, known in found.items():
        if not known or name not in numbers or len(set(known)) < len(known):
            raise _damaged("categories")
        given = numbers[name][~np.isnan(numbers[name])]
        if not np.isin(given, np.arange(len(known) + 1)).all():
            raise _damaged("categories")
    return found


def _transform(data: Mapping[str, Any], shape: tuple[int, int]) -> Transform | None:
    """Return the transform of targets; older runs have none."""
    stored = data.get("transform")
    if stored is None:
        return None
    if not isinstance(stored, dict) or stored.get("name") not in TRANSFORMS:
        raise _damaged("transform")
    arrays = {key: _numbers(stored, key, shape) for key in ("power", "centre", "spread")}
    if np.any(arrays["spread"] <= 0) or np.any((arrays["power"] < 0) | (arrays["power"] > 1)):
        raise _damaged("transform")
    return Transform(stored["name"], **arrays)


def _step(data: Mapping[str, Any]) -> Step:
    found = str(data.get("step")).split(" ", 1)
    count, unit = (found[0], found[-1]) if found[0].isdecimal() else ("1", " ".join(found))
    unit = next((name for name in UNITS if unit in (name, name.removesuffix("s"))), "")
    if not unit or int(count) < 1:
        raise _damaged("step")
    zone = _read(data, "zone", OPTIONAL_NAME) or ""
    return Step(int(count), unit, _read(data, "holidays", DAYS) if "holidays" in data else (), zone)


def _numbers(
    data: Mapping[str, Any], key: str, shape: tuple[int, ...], *, optional: bool = False, whole: bool = False
) -> NDArray[Any]:
    """Return an array of the given shape; null is NaN if `optional`."""
    try:
        # NumPy would also take texts, truth values and fractions for numbers, or for whole ones.
        kinds = {type(item) for item in np.array(data.get(key), dtype=object).flat}
        if not kinds <= ({int} if whole else {int, float, type(None)}):
            raise _damaged(key)
        array = np.array(data.get(key), dtype=np.int64 if whole else np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise _damaged(key) from error
    if 0 in shape and array.size == 0:
        array = array.reshape(shape)
    if array.shape != shape or (not whole and (np.isinf(array).any() or (not optional and np.isnan(array).any()))):
        raise _damaged(key)
    return array


def _flags(data: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return truth values of the given shape; all true in a run that did not keep them."""
    if key not in data:
        return np.ones(shape, dtype=bool)
    array = np.array(data[key], dtype=object)
    if array.shape != shape or not all(type(item) is bool for item in array.flat):
        raise _damaged(key)
    return array.astype(bool)


def _table(data: Mapping[str, Any], names: Mapping[str, tuple[str, ...]], step: Step) -> Table:
    tail = data.get("tail")
    if not isinstance(tail, dict) or not isinstance(tail.get("times"), list):
        raise _damaged("tail")
    if _read(tail, "ids", NAMES) != names["ids"]:
        raise _damaged("tail.ids")
    series, rows = len(names["ids"]), len(tail["times"])
    bounds = _numbers(tail, "bounds", (series + 1,), whole=True)
    ends = _numbers(tail, "ends", (series,), whole=True)
    if bounds[0] != 0 or bounds[-1] != rows or np.any(ends < bounds[:-1]) or np.any(ends > bounds[1:]):
        raise _damaged("tail.bounds")
    times = _numbers(tail, "times", (rows,), whole=True)
    # Older runs have no days.
    days = [step.day_of(times[start:stop]) for start, stop in itertools.pairwise(bounds)]
    if "days" in tail:
        days = _numbers(tail, "days", (series,), whole=True).tolist()
    if not set(days) <= set(range(LAST + 1)):
        raise _damaged("tail.days")
    return Table(
        ids=names["ids"],
        bounds=bounds,
        ends=ends,
        times=times,
        targets=_numbers(tail, "targets", (rows, len(names["targets"])), optional=True),
        past=_numbers(tail, "past", (rows, len(names["past"])), optional=True),
        known=_numbers(tail, "known", (rows, len(names["known"])), optional=True),
        static=_numbers(tail, "static", (series, len(names["static"])), optional=True),
        days=np.array(days, dtype=np.int64),
        zone=_read(tail, "zone", OPTIONAL_NAME) or "",  # older runs have none
    )
