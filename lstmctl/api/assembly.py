"""Settings to working parts: data, task, cell, model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lstmctl import registry
from lstmctl.cells.cell import Cell
from lstmctl.config import Settings, from_mapping
from lstmctl.errors import ConfigError, RunError
from lstmctl.seeds import stream
from lstmctl.tasks.problem import AnyProblem, Corpus, Problem

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.float32, "float64": torch.float64}
"""Type of the weights: with bfloat16, only the computation uses it, and the weights stay float32."""


def problem_class(settings: Settings) -> type[AnyProblem]:
    """Return the class of `task.type`."""
    return registry.resolve(settings.task.type, registry.TASKS, Problem)  # type: ignore[type-abstract]


def open_data(settings: Settings, config_folder: Path | None) -> Corpus:
    """Open and check the data that a config names.

    Raises:
        DataError: the data is missing or unsuitable.
    """
    corpus: Corpus = problem_class(settings).open(settings, config_folder)
    return corpus


class OpenedData:
    """Opens the data of configs in one folder, each data set once, even if several configs name it."""

    def __init__(self, config_folder: Path | None) -> None:
        self._config_folder = config_folder
        self._opened: dict[str, Corpus] = {}

    def of(self, settings: Settings) -> Corpus:
        """Return the data that a config names.

        Raises:
            DataError: the data is missing or unsuitable.
        """
        key = _data_key(settings)
        if key not in self._opened:
            corpus = open_data(settings, self._config_folder)
            self._opened[key] = self._opened[_data_key(portable(settings, corpus))] = corpus
        return self._opened[key]


def _data_key(settings: Settings) -> str:
    """Return a key of the data that a config opens, which depends only on its `task` and `data`."""
    return settings.model_dump_json(include={"task", "data"})


def portable(settings: Settings, corpus: Corpus) -> Settings:
    """Return `settings` whose data is found from any folder."""
    source = settings.data.source
    if not isinstance(getattr(settings.data, source), tuple):  # not files, but generated
        return settings
    values = settings.model_dump(mode="json")
    values["data"][source] = list(corpus.names)
    if test := getattr(corpus, "test_names", ()):
        values["data"]["test"] = list(test)
    if holidays := getattr(corpus, "holidays", ()):
        values["data"]["holidays"] = list(holidays)
    return from_mapping(values)


def build_task(settings: Settings, corpus: Corpus) -> AnyProblem:
    """Return the problem that a config poses on its data."""
    return problem_class(settings).of(settings, corpus)


def restore_task(
    settings: Settings, encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
) -> AnyProblem:
    """Rebuild the problem of a run, without its data.

    Raises:
        RunError: the encoding or the calibration is damaged.
    """
    try:
        return problem_class(settings).restored(settings, encoding, calibration)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RunError(f"the run's encoding or calibration is damaged: {type(error).__name__}: {error}") from error


def find_cell(settings: Settings, config_folder: Path | None) -> type[Cell]:
    """Return the class of `model.cell`; a user's own is imported from the config's folder or the current folder.

    Raises:
        ConfigError: the class cannot be imported, is not a cell, or computes in `forward`.
    """
    folders = [folder for folder in (config_folder, Path.cwd()) if folder is not None]
    try:
        # A class from a user's module has the type its author declared; `resolve` has checked that it is a Cell.
        cell = registry.resolve(settings.model.cell, registry.CELLS, Cell, folders)
    except ConfigError as error:
        raise ConfigError([f"model.cell — {problem}" for problem in error.problems], hint=error.hint) from error
    if "forward" in vars(cell) and "step" not in vars(cell) and cell.sequence is Cell.sequence:
        raise ConfigError(
            f"model.cell — {settings.model.cell} defines `forward`, which is never called", hint="define `step` instead"
        )
    return cell


def build_model(settings: Settings, task: AnyProblem, cell: type[Cell], precision: str) -> nn.Module:
    """Build a freshly initialised network on the CPU, drawn from a stream derived from the seed, always in float32.

    Raises:
        ConfigError: the cell rejects `model.options`.
    """
    generator = torch.Generator().manual_seed(stream(settings.seed, "initialisation"))
    model: nn.Module = task.model(settings.model, cell, generator)
    return model.to(PRECISIONS[precision])
