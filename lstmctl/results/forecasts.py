"""Forecasts, and backtests made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lstmctl.results.evaluation import Score
from lstmctl.results.framed import Framed
from lstmctl.results.shown import Shown


@dataclass(frozen=True, slots=True)
class SeriesForecast:
    """How one series goes on after its last known row, in its own units."""

    series: str
    """Its `unique_id`: the column of a wide table, the id of a long one, or both as `id/column`."""
    times: tuple[str, ...]
    """Of the horizon: dates as `2018-06-26 20:00:00` (without the time of day where all fall on midnight), or whole
    numbers."""
    point: tuple[float, ...]
    intervals: Mapping[int, tuple[tuple[float, ...], tuple[float, ...]]]
    """For each level in percent the lower and the upper ends; empty for a forecast without intervals."""
    history_times: tuple[str, ...] = ()
    history: tuple[float | None, ...] = ()
    """The rows before, oldest first; None where a value is missing."""
    actual: tuple[float | None, ...] = ()
    """What came, where it is known already."""
    paths: tuple[tuple[float, ...], ...] = ()
    """Sample paths, each through the whole horizon."""
    zone: str = ""
    """How far the clock of all these times is from UTC, as `+02:00` or `Z`; empty where the table did not say."""


class Forecasts(list[SeriesForecast], Shown, Framed):
    """Forecasts of several series, in the order of the series."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Backtest(Shown, Framed):
    """Forecasts from many origins in order of time, each from what was known by then."""

    run: str
    split: str
    origins: int
    """For each series."""
    stride: int
    """Rows from one origin to the next."""
    refit: bool
    """Whether a network was trained anew for each origin, on all rows before it."""
    scores: Mapping[str, Score]
    """`calibrated`: with intervals as the run has them; `adaptive`: with intervals that follow what was revealed."""
    cutoffs: tuple[str, ...]
    """Of each forecast: the last row before it."""
    forecasts: tuple[SeriesForecast, ...]
    """With adaptive intervals, and with what came. An infinite end stands for no interval: nothing was known by then
    that could make one."""
    notes: tuple[str, ...] = ()
    """Facts that a reader needs to interpret the scores, in whole sentences."""
