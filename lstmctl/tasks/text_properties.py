"""Properties of each symbol of a text that a unit of a network might track.

After the cells that A. Karpathy, J. Johnson & L. Fei-Fei found in "Visualizing and Understanding Recurrent Networks"
(ICLR workshop 2016): position in the line, inside quotes, inside parentheses, and similar ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

VOWELS = frozenset("aeiouAEIOU")
ENDINGS = frozenset(".!?")

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


def text_properties(numbers: NDArray[np.integer[Any]], symbols: Sequence[str]) -> dict[str, Floats]:
    """Compute properties of each symbol of a text (length,), by name; 1 is yes and 0 is no.

    Positions count from 0; quotes and parentheses that are never closed end at a blank line.
    """

    def those(wanted: Sequence[bool]) -> Bools:
        return np.asarray(np.array(wanted, dtype=bool)[numbers])

    def one_of(marks: str) -> Bools:
        return those([symbol in marks for symbol in symbols])

    letter, digit, breaks = (
        those([symbol.isalpha() for symbol in symbols]),
        those([symbol.isdigit() for symbol in symbols]),
        one_of("\n"),
    )
    word = letter | (one_of("'’") & _neighbours(letter))
    paragraph = breaks & _before(breaks)
    ends = those([symbol in ENDINGS for symbol in symbols])
    # Straight quotes open and close alike: text after an odd number of them is inside.
    straight = _since(one_of('"').cumsum(), paragraph) % 2 == 1
    curly = _since((one_of("“").astype(int) - one_of("”")).cumsum(), paragraph) > 0
    round_ = _since((one_of("(").astype(int) - one_of(")")).cumsum(), paragraph) > 0
    found = {
        "position in the line": _distance(breaks),
        "inside quotes": straight | curly,
        "inside parentheses": round_,
        "inside a number": digit | (one_of(".,") & _neighbours(digit)),
        "capital letter": those([symbol.isupper() for symbol in symbols]),
        "inside a word": word,
        "start of a word": letter & ~_before(word),
        "vowel": those([symbol in VOWELS for symbol in symbols]),
        "distance from the sentence's start": _distance(paragraph | (ends & ~_neighbours(digit))),
    }
    return {name: values.astype(np.float32) for name, values in found.items()}


def _before(values: Bools) -> Bools:
    """Shift values one position to the right."""
    return np.concatenate([[False], values[:-1]])


def _neighbours(values: Bools) -> Bools:
    """Return where the value is true on both sides."""
    return np.asarray(_before(values) & np.concatenate([values[1:], [False]]))


def _distance(events: Bools) -> NDArray[np.intp]:
    """Count symbols since the last event; 0 for the first symbol after it."""
    places = np.arange(len(events))
    last = np.maximum.accumulate(np.where(_before(events), places, 0))
    return np.asarray(places - last)


def _since(counts: NDArray[np.integer[Any]], resets: Bools) -> NDArray[np.integer[Any]]:
    """Restart a running count at each reset."""
    places = np.maximum.accumulate(np.where(resets, np.arange(len(counts)), -1))
    return np.asarray(counts - np.where(places >= 0, counts[places], 0))
