"""What a pair's target can be told by without a network: the source itself, or the target of a source like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Array = NDArray[Any]
MOST_TRAINING = 50_000
"""Training pairs that are looked through at most, the first ones."""
BLOCK = 256
"""Texts compared at once with all of training."""


def nearest_source(training: Sequence[str], scored: Sequence[str]) -> Array:
    """Of each scored source the number of the training source that is most like it; the first of several.

    Likeness is the Dice coefficient 2 |A ∩ B| / (|A| + |B|) of the sets A and B of the texts' bigrams of characters
    (Dice 1945; of bigrams, Adamson & Boreham 1974), both ends of a text counting as a character.

    Args:
        training: at least one text; of more than `MOST_TRAINING` the first are used.
        scored: texts.

    Returns:
        (scored,).
    """
    training = training[:MOST_TRAINING]
    columns: dict[str, int] = {}
    known, own = (_bigrams(texts, columns) for texts in (training, scored))
    shape = len(columns)
    known.resize(known.shape[0], shape)
    own.resize(own.shape[0], shape)
    sizes, own_sizes = known.sum(1), own.sum(1)
    turned = known.T.tocsr()
    found = []
    for start in range(0, len(scored), BLOCK):
        shared = (own[start : start + BLOCK] @ turned).toarray()
        found.append((shared / (sizes + own_sizes[start : start + BLOCK, None])).argmax(1))
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _bigrams(texts: Sequence[str], columns: dict[str, int]) -> Any:
    """(texts, bigrams) 1 where a text has a bigram, which is given the next column where it is new."""
    sets = [{f"\0{text}\0"[place : place + 2] for place in range(len(text) + 1)} for text in texts]
    places = [columns.setdefault(bigram, len(columns)) for found in sets for bigram in sorted(found)]
    ends = np.cumsum([0, *map(len, sets)])
    return csr_array((np.ones(len(places), np.float32), places, ends), shape=(len(texts), len(columns)))
