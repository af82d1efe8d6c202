"""What a few seeds say about a mean and about a difference of two: intervals, tests, and their adjustment.

Values stand in the unit of the figure they measure, and so do means, differences and ends of intervals. A value is
finite, or None where a run has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

# Both are exact for any floats, rounded once at the end: the spread of identical values is 0, not 1e-17.
from statistics import mean, variance

from lstmctl.records import Difference


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the ends of its interval."""

    mean: float | None
    """None where there is no value."""
    low: float | None
    high: float | None
    """None below two values."""


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """One mean minus another."""

    difference: float | None
    low: float | None
    high: float | None
    """Ends of the interval of the difference; None where the values say nothing about it."""
    p: float | None
    """Two-sided, not adjusted; None where the interval is."""


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Student's t interval of a mean (Student 1908, The probable error of a mean).

    The values are taken to be independent draws from a normal distribution; `benchmarks/interval_coverage.py` measures
    what becomes of the interval where they are not. Identical values give an interval without width.

    Args:
        values: one of each seed; all finite.
        confidence: share of such intervals that hold the true mean, between 0 and 1.

    Raises:
        ValueError: `confidence` is not between 0 and 1.
    """
    if len(values) < 2:
        return Interval(float(mean(values)) if values else None, None, None)
    center, error = float(mean(values)), (variance(values) / len(values)) ** 0.5
    reach = _critical(len(values) - 1, confidence) * error
    return Interval(center, center - reach, center + reach)


def difference(
    a: Sequence[float | None], b: Sequence[float | None], *, paired: bool, confidence: float = 0.95
) -> MeanDifference:
    """The mean of `a` minus that of `b`, its t interval and the two-sided p of no difference.

    Paired, it is the t test on the differences of those pairs that have both values (Student 1908). Otherwise it is
    Welch's test, which does not take the two spreads to be equal, with the degrees of freedom of Welch–Satterthwaite
    (Welch 1947, The generalization of "Student's" problem).

    Below two pairs, or two values on either side, there is no interval and no p. Where the spread is exactly 0 the
    test is not defined. A difference of 0 then gets p = 1 and an interval without width. Any other difference gets
    neither: runs that no seed changes show what these settings give, but not how far another seed could move them,
    and p = 0 would pretend to know that.

    Args:
        a, b: finite values, one of each seed, None where a run has none. Paired, equally many, a pair at each place.
        paired: whether values at one place share their seed, and with it data, order and starting weights.
        confidence: of the interval, between 0 and 1.

    Raises:
        ValueError: `paired`, and not equally many values; or `confidence` is not between 0 and 1.
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
    """Adjust p-values so that the chance of even one false finding among them stays below the level each is held to.

    Step-down (Holm 1979, A simple sequentially rejective multiple test procedure): the smallest of m is multiplied by
    m, the next by m - 1, and so on; none falls below one before it, and none exceeds 1. It needs no independence.

    Args:
        p_values: in any order. None stays None and does not count among the m.
    """
    places = [(p, place) for place, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for tried, (p, place) in enumerate(sorted(places)):
        largest = max(largest, min(1.0, (len(places) - tried) * p))
        adjusted[place] = largest
    return adjusted


def compare_all(
    values_by_name: Mapping[str, Sequence[float | None]], paired: Callable[[str, str], bool], confidence: float = 0.95
) -> list[Difference]:
    """Every pair of names in their order, the earlier minus the later, with p adjusted over all pairs by `holm`.

    The intervals are those of each pair by itself, not adjusted: a p above 0.05 can stand beside a 95 % interval
    without 0.

    Args:
        values_by_name: one value of each seed, None where a run has none.
        paired: whether two names share their seeds place by place; see `difference`.
        confidence: of each interval, between 0 and 1.

    Raises:
        ValueError: as in `difference`.
    """
    pairs = [(a, b, paired(a, b)) for a, b in combinations(values_by_name, 2)]
    found = [
        difference(values_by_name[a], values_by_name[b], paired=in_pairs, confidence=confidence)
        for a, b, in_pairs in pairs
    ]
    return [
        Difference(a, b, each.difference, each.low, each.high, p, "paired" if in_pairs else "welch")
        for (a, b, in_pairs), each, p in zip(pairs, found, holm([each.p for each in found]), strict=True)
    ]


def _tested(center: float, error: float, freedom: float, confidence: float) -> MeanDifference:
    """The t interval and test of a difference with this standard error."""
    from scipy.special import stdtr

    reach = _critical(freedom, confidence) * error
    if error == 0:
        return MeanDifference(0.0, 0.0, 0.0, 1.0) if center == 0 else MeanDifference(center, None, None, None)
    return MeanDifference(center, center - reach, center + reach, 2 * float(stdtr(freedom, -abs(center) / error)))


def _critical(freedom: float, confidence: float) -> float:
    """How many standard errors the interval reaches to each side."""
    from scipy.special import stdtrit

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence:g}")
    return float(stdtrit(freedom, (1 + confidence) / 2))


def _welch_satterthwaite(left: float, lefts: int, right: float, rights: int) -> float:
    """Degrees of freedom of the difference of two means with squared standard errors `left` and `right`."""
    # By shares of the sum, which neither overflow nor vanish when squared.
    share = left / (left + right)
    return 1 / (share**2 / (lefts - 1) + (1 - share) ** 2 / (rights - 1))
