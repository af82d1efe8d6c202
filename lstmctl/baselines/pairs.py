"""Baselines for a pair's target: the source itself, or the target of the most similar training source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Array = NDArray[Any]
MOST_TRAINING = 50_000
"""Maximum number of training pairs that are searched, from the first."""
BLOCK = 256
"""Number of texts compared at once with all training texts."""


def nearest_source(training: Sequence[str], scored: Sequence[str]) -> Array:
    """Return, for each scored source, the index of the most similar training source, (scored,); the first of several.

    Similarity is the Dice coefficient 2 |A ∩ B| / (|A| + |B|) of the sets A and B of the texts' character bigrams (Dice
    1945; for bigrams, Adamson & Boreham 1974), where the start and end of a text count as a character.
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
    """Return (texts, bigrams), 1 where a text has a bigram; a new bigram is assigned the next column."""
    sets = [{f"\0{text}\0"[place : place + 2] for place in range(len(text) + 1)} for text in texts]
    places = [columns.setdefault(bigram, len(columns)) for found in sets for bigram in sorted(found)]
    ends = np.cumsum([0, *map(len, sets)])
    return csr_array((np.ones(len(places), np.float32), places, ends), shape=(len(texts), len(columns)))
