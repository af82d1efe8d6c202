"""Forecast metrics on cases worked out by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstmctl.metrics.forecasts import SeriesSums, by_channel, by_series, by_step, figures, terms, with_owa

NAN = np.nan
Floats = NDArray[np.float64]

# Two windows of two steps and two channels; the second channel has no naive error.
SPREAD, CENTRE, NAIVE = np.array([[[2.0, 10]]]), np.array([[[1.0, 0]]]), np.array([[[4, NAN]]])
TRUTH = np.array([[[1, 0], [2, NAN]], [[3, NAN], [NAN, 0.5]]])
POINT = np.array([[[0.0, 0], [4, 1]], [[3, 1], [5, 1]]])
WIDE = 1_000.0


def totals(*arguments: Any, **settings: Any) -> dict[str, Floats]:
    """Sums over windows (channels, horizon)."""
    return {name: values.sum(axis=0).T for name, values in terms(*arguments, **settings)}


def interval(low: float, high: float, shape: tuple[int, ...] = (1, 1, 1)) -> Floats:
    return np.broadcast_to(np.array([low, high]), (*shape, 1, 2))


def score(truth: Floats, point: Floats, intervals: Floats | None = None, *levels: float) -> dict[str, Floats]:
    return totals(truth, point, intervals, levels, spread=SPREAD, centre=CENTRE, naive_error=NAIVE)


def single(truth: float, intervals: Floats | None, *levels: float, point: float = 0.0) -> dict[str, float]:
    """Metrics of a single value of one channel, with spread 2."""
    one = np.ones((1, 1, 1))
    return figures(totals(truth * one, point * one, intervals, levels, spread=2 * one, centre=0 * one, naive_error=one))


def test_totals_of_the_point_forecast() -> None:
    """Errors of channel 0 are 1 and 0 at step 1, 2 at step 2; of channel 1 0 at step 1, 0.5 at step 2.

    In original units truth and point are 3 and 1, 5 and 9, 7 and 7; and 0 and 0, 5 and 10. The terms of sMAPE are
    200 * 2 / 4, 200 * 4 / 14 and 0; and 0, as both are 0, and 200 * 5 / 15.
    """
    expected = {
        "count": [[2, 1], [1, 1]],
        "scaled_count": [[2, 1], [1, 1]],
        "squared_scaled": [[1, 4], [0, 0.25]],
        "absolute_scaled": [[1, 2], [0, 0.5]],
        "squared": [[4, 16], [0, 25]],
        "absolute": [[2, 4], [0, 5]],
        "percentage": [[100, 800 / 14], [0, 1000 / 15]],
        "ratio": [[0.5, 1], [0, 0]],
        "ratio_count": [[2, 1], [0, 0]],
        "square_ratio": [[0, 0], [0, 0]],
        "square_ratio_count": [[0, 0], [0, 0]],
    }
    found = score(TRUTH, POINT)
    assert set(found) == set(expected)
    for name, sums in expected.items():
        assert found[name].dtype == np.float64
        assert found[name] == pytest.approx(np.array(sums)), name


def test_metrics_of_the_point_forecast() -> None:
    """Five values. Channels have mean absolute errors 6 / 3 and 5 / 2, and mean squared errors 20 / 3 and 25 / 2."""
    found = figures(score(TRUTH, POINT))
    assert list(found) == ["mse_scaled", "mae_scaled", "mae", "rmse", "smape", "mase"]
    assert found["mse_scaled"] == pytest.approx(5.25 / 5)
    assert found["mae_scaled"] == pytest.approx(3.5 / 5)
    assert found["mae"] == pytest.approx(2.25)
    assert found["rmse"] == pytest.approx((2.581989 + 3.535534) / 2, abs=1e-6)
    assert found["smape"] == pytest.approx((100 + 57.142857 + 66.666667) / 5)
    assert found["mase"] == pytest.approx(1.5 / 3)


def test_metrics_of_each_channel() -> None:
    found = by_channel(score(TRUTH, POINT), ["load", "oil"], np.arange(2))
    assert list(found) == ["load", "oil"]
    assert found["load"]["mae"] == pytest.approx(2)
    assert found["load"]["rmse"] == pytest.approx(2.581989, abs=1e-6)
    assert found["load"]["mase"] == pytest.approx(0.5)
    assert found["oil"]["mse_scaled"] == pytest.approx(0.125)
    assert found["oil"]["mae"] == pytest.approx(2.5)
    assert "mase" not in found["oil"]
    assert by_series(score(TRUTH, POINT), ["load", "oil"]) == {name: pytest.approx(own) for name, own in found.items()}


def test_series_of_one_channel_have_the_metrics_of_channels_of_one_series() -> None:
    """A table with one row per series and time, against the same values with one column per series."""
    wide = score(TRUTH, POINT, interval(-1, 2), 0.8)
    scales = [np.concatenate([array[0, 0]] * 2)[:, None, None] for array in (SPREAD, CENTRE, NAIVE)]
    truth, point = (np.moveaxis(array, 2, 1).reshape(4, 2, 1) for array in (TRUTH, POINT))
    named = terms(
        truth, point, interval(-1, 2), [0.8], **dict(zip(("spread", "centre", "naive_error"), scales, strict=True))
    )
    rows, long = SeriesSums.of(np.array([0, 1, 0, 1]), named).joined()
    assert rows.tolist() == [0, 1]
    assert figures(long) == pytest.approx(figures(wide))
    assert by_step(long) == tuple(pytest.approx(step) for step in by_step(wide))
    assert by_channel(long, ["y"], rows % 1)["y"] == pytest.approx(figures(wide))


def test_sums_of_batches_add_up_in_any_order() -> None:
    """Batches share some of their series; a series of two channels has two rows."""

    def sums(*series: int) -> SeriesSums:
        values = np.array([[[10.0 * number, 1]] for number in series])
        return SeriesSums.of(np.array(series), [("count", values)])

    expected = {2: 20, 3: 2, 10: 50, 11: 1, 14: 70, 15: 1}
    for batches in ([sums(1, 1), sums(5), sums(7)], [sums(7), sums(1), sums(1, 5)]):
        added: Counter[str] = Counter()
        for batch in batches:
            added.update({"sums": batch})  # type: ignore[dict-item]
        rows, found = added["sums"].joined()  # type: ignore[attr-defined]
        assert dict(zip(rows.tolist(), found["count"].ravel().tolist(), strict=True)) == expected


def test_metrics_of_each_step() -> None:
    """Step 1 has the errors 1, 0 and 0, step 2 the errors 2 and 0.5."""
    first, second = by_step(score(TRUTH, POINT))
    assert first["mse_scaled"] == pytest.approx(1 / 3)
    assert first["mae"] == pytest.approx((1 + 0) / 2)
    assert second["mse_scaled"] == pytest.approx(4.25 / 2)
    assert second["rmse"] == pytest.approx((4 + 5) / 2)


def test_batches_add_up() -> None:
    intervals = np.stack([POINT - 1, POINT + 1], axis=-1)[..., np.newaxis, :]
    summed: Counter[str] = Counter()
    for window in (slice(0, 1), slice(1, 2)):
        summed.update(score(TRUTH[window], POINT[window], intervals[window], 0.8))
    whole = score(TRUTH, POINT, intervals, 0.8)
    assert list(summed) == list(whole)
    for name in whole:
        assert summed[name] == pytest.approx(whole[name])


def test_each_window_may_have_its_own_scale() -> None:
    """Errors 1 and 1 with spreads 2 and 3, naive errors 4 and none."""
    ones = np.ones((2, 1, 1))
    found = figures(
        totals(
            ones,
            0 * ones,
            None,
            (),
            spread=np.array([2.0, 3]).reshape(2, 1, 1),
            centre=0 * ones,
            naive_error=np.array([4, 0.0]).reshape(2, 1, 1),
        )
    )
    assert (found["mae_scaled"], found["mae"], found["mase"]) == pytest.approx((1, 2.5, 0.5))


def test_an_interval_that_holds_the_truth() -> None:
    """Truth 1, point 0, quantiles 0.1 at -1 and 0.9 at 1.5: losses 0.1 * 2, 0.5 * 1 and 0.1 * 0.5, or 0.25 on average.

    All are scaled; the spread is 2.
    """
    found = single(1, interval(-1, 1.5), 0.8)
    assert list(found)[6:] == [
        "pinball",
        "pinball_scaled",
        "wql",
        "coverage_80",
        "width_80",
        "width_scaled_80",
        "msis_80",
    ]
    assert found["pinball_scaled"] == pytest.approx(0.25)
    assert found["pinball"] == pytest.approx(0.5)
    assert found["coverage_80"] == 1
    assert (found["width_80"], found["width_scaled_80"]) == (5, 2.5)


def test_what_has_no_scale_counts_in_original_units_alone() -> None:
    """Windows with the errors 1 and 1000, the second one's without a scale."""
    ones, truth = np.ones((2, 1, 1)), np.array([1.0, 1000]).reshape(2, 1, 1)
    spans = np.broadcast_to(np.array([-2.0, 2]), (2, 1, 1, 1, 2))
    scales = {"spread": ones, "centre": 0 * ones, "naive_error": 0 * ones}
    found = figures(totals(truth, 0 * ones, spans, [0.8], **scales, has_scale=np.array([True, False]).reshape(2, 1, 1)))
    assert (found["mse_scaled"], found["mae_scaled"], found["mae"]) == pytest.approx((1, 1, 500.5))
    alone = figures(totals(truth[:1], 0 * ones[:1], spans[:1], [0.8], **dict.fromkeys(scales, ones[:1])))
    assert found["pinball_scaled"] == alone["pinball_scaled"]
    assert (found["coverage_80"], found["width_scaled_80"]) == (0.5, 4)
    none = figures(totals(truth, 0 * ones, spans, [0.8], **scales, has_scale=np.zeros((2, 1, 1), bool)))
    assert set(none) == {"mae", "rmse", "smape", "pinball", "wql", "coverage_80", "width_80"}


def test_an_infinite_interval_is_none() -> None:
    """Of three values one has an interval, and one has none at one of its two levels."""
    ones = np.ones((3, 1, 1))
    spans = np.array([[[-2.0, 2], [-3, 3]], [[-2, 2], [-np.inf, np.inf]], [[-np.inf, np.inf], [-np.inf, np.inf]]])
    scales = {"spread": ones, "centre": 0 * ones, "naive_error": ones}
    found = figures(totals(ones, 0 * ones, spans[:, None, None], [0.8, 0.9], **scales))
    alone = figures(
        totals(
            ones[:1], 0 * ones[:1], spans[:1, None, None], [0.8, 0.9], **{key: one[:1] for key, one in scales.items()}
        )
    )
    assert found == alone
    assert "coverage_80" not in figures(
        totals(
            ones[1:], 0 * ones[1:], spans[1:, None, None], [0.8, 0.9], **{key: one[1:] for key, one in scales.items()}
        )
    )


@pytest.mark.parametrize(("truth", "pinball"), [(2, 2.65 / 3), (-2, 2.15 / 3)])
def test_an_interval_that_misses_the_truth(truth: float, pinball: float) -> None:
    """From -1 to 0.5. Above: 0.1 * 3 + 0.5 * 2 + 0.9 * 1.5, or 2.65; below: 0.9 * 1 + 0.5 * 2 + 0.1 * 2.5, or 2.15."""
    found = single(truth, interval(-1, 0.5), 0.8)
    assert found["pinball_scaled"] == pytest.approx(pinball)
    assert found["coverage_80"] == 0


@pytest.mark.parametrize(("truth", "covered"), [(-1, 1), (0.5, 1), (-1.001, 0), (0.501, 0)])
def test_the_ends_belong_to_an_interval(truth: float, covered: float) -> None:
    assert single(truth, interval(-1, 0.5), 0.8)["coverage_80"] == covered


def test_levels_in_their_order() -> None:
    """Two levels and the point, all 0 where the truth is 1: the mean of 0.25, 0.75, 0.0125, 0.9875 and 0.5."""
    both = np.zeros((1, 1, 1, 2, 2))
    found = single(1, both, 0.5, 0.975)
    assert [name for name in found if name.startswith("coverage")] == ["coverage_50", "coverage_97.5"]
    assert found["pinball_scaled"] == pytest.approx(2.5 / 5)
    both[..., 1, :] = [-WIDE, WIDE]
    found = single(1, both, 0.5, 0.975)
    assert (found["coverage_50"], found["coverage_97.5"]) == (0, 1)
    assert (found["width_scaled_50"], found["width_scaled_97.5"]) == (0, 2 * WIDE)


def test_what_is_missing_counts_in_no_interval() -> None:
    """Two of channel 0's three known values lie within 1 of the point, and so do both of channel 1.

    Widths of 2 scaled are 4 and 20 in original units.
    """
    intervals = np.stack([POINT - 1, POINT + 1], axis=-1)[..., np.newaxis, :]
    found = figures(score(TRUTH, POINT, intervals, 0.8))
    assert found["coverage_80"] == pytest.approx(4 / 5)
    assert (found["width_80"], found["width_scaled_80"]) == pytest.approx((12, 2))


def test_a_channel_without_data_has_no_metrics_and_no_part_in_them() -> None:
    truth = TRUTH.copy()
    truth[..., 1] = NAN
    summed = score(truth, POINT)
    found = figures(summed)
    assert (found["mae"], found["mae_scaled"]) == pytest.approx((2, 1))
    assert by_channel(summed, ["load", "oil"], np.arange(2))["oil"] == {}
    assert figures(score(np.full_like(TRUTH, NAN), POINT)) == {}


def test_a_forecast_that_is_not_a_number_is_seen() -> None:
    """But not where the truth is missing."""
    point = POINT.copy()
    point[1, 1, 0] = NAN
    assert figures(score(TRUTH, point)) == figures(score(TRUTH, POINT))
    point[0, 1, 0] = NAN
    first, second = by_step(score(TRUTH, point))
    assert np.isfinite(first["mae"])
    assert np.isnan(second["mae"])
    assert np.isnan(figures(score(TRUTH, point))["mse_scaled"])


def test_sums_of_single_precision_are_exact_enough() -> None:
    """A million errors of 0.1 in float32 are summed in float64, not float32, which would be off by a thousandth."""
    truth = np.full((1_000_000, 1, 1), 0.1, np.float32)
    one = np.ones((1, 1, 1))
    sums = totals(truth, 0 * truth, None, (), spread=one, centre=0 * one, naive_error=one)
    assert sums["absolute"].item() == pytest.approx(1_000_000 * float(np.float32(0.1)), rel=1e-9)


def test_metrics_of_published_benchmarks() -> None:
    """Values 4 and -2 of one series, spread 2, forecasts 3 and 0; the naive forecast misses by 2, its square is 5.

    Intervals of 90 % are 1 to 5 and -1 to 1, so the second value is 1 below.
    """
    truth, point = np.array([2.0, -1]).reshape(2, 1, 1), np.array([1.5, 0]).reshape(2, 1, 1)
    spans = np.array([[0.5, 2.5], [-0.5, 0.5]]).reshape(2, 1, 1, 1, 2)
    one = np.ones((1, 1, 1))
    scales = {"spread": 2 * one, "centre": 0 * one, "naive_error": 2 * one, "naive_square": 5 * one}
    found = figures(totals(truth, point, spans, [0.9], **scales))
    assert found["rmsse"] == pytest.approx(np.sqrt((1 / 5 + 4 / 5) / 2))
    assert found["msis_90"] == pytest.approx(((4 + 0) / 2 + (2 + 2 / 0.1 * 1) / 2) / 2)
    losses = [0.5 * 1 + 0.05 * 3 + 0.05 * 1, 0.5 * 2 + 0.95 * 1 + 0.05 * 3]
    assert found["wql"] == pytest.approx(2 * (sum(losses) / 3) / 6)
    assert "rmsse" not in figures(totals(truth, point, None, (), **{**scales, "naive_square": np.nan}))


def test_the_root_of_squares_is_the_mean_over_series() -> None:
    truth = np.array([[[2.0, 9]]])
    one = np.ones((1, 1, 2))
    sums = totals(truth, 0 * truth, None, (), spread=one, centre=0 * one, naive_error=one, naive_square=4 * one)
    assert figures(sums)["rmsse"] == pytest.approx((1 + 4.5) / 2)


def test_owa_is_relative_to_a_naive_forecast() -> None:
    metrics = {"smape": 10.0, "mase": 0.9, "wql": 0.1}
    assert with_owa(metrics, {"smape": 20, "mase": 1.2}) == {"smape": 10, "mase": 0.9, "owa": 0.625, "wql": 0.1}
    assert with_owa(metrics, {"smape": 20}) == with_owa(metrics, {"smape": 0, "mase": 1}) == metrics
    assert with_owa({"smape": 1.0}, {"smape": 20, "mase": 1.2}) == {"smape": 1.0}
