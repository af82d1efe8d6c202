"""Forecasts and backtests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lstmctl.results.evaluation import Score
from lstmctl.results.framed import Framed
from lstmctl.results.shown import Shown


@dataclass(frozen=True, slots=True)
class SeriesForecast:
    """The forecast of one series after its last known row, in the units of the data."""

    series: str
    """The series' `unique_id`: the column of a wide table, the id of a long one, or both as `id/column`."""
    times: tuple[str, ...]
    """Times of the horizon: dates such as `2018-06-26 20:00:00` (without the time of day if all are at midnight, and
    with the offset from UTC, as `2018-06-26 20:00:00+02:00`, by the clock of a place), or whole numbers."""
    point: tuple[float, ...]
    intervals: Mapping[int, tuple[tuple[float, ...], tuple[float, ...]]]
    """For each level in percent, the lower and the upper ends; empty for a forecast without intervals."""
    history_times: tuple[str, ...] = ()
    history: tuple[float | None, ...] = ()
    """Earlier rows, oldest first; None where a value is missing."""
    actual: tuple[float | None, ...] = ()
    """The true values, if they are known already."""
    paths: tuple[tuple[float, ...], ...] = ()
    """Sample paths, each through the whole horizon."""
    zone: str = ""
    """Offset of the clock of all these times from UTC, such as `+02:00` or `Z`; empty if the table has none, or each
    time has its own."""


class Forecasts(list[SeriesForecast], Shown, Framed):
    """Forecasts of several series, in the order of the series."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Backtest(Shown, Framed):
    """Forecasts from many origins in chronological order, each from the data known by then."""

    run: str
    split: str
    origins: int
    """Number of origins per series."""
    stride: int
    """Rows from one origin to the next."""
    refit: bool
    """True if a new network was trained for each origin, on all rows before it."""
    scores: Mapping[str, Score]
    """`calibrated`: with the run's own intervals; `adaptive`: with intervals that adapt to past errors."""
    cutoffs: tuple[str, ...]
    """For each forecast, the last row before it."""
    forecasts: tuple[SeriesForecast, ...]
    """With adaptive intervals and the true values. An infinite end means that no interval could be computed, since no
    earlier errors were known."""
    baselines: Mapping[str, Score] = field(default_factory=dict)
    """By name, for the same windows, without intervals."""
    notes: tuple[str, ...] = ()
    """Facts that a reader needs to interpret the scores, in whole sentences."""
    continued: bool = False
    """True if each of these networks started from the weights of the one before."""
