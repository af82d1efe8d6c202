"""Forecast time series: from a window of rows to the rows after it, with intervals.

Figures are taken over every window, step and channel of a part, in scaled space (standard deviations of the training
rows) and in the series' own units; see `metrics.forecasts`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lstmctl.baselines.series import Ridge, drift, fit_ridge, last_value, seasonal_naive
from lstmctl.cells.cell import Cell, checked_options
from lstmctl.config import Settings
from lstmctl.config.schema import Forecast as ForecastSettings
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.config.schema import SeriesData
from lstmctl.config.schema import Training as TrainingSettings
from lstmctl.data.calendar import calendar_features
from lstmctl.data.series import Layout, SeriesCorpus, open_series
from lstmctl.data.series_encoding import SeriesEncoding
from lstmctl.errors import DataError, RunError
from lstmctl.intervals import conformal_offsets, interval_scores, quantile_offsets, widened
from lstmctl.metrics import Metric
from lstmctl.metrics.forecasts import by_channel, by_step, figures, totals
from lstmctl.models.forecaster import Decoding, Ensemble, Feedback, Forecaster, Sizes, Window
from lstmctl.models.likelihoods import Likelihood, likelihood
from lstmctl.models.normalisation import carried_forward, taken_out
from lstmctl.models.recurrence import Recurrence
from lstmctl.protocols import Batch, Loss, ModelState, Totals
from lstmctl.records import Score
from lstmctl.reporting.quantities import sparkline
from lstmctl.scoring import evaluating, total
from lstmctl.tasks.problem import Problem
from lstmctl.tasks.series_windows import SeriesBatch, SeriesPart, ShuffledOrigins

log = logging.getLogger(__name__)

Floats = NDArray[np.floating[Any]]

PATHS = 100
"""Sample paths from which quantiles are taken where a forecast is made step by step."""
MOST_PROGRESS = 512
"""Windows of a look on the way where every one of them takes many paths."""
MOST_CALIBRATION = 20_000
"""Windows that calibrate intervals: more would not move a quantile."""
RIDGE_LOOKBACKS = 8
"""The ridge baseline chooses among the lookback and so many even parts of it."""
PREVIEW_WIDTH = 40


class Forecast(Problem):
    """The task `forecast`.

    Args:
        settings: the config's `task`.
        encoding: columns, step, scaler and the last rows of every series.
        layout: how a table is read.
        calibration: by how much intervals are widened, (horizon, channels, levels), scaled; None before calibration.
        shorten: the config's `training.shorten`.
        ridge: the config's `model.ridge`.
    """

    def __init__(
        self,
        settings: ForecastSettings,
        encoding: SeriesEncoding,
        layout: Layout,
        calibration: Floats | None = None,
        shorten: float = 0.0,
        ridge: float = 0.0,
    ) -> None:
        self.settings, self.encoding, self.layout, self.calibration = settings, encoding, layout, calibration
        self.shorten, self.ridge = shorten, ridge
        self.likelihood: Likelihood = likelihood(settings.loss, settings.levels)
        self.decoding: Decoding = "last" if settings.shape == "many-to-one" else settings.decoding
        self.masked = layout.missing == "mask"
        self._tensors = lru_cache(maxsize=2)(_tensors)

    # Data.

    @staticmethod
    def open(settings: Settings, config_folder: Path | None) -> SeriesCorpus:
        data, task = settings.data, settings.task
        assert isinstance(data, SeriesData)
        assert isinstance(task, ForecastSettings)
        layout = Layout.of(data.model_dump())
        return open_series(
            data.series, layout, config_folder, lookback=task.lookback, horizon=task.horizon, season=task.season
        )

    @classmethod
    def of(cls, settings: Settings, corpus: SeriesCorpus) -> Self:
        assert isinstance(settings.task, ForecastSettings)
        assert isinstance(settings.data, SeriesData)
        layout = Layout.of(settings.data.model_dump())
        return cls(
            settings.task, corpus.encoding, layout, shorten=settings.training.shorten, ridge=settings.model.ridge
        )

    @classmethod
    def restored(
        cls, settings: Settings, encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
    ) -> Self:
        assert isinstance(settings.task, ForecastSettings)
        assert isinstance(settings.data, SeriesData)
        layout = Layout.of(settings.data.model_dump())
        task = cls(settings.task, SeriesEncoding.from_json(encoding), layout, ridge=settings.model.ridge)
        if calibration is not None:
            try:
                offsets = np.array(calibration["offsets"], dtype=np.float64)
            except (KeyError, TypeError, ValueError) as error:
                raise RunError("calibration.json is damaged") from error
            expected = (settings.task.horizon, len(task.encoding.targets), len(settings.task.levels))
            if offsets.shape != expected:
                raise RunError(f"calibration.json holds offsets {offsets.shape}; {expected} are right")
            if not np.isfinite(offsets).all():
                raise RunError("calibration.json is damaged: it holds offsets that are no finite numbers")
            task.calibration = offsets
        return task

    def read(self, files: Sequence[str]) -> SeriesCorpus:
        settings = self.settings
        spans = {"lookback": settings.lookback, "horizon": settings.horizon}
        try:
            corpus = open_series(files, self.layout, None, **spans, encoding=self.encoding)
        except DataError as error:  # settings are the run's: here only the file can change
            if error.hint is None or "data." not in error.hint:
                raise
            hint = f"mend the file; or train on it with what a config may say: {error.hint}"
            raise DataError(str(error), hint=hint) from error
        return corpus

    def overlap(self, corpus: SeriesCorpus) -> str | None:
        """In a sentence, how far a table reaches back into the one the run was trained on; None where it does not."""
        begins = corpus.table.times[corpus.table.bounds[:-1]]
        ends = dict(zip(self.encoding.tail.ids, self.encoding.tail.times[self.encoding.tail.ends - 1], strict=True))
        for name, begin in zip(corpus.table.ids, begins, strict=True):
            if begin <= ends[name]:
                until = self.encoding.step.text(int(ends[name]))
                return f"Rows up to {until} are of the table the run was trained on: it may have learnt from them."
        return None

    def difference(self, other: Self) -> str | None:
        for key in ("targets", "past", "known", "static", "calendar"):
            own, others = (tuple(getattr(encoding, key)) for encoding in (self.encoding, other.encoding))
            if own != others:
                return (
                    f"other {key} columns than this data: {', '.join(others) or 'none'}, not {', '.join(own) or 'none'}"
                )
        return None

    def facts(self, corpus: SeriesCorpus) -> dict[str, Any]:
        rows = {name: int((spans[:, 1] - spans[:, 0]).sum()) for name, spans in corpus.parts.items()}
        encoding = self.encoding
        return {
            "series": len(encoding.ids),
            "channels": list(encoding.targets),
            "step": str(encoding.step),
            "season": encoding.season,
            "scaled_by": encoding.rows_used,
            "parts": rows,
            "rows": _rows_of_each(corpus),
            "windows": {name: int(corpus.origins(name)[1].sum()) for name in corpus.parts},
            "notes": list(corpus.notes),
        }

    def part(self, corpus: SeriesCorpus, name: str, device: torch.device) -> SeriesPart:
        """One part, with all rows of the table: windows reach back."""
        values, past, known, static = self._tensors(_Identity(corpus), device)
        return SeriesPart(
            values,
            past,
            known,
            static,
            torch.from_numpy(corpus.table.bounds[:-1]).to(device),
            torch.from_numpy(corpus.parts[name]).to(device),
            torch.from_numpy(self._places(corpus.table.ids)).to(device),
            self.settings.lookback,
            self.settings.horizon,
            name,
        )

    def _places(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Which of the run's series each of a table's is."""
        places = {name: place for place, name in enumerate(self.encoding.ids)}
        return np.array([places[name] for name in ids], dtype=np.int64)

    def require(self, part: SeriesPart) -> None:
        """Raises DataError where the validation part is too short to be halved, or a part holds no known value; one
        without a window was refused when it was opened."""
        parts = [self._choosing(part), self.calibrating(part)] if part.name == "validation" else [part]
        for one in parts:
            if self.masked and not any(bool(batch.target.isfinite().any()) for batch in one.scored()):
                raise DataError(
                    f"no value of {', '.join(self.encoding.targets)} is known in the {part.name} part, so there is "
                    "nothing to score",
                    hint="give it another share in data.split",
                )

    # Training.

    @property
    def unit(self) -> str:
        return "windows"

    @property
    def primary(self) -> Metric:
        if self.likelihood.has_intervals:
            return Metric("pinball_scaled")
        return Metric("mse_scaled" if self.settings.loss == "mse" else "mae_scaled")

    def model(self, settings: ModelSettings, cell: type[Cell], generator: torch.Generator) -> Ensemble:
        options = checked_options(cell, settings.options)
        encoding, task = self.encoding, self.settings
        sizes = Sizes(
            task.lookback,
            task.horizon,
            task.segment,
            len(encoding.targets),
            len(encoding.past),
            len(encoding.known) + 2 * len(encoding.calendar),
            len(encoding.static),
        )

        def recurrence(inputs: int) -> Recurrence:
            return Recurrence(
                lambda inputs: cell(inputs, settings.hidden, options),
                inputs,
                settings.layers,
                dropout=settings.dropout,
                variational=settings.variational_dropout,
                layer_norm=settings.layer_norm,
                residual=settings.residual,
            )

        def member() -> Forecaster:
            return Forecaster(
                sizes,
                recurrence,
                settings.embedding,
                self.decoding,
                self.likelihood,
                joint=task.channels == "joint",
                linear=settings.linear,
                masked=self.masked,
                channel_embedding=settings.channel_embedding,
            )

        model = Ensemble(member, settings.ensemble, (task.lookback, task.horizon) if settings.ridge else None)
        model.initialise(generator)
        return model

    def prepare(self, model: nn.Module, training: SeriesPart, validation: SeriesPart) -> None:
        """Fit the ridge regression that stands beside the network.

        Raises:
            DataError: so many values are missing that there is nothing to fit it to.
        """
        assert isinstance(model, Ensemble)
        if model.ridge is None:
            return
        fitted = self._fit_ridge(training, validation)
        if fitted is None:
            raise DataError("model.ridge has nothing to be fitted to: no window is complete", hint="model.ridge=0")
        # It may look at fewer rows than the network: those before count for nothing.
        model.ridge[-fitted.lookback :] = torch.from_numpy(fitted.weights).to(model.ridge)

    def training_order(self, part: SeriesPart, training: TrainingSettings, seed: int) -> ShuffledOrigins:
        return ShuffledOrigins(part, training.batch, seed)

    def initial_state(self, model: nn.Module, batch: Batch) -> ModelState:
        return ()  # every window starts from zero

    def loss(self, model: nn.Module, batch: Batch, state: ModelState) -> Loss:
        """The mean over steps, channels and members, summed over windows; missing values count nowhere."""
        assert isinstance(batch, SeriesBatch)
        window, shift, scale = self._window(model, batch)
        target = batch.target.to(shift)
        if model.training:
            window, target = self._augmented(window, target, shift)
        seen = ~target.isnan() if self.masked else None
        # What a distribution is trained on is the likelihood of what came, so what came is also what it goes on from.
        forced = None
        if self.likelihood.has_samples and self.decoding in ("recursive", "encoder-decoder"):
            forced = (target - shift) / scale
        losses = []
        for outputs in model(window, forced):
            each = self.likelihood.loss(self.likelihood.read(_full(outputs), shift, scale), target.nan_to_num())
            if seen is None:
                losses.append(each.mean((0, 2)))
            else:
                losses.append(torch.where(seen, each, 0).sum((0, 2)) / seen.sum((0, 2)).clamp(min=1))
        return Loss(torch.stack(losses).mean(0).sum(), batch.lanes, ())

    def progress(self, part: SeriesPart) -> Iterator[SeriesBatch]:
        """The windows that choose the weights: all of the validation part, or its first half where the second is kept
        for calibration."""
        return self._choosing(part).scored(MOST_PROGRESS if self.has_joint_distribution else None)

    def score(self, model: nn.Module, batch: Batch, state: ModelState) -> tuple[Totals, ModelState]:
        assert isinstance(batch, SeriesBatch)
        point, intervals = self.forecasts(model, batch)
        return self.sums(batch, windows_first(point), None if intervals is None else windows_first(intervals)), ()

    def metrics(self, totals: Totals) -> dict[str, float]:
        """All figures; first the one that decides."""
        found = figures(totals)
        return {name: found[name] for name in (self.primary.name, *found) if name in found}

    def sample(self, model: nn.Module, generator: torch.Generator) -> str:
        """How the first series goes on after its last row, in the height of a line."""
        batch, _ = self.tail(next(model.parameters()).device, preview=True)
        lines = []
        with torch.no_grad(), evaluating(model):
            point = self.uncalibrated(model, batch.part(0, 1))[0]
        for channel, name in enumerate(self.encoding.channels[: len(self.encoding.targets)]):
            rows = max(1, self.settings.horizon)
            before = batch.input[-2 * rows :, 0, channel].tolist()
            course = sparkline([*before, *point[:, 0, channel].tolist()], PREVIEW_WIDTH)
            after = round(len(course) * rows / (len(before) + rows))
            lines.append(f"{course[: len(course) - after]} → {course[len(course) - after :]}  {name}")
        return "\n".join(lines)

    # Forecasts.

    def forecasts(self, model: nn.Module, batch: SeriesBatch) -> tuple[Tensor, Tensor | None]:
        """Points (horizon, batch, channels) and intervals (horizon, batch, channels, levels, 2), scaled.

        The intervals are those of `uncalibrated`, widened by the calibration; None for a point forecast without one.
        """
        point, spans = self.uncalibrated(model, batch)
        if self.calibration is not None:
            return point, self._widened(spans, self.calibration)
        return point, spans if self.likelihood.has_intervals else None

    def uncalibrated(self, model: nn.Module, batch: SeriesBatch) -> tuple[Tensor, Tensor]:
        """As `forecasts`, with the likelihood's own intervals, or with the point at both ends where it has none.

        What is drawn step by step has the quantiles of its sample paths. An ensemble's points and intervals are the
        means of its members'.
        """
        count = len(self.settings.levels)
        if self.has_joint_distribution:
            paths = self.paths(model, batch, PATHS, torch.Generator().manual_seed(0))
            at = torch.tensor(self._ends, dtype=paths.dtype, device=paths.device)
            spans = paths.quantile(at, dim=0).movedim(0, -1)
            return paths.mean(0), spans.reshape(*spans.shape[:-1], count, 2)
        window, shift, scale = self._window(model, batch)
        read = [self.likelihood.read(outputs, shift, scale) for outputs in self._outputs(model, window)]
        point = torch.stack([self.likelihood.point(parameters) for parameters in read]).mean(0)
        # The ridge regression moves the whole forecast; how wide its intervals are is the network's to say.
        moved = self._by_ridge(model, batch, point)
        if not self.likelihood.has_intervals:
            return moved, moved[..., None, None].expand(*point.shape, count, 2)
        spans = torch.stack([self.likelihood.quantiles(parameters, self._ends) for parameters in read]).mean(0)
        return moved, spans.reshape(*spans.shape[:-1], count, 2) + (moved - point)[..., None, None]

    def _by_ridge(self, model: nn.Module, batch: SeriesBatch, point: Tensor) -> Tensor:
        """The mean of a point and of what the ridge regression forecasts, weighed as the config has it."""
        assert isinstance(model, Ensemble)
        if model.ridge is None:
            return point
        filled = carried_forward(batch.input) if self.masked else batch.input
        last = filled[-1:]
        ridge = torch.einsum("lbc,lh->hbc", filled - last, model.ridge.to(filled)) + last
        return torch.lerp(point, ridge.to(point), self.ridge)

    def paths(self, model: nn.Module, batch: SeriesBatch, count: int, generator: torch.Generator) -> Tensor:
        """Draws from the joint distribution of the horizon, (count, horizon, batch, channels), scaled; in an ensemble
        each member draws its share.

        Raises:
            TypeError: there is none, as nothing is drawn that the next step could go on from.
        """
        if not self.has_joint_distribution:
            raise TypeError("only a distribution that is forecast step by step has sample paths")
        assert isinstance(model, Ensemble)
        window, shift, scale = self._window(model, batch)
        drawn = []
        members = model.each()
        for index, member in enumerate(members):
            share = count * (index + 1) // len(members) - count * index // len(members)
            if share == 0:
                continue
            values: list[Tensor] = []
            member.roll_out(
                window.repeated(share), self._drawing(share, batch.lanes, member.sequences, generator, values)
            )
            lanes = torch.cat(values).reshape(self.settings.horizon, share, batch.lanes, -1).movedim(1, 0)
            drawn.append(lanes * scale + shift)
        return torch.cat(drawn)

    def _drawing(
        self, share: int, batch: int, sequences: int, generator: torch.Generator, values: list[Tensor]
    ) -> Feedback:
        """What feeds draws back, and keeps them. The noise of a path is the same for every window: what is drawn for
        one does not depend on those beside it."""

        def draw(outputs: Tensor) -> Tensor:
            outputs = _full(outputs)
            shape = (2, len(outputs), share, 1, sequences, outputs.shape[2])
            noise = torch.rand(shape, generator=generator, dtype=torch.float64).clamp(min=1e-12)
            radius, angle = noise.expand(-1, -1, -1, batch, -1, -1).flatten(2, 4).to(outputs)
            plain = outputs.new_zeros(())
            values.append(self.likelihood.sample(self.likelihood.read(outputs, plain, plain + 1), (radius, angle)))
            return values[-1]

        return draw

    @property
    def has_joint_distribution(self) -> bool:
        """Whether sample paths can be drawn."""
        return self.likelihood.has_samples and self.decoding in ("recursive", "encoder-decoder")

    def tail(
        self, device: torch.device, corpus: SeriesCorpus | None = None, *, preview: bool = False
    ) -> tuple[SeriesBatch, NDArray[np.int64]]:
        """The last window of every series, to forecast what comes after the end of a table; and its last row in it.
        Series shorter than the lookback are left out, with a warning.

        Args:
            corpus: a newer table; by default the end of the one the run was trained on.
            preview: the first series alone, with its mean for what is not known far enough in advance.

        Raises:
            DataError: every series is shorter than the lookback, or what must be known in advance ends too soon.
        """
        table = self.encoding.tail if corpus is None else corpus.table
        scaled = self.encoding.scaled(table)
        settings, encoding = self.settings, self.encoding
        where = "the run's own table" if corpus is None else corpus.names[0]
        long_enough = np.flatnonzero(table.ends - table.bounds[:-1] >= settings.lookback)
        if not len(long_enough):
            longest = int((table.ends - table.bounds[:-1]).max())
            raise DataError(
                f"{where}: {'the longest series' if table.ids[1:] else 'the table'} has {longest:,} rows; "
                f"a forecast is made from task.lookback={settings.lookback:,}",
                hint="give it the rows before as well",
            )
        if preview:
            long_enough = long_enough[:1]
        elif short := len(table.ids) - len(long_enough):
            log.warning("%d series of fewer than %d rows are not forecast", short, settings.lookback)
        rows, known = [], []
        for index in long_enough:
            end, stop = int(table.ends[index]), int(table.bounds[index + 1])
            what = table.ids[index] or where
            there = scaled.known[end : min(stop, end + settings.horizon), : len(encoding.known)]
            given = _rows_given(there)
            if not preview and encoding.known and given < settings.horizon:
                last = encoding.step.text(int(table.times[end + given - 1]))
                raise DataError(
                    f"{', '.join(encoding.known)} must be known for {settings.horizon:,} rows after the last "
                    f"{', '.join(encoding.targets)} of {what}, but ends {given:,} rows after it, at {last}",
                    hint="append rows with these columns alone, or train without data.known",
                )
            rows.append(np.arange(end - settings.lookback, end))
            times = encoding.step.times_after(int(table.times[end - 1]), settings.horizon)
            ahead = np.zeros((settings.horizon, len(encoding.known)))
            ahead[:given] = there[:given]
            known.append(np.concatenate([ahead, calendar_features(times, encoding.calendar, encoding.step)], axis=1))
        taken = np.stack(rows, axis=1)
        series = self._places([table.ids[index] for index in long_enough])
        inputs = torch.from_numpy(scaled.values[taken]).to(device)
        return SeriesBatch(
            input=inputs,
            target=inputs.new_full((settings.horizon, len(rows), len(encoding.targets)), torch.nan),
            fresh=True,
            past=torch.from_numpy(scaled.past[taken]).to(device),
            known=torch.from_numpy(
                np.concatenate([scaled.known[taken], np.stack(known, axis=1).astype(np.float32)])
            ).to(device),
            static=torch.from_numpy(scaled.static[long_enough]).to(device).unsqueeze(0),
            series=torch.from_numpy(series).to(device),
        ), table.ends[long_enough] - 1

    # Intervals.

    def calibrate(self, model: nn.Module, part: SeriesPart) -> dict[str, Any] | None:
        """Widen the intervals by what they missed in the validation part, or narrow them (conformal prediction; Romano,
        Patterson & Candès 2019). Rows that chose the weights are left out, unless the config shares them."""
        if self.settings.calibration == "none":
            return None
        scores, _ = self.calibration_scores(model, self.calibrating(part))
        self.calibration = self.offsets(scores)
        if self.calibration is None:
            return None
        return {"offsets": self.calibration.tolist(), "windows": len(scores), "rows": self.settings.calibration}

    def calibrating(self, part: SeriesPart) -> SeriesPart:
        """The rows of the validation part that are kept for calibration."""
        return self._half(part, 1) if self.settings.calibration == "separate" else part

    def calibration_scores(self, model: nn.Module, part: SeriesPart) -> tuple[Floats, NDArray[np.int64]]:
        """How far the truth lay outside of each uncalibrated interval, (windows, horizon, channels, levels), and the
        series of each window; in order of series and time."""
        scores, series = [], []
        with torch.no_grad(), evaluating(model):
            for batch in part.scored(self._most_calibration):
                assert batch.series is not None
                _, spans = self.uncalibrated(model, batch)
                scores.append(interval_scores(windows_first(batch.target), windows_first(spans)))
                series.append(batch.series.cpu().numpy())
        return np.concatenate(scores), np.concatenate(series)

    def notes(self, part: str, *, chosen: bool) -> tuple[str, ...]:
        settings = self.settings
        rows = "the second half of the validation part" if settings.calibration == "separate" else "the validation part"
        chose = "the first half" if settings.calibration == "separate" else "the same rows"
        found = []
        if self.calibration is not None:
            weights = f"; {chose} chose the weights" if chosen else ""
            found.append(f"The intervals were calibrated on {rows}{weights}.")
        elif self.likelihood.has_intervals:
            found.append("The intervals are the network's own: nothing calibrated them.")
        if part == "validation":
            also = "their coverage here is what it was made to be, and " if self.calibration is not None else ""
            found.append(
                f"These are rows that choices were made on: {also}the ridge regression was chosen on them too."
            )
        if self.encoding.season > settings.lookback:
            found.append(
                f"No seasonal naive forecast: a season of {self.encoding.season:,} rows is longer than the lookback."
            )
        return tuple(found)

    def offsets(self, scores: Floats) -> Floats | None:
        """By how much to widen; None, with a warning, where too few windows can tell.

        Args:
            scores: (windows, horizon, channels), or with levels behind.
        """
        found = np.asarray((conformal_offsets if scores.ndim == 3 else quantile_offsets)(scores, self.shares))
        known = np.isfinite(found)
        if known.all():
            return found
        whole = np.asarray(known.all((0, 2)))
        lacking = [name for name, own in zip(self.encoding.targets, whole, strict=True) if not own]
        if not known.any((0, 1)).all():
            log.warning(
                "%d windows are too few to calibrate intervals of %d %%", len(scores), max(self.settings.levels)
            )
            return None
        log.warning("too few known values of %s to calibrate by: it takes the widest of the others", ", ".join(lacking))
        widest = np.where(known, found, -np.inf).max((0, 1))
        return np.where(known, found, widest)

    # Scores and baselines.

    def evaluate(self, model: nn.Module, part: SeriesPart) -> Score:
        """Every window.

        Raises:
            DataError: there is none.
        """
        if len(part) == 0:
            raise DataError(
                f"no series is long enough for one window: task.lookback={part.lookback:,} and "
                f"task.horizon={part.horizon:,} rows"
            )
        return self.as_score(total(model, self, part.scored()), len(part))

    def references(self, corpus: SeriesCorpus, split: str) -> dict[str, Score]:
        """Last value, seasonal naive, drift, and a ridge regression from lookback to horizon whose penalty and lookback
        are chosen on the validation part. Their intervals are calibrated on the rows that calibrate the network's. What
        needs a training part is left out where there is none."""
        horizon, season, lookback = self.settings.horizon, self.encoding.season, self.settings.lookback
        cpu = torch.device("cpu")
        baselines: dict[str, Callable[[Floats], Floats]] = {"last value": lambda history: last_value(history, horizon)}
        if 1 < season <= lookback:
            baselines["seasonal naive"] = lambda history: seasonal_naive(history, horizon, season)
        if lookback > 1:
            baselines["drift"] = lambda history: drift(history, horizon)
        whole = set(corpus.parts) == {"validation"}
        if not whole:
            training, validation = (self.part(corpus, name, cpu) for name in ("training", "validation"))
            if (ridge := self._fit_ridge(training, validation)) is not None:
                baselines["ridge"] = ridge.forecast
        part = self.part(corpus, split, cpu)
        found = {}
        for name, forecast in baselines.items():
            offsets = None
            if not whole and self.settings.calibration != "none":
                scores = [
                    np.abs(windows_first(batch.target) - forecast(windows_first(batch.input)))
                    for batch in self.calibrating(validation).scored(self._most_calibration)
                ]
                offsets = self.offsets(np.concatenate(scores))
            sums: dict[str, Any] = {}
            for batch in part.scored():
                point = forecast(windows_first(batch.input))
                spans = None
                if offsets is not None:
                    spans = widened(np.repeat(point[..., None, None], len(self.shares), -2).repeat(2, -1), offsets)
                for key, value in self.sums(batch, point, spans).items():
                    sums[key] = sums.get(key, 0) + value
            found[name] = self.as_score(sums, len(part))
        return found

    def _fit_ridge(self, training: SeriesPart, validation: SeriesPart) -> Ridge | None:
        """Lookback and penalty chosen on the rows that choose the weights; None where no window is complete."""
        lookback = self.settings.lookback
        shares = range(1, RIDGE_LOOKBACKS + 1)
        try:
            return fit_ridge(
                training.values.cpu().numpy(),
                _origins(training),
                _origins(self._choosing(validation)),
                lookbacks=sorted({max(1, lookback * share // RIDGE_LOOKBACKS) for share in shares}),
                horizon=self.settings.horizon,
                begins=training.begins.cpu().numpy(),
            )
        except ValueError:
            log.warning("no ridge regression: no window of the training or the validation part is complete")
            return None

    def as_score(self, sums: Totals, windows: int) -> Score:
        """The figures that follow from such sums."""
        names = self.encoding.targets
        return Score(self.metrics(sums), windows, by_channel(sums, names), by_step(sums))

    def sums(self, batch: SeriesBatch, point: Floats, intervals: Floats | None) -> Totals:
        """What `metrics.forecasts` adds up of forecasts (batch, horizon, channels), however they were made."""
        assert batch.series is not None
        series = batch.series.cpu().numpy()
        encoding = self.encoding
        return dict(
            totals(
                windows_first(batch.target),
                point,
                intervals,
                self.shares,
                spread=encoding.spread[series][:, None],
                centre=encoding.centre[series][:, None],
                naive_error=encoding.naive_error[series][:, None],
            )
        )

    # What the methods above share.

    @property
    def shares(self) -> list[float]:
        return [level / 100 for level in self.settings.levels]

    @property
    def _ends(self) -> list[float]:
        """The probabilities of the low and the high end of each interval, one after the other."""
        return [share for level in self.settings.levels for share in ((100 - level) / 200, (100 + level) / 200)]

    @property
    def _most_calibration(self) -> int:
        """Windows: fewer where each takes many paths, and never more numbers than memory is there for."""
        numbers = self.settings.horizon * len(self.encoding.targets) * len(self.settings.levels)
        return max(100, min(MOST_PROGRESS if self.has_joint_distribution else MOST_CALIBRATION, 100_000_000 // numbers))

    def _choosing(self, part: SeriesPart) -> SeriesPart:
        return self._half(part, 0) if self.settings.calibration == "separate" else part

    def _half(self, part: SeriesPart, which: int) -> SeriesPart:
        half = part.half(which)
        if len(half) == 0:
            raise DataError(
                f"half of the validation part holds no window of task.horizon={self.settings.horizon:,} rows",
                hint="task.calibration=shared calibrates on the rows that choose the weights, =none not at all; "
                "or give the validation part a larger share in data.split",
            )
        return half

    def _widened(self, spans: Tensor, offsets: Floats) -> Tensor:
        ends = widened(windows_first(spans), offsets)
        return torch.from_numpy(np.ascontiguousarray(ends)).to(spans).transpose(0, 1)

    def _augmented(self, window: Window, target: Tensor, shift: Tensor) -> tuple[Window, Tensor]:
        """Windows as training sees them: mirrored by chance where forecasts are odd, and some of them shortened."""
        lookback, batch, channels = window.values.shape
        if self.settings.symmetry == "odd":
            each = 1 if self.settings.channels == "joint" else channels
            sign = torch.where(torch.rand(1, batch, each) < 0.5, -1.0, 1.0).to(window.values)
            window, target = window._replace(values=window.values * sign), shift + sign * (target - shift)
        if self.shorten:
            segments = lookback // self.settings.segment
            hidden = (torch.rand(batch) * segments).long() * (torch.rand(batch) < self.shorten)
            kept = torch.arange(lookback).unsqueeze(1) >= hidden * self.settings.segment
            mask = kept.unsqueeze(-1).to(window.values)
            seen = None if window.seen is None else window.seen * mask
            window = window._replace(values=window.values * mask, past=window.past * mask, seen=seen)
        return window, target

    def _outputs(self, model: nn.Module, window: Window) -> list[Tensor]:
        """The outputs of each member, in the numbers that figures are computed in."""
        found: list[Tensor] = [_full(outputs) for outputs in model(window)]
        if self.settings.symmetry == "none":
            return found
        mirror = window._replace(values=-window.values)
        others = [self.likelihood.mirrored(_full(outputs)) for outputs in model(mirror)]
        return [(own + other) / 2 for own, other in zip(found, others, strict=True)]

    def _window(self, model: nn.Module, batch: SeriesBatch) -> tuple[Window, Tensor, Tensor]:
        """What the network sees, and the shift and scale (1, batch, channels) that were taken out of it, all in the
        numbers of its weights."""
        assert batch.past is not None
        assert batch.known is not None
        assert batch.static is not None
        dtype = next(model.parameters()).dtype
        values = batch.input.to(dtype)
        seen = ~values.isnan() if self.masked else None
        shift, scale = taken_out(values, seen, self.settings.normalisation)
        normalised = (values - shift) / scale
        if seen is None:
            return (
                Window(normalised, None, batch.past.to(dtype), batch.known.to(dtype), batch.static.to(dtype)),
                shift,
                scale,
            )
        window = Window(
            normalised.nan_to_num(), seen.to(dtype), batch.past.to(dtype), batch.known.to(dtype), batch.static.to(dtype)
        )
        return window, shift, scale


def _full(outputs: Tensor) -> Tensor:
    """Outputs in the numbers that figures are computed in."""
    return outputs.float() if outputs.dtype == torch.bfloat16 else outputs


def windows_first(tensor: Tensor) -> Floats:
    """(rows, batch, …) to an array (batch, rows, …)."""
    array: Floats = tensor.detach().float().transpose(0, 1).cpu().numpy()
    return array


def _origins(part: SeriesPart) -> NDArray[np.int64]:
    return part.origins(torch.arange(len(part), device=part.rows.device))[0].cpu().numpy()


def _rows_of_each(corpus: SeriesCorpus) -> dict[str, int] | None:
    """The rows of each part in every series; None where series differ."""
    lengths = {name: np.unique(spans[:, 1] - spans[:, 0]) for name, spans in corpus.parts.items()}
    if any(len(different) > 1 for different in lengths.values()):
        return None
    return {name: int(same[0]) for name, same in lengths.items()}


def _rows_given(known: Floats) -> int:
    """How many of the first rows lack nothing."""
    lacking = np.isnan(known).any(axis=1)
    return int(np.argmax(lacking)) if lacking.any() else len(known)


class _Identity:
    """A corpus as a key: the same object is the same data."""

    def __init__(self, corpus: SeriesCorpus) -> None:
        self.corpus = corpus

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.corpus is self.corpus

    def __hash__(self) -> int:
        return id(self.corpus)


def _tensors(key: _Identity, device: torch.device) -> tuple[Tensor, ...]:
    scaled = key.corpus.scaled()
    arrays: Iterable[Floats] = (scaled.values, scaled.past, scaled.known, scaled.static)
    return tuple(torch.from_numpy(array).to(device) for array in arrays)
