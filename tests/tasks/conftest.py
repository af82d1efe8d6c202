"""Forecasters as a config poses them, with an untrained network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from lstmctl.api.assembly import build_model, build_task, find_cell, open_data
from lstmctl.config import load
from lstmctl.data.series import SeriesCorpus
from lstmctl.models.forecaster import Ensemble
from lstmctl.tasks.forecast import Forecast

CPU = torch.device("cpu")
Posed = tuple[Forecast, SeriesCorpus, Ensemble]


def pose(config: Path, *overrides: str) -> Posed:
    settings = load(str(config), overrides).settings
    corpus = open_data(settings, config.parent)
    task = build_task(settings, corpus)
    model = build_model(settings, task, find_cell(settings, None), "float32").eval()
    assert isinstance(corpus, SeriesCorpus)
    assert isinstance(task, Forecast)
    assert isinstance(model, Ensemble)
    return task, corpus, model


def silence(model: Ensemble) -> None:
    """Make every output zero, so that what comes out is what was taken out of the window."""
    with torch.no_grad():
        for member in model.each():
            member.head.weight.zero_()
            member.head.bias.zero_()


def batch_of(task: Forecast, corpus: SeriesCorpus, part: str = "test") -> Any:
    return next(iter(task.part(corpus, part, CPU).scored()))


def two_series(path: Path) -> None:
    """A long table: `low` around 10 for 300 hours, `high` around 1000, ten times as restless, for 260."""
    draw = np.random.default_rng(3)
    start = np.datetime64("2020-01-01T00:00:00")
    lines = ["unique_id,ds,y"]
    for name, rows, level, size in (("low", 300, 10, 1), ("high", 260, 1000, 10)):
        for row in range(rows):
            wave = np.sin(2 * np.pi * row / 6)
            lines.append(f"{name},{start + np.timedelta64(row, 'h')},{level + size * (wave + draw.normal(0, 0.3)):.5f}")
    path.write_text("\n".join(lines) + "\n")
