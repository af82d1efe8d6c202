"""Forecast time series: from a window of rows to the rows after it, with intervals.

Metrics cover every window, step and channel of a part, in scaled space (standard deviations of the training rows) and
in the series' own units; see `metrics.forecasts`.
"""

from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from lstmctl.cells.cell import Cell
from lstmctl.config.schema import Forecast as ForecastSettings
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.config.schema import SeriesData
from lstmctl.config.schema import Training as TrainingSettings
from lstmctl.data.mapping import MappedFile, mapped_files
from lstmctl.data.series import Layout, SeriesCorpus, open_series
from lstmctl.data.series_encoding import SeriesEncoding
from lstmctl.errors import DataError
from lstmctl.intervals import Floats
from lstmctl.metrics import Metric
from lstmctl.metrics.catalogue import primary_of_loss
from lstmctl.metrics.forecasts import SeriesSums, by_channel, by_series, by_step, figures, ratio_of, terms, with_owa
from lstmctl.models.categories import width_of
from lstmctl.models.forecaster import Decoding, Ensemble
from lstmctl.models.likelihoods import Likelihood, likelihood
from lstmctl.protocols import Loss, ModelState, Totals
from lstmctl.reporting.quantities import sparkline
from lstmctl.results.evaluation import Score
from lstmctl.scoring import evaluating, reported
from lstmctl.tasks.augmentation import augmented
from lstmctl.tasks.forecast_names import categorical, weight_names
from lstmctl.tasks.forecast_network import forecast_network
from lstmctl.tasks.forecast_notes import left_out_notes, reading_notes
from lstmctl.tasks.forecast_shares import choose_shares, shares_from_json, shares_in_words
from lstmctl.tasks.forecast_traces import ForecastTraces
from lstmctl.tasks.inspection_input import InspectionInput
from lstmctl.tasks.interval_calibration import (
    Calibration,
    baseline_scores,
    calibrated,
    calibration_rows,
    calibration_scores,
    choosing_rows,
    widened_intervals,
)
from lstmctl.tasks.last_windows import last_windows
from lstmctl.tasks.problem import ConfigOf, Problem, Rows, settings_of_the_run
from lstmctl.tasks.series_baselines import (
    BASELINES,
    RIDGE,
    Builder,
    Members,
    baseline_forecasts,
    naive2,
    named_baseline,
    ridge_baseline,
)
from lstmctl.tasks.series_inspection import windows_to_inspect
from lstmctl.tasks.series_parts import columns_of, part_of
from lstmctl.tasks.series_predictor import MOST_WINDOWS_OF_PATHS, SeriesPredictor, Shares, of_the_network
from lstmctl.tasks.series_windows import SeriesBatch, SeriesPart, ShuffledOrigins, windows_first

Config = ConfigOf[ForecastSettings, SeriesData]
log = logging.getLogger(__name__)

PREVIEW_WIDTH = 40
MANY_FORECASTS = 2000
"""Forecasts of another package, which may take seconds for each, before a warning."""
MOST_CALIBRATING = 100
"""Windows that calibrate the intervals of a baseline of another package, which may take seconds for each."""


class Forecast(Problem[Config, SeriesCorpus, Ensemble, SeriesBatch, SeriesPart]):
    """The task `forecast`.

    Args:
        settings: the config's `task`.
        encoding: columns, step, scaler and the last rows of every series.
        layout: how to read a table.
        calibration: how far to widen intervals; None before calibration.
        shorten: the config's `training.shorten`.
        ridge: the config's `model.ridge`; `calibrate` replaces `auto`.
    """

    BASELINES = BASELINES

    def __init__(
        self,
        settings: ForecastSettings,
        encoding: SeriesEncoding,
        layout: Layout,
        calibration: Calibration | None = None,
        shorten: float = 0.0,
        ridge: float | Literal["auto"] = 0.0,
    ) -> None:
        self.settings, self.encoding, self.layout, self.calibration = settings, encoding, layout, calibration
        self.shorten = shorten
        self.likelihood: Likelihood = likelihood(settings.loss, settings.levels)
        self.decoding: Decoding = "last" if settings.shape == "many-to-one" else settings.decoding
        self.masked = layout.missing == "mask"
        self.chooses_shares = ridge == "auto"
        shares: Shares = {} if ridge == "auto" or ridge == 0 else {RIDGE: ridge}
        members = Members(settings, encoding)
        self.predictor = SeriesPredictor(settings, self.likelihood, self.decoding, self.masked, shares, members)
        self._columns = lru_cache(maxsize=2)(columns_of)

    # Data.

    @staticmethod
    def open(settings: Config, config_folder: Path | None) -> SeriesCorpus:
        data, task = settings.data, settings.task
        layout = Layout.of(data.model_dump())
        return open_series(
            data.series,
            layout,
            config_folder,
            lookback=task.lookback,
            horizon=task.horizon,
            season=task.season,
            history=settings.model.ridge == "auto",
        )

    @classmethod
    def of(cls, settings: Config, corpus: SeriesCorpus) -> Self:
        layout = Layout.of(settings.data.model_dump())
        return cls(
            settings.task, corpus.encoding, layout, shorten=settings.training.shorten, ridge=settings.model.ridge
        )

    @classmethod
    def restored(
        cls, settings: Config, encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
    ) -> Self:
        layout = Layout.of(settings.data.model_dump())
        task = cls(settings.task, SeriesEncoding.from_json(encoding), layout, ridge=settings.model.ridge)
        if calibration is not None and "shares" in calibration:
            shares = shares_from_json(calibration["shares"], task.predictor.members)
            task.predictor = replace(task.predictor, shares=shares)
        if calibration is not None and "offsets" in calibration:
            shape = (settings.task.horizon, len(task.encoding.targets), len(settings.task.levels))
            task.calibration = Calibration.from_json(calibration, task.encoding.channels, shape)
        return task

    def read(self, files: Sequence[str]) -> SeriesCorpus:
        return self._opened(files)

    def read_to_forecast(self, file: str) -> tuple[Self, SeriesCorpus]:
        """Open a table that may have new series; return the task with these series too, and the data.

        Raises:
            DataError: the table cannot be used.
        """
        corpus = self._opened(file, new_series=True)
        return (self if corpus.encoding is self.encoding else self.knowing(corpus.encoding)), corpus

    def _opened(self, files: str | Sequence[str], *, new_series: bool = False) -> SeriesCorpus:
        lookback, horizon = self.settings.lookback, self.settings.horizon
        with settings_of_the_run():
            return open_series(
                files,
                self.layout,
                None,
                lookback=lookback,
                horizon=horizon,
                encoding=self.encoding,
                new_series=new_series,
            )

    def knowing(self, encoding: SeriesEncoding) -> Self:
        """Return this task with an encoding that has further series, which get the intervals of all series together."""
        found = copy.copy(self)
        found.encoding = encoding
        found.predictor = replace(self.predictor, members=Members(self.settings, encoding))
        if found.calibration is not None:
            found.calibration = found.calibration.with_series(len(encoding.ids) - len(self.encoding.ids))
        return found

    def difference(self, other: Self) -> str | None:
        own, others = (categorical(encoding) for encoding in (self.encoding, other.encoding))
        for use, names in own.items():
            if names != others[use]:
                named, not_named = (", ".join(columns) or "none" for columns in (others[use], names))
                return f"other {use} columns of categories than this data: {named}, not {not_named}"
            for name in names:
                count, other_count = (len(one.encoding.categories[name]) for one in (self, other))
                if width_of(count) != width_of(other_count):
                    return f"{other_count} categories of `{name}`, not {count}: its vectors are of another width"
        return None

    @property
    def row_names(self) -> Mapping[str, Rows]:
        return weight_names(self.settings, self.encoding, self.likelihood.outputs, masked=self.masked)

    def facts(self, corpus: SeriesCorpus) -> dict[str, Any]:
        rows = {name: int((spans[:, 1] - spans[:, 0]).sum()) for name, spans in corpus.parts.items()}
        encoding = self.encoding
        return {
            "series": len(encoding.ids),
            "channels": list(encoding.targets),
            "step": str(encoding.step),
            "season": encoding.season,
            "scaled_by": encoding.rows_used,
            "transform": None if encoding.transform is None else encoding.transform.name,
            "parts": rows,
            "rows": _rows_of_each(corpus),
            "windows": {name: int(corpus.origins(name)[1].sum()) for name in corpus.parts},
            "notes": list(corpus.notes),
        }

    def part(self, corpus: SeriesCorpus, name: str, device: torch.device) -> SeriesPart:
        return part_of(corpus, self.encoding, name, self._columns(corpus, self.encoding, device), device)

    def require(self, part: SeriesPart) -> None:
        """Raise DataError if the validation part is too short to be halved, if only series without a scale have windows
        in it, or if a part has no known value. A part without windows was refused when it was opened."""
        rows = self.settings.calibration
        parts = [choosing_rows(part, rows), calibration_rows(part, rows)] if part.name == "validation" else [part]
        for one in parts:
            has_holes = self.masked or part.filled is not None
            if has_holes and not any(batch.has_scored_values for batch in one.scored()):
                raise DataError(
                    f"no value of {', '.join(self.encoding.targets)} is known in the {part.name} part, so there is "
                    "nothing to score",
                    hint="change its share in data.split",
                )

    # Training.

    def mapped_files(self, corpus: SeriesCorpus) -> list[MappedFile]:
        table = corpus.table
        return mapped_files([table.targets, table.past, table.known, table.static])

    def caveats(self, corpus: SeriesCorpus) -> tuple[str, ...]:
        return tuple(filter(None, [corpus.known_too_short(), corpus.overlap]))

    def caveats_on(self, corpus: SeriesCorpus, part: str, *, is_own: bool) -> tuple[str, ...]:
        until = None if is_own else self.encoding.last_shared(corpus.table)
        if until is None:
            return ()
        return (f"Rows up to {until} are in the run's training table: it may have learned from them.",)

    @property
    def next_command(self) -> str:
        return "lstmctl forecast {run} --output forecast.csv --plot forecast.png"

    @property
    def unit(self) -> str:
        return "windows"

    @property
    def primary(self) -> Metric:
        return primary_of_loss(self.settings.loss)

    def model(self, settings: ModelSettings, cell: type[Cell], generator: torch.Generator) -> Ensemble:
        model = forecast_network(settings, cell, self.encoding, self.predictor)
        model.initialise(generator)
        return model

    def prepare(
        self, model: Ensemble, training: SeriesPart, validation: SeriesPart, *, is_started: bool = False
    ) -> None:
        """Fit the ridge regression that is combined with the network; if shares are chosen, initialise the network to
        equal that regression. Raise DataError if too many values are missing."""
        if model.ridge is None:
            return
        fitted = self.fit_ridge(model, training, validation)
        if not fitted and not self.chooses_shares:
            raise DataError("model.ridge has nothing to be fitted to: no window is complete", hint="model.ridge=0")
        if fitted and self.chooses_shares and not is_started and self.settings.normalisation == "last":
            for member in model.each():
                member.begin_as(model.ridge)

    def fit_ridge(
        self, model: Ensemble, training: SeriesPart, validation: SeriesPart, rows: SeriesPart | None = None
    ) -> bool:
        """Fit the ridge regression to the training part, or to `rows` if given, with the lookback and penalty that
        validate best. Return False if no window is complete: its weights are then zero, so it forecasts the last
        value."""
        assert model.ridge is not None
        choosing = choosing_rows(validation, self.settings.calibration)
        fitted = ridge_baseline(training, choosing)
        if fitted is not None and rows is not None:
            fitted = ridge_baseline(rows, choosing, like=fitted)
        if fitted is None:
            return False
        # It may use fewer rows than the network; the weights of earlier rows are 0.
        model.ridge.zero_()
        model.ridge[-fitted.lookback :] = torch.from_numpy(fitted.weights).to(model.ridge)
        return True

    def training_order(self, part: SeriesPart, training: TrainingSettings, seed: int) -> ShuffledOrigins:
        return ShuffledOrigins(part.with_scale(), training.batch, seed)

    def loss(self, model: Ensemble, batch: SeriesBatch, state: ModelState) -> Loss:
        """Compute the mean over steps, channels and members, summed over windows, without missing values."""
        window, shift, scale = self.predictor.window(model, batch)
        target = batch.target.to(shift)
        if model.training:
            window, target = augmented(window, target, shift, self.settings, self.shorten)
        seen = ~target.isnan() if self.masked else None
        if batch.unscaled is not None:
            seen = ~(target.isnan() | batch.unscaled)
        # A distribution is trained on the likelihood of the truth, so it also continues from the truth.
        forced = None
        if self.predictor.has_joint_distribution:
            forced = (target - shift) / scale
        losses = []
        for outputs in model(window, forced):
            each = self.likelihood.loss(self.predictor.read(outputs, shift, scale), target.nan_to_num())
            if seen is None:
                losses.append(each.mean((0, 2)))
            else:
                losses.append(torch.where(seen, each, 0).sum((0, 2)) / seen.sum((0, 2)).clamp(min=1))
        return Loss(torch.stack(losses).mean(0).sum(), batch.lanes, ())

    def progress(self, part: SeriesPart) -> Iterator[SeriesBatch]:
        """Return the windows that select the weights: all, or the first half if the second is kept for calibration."""
        most = MOST_WINDOWS_OF_PATHS if self.predictor.has_joint_distribution else None
        return choosing_rows(part, self.settings.calibration).scored(most)

    def score(self, model: Ensemble, batch: SeriesBatch, state: ModelState) -> tuple[Totals, ModelState]:
        point, intervals = self.forecasts(model, batch)
        return self.sums(batch, windows_first(point), None if intervals is None else windows_first(intervals)), ()

    def metrics(self, totals: Totals) -> dict[str, float]:
        """Return all metrics, with the primary one first."""
        found = figures(totals["sums"].joined()[1])
        return {name: found[name] for name in (self.primary.name, *found) if name in found}

    def sample(self, model: Ensemble, generator: torch.Generator) -> str:
        """Draw the forecast of the first series after its last row, as one line per column."""
        batch, _ = last_windows(
            self.encoding, self.settings, next(model.parameters()).device, masked=self.masked, preview=True
        )
        lines = []
        with torch.no_grad(), evaluating(model):
            point = self.predictor.uncalibrated(model, batch.part(0, 1))[0]
        for channel, name in enumerate(self.encoding.channels[: len(self.encoding.targets)]):
            rows = max(1, self.settings.horizon)
            before = batch.input[-2 * rows :, 0, channel].tolist()
            course = sparkline([*before, *point[:, 0, channel].tolist()], PREVIEW_WIDTH)
            after = round(len(course) * rows / (len(before) + rows))
            lines.append(f"{course[: len(course) - after]} → {course[len(course) - after :]}  {name}")
        return "\n".join(lines)

    def inspection_input(self, model: Ensemble, part: SeriesPart, *, steps: int, lanes: int) -> InspectionInput:
        return windows_to_inspect(self.predictor, self.encoding, model, part, steps * lanes)

    # Forecasts and their intervals.

    def forecasts(self, model: Ensemble, batch: SeriesBatch) -> tuple[Tensor, Tensor | None]:
        """Return points (horizon, batch, channels) and intervals (horizon, batch, channels, levels, 2), scaled.

        The intervals are the predictor's, widened by the calibration; None for a point forecast without one.
        """
        point, spans = self.predictor.uncalibrated(model, batch)
        if self.calibration is not None:
            assert batch.series is not None
            return point, widened_intervals(spans, self.calibration.of(batch.series.cpu().numpy()))
        return point, spans if self.likelihood.has_intervals else None

    def calibrate(self, model: Ensemble, corpus: SeriesCorpus, device: torch.device) -> dict[str, Any] | None:
        return self.calibrate_on(model, *(self.part(corpus, name, device) for name in ("validation", "training")))

    def calibrate_on(
        self, model: Ensemble, part: SeriesPart, training: SeriesPart | None = None
    ) -> dict[str, Any] | None:
        """Choose the shares, and widen the intervals by their misses in the validation part, or narrow them (conformal
        prediction; Romano, Patterson & Candès 2019). Rows that selected the weights are left out, unless the config
        shares them."""
        found: dict[str, Any] = {}
        if self.chooses_shares:
            shares = choose_shares(model, choosing_rows(part, self.settings.calibration), self.predictor, training)
            self.predictor = replace(self.predictor, shares=shares)
            found["shares"] = dict(shares)
        if self.settings.calibration == "none":
            return found or None
        rows = calibration_rows(part, self.settings.calibration)
        scores, series, _ = calibration_scores(model, rows, self.predictor)
        self.calibration = calibrated(scores, series, self.settings.levels, self.encoding)
        if self.calibration is None:
            return found or None
        offsets = self.calibration.to_json(self.encoding.channels)
        return {**found, **offsets, "windows": len(scores), "rows": self.settings.calibration}

    @property
    def mixed_in(self) -> Mapping[str, float]:
        return self.predictor.shares

    def without(self, names: Collection[str]) -> Self:
        kept = {name: share for name, share in self.mixed_in.items() if name not in names}
        rest = of_the_network(self.mixed_in) + sum(kept.values())
        grown = {name: share / rest for name, share in kept.items()}
        found = copy.copy(self)
        found.predictor, found.chooses_shares = replace(self.predictor, shares=grown), False
        return found

    def notes(self, corpus: SeriesCorpus, part: str, *, chosen: bool) -> tuple[str, ...]:
        own: Literal["own", "none"] = "own" if self.likelihood.has_intervals else "none"
        intervals = own if self.calibration is None else "calibrated"
        transform = self.encoding.transform
        reading = reading_notes(
            self.settings,
            self.encoding.season,
            part,
            chosen=chosen,
            intervals=intervals,
            several=self.several,
            transform=None if transform is None else transform.name,
        )
        if self.chooses_shares:
            reading = (shares_in_words(self.predictor.shares), *reading)
        overlaps = part in ("validation", "test") and corpus.overlap is not None
        return (f"{corpus.overlap}.", *reading) if overlaps else reading

    # Scores and baselines.

    def evaluate(self, model: Ensemble, part: SeriesPart) -> Score:
        """Score every window.

        Raises:
            DataError: the part has no window.
        """
        if len(part) == 0:
            raise DataError(
                f"no series is long enough for one window: task.lookback={part.lookback:,} and "
                f"task.horizon={part.horizon:,} rows"
            )
        with torch.no_grad(), evaluating(model):
            return self._scored(self._forecast(model, part), part, residuals=True)

    def references(self, corpus: SeriesCorpus, split: str) -> dict[str, Score]:
        """Score the baselines, with intervals calibrated on the same rows as the network's."""
        return self.plain._references(corpus, split, self.BASELINES)

    def check_names(self, names: Sequence[str]) -> None:
        for name in names:
            named_baseline(name, self.settings, self.encoding)

    def named_references(self, corpus: SeriesCorpus, split: str, names: Sequence[str]) -> dict[str, Score]:
        """Score the baselines with these names, with intervals calibrated on fewer windows."""
        if not names:
            return {}
        built = {name: named_baseline(name, self.settings, self.plain.encoding) for name in names}
        count = len(self.part(corpus, split, torch.device("cpu"))) * len(self.encoding.targets)
        if count > MANY_FORECASTS and any(name not in self.BASELINES for name in names):
            log.warning(
                "%s forecasts %s times, which may take long; backtest has fewer origins", names[0], f"{count:,}"
            )
        builders: dict[str, Builder] = {name: lambda *_, found=found: found for name, found in built.items()}
        return self.plain._references(corpus, split, builders, most=MOST_CALIBRATING)

    @property
    def plain(self) -> Self:
        """The task without its transform, which belongs to the model, not to the baselines."""
        if self.encoding.transform is None:
            return self
        return type(self)(self.settings, replace(self.encoding, transform=None), self.layout)

    def _references(
        self, corpus: SeriesCorpus, split: str, builders: Mapping[str, Builder], most: int | None = None
    ) -> dict[str, Score]:
        """Score baselines; intervals are calibrated on at most `most` windows."""
        cpu, settings, rows = torch.device("cpu"), self.settings, self.settings.calibration
        fitting = calibrating = None
        if set(corpus.parts) != {"validation"}:
            training, validation = (self.part(corpus, name, cpu) for name in ("training", "validation"))
            fitting = training, choosing_rows(validation, rows)
            calibrating = None if rows == "none" else calibration_rows(validation, rows)
        part = self.part(corpus, split, cpu)
        found = {}
        for name, build in builders.items():
            baseline = build(settings, self.encoding, fitting)
            if baseline is None:
                continue
            offsets = None
            if calibrating is not None:
                scores, series = baseline_scores(baseline, calibrating, self.predictor, most)
                own = calibrated(scores, series, settings.levels, self.encoding)
                offsets = None if own is None else own.of
            found[name] = self._scored(baseline_forecasts(baseline, part, offsets), part)
        return found

    def relative(self, corpus: SeriesCorpus, split: str, scores: dict[str, Score]) -> dict[str, Score]:
        """Add OWA to the metrics: the mean of sMAPE and MASE relative to those of Naive 2 (Makridakis, Spiliotis and
        Assimakopoulos 2020, The M4 competition)."""
        plain = self.plain
        part = plain.part(corpus, split, torch.device("cpu"))
        sums: Counter[str] = Counter()
        for batch, point, _ in baseline_forecasts(naive2(plain.encoding), part, None):
            sums.update(plain.sums(batch, point, None))
        naive = plain.metrics(sums)
        return {name: replace(score, metrics=with_owa(score.metrics, naive)) for name, score in scores.items()}

    def _forecast(self, model: Ensemble, part: SeriesPart) -> Iterator[tuple[SeriesBatch, Floats, Floats | None]]:
        for batch in reported(part.scored()):
            point, intervals = self.forecasts(model, batch)
            yield batch, windows_first(point), None if intervals is None else windows_first(intervals)

    def _scored(
        self,
        forecasts: Iterable[tuple[SeriesBatch, Floats, Floats | None]],
        part: SeriesPart,
        *,
        residuals: bool = False,
    ) -> Score:
        """Score forecasts of all windows of a part, in order."""
        traces = ForecastTraces(part, self.encoding, ratio_of(self.primary.name), residuals=residuals)
        sums: Counter[str] = Counter()
        for batch, point, spans in forecasts:
            sums.update(self.sums(batch, point, spans, traces))
        return replace(self.as_score(sums, len(part)), traces=traces.found())

    def as_score(self, sums: Totals, windows: int) -> Score:
        """Return the score of sums over some windows, with notes on what it leaves out."""
        targets = self.encoding.targets
        rows, found = sums["sums"].joined()
        values = windows * self.settings.horizon * len(targets)
        return Score(
            self.metrics(sums),
            windows,
            by_channel(found, targets, rows % len(targets)),
            by_step(found),
            notes=left_out_notes(found, values, self.layout.missing, self.encoding.without_scale),
            by_series=by_series(found, [self.encoding.channels[row] for row in rows]) if self.several else {},
        )

    @property
    def several(self) -> bool:
        """True if there are several series, or channels."""
        return len(self.encoding.channels) > 1

    def sums(
        self, batch: SeriesBatch, point: Floats, intervals: Floats | None, traces: ForecastTraces | None = None
    ) -> Totals:
        """Compute the sums of `metrics.forecasts` for any forecasts (batch, horizon, channels), and collect traces."""
        assert batch.series is not None
        series = batch.series.cpu().numpy()
        spread, centre = (part[:, np.newaxis] for part in self.scale_of(batch))
        found = [windows_first(batch.target), point, *([] if intervals is None else [intervals])]
        if self.encoding.transform is not None:
            found = [_scaled(self._units_of_windows(batch, values), spread, centre) for values in found]
        named = terms(
            found[0],
            found[1],
            None if intervals is None else found[2],
            self.shares,
            spread=spread,
            centre=centre,
            naive_error=self.encoding.naive_error[series][:, None],
            naive_square=self.encoding.naive_square[series][:, None],
            has_scale=None if batch.unscaled is None else ~batch.unscaled.transpose(0, 1).cpu().numpy(),
        )
        if traces is not None:
            named = traces.seen(batch, point, named)
        return {"sums": SeriesSums.of(series, named)}

    def scale_of(self, batch: SeriesBatch) -> tuple[Floats, Floats]:
        """Return the spread and the centre (batch, channels) that turn scaled values, without a transform, into the
        series' own units."""
        assert batch.series is not None
        series = batch.series.cpu().numpy()
        spread, centre = self.encoding.spread[series], self.encoding.centre[series]
        if batch.own_scale is None:
            return spread, centre
        own_centre, own_spread = batch.own_scale.double().cpu().numpy()
        if self.encoding.transform is None:
            return spread * own_spread, centre + spread * own_centre
        # A transformed window has no single deviation in its units, but values one deviation above and below its mean.
        middle, low, high = (
            self.encoding.in_units(own_centre + step * own_spread, series) for step in (0.0, -1.0, 1.0)
        )
        own = ~self.encoding.has_scale[series]
        return np.where(own, (high - low) / 2, spread), np.where(own, middle, centre)

    def in_units(self, batch: SeriesBatch, values: Floats) -> Floats:
        """Convert scaled values (…, batch, channels) to the series' own units."""
        if self.encoding.transform is None:
            spread, centre = self.scale_of(batch)
            return values * spread + centre
        if batch.own_scale is not None:
            own_centre, own_spread = batch.own_scale.double().cpu().numpy()
            values = values * own_spread + own_centre
        assert batch.series is not None
        return self.encoding.in_units(np.asarray(values, np.float64), batch.series.cpu().numpy())

    def _units_of_windows(self, batch: SeriesBatch, values: Floats) -> Floats:
        """Convert scaled values (batch, horizon, channels, …) to the series' own units."""
        moved = np.moveaxis(values.astype(np.float64), (0, 2), (-2, -1))
        return np.moveaxis(self.in_units(batch, moved), (-2, -1), (0, 2))

    @property
    def shares(self) -> list[float]:
        """The levels of the intervals, between 0 and 1."""
        return [level / 100 for level in self.settings.levels]


def _scaled(values: Floats, spread: Floats, centre: Floats) -> Floats:
    """Scale (batch, horizon, channels, …) by (batch, 1, channels)."""
    more = (..., *[np.newaxis] * (values.ndim - 3))
    return (values - centre[more]) / spread[more]


def _rows_of_each(corpus: SeriesCorpus) -> dict[str, int] | None:
    """Return the rows of each part in every series; None if series differ."""
    lengths = {name: np.unique(spans[:, 1] - spans[:, 0]) for name, spans in corpus.parts.items()}
    if any(len(different) > 1 for different in lengths.values()):
        return None
    return {name: int(same[0]) for name, same in lengths.items()}
