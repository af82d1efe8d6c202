"""The interface of a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from lstmctl.export.graph import Predictor
from lstmctl.export.probes import Arrays, Probe


class UnavailableError(Exception):
    """This machine lacks a program or package that runs the export; the message names it."""


class Ran(NamedTuple):
    """Outputs of a probe's calls, and the seconds that all of them took."""

    outputs: Sequence[Arrays]
    seconds: float
    by: str
    """The program that ran it, such as `gcc 12.2`."""


class Target(NamedTuple):
    """A form of export.

    `write` writes a predictor into a folder, with weights of the given precision; `run` makes a probe's calls with the
    written export, and raises `UnavailableError` if the machine cannot run it.
    """

    precisions: tuple[str, ...]
    """Precisions of stored weights, with the default first."""
    write: Callable[[Predictor, Path, str], None]
    run: Callable[[Predictor, Path, Probe], Ran]
