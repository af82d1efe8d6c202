"""What a run writes and predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Generated:
    """One text a run wrote."""

    prompt: str
    text: str
    """The continuation, without the prompt."""
    symbols: tuple[str, ...]
    probabilities: tuple[float, ...]
    """The model's own probability of each symbol, before temperature and truncation."""
    stopped: Literal["length", "stop", "end"]
    """Because it is as long as was asked for, at the stop string, or at an end that the run put itself."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a run tells of one sequence."""

    sequence: str
    """The text that was read, or the name of a sequence of frames."""
    label: str | None = None
    """Of the whole sequence; of a language model, the likeliest symbol after it."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Of every label of the whole sequence, or of every symbol, the likeliest first."""
    labels: tuple[str, ...] = ()
    """One for each step."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Of a regression, in the units of the data."""
    text: str | None = None
    """What was written for it."""
    seconds: float | None = None
    """Seconds from one labelled frame of sound to the next; None for other steps."""
