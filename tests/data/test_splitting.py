"""Parts of a text, by position."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmctl.data.splitting import split_positions
from lstmctl.errors import DataError


def test_fractions_of_tinyshakespeare_are_those_in_use() -> None:
    assert split_positions(1_115_394, [0.9, 0.1]) == {"training": (0, 1_003_854), "validation": (1_003_854, 1_115_394)}


def test_three_fractions() -> None:
    assert split_positions(10, [0.8, 0.1, 0.1]) == {"training": (0, 8), "validation": (8, 9), "test": (9, 10)}
    assert split_positions(7, [0.5, 0.25, 0.25]) == {"training": (0, 3), "validation": (3, 5), "test": (5, 7)}


def test_fractions_are_meant_as_they_are_written() -> None:
    """In binary, 0.29 of 100 is a hair less than 29."""
    assert split_positions(100, [0.29, 0.71])["training"] == (0, 29)
    assert split_positions(100, [0.57, 0.01, 0.42])["validation"] == (57, 58)


def test_counts_may_leave_a_tail_unused() -> None:
    assert split_positions(100, [60, 20, 10]) == {"training": (0, 60), "validation": (60, 80), "test": (80, 90)}
    assert split_positions(80, [60, 20]) == {"training": (0, 60), "validation": (60, 80)}


def test_counts_beyond_the_data_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        split_positions(2_000, [1_500, 501])
    assert str(caught.value) == "data.split needs 2,001 but the data has only 2,000"


@pytest.mark.parametrize(
    ("length", "split", "part"),
    [(5, [0.8, 0.1, 0.1], "validation"), (3, [0.1, 0.9], "training"), (1, [0.5, 0.5], "training")],
)
def test_an_empty_part_is_named(length: int, split: list[float], part: str) -> None:
    with pytest.raises(DataError) as caught:
        split_positions(length, split)
    assert str(caught.value) == (f"data.split leaves no {part} part of {length}; increase its share or add data")


@given(st.integers(1, 10**9), st.integers(1, 98), st.integers(1, 98))
def test_parts_of_fractions_follow_one_another_to_the_end(length: int, first: int, second: int) -> None:
    third = 100 - first - second
    split = [first / 100, second / 100, third / 100] if third > 0 else [first / 100, 1 - first / 100]
    try:
        parts = split_positions(length, split)
    except DataError:
        assert length < 200
        return
    edges = [edge for part in parts.values() for edge in part]
    assert edges[0] == 0
    assert edges[-1] == length
    assert edges[1:-1:2] == edges[2::2]
    assert parts["training"][1] == length * first // 100  # exact, whatever 0.29 is in binary
