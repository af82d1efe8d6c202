"""Features common to tables of all kinds: named columns with rows, and the settings for reading them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lstmctl.data.table_writing import Writing
from lstmctl.data.timesteps import Step
from lstmctl.data.written_numbers import ColumnForm

Numbers = NDArray[np.float64]


class Sheet(Protocol):
    """A file of named columns."""

    path: Path
    names: tuple[str, ...]
    unnamed: set[int]
    notes: list[str]
    lines: NDArray[np.int64]
    unit: str

    @property
    def rows(self) -> int: ...
    @property
    def known_decimal(self) -> str | None: ...
    def form(self, column: int) -> ColumnForm: ...
    def kind(self, column: int) -> str: ...
    def texts(self, column: int) -> pl.Series: ...
    def numbers(self, columns: Sequence[int]) -> Numbers: ...
    def place(self, row: int) -> str: ...
    def fingerprint(self) -> dict[str, object]: ...


@dataclass(frozen=True)
class Columns:
    """The use of each column."""

    time: str
    id: str | None
    targets: tuple[str, ...]
    past: tuple[str, ...]
    known: tuple[str, ...]
    static: tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """How a table's rows are read, determined by its first rows."""

    columns: Columns
    writing: Writing


@dataclass(frozen=True)
class Wanted:
    """Column settings of a config or of a run's encoding; None means automatic detection."""

    time: str | None
    id: str | None
    targets: tuple[str, ...] | None
    past: tuple[str, ...]
    known: tuple[str, ...]
    static: tuple[str, ...]
    date_format: str | None
    zone: str | None = None
    """The one to convert dates to."""
    is_run: bool = False
    """True if they come from a run's encoding: then columns are not detected."""
    writing: Writing | None = None
    """Format of the run's own table; None if it was not kept."""
    step: Step | None = None
    """The run's."""


def kinds_of(sheet: Sheet, names: Sequence[str]) -> dict[str, str]:
    """Content of each of some columns."""
    places = {name: place for place, name in enumerate(sheet.names)}
    return {name: sheet.kind(places[name]) for name in names}
