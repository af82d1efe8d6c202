"""The interface of a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from lstmctl.export.graph import Predictor
from lstmctl.export.probes import Arrays, Probe


class UnavailableError(Exception):
    """This machine lacks what an export runs with; the message names it."""


class Ran(NamedTuple):
    """Outputs of a probe's calls, and the seconds that all of them took."""

    outputs: Sequence[Arrays]
    seconds: float
    by: str
    """What it was run with, such as `gcc 12.2`."""


class Target(NamedTuple):
    """A form of export.

    `write` puts a predictor into a folder, with weights of the given precision; `run` makes a probe's calls by what was
    written, and raises `UnavailableError` where the machine cannot.
    """

    precisions: tuple[str, ...]
    """Precisions of stored weights, with the default first."""
    write: Callable[[Predictor, Path, str], None]
    run: Callable[[Predictor, Path, Probe], Ran]
