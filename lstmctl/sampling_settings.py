"""Settings for choosing the next symbol, which need no network."""

from __future__ import annotations

from dataclasses import dataclass

from lstmctl.errors import UsageError

TEMPERATURE = 0.8
"""Of generated text, on the command line and in Python."""


@dataclass(frozen=True)
class Sampling:
    """Settings for sampling the next symbol.

    Args:
        temperature: divides the scores; 0 selects the most probable symbol.
        top_k: keep only this many of the most probable symbols; None keeps all (Fan, Lewis & Dauphin 2018).
        top_p: keep the smallest set of symbols whose probabilities reach this sum, in (0, 1] (Holtzman et al. 2020).
        min_p: keep symbols with at least this fraction of the highest probability, in [0, 1] (Nguyen et al. 2024).
        repetition_penalty: above 1 makes the latest 64 symbols less likely (Keskar et al. 2019).

    Raises:
        UsageError: a value is out of range.
    """

    temperature: float = TEMPERATURE
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        for sound, rule in (
            (0 <= self.temperature < float("inf"), f"temperature must be 0 or more, not {self.temperature}"),
            (self.top_k is None or self.top_k >= 1, f"top-k must be 1 or more, not {self.top_k}"),
            (0 < self.top_p <= 1, f"top-p must be above 0 and at most 1, not {self.top_p}"),
            (0 <= self.min_p <= 1, f"min-p must be between 0 and 1, not {self.min_p}"),
            (
                0 < self.repetition_penalty < float("inf"),
                f"repetition penalty must be above 0 (1 for none), not {self.repetition_penalty}",
            ),
        ):
            if not sound:
                raise UsageError(rule)
