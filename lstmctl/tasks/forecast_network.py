"""The network of a forecaster."""

from __future__ import annotations

from lstmctl.cells.cell import Cell
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.data.series_encoding import SeriesEncoding
from lstmctl.models.categories import CategoryVectors
from lstmctl.models.forecaster import Ensemble, Forecaster, Sizes
from lstmctl.models.recurrence import build_recurrence
from lstmctl.tasks.series_predictor import SeriesPredictor


def forecast_network(
    settings: ModelSettings, cell: type[Cell], encoding: SeriesEncoding, predictor: SeriesPredictor
) -> Ensemble:
    """Build the members of an ensemble from the config's `model`, not initialised yet."""
    task = predictor.settings
    widths = {"past": len(encoding.past), "known": encoding.known_width, "static": len(encoding.static)}
    categories = {}
    for use in widths:
        names: tuple[str, ...] = getattr(encoding, use)
        known = {place: len(encoding.categories.get(name, ())) for place, name in enumerate(names)}
        if any(known.values()):
            categories[use] = CategoryVectors(widths[use], {place: count for place, count in known.items() if count})
            widths[use] = categories[use].outputs
    sizes = Sizes(task.lookback, task.horizon, task.segment, len(encoding.targets), **widths)

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

    ridge = (task.lookback, task.horizon) if settings.ridge else None
    return Ensemble(member, settings.ensemble, ridge, categories)
