"""Forecast metrics: errors of the point forecast, and width and coverage of intervals.

Scores are accumulated as sums, so batches of any size give the same metrics. Missing values are excluded; a forecast
that is NaN is included, and makes the affected metrics NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Sums = NDArray[np.float64]


def terms(
    truth: Floats,
    point: Floats,
    intervals: Floats | None,
    levels: Sequence[float],
    *,
    spread: Floats,
    centre: Floats,
    naive_error: Floats,
    naive_square: Floats | float = math.nan,
    has_scale: NDArray[np.bool_] | None = None,
) -> Iterator[tuple[str, Sums]]:
    """Yield everything that `figures` needs, by name: arrays (windows, horizon, channels), 0 where nothing counts.

    With e = truth - forecast, y and f the two in original units, and i and o the low and high end of the interval at
    level L:

        squared, absolute    e², |e|
        percentage           200 |e| / (|y| + |f|), 0 where both are 0 (the terms of sMAPE)
        ratio                |e| / naive_error (the terms of MASE: Hyndman and Koehler 2006, Another look at measures
                             of forecast accuracy)
        square_ratio         e² / naive_square (the terms of the square of RMSSE)
        pinball              the mean over quantiles q of max(q d, (q - 1) d), d = y minus the forecast of q (Koenker
                             and Bassett 1978, Regression quantiles): the point for 1/2, i and o of every level for
                             (1 - L) / 2 and (1 + L) / 2
        covered_80, …        1 where i <= y <= o, otherwise 0; the number is 100 L
        width_80, …          o - i
        winkler_80, …        (o - i + 2 / (1 - L) max(i - y, y - o, 0)) / naive_error (the terms of MSIS: Gneiting and
                             Raftery 2007, Strictly proper scoring rules)
        size                 |y|

    `count` is 1 for known values, `ratio_count` and `square_ratio_count` for those with a naive error above 0,
    `scaled_count` for those with a scale, `interval_count` for those with an interval, and `interval_scaled_count` and
    `interval_ratio_count` for those with both. Terms in scaled space include only values with a scale; pinball,
    covered, width, winkler and size only those with an interval. Names that end in `_scaled` are in scaled space;
    squared, absolute, pinball and width without it in original units.

    Args:
        truth: (windows, horizon, channels) in scaled space; NaN where missing.
        point: (windows, horizon, channels) in scaled space.
        intervals: (windows, horizon, channels, levels, 2) in scaled space, low and high end; None if there are none. A
            value has no interval if the interval of any level is infinite at both ends.
        levels: nominal coverage of each interval, between 0 and 1.
        spread: broadcasts against (windows, 1, channels); original = scaled * spread + centre.
        centre: as `spread`.
        naive_error: as `spread`; mean absolute error of the naive forecast on the training part, in original units. NaN
            or 0 if undefined, as for a constant series.
        naive_square: its mean squared error, likewise; NaN if unknown.
        has_scale: as `spread`; False where scaled space is not comparable with the other channels'. None if all are
            comparable.
    """
    import numpy as np

    known = ~np.isnan(truth)

    def counted(values: NDArray[Any], where: NDArray[np.bool_] = known) -> Sums:
        found: Sums = np.where(where, values, 0).astype(np.float64)
        return found

    # Any number would do where the truth is missing, but NaN would taint comparisons and cause warnings.
    truth = np.where(known, truth, 0).astype(np.float64)
    point = point.astype(np.float64)
    spread, centre = np.asarray(spread, np.float64), np.asarray(centre, np.float64)
    error = np.abs(truth - point)
    size = np.abs(truth * spread + centre) + np.abs(point * spread + centre)
    scale = np.broadcast_to(naive_error, truth.shape)
    comparable = known & (scale > 0)
    scaled = known if has_scale is None else known & has_scale
    yield "count", counted(known)
    yield "scaled_count", counted(scaled)
    yield "squared_scaled", counted(error**2, scaled)
    yield "absolute_scaled", counted(error, scaled)
    yield "squared", counted((error * spread) ** 2)
    yield "absolute", counted(error * spread)
    yield "percentage", counted(200 * error * spread / np.where(size == 0, 1, size))
    yield "ratio", counted(error * spread / np.where(comparable, scale, 1), comparable)
    yield "ratio_count", counted(comparable)
    square = np.broadcast_to(naive_square, truth.shape)
    squarable = known & (square > 0)
    yield "square_ratio", counted((error * spread) ** 2 / np.where(squarable, square, 1), squarable)
    yield "square_ratio_count", counted(squarable)
    if intervals is None:
        return

    pinball = _pinball(truth - point, 0.5)
    given = known & ~np.isinf(intervals).all(-1).any(-1)
    yield "interval_count", counted(given)
    yield "interval_scaled_count", counted(given & scaled)
    for place, level in enumerate(levels):
        low, high = (intervals[..., place, end].astype(np.float64) for end in (0, 1))
        both = _pinball(truth - low, (1 - level) / 2) + _pinball(truth - high, (1 + level) / 2)
        pinball += both
        name = _percent(level)
        yield f"covered_{name}", counted((low <= truth) & (truth <= high), given)
        yield f"width_{name}", counted((high - low) * spread, given)
        yield f"width_scaled_{name}", counted(high - low, given & scaled)
        # The Winkler score of an interval is a multiple of the pinball losses of its ends.
        winkler = 2 / (1 - level) * both * spread / np.where(comparable, scale, 1)
        yield f"winkler_{name}", counted(winkler, given & comparable)
    yield "interval_ratio_count", counted(given & comparable)
    yield "size", counted(np.abs(truth * spread + centre), given)
    pinball /= 1 + 2 * len(levels)
    yield "pinball", counted(pinball * spread, given)
    yield "pinball_scaled", counted(pinball, given & scaled)


@dataclass(frozen=True, slots=True, eq=False)
class SeriesSums:
    """Sums of `terms` for every channel of every series; those of several batches add up."""

    parts: tuple[tuple[NDArray[np.int64], Mapping[str, Sums]], ...]
    """Rows (rows,), ascending, and the sums of each, (rows, horizon). A row is series · channels + channel."""

    @classmethod
    def of(cls, series: NDArray[np.int64], named: Iterable[tuple[str, Sums]]) -> SeriesSums:
        """Sum up `terms`; `series` (windows,) is the number of each window's series."""
        import numpy as np

        order = np.argsort(series, kind="stable")
        there, starts = np.unique(series[order], return_index=True)
        sums, rows = {}, np.empty(0, np.int64)
        for name, values in named:
            windows, horizon, channels = values.shape
            ordered = values if (order == np.arange(windows)).all() else values[order]
            sums[name] = np.add.reduceat(ordered, starts, axis=0).transpose(0, 2, 1).reshape(-1, horizon)
            rows = (there[:, np.newaxis] * channels + np.arange(channels)).ravel()
        return cls(((rows, sums),))

    def __add__(self, other: SeriesSums | int) -> SeriesSums:
        import numpy as np

        if isinstance(other, int):
            return self
        (rows, sums), (more, added) = other.parts[-1], self.parts[0]
        if not np.array_equal(rows, more):
            return SeriesSums((*other.parts, *self.parts))
        both = {name: sums[name] + added[name] for name in sums}
        return SeriesSums((*other.parts[:-1], (rows, both), *self.parts[1:]))

    def joined(self) -> tuple[NDArray[np.int64], dict[str, Sums]]:
        """Return the rows (rows,) that were added, ascending, and their totals (rows, horizon) by name."""
        import numpy as np

        if len(self.parts) == 1:
            return self.parts[0][0], dict(self.parts[0][1])
        all_rows, places = np.unique(np.concatenate([rows for rows, _ in self.parts]), return_inverse=True)
        found = {name: np.zeros((len(all_rows), sums.shape[1])) for name, sums in self.parts[0][1].items()}
        start = 0
        for rows, sums in self.parts:
            for name, values in sums.items():
                found[name][places[start : start + len(rows)]] += values  # no row occurs twice in a part
            start += len(rows)
        return all_rows, found


def figures(totals: Mapping[str, Sums]) -> dict[str, float]:
    """Compute all metrics over every window, step and row, in this order; metrics without data are left out.

        mse_scaled, mae_scaled                  of the point forecast, in scaled space
        mae, rmse                               of the point forecast, in original units
        smape                                   from 0 to 200, the M4 competition's definition
        mase                                    below 1: better than the naive forecast on the training part
        rmsse                                   the same with squared errors, its root
        pinball, pinball_scaled                 mean over the quantiles; the median's is half its mean absolute error
        wql                                     twice the sum of pinball by the sum of |truth|, as in GIFT-Eval, which
                                                calls it CRPS
        coverage_80, width_80, width_scaled_80  for each level: share from 0 to 1, width in original units and scaled
        msis_80                                 for each level: interval score relative to the naive error, as in M4

    mae, rmse, rmsse, pinball and width_80 are means over rows of each row's own value: units may differ between
    channels and series, and a single root over all squared errors would be dominated by the largest. The other metrics
    are means over all known values. So a wide and a long table of the same series have the same metrics.

    Args:
        totals: (rows, horizon), one row per channel of a series.
    """
    import numpy as np

    found = {}
    rows = {name: sums.sum(axis=1) for name, sums in totals.items()}
    for ratio in _ratios(totals):
        count = rows[ratio.count]
        seen = count > 0
        if not seen.any():
            continue
        if ratio.by_row:
            found[ratio.metric] = float(ratio.of(rows[ratio.sum][seen], count[seen]).mean())
        else:
            found[ratio.metric] = float(ratio.of(np.sum(rows[ratio.sum]), np.sum(count)))
    return found


def with_owa(metrics: Mapping[str, float], naive: Mapping[str, float]) -> Mapping[str, float]:
    """Insert `owa` behind `mase`: the mean of sMAPE and MASE, each relative to the naive forecast's. Unchanged if one
    is unknown or 0."""
    pairs = [(metrics.get(name), naive.get(name)) for name in ("smape", "mase")]
    ratios = [own / reference for own, reference in pairs if own is not None and reference]
    if len(ratios) < len(pairs):
        return metrics
    found: dict[str, float] = {}
    for name, value in metrics.items():
        found[name] = value
        if name == "mase":
            found["owa"] = sum(ratios) / len(ratios)
    return found


def by_series(totals: Mapping[str, Sums], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Compute the metrics of each row, over its windows and steps; `names` are the names of the rows, in order."""
    import numpy as np

    found: dict[str, dict[str, float]] = {name: {} for name in names}
    rows = {name: sums.sum(axis=1) for name, sums in totals.items()}
    for ratio in _ratios(totals):
        count = rows[ratio.count]
        values = ratio.of(rows[ratio.sum], np.where(count > 0, count, 1))
        for name, value, seen in zip(names, values.tolist(), count.tolist(), strict=True):
            if seen:
                found[name][ratio.metric] = value
    return found


def by_channel(
    totals: Mapping[str, Sums], names: Sequence[str], channels: NDArray[np.int64]
) -> dict[str, dict[str, float]]:
    """Compute the metrics of each channel, over its series, windows and steps.

    Args:
        totals: as for `figures`.
        names: names of the channels, in order.
        channels: (rows,) the channel of each row.
    """
    return {
        name: figures({key: sums[channels == place] for key, sums in totals.items()})
        for place, name in enumerate(names)
    }


def by_step(totals: Mapping[str, Sums]) -> tuple[dict[str, float], ...]:
    """Compute the metrics of each step of the horizon, over all windows and rows; the first is one row ahead."""
    return tuple(
        figures({key: sums[:, step : step + 1] for key, sums in totals.items()})
        for step in range(totals["count"].shape[1])
    )


@dataclass(frozen=True, slots=True)
class Ratio:
    """A metric as the ratio of two of the `terms`."""

    metric: str
    sum: str
    count: str
    by_row: bool = False
    """True if the metric over several rows is the mean of the metrics of the rows."""
    root: bool = False
    factor: float = 1.0

    def of(self, sums: Any, count: Any) -> Any:
        """Return the metric of sums."""
        ratio = self.factor * sums / count
        return ratio**0.5 if self.root else ratio


POINT_RATIOS = (
    Ratio("mse_scaled", "squared_scaled", "scaled_count"),
    Ratio("mae_scaled", "absolute_scaled", "scaled_count"),
    Ratio("mae", "absolute", "count", by_row=True),
    Ratio("rmse", "squared", "count", by_row=True, root=True),
    Ratio("smape", "percentage", "count"),
    Ratio("mase", "ratio", "ratio_count"),
    Ratio("rmsse", "square_ratio", "square_ratio_count", by_row=True, root=True),
)
INTERVAL_RATIOS = (
    Ratio("pinball", "pinball", "interval_count", by_row=True),
    Ratio("pinball_scaled", "pinball_scaled", "interval_scaled_count"),
    Ratio("wql", "pinball", "size", factor=2),
)


def ratio_of(metric: str) -> Ratio:
    """Return the ratio that is a metric of the point or the pinball loss.

    Raises:
        KeyError: no ratio is.
    """
    return {ratio.metric: ratio for ratio in (*POINT_RATIOS, *INTERVAL_RATIOS)}[metric]


def _ratios(names: Iterable[str]) -> Iterator[Ratio]:
    """Yield all metrics that sums of these names determine, in order."""
    yield from POINT_RATIOS
    levels = [name.removeprefix("covered_") for name in names if name.startswith("covered_")]
    if levels:
        yield from INTERVAL_RATIOS
    for level in levels:
        yield Ratio(f"coverage_{level}", f"covered_{level}", "interval_count")
        yield Ratio(f"width_{level}", f"width_{level}", "interval_count", by_row=True)
        yield Ratio(f"width_scaled_{level}", f"width_scaled_{level}", "interval_scaled_count")
        yield Ratio(f"msis_{level}", f"winkler_{level}", "interval_ratio_count")


def _pinball(difference: Sums, quantile: float) -> Sums:
    """Return the loss of a difference (truth minus forecast) that the quantile minimises."""
    import numpy as np

    loss: Sums = np.maximum(quantile * difference, (quantile - 1) * difference)
    return loss


def _percent(level: float) -> str:
    """Format a level for names: 0.8 is 80, and 0.975 is 97.5."""
    return f"{100 * level:g}"
