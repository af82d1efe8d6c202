"""The weights for forecasts: trained on all rows of the table, starting from the chosen weights or anew.

The rows of the validation and test parts are the newest ones, so forecasts should use weights that learned from them.
Scores, backtests and inspections use the chosen weights, which were not trained on the rows they are scored on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from safetensors.torch import save

from lstmctl.api.assembly import build_model
from lstmctl.api.preparation import Assembled
from lstmctl.api.trained import Trained
from lstmctl.config import derive
from lstmctl.config.schema import Forecast as ForecastSettings
from lstmctl.config.schema import Settings
from lstmctl.data.series import SeriesCorpus
from lstmctl.errors import DivergedError
from lstmctl.events import Stepped
from lstmctl.models.forecaster import Ensemble
from lstmctl.runs.folder import FINAL_WEIGHTS
from lstmctl.seeds import stream
from lstmctl.storage import replace_file
from lstmctl.tasks.forecast import Forecast
from lstmctl.training.trainer import Trainer, load_weights

log = logging.getLogger(__name__)

RATE = 0.3
"""Learning rate of a continued fit, as a share of the run's; it falls linearly to zero."""


def fit_on_all_rows(
    run: Trained, assembled: Assembled, heard: Callable[[int, int], None] = lambda step, steps: None
) -> dict[str, Any] | None:
    """Train on all rows as `task.final_fit` says, and write the weights into the run's folder; `heard` is called with
    the steps made and their number.

    The number of steps is proportional to the number of rows: the chosen weights took a number of
    steps per training row; `continue` makes that number per new row, `anew` per row of the whole table.

    Returns:
        `how`, `steps` and `seconds`; None if the run makes no forecasts, the config asks for no final fit, or it
        diverged.

    Raises:
        ResourceError: the disk is full.
    """
    corpus, task, settings = assembled.corpus, assembled.task, assembled.settings
    if not (isinstance(corpus, SeriesCorpus) and isinstance(task, Forecast)):
        return None
    assert isinstance(settings.task, ForecastSettings)
    how = settings.task.final_fit
    if how == "none" or not run.model or not run.step:
        return None
    begun, device = time.monotonic(), run.device
    before = len(task.training_part(corpus, device).with_scale())
    part = task.training_part(_with_all_rows(corpus), device)
    share = len(part.with_scale()) / max(1, before)
    steps = max(1, round(run.step * (share if how == "anew" else share - 1)))
    training = settings.training
    model = build_model(settings, task, run.cell, "float32").to(device)
    start = run.start() if how == "continue" else run.initial()
    if how == "continue":
        training = continued(settings, steps).training
    if start is not None:
        load_weights(model, start.weights)
    assert isinstance(model, Ensemble)
    if model.ridge is not None:
        task.fit_ridge(model, task.training_part(corpus, device), task.part(corpus, "validation", device), part)
    seed = stream(settings.seed, "final fit")
    batches = task.training_order(part, training, seed)
    trainer = Trainer(
        model, task, batches, None, training, steps=steps, precision=assembled.choices.precision, seed=seed
    )
    try:
        for event in trainer.events():
            if isinstance(event, Stepped):
                heard(event.step, steps)
    except DivergedError as error:
        log.warning("the final fit on all rows diverged, so forecasts use the weights that were scored: %s", error)
        return None
    weights = trainer.snapshot().best_weights or model.state_dict()
    replace_file(run.path / FINAL_WEIGHTS, save({name: tensor.cpu().contiguous() for name, tensor in weights.items()}))
    return {"how": how, "steps": steps, "seconds": round(time.monotonic() - begun, 2)}


def continued(settings: Settings, steps: int) -> Settings:
    """Return the settings for some more steps from trained weights, at a lower learning rate that falls to zero."""
    rate = RATE * settings.training.learning_rate
    overrides = [f"training.learning_rate={rate!r}", "training.schedule=linear", f"training.budget={steps} steps"]
    return derive(settings, overrides)


def _with_all_rows(corpus: SeriesCorpus) -> SeriesCorpus:
    """Return the corpus with all observed rows in its training part."""
    starts = corpus.parts["training"][:, 0]
    stops = np.max([part[:, 1] for part in corpus.parts.values()], axis=0)
    return replace(corpus, parts={**corpus.parts, "training": np.stack([starts, stops], axis=1)})
