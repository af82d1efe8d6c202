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
"""The type of the weights: bfloat16 computes in it, but keeps float32 weights."""


def problem_class(settings: Settings) -> type[AnyProblem]:
    """The class of `task.type`."""
    return registry.resolve(settings.task.type, registry.TASKS, Problem)  # type: ignore[type-abstract]


def open_data(settings: Settings, config_folder: Path | None) -> Corpus:
    """The data that a config names, found and checked.

    Raises:
        DataError: it is not there, or cannot be used as it is.
    """
    corpus: Corpus = problem_class(settings).open(settings, config_folder)
    return corpus


class OpenedData:
    """Opens the data of configs from one folder, each data set once, however many configs name it."""

    def __init__(self, config_folder: Path | None) -> None:
        self._config_folder = config_folder
        self._opened: dict[str, Corpus] = {}

    def of(self, settings: Settings) -> Corpus:
        """Return the data that a config names.

        Raises:
            DataError: it is not there, or cannot be used as it is.
        """
        key = _data_key(settings)
        if key not in self._opened:
            corpus = open_data(settings, self._config_folder)
            self._opened[key] = self._opened[_data_key(portable(settings, corpus))] = corpus
        return self._opened[key]


def _data_key(settings: Settings) -> str:
    """Two configs with the same key open the same data: it depends on their `task` and `data` alone."""
    return settings.model_dump_json(include={"task", "data"})


def portable(settings: Settings, corpus: Corpus) -> Settings:
    """`settings` that name their data so that it is found from any folder."""
    source = settings.data.source
    if not isinstance(getattr(settings.data, source), tuple):  # not files, but drawn by the program
        return settings
    values = settings.model_dump(mode="json")
    values["data"][source] = list(corpus.names)
    if test := getattr(corpus, "test_names", ()):
        values["data"]["test"] = list(test)
    return from_mapping(values)


def build_task(settings: Settings, corpus: Corpus) -> AnyProblem:
    """The problem that a config poses on its data."""
    return problem_class(settings).of(settings, corpus)


def restore_task(
    settings: Settings, encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
) -> AnyProblem:
    """The problem of a run, without its data.

    Raises:
        RunError: the encoding or the calibration is damaged.
    """
    try:
        return problem_class(settings).restored(settings, encoding, calibration)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RunError(f"the run's encoding or calibration is damaged: {type(error).__name__}: {error}") from error


def find_cell(settings: Settings, config_folder: Path | None) -> type[Cell]:
    """The class of `model.cell`; a user's own is imported, from beside the config or the current folder.

    Raises:
        ConfigError: it cannot be imported or is no cell.
    """
    folders = [folder for folder in (config_folder, Path.cwd()) if folder is not None]
    try:
        # A class of a user's module carries the type its author gave it; `resolve` has checked that it is a Cell.
        return registry.resolve(settings.model.cell, registry.CELLS, Cell, folders)
    except ConfigError as error:
        raise ConfigError([f"model.cell — {problem}" for problem in error.problems], hint=error.hint) from error


def build_model(settings: Settings, task: AnyProblem, cell: type[Cell], precision: str) -> nn.Module:
    """A freshly initialised network on the CPU, drawn from the seed's own stream in float32 whatever the precision.

    Raises:
        ConfigError: the cell refuses `model.options`.
    """
    generator = torch.Generator().manual_seed(stream(settings.seed, "initialisation"))
    model: nn.Module = task.model(settings.model, cell, generator)
    return model.to(PRECISIONS[precision])
