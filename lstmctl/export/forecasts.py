"""Graphs of forecasters: rows of a table in, forecasts with intervals in original units out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstmctl.api.forecasting import forecaster
from lstmctl.api.trained import Trained
from lstmctl.data.series_encoding import history_rows
from lstmctl.data.splitting import reported_part
from lstmctl.data.transforms import LOWEST
from lstmctl.export.calendars import calendar
from lstmctl.export.fitted_forecasts import History
from lstmctl.export.forecast_network import Network
from lstmctl.export.graph import Body, Function, Operand, Predictor, Value, Vocabulary
from lstmctl.export.likelihoods import points, quantiles
from lstmctl.export.modules import numbers
from lstmctl.export.probes import Call, Described, Probe
from lstmctl.export.tracing import NotExportableError
from lstmctl.models.categories import CategoryVectors
from lstmctl.models.forecaster import Ensemble, Sizes
from lstmctl.scoring import evaluating
from lstmctl.tasks.forecast import Forecast
from lstmctl.tasks.series_baselines import RIDGE
from lstmctl.tasks.series_predictor import of_the_network
from lstmctl.tasks.series_windows import ROUNDING, SeriesBatch, SeriesPart

FITTED = ("theta", "ETS")
"""Baselines that are fitted to each history, which may be longer than the lookback."""
CHECKED = 24
"""Windows of the held-out part that an export is checked on."""


def describe_forecaster(run: Trained) -> Described:
    """Describe a forecaster, with the weights that `lstmctl forecast` uses.

    Raises:
        NotExportableError: it forecasts by sample paths.
    """
    task, model = forecaster(run, final=True)
    if task.predictor.has_joint_distribution:
        raise NotExportableError(
            f"{run.name} forecasts by sample paths, which exports do not have",
            hint="train with task.loss=quantile, or with task.decoding=parallel",
        )
    functions: dict[str, Function] = {}
    weights: dict[str, NDArray[Any]] = {}
    writer = _Writer(task, model, functions, weights)
    functions["forecast"] = writer.function()
    encoding, settings = task.encoding, task.settings
    vocabularies = {"series": Vocabulary("labels", encoding.ids)} if len(encoding.ids) > 1 else {}
    facts: dict[str, Any] = {
        "columns": ", ".join(encoding.targets),
        "rows": f"{writer.rows} in, {settings.horizon} out, one per {encoding.step}",
        "intervals": ", ".join(f"{level} %" for level in settings.levels) if writer.has_intervals else "none",
    }
    if encoding.categories:
        facts["categories"] = {
            name: f"numbers from 1: {', '.join(known)}; 0 for others" for name, known in encoding.categories.items()
        }
    exact = frozenset(name for name in weights if name.startswith(("ridge", "offsets", "static")))
    predictor = Predictor(functions, weights, vocabularies, facts, ("forecast",), exact=exact)
    return Described(predictor, _probe(run, task, model, writer))


class _Writer:
    """Writes the function `forecast`."""

    def __init__(
        self, task: Forecast, model: Ensemble, functions: dict[str, Function], weights: dict[str, NDArray[Any]]
    ) -> None:
        self.task, self.model, self.functions, self.weights = task, model, functions, weights
        self.encoding, self.settings = task.encoding, task.settings
        self.sizes: Sizes = model.each()[0].sizes
        self.has_intervals = task.calibration is not None or task.likelihood.has_intervals
        self.several = len(task.encoding.ids) > 1
        self.fitted = [name for name in FITTED if name in task.predictor.shares]
        self.rows = max(self.sizes.lookback, history_rows(self.encoding.season)) if self.fitted else self.sizes.lookback
        """Number of rows of the targets in a call."""
        self.body = Body("forecast", f"Forecast the next {self.settings.horizon} rows.", weights)
        self.own_scale: tuple[Value, Value] | None = None
        """Centre and spread of a window of a series without a scale, in float64."""
        self.series: Value | None = None
        if self.several:
            self.series = self.body.input("series", (), "number of the series", type="index", vocabulary="series")

    def function(self) -> Function:
        body, sizes = self.body, self.sizes
        names = ", ".join(self.encoding.targets)
        hint = "NaN if missing" if self.task.masked else "none missing"
        if self.fitted:
            hint = f"NaN before the series begins; otherwise {hint}"
        raw = body.input("values", (self.rows, sizes.channels), f"the last rows of {names}; {hint}", type="float64")
        rows = self.scaled(raw)
        values, centre, spread = self.by_own_scale(self.window(rows))
        filled = self.filled(values)
        shift, scale = self.taken_out(values, filled)
        normalised = (values - shift) / scale
        seen = None
        if self.task.masked:
            missing = body.unary("isnan", normalised)
            normalised, seen = body.where(missing, 0.0, normalised, "normalised"), 1.0 - missing
        inputs = {"past": self.past(), "known": self.known(), "static": self.static()}
        spans, found = [], []
        for number, member in enumerate(self.model.each(), start=1):
            prefix = f"m{number}_" if len(self.model.each()) > 1 else ""
            network = Network(member, self.task, self.functions, self.weights, prefix)
            outputs = network.outputs(body, normalised, seen, **inputs)
            if self.settings.symmetry != "none":
                other = network.mirrored(body, network.outputs(body, -normalised, seen, **inputs))
                outputs = (outputs + other) / 2.0
            found.append(points(body, self.task.likelihood, outputs, shift, scale))
            if self.task.likelihood.has_intervals:
                ends = [share for level in self.settings.levels for share in ((100 - level) / 200, (100 + level) / 200)]
                spans.append(quantiles(body, self.task.likelihood, outputs, shift, scale, ends))
        point = self.mean(found)
        moved = self.blended(point, filled, rows)
        body.output("point", self.unscaled(moved, centre, spread, "point"), "the forecast, in the table's units")
        if self.has_intervals:
            self.intervals(point, moved, self.mean(spans) if spans else None, centre, spread)
        return body.function()

    def table(self, name: str, array: NDArray[Any]) -> Value:
        """Return the row of the series of an array (series, …)."""
        if self.series is None:
            return self.body.weight(name, np.ascontiguousarray(array[0]))
        return self.body.lookup(self.body.weight(name, np.ascontiguousarray(array)), self.series)

    def scaled(self, raw: Value) -> Value:
        """Return values by the scale of their series."""
        centre, spread = self.scale_of_all()
        return self.body.cast((self.transformed(raw) - centre) / spread, "float32", "scaled")

    def scale_of_all(self) -> tuple[Value, Value]:
        """Return centre and spread of the series, placeholders if it has no scale."""
        encoding = self.encoding
        scale = encoding if encoding.transform is None else encoding.transform
        return self.table("centre", scale.centre), self.table("spread", scale.spread)

    def window(self, rows: Value) -> Value:
        """Return the last rows, which the network reads."""
        body, lookback = self.body, self.sizes.lookback
        if self.rows == lookback:
            return rows
        values = body.slice(rows, self.rows - lookback, self.rows, axis=0, name="window")
        # Before a short series begins, the run repeats its first row.
        return values if self.task.masked else self.carried(values, backwards=True)

    def by_own_scale(self, values: Value) -> tuple[Value, Value, Value]:
        """Return values by their own scale if the series has none; and the centre and spread of what is returned."""
        body, encoding = self.body, self.encoding
        centre, spread = self.scale_of_all()
        if encoding.has_scale.all():
            return values, centre, spread
        unscaled = self.table("without_scale", (~encoding.has_scale).astype(np.float32))
        missing = body.unary("isnan", values)
        known = body.where(missing, 0.0, values)
        count = body.binary("max", body.reduce("sum", 1.0 - missing, 0), 1.0)
        own_centre = body.reduce("sum", known, 0) / count
        distance = body.where(missing, 0.0, known - own_centre)
        own_spread = body.unary("sqrt", body.reduce("sum", body.unary("square", distance), 0) / count)
        largest = body.reduce("max", body.unary("abs", known), 0)
        varies = body.binary("less", largest * ROUNDING, own_spread)
        own_centre = body.where(unscaled, own_centre, 0.0, "own_centre")
        own_spread = body.where(unscaled * varies, own_spread, 1.0, "own_spread")
        values = body.binary("div", values - own_centre, own_spread, "values_by_own_scale")
        self.own_scale = body.cast(own_centre, "float64"), body.cast(own_spread, "float64")
        return values, self.own_scale[0] * spread + centre, self.own_scale[1] * spread

    def transformed(self, raw: Value) -> Value:
        """Return f of values, as `data.transforms.transformed`."""
        body, transform = self.body, self.encoding.transform
        if transform is None:
            return raw
        if transform.name == "log1p":
            return body.unary("log", raw + 1.0)
        logs = body.unary("log", raw)
        if transform.name == "log":
            return logs
        power, own = self.powers(transform.power)
        return body.where(body.binary("equal", power, 0.0), logs, (body.unary("exp", own * logs) - 1.0) / own)

    def restored(self, values: Value) -> Value:
        """Return the values (…, channels) whose f is given, as `data.transforms.restored`."""
        body, transform = self.body, self.encoding.transform
        if transform is None:
            return values
        exponential = body.unary("exp", values)
        if transform.name == "log1p":
            return exponential - 1.0
        if transform.name == "log":
            return exponential
        power, own = self.powers(transform.power)
        if len(values.shape) == 3:  # intervals
            power, own = self.by_channel(power), self.by_channel(own)
        base = body.binary("max", own * values, -1.0) + 1.0
        return body.where(
            body.binary("equal", power, 0.0), exponential, body.unary("exp", body.unary("log", base) / own)
        )

    def powers(self, power: NDArray[Any]) -> tuple[Value, Value]:
        """Return the powers of Box and Cox, and the same with 1 instead of 0."""
        return self.table("power", power), self.table("divisor", np.where(power == 0, 1.0, power))

    def filled(self, values: Value) -> Value:
        """Return the values, each missing one replaced by the last known one."""
        return self.carried(values) if self.task.masked else values

    def carried(self, values: Value, *, backwards: bool = False) -> Value:
        """Return the values, each missing one replaced by the last known one, or backwards by the next; 0 if there is
        none."""
        step = Body("carry_forward", "Keep the last known value.", self.weights)
        x = step.input("x", (self.sizes.channels,), "a row")
        last = step.input("last", (self.sizes.channels,), "the last known values")
        now = step.where(step.unary("isnan", x), last, x, "now")
        step.output("filled", now, "the row")
        step.output("last", now, "the last known values")
        self.functions["carry_forward"] = step.function()
        zeros = self.body.weight("nothing_known", np.zeros(self.sizes.channels, np.float32))
        (filled,), _ = self.body.scan(
            self.functions["carry_forward"], [values], [zeros], backwards=backwards, name="filled"
        )
        return filled

    def taken_out(self, values: Value, filled: Value) -> tuple[Operand, Operand]:
        """Return shift and scale (1, channels), or numbers, as `models.normalisation.taken_out`."""
        body, kind = self.body, self.settings.normalisation
        if kind == "none":
            return 0.0, 1.0
        if kind == "last":
            return body.slice(filled, self.sizes.lookback - 1, self.sizes.lookback, axis=0, name="shift"), 1.0
        if self.task.masked:
            missing = body.unary("isnan", values)
            count = body.binary("max", body.reduce("sum", 1.0 - missing, 0), 1.0, "count")
            mean = body.binary("div", body.reduce("sum", body.where(missing, 0.0, values), 0), count, "shift")
            square = body.where(missing, 0.0, body.unary("square", values - mean))
            variance = body.reduce("sum", square, 0) / count
        else:
            mean = body.reduce("mean", values, 0, "shift")
            variance = body.reduce("mean", body.unary("square", values - mean), 0)
        return mean, body.unary("sqrt", variance + 1e-5, "scale")

    def past(self) -> Value | None:
        if not self.encoding.past:
            return None
        names = ", ".join(self.encoding.past)
        meaning = f"the last rows of {names}; NaN if missing"
        raw = self.body.input("past", (self.sizes.lookback, len(self.encoding.past)), meaning, type="float64")
        scaled = self.covariates(raw, "past", self.encoding.past_centre, self.encoding.past_spread)
        return self.with_vectors("past", scaled)

    def known(self) -> Value | None:
        body, encoding, rows = self.body, self.encoding, self.sizes.lookback + self.sizes.horizon
        found = []
        if encoding.known:
            names = ", ".join(encoding.known)
            meaning = f"{names}: the last {self.sizes.lookback} rows, and the next {self.sizes.horizon}"
            raw = body.input("known", (rows, len(encoding.known)), meaning, type="float64")
            found.append(self.covariates(raw, "known", encoding.known_centre, encoding.known_spread))
        if encoding.calendar:
            times = body.input(
                "times",
                (rows,),
                "times of the same rows and of the next, in seconds since 1970-01-01 by the table's clock",
                type="float64",
            )
            features = calendar(body, body.reshape(times, (rows, 1)), encoding.calendar)
            found.append(body.cast(features, "float32", "phases"))
        return self.with_vectors("known", body.concat(found, name="known_features")) if found else None

    def covariates(self, raw: Value, name: str, centre: NDArray[Any], spread: NDArray[Any]) -> Value:
        # A column without a scale is always 0.
        helps = (raw - self.table(f"{name}_centre", centre)) / self.table(
            f"{name}_spread", np.where(np.isnan(spread), np.inf, spread)
        )
        return self.body.cast(self.body.where(self.body.unary("isnan", helps), 0.0, helps), "float32", f"{name}_scaled")

    def static(self) -> Value | None:
        if not self.encoding.static:
            return None
        facts = self.table("static_features", self.encoding.scaled_static(self.encoding.tail))
        return self.with_vectors("static", facts)

    def with_vectors(self, use: str, columns: Value) -> Value:
        """Replace columns of category numbers by their vectors, as `CategoryVectors`."""
        if use not in self.model.categories:
            return columns
        body, vectors = self.body, self.model.categories[use]
        assert isinstance(vectors, CategoryVectors)
        found = [body.slice(columns, place, place + 1) for place in vectors.numeric]
        for place, own in zip(vectors.places, vectors.vectors, strict=True):
            table = np.concatenate([numbers(own).mean(0, keepdims=True), numbers(own)])
            column = body.reshape(body.slice(columns, place, place + 1), columns.shape[:-1])
            number = body.binary("min", body.binary("max", column, 0.0), float(len(own)))
            weight = body.weight(f"categories_{use}_{place}", table)
            found.append(body.lookup(weight, body.cast(number, "index")))
        return body.concat(found, name=f"{use}_with_vectors")

    def mean(self, values: list[Value]) -> Value:
        total = values[0]
        for value in values[1:]:
            total = total + value
        return total if len(values) == 1 else total / float(len(values))

    def blended(self, point: Value, filled: Value, rows: Value) -> Value:
        """Mix the network's forecast with those without a network, as `SeriesPredictor._blended`."""
        ridge, shares = self.model.ridge, self.task.predictor.shares
        if not shares:
            return point
        body, lookback, horizon = self.body, self.sizes.lookback, self.settings.horizon
        last = body.slice(filled, lookback - 1, lookback, axis=0, name="last")
        first = body.slice(filled, 0, 1, axis=0)
        mixed = of_the_network(shares) * point
        if RIDGE in shares:
            assert ridge is not None
            relative = body.transpose(filled - last, (1, 0), "relative")
            mapped = body.linear(relative, body.weight("ridge", numbers(ridge.T)), name="mapped")
            mixed = mixed + (body.transpose(mapped, (1, 0)) + last) * shares[RIDGE]
        if "drift" in shares:
            steps = np.arange(1, horizon + 1, dtype=np.float32)[:, None] / np.float32(max(1, lookback - 1))
            mixed = mixed + (last + (last - first) * body.weight("drift_steps", steps)) * shares["drift"]
        season = self.encoding.season
        if "seasonal naive" in shares:
            cycle = body.slice(filled, lookback - season, lookback, axis=0, name="cycle")
            rest = horizon % season
            cycles = [cycle] * (horizon // season) + ([body.slice(cycle, 0, rest, axis=0)] if rest else [])
            mixed = mixed + body.concat(cycles, 0) * shares["seasonal naive"]
        if "last value" in shares:
            mixed = mixed + last * shares["last value"]
        for name, forecast in self.fitted_to(rows):
            mixed = mixed + forecast * shares[name]
        body.rename(mixed, "mixed")
        return mixed

    def fitted_to(self, rows: Value) -> Iterator[tuple[str, Value]]:
        """Yield the names and forecasts, as scaled as the network's, of models that are fitted to scaled rows."""
        if not self.fitted:
            return
        body, season = self.body, self.encoding.season
        history = body.slice(rows, self.rows - history_rows(season), self.rows, axis=0)
        centre, spread = self.scale_of_all()
        units = self.unscaled(history, centre, spread, "history_in_units")
        fitted = History(body, self.functions, units, season, self.settings.horizon)
        for name in self.fitted:
            found = fitted.theta() if name == "theta" else fitted.smoothing()
            if self.encoding.transform is not None:
                lowest = LOWEST[self.encoding.transform.name]
                found = body.where(body.binary("less", lowest, found), found, fitted.lowest)
            found = (self.transformed(found) - centre) / spread
            if self.own_scale is not None:
                found = (found - self.own_scale[0]) / self.own_scale[1]
            yield name, body.cast(found, "float32", name.lower())

    def unscaled(self, values: Value, centre: Value, spread: Value, name: str) -> Value:
        found = self.restored(self.body.cast(values, "float64") * spread + centre)
        self.body.rename(found, name)
        return found

    def intervals(self, point: Value, moved: Value, ends: Value | None, centre: Value, spread: Value) -> None:
        """Write the ends of all intervals, each widened by the calibration."""
        body, levels = self.body, len(self.settings.levels)
        calibration = self.task.calibration
        offsets = None
        if calibration is not None:
            offsets = self.table("offsets", calibration.by_series.astype(np.float64))
        shape = (self.settings.horizon, self.sizes.channels, 1)
        wide = body.reshape(moved, shape)
        low = high = body.concat([wide] * levels)
        if ends is not None:
            shift = wide - body.reshape(point, shape)
            pairs = body.reshape(ends, (*shape[:2], levels, 2))
            low, high = (
                body.reshape(body.slice(pairs, side, side + 1), (*shape[:2], levels)) + shift for side in (0, 1)
            )
        low, high = body.cast(low, "float64"), body.cast(high, "float64")
        if offsets is not None:
            low, high = low - offsets, high + offsets
            crossing = body.binary("less", high, low, "crossing")
            middle = low / 2.0 + high / 2.0
            low, high = body.where(crossing, middle, low), body.where(crossing, middle, high)
            low, high = self.widest(low, "min"), self.widest(high, "max")
        wide_spread, wide_centre = (self.by_channel(one) for one in (spread, centre))
        words = ", ".join(f"{level} %" for level in self.settings.levels)
        for name, end in (("low", low), ("high", high)):
            value = self.restored(end * wide_spread + wide_centre)
            body.rename(value, name)
            body.output(name, value, f"the {name} ends of the intervals of {words}")

    def by_channel(self, value: Value) -> Value:
        return self.body.reshape(value, (self.sizes.channels, 1))

    def widest(self, ends: Value, function: str) -> Value:
        """Extend each interval to contain the interval of the level below it."""
        levels = len(self.settings.levels)
        parts = [self.body.slice(ends, level, level + 1) for level in range(levels)]
        for level in range(1, levels):
            parts[level] = self.body.binary(function, parts[level - 1], parts[level])
        return self.body.concat(parts)


@torch.no_grad()
def _probe(run: Trained, task: Forecast, model: Ensemble, writer: _Writer) -> Probe:
    corpus: Any = run.corpus()
    part = task.part(corpus, reported_part(corpus.parts), torch.device("cpu"))
    chosen = torch.from_numpy(np.unique(np.linspace(0, len(part) - 1, CHECKED).astype(int)))
    calls = []
    with evaluating(model):
        for number in chosen:
            batch = _alone(part, number.reshape(1))
            point, intervals = task.forecasts(model, batch)
            spread, _ = task.scale_of(batch)
            expected = {"point": task.in_units(batch, point.double().numpy())[:, 0]}
            if intervals is not None:
                for side, name in enumerate(("low", "high")):
                    ends = np.moveaxis(intervals[..., side].double().numpy(), -1, 0)
                    expected[name] = np.moveaxis(task.in_units(batch, ends), 0, -1)[:, 0]
            scale = {"point": spread[0], "low": spread[0][:, None], "high": spread[0][:, None]}
            calls.append(Call("forecast", _inputs(task, corpus, batch, writer), expected, scale=scale))
    return Probe(calls, "standard deviations", len(calls), counted="forecasts")


def _alone(part: SeriesPart, number: torch.Tensor) -> SeriesBatch:
    """Return one window of a part as the only one, so that baselines are fitted to its own history, as in a forecast
    of the future."""
    origins, series = part.origins(number)
    rows = part.rows[:, :1].repeat(1, 2)
    rows[series] = torch.stack([origins, origins + part.horizon], dim=1)
    return replace(part, rows=rows).windows(number * 0)


def _inputs(task: Forecast, corpus: Any, batch: Any, writer: _Writer) -> Mapping[str, NDArray[Any]]:
    """Return the rows of a window, in original units."""
    origin, settings, table = int(batch.origins[0]), task.settings, corpus.table
    lookback, both = (
        slice(origin - settings.lookback, origin),
        slice(origin - settings.lookback, origin + settings.horizon),
    )
    begin = max(origin - writer.rows, int(batch.source.begins[batch.source.counts > 0][0]))
    values = np.full((writer.rows, len(task.encoding.targets)), np.nan)
    values[begin - origin :] = table.targets[begin:origin]
    found = {"values": values}
    if writer.several:
        found["series"] = np.asarray(int(batch.series[0]))
    if task.encoding.past:
        found["past"] = table.past[lookback]
    if task.encoding.known:
        found["known"] = table.known[both]
    if task.encoding.calendar:
        found["times"] = task.encoding.step.local(table.times[both]) / 1e6
    return found
