"""The theta method and exponential smoothing as graphs, fitted to the history that a call is given.

They compute what `baselines.theta` and `baselines.exponential_smoothing` do, in the same order, for all candidates of a
search at once. Where a history begins late, values of 0 come before it: they change no state and are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmctl.baselines import exponential_smoothing as smoothing
from lstmctl.baselines import theta
from lstmctl.baselines.seasonal_adjustment import CRITICAL, NEARLY_ZERO, SMALLEST_INDEX
from lstmctl.export.graph import Body, Function, Operand, Shape, Value

TINY = float(np.finfo(np.float64).tiny)
BEYOND = 1e300
"""More than any value or error."""


class Adjusted(NamedTuple):
    """A history without its season."""

    values: Value
    """(rows, channels); 0 before a history begins."""
    restored: Callable[[Value], Value]
    """Put the season back into forecasts (horizon, channels)."""
    logarithms: Value | None = None
    """(1, channels), the sum of the logarithms of the ratios of all rows whose errors count; None without ratios."""


class Lanes(NamedTuple):
    """Inputs of smoothing, each (rows, lanes)."""

    values: Value
    """Less the first; 0 before a history begins."""
    onset: Value
    """1 in the first row."""
    counted: Value
    """1 in the rows whose errors count."""


class History:
    """A history and the forecasts that are fitted to it.

    Args:
        body: of the function that forecasts.
        functions: the predictor's; more are added.
        values: (rows, channels) in original units, float64; NaN if missing.
        season: in rows; 1 for none.
        horizon: steps ahead.
    """

    def __init__(self, body: Body, functions: dict[str, Function], values: Value, season: int, horizon: int) -> None:
        self.body, self.functions, self.season, self.horizon = body, functions, season, horizon
        self.rows, self.channels = values.shape[0] or 0, values.shape[1] or 0
        nothing = body.weight("no_rows", np.zeros(self.channels))
        first = body.reshape(body.slice(values, 0, 1, axis=0), (self.channels,), "first_row")
        (filled, self.numbers), _ = body.scan(self._fills(), [values], [first, nothing], name="history")
        self.seen = body.binary("less", 0.0, self.numbers, "seen")
        self.values = body.where(self.seen, filled, 0.0, "known_values")
        self.lengths = body.slice(self.numbers, self.rows - 1, self.rows, axis=0, name="lengths")
        self.last = body.slice(self.values, self.rows - 1, self.rows, axis=0, name="last_value")
        self.lowest = -body.reduce("max", body.where(self.seen, -self.values, -BEYOND), 0, "negative_lowest")
        self.onset = body.binary("equal", self.numbers, 1.0, "onset")
        self.counted = body.binary("less", float(smoothing.NOT_COUNTED), self.numbers, "counted")
        self.steps = body.weight("steps_ahead", np.arange(horizon, dtype=np.float64)[:, np.newaxis])
        self.sums, self.ratios = self._adjusted()

    def theta(self) -> Value:
        """Forecast by the theta method, (horizon, channels)."""
        body, ratios = self.body, self.ratios
        count = body.binary("max", self.lengths, 1.0)
        middle = (self.lengths - 1.0) / 2.0
        places = self.numbers - 1.0
        mean = body.reduce("sum", ratios.values, 0) / count
        moments = body.where(self.seen, (ratios.values - mean) * (places - middle), 0.0)
        squares = body.binary("max", count * (count * count - 1.0) / 12.0, 1.0)
        slope = body.binary("div", body.reduce("sum", moments, 0), squares, "slope")
        intercept = body.binary("sub", mean, slope * middle, "intercept")
        first, lanes = self._lanes(ratios.values * 2.0 - intercept - places * slope)
        grid = np.linspace(theta.LOW, theta.HIGH, theta.GRID)[:, np.newaxis]
        alphas = body.weight("alphas", np.repeat(grid, self.channels, axis=1))
        error, levels = self._levels(body, lanes, alphas)
        kept = self._kept(body, "keep_alpha", error, alphas, levels)
        distance = (theta.HIGH - theta.LOW) / (theta.GRID - 1) / 2
        distances = body.weight("distances", distance / 2.0 ** np.arange(theta.ROUNDS)[:, np.newaxis])
        _, (_, _, level) = body.scan(self._search_of_theta(), [distances], kept, constants=lanes, name="theta")
        found = ratios.restored((intercept + slope * (self.steps + self.lengths) + (level + first)) / 2.0)
        return body.where(body.binary("less", self.lengths, float(theta.FEWEST_ROWS)), self.last, found)

    def smoothing(self) -> Value:
        """Forecast by exponential smoothing, (horizon, channels)."""
        body = self.body
        kinds = [self.sums] if self.season == 1 else [self.sums, self.ratios]
        width = len(kinds) * self.channels
        values = body.concat([kind.values for kind in kinds], name="adjusted")
        first, lanes = self._lanes(values, len(kinds))
        grid = [
            body.weight(f"grid_of_{name}", np.repeat(tried[..., np.newaxis], width, axis=2))
            for name, tried in zip(PARAMETERS, _grid(), strict=True)
        ]
        error, *found = self._trends(body, lanes, grid)
        kept = self._kept(body, "keep_parameters", error, *grid, *found)
        halves = body.weight("halves", 0.5 ** np.arange(smoothing.ROUNDS)[:, np.newaxis])
        search = self._search_of_smoothing((3, width))
        _, (error, _, _, phi, level, trend) = body.scan(search, [halves], kept, constants=lanes, name="smoothed")
        shape = (3 * len(kinds), self.channels)
        by_kind = [
            body.reshape(body.transpose(body.reshape(one, (3, len(kinds), self.channels)), (1, 0, 2)), shape)
            for one in (self._criterion(values, error, kinds), level + first, trend, phi)
        ]
        is_ratio = np.repeat(np.arange(len(kinds), dtype=np.float64), 3)[:, np.newaxis]
        of_ratios = body.weight("is_of_ratios", np.repeat(is_ratio, self.channels, axis=1))
        _, level, trend, phi, chosen = self._kept(body, "keep_model", *by_kind, of_ratios)
        (damped,), _ = body.scan(
            self._damps(), [self.steps], [phi * 0.0 + 1.0, phi * 0.0], constants=[phi], name="damped"
        )
        forecast = body.binary("add", damped * trend, level, "smoothed_forecast")
        found_by = body.where(chosen, self.ratios.restored(forecast), self.sums.restored(forecast))
        return body.where(body.binary("less", self.lengths, float(smoothing.FEWEST_ROWS)), self.last, found_by)

    # Rows and seasons.

    def _fills(self) -> Function:
        body = self._function("fill_history", "Keep the last known value, and count rows from the first.")
        shape = (self.channels,)
        x = _input(body, "x", shape, "a row")
        last = _input(body, "last", shape)
        count = _input(body, "count", shape, "number of rows from the first known value")
        now = body.where(body.unary("isnan", x), last, x, "now")
        counted = body.binary("add", count, 1.0 - body.unary("isnan", now), "counted_rows")
        body.output("filled", now, "the row")
        body.output("number", counted, "number of the row, from 1 for the first known one")
        body.output("last", now, "the last known values")
        body.output("count", counted, "number of rows from the first known value")
        return self._stored(body)

    def _adjusted(self) -> tuple[Adjusted, Adjusted]:
        """Remove a season that shows, by differences, and by ratios where these are possible."""
        body, season = self.body, self.season
        if season == 1:
            without = Adjusted(self.values, lambda forecast: forecast)
            return without, without
        is_seasonal = self._is_seasonal()
        trend, known, middle = self._moving_average()
        differences = self._indices(body.where(known, middle - trend, 0.0), known)
        centred = differences - body.reduce("mean", differences, 0)
        centred = body.where(is_seasonal, centred, 0.0, "seasonal_differences")
        divisible = known * (1.0 - body.binary("equal", trend, 0.0))
        shares = body.where(divisible, middle / body.where(divisible, trend, 1.0), 0.0)
        shares = self._indices(shares, known)
        mean = body.reduce("mean", shares, 0)
        shares = body.binary("div", shares, body.where(body.binary("less", 0.0, mean), mean, 1.0), "seasonal_ratios")
        largest = body.reduce("max", body.where(self.seen, self.values, -BEYOND), 0)
        smallest = -body.reduce("max", -shares, 0)
        is_positive = body.binary("less", largest * NEARLY_ZERO, self.lowest) * body.binary("less", 0.0, self.lowest)
        possible = is_seasonal * is_positive * (1.0 - body.binary("less", smallest, SMALLEST_INDEX))
        body.rename(possible, "ratios_possible")
        shares = body.where(possible, shares, 1.0, "shares")
        (past, future), (past_shares, future_shares) = self._every(centred), self._every(shares)
        sums = body.where(self.seen, self.values - past, 0.0, "without_differences")
        quotients = body.where(self.seen, self.values / past_shares, 0.0)
        ratios = body.where(possible, quotients, sums, "without_ratios")
        logarithms = body.reduce("sum", body.where(self.counted, body.unary("log", past_shares), 0.0), 0)
        return (
            Adjusted(sums, lambda forecast: forecast + future),
            Adjusted(
                ratios,
                lambda forecast: body.where(possible, forecast * future_shares, forecast + future),
                logarithms,
            ),
        )

    def _is_seasonal(self) -> Value:
        """Test the autocorrelation at the season, (1, channels)."""
        body, season = self.body, self.season
        mean = body.reduce("sum", self.values, 0) / body.binary("max", self.lengths, 1.0)
        deviations = body.where(self.seen, self.values - mean, 0.0)
        size = body.binary("max", body.reduce("max", body.unary("abs", deviations), 0), TINY)
        relative = body.binary("div", deviations, size, "relative_deviations")
        nothing = body.weight("no_season", np.zeros((season, self.channels)))
        _, (_, products) = body.scan(self._correlates(), [relative], [nothing, nothing], name="correlated")
        square = body.reduce("sum", body.unary("square", relative), 0)
        correlation = products / body.where(body.binary("less", 0.0, square), square, 1.0)
        body.rename(correlation, "correlation")
        before = body.reduce("sum", body.unary("square", body.slice(correlation, 0, season - 1, axis=0)), 0)
        count = body.binary("max", self.lengths, 1.0)
        limit = body.unary("sqrt", (before * 2.0 + 1.0) / count) * CRITICAL
        own = body.unary("abs", body.slice(correlation, season - 1, season, axis=0))
        long_enough = body.binary("less", 2.0 * season - 0.5, self.lengths)
        found = body.binary("less", limit, own) * long_enough
        body.rename(found, "is_seasonal")
        return found

    def _correlates(self) -> Function:
        body = self._function("correlate", "Sum the products of a row with each of the season before it.")
        x = _input(body, "x", (self.channels,), "a row")
        before = _input(body, "before", (self.season, self.channels), "the rows before, the latest first")
        products = _input(body, "products", (self.season, self.channels), "sums of products")
        row = body.reshape(x, (1, self.channels), "row")
        rows = [row, body.slice(before, 0, self.season - 1, axis=0)]
        body.output("before", body.concat(rows, 0), "the rows before the next")
        body.output("products", before * x + products, "sums of products")
        return self._stored(body)

    def _moving_average(self) -> tuple[Value, Value, Value]:
        """Return the centred moving average over a season, whether it is known, and the values in its middle."""
        body, half, rows = self.body, self.season // 2, self.rows
        step = self._function("accumulate", "Add a row to the sum of the rows before.")
        x = _input(step, "x", (self.channels,), "a row")
        before = _input(step, "before", (self.channels,), "the sum of the rows before")
        total = step.binary("add", before, x, "total")
        step.output("total", total, "the sum")
        step.output("before", total, "the sum")
        nothing = body.weight("no_rows", np.zeros(self.channels))
        (sums,), _ = body.scan(self._stored(step), [self.values], [nothing], name="sums")
        sums = body.concat([body.reshape(nothing, (1, self.channels)), sums], 0, "sums_before")
        trend = body.slice(sums, 2 * half + 1, rows + 1, axis=0) - body.slice(sums, 0, rows - 2 * half, axis=0)
        if self.season % 2 == 0:
            ends = [body.slice(self.values, start, start + rows - 2 * half, axis=0) for start in (0, 2 * half)]
            trend = trend - (ends[0] + ends[1]) / 2.0
        trend = body.binary("div", trend, float(self.season), "moving_average")
        known = body.slice(self.seen, 0, rows - 2 * half, axis=0, name="average_known")
        return trend, known, body.slice(self.values, half, rows - half, axis=0)

    def _indices(self, deviations: Value, known: Value) -> Value:
        """Return the mean of deviations by phase, (season, channels)."""
        body, half, cycles = self.body, self.season // 2, -(-self.rows // self.season)
        rest = cycles * self.season - (deviations.shape[0] or 0) - half
        ends = [np.zeros((length, self.channels)) for length in (half, rest)]
        totals = []
        for values in (deviations, known):
            parts = [body.weight("before_average", ends[0]), values]
            parts += [body.weight("after_average", ends[1])] if rest else []
            cycled = body.reshape(body.concat(parts, 0), (cycles, self.season, self.channels))
            totals.append(body.reshape(body.reduce("sum", cycled, 0), (self.season, self.channels)))
        return totals[0] / body.binary("max", totals[1], 1.0)

    def _every(self, indices: Value) -> tuple[Value, Value]:
        """Return the index of every row, and of every step of the forecast."""
        body = self.body
        cycles = -(-(self.rows + self.horizon) // self.season)
        ones = body.weight("cycles", np.ones((cycles, 1, 1)))
        every = ones * body.reshape(indices, (1, self.season, self.channels))
        every = body.reshape(every, (cycles * self.season, self.channels), "every_index")
        bounds = (0, self.rows), (self.rows, self.rows + self.horizon)
        past, future = (body.slice(every, start, stop, axis=0) for start, stop in bounds)
        return past, future

    def _lanes(self, values: Value, copies: int = 1) -> tuple[Value, Lanes]:
        """Return the first values (1, lanes), and values less these."""
        body = self.body
        onset, seen, counted = (body.concat([one] * copies) for one in (self.onset, self.seen, self.counted))
        first = body.reduce("sum", body.where(onset, values, 0.0), 0, "first_value")
        return first, Lanes(body.where(seen, values - first, 0.0, "less_first"), onset, counted)

    # Smoothing and searching.

    def _levels(self, body: Body, lanes: Lanes, alpha: Value) -> tuple[Value, Value]:
        """Smooth with candidates of alpha (candidates, lanes); return errors and levels after the last row."""
        shape = alpha.shape
        step = self._function(f"smooth_{shape[0]}", "Update levels by a row; derivatives are by the initial level.")
        row, onset, counted = (_input(step, name, shape[1:]) for name in Lanes._fields)
        own = _input(step, "alpha", shape)
        names = ("level", "derivative", "squares", "mixed", "square")
        level, derivative, squares, mixed, square = (_input(step, name, shape) for name in names)
        derivative = step.binary("add", derivative, onset, "response")
        error = -step.binary("sub", level, row, "excess")
        weighted = step.binary("mul", derivative, counted, "weighted")
        after = [
            own * error + level,
            (1.0 - own) * derivative,
            error * error * counted + squares,
            error * weighted + mixed,
            derivative * weighted + square,
        ]
        for name, value in zip(names, after, strict=True):
            step.output(name, value, "after the row")
        nothing = alpha * 0.0
        states = [nothing] * len(names)
        _, (level, derivative, squares, mixed, square) = body.scan(
            self._stored(step), lanes, states, constants=[alpha], name="smooth"
        )
        initial = body.binary("div", mixed, body.binary("max", square, TINY), "initial_level")
        return body.binary("max", squares - initial * mixed, 0.0), derivative * initial + level

    def _search_of_theta(self) -> Function:
        step, shape = self._function("search_alpha", "Try the neighbours of alpha at a distance."), (self.channels,)
        distance = _input(step, "distance", (1,))
        lanes = Lanes(*(_input(step, name, (self.rows, self.channels)) for name in Lanes._fields))
        best = [_input(step, name, shape) for name in ("least", "alpha", "level")]
        moved = [step.reshape(one, (1, *shape)) for one in (best[1] + distance, best[1] - distance)]
        tried = _clipped(step, step.concat(moved, 0), theta.LOW, theta.HIGH)
        error, levels = self._levels(step, lanes, tried)
        for value in self._kept(step, "keep_alpha", error, tried, levels, best=best):
            step.output(value.name, value, "the best so far")
        return self._stored(step)

    def _trends(self, body: Body, lanes: Lanes, parameters: Sequence[Value]) -> tuple[Value, Value, Value]:
        """Smooth with candidates of alpha, log(beta / alpha) and phi, each (candidates, models, lanes); return errors,
        and levels and trends after the last row.

        A model without a trend is one whose initial trend has no effect.
        """
        shape = parameters[0].shape
        has_trend = body.weight("has_trend", HAS_TREND)
        ratio = body.binary("mul", body.unary("exp", parameters[1]), has_trend, "beta_by_alpha")
        step = self._function(f"smooth_trends_{shape[0]}", "Update levels and trends by a row, with their derivatives.")
        row, onset, counted = (_input(step, name, shape[2:]) for name in Lanes._fields)
        own_alpha, own_ratio, own_phi = (_input(step, name, shape) for name in ("alpha", "ratio", "phi"))
        names = [
            *("level", "trend", "level_0", "level_1", "trend_0", "trend_1"),
            *("squares", "by_level", "by_trend", "first", "both", "second"),
        ]
        level, trend, *derivatives, squares, by_level, by_trend, first, both, second = (
            _input(step, name, shape) for name in names
        )
        # By the initial level, which is 1 in the first row, and by the initial trend.
        derivatives[0] = step.binary("add", derivatives[0], onset)
        derivatives[3] = step.binary("add", derivatives[3], step.weight("has_trend", HAS_TREND) * onset)
        trend = step.binary("mul", trend, own_phi, "damped_trend")
        expected = step.binary("add", level, trend, "expected")
        slopes = [step.binary("mul", one, own_phi, f"slope_{place}") for place, one in enumerate(derivatives[2:])]
        responses = [
            step.binary("add", one, slope, f"response_{place}")
            for place, (one, slope) in enumerate(zip(derivatives[:2], slopes, strict=True))
        ]
        error = step.binary("mul", expected - row, -1.0, "row_error")
        change = step.binary("mul", own_alpha, error, "change")
        weighted = step.binary("mul", error, counted, "weighted")
        counts = [step.binary("mul", one, counted, f"counted_{place}") for place, one in enumerate(responses)]
        changes = [step.binary("mul", own_alpha, one, f"change_{place}") for place, one in enumerate(responses)]
        after = [
            expected + change,
            own_ratio * change + trend,
            *(one - other for one, other in zip(responses, changes, strict=True)),
            *(one - own_ratio * other for one, other in zip(slopes, changes, strict=True)),
            weighted * error + squares,
            weighted * responses[0] + by_level,
            weighted * responses[1] + by_trend,
            counts[0] * responses[0] + first,
            counts[0] * responses[1] + both,
            counts[1] * responses[1] + second,
        ]
        for name, value in zip(names, after, strict=True):
            step.output(name, value, "after the row")
        states = [parameters[0] * 0.0] * len(names)
        constants = [parameters[0], ratio, parameters[2]]
        _, found = body.scan(self._stored(step), lanes, states, constants=constants, name="smooth")
        level, trend, *derivatives, squares, by_level, by_trend, first, both, second = found
        determinant = body.binary("sub", first * second, both * both, "determinant")
        # The initial trend is 0 where it cannot be separated from the level.
        regular = body.binary("less", first * second * 1e-12, determinant, "regular")
        of_trend = body.where(
            regular, (first * by_trend - both * by_level) / body.where(regular, determinant, 1.0), 0.0, "initial_trend"
        )
        of_level = body.binary("div", by_level - both * of_trend, body.binary("max", first, TINY), "initial_level")
        return (
            body.binary("max", squares - of_level * by_level - of_trend * by_trend, 0.0),
            level + derivatives[0] * of_level + derivatives[1] * of_trend,
            trend + derivatives[2] * of_level + derivatives[3] * of_trend,
        )

    def _search_of_smoothing(self, shape: tuple[int, ...]) -> Function:
        step = self._function("search_parameters", "Try the neighbours of the parameters at a distance.")
        half = _input(step, "half", (1,))
        lanes = Lanes(*(_input(step, name, (self.rows, shape[1])) for name in Lanes._fields))
        best = [_input(step, name, shape) for name in ("least", *PARAMETERS, "level", "trend")]
        tried = []
        for place, name in enumerate(PARAMETERS):
            moves = step.weight(f"moves_of_{name}", _moves(place)[..., np.newaxis])
            # Models without damping keep 1.
            low, high = (
                step.weight(f"{end}_{name}", np.array([[1.0], [1.0], [bounds[2]]]))
                if place == 2
                else step.number(bounds[place])
                for end, bounds in (("lowest", smoothing.LOW), ("highest", smoothing.HIGH))
            )
            tried.append(_clipped(step, moves * half + best[1 + place], low, high))
        error, *found = self._trends(step, lanes, tried)
        for value in self._kept(step, "keep_parameters", error, *tried, *found, best=best):
            step.output(value.name, value, "the best so far")
        return self._stored(step)

    def _criterion(self, values: Value, error: Value, kinds: Sequence[Adjusted]) -> Value:
        """Return the AICc (models, lanes), as `baselines.exponential_smoothing`."""
        body = self.body
        counted = body.binary("max", self.lengths - float(smoothing.NOT_COUNTED), 1.0)
        counted = body.concat([counted] * len(kinds), name="errors_counted")
        size = body.reduce("max", body.unary("abs", values), 0)
        variance = body.binary("max", error / counted, body.unary("square", size * 1e-9) + TINY)
        likelihood = body.unary("log", variance) * counted
        if len(kinds) > 1:
            ratios = self.ratios.logarithms
            assert ratios is not None
            likelihood = likelihood + body.concat([ratios * 0.0, ratios * 2.0])
        fitted = np.array(smoothing.FITTED, dtype=np.float64)[:, np.newaxis]
        number = body.weight("fitted", fitted)
        spare = counted - number - 1.0
        corrections = body.weight("corrections", 2 * fitted * (fitted + 1))
        correction = body.where(
            body.binary("less", 0.0, spare), corrections / body.binary("max", spare, 1.0), BEYOND, "correction"
        )
        return likelihood + number * 2.0 + correction

    def _damps(self) -> Function:
        body, shape = self._function("damp", "Add a further step of a damped trend."), (self.channels,)
        _input(body, "ahead", (1,))
        damping, power, total = (_input(body, name, shape) for name in ("damping", "power", "total"))
        power = body.binary("mul", power, damping, "next_power")
        total = body.binary("add", total, power, "next_total")
        body.output("damped", total, "the trend's factor")
        body.output("power", power, "the last damping")
        body.output("total", total, "the sum")
        return self._stored(body)

    def _kept(self, body: Body, name: str, error: Value, *values: Value, best: Sequence[Value] = ()) -> list[Value]:
        """Return the least error and the values that belong to it. Of equal errors, the first wins; the starting point
        is `best`, by default the first candidate."""
        shape = error.shape[1:]
        firsts = [body.reshape(body.slice(one, 0, 1, axis=0), shape) for one in (error, *values)]
        step = self._function(name, "Keep the values that belong to the least error.")
        error_now, *now = (_input(step, f"tried_{place}", shape) for place in range(1 + len(values)))
        before = [_input(step, f"kept_{place}", shape) for place in range(1 + len(values))]
        is_less = step.binary("less", error_now, before[0], "is_less")
        for place, (one, other) in enumerate(zip((error_now, *now), before, strict=True)):
            step.output(f"kept_{place}", step.where(is_less, one, other), "the best so far")
        return body.scan(self._stored(step), [error, *values], best or firsts, name=name)[1]

    def _function(self, name: str, meaning: str) -> Body:
        return Body(name, meaning, self.body.weights)

    def _stored(self, body: Body) -> Function:
        return self.functions.setdefault(body.name, body.function())


HAS_TREND = np.array([[0.0], [1.0], [1.0]])
PARAMETERS = ("alpha", "log_ratio", "phi")
"""Parameters of exponential smoothing: alpha, log(beta / alpha) and phi."""


def _grid() -> NDArray[np.float64]:
    """Return the candidates that the search begins with, (parameters, candidates, models); the last one of a model is
    repeated."""
    alphas, logs, dampings = smoothing.ALPHAS, np.log(smoothing.RATIOS).tolist(), smoothing.DAMPINGS
    models = [
        list(product(alphas, logs[:1], [1.0])),
        list(product(alphas, logs, [1.0])),
        list(product(alphas, logs, dampings)),
    ]
    longest = max(map(len, models))
    return np.array([own + own[-1:] * (longest - len(own)) for own in models]).transpose(2, 1, 0)


def _moves(parameter: int) -> NDArray[np.float64]:
    """Return the first steps of a parameter, (directions, models); the last direction of a model is repeated."""
    found = np.zeros((2 * len(PARAMETERS), len(PARAMETERS)))
    for model in range(parameter, len(PARAMETERS)):
        found[parameter, model], found[model + 1 + parameter, model] = (
            smoothing.STEPS[parameter],
            -smoothing.STEPS[parameter],
        )
        if parameter == model:
            found[2 * model + 1 :, model] = -smoothing.STEPS[parameter]
    return found


def _input(body: Body, name: str, shape: Shape, meaning: str = "") -> Value:
    return body.input(name, shape, meaning or name.replace("_", " "), type="float64")


def _clipped(body: Body, value: Value, low: Operand, high: Operand) -> Value:
    return body.binary("min", body.binary("max", value, low), high)
