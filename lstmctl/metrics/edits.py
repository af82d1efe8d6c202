"""Edit distance between a generated text and its target, in single symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def edit_distances(told: Array, told_lengths: Array, truth: Array, truth_lengths: Array) -> Array:
    """Compute the minimum number of insertions, deletions and replacements between two texts (Levenshtein 1966).

    All pairs are processed together, one predicted symbol at a time, by rows of Wagner & Fischer's table (1974).

    Args:
        told, truth: (pairs, symbols) symbol numbers, predicted and true; values past a text's length are padding.
        told_lengths, truth_lengths: (pairs,), from 0.

    Returns:
        (pairs,).
    """
    import numpy as np

    columns = np.arange(truth.shape[1] + 1)
    row = np.broadcast_to(columns, (len(truth), len(columns))).copy()
    ends = row.copy()  # for each pair, the row after its last symbol
    for place in range(int(told_lengths.max(initial=0))):
        following = np.empty_like(row)
        following[:, 0] = place + 1
        replaced = row[:, :-1] + (told[:, place : place + 1] != truth)
        following[:, 1:] = np.minimum(row[:, 1:] + 1, replaced)
        # An insertion costs one more than the previous column: take the minimum over all of them, plus the distance.
        row = np.minimum.accumulate(following - columns, axis=1) + columns
        ends = np.where((told_lengths > place)[:, None], row, ends)
    distances: Array = np.take_along_axis(ends, truth_lengths[:, None], axis=1)[:, 0]
    return distances


def text_edit_distances(told: list[str], truth: list[str]) -> Array:
    """Compute `edit_distances` between texts, in characters."""
    import numpy as np

    def rows(texts: list[str]) -> tuple[Array, Array]:
        lengths = np.array([len(text) for text in texts], np.int64)
        points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
        filled = np.zeros((len(texts), int(lengths.max(initial=0))), np.int64)
        filled[np.arange(filled.shape[1]) < lengths[:, None]] = points
        return filled, lengths

    return edit_distances(*rows(told), *rows(truth))
