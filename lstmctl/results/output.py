"""Texts and predictions of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Generated:
    """One generated text."""

    prompt: str
    text: str
    """The continuation, without the prompt."""
    symbols: tuple[str, ...]
    probabilities: tuple[float, ...]
    """The model's own probability of each symbol, before temperature and truncation."""
    stopped: Literal["length", "stop", "end"]
    """`length`: the maximum length was reached; `stop`: the stop string; `end`: the run ended the text itself."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one sequence."""

    sequence: str
    """The text, or the name of a sequence of frames."""
    label: str | None = None
    """The label of the whole sequence; for a language model, the most likely next symbol."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Probabilities of all labels of the whole sequence, or of all next symbols, the most likely first."""
    labels: tuple[str, ...] = ()
    """One label per step."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """The numbers of a regression, in the units of the data."""
    text: str | None = None
    """The generated text."""
    columns: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """The other columns of the table: a value, or one per step for frames with a label each."""
    seconds: float | None = None
    """Seconds from one labelled frame of sound to the next; None for other steps."""
