"""The nearest source against comparing every pair of texts."""

from __future__ import annotations

import random

import pytest

from lstmctl.baselines import pairs
from lstmctl.baselines.pairs import nearest_source


def likeness(a: str, b: str) -> float:
    one, other = ({f"<{text}>"[place : place + 2] for place in range(len(text) + 1)} for text in (a, b))
    return 2 * len(one & other) / (len(one) + len(other))


@pytest.mark.parametrize("block", [1, 7, 256])
def test_the_nearest_source_is_the_one_most_like_it(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "BLOCK", block)
    draw = random.Random(4)
    training, scored = (
        ["".join(draw.choice("abcd") for _ in range(draw.randint(1, 9))) for _ in range(count)] for count in (80, 30)
    )
    found = nearest_source(training, scored).tolist()
    expected = [max(range(80), key=lambda number: likeness(training[number], text)) for text in scored]
    assert found == expected


def test_a_source_that_shares_nothing_has_the_first() -> None:
    assert nearest_source(["abc", "bcd"], ["xyz", "bcd", "zc"]).tolist() == [0, 1, 0]


def test_of_many_training_pairs_the_first_are_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MOST_TRAINING", 2)
    assert nearest_source(["abc", "bcd", "xyz"], ["xyz", "bcd"]).tolist() == [0, 1]
