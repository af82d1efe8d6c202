"""Conformal prediction: width of forecast intervals for a nominal coverage, from past errors.

A score is the amount by which an interval (or a point forecast) would have had to be widened to reach the truth;
negative if it could have been narrower. Offsets are the amounts by which intervals are then widened. Scores, offsets
and intervals are in the unit of the forecasts; a missing truth gives a NaN score, which is ignored.

`levels` are nominal coverages between 0 and 1, in ascending order: the innermost interval first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 0.005
"""Learning rate of alpha in adaptive intervals, as in Gibbs and Candès 2021."""

MEMORY = 500
"""Number of scores that adaptive intervals remember: enough for a level of 0.99, few enough to follow the series."""

STRENGTH = 50.0
"""Number of calibration windows of a series at which its own scores weigh as much as those of all series."""

ROUNDING = 1e-9
"""Corrects rounding of ranks and weights: in floating point, 25 times 0.56 is more than 14."""

Floats = NDArray[np.floating[Any]]
Offsets = NDArray[np.float64]


def conformal_offsets(scores: Floats, levels: Sequence[float]) -> Offsets:
    """Compute the half-width of intervals around a point forecast (split conformal prediction; Lei et al. 2018,
    Distribution-free predictive inference for regression).

    For n scores it is the ceil((n + 1) level)-th smallest, separately for each step and channel. If the next score is
    equally likely to have any rank among the others, such an interval covers with at least this probability; in time
    series, which change over time, this is not guaranteed.

    Args:
        scores: (windows, horizon, channels) |truth - point|.
        levels: in ascending order.

    Returns:
        (horizon, channels, levels); infinite if there are too few scores for a level.

    Raises:
        ValueError: a level is not between 0 and 1, or levels are not in ascending order.
    """
    return quantile_offsets(scores[..., np.newaxis], levels)


def interval_scores(truth: Floats, intervals: Floats) -> Offsets:
    """Compute the distance of the truth from each interval; negative inside, by the distance to the nearer end.

    These are the scores of conformalised quantile regression (Romano, Patterson and Candès 2019).

    Args:
        truth: (windows, horizon, channels).
        intervals: (windows, horizon, channels, levels, 2), low and high ends.

    Returns:
        (windows, horizon, channels, levels)
    """
    truth = truth[..., np.newaxis].astype(np.float64)
    return np.maximum(intervals[..., 0] - truth, truth - intervals[..., 1])


def quantile_offsets(scores: Floats, levels: Sequence[float]) -> Offsets:
    """Compute the amount by which to widen each interval from its own scores, as in `conformal_offsets`.

    Args:
        scores: (windows, horizon, channels, levels) as from `interval_scores`; a single score may serve all levels.
        levels: in ascending order.

    Returns:
        (horizon, channels, levels); negative if an interval may be narrower.

    Raises:
        ValueError: as in `conformal_offsets`.
    """
    shares = _checked(levels)
    count = np.count_nonzero(~np.isnan(scores), axis=0)
    rank = _rank(count, shares)
    if not len(scores):
        return np.full(rank.shape, np.inf)
    found = _at_rank(np.sort(scores, axis=0), np.minimum(rank, count))
    return np.where(rank <= count, found, np.inf)


def partly_pooled_offsets(
    scores: Floats, owners: NDArray[np.int64], count: int, levels: Sequence[float], strength: float = STRENGTH
) -> tuple[Offsets, Offsets]:
    """Compute the amount by which to widen intervals from the scores of all series, and for each series from its own as
    far as it has enough of them.

    A series with n of all N scores weighs its own by z = n / (n + strength) together, and those of all series by 1 - z
    (z is the credibility of Bühlmann 1967, Experience rating and credibility). The offset is the quantile of a level
    among the weighted scores, with the weight of one more score at infinity (Barber, Candès, Ramdas and Tibshirani
    2023, Conformal prediction beyond exchangeability; the weights depend on counts alone, as they require). The weights
    are counted as 1 / sum(weight²) scores (Kish 1965, Survey sampling). So for a series without scores, or for the
    only series, `quantile_offsets` gives the same offset.

    Args:
        scores: (windows, horizon, levels) as from `interval_scores`; a single score may serve all levels.
        owners: (windows,) the number of each window's series, below `count`.
        count: number of series.
        levels: in ascending order.
        strength: number of own scores that weigh as much as the pool; above 0.

    Returns:
        (horizon, levels) of the pool, and (count, horizon, levels); infinite if there are too few scores for a level.

    Raises:
        ValueError: as in `conformal_offsets`.
    """
    shares = _checked(levels)
    pool = quantile_offsets(scores[:, :, np.newaxis], levels)[:, 0]
    found = np.repeat(pool[np.newaxis], count, axis=0)
    known = np.count_nonzero(~np.isnan(scores), axis=0)
    order = np.argsort(scores, axis=0, kind="stable")  # missing scores are last
    ordered = np.take_along_axis(scores, order, axis=0)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, len(order) + 1)[:, np.newaxis, np.newaxis], axis=0)
    for owner in np.unique(owners):
        own = np.sort(ranks[owners == owner], axis=0)
        number = np.count_nonzero(own <= known, axis=0)
        weight = number / (number + strength)
        each, others = weight / np.maximum(number, 1), (1 - weight) / np.maximum(known, 1)
        squares = number * (each + others) ** 2 + (known - number) * others**2
        counted = 1 / np.where(squares > 0, squares, 1)
        needed = shares * (counted + 1) / counted - ROUNDING
        # Up to a rank r that the k-th own score has reached, the weights add up to k each + r others.
        smaller = np.arange(len(own) + 1)[:, np.newaxis, np.newaxis]
        enough = np.ceil((needed - smaller * each) / others)
        rank = np.maximum(np.concatenate([np.ones((1, *own.shape[1:]), own.dtype), own]), enough).min(axis=0)
        at = _at_rank(ordered, np.clip(rank, 1, np.maximum(known, 1)).astype(np.int64))
        found[owner] = np.where((number > 0) & (rank <= known), at, pool)
    return pool, found


def offsets_of_few(scores: Floats, levels: Sequence[float]) -> Offsets:
    """Compute the amount by which to widen intervals if there are too few windows for each step: from the scores of all
    steps together, and from the largest one, increased in proportion, if these are too few as well.

    Args:
        scores: (windows, horizon, channels, levels) as from `interval_scores`; a single score may serve all levels.
        levels: in ascending order.

    Returns:
        (horizon, channels, levels), equal for all steps; infinite without a score.
    """
    windows, horizon, channels, kinds = scores.shape
    flat = scores.reshape(windows * horizon, channels, kinds)
    count = np.count_nonzero(~np.isnan(flat), axis=0)
    rank = _rank(count, _checked(levels))
    found = _at_rank(np.sort(flat, axis=0), np.clip(rank, 1, np.maximum(count, 1)))
    beyond = np.maximum(found, 0) * (np.maximum(rank, count) / np.maximum(count, 1))
    each = np.where(count == 0, np.inf, np.where(rank <= count, found, beyond))
    return np.repeat(each[np.newaxis], horizon, axis=0)


def widened(intervals: Floats, offsets: Floats) -> Offsets:
    """Move both ends of intervals outwards.

    Ends that cross because of a negative offset meet in the middle. An interval that does not contain the interval of a
    lower level is extended to it.

    Args:
        intervals: (windows, horizon, channels, levels, 2) by ascending level. A single one may serve all levels: for a
            point forecast, both its ends are the point.
        offsets: (horizon, channels, levels), or separate ones per window.

    Returns:
        (windows, horizon, channels, levels, 2)
    """
    low, high = intervals[..., 0] - offsets, intervals[..., 1] + offsets
    crossing = low > high
    # Ends with opposite infinities have no midpoint, and do not cross.
    middle = np.where(crossing, low, 0) / 2 + np.where(crossing, high, 0) / 2
    low, high = np.where(crossing, middle, low), np.where(crossing, middle, high)
    ends = np.minimum.accumulate(low, axis=-1), np.maximum.accumulate(high, axis=-1)
    return np.stack(ends, axis=-1).astype(np.float64)


class AdaptiveIntervals:
    """Offsets that adapt to changes in a series: adaptive conformal inference (Gibbs and Candès 2021, Adaptive
    conformal inference under distribution shift).

    Each step, channel and level has its own alpha, the target share of misses. It starts at 1 - level, and is updated
    with each new score:

        alpha <- alpha + rate * (1 - level - missed),    missed = 1 if the score exceeded the offset then given, else 0

    so misses widen the next intervals and steer the share of misses towards 1 - level. The offset is the
    ceil((n + 1) (1 - alpha))-th smallest of the n most recent scores. Scores of later steps become known with a delay,
    which is not corrected for (see Angelopoulos, Candès and Tibshirani 2023, Conformal PID control for time series
    prediction; on the rate, Zaffran et al. 2022, Adaptive conformal predictions for time series).

    If more than the largest score is required, the original method gives an infinite interval. Here the offset is the
    largest score plus, for alpha below 0, -alpha times the score with the largest absolute value: such intervals can be
    drawn and averaged. The maximum is at alpha = -1, twice the largest score if scores are positive. Offsets never fall
    below the smallest score.

    `run_adaptive` runs this over past origins in chronological order, using each score only once it is known.

    Args:
        scores: (windows, horizon, channels, levels), or (windows, horizon, channels) for one score for all levels;
            finite or NaN, in chronological order, and all known before the first offsets are computed.
        levels: in ascending order.
        rate: one miss changes alpha by rate times level; 0 keeps alpha constant.
        memory: maximum number of recent scores to keep per step and channel.

    Raises:
        ValueError: as in `conformal_offsets`, or `memory` is below 1.
    """

    def __init__(self, scores: Floats, levels: Sequence[float], *, rate: float = RATE, memory: int = MEMORY) -> None:
        if memory < 1:
            raise ValueError(f"memory must be at least 1 score, not {memory}")
        self._rate = rate
        self._misses = 1 - _checked(levels)
        scores = (scores if scores.ndim == 4 else scores[..., np.newaxis]).astype(np.float64)
        cells = scores.shape[1:]
        self._alpha = np.tile(self._misses, (*cells[:2], 1))
        # The most recent scores of each cell in chronological order, after the free slots, which are infinite.
        latest_first = scores[::-1]
        known_first = np.argsort(np.isnan(latest_first), axis=0, kind="stable")[:memory]
        latest = np.take_along_axis(latest_first, known_first, axis=0)
        self._recent = np.full((memory, *cells), np.inf)
        self._recent[memory - len(latest) :] = np.where(np.isnan(latest), np.inf, latest)[::-1]
        self._next = np.zeros(cells, np.int64)
        """For each cell, the slot in `_recent` that is free or holds the oldest score."""
        self._ordered = np.sort(self._recent, axis=0)
        self._count = np.count_nonzero(np.isfinite(self._recent), axis=0)

    @property
    def alpha(self) -> Offsets:
        """Current target shares of misses, (horizon, channels, levels)."""
        return self._alpha.copy()

    def offsets(self) -> Offsets:
        """Return (horizon, channels, levels) for a forecast made now; infinite if no scores are known."""
        rank = np.clip(_rank(self._count, 1 - self._alpha), 1, np.maximum(self._count, 1))
        found = _at_rank(self._ordered, rank)
        sizes = np.maximum(np.abs(self._ordered[0]), np.abs(_at_rank(self._ordered, np.maximum(self._count, 1))))
        beyond = np.maximum(-self._alpha, 0) * np.where(self._count > 0, sizes, 0)
        offsets: Offsets = found + beyond
        return offsets

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that later offsets depend on."""
        return {"alpha": self._alpha, "recent": self._recent, "next": self._next}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `state` returned."""
        self._alpha, self._recent, self._next = (state[name].copy() for name in ("alpha", "recent", "next"))
        self._ordered = np.sort(self._recent, axis=0)
        self._count = np.count_nonzero(np.isfinite(self._recent), axis=0)

    def reveal(self, scores: Floats, given: Offsets) -> None:
        """Add newly known scores, at most one per step and channel.

        Args:
            scores: (horizon, channels, levels), or (horizon, channels) as for the class; NaN where no score is new.
            given: (horizon, channels, levels), the offsets used for the forecasts that were scored.
        """
        by_level: Offsets = (scores if scores.ndim == 3 else scores[..., np.newaxis]).astype(np.float64)
        moved = np.clip(self._alpha + self._rate * (self._misses - (by_level > given)), -1, 1)
        self._alpha = np.where(np.isnan(by_level), self._alpha, moved)
        self._remember(by_level)

    def _remember(self, scores: Offsets) -> None:
        """Replace the oldest score of each cell by a new one; NaN leaves a cell unchanged."""
        known = ~np.isnan(scores)
        place = self._next[np.newaxis]
        leaving = np.take_along_axis(self._recent, place, axis=0)[0]
        coming = np.where(known, scores, leaving)
        np.put_along_axis(self._recent, place, coming[np.newaxis], axis=0)
        self._next = (self._next + known) % len(self._recent)
        self._count = np.minimum(self._count + known, len(self._recent))
        # Update the sorted scores of all cells at once, without searching: to insert x, take at each position the
        # larger of the previous value and the smaller of x and the current value; to remove y, shift down all values
        # from y on.
        longer = np.empty((len(self._ordered) + 1, *scores.shape))
        np.minimum(self._ordered, coming, out=longer[:-1])
        longer[-1] = coming
        np.maximum(longer[1:], self._ordered, out=longer[1:])
        self._ordered = np.where(longer[:-1] < leaving, longer[:-1], longer[1:])


def run_adaptive(
    scores: Floats,
    origins: NDArray[np.int64],
    calibration: Floats,
    levels: Sequence[float],
    *,
    rate: float = RATE,
    memory: int = MEMORY,
) -> Offsets:
    """Compute the offsets that `AdaptiveIntervals` would have given at each of many origins.

    At each origin, only scores of earlier rows are known: for an origin s, the steps on the rows s, s + 1, … before the
    present origin. Other scores have no influence.

    Args:
        scores: (origins, horizon, channels, levels), or (origins, horizon, channels) for one score for all levels, as
            from `interval_scores` or |truth - point|.
        origins: (origins,), the row of each origin's first label, in ascending order.
        calibration: as for `AdaptiveIntervals`, from rows before the first origin.
        levels: in ascending order.
        rate: as for `AdaptiveIntervals`.
        memory: as for `AdaptiveIntervals`.

    Returns:
        (origins, horizon, channels, levels)

    Raises:
        ValueError: as for `AdaptiveIntervals`, or origins and scores differ in number, or origins are not ascending.
    """
    if len(origins) != len(scores) or (np.diff(origins) <= 0).any():
        raise ValueError("there must be one origin per row of scores, in ascending order")
    adaptive = AdaptiveIntervals(calibration, levels, rate=rate, memory=memory)
    scores = scores if scores.ndim == 4 else scores[..., np.newaxis]
    given = np.empty((*scores.shape[:3], len(levels)))
    steps = np.arange(scores.shape[1])
    revealed = np.zeros(len(steps), np.int64)
    """For each step, the number of origins whose scores have been revealed."""
    for present, origin in enumerate(origins):
        known = np.searchsorted(origins, origin - steps)
        # More than one at a time occurs only if origins are unevenly spaced.
        while (more := revealed < known).any():
            # The index is arbitrary for steps without a new score, since they are masked.
            place = np.where(more, revealed, 0)
            score = np.where(more[:, np.newaxis, np.newaxis], scores[place, steps], np.nan)
            adaptive.reveal(score, given[place, steps])
            revealed += more
        given[present] = adaptive.offsets()
    return given


def _checked(levels: Sequence[float]) -> Offsets:
    """Check levels and return them as an array."""
    shares = np.asarray(levels, np.float64)
    if not ((shares > 0) & (shares < 1)).all() or (np.diff(shares) <= 0).any():
        raise ValueError(f"levels must be between 0 and 1 and ascending, not {', '.join(map(str, levels))}")
    return shares


def _rank(count: NDArray[np.int64], shares: Offsets) -> NDArray[np.int64]:
    """Compute ceil((n + 1) share), counted from 1."""
    return np.ceil((count + 1) * shares - ROUNDING).astype(np.int64)


def _at_rank(ordered: Floats, rank: NDArray[np.int64]) -> Floats:
    """Return the score of each cell at a rank from 1; the last one for rank 0."""
    found: Floats = np.take_along_axis(ordered, rank[np.newaxis] - 1, axis=0)[0]
    return found
