"""Forecast metrics: errors of the point forecast, and width and coverage of intervals.

Scores are accumulated as sums, so batches of any size give the same metrics. Missing values are excluded; a forecast
that is NaN is included, and makes the affected metrics NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Sums = NDArray[np.float64]


def totals(
    truth: Floats,
    point: Floats,
    intervals: Floats | None,
    levels: Sequence[float],
    *,
    spread: Floats,
    centre: Floats,
    naive_error: Floats,
    has_scale: NDArray[np.bool_] | None = None,
) -> dict[str, Sums]:
    """Sum up over windows everything that `figures` needs.

    With e = truth - forecast, y and f the two in original units, and i and o the low and high end of the interval at
    level L:

        squared, absolute    e², |e|
        percentage           200 |e| / (|y| + |f|), 0 where both are 0 (the terms of sMAPE)
        ratio                |e| / naive_error (the terms of MASE: Hyndman and Koehler 2006, Another look at measures
                             of forecast accuracy)
        pinball              the mean over quantiles q of max(q d, (q - 1) d), d = y minus the forecast of q (Koenker
                             and Bassett 1978, Regression quantiles): the point for 1/2, i and o of every level for
                             (1 - L) / 2 and (1 + L) / 2
        covered_80, …        1 where i <= y <= o, otherwise 0; the number is 100 L
        width_80, …          o - i

    `count` is the number of known values, `ratio_count` the number of those with a naive error above 0, `scaled_count`
    the number with a scale, `interval_count` the number with an interval, and `interval_scaled_count` the number with
    both. Sums in scaled space include only values with a scale; pinball, covered and width only those with an interval.
    Names that end in `_scaled` are in scaled space; squared, absolute, pinball and width without it in original units.

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
        has_scale: as `spread`; False where scaled space is not comparable with the other channels'. None if all are
            comparable.

    Returns:
        Arrays of shape (channels, horizon).
    """
    import numpy as np

    known = ~np.isnan(truth)

    def added(terms: NDArray[Any], where: NDArray[np.bool_] = known) -> Sums:
        sums: Sums = np.where(where, terms, 0).sum(axis=0, dtype=np.float64).T
        return sums

    # Any number would do where the truth is missing, but NaN would taint comparisons and cause warnings.
    truth = np.where(known, truth, 0).astype(np.float64)
    point = point.astype(np.float64)
    spread, centre = np.asarray(spread, np.float64), np.asarray(centre, np.float64)
    error = np.abs(truth - point)
    size = np.abs(truth * spread + centre) + np.abs(point * spread + centre)
    scale = np.broadcast_to(naive_error, truth.shape)
    comparable = known & (scale > 0)
    scaled = known if has_scale is None else known & has_scale
    found = {
        "count": added(known),
        "scaled_count": added(scaled),
        "squared_scaled": added(error**2, scaled),
        "absolute_scaled": added(error, scaled),
        "squared": added((error * spread) ** 2),
        "absolute": added(error * spread),
        "percentage": added(200 * error * spread / np.where(size == 0, 1, size)),
        "ratio": added(error * spread / np.where(comparable, scale, 1), comparable),
        "ratio_count": added(comparable),
    }
    if intervals is None:
        return found

    pinball = _pinball(truth - point, 0.5)
    given = known & ~np.isinf(intervals).all(-1).any(-1)
    spans: dict[str, Sums] = {"interval_count": added(given), "interval_scaled_count": added(given & scaled)}
    for place, level in enumerate(levels):
        low, high = (intervals[..., place, end].astype(np.float64) for end in (0, 1))
        pinball += _pinball(truth - low, (1 - level) / 2) + _pinball(truth - high, (1 + level) / 2)
        name = _percent(level)
        spans[f"covered_{name}"] = added((low <= truth) & (truth <= high), given)
        spans[f"width_{name}"] = added((high - low) * spread, given)
        spans[f"width_scaled_{name}"] = added(high - low, given & scaled)
    pinball /= 1 + 2 * len(levels)
    return found | {"pinball": added(pinball * spread, given), "pinball_scaled": added(pinball, given & scaled)} | spans


def figures(totals: Mapping[str, Sums]) -> dict[str, float]:
    """Compute all metrics over every window, step and channel, in this order; metrics without data are left out.

        mse_scaled, mae_scaled                  of the point forecast, in scaled space
        mae, rmse                               of the point forecast, in original units
        smape                                   from 0 to 200, the M4 competition's definition
        mase                                    below 1: better than the naive forecast on the training part
        pinball, pinball_scaled                 mean over the quantiles; the median's is half its mean absolute error
        coverage_80, width_80, width_scaled_80  for each level: share from 0 to 1, width in original units and scaled

    mae, rmse, pinball and width_80 are means over channels of each channel's own value: original units may differ
    between channels, and a single root over all squared errors would be dominated by the largest. The other metrics are
    means over all known values.

    Args:
        totals: from the function `totals`, for one batch or summed over several.
    """
    import numpy as np

    if not totals["count"].sum():
        return {}
    channels = {name: sums.sum(axis=1) for name, sums in totals.items()}

    def overall(name: str, count: str = "count") -> float:
        return float(channels[name].sum() / channels[count].sum())

    def each(name: str, count: str = "count") -> Sums:
        seen = channels[count] > 0
        values: Sums = channels[name][seen] / channels[count][seen]
        return values

    found = {}
    if channels["scaled_count"].any():
        found = {
            "mse_scaled": overall("squared_scaled", "scaled_count"),
            "mae_scaled": overall("absolute_scaled", "scaled_count"),
        }
    found |= {
        "mae": float(each("absolute").mean()),
        "rmse": float(np.sqrt(each("squared")).mean()),
        "smape": overall("percentage"),
    }
    if channels["ratio_count"].any():
        found["mase"] = overall("ratio", "ratio_count")
    if "pinball" not in channels or not channels["interval_count"].any():
        return found
    has_scaled = bool(channels["interval_scaled_count"].any())
    found["pinball"] = float(each("pinball", "interval_count").mean())
    if has_scaled:
        found["pinball_scaled"] = overall("pinball_scaled", "interval_scaled_count")
    for name in channels:
        if name.startswith("covered_"):
            level = name.removeprefix("covered_")
            found[f"coverage_{level}"] = overall(name, "interval_count")
            found[f"width_{level}"] = float(each(f"width_{level}", "interval_count").mean())
            if has_scaled:
                found[f"width_scaled_{level}"] = overall(f"width_scaled_{level}", "interval_scaled_count")
    return found


def by_channel(totals: Mapping[str, Sums], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Compute the `figures` of each channel, over its windows and steps.

    Args:
        totals: as for `figures`.
        names: names of the channels, in order.

    Raises:
        ValueError: the number of names differs from the number of channels.
    """
    return {
        name: figures({key: sums[place : place + 1] for key, sums in totals.items()})
        for place, name in zip(range(len(totals["count"])), names, strict=True)
    }


def by_step(totals: Mapping[str, Sums]) -> tuple[dict[str, float], ...]:
    """Compute the `figures` of each step of the horizon, over all windows and channels; the first is one row ahead."""
    return tuple(
        figures({key: sums[:, step : step + 1] for key, sums in totals.items()})
        for step in range(totals["count"].shape[1])
    )


def _pinball(difference: Sums, quantile: float) -> Sums:
    """Return the loss of a difference (truth minus forecast) that the quantile minimises."""
    import numpy as np

    loss: Sums = np.maximum(quantile * difference, (quantile - 1) * difference)
    return loss


def _percent(level: float) -> str:
    """Format a level for names: 0.8 is 80, and 0.975 is 97.5."""
    return f"{100 * level:g}"
