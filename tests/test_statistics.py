"""Intervals, tests of differences and Holm's adjustment against cases worked out by hand.

With 2 degrees of freedom Student's t has closed forms: a 95 % interval reaches 0.95 sqrt(2 / (1 - 0.95²)) = 4.302653
standard errors to each side, and p = 1 - t / sqrt(2 + t²). With 1 it is tan(0.475 π) = 12.706205 to each side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lstmctl.results.comparison import Difference
from lstmctl.results.evaluation import RowSums, Traces
from lstmctl.statistics import (
    Interval,
    MeanDifference,
    compare_all,
    diagnose,
    difference,
    holm,
    interval,
    lead,
    skill,
)

# Few different numbers, so that ties and values without any spread occur.
values = st.sampled_from([0.0, 0.1, 0.3, 1.7]) | st.floats(-1e100, 1e100)
some = st.lists(values | st.none(), max_size=6)
p_values = st.lists(st.floats(0, 1) | st.none(), max_size=8)


def test_interval_of_three_values() -> None:
    """Mean 2, standard deviation 1, standard error 1 / sqrt(3) = 0.577350; 4.302653 of these are 2.484138."""
    found = interval([1, 2, 3])
    assert found.mean == 2
    assert found.low == pytest.approx(-0.484138, abs=1e-6)
    assert found.high == pytest.approx(4.484138, abs=1e-6)


def test_interval_of_two_values() -> None:
    """Mean 5, standard deviation sqrt(2), standard error 1."""
    found = interval([4, 6])
    assert (found.low, found.high) == pytest.approx((5 - 12.706205, 17.706205), abs=1e-6)


def test_interval_at_another_confidence() -> None:
    """0.9 sqrt(2 / (1 - 0.9²)) = 2.919986 standard errors of 0.577350 are 1.685854."""
    found = interval([1, 2, 3], confidence=0.9)
    assert (found.low, found.high) == pytest.approx((0.314146, 3.685854), abs=1e-6)


def test_interval_of_a_share_is_computed_on_the_logit_scale() -> None:
    """Mean 0.9, standard error 0.1 / sqrt(3); 4.302653 of these are 0.248414, in logits 0.248414 / 0.09 = 2.760155.

    The logit of 0.9 is 2.197225; those of the ends are -0.562930 and 4.957380.
    """
    found = interval([0.8, 0.9, 1.0], bounds=(0, 1))
    assert found.mean == pytest.approx(0.9)
    assert (found.low, found.high) == pytest.approx(
        (1 / (1 + math.exp(0.562930)), 1 / (1 + math.exp(-4.957380))), abs=1e-6
    )
    mirrored = interval([0.2, 0.1, 0.0], bounds=(0, 1))
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low))


def test_interval_of_a_positive_value_is_computed_on_the_logarithmic_scale() -> None:
    """Mean 2; 4.302653 standard errors are 2.484138, relative to the mean 1.242069, whose exponential is 3.462770."""
    found = interval([1, 2, 3], bounds=(0, None))
    assert (found.low, found.high) == pytest.approx((2 / 3.462770, 2 * 3.462770), abs=1e-5)
    from_above = interval([0, -1, -2], bounds=(None, 1))
    assert (from_above.low, from_above.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-5)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_an_interval_holds_its_mean_and_stays_within_the_bounds(shares: list[float]) -> None:
    for bounds in ((0, 1), (0, None), (None, 1)):
        found = interval(shares, bounds=bounds)
        assert found.low is not None
        assert found.high is not None
        assert found.mean is not None
        assert found.low <= found.mean + 1e-12
        assert found.high >= found.mean - 1e-12
        assert math.isfinite(found.low)
        assert math.isfinite(found.high)
        assert bounds[0] is None or found.low >= 0
        assert bounds[1] is None or found.high <= 1


def test_far_from_its_bounds_an_interval_is_student_s() -> None:
    student, bounded = interval([1.52, 1.53, 1.525]), interval([1.52, 1.53, 1.525], bounds=(0, None))
    assert (bounded.low, bounded.high) == pytest.approx((student.low, student.high), abs=1e-4)


def test_values_outside_the_bounds_leave_them_out_of_account() -> None:
    assert interval([1, 2, 3], bounds=(1.5, None)) == interval([1, 2, 3])


def test_too_few_values_have_no_interval() -> None:
    assert interval([]) == Interval(None, None, None)
    assert interval([1.5]) == Interval(1.5, None, None)


def test_identical_values_have_an_interval_without_width() -> None:
    """The floating-point sum of 0.1, 0.1 and 0.1 is more than 0.3."""
    assert interval([0.1, 0.1, 0.1]) == Interval(0.1, 0.1, 0.1)


@pytest.mark.parametrize("confidence", [0, 1, 95, math.nan])
def test_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        interval([1, 2], confidence)


def test_paired_difference() -> None:
    """Differences 1, 3, 5: mean 3, standard error 2 / sqrt(3) = 1.154701, t = 2.598076.

    The interval reaches 4.302653 * 1.154701 = 4.968275; p = 1 - 2.598076 / sqrt(2 + 6.75) = 0.121690.
    """
    found = difference([3, 5, 7], [2, 2, 2], paired=True)
    assert found.difference == 3
    assert (found.low, found.high) == pytest.approx((-1.968275, 7.968275), abs=1e-6)
    assert found.p == pytest.approx(0.121690, abs=1e-6)


def test_only_whole_pairs_count() -> None:
    whole = difference([3, 5, 7], [2, 2, 2], paired=True)
    assert difference([3, None, 5, 90, 7], [2, 80, 2, None, 2], paired=True) == whole


def test_welch_difference() -> None:
    """Both variances are 2, of two values each: squared standard errors 1 + 1, freedom 2² / (1 + 1) = 2.

    t = -3 / sqrt(2) = -2.121320, p = 1 - 2.121320 / sqrt(2 + 4.5) = 0.167950; reach 4.302653 * 1.414214 = 6.084870.
    """
    found = difference([1, None, 3], [4, 6], paired=False)
    assert found.difference == -3
    assert (found.low, found.high) == pytest.approx((-9.084870, 3.084870), abs=1e-6)
    assert found.p == pytest.approx(0.167950, abs=1e-6)


def test_welch_difference_where_one_side_has_no_spread() -> None:
    """Then the other side alone decides: t = 2 / 0.577350 = 3.464102, p = 1 - 3.464102 / sqrt(14) = 0.074180."""
    found = difference([1, 2, 3], [0, 0], paired=False)
    assert found.difference == 2
    assert (found.low, found.high) == pytest.approx((-0.484138, 4.484138), abs=1e-6)
    assert found.p == pytest.approx(0.074180, abs=1e-6)


def test_too_few_values_have_a_difference_at_most() -> None:
    nothing = MeanDifference(None, None, None, None)
    assert difference([], [], paired=True) == nothing
    assert difference([1, None], [None, 2], paired=True) == nothing
    assert difference([1, None], [None, None], paired=False) == nothing
    assert difference([3, None], [1, 2], paired=True) == MeanDifference(2, None, None, None)
    assert difference([1, None], [None, 2], paired=False) == MeanDifference(-1, None, None, None)
    assert difference([3, None], [1, 2], paired=False) == MeanDifference(1.5, None, None, None)


@pytest.mark.parametrize("paired", [True, False])
def test_without_any_spread_only_equality_is_judged(paired: bool) -> None:
    assert difference([0.1] * 3, [0.1] * 3, paired=paired) == MeanDifference(0, 0, 0, 1)
    assert difference([2.5] * 3, [2] * 3, paired=paired) == MeanDifference(0.5, None, None, None)


def test_pairs_need_equally_many_values() -> None:
    with pytest.raises(ValueError):
        difference([1, 2, 3], [1, 2], paired=True)


@pytest.mark.parametrize("seed", range(20))
def test_both_tests_are_those_of_scipy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    a, b = generator.normal(1, 3, size=2 + seed % 7), generator.normal(size=2 + seed % 7)
    for paired, one, other in ((True, a, b), (False, a, np.append(b, [0.5, 2.5]))):
        expected = scipy.stats.ttest_rel(one, other) if paired else scipy.stats.ttest_ind(one, other, equal_var=False)
        ends = expected.confidence_interval(0.9)
        found = difference(one.tolist(), other.tolist(), paired=paired, confidence=0.9)
        assert found.p == pytest.approx(float(expected.pvalue), rel=1e-9)
        assert (found.low, found.high) == pytest.approx((float(ends.low), float(ends.high)))


@given(some, some, st.booleans())
def test_the_other_way_round_only_the_sign_changes(a: list[float | None], b: list[float | None], paired: bool) -> None:
    length = min(len(a), len(b)) if paired else None
    one, other = difference(a[:length], b[:length], paired=paired), difference(b[:length], a[:length], paired=paired)
    if one.difference is None:
        assert other.difference is None
    else:
        assert other.difference == -one.difference
    if one.low is None or one.high is None:
        assert (other.low, other.high, other.p) == (one.low, one.high, one.p)
    else:
        assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
        assert other.p == pytest.approx(one.p)


@given(some, some, st.booleans())
def test_what_is_given_is_finite(a: list[float | None], b: list[float | None], paired: bool) -> None:
    length = min(len(a), len(b)) if paired else None
    found = difference(a[:length], b[:length], paired=paired)
    given_values = [value for value in (found.difference, found.low, found.high, found.p) if value is not None]
    assert all(math.isfinite(value) for value in given_values)
    assert found.p is None or 0 <= found.p <= 1


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),  # 3 * 0.01, 2 * 0.03, and 1 * 0.04 may not fall below that
        ([0.04, 0.01, 0.011], [0.04, 0.03, 0.03]),  # 2 * 0.011 may not fall below 3 * 0.01
        ([0.5, 0.2, 0.9], [1.0, 0.6, 1.0]),
        ([0.01, None, 0.04], [0.02, None, 0.04]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([0.3], [0.3]),
        ([None], [None]),
        ([], []),
    ],
)
def test_holm(p_values: list[float | None], adjusted: list[float | None]) -> None:
    assert holm(p_values) == [None if p is None else pytest.approx(p) for p in adjusted]


@given(p_values)
def test_holm_makes_no_p_smaller_and_keeps_their_order(p_values: list[float | None]) -> None:
    adjusted = holm(p_values)
    assert [p is None for p in adjusted] == [p is None for p in p_values]
    both = sorted(
        (p, after) for p, after in zip(p_values, adjusted, strict=True) if p is not None and after is not None
    )
    assert all(p <= after <= 1 for p, after in both)
    assert [after for _, after in both] == sorted(after for _, after in both)


@given(p_values.flatmap(lambda drawn: st.tuples(st.just(drawn), st.permutations(range(len(drawn))))))
def test_holm_does_not_depend_on_the_order(drawn: tuple[list[float | None], list[int]]) -> None:
    p_values, order = drawn
    adjusted = holm(p_values)
    assert holm([p_values[place] for place in order]) == [adjusted[place] for place in order]


def test_all_pairs_in_order_with_p_over_all_of_them() -> None:
    """Differences of lstm and gru: 1, 3, 5, as above, p = 0.121690.

    Of lstm and rnn: 2, 3, 3, mean 2.666667, standard error 1/3, t = 8, p = 1 - 8 / sqrt(66) = 0.015268.
    Of gru and rnn: 1, 0, -2, mean -0.333333, standard error 0.881917, t = -0.377964, p = 0.741801.
    Holm: 3 * 0.015268 = 0.045804, 2 * 0.121690 = 0.243380, 0.741801.
    """
    arms = {"lstm": [3, 5, 7], "gru": [2, 2, 2], "rnn": [1, 2, 4]}
    found = compare_all(arms, lambda a, b: True)
    assert [(each.a, each.b, each.test) for each in found] == [
        ("lstm", "gru", "paired"),
        ("lstm", "rnn", "paired"),
        ("gru", "rnn", "paired"),
    ]
    assert [each.difference for each in found] == [3, pytest.approx(8 / 3), pytest.approx(-1 / 3)]
    assert [each.p for each in found] == pytest.approx([0.243380, 0.045804, 0.741801], abs=2e-6)
    # At a confidence c of 1 - 0.05/3, c sqrt(2 / (1 - c²)) = 7.648861 standard errors of 1/3 are 2.549620;
    # at 1 - 0.05/2, 6.205347 of 1.154701 are 7.165317; the last p is not adjusted.
    assert (found[1].low, found[1].high) == pytest.approx((0.117047, 5.216287), abs=1e-4)
    assert (found[0].low, found[0].high) == pytest.approx((-4.165317, 10.165317), abs=1e-4)
    assert (found[2].low, found[2].high) == pytest.approx((-4.127916, 3.461249), abs=1e-4)


@given(st.dictionaries(st.sampled_from("abcd"), st.lists(values, min_size=3, max_size=3), min_size=2), st.booleans())
def test_an_interval_excludes_0_if_and_only_if_its_adjusted_p_is_significant(
    arms: dict[str, list[float]], paired: bool
) -> None:
    for test in compare_all(arms, lambda a, b: paired):
        if test.p is None or test.low is None or test.high is None or abs(test.p - 0.05) < 1e-6:
            continue
        assert (test.low > 0 or test.high < 0) == (test.p < 0.05)


def test_differences_end_where_the_metric_does() -> None:
    (found,) = compare_all({"a": [0.0, 0.9], "b": [1.0, 0.1]}, lambda a, b: True, bounds=(0, 1))
    assert (found.low, found.high) == (-1, 1)
    (unbounded,) = compare_all({"a": [0.0, 0.9], "b": [1.0, 0.1]}, lambda a, b: True, bounds=(0, None))
    assert unbounded.low is not None
    assert unbounded.low < -1


def test_each_pair_is_tested_by_its_own_kind_and_only_tests_that_were_made_count() -> None:
    """The Welch pair is the one above, p = 0.167950; the others are left without one by their missing values."""
    arms: dict[str, list[float | None]] = {"a": [1, 3], "b": [4, 6], "c": [None, 9]}
    found = compare_all(arms, lambda a, b: (a, b) != ("a", "b"))
    assert [each.test for each in found] == ["welch", "paired", "paired"]
    assert found[0].p == pytest.approx(0.167950, abs=1e-6)
    assert found[1:] == [
        Difference("a", "c", -6, None, None, None, "paired"),
        Difference("b", "c", -3, None, None, None, "paired"),
    ]


def test_one_arm_has_nothing_to_compare() -> None:
    assert compare_all({"a": [1, 2]}, lambda a, b: True) == []


def rows(of: list[float], out_of: list[float] | None = None) -> RowSums:
    return RowSums(np.array(of, float), np.ones(len(of)) if out_of is None else np.array(out_of, float))


def test_a_lead_is_the_difference_over_all_rows_with_its_bootstrap_interval() -> None:
    draw = np.random.default_rng(5)
    ours, theirs = (draw.random(400) < 0.9).astype(float), (draw.random(400) < 0.8).astype(float)
    found = lead(rows(list(ours)), rows(list(theirs)), lower_is_better=False)
    assert found.lead == pytest.approx(ours.mean() - theirs.mean())
    reach = 1.96 * (ours - theirs).std() / 20
    assert (found.low, found.high) == pytest.approx((found.lead - reach, found.lead + reach), abs=0.006)
    assert found.shown == "ahead"
    other = lead(rows(list(theirs)), rows(list(ours)), lower_is_better=False)
    assert (other.lead, other.shown) == (-found.lead, "behind")
    assert lead(rows(list(ours)), rows(list(theirs)), lower_is_better=True).shown == "behind"
    assert lead(rows(list(ours)), rows(list(theirs)), lower_is_better=False) == found


def test_rows_weigh_as_much_as_they_hold_and_unscored_ones_nothing() -> None:
    found = lead(rows([3, 0, 9], [4, 2, 0]), rows([1, 2, 0], [4, 2, 0]), lower_is_better=False)
    assert found.lead == pytest.approx(3 / 6 - 3 / 6)
    assert found.low < 0 < found.high
    assert found.shown == "no difference shown"


def test_models_that_answer_alike_show_no_difference() -> None:
    found = lead(rows([1, 0, 1]), rows([1, 0, 1]), lower_is_better=False)
    assert (found.lead, found.low, found.high, found.shown) == (0, 0, 0, "no difference shown")


def test_pairing_narrows_the_interval() -> None:
    draw = np.random.default_rng(6)
    hard = draw.normal(size=300) * 10
    ours, theirs = hard**2, hard**2 + draw.random(300)
    paired = lead(rows(list(ours)), rows(list(theirs)), lower_is_better=True)
    assert paired.shown == "ahead"
    assert paired.high - paired.low < 0.1


# ── skill ──


def row_sums(values: Sequence[float]) -> RowSums:
    return RowSums(np.array(values, dtype=np.float64), np.ones(len(values)))


def test_skill_is_the_share_of_the_other_error_that_is_avoided() -> None:
    value, low, high = skill(row_sums([1, 1, 1, 1] * 10), row_sums([2, 2, 2, 2] * 10), 2)
    assert (value, low, high) == (0.5, 0.5, 0.5)
    value, low, high = skill(row_sums([1, 3] * 20), row_sums([2, 2] * 20), 2)
    assert (value, low, high) == (0, 0, 0)


def test_rows_that_depend_on_their_neighbours_need_blocks() -> None:
    """A difference that lasts for 20 rows at a time: single rows would claim too narrow an interval."""
    draw = np.random.default_rng(1)
    better = np.repeat(draw.normal(0.1, 0.3, 30), 20)
    ours, theirs = row_sums((1 - better).tolist()), row_sums([1] * 600)
    widths = {block: high - low for block in (1, 20) for _, low, high in [skill(ours, theirs, block)]}  # type: ignore[operator]
    # Means of 30 independent values against 600: the root of 20 is 4.5.
    assert 3 < widths[20] / widths[1] < 5.5


def test_too_few_blocks_give_no_interval() -> None:
    value, low, high = skill(row_sums([1.0] * 39), row_sums([2.0] * 39), 10)
    assert (value, low, high) == (0.5, None, None)
    assert skill(row_sums([1.0] * 40), row_sums([2.0] * 40), 10)[1] == 0.5


def traces(errors: Sequence[float], series: Sequence[float], horizon: int) -> Traces:
    return Traces(horizon, {}, row_sums(errors), row_sums(series))


def test_few_origins_of_many_series_are_compared_over_series() -> None:
    own, other = traces([1.0] * 8, [1.0] * 12, 4), traces([2.0] * 8, [2.0] * 12, 4)
    found = diagnose({"run": own, "drift": other}).skill["drift"]
    assert (found.skill, found.low, found.over, found.shown) == (0.5, 0.5, "12 series", "ahead")
    longer = {"run": traces([1.0] * 16, [1.0] * 12, 4), "drift": traces([2.0] * 16, [2.0] * 12, 4)}
    assert diagnose(longer).skill["drift"].over == "blocks of 4 origins"
    few = {"run": traces([1.0] * 8, [1.0] * 9, 4), "drift": traces([2.0] * 8, [2.0] * 9, 4)}
    assert diagnose(few).skill["drift"].shown == ""
