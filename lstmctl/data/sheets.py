"""What tables of every kind have in common: named columns with rows, and what is wanted of them."""

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
    """How a table's rows are read; its first rows tell."""

    columns: Columns
    writing: Writing


@dataclass(frozen=True)
class Wanted:
    """What a config, or a run's encoding, says about columns; None is to be recognised."""

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
    """Whether a run's encoding says so: then no column's use is recognised."""
    writing: Writing | None = None
    """How the run's own table was written; None where that was not kept."""
    step: Step | None = None
    """The run's."""


def kinds_of(sheet: Sheet, names: Sequence[str]) -> dict[str, str]:
    """What each of some columns holds."""
    places = {name: place for place, name in enumerate(sheet.names)}
    return {name: sheet.kind(places[name]) for name in names}
