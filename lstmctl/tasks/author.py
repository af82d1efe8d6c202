"""The parts of text generation with a trained network: its alphabet and its predictor of the next symbol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lstmctl.data.encoding import TextEncoding
from lstmctl.decoding import Predictor


@dataclass(frozen=True)
class Author:
    """What a task provides for generation; see `Problem.author`."""

    encoding: TextEncoding
    predictor: Callable[[int], Predictor]
    """Makes the predictor of the next symbol, for a number of texts in parallel."""
    start: tuple[int, ...]
    """Symbols that are read if there is no prompt."""
    end: int | None
    """Number of the symbol that ends a text without being part of it; None if texts have no end."""
