"""What a trained network writes text with: its alphabet, and what says which symbol may come next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lstmctl.data.encoding import TextEncoding
from lstmctl.decoding import Predictor


@dataclass(frozen=True)
class Author:
    """What a task gives to write with; see `Problem.author`."""

    encoding: TextEncoding
    predictor: Callable[[int], Predictor]
    """Makes, for so many texts, what says which symbol may come next."""
    start: tuple[int, ...]
    """Symbols that are read where there is no prompt."""
    end: int | None
    """The number that ends a text without being a symbol of it; None where texts have no end of their own."""
