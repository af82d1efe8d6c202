"""How wide an interval around a forecast must be to cover what comes: conformal prediction, from past errors.

A score says by how much an interval, or a point forecast, would have had to be widened to reach the truth; below 0, by
how much it could have been narrower. Offsets are what intervals are then widened by. Scores, offsets and intervals all
stand in one unit, that of the forecasts, and a missing truth makes a score NaN, which counts nowhere.

`levels` are the shares that the intervals are to cover, between 0 and 1, in ascending order: the innermost first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 0.005
"""How fast alpha moves in adaptive intervals, as in Gibbs and Candès 2021."""

MEMORY = 500
"""Scores that adaptive intervals remember: enough for a level of 0.99, and few enough to change with the series."""

Floats = NDArray[np.floating[Any]]
Offsets = NDArray[np.float64]


def conformal_offsets(scores: Floats, levels: Sequence[float]) -> Offsets:
    """How far around a point forecast an interval must reach (split conformal prediction; Lei et al. 2018,
    Distribution-free predictive inference for regression).

    Of n scores it is the ceil((n + 1) level)-th smallest, at each step and channel by itself. Where the next score is
    as likely at any rank among the others, an interval so wide covers with at least that chance; in time series, which
    change, that is not ensured.

    Args:
        scores: (windows, horizon, channels) |truth - point|.
        levels: ascending.

    Returns:
        (horizon, channels, levels); infinite where there are too few scores for a level.

    Raises:
        ValueError: a level is not between 0 and 1, or they do not ascend.
    """
    return quantile_offsets(scores[..., np.newaxis], levels)


def interval_scores(truth: Floats, intervals: Floats) -> Offsets:
    """How far the truth lies outside of each interval; below 0 inside, how far from the nearer end.

    The scores of conformalised quantile regression (Romano, Patterson and Candès 2019).

    Args:
        truth: (windows, horizon, channels).
        intervals: (windows, horizon, channels, levels, 2) low and high end.

    Returns:
        (windows, horizon, channels, levels)
    """
    truth = truth[..., np.newaxis].astype(np.float64)
    return np.maximum(intervals[..., 0] - truth, truth - intervals[..., 1])


def quantile_offsets(scores: Floats, levels: Sequence[float]) -> Offsets:
    """By how much each interval must be widened, from scores of its own, as `conformal_offsets` does it.

    Args:
        scores: (windows, horizon, channels, levels) as from `interval_scores`; one score may stand for all levels.
        levels: ascending.

    Returns:
        (horizon, channels, levels); below 0 where an interval may be narrower.

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


def widened(intervals: Floats, offsets: Floats) -> Offsets:
    """Intervals moved outwards at both ends.

    Ends that cross, as a negative offset can make them, meet in the middle. An interval that does not hold one of a
    lower level is extended to it.

    Args:
        intervals: (windows, horizon, channels, levels, 2) of ascending levels. One may stand for all levels: that of a
            point forecast has the point for both ends.
        offsets: (horizon, channels, levels), or the same for each window.

    Returns:
        (windows, horizon, channels, levels, 2)
    """
    low, high = intervals[..., 0] - offsets, intervals[..., 1] + offsets
    crossing = low > high
    # Ends of opposite infinities have no middle, and do not cross.
    middle = np.where(crossing, low, 0) / 2 + np.where(crossing, high, 0) / 2
    low, high = np.where(crossing, middle, low), np.where(crossing, middle, high)
    ends = np.minimum.accumulate(low, axis=-1), np.maximum.accumulate(high, axis=-1)
    return np.stack(ends, axis=-1).astype(np.float64)


class AdaptiveIntervals:
    """Offsets that follow a series through changes: adaptive conformal inference (Gibbs and Candès 2021, Adaptive
    conformal inference under distribution shift).

    Each step, channel and level has its own alpha, the share of misses asked for. It starts at 1 - level, and with
    each score that becomes known

        alpha <- alpha + rate * (1 - level - missed),    missed = 1 if the score exceeded the offset then given, else 0

    so that misses widen what is given next, and steer their share towards 1 - level. The offset is the
    ceil((n + 1) (1 - alpha))-th smallest of the n last known scores. Steps further ahead become known later, and
    nothing else is done about that delay (see Angelopoulos, Candès and Tibshirani 2023, Conformal PID control for time
    series prediction; on the rate, Zaffran et al. 2022, Adaptive conformal predictions for time series).

    Where more than the largest score is asked for, the original gives an infinite interval. Here it is the largest
    score and, as alpha falls below 0, -alpha times the score that is largest in size on top: an interval that can be
    drawn and averaged. That ends at alpha -1, twice the largest of scores above 0. Nothing is below the smallest score.

    `run_adaptive` runs this over past origins, in order of time and with nothing known before its time.

    Args:
        scores: (windows, horizon, channels, levels), or (windows, horizon, channels) for one score of all levels;
            finite or NaN, in order of time, and all known when the first offsets are asked for.
        levels: ascending.
        rate: times level is how far one miss moves alpha; 0 leaves alpha where it is.
        memory: how many known scores are kept at most of each step and channel, the last ones.

    Raises:
        ValueError: as in `conformal_offsets`, or there is no memory.
    """

    def __init__(self, scores: Floats, levels: Sequence[float], *, rate: float = RATE, memory: int = MEMORY) -> None:
        if memory < 1:
            raise ValueError(f"the memory must hold at least 1 score, not {memory}")
        self._rate = rate
        self._misses = 1 - _checked(levels)
        scores = (scores if scores.ndim == 4 else scores[..., np.newaxis]).astype(np.float64)
        cells = scores.shape[1:]
        self._alpha = np.tile(self._misses, (*cells[:2], 1))
        # The last known scores of each cell in order of time, after as many places as are free. Infinity is free.
        latest_first = scores[::-1]
        known_first = np.argsort(np.isnan(latest_first), axis=0, kind="stable")[:memory]
        latest = np.take_along_axis(latest_first, known_first, axis=0)
        self._recent = np.full((memory, *cells), np.inf)
        self._recent[memory - len(latest) :] = np.where(np.isnan(latest), np.inf, latest)[::-1]
        self._next = np.zeros(cells, np.int64)
        """Of each cell, the place in `_recent` that is free or the oldest."""
        self._ordered = np.sort(self._recent, axis=0)
        self._count = np.count_nonzero(np.isfinite(self._recent), axis=0)

    @property
    def alpha(self) -> Offsets:
        """(horizon, channels, levels) the shares of misses now asked for."""
        return self._alpha.copy()

    def offsets(self) -> Offsets:
        """(horizon, channels, levels) for a forecast made now; infinite where no score is known at all."""
        rank = np.clip(_rank(self._count, 1 - self._alpha), 1, np.maximum(self._count, 1))
        found = _at_rank(self._ordered, rank)
        sizes = np.maximum(np.abs(self._ordered[0]), np.abs(_at_rank(self._ordered, np.maximum(self._count, 1))))
        beyond = np.maximum(-self._alpha, 0) * np.where(self._count > 0, sizes, 0)
        offsets: Offsets = found + beyond
        return offsets

    def reveal(self, scores: Floats, given: Offsets) -> None:
        """Take in what has become known, at most one score of each step and channel.

        Args:
            scores: (horizon, channels, levels), or (horizon, channels) as for the class; NaN where nothing has become
                known.
            given: (horizon, channels, levels) the offsets that the forecasts were given of which these are the scores.
        """
        by_level: Offsets = (scores if scores.ndim == 3 else scores[..., np.newaxis]).astype(np.float64)
        moved = np.clip(self._alpha + self._rate * (self._misses - (by_level > given)), -1, 1)
        self._alpha = np.where(np.isnan(by_level), self._alpha, moved)
        self._remember(by_level)

    def _remember(self, scores: Offsets) -> None:
        """Put one score of each cell in the place of its oldest; NaN leaves a cell as it is."""
        known = ~np.isnan(scores)
        place = self._next[np.newaxis]
        leaving = np.take_along_axis(self._recent, place, axis=0)[0]
        coming = np.where(known, scores, leaving)
        np.put_along_axis(self._recent, place, coming[np.newaxis], axis=0)
        self._next = (self._next + known) % len(self._recent)
        self._count = np.minimum(self._count + known, len(self._recent))
        # All cells at once and without a search: a sorted list takes in x as the larger of what stands before and the
        # smaller of x and what stands there, and gives up y as all that is not below it moves up.
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
    """The offsets that `AdaptiveIntervals` would have given at each of many origins.

    At an origin only that is known whose row lies before it: of an origin s, the steps of the rows s, s + 1, … below
    the present one. All other scores could be anything.

    Args:
        scores: (origins, horizon, channels, levels), or (origins, horizon, channels) for one score of all levels, as
            from `interval_scores` or |truth - point|.
        origins: (origins,) the row of the first label of each, ascending.
        calibration: as for `AdaptiveIntervals`, of rows before the first origin.
        levels: ascending.
        rate: as for `AdaptiveIntervals`.
        memory: as for `AdaptiveIntervals`.

    Returns:
        (origins, horizon, channels, levels)

    Raises:
        ValueError: as for `AdaptiveIntervals`, or the origins are not as many as the scores, or do not ascend.
    """
    if len(origins) != len(scores) or (np.diff(origins) <= 0).any():
        raise ValueError("there must be one origin for each row of scores, in ascending order")
    adaptive = AdaptiveIntervals(calibration, levels, rate=rate, memory=memory)
    scores = scores if scores.ndim == 4 else scores[..., np.newaxis]
    given = np.empty((*scores.shape[:3], len(levels)))
    steps = np.arange(scores.shape[1])
    revealed = np.zeros(len(steps), np.int64)
    """Of each step, how many origins' scores have been revealed."""
    for present, origin in enumerate(origins):
        known = np.searchsorted(origins, origin - steps)
        # More than one at a time only where origins stand at uneven distances.
        while (more := revealed < known).any():
            # Which one stands for a step that has none is all the same: it is not passed on.
            place = np.where(more, revealed, 0)
            score = np.where(more[:, np.newaxis, np.newaxis], scores[place, steps], np.nan)
            adaptive.reveal(score, given[place, steps])
            revealed += more
        given[present] = adaptive.offsets()
    return given


def _checked(levels: Sequence[float]) -> Offsets:
    """Levels as an array."""
    shares = np.asarray(levels, np.float64)
    if not ((shares > 0) & (shares < 1)).all() or (np.diff(shares) <= 0).any():
        raise ValueError(f"levels must lie between 0 and 1 and ascend, not {', '.join(map(str, levels))}")
    return shares


def _rank(count: NDArray[np.int64], shares: Offsets) -> NDArray[np.int64]:
    """ceil((n + 1) share), which counts from 1."""
    # In floating point, 25 times 0.56 is more than 14.
    return np.ceil((count + 1) * shares - 1e-9).astype(np.int64)


def _at_rank(ordered: Floats, rank: NDArray[np.int64]) -> Floats:
    """The score of each cell at a rank from 1; the last one at rank 0."""
    found: Floats = np.take_along_axis(ordered, rank[np.newaxis] - 1, axis=0)[0]
    return found
