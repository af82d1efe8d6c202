"""Statistics over a few seeds: intervals of a mean and of a difference of means, tests, and adjusted p-values; and over
the rows of a test part: the interval of a lead, and of a forecaster's skill.

Values, means, differences and interval ends are in the unit of the metric. A value is finite, or None if missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

# Both are exact for any floats, with one rounding at the end: the spread of identical values is 0, not 1e-17.
from statistics import mean, variance
from typing import Any

from lstmctl.results.comparison import Difference
from lstmctl.results.diagnostics import Diagnostics, Skill
from lstmctl.results.evaluation import Lead, RowSums, Traces
from lstmctl.seeds import stream

RESAMPLES = 4000
FEWEST_BLOCKS = 4
"""Minimum number of blocks of rows for an interval."""
FEWEST_SERIES = 10
"""Minimum number of series for an interval over series."""
MOST_DRAWN = 1 << 22
"""Maximum number of counts drawn at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its confidence interval."""

    mean: float | None
    """None without values."""
    low: float | None
    high: float | None
    """None for fewer than two values."""


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """One mean minus another."""

    difference: float | None
    low: float | None
    high: float | None
    """Ends of the interval of the difference; None if the values do not determine it."""
    p: float | None
    """Two-sided, unadjusted; None without an interval."""


Bounds = tuple[float | None, float | None]
"""The lowest and the highest possible value of a metric; None without a limit."""
FURTHEST = 300.0
"""Largest exponent of an interval's end, so that it stays a finite number."""


def interval(values: Sequence[float], confidence: float = 0.95, bounds: Bounds = (None, None)) -> Interval:
    """Compute a t interval of a mean (Student 1908, The probable error of a mean) that stays within the bounds.

    Without bounds it is Student's: the mean plus and minus a number of standard errors. With one bound, the interval is
    computed for the logarithm of the distance to it, with two for the logit, each with the standard error that the
    delta method gives there, and mapped back. Where the values are far from the bounds it is almost Student's; near
    them it is longer on the side away from the bound, and contains the mean more often
    (`benchmarks/interval_coverage.py`). Identical values give an interval of width 0.

    Args:
        values: one per seed; all finite.
        confidence: share of such intervals that contain the true mean, between 0 and 1.
        bounds: of the metric; ignored if a value lies outside.

    Raises:
        ValueError: `confidence` is not between 0 and 1.
    """
    if len(values) < 2:
        return Interval(float(mean(values)) if values else None, None, None)
    center, error = float(mean(values)), (variance(values) / len(values)) ** 0.5
    reach = _critical(len(values) - 1, confidence) * error
    return Interval(center, *_within(center, reach, values, bounds))


def _within(center: float, reach: float, values: Sequence[float], bounds: Bounds) -> tuple[float, float]:
    """Return the ends of an interval that reaches `reach` to each side of `center`, transformed to fit the bounds."""
    lowest, highest = bounds
    below = center - lowest if lowest is not None and min(values) >= lowest else None
    above = highest - center if highest is not None and max(values) <= highest else None
    if reach == 0 or (below is None and above is None) or below == 0 or above == 0:
        return center - reach, center + reach
    if below is not None and above is not None:
        assert lowest is not None
        step = min(reach * (below + above) / (below * above), FURTHEST)
        low, high = (lowest + (below + above) / (1 + above / below * math.exp(sign * step)) for sign in (1, -1))
        return low, high
    if below is not None:
        assert lowest is not None
        step = min(reach / below, FURTHEST)
        return lowest + below * math.exp(-step), lowest + below * math.exp(step)
    assert above is not None
    assert highest is not None
    step = min(reach / above, FURTHEST)
    return highest - above * math.exp(step), highest - above * math.exp(-step)


def difference(
    a: Sequence[float | None], b: Sequence[float | None], *, paired: bool, confidence: float = 0.95
) -> MeanDifference:
    """Compute the mean of `a` minus the mean of `b`, its t interval, and the two-sided p of no difference.

    If paired, this is the t test on the differences of the pairs in which both values exist (Student 1908). Otherwise
    it is Welch's test, which does not assume equal variances, with Welch–Satterthwaite degrees of freedom (Welch 1947,
    The generalization of "Student's" problem).

    Fewer than two pairs, or fewer than two values on either side, give neither an interval nor a p. If the spread is
    exactly 0, the test is undefined. A difference of 0 then gets p = 1 and an interval of width 0. Any other difference
    gets neither: runs that do not depend on the seed show the result of these settings, but not how much another seed
    could change it, and p = 0 would claim to know that.

    Args:
        a, b: finite values, one per seed, None if a run has none. If paired, both have the same length, in pairs.
        paired: True if values at the same position share their seed, and with it data, order and initial weights.
        confidence: confidence of the interval, between 0 and 1.

    Raises:
        ValueError: `paired` with different numbers of values, or `confidence` is not between 0 and 1.
    """
    if paired:
        differences = [left - right for left, right in zip(a, b, strict=True) if left is not None and right is not None]
        center = mean(differences) if differences else None
        if center is None or len(differences) < 2:
            return MeanDifference(center, None, None, None)
        squared_error = variance(differences) / len(differences)
        freedom = len(differences) - 1.0
    else:
        lefts, rights = [value for value in a if value is not None], [value for value in b if value is not None]
        center = mean(lefts) - mean(rights) if lefts and rights else None
        if center is None or len(lefts) < 2 or len(rights) < 2:
            return MeanDifference(center, None, None, None)
        left, right = variance(lefts) / len(lefts), variance(rights) / len(rights)
        squared_error = left + right
        freedom = _welch_satterthwaite(left, len(lefts), right, len(rights)) if squared_error else 1.0
    return _tested(center, squared_error**0.5, freedom, confidence)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values so that the probability of any false positive among them stays below the significance level.

    Step-down (Holm 1979, A simple sequentially rejective multiple test procedure): the smallest of m is multiplied by
    m, the next by m - 1, and so on; none is lower than the previous one, and none exceeds 1. It does not require
    independence.

    Args:
        p_values: in any order. None stays None and is not counted in m.
    """
    places = [(p, place) for place, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for tried, (p, place) in enumerate(sorted(places)):
        largest = max(largest, min(1.0, (len(places) - tried) * p))
        adjusted[place] = largest
    return adjusted


def compare_all(
    values_by_name: Mapping[str, Sequence[float | None]],
    paired: Callable[[str, str], bool],
    confidence: float = 0.95,
    bounds: Bounds = (None, None),
) -> list[Difference]:
    """Compare every pair of names in order, the earlier minus the later, with p adjusted over all pairs by `holm`.

    Each interval is adjusted by the factor by which its p is: if Holm multiplies p by k, the confidence of the interval
    is 1 - (1 - confidence) / k. It excludes 0 if and only if the adjusted p is below 1 - confidence, so the two never
    contradict each other.

    Args:
        values_by_name: one value per seed, None if a run has none.
        paired: returns whether two names share their seeds at each position; see `difference`.
        confidence: confidence of an interval whose p is not adjusted, between 0 and 1.
        bounds: of the metric; an interval ends at the largest difference that they allow.

    Raises:
        ValueError: as in `difference`.
    """
    pairs = [(a, b, paired(a, b)) for a, b in combinations(values_by_name, 2)]
    found = [
        difference(values_by_name[a], values_by_name[b], paired=in_pairs, confidence=confidence)
        for a, b, in_pairs in pairs
    ]
    largest = math.inf if bounds[0] is None or bounds[1] is None else bounds[1] - bounds[0]
    results = []
    for (a, b, in_pairs), each, p in zip(pairs, found, holm([each.p for each in found]), strict=True):
        own = each
        if each.p and p is not None and p > each.p:
            at = 1 - (1 - confidence) * each.p / p
            own = difference(values_by_name[a], values_by_name[b], paired=in_pairs, confidence=at)
        low, high = (end if end is None else max(-largest, min(largest, end)) for end in (own.low, own.high))
        results.append(Difference(a, b, each.difference, low, high, p, "paired" if in_pairs else "welch"))
    return results


def lead(ours: RowSums, theirs: RowSums, *, lower_is_better: bool, confidence: float = 0.95) -> Lead:
    """Compute how much better one model is than another on the same rows, with the interval of a paired bootstrap.

    Rows are resampled with replacement, and both models are scored on the same resampled rows (percentile interval,
    Efron & Tibshirani 1993, An Introduction to the Bootstrap). Rows with equal sums are drawn together, as multinomial
    counts. The draws are the same for the same rows.

    Args:
        ours, theirs: the metric of each row.
        lower_is_better: the direction of the metric.
        confidence: share of such intervals that contain the true lead, between 0 and 1.
    """
    import numpy as np

    sign = -1.0 if lower_is_better else 1.0
    rows = np.column_stack([ours.of, ours.out_of, theirs.of, theirs.out_of])
    distinct, counts = np.unique(rows[(rows[:, 1] > 0) & (rows[:, 3] > 0)], axis=0, return_counts=True)
    if not len(distinct):
        return Lead(0.0, 0.0, 0.0)

    def leads(drawn: Any) -> Any:
        sums = drawn @ distinct
        return sign * (sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3])

    generator = np.random.Generator(np.random.PCG64(stream(0, "bootstrap", len(rows))))
    at_once = max(1, MOST_DRAWN // len(distinct))
    drawn = []
    for start in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - start)
        drawn.append(leads(generator.multinomial(counts.sum(), counts / counts.sum(), size=size)))
    low, high = np.quantile(np.concatenate(drawn), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Lead(float(leads(counts[None, :])[0]), float(low), float(high))


def skill(
    ours: RowSums, theirs: RowSums, block: int, confidence: float = 0.95
) -> tuple[float, float | None, float | None]:
    """Compute 1 - our error / their error over the same rows, with the interval of a moving-block bootstrap.

    Blocks of consecutive rows are drawn with replacement until they fill the number of rows, and both models are scored
    on the same rows (percentile interval; Künsch 1989, The jackknife and the bootstrap for general stationary
    observations). A block is at least as long as rows depend on each other: forecasts whose horizons overlap do. The
    draws are the same for the same number of rows.

    Args:
        ours, theirs: the error of each row, in order of time.
        block: rows per block; 1 for independent rows.
        confidence: share of such intervals that contain the true skill, between 0 and 1.

    Returns:
        The skill and the ends of its interval, which are None if rows fill fewer than `FEWEST_BLOCKS` blocks or their
        error is 0.
    """
    import numpy as np

    rows = np.column_stack([ours.of, ours.out_of, theirs.of, theirs.out_of])
    rows = rows[(rows[:, 1] > 0) & (rows[:, 3] > 0)]

    def skills(sums: Any) -> Any:
        return 1 - sums[..., 0] * sums[..., 3] / (sums[..., 1] * sums[..., 2])

    overall = rows.sum(axis=0)
    if not len(rows) or not overall[2] > 0:
        return 0.0, None, None
    whole = float(skills(overall))
    if len(rows) < FEWEST_BLOCKS * block:
        return whole, None, None
    ends = np.concatenate([np.zeros((1, 4)), np.cumsum(rows, axis=0)])
    blocks = ends[block:] - ends[:-block]
    drawn_blocks = -(-len(rows) // block)
    generator = np.random.Generator(np.random.PCG64(stream(0, "block bootstrap", len(rows))))
    at_once = max(1, MOST_DRAWN // (4 * drawn_blocks))
    found = []
    for start in range(0, RESAMPLES, at_once):
        chosen = generator.integers(len(blocks), size=(min(at_once, RESAMPLES - start), drawn_blocks))
        found.append(skills(blocks[chosen].sum(axis=1)))
    values = np.concatenate(found)
    if not np.isfinite(values).all():
        return whole, None, None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return whole, float(low), float(high)


def diagnose(traces: Mapping[str, Traces]) -> Diagnostics:
    """Return the diagnostics of `run` and its baselines.

    The interval of a skill is over blocks of origins, each at least as long as the horizon; or, if the part has too few
    of them, over series.

    Args:
        traces: of the run and each baseline, by name.
    """
    own = traces["run"]
    names = [name for name in traces if name != "run"]
    return Diagnostics(
        by_phase={
            phase: {name: of.by_phase[phase] for name, of in traces.items() if phase in of.by_phase}
            for phase in own.by_phase
        },
        times=own.times,
        coverage=own.coverage,
        autocorrelation=own.autocorrelation,
        residuals=own.residuals,
        skill={name: _skill(own, traces[name]) for name in names},
    )


def _skill(own: Traces, other: Traces) -> Skill:
    horizon = own.horizon
    units = [(own.origins, other.origins, horizon, f"blocks of {horizon:,} origins")]
    if len(own.series.of) >= FEWEST_SERIES:
        units.append((own.series, other.series, 1, f"{len(own.series.of):,} series"))
    for ours, theirs, block, over in units:
        value, low, high = skill(ours, theirs, block)
        if low is not None:
            return Skill(value, low, high, over)
    return Skill(skill(own.origins, other.origins, horizon)[0])


def _tested(center: float, error: float, freedom: float, confidence: float) -> MeanDifference:
    """Compute the t interval and test of a difference with this standard error."""
    from scipy.special import stdtr

    reach = _critical(freedom, confidence) * error
    if error == 0:
        return MeanDifference(0.0, 0.0, 0.0, 1.0) if center == 0 else MeanDifference(center, None, None, None)
    return MeanDifference(center, center - reach, center + reach, 2 * float(stdtr(freedom, -abs(center) / error)))


def _critical(freedom: float, confidence: float) -> float:
    """Return the half-width of the interval in standard errors."""
    from scipy.special import stdtrit

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence:g}")
    return float(stdtrit(freedom, (1 + confidence) / 2))


def _welch_satterthwaite(left: float, lefts: int, right: float, rights: int) -> float:
    """Return the degrees of freedom of a difference of means with squared standard errors `left` and `right`."""
    # Use shares of the sum, whose squares neither overflow nor vanish.
    share = left / (left + right)
    return 1 / (share**2 / (lefts - 1) + (1 - share) ** 2 / (rights - 1))
