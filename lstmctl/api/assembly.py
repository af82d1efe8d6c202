"""Settings to working parts: data, task, cell, model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lstmctl import registry
from lstmctl.cells.cell import Cell
from lstmctl.config import Settings, from_mapping
from lstmctl.data.encoding import TextEncoding
from lstmctl.data.text import TextCorpus, open_text
from lstmctl.errors import ConfigError
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.seeds import stream
from lstmctl.tasks.language_model import LanguageModel

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.float32, "float64": torch.float64}
"""The type of the weights: bfloat16 computes in it, but keeps float32 weights."""


def open_data(settings: Settings, config_folder: Path | None) -> TextCorpus:
    """The corpus that a config names, found and checked.

    Raises:
        DataError: see `open_text`.
    """
    data = settings.data
    return open_text(data.text, data.symbols, data.split, config_folder)


def portable(settings: Settings, corpus: TextCorpus) -> Settings:
    """`settings` that name their data so that it is found from any folder."""
    values = settings.model_dump(mode="json")
    values["data"]["text"] = list(corpus.names)
    return from_mapping(values)


def build_task(settings: Settings, encoding: Mapping[str, Any] | TextEncoding) -> LanguageModel:
    """The task that a config names, from its encoding alone.

    Raises:
        RunError: the encoding is damaged.
    """
    if not isinstance(encoding, TextEncoding):
        encoding = TextEncoding.from_json(encoding)
    return LanguageModel(settings.task, encoding, settings.training.window)


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


def build_model(settings: Settings, task: LanguageModel, cell: type[Cell], precision: str) -> SequenceModel:
    """A freshly initialised network on the CPU, drawn from the seed's own stream in float32 whatever the precision.

    Raises:
        ConfigError: the cell refuses `model.options`.
    """
    generator = torch.Generator().manual_seed(stream(settings.seed, "initialisation"))
    return task.model(settings.model, cell, generator).to(PRECISIONS[precision])


def part_of(corpus: TextCorpus, name: str, device: torch.device) -> Tensor:
    """One part of a corpus as a tensor (length,) on `device`, in the corpus's own small integers."""
    symbols = torch.from_numpy(corpus.part(name).copy())
    return symbols.to(device)
