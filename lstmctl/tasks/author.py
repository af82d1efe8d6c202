"""Text generation by a trained network: its vocabulary and its predictor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lstmctl.data.vocabulary import TextEncoding
from lstmctl.decoding import Predictor


@dataclass(frozen=True)
class Author:
    """See `Problem.author`."""

    encoding: TextEncoding
    predictor: Callable[[int], Predictor]
    """Return the predictor for a number of parallel texts."""
    start: tuple[int, ...]
    """Symbols to read without a prompt."""
    end: int | None
    """Number of the symbol that ends a text without being part of it; None if texts have no end."""
