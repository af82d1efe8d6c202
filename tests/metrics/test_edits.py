"""Edit distances compared with their recursive definition."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lstmctl.metrics.edits import edit_distances, text_edit_distances


def distance(a: str, b: str) -> int:
    """Levenshtein's distance by its definition."""

    @cache
    def between(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(between(i - 1, j) + 1, between(i, j - 1) + 1, between(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return between(len(a), len(b))


@given(st.lists(st.tuples(st.text("abc", max_size=8), st.text("abcd", max_size=8)), max_size=6))
def test_distances_side_by_side_are_those_of_the_definition(pairs: list[tuple[str, str]]) -> None:
    found = text_edit_distances([a for a, _ in pairs], [b for _, b in pairs])
    assert found.tolist() == [distance(a, b) for a, b in pairs]


def test_known_distances() -> None:
    told = ["kitten", "", "abc", "same", "naïve 😀"]
    truth = ["sitting", "abc", "", "same", "naive 😁"]
    assert text_edit_distances(told, truth).tolist() == [3, 3, 3, 0, 2]


def test_padding_does_not_count() -> None:
    told = np.array([[1, 2, 3, 9], [1, 9, 9, 9]])
    truth = np.array([[1, 2, 4], [1, 2, 4]])
    assert edit_distances(told, np.array([2, 0]), truth, np.array([2, 3])).tolist() == [0, 3]
    assert edit_distances(told, np.array([4, 1]), truth, np.array([0, 1])).tolist() == [4, 0]
