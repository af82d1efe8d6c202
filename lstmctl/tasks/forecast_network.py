"""The network of a forecaster."""

from __future__ import annotations

from lstmctl.cells.cell import Cell
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.data.series_encoding import SeriesEncoding
from lstmctl.models.forecaster import Ensemble, Forecaster, Sizes
from lstmctl.models.recurrence import build_recurrence
from lstmctl.tasks.series_predictor import SeriesPredictor


def forecast_network(
    settings: ModelSettings, cell: type[Cell], encoding: SeriesEncoding, predictor: SeriesPredictor
) -> Ensemble:
    """Build the members of an ensemble from the config's `model`, not initialised yet."""
    task = predictor.settings
    sizes = Sizes(
        task.lookback,
        task.horizon,
        task.segment,
        len(encoding.targets),
        len(encoding.past),
        encoding.known_width,
        len(encoding.static),
    )

    def member() -> Forecaster:
        return Forecaster(
            sizes,
            lambda inputs: build_recurrence(settings, cell, inputs),
            settings.embedding,
            predictor.decoding,
            predictor.likelihood,
            joint=task.channels == "joint",
            linear=settings.linear,
            masked=predictor.masked,
            channel_embedding=settings.channel_embedding,
        )

    return Ensemble(member, settings.ensemble, (task.lookback, task.horizon) if settings.ridge else None)
