"""Figures of forecasts: errors of the point forecast, and how wide intervals are and how much they cover.

Scores are gathered as sums, so that batches of any size add up to the same figures. A missing value counts nowhere; a
forecast that is not a number counts, and makes the figures that it enters not a number either.
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
    """Sums over windows of all that `figures` needs.

    With e = truth - forecast, y and f the two in original units, and i and o the low and high end of the interval at
    level L:

        squared, absolute    e², |e|
        percentage           200 |e| / (|y| + |f|), 0 where both are 0 (the terms of sMAPE)
        ratio                |e| / naive_error (the terms of MASE: Hyndman and Koehler 2006, Another look at measures
                             of forecast accuracy)
        pinball              the mean over quantiles q of max(q d, (q - 1) d), d = y less the forecast of q (Koenker and
                             Bassett 1978, Regression quantiles): the point for 1/2, i and o of every level for
                             (1 - L) / 2 and (1 + L) / 2
        covered_80, …        1 where i <= y <= o, its ends included; the number is 100 L
        width_80, …          o - i

    `count` is how many values are known, and `ratio_count` how many of those have a naive error above 0.
    `scaled_count` is how many have a scale, and the sums in scaled space are over those alone. `interval_count` is how
    many have an interval, `interval_scaled_count` how many have both, and pinball, covered and width are over those
    alone. What ends in `_scaled` is in scaled space, squared, absolute, pinball and width without it in original units.

    Args:
        truth: (windows, horizon, channels) in scaled space; NaN where missing.
        point: (windows, horizon, channels) in scaled space.
        intervals: (windows, horizon, channels, levels, 2) in scaled space, low and high end; None where there are none.
            A value whose interval of some level is infinite at both ends has no interval.
        levels: the share that each interval is to cover, between 0 and 1.
        spread: broadcasts against (windows, 1, channels); original = scaled * spread + centre.
        centre: as `spread`.
        naive_error: as `spread`; mean absolute error of the naive forecast on the training part, in original units. NaN
            or 0 where there is none, as in a constant series.
        has_scale: as `spread`; False where scaled space has no unit that compares with the others'. None where all
            have one.

    Returns:
        (channels, horizon) each.
    """
    import numpy as np

    known = ~np.isnan(truth)

    def added(terms: NDArray[Any], where: NDArray[np.bool_] = known) -> Sums:
        sums: Sums = np.where(where, terms, 0).sum(axis=0, dtype=np.float64).T
        return sums

    # Any number does where the truth is missing, but a NaN would taint comparisons and warn.
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
    """All figures over every window, step and channel, in this order; what there is no data for is left out.

        mse_scaled, mae_scaled                  of the point forecast, in scaled space
        mae, rmse                               of the point forecast, in original units
        smape                                   from 0 to 200, the M4 competition's definition
        mase                                    below 1 is better than the naive forecast was on the training part
        pinball, pinball_scaled                 mean over the quantiles; the median's is half of its mean absolute error
        coverage_80, width_80, width_scaled_80  of each level: share from 0 to 1, width in original units and scaled

    mae, rmse, pinball and width_80 are means over channels of what each channel has by itself: original units may
    differ from channel to channel, and one root over all squared errors would be that of the largest. Each of the other
    figures is one mean over all known values.

    Args:
        totals: as from the function `totals`, of one batch or the sum of several.
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
    """`figures` of each channel, over its windows and steps.

    Args:
        totals: as for `figures`.
        names: of the channels, in their order.

    Raises:
        ValueError: not as many names as channels.
    """
    return {
        name: figures({key: sums[place : place + 1] for key, sums in totals.items()})
        for place, name in zip(range(len(totals["count"])), names, strict=True)
    }


def by_step(totals: Mapping[str, Sums]) -> tuple[dict[str, float], ...]:
    """`figures` of each step of the horizon, over all windows and channels; the first is one row ahead."""
    return tuple(
        figures({key: sums[:, step : step + 1] for key, sums in totals.items()})
        for step in range(totals["count"].shape[1])
    )


def _pinball(difference: Sums, quantile: float) -> Sums:
    """The loss of truth less forecast that the quantile minimises."""
    import numpy as np

    loss: Sums = np.maximum(quantile * difference, (quantile - 1) * difference)
    return loss


def _percent(level: float) -> str:
    """A level as it stands in names: 0.8 is 80, and 0.975 is 97.5."""
    return f"{100 * level:g}"
