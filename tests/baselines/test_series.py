"""Forecasts without a network against cases worked out by hand, and the fit against plain linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lstmctl.baselines import series
from lstmctl.baselines.series import (
    DEFAULT_PENALTIES,
    Ridge,
    drift,
    fit_ridge,
    last_value,
    seasonal_naive,
)

NAN = np.nan
Floats = NDArray[np.float64]
Origins = NDArray[np.int64]


def gather(values: Floats, origins: Origins, lookback: int, horizon: int) -> tuple[Floats, Floats]:
    """The histories (windows, lookback, channels) and labels (windows, horizon, channels) of windows of a table."""
    rows = origins[:, np.newaxis] + np.arange(-lookback, horizon)
    return values[rows[:, :lookback]], values[rows[:, lookback:]]


def one(*values: float) -> Floats:
    """One window of one channel."""
    return np.array(values, np.float64).reshape(1, -1, 1)


def steps(forecast: Floats) -> list[float]:
    assert forecast.shape[0] == forecast.shape[2] == 1
    return forecast[0, :, 0].tolist()


def walk(rows: int, channels: int, seed: int = 0) -> Floats:
    """A daily cycle of 6 rows on a random walk: something to fit, with a level that moves."""
    generator = np.random.default_rng(seed)
    cycle = 2 * np.sin(2 * np.pi * np.arange(rows) / 6)[:, np.newaxis]
    return cycle + np.cumsum(generator.normal(size=(rows, channels)), axis=0) + 5


def pairs(values: Floats, origins: Origins, lookback: int, horizon: int) -> tuple[Floats, Floats]:
    """Histories and labels less the last value, one row for each window of each channel that has all labels."""
    past, future = [], []
    for channel in values.T:
        filled = channel.copy()
        for row in range(1, len(filled)):
            if np.isnan(filled[row]):
                filled[row] = filled[row - 1]
        for origin in origins:
            labels = channel[origin : origin + horizon]
            if not np.isnan(labels).any():
                history = filled[origin - lookback : origin]
                past.append(history - history[-1])
                future.append(labels - history[-1])
    return np.array(past), np.array(future)


def solved(values: Floats, origins: Origins, lookback: int, horizon: int, penalty: float) -> Floats:
    """The weights by the formula in the docstring of `fit_ridge`."""
    past, future = pairs(values, origins, lookback, horizon)
    square = past.T @ past / len(past) + penalty * np.eye(lookback)
    weights: Floats = np.linalg.solve(square, past.T @ future / len(past))
    return weights


def test_last_value() -> None:
    history = np.array([[[1, 10], [2, 20]], [[3, 30], [4, 40]]], np.float64)
    assert last_value(history, 3).tolist() == [[[2, 20]] * 3, [[4, 40]] * 3]


def test_missing_values_are_those_before_them() -> None:
    assert steps(last_value(one(1, 5, NAN, NAN), 2)) == [5, 5]
    assert steps(last_value(one(NAN, NAN), 1)) == [0]
    assert steps(seasonal_naive(one(NAN, 7, NAN, 9), 4, season=4)) == [0, 7, 7, 9]
    two = np.array([[[1, NAN], [NAN, 2], [3, NAN]]])
    assert seasonal_naive(two, 3, season=3).tolist() == [[[1, 0], [1, 2], [3, 2]]]


def test_no_window_lends_a_value_to_the_next() -> None:
    assert last_value(np.array([[[4.0]], [[NAN]]]), 1).tolist() == [[[4]], [[0]]]


def test_the_history_stays_as_it_was() -> None:
    history = one(NAN, 1, NAN)
    last_value(history, 1)
    drift(history, 1)
    assert np.isnan(history[0, :, 0]).tolist() == [True, False, True]


def test_seasonal_naive_repeats_the_last_whole_season() -> None:
    assert steps(seasonal_naive(one(1, 2, 3, 4, 5), 7, season=3)) == [3, 4, 5, 3, 4, 5, 3]
    assert steps(seasonal_naive(one(1, 2, 3), 2, season=3)) == [1, 2]
    assert steps(seasonal_naive(one(1, 2, 3), 2, season=1)) == [3, 3]


@pytest.mark.parametrize("season", [0, 4])
def test_a_season_must_fit_into_the_history(season: int) -> None:
    with pytest.raises(ValueError, match=f"must have 1 to 3 rows, the length of the history, not {season}"):
        seasonal_naive(one(1, 2, 3), 2, season=season)


def test_drift_goes_on_along_the_line() -> None:
    """From 1 to 7 in three rows: 2 a row, whatever lies between."""
    assert steps(drift(one(1, 50, -3, 7), 3)) == [9, 11, 13]


def test_drift_begins_at_the_first_known_value() -> None:
    """2 in row 1 and 6 in row 4, which is that of row 3: 4/3 a row."""
    assert steps(drift(one(NAN, 2, NAN, 6, NAN), 3)) == pytest.approx([7.333333, 8.666667, 10])


def test_drift_of_one_known_value_is_level() -> None:
    assert steps(drift(one(3), 2)) == [3, 3]
    assert steps(drift(one(NAN, NAN, 3), 2)) == [3, 3]
    assert steps(drift(one(NAN, NAN), 2)) == [0, 0]


def test_windows_and_channels_drift_apart() -> None:
    history = np.array([[[0, 0], [1, 10]], [[5, 3], [4, 3]]], np.float64)
    assert drift(history, 2).tolist() == [[[2, 20], [3, 30]], [[3, 3], [2, 3]]]


def test_ridge_by_hand() -> None:
    """Of 0 1 3 6 the windows are (0, 1), 3 and (1, 3), 6; less the last value (-1, 0), 2 and (-2, 0), 3.

    The mean of x² is 2.5 and that of x y is -4. With the penalty 0.5 the weight is -4 / 3, and what follows (3, 6),
    or -3 less the last value, is 4 + 6.
    """
    values = np.array([[0.0], [1], [3], [6]])
    fitted = fit_ridge(values, np.array([2, 3]), np.array([3]), lookbacks=[2], horizon=1, penalties=[0.5])
    assert fitted.weights.ravel() == pytest.approx([-4 / 3, 0])
    assert (fitted.penalty, fitted.lookback) == (0.5, 2)
    assert steps(fitted.forecast(one(3, 6))) == pytest.approx([10])


@pytest.mark.parametrize(
    "training",
    [
        np.arange(12, 300),
        np.arange(12, 300, 5),
        np.array([*range(12, 40), *range(60, 290), 295]),
    ],
    ids=["one long run", "every fifth row", "a long run among short ones"],
)
def test_ridge_follows_the_formula(training: Origins) -> None:
    values = walk(400, 3)
    for lookback in (1, 7, 12):
        fitted = fit_ridge(
            values, training, np.arange(310, 390), lookbacks=[lookback], horizon=4, penalties=[0.3], most_windows=1000
        )
        expected = solved(values, training, lookback, 4, 0.3)
        assert fitted.weights == pytest.approx(expected, abs=1e-10)


def test_the_validation_part_chooses_lookback_and_penalty() -> None:
    """Against every choice fitted and scored separately."""
    penalties, lookbacks = (0.01, 1.0, 100.0), (3, 6, 12)
    chosen = set()
    for seed in range(6):
        values = walk(300, 2, seed)
        training, validation = np.arange(12, 60 + 30 * seed), np.arange(250, 295)
        errors = {}
        for lookback in lookbacks:
            past, future = pairs(values, validation, lookback, 5)
            for penalty in penalties:
                # All lookbacks learn from the same windows, from row 12 on.
                weights = solved(values, training, lookback, 5, penalty)
                errors[lookback, penalty] = float(((past @ weights - future) ** 2).mean())
        fitted = fit_ridge(values, training, validation, lookbacks=lookbacks, horizon=5, penalties=penalties)
        assert (fitted.lookback, fitted.penalty) == min(errors, key=errors.__getitem__)
        chosen.add((fitted.lookback, fitted.penalty))
    assert len(chosen) > 1


def test_a_long_table_is_fitted_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(5)
    values = np.cumsum(draw.normal(size=(3000, 2)), axis=0)
    values[1000:1100, 1] = np.nan  # the second series begins without: nothing of the first fills it
    begins = np.array([0, 1000])
    training = np.concatenate([np.arange(8, 990), np.arange(1008, 2400)])
    settings = {"lookbacks": [3, 8], "horizon": 4, "begins": begins}
    whole = fit_ridge(values, training, np.arange(2410, 2990), **settings)
    seen: list[int] = []

    class Cut:
        shape = values.shape

        def __getitem__(self, rows: slice) -> Floats:
            seen.append(rows.stop - rows.start)
            return values[rows]

    monkeypatch.setattr(series, "MOST_VALUES", 700)
    parts = fit_ridge(Cut(), training, np.arange(2410, 2990), **settings)
    assert len(seen) == 9
    assert max(seen) <= 350 + 8 + 4
    assert (parts.penalty, parts.lookback) == (whole.penalty, whole.lookback)
    np.testing.assert_allclose(parts.weights, whole.weights, rtol=1e-9, atol=1e-12)


def test_a_repeating_series_is_forecast_exactly() -> None:
    values = np.tile([[1.0, 4], [3, 0], [2, 7], [9, 1]], (30, 1))
    fitted = fit_ridge(values, np.arange(8, 60), np.arange(70, 90), lookbacks=[2, 8], horizon=6, penalties=[1e-9, 10])
    history, labels = gather(values, np.arange(91, 101), 8, 6)
    assert (fitted.lookback, fitted.penalty) == (8, 1e-9)
    assert fitted.forecast(history) == pytest.approx(labels, abs=1e-6)


def test_the_level_does_not_matter() -> None:
    values = walk(300, 1)
    settings = {"lookbacks": [6], "horizon": 3, "penalties": [0.1]}
    low = fit_ridge(values, np.arange(6, 200), np.arange(210, 290), **settings)
    high = fit_ridge(values + 1e4, np.arange(6, 200), np.arange(210, 290), **settings)
    assert high.weights == pytest.approx(low.weights, abs=1e-9)
    assert high.forecast(values[np.newaxis, :6] + 1e4) == pytest.approx(low.forecast(values[np.newaxis, :6]) + 1e4)


def test_missing_values_in_the_fit() -> None:
    """Labels must be known; a history is filled; what begins late enters where it has begun."""
    values = walk(400, 3)
    values[[30, 31, 77, 200], [0, 0, 0, 1]] = NAN
    expected = solved(values, np.arange(10, 300), 10, 3, 0.2)
    settings = {"lookbacks": [10], "horizon": 3, "penalties": [0.2]}
    fitted = fit_ridge(values, np.arange(10, 300), np.arange(310, 390), **settings)
    assert fitted.weights == pytest.approx(expected, abs=1e-10)

    late = walk(400, 2)
    late[:50, 1] = NAN
    past, future = (np.concatenate(both) for both in zip(
        pairs(late[:, :1], np.arange(10, 300), 10, 3), pairs(late[:, 1:], np.arange(60, 300), 10, 3), strict=True
    ))  # fmt: skip
    square = past.T @ past / len(past) + 0.2 * np.eye(10)
    fitted = fit_ridge(late, np.arange(10, 300), np.arange(310, 390), **settings)
    assert fitted.weights == pytest.approx(np.linalg.solve(square, past.T @ future / len(past)), abs=1e-10)


def test_missing_labels_do_not_choose() -> None:
    values = walk(300, 2)
    settings = {"lookbacks": [3, 6], "horizon": 4, "penalties": [0.01, 1.0, 30.0]}
    holed = values.copy()
    holed[250:260, 0] = NAN
    # The windows of channel 0 that touch the hole begin in rows 247 to 259.
    fitted = fit_ridge(holed, np.arange(6, 200), np.arange(240, 270), **settings)
    errors = {}
    for lookback in (3, 6):
        past, future = pairs(holed, np.arange(240, 270), lookback, 4)
        assert len(past) == 60 - 13
        for penalty in settings["penalties"]:
            weights = solved(values, np.arange(6, 200), lookback, 4, penalty)
            errors[lookback, penalty] = float(((past @ weights - future) ** 2).mean())
    assert (fitted.lookback, fitted.penalty) == min(errors, key=errors.__getitem__)


@pytest.mark.parametrize("most", [20_000, 40])
def test_filled_labels_do_not_choose(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands for missing labels, the choice is that by the observed ones; the fit is as ever."""
    monkeypatch.setattr(series, "MOST_CHOOSING", most)
    penalties, lookbacks, validation = [0.01, 1.0, 30.0, 1000.0], (3, 6), np.arange(240, 270)
    settings = {"lookbacks": lookbacks, "horizon": 4, "penalties": penalties}
    chosen = set()
    for seed in range(6):
        draw, training = np.random.default_rng(seed), np.arange(6, 15 + 30 * seed)
        values = walk(300, 2, seed)
        filled = np.zeros(values.shape, dtype=bool)
        filled[246:] = draw.random((54, 2)) < 0.6
        values[filled] += draw.normal(0, 9, int(filled.sum()))
        # Channel after channel, and of too many windows evenly spread ones.
        windows = [(channel, int(origin)) for channel in (0, 1) for origin in validation]
        windows = [windows[place] for place in np.linspace(0, 59, min(most, 60)).round().astype(int)]
        errors = {}
        for lookback in lookbacks:
            for penalty in penalties:
                weights = solved(values, training, lookback, 4, penalty)
                squares: list[float] = []
                for channel, origin in windows:
                    history, labels = values[origin - lookback : origin, channel], values[origin : origin + 4, channel]
                    miss = (history - history[-1]) @ weights + history[-1] - labels
                    squares += (miss[~filled[origin : origin + 4, channel]] ** 2).tolist()
                errors[lookback, penalty] = float(np.mean(squares))
        fitted = fit_ridge(values, training, validation, **settings, filled=filled)
        assert (fitted.lookback, fitted.penalty) == min(errors, key=errors.__getitem__)
        expected = solved(values, training, fitted.lookback, 4, fitted.penalty)
        assert fitted.weights == pytest.approx(expected, abs=1e-8)
        chosen.add((fitted.lookback, fitted.penalty))
    assert len(chosen) > 1
    filled[:] = True
    with pytest.raises(ValueError, match="no label of a validation window was observed"):
        fit_ridge(values, training, validation, **settings, filled=filled)


def test_of_too_many_single_windows_evenly_spread_ones_are_taken() -> None:
    """Of ten in one channel, five: those at 0, 2.25, 4.5, 6.75 and 9, rounded."""
    values, validation = walk(200, 1), np.arange(100, 150)
    settings = {"lookbacks": [4], "horizon": 2, "penalties": [0.1]}
    origins = np.arange(10, 30, 2)
    fitted = fit_ridge(values, origins, validation, **settings, most_windows=5)
    expected = solved(values, origins[[0, 2, 4, 7, 9]], 4, 2, 0.1)
    assert fitted.weights == pytest.approx(expected)
    assert fitted.weights != pytest.approx(solved(values, origins, 4, 2, 0.1))


def test_windows_taken_for_others_weigh_as_much_as_those() -> None:
    """All windows of a long run are kept; two of ten single ones count five times each."""
    values, validation = walk(600, 1), np.arange(100, 150)
    run, single = np.arange(200, 400), np.arange(10, 30, 2)
    fitted = fit_ridge(
        values, np.concatenate([single, run]), validation, lookbacks=[4], horizon=2, penalties=[0.1], most_windows=2
    )
    expected = solved(values, np.concatenate([np.repeat(single[[0, 9]], 5), run]), 4, 2, 0.1)
    assert fitted.weights == pytest.approx(expected)


def test_no_channel_is_passed_over_when_windows_are_thinned() -> None:
    """Of 160 windows 41, every fourth but for rounding: in order of time, those of two channels of four."""
    values, validation = walk(300, 4), np.arange(100, 110)
    origins = np.arange(10, 90, 2)
    settings = {"lookbacks": [3], "horizon": 1, "penalties": [0.1], "most_windows": 41}
    fitted = fit_ridge(values, origins, validation, **settings)
    for channel in range(4):
        other = values.copy()
        other[:95, channel] = walk(95, 1, seed=9)[:, 0]
        assert fit_ridge(other, origins, validation, **settings).weights != pytest.approx(fitted.weights)


def test_a_long_run_is_never_thinned() -> None:
    values, origins = walk(400, 2), np.arange(10, 300)
    for training in (origins, origins[::-1], np.random.default_rng(0).permutation(origins)):
        fitted = fit_ridge(
            values, training, np.arange(310, 390), lookbacks=[5], horizon=2, penalties=[0.1], most_windows=1
        )
        assert fitted.weights == pytest.approx(solved(values, origins, 5, 2, 0.1), abs=1e-10)


def test_what_cannot_be_fitted_is_refused() -> None:
    values = walk(50, 1)
    with pytest.raises(ValueError, match="origins must lie from 6 to 47 in a table of 50 rows, not from 5 to 9"):
        fit_ridge(values, np.arange(5, 10), np.arange(20, 30), lookbacks=[3, 6], horizon=3)
    with pytest.raises(ValueError, match="from 6 to 47 in a table of 50 rows, not from 20 to 48"):
        fit_ridge(values, np.arange(6, 10), np.arange(20, 49), lookbacks=[6], horizon=3)
    with pytest.raises(ValueError, match="no window of 6 and 3 rows is complete"):
        fit_ridge(np.full((50, 1), NAN), np.arange(6, 10), np.arange(20, 30), lookbacks=[6], horizon=3)
    with pytest.raises(ValueError, match="no window of 6 and 3 rows is complete"):
        fit_ridge(values, np.arange(6, 10), np.arange(0), lookbacks=[6], horizon=3)
    with pytest.raises(ValueError, match="penalties must be above 0, not 0"):
        fit_ridge(values, np.arange(6, 10), np.arange(20, 30), lookbacks=[6], horizon=3, penalties=[1, 0])


def test_a_constant_series_stays_where_it_is() -> None:
    """Whatever is chosen has no error; the shorter lookback is."""
    fitted = fit_ridge(np.full((50, 1), 3.0), np.arange(6, 20), np.arange(20, 30), lookbacks=[6, 3, 4], horizon=2)
    assert fitted.lookback == 3
    assert steps(fitted.forecast(one(*[3] * 6))) == pytest.approx([3, 3])


def test_only_the_lookback_is_looked_at() -> None:
    """Weights computed by hand: step 1 adds half of the excess of the previous value over the last, step 2 nothing."""
    ridge = Ridge(np.array([[0.5, 0], [0, 0]]), 1.0, 2)
    assert steps(ridge.forecast(one(99, 6, 4))) == [5, 4]
    assert steps(ridge.forecast(one(99, NAN, 4))) == [51.5, 4]
    with pytest.raises(ValueError, match="must have at least 2 rows, not 1"):
        ridge.forecast(one(1))


def test_windows_and_channels_keep_their_places_in_a_forecast() -> None:
    history = walk(24, 3).reshape(4, 6, 3)
    ridge = Ridge(np.random.default_rng(1).normal(size=(6, 5)), 1.0, 6)
    forecast = ridge.forecast(history)
    assert forecast.shape == (4, 5, 3)
    for window in range(4):
        for channel in range(3):
            alone = ridge.forecast(history[window : window + 1, :, channel : channel + 1])
            assert forecast[window, :, channel] == pytest.approx(alone[0, :, 0])


@pytest.mark.parametrize("type_", [np.float32, np.float64])
def test_forecasts_have_the_type_of_the_history(type_: type[np.floating]) -> None:
    history = walk(6, 2)[np.newaxis].astype(type_)
    ridge = Ridge(np.ones((6, 5)), 1.0, 6)
    for forecast in (last_value(history, 5), seasonal_naive(history, 5, 2), drift(history, 5), ridge.forecast(history)):
        assert forecast.dtype == type_
        assert forecast.shape == (1, 5, 2)


def test_penalties_ascend_from_nearly_none() -> None:
    assert list(DEFAULT_PENALTIES) == sorted(DEFAULT_PENALTIES)
    assert (DEFAULT_PENALTIES[0], DEFAULT_PENALTIES[-1]) == pytest.approx((1e-4, 100))
