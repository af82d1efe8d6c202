"""Conformal intervals against cases worked out by hand, and what they cover on series that change."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from lstmctl.intervals import (
    AdaptiveIntervals,
    conformal_offsets,
    interval_scores,
    offsets_of_few,
    partly_pooled_offsets,
    quantile_offsets,
    run_adaptive,
    widened,
)

INF, NAN = np.inf, np.nan
Floats = NDArray[np.float64]


def column(*values: float) -> Floats:
    """Scores of one step and one channel, one a window."""
    return np.array(values, np.float64).reshape(-1, 1, 1)


def ends(*pairs: tuple[float, float]) -> Floats:
    """Intervals of one value, of ascending levels."""
    return np.array(pairs, np.float64).reshape(1, 1, 1, -1, 2)


def by_level(array: Floats) -> list[float]:
    return array.reshape(array.shape[-1]).tolist()


def test_offsets_of_nine_scores() -> None:
    """ceil(10 * level): the 5th, 8th, 9th, and for 0.95 a 10th that is not there."""
    scores = column(9, 1, 8, 2, 7, 3, 6, 4, 5)
    assert by_level(conformal_offsets(scores, (0.5, 0.8, 0.9, 0.95))) == [5, 8, 9, INF]


def test_the_rank_is_not_rounded_up_twice() -> None:
    """In floating point 25 * 0.56 is 14.000000000000002; the 14th of 24 is meant. 25 * 0.57 is 14.25: the 15th."""
    assert math.ceil(25 * 0.56) == 15
    assert by_level(conformal_offsets(column(*range(1, 25)), (0.56, 0.57))) == [14, 15]


def test_each_step_and_channel_has_offsets_of_its_own() -> None:
    scores = np.arange(1.0, 5).reshape(4, 1, 1) * np.array([[1, 10, 100], [2, 20, 200]])
    assert conformal_offsets(scores, (0.4, 0.8)).tolist() == [
        [[2, 4], [20, 40], [200, 400]],
        [[4, 8], [40, 80], [400, 800]],
    ]


def test_missing_scores_count_nowhere() -> None:
    """Of 3 scores ceil(4 * 0.75) is the third; of none there is none."""
    scores = np.stack([column(5, NAN, 1, 3, NAN), column(*[NAN] * 5)], axis=1)[..., 0]
    assert conformal_offsets(scores, (0.5, 0.75, 0.8)).tolist() == [[[3, 5, INF]], [[INF, INF, INF]]]
    assert conformal_offsets(np.empty((0, 2, 1)), (0.5,)).tolist() == [[[INF]], [[INF]]]


@pytest.mark.parametrize("levels", [(0.9, 0.8), (0.8, 0.8), (0.0, 0.5), (0.5, 1.0), (80, 90), (NAN,)])
def test_levels_are_ascending_shares(levels: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="levels must be between 0 and 1 and ascending"):
        conformal_offsets(column(1, 2), levels)
    with pytest.raises(ValueError, match="levels must be between 0 and 1 and ascending"):
        AdaptiveIntervals(column(1, 2), levels)


def test_scores_of_intervals() -> None:
    """From 0 to 10 and from -5 to 12. 2 is 2 and 7 above the low ends, which are the nearer ones; 11 is 1 above the
    first high end and 1 below the second; -5 is 5 below the first low end and at the second.
    """
    intervals = np.broadcast_to(np.array([[0, 10], [-5, 12]]), (4, 1, 1, 2, 2))
    assert interval_scores(column(2, 11, -5, NAN), intervals)[:, 0, 0].tolist() == [
        [-2, -7],
        [1, -1],
        [5, 0],
        pytest.approx([NAN, NAN], nan_ok=True),
    ]


def test_each_level_has_scores_of_its_own() -> None:
    """ceil(4 * 0.5) is the second smallest of each; ceil(4 * 0.75) the third. They may be below 0."""
    scores = np.array([[1, -9], [3, -7], [2, -8]], np.float64).reshape(3, 1, 1, 2)
    assert by_level(quantile_offsets(scores, (0.5, 0.75))) == [2, -7]


def test_the_largest_of_few_scores_is_increased_in_proportion() -> None:
    scores = np.array([1.0, 3.0]).reshape(1, 2, 1, 1)
    assert offsets_of_few(scores, (0.5, 0.9)).tolist() == [[[3.0, 3.0 * 3 / 2]]] * 2  # ranks 2 and 3 of 2 scores
    assert np.isinf(offsets_of_few(np.full((1, 2, 1, 1), np.nan), (0.5,))).all()


def test_intervals_are_widened_at_both_ends() -> None:
    offsets = np.array([[[1.0, 2]]])
    assert widened(ends((0, 10), (-5, 12)), offsets).tolist() == ends((-1, 11), (-7, 14)).tolist()
    assert widened(ends((0, 10), (-5, 12)), -offsets).tolist() == ends((1, 9), (-3, 10)).tolist()


def test_a_point_is_an_interval_without_width() -> None:
    offsets = np.array([[[1, 2, INF]]])
    assert widened(ends((3, 3)), offsets).tolist() == ends((2, 4), (1, 5), (-INF, INF)).tolist()


def test_crossing_ends_meet_in_the_middle() -> None:
    assert widened(ends((0, 4)), np.array([[[-3.0]]])).tolist() == ends((2, 2)).tolist()
    assert widened(ends((0, 4)), np.array([[[-2.0]]])).tolist() == ends((2, 2)).tolist()


def test_outer_levels_hold_inner_ones() -> None:
    assert widened(ends((0, 4), (1, 3)), np.zeros((1, 1, 2))).tolist() == ends((0, 4), (0, 4)).tolist()
    # The inner one crosses first, and the outer is extended to where its ends meet.
    found = widened(ends((0, 4), (3, 9)), np.array([[[-3.0, 0]]]))
    assert found.tolist() == ends((2, 2), (2, 9)).tolist()


def test_windows_may_have_offsets_of_their_own() -> None:
    intervals = np.zeros((2, 1, 1, 1, 2))
    offsets = np.array([1.0, 5]).reshape(2, 1, 1, 1)
    assert widened(intervals, offsets)[:, 0, 0, 0].tolist() == [[-1, 1], [-5, 5]]


def test_split_conformal_intervals_cover_what_they_promise() -> None:
    """Over many draws of 39 scores, the next one lies within the offset in 80 and in 95 % of the cases, exactly.

    The standard error of a share of 20,000 is at most 0.003.
    """
    generator = np.random.default_rng(0)
    scores = generator.exponential(size=(40, 20_000, 1))
    covered = scores[-1][..., np.newaxis] <= conformal_offsets(scores[:-1], (0.8, 0.95))
    assert covered.mean(axis=(0, 1)) == pytest.approx([0.8, 0.95], abs=0.01)


def test_conformalised_quantiles_cover_what_they_promise() -> None:
    """Intervals far too narrow and far too wide both come to their level."""
    generator = np.random.default_rng(1)
    truth = generator.normal(size=(2_000, 1, 1))
    for reach in (0.1, 5.0):
        intervals = np.broadcast_to(np.array([-reach, reach]), (2_000, 1, 1, 1, 2))
        offsets = quantile_offsets(interval_scores(truth[:1_000], intervals[:1_000]), (0.9,))
        low, high = np.moveaxis(widened(intervals[1_000:], offsets)[..., 0, :], -1, 0)
        assert ((low <= truth[1_000:]) & (truth[1_000:] <= high)).mean() == pytest.approx(0.9, abs=0.03)


def test_adaptive_offsets_by_hand() -> None:
    """At first the ceil(4 * 0.5) = second of 1, 2, 3.

    5 is a miss: alpha 0.5 - 0.1, and the ceil(4 * 0.6) = third of 2, 3, 5. 1 is none: alpha 0.5, the second of 3, 5, 1.
    """
    adaptive = AdaptiveIntervals(column(1, 2, 3), (0.5,), rate=0.2, memory=3)
    assert adaptive.offsets().item() == 2
    adaptive.reveal(np.array([[5.0]]), adaptive.offsets())
    assert adaptive.alpha.item() == pytest.approx(0.4)
    assert adaptive.offsets().item() == 5
    adaptive.reveal(np.array([[1.0]]), adaptive.offsets())
    assert adaptive.alpha.item() == pytest.approx(0.5)
    assert adaptive.offsets().item() == 3


def test_a_score_at_the_offset_is_not_a_miss() -> None:
    adaptive = AdaptiveIntervals(column(1, 2, 3), (0.5,), rate=0.2, memory=3)
    adaptive.reveal(np.array([[2.0]]), adaptive.offsets())
    assert adaptive.alpha.item() == pytest.approx(0.6)


def test_beyond_the_largest_score_offsets_stay_finite() -> None:
    """ceil(3 * 0.9) is more than 2 scores: the larger. A miss at rate 1 makes alpha -0.8: 5 and 0.8 of 5 on top.

    Four more misses end at alpha -1.
    """
    adaptive = AdaptiveIntervals(column(1, 2), (0.9,), rate=1, memory=2)
    assert adaptive.offsets().item() == 2
    adaptive.reveal(np.array([[5.0]]), adaptive.offsets())
    assert adaptive.offsets().item() == pytest.approx(9)
    for _ in range(4):
        adaptive.reveal(np.array([[20.0]]), adaptive.offsets() * 0)
    assert adaptive.alpha.item() == -1
    assert adaptive.offsets().item() == 40


def test_scores_below_zero_are_extended_upwards_too() -> None:
    """Alpha -0.8: -3 and 0.8 of 7, the size of the smaller."""
    adaptive = AdaptiveIntervals(column(-7, -4), (0.9,), rate=1, memory=2)
    adaptive.reveal(np.array([[-3.0]]), np.array([[[-4.0]]]))
    adaptive.reveal(np.array([[-7.0]]), np.array([[[-4.0]]]))
    # A miss and a hit: 0.1 - 0.9 + 0.1.
    assert adaptive.alpha.item() == pytest.approx(-0.7)
    assert adaptive.offsets().item() == pytest.approx(-3 + 0.7 * 7)


def test_nothing_is_below_the_smallest_score() -> None:
    adaptive = AdaptiveIntervals(column(4, 6), (0.5,), rate=1, memory=2)
    for _ in range(3):
        adaptive.reveal(np.array([[NAN]]), adaptive.offsets())
        adaptive.reveal(np.array([[4.0]]), adaptive.offsets())
    assert adaptive.alpha.item() == 1
    assert adaptive.offsets().item() == 4


def test_what_is_not_known_changes_nothing() -> None:
    scores = np.array([[1, 9], [2, 8], [3, 7]], np.float64)[..., np.newaxis]
    adaptive = AdaptiveIntervals(scores, (0.5, 0.75), memory=5)
    before, alpha = adaptive.offsets(), adaptive.alpha
    adaptive.reveal(np.array([[NAN], [20]]), before)
    assert adaptive.offsets()[0].tolist() == before[0].tolist() == [[2, 3]]
    assert adaptive.alpha[0].tolist() == alpha[0].tolist()
    # Of 7, 8, 9 and 20 the third and the fourth.
    assert adaptive.offsets()[1].tolist() == [[9, 20]]


def test_a_memory_holds_the_last_known_scores() -> None:
    """Of 9, 1, 2, 3 the last three; the missing one takes no place. Then 4 takes that of 1."""
    adaptive = AdaptiveIntervals(column(9, 1, NAN, 2, 3), (0.25, 0.5, 0.75), rate=0, memory=3)
    assert by_level(adaptive.offsets()) == [1, 2, 3]
    adaptive.reveal(np.array([[4.0]]), adaptive.offsets())
    assert by_level(adaptive.offsets()) == [2, 3, 4]
    # A memory with free places: 4 scores, and a fifth.
    adaptive = AdaptiveIntervals(column(9, 1, NAN, 2, 3), (0.2, 0.4, 0.6, 0.8), rate=0, memory=5)
    assert by_level(adaptive.offsets()) == [1, 2, 3, 9]
    adaptive.reveal(np.array([[2.5]]), adaptive.offsets())
    assert by_level(adaptive.offsets()) == [2, 2.5, 3, 9]
    adaptive.reveal(np.array([[7.0]]), adaptive.offsets())
    # 1, 2, 2.5, 3, 7: the 9, the oldest of five, is gone.
    assert by_level(adaptive.offsets()) == [2, 2.5, 3, 7]


def test_a_memory_must_hold_something() -> None:
    with pytest.raises(ValueError, match="must be at least 1 score, not 0"):
        AdaptiveIntervals(column(1), (0.5,), memory=0)


def test_without_any_score_offsets_are_infinite_until_there_is_one() -> None:
    adaptive = AdaptiveIntervals(np.empty((0, 1, 1)), (0.5, 0.9), memory=4)
    assert by_level(adaptive.offsets()) == [INF, INF]
    adaptive.reveal(np.array([[3.0]]), adaptive.offsets())
    assert by_level(adaptive.offsets()) == [3, 3]


def slowly(
    scores: Floats, origins: list[int], calibration: Floats, levels: tuple[float, ...], rate: float, memory: int
) -> Floats:
    """The expected result of `run_adaptive`, one step, channel and level at a time, without its bounds on alpha."""
    given = np.empty((*scores.shape[:3], len(levels)))
    for step, channel, place in np.ndindex(*given.shape[1:]):
        own = place if scores.shape[3] > 1 else 0
        pool = [score for score in calibration[:, step, channel, own] if not np.isnan(score)]
        alpha, known = 1 - levels[place], 0
        for now, origin in enumerate(origins):
            while origins[known] + step < origin:
                score = scores[known, step, channel, own]
                if not np.isnan(score):
                    pool.append(score)
                    alpha += rate * (1 - levels[place] - (score > given[known, step, channel, place]))
                known += 1
            last = sorted(pool[-memory:])
            rank = max(1, math.ceil((len(last) + 1) * (1 - alpha) - 1e-9))
            given[now, step, channel, place] = last[min(rank, len(last)) - 1]
    return given


@pytest.mark.parametrize("own", [1, 2], ids=["one score for all levels", "a score for each level"])
@pytest.mark.parametrize("rows", ["even", "every third", "uneven"])
def test_a_run_over_origins_knows_what_is_before_each(rows: str, own: int) -> None:
    generator = np.random.default_rng(3)
    origins = {
        "even": np.arange(100, 160),
        "every third": np.arange(100, 280, 3),
        "uneven": 100 + np.cumsum(generator.integers(1, 9, size=60)),
    }[rows]
    scores, calibration = generator.normal(size=(60, 5, 2, own)), generator.normal(size=(30, 5, 2, own))
    scores[generator.random(scores.shape) < 0.1] = NAN
    calibration[generator.random(calibration.shape) < 0.1] = NAN
    found = run_adaptive(scores, origins, calibration, (0.5, 0.7), rate=0.02, memory=20)
    assert found == pytest.approx(slowly(scores, origins.tolist(), calibration, (0.5, 0.7), 0.02, 20))


def test_scores_need_no_axis_for_levels() -> None:
    generator = np.random.default_rng(4)
    scores, calibration = generator.random((20, 3, 2)), generator.random((10, 3, 2))
    found = run_adaptive(scores, np.arange(20), calibration, (0.5, 0.8))
    expected = run_adaptive(scores[..., np.newaxis], np.arange(20), calibration[..., np.newaxis], (0.5, 0.8))
    assert found.shape == (20, 3, 2, 2)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("distance", [1, 2])
def test_no_offset_knows_a_score_before_its_time(distance: int) -> None:
    """At an origin, step k of an earlier one is known if its row is below; all others may be anything."""
    generator = np.random.default_rng(5)
    origins = np.arange(50, 50 + 40 * distance, distance)
    scores, calibration = generator.random((40, 4, 1)), generator.random((20, 4, 1))
    before = run_adaptive(scores, origins, calibration, (0.6, 0.8), rate=0.1, memory=10)
    for present in (0, 1, 7, 39):
        rows = origins[:, np.newaxis] + np.arange(4)
        other = np.where((rows >= origins[present])[..., np.newaxis], 100 + generator.random(scores.shape), scores)
        after = run_adaptive(other, origins, calibration, (0.6, 0.8), rate=0.1, memory=10)
        assert after[: present + 1].tolist() == before[: present + 1].tolist()


@pytest.mark.parametrize("step", range(4))
def test_the_score_of_the_row_before_counts(step: int) -> None:
    """Step k of the origin k + 1 rows ago: its outcome affects the current interval, not earlier ones."""
    generator = np.random.default_rng(5)
    scores, calibration = generator.random((40, 4, 1)), generator.random((20, 4, 1))
    given = []
    for score in (-100, 100):
        scores[20 - step - 1, step] = score
        given.append(run_adaptive(scores, np.arange(50, 90), calibration, (0.4, 0.6), rate=0.1, memory=10))
    hit, missed = given
    assert hit[:20].tolist() == missed[:20].tolist()
    assert (hit[20, step] < missed[20, step]).all()


def test_origins_ascend_and_are_as_many_as_scores() -> None:
    for origins in ([0, 1], [0, 2, 1], [0, 1, 1]):
        with pytest.raises(ValueError, match="one origin per row of scores, in ascending order"):
            run_adaptive(np.ones((3, 1, 1)), np.array(origins), np.ones((3, 1, 1)), (0.5,))


def test_coverage_holds_where_noise_doubles() -> None:
    """The guarantee of split conformal prediction on the first half does not hold in the second: 1.64 / 2 standard
    deviations contain 59 % of a normal distribution, not 90 %. Adaptive intervals return to it, separately at every
    step.
    """
    generator = np.random.default_rng(6)
    noise = np.abs(generator.normal(size=(6_500, 3, 2)))
    noise[3_500:] *= 2
    calibration, scores = noise[:500], noise[500:]
    levels = (0.8, 0.9)
    static = scores[..., np.newaxis] <= conformal_offsets(calibration, levels)
    adaptive = scores[..., np.newaxis] <= run_adaptive(scores, np.arange(6_000), calibration, levels)
    assert static[:3_000].mean(axis=(0, 1, 2)) == pytest.approx(levels, abs=0.03)
    assert static[3_000:].mean(axis=(0, 1, 2)) == pytest.approx([0.478, 0.589], abs=0.04)
    for half in (adaptive[:3_000], adaptive[3_000:]):
        assert half.mean(axis=0).reshape(-1, 2) == pytest.approx(np.tile(levels, (6, 1)), abs=0.02)


def test_coverage_holds_with_a_memory_too_small_for_its_level() -> None:
    """Of 5 scores the largest holds the next in 5 of 6 cases; misses push beyond it until 95 % are held."""
    scores = np.abs(np.random.default_rng(7).normal(size=(4_000, 1, 1)))
    fixed = run_adaptive(scores, np.arange(4_000), scores[:5], (0.95,), rate=0, memory=5)
    adaptive = run_adaptive(scores, np.arange(4_000), scores[:5], (0.95,), rate=0.02, memory=5)
    assert (scores[..., np.newaxis] <= fixed).mean() == pytest.approx(5 / 6, abs=0.02)
    assert (scores[..., np.newaxis] <= adaptive).mean() == pytest.approx(0.95, abs=0.01)
    assert np.isfinite(adaptive).all()


# ── series that share what they know ──


def weighted_quantile(scores: Floats, own: NDArray[np.bool_], level: float, strength: float) -> float:
    """The definition, for one step: own scores weigh n / (n + strength) together, and all scores the rest."""
    share = own.sum() / (own.sum() + strength)
    weights = np.where(own, share / own.sum(), 0) + (1 - share) / len(scores)
    counted = 1 / (weights**2).sum()
    order = np.argsort(scores)
    reached = np.cumsum(weights[order]) * counted / (counted + 1) >= level - 1e-9
    return float(scores[order][np.argmax(reached)]) if reached.any() else INF


@pytest.mark.parametrize("strength", [5.0, 50.0, 1000.0])
def test_partly_pooled_offsets_are_weighted_quantiles(strength: float) -> None:
    draw = np.random.default_rng(0)
    scores, owners = draw.normal(size=(60, 3, 2)), draw.integers(0, 4, 60)
    scores[::3, 1] = NAN
    pool, found = partly_pooled_offsets(scores, owners, 5, [0.5, 0.8], strength)
    assert np.array_equal(pool, quantile_offsets(scores[:, :, None], [0.5, 0.8])[:, 0])
    assert np.array_equal(found[4], pool)  # without scores of its own
    for owner in range(4):
        for step in range(3):
            known = ~np.isnan(scores[:, step, 0])
            for place, level in enumerate((0.5, 0.8)):
                own = (owners == owner)[known]
                expected = weighted_quantile(scores[known, step, place], own, level, strength)
                assert found[owner, step, place] == (expected if math.isfinite(expected) else pool[step, place])


def test_a_single_series_is_its_own_pool() -> None:
    scores = np.random.default_rng(0).normal(size=(40, 2, 1))
    pool, found = partly_pooled_offsets(scores, np.zeros(40, np.int64), 1, [0.5, 0.9])
    assert np.array_equal(found[0], pool)


def test_a_series_with_many_scores_goes_its_own_way() -> None:
    """One series is ten times as uncertain as the other."""
    draw = np.abs(np.random.default_rng(0).normal(size=(4000, 1, 1)))
    owners = np.arange(4000) % 2
    scores = draw * np.where(owners == 1, 10, 1)[:, None, None]
    pool, found = partly_pooled_offsets(scores, owners, 2, [0.8])
    alone = [quantile_offsets(scores[owners == one][:, :, None], [0.8]).item() for one in (0, 1)]
    assert found[:, 0, 0] == pytest.approx(alone, rel=0.1)
    assert 2 * alone[0] < pool.item() < alone[1] / 1.5
