"""The theta method and exponential smoothing against plain loops, and on histories that are not nice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from lstmctl.baselines import exponential_smoothing as smoothing
from lstmctl.baselines.exponential_smoothing import smooth, smoothing_forecasts, smoothing_parameters
from lstmctl.baselines.seasonal_adjustment import (
    ADDITIVE,
    MULTIPLICATIVE,
    NONE,
    Lanes,
    adjusted,
    is_seasonal,
    naive2_forecasts,
    seasonal_indices,
)
from lstmctl.baselines.theta import theta_forecasts, theta_parameters

NAN = np.nan
Floats = NDArray[np.float64]
METHODS = (theta_forecasts, smoothing_forecasts)


def lanes(*series: Floats) -> Lanes:
    longest = max(map(len, series))
    values = np.full((longest, len(series)), 1e9)
    for number, one in enumerate(series):
        values[: len(one), number] = one
    return Lanes(values, np.array([len(one) for one in series]))


def one(values: Floats) -> Floats:
    return values[np.newaxis, :, np.newaxis]


def seasonal_walk(rows: int, season: int, seed: int = 0) -> Floats:
    generator = np.random.default_rng(seed)
    level = 50 + np.cumsum(generator.normal(size=rows)) + 0.1 * np.arange(rows)
    return level * (1 + 0.3 * np.sin(2 * np.pi * np.arange(rows) / season)) + generator.normal(size=rows)


def indices_by_loop(values: Floats, season: int, kind: int) -> Floats:
    deviations: list[list[float]] = [[] for _ in range(season)]
    half = season // 2
    for row in range(half, len(values) - half):
        window = values[row - half : row + half + 1].copy()
        if season % 2 == 0:
            window[[0, -1]] /= 2
        average = window.sum() / season
        deviations[row % season].append(values[row] / average if kind == MULTIPLICATIVE else values[row] - average)
    means = np.array([np.mean(each) for each in deviations])
    found: Floats = means / means.mean() if kind == MULTIPLICATIVE else means - means.mean()
    return found


def is_seasonal_by_loop(values: Floats, season: int) -> bool:
    deviation = values - values.mean()
    r = [float(deviation[lag:] @ deviation[: len(values) - lag] / (deviation @ deviation)) for lag in range(season + 1)]
    limit = 1.645 * np.sqrt((1 + 2 * sum(each**2 for each in r[1:season])) / len(values))
    return bool(abs(r[season]) > limit)


def theta_by_loop(values: Floats, horizon: int, season: int) -> Floats:
    """The state space form of Fiorucci et al. (2016), with alpha on a fine grid."""
    n = len(values)
    indices = np.ones(season)
    if is_seasonal_by_loop(values, season):
        indices = indices_by_loop(values, season, MULTIPLICATIVE)
    y = values / indices[np.arange(n) % season]
    slope, intercept = np.polyfit(np.arange(1, n + 1), y, 1)
    best, found = np.inf, np.empty(horizon)
    for alpha in np.linspace(0.1, 0.99, 3000):

        def run(start: float, alpha: float = float(alpha)) -> tuple[Floats, Floats]:
            level = start
            errors, ahead = list[float](), list[float]()
            for t in range(n + horizon):
                power = (1 - alpha) ** t
                expected = level + 0.5 * (intercept * power + slope * (1 - power * (1 - alpha)) / alpha)
                value = y[t] if t < n else expected
                (errors if t < n else ahead).append(value - expected if t < n else expected)
                level = alpha * value + (1 - alpha) * level
            return np.array(errors)[3:], np.array(ahead)

        zero = run(0.0)[0]
        derivative = run(1.0)[0] - zero
        start = -float(zero @ derivative / (derivative @ derivative))
        errors, ahead = run(start)
        if errors @ errors < best:
            best, found = float(errors @ errors), ahead
    forecast: Floats = found * indices[(n + np.arange(horizon)) % season]
    return forecast


@pytest.mark.parametrize("season", [7, 12])
@pytest.mark.parametrize("kind", [ADDITIVE, MULTIPLICATIVE])
def test_seasonal_indices(season: int, kind: int) -> None:
    series = [seasonal_walk(rows, season, rows) for rows in (100, 61, 2 * season)]
    found = seasonal_indices(lanes(*series), season, kind)
    for place, values in enumerate(series):
        assert found[:, place] == pytest.approx(indices_by_loop(values, season, kind), rel=1e-9, abs=1e-9)


def test_whether_a_season_shows() -> None:
    noise = np.random.default_rng(3).normal(size=(90, 40))
    noise[:, 20:] += 1.1 * np.sin(2 * np.pi * np.arange(90) / 12)[:, np.newaxis]
    found = is_seasonal(Lanes(noise, np.full(40, 90)), 12)
    assert found.tolist() == [is_seasonal_by_loop(values, 12) for values in noise.T]
    assert found[:20].sum() < 4 < 16 < found[20:].sum() < 20
    assert not is_seasonal(lanes(seasonal_walk(23, 12)), 12).any()
    assert not is_seasonal(lanes(np.full(50, 3.0)), 12).any()


def test_theta_is_the_method_of_the_literature() -> None:
    series = [seasonal_walk(72, 6), seasonal_walk(45, 6, 1), np.random.default_rng(5).normal(5, 1, size=60)]
    history = np.full((3, 72, 1), NAN)
    for number, values in enumerate(series):
        history[number, 72 - len(values) :, 0] = values
    found = theta_forecasts(history, 8, 6)
    for number, values in enumerate(series):
        assert found[number, :, 0] == pytest.approx(theta_by_loop(values, 8, 6), rel=1e-3)


def test_the_smoothing_of_a_trend_has_the_best_initial_states() -> None:
    series = [seasonal_walk(40, 12), seasonal_walk(25, 12, 1)]
    alpha, beta, phi = 0.4, 0.1, 0.9

    def run(values: Floats, level: float, trend: float) -> tuple[Floats, float, float]:
        errors = []
        for value in values:
            error = value - level - phi * trend
            errors.append(error)
            level, trend = level + phi * trend + alpha * error, phi * trend + beta * error
        return np.array(errors)[smoothing.NOT_COUNTED :], level, trend

    found = smooth(lanes(*series), *(np.array([[each]]) for each in (alpha, beta, phi)))
    for place, values in enumerate(series):
        zero = run(values, 0, 0)[0]
        design = np.stack([run(values, 1, 0)[0] - zero, run(values, 0, 1)[0] - zero], axis=1)
        start = np.linalg.lstsq(design, -zero, rcond=None)[0]
        errors, level, trend = run(values, *start)
        assert found.error[0, place] == pytest.approx(errors @ errors)
        assert found.level[0, place] == pytest.approx(level)
        assert found.trend[0, place] == pytest.approx(trend)


def test_smoothing_chooses_trend_and_season() -> None:
    rows, generator = np.arange(120), np.random.default_rng(1)
    cycle = np.sin(2 * np.pi * rows / 12)
    noise = 0.1 * generator.normal(size=120)
    line = 3 + 0.5 * rows + noise
    level = 20 + noise
    sums = -100 + 0.5 * rows + 5 * cycle + noise
    products = (20 + 0.5 * rows) * (1 + 0.4 * cycle) * (1 + 0.01 * noise)
    history = np.stack([line, level, sums, products], axis=1)[np.newaxis]
    kind, _, beta, phi = smoothing_parameters(history, 12)[0].T
    assert kind[1:].tolist() == [
        NONE,
        ADDITIVE,
        MULTIPLICATIVE,
    ]  # a line passes the test too: it correlates with itself
    assert (beta > 0).tolist() == [True, False, True, True]
    assert phi[0] == 1
    found = smoothing_forecasts(history, 12, 12)[0]
    ahead = 120 + np.arange(12)
    assert found[:, 0] == pytest.approx(3 + 0.5 * ahead, abs=0.2)
    assert found[:, 1] == pytest.approx(np.full(12, 20), abs=0.1)
    assert found[:, 2] == pytest.approx(-100 + 0.5 * ahead + 5 * cycle[:12], abs=0.5)
    assert found[:, 3] == pytest.approx((20 + 0.5 * ahead) * (1 + 0.4 * cycle[:12]), rel=0.06)


@pytest.mark.parametrize("method", METHODS)
def test_odd_histories_have_finite_forecasts(method: Callable[..., Floats]) -> None:
    zero, constant = np.zeros(40), np.full(40, -7.5)
    counts = np.random.default_rng(0).poisson(0.3, 40).astype(float)
    single = np.full(40, NAN)
    single[-1] = 4
    unknown = np.full(40, NAN)
    negative = seasonal_walk(40, 4) - 60
    huge = 1e12 + seasonal_walk(40, 4)
    history = np.stack([zero, constant, counts, single, unknown, negative, huge], axis=1)[np.newaxis]
    found = method(history.astype(np.float32), 30, 4)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found[0, :, 0] == pytest.approx(0)
    assert found[0, :, 1] == pytest.approx(-7.5)
    assert found[0, :, 3] == pytest.approx(4)
    assert found[0, :, 4] == pytest.approx(0)


@pytest.mark.parametrize("method", METHODS)
def test_a_history_begins_with_its_first_known_value(method: Callable[..., Floats]) -> None:
    values = seasonal_walk(60, 6)
    padded = np.concatenate([np.full(25, NAN), values])
    assert method(one(padded), 9, 6) == pytest.approx(method(one(values), 9, 6))
    gap, carried = values.copy(), values.copy()
    gap[[20, 21]] = NAN
    carried[[20, 21]] = values[19]
    assert method(one(gap), 9, 6) == pytest.approx(method(one(carried), 9, 6))


@pytest.mark.parametrize(("method", "fit"), list(zip(METHODS, (theta_parameters, smoothing_parameters), strict=True)))
def test_histories_are_independent_and_their_parameters_can_be_kept(
    method: Callable[..., Floats], fit: Callable[..., Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = (90, 30, 61, 90, 12)
    history = np.full((5, 90, 2), NAN)
    for number, rows in enumerate(lengths):
        for channel in (0, 1):
            history[number, 90 - rows :, channel] = seasonal_walk(rows, 6, 10 * number + channel)
    together = method(history, 7, 6)
    for number in range(5):
        assert together[number] == pytest.approx(method(history[number : number + 1], 7, 6)[0], rel=1e-6)
    kept = fit(history, 6)
    assert kept.shape[:2] == (5, 2)
    assert method(history, 7, 6, kept) == pytest.approx(together)
    monkeypatch.setattr("lstmctl.baselines.seasonal_adjustment.LANES", 3)
    assert method(history, 7, 6) == pytest.approx(together, rel=1e-6)


def test_ratios_need_positive_values() -> None:
    positive = seasonal_walk(48, 12) + 5
    series = lanes(positive, np.where(np.arange(48) == 30, 0.0, positive))
    assert adjusted(series, 12, np.full(2, MULTIPLICATIVE)).kinds.tolist() == [MULTIPLICATIVE, ADDITIVE]
    assert adjusted(lanes(positive[:23]), 12, np.full(1, ADDITIVE)).kinds.tolist() == [NONE]
    for kind in (ADDITIVE, MULTIPLICATIVE):
        without = adjusted(series, 12, np.full(2, kind))
        backwards = without.restored(np.ones((14, 2)))
        assert backwards[0] == pytest.approx(backwards[12])


def test_naive2_repeats_the_last_value_without_its_season() -> None:
    season = np.array([0.5, 1.0, 1.5])
    level = np.repeat([10.0, 10, 10, 10, 12], 3)
    found = naive2_forecasts(one(level * np.tile(season, 5)), 4, 3)[0, :, 0]
    assert found[:3] / season == pytest.approx(np.full(3, found[0] / 0.5), rel=0.1)
    assert found[3] == found[0]
    walk = seasonal_walk(23, 12)
    assert naive2_forecasts(one(walk), 2, 12)[0, :, 0] == pytest.approx(walk[-1])
