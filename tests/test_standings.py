"""Standings against numbers worked out by hand, and their intervals."""

from __future__ import annotations

import pytest

from lstmctl.standings import standings

SKILLS = {
    "a": {"one": [1.0, 1.0], "two": [0.5, 0.7], "three": [0.0, 0.2]},
    "b": {"one": [1.0, 1.0], "two": [0.1, 0.3], "three": [0.4, 0.4]},
    "c": {"one": [0.2, 0.4], "two": [0.0, 0.0], "three": [0.0, 0.0]},
}


def test_skill_wins_and_ranks_are_means_over_tests() -> None:
    """a ties with b on one, wins on two and loses on three; c always loses."""
    found = {one.cell: one for one in standings(SKILLS)}
    assert found["a"].skill.value == pytest.approx((1 + 0.6 + 0.1) / 3)
    assert found["a"].wins.value == pytest.approx((0.5 + 1 + 0 + 3) / 6)
    assert found["c"].wins.value == 0
    assert found["a"].rank.value == pytest.approx((1.5 + 1 + 2) / 3)
    assert found["b"].rank.value == pytest.approx((1.5 + 2 + 1) / 3)
    assert found["c"].rank.value == 3


def test_the_best_rank_comes_first_and_intervals_hold_the_value() -> None:
    found = standings(SKILLS)
    assert [one.cell for one in found] == ["a", "b", "c"]  # equal ranks are ordered by skill: 0.567 and 0.533
    for one in found:
        for estimate in (one.skill, one.wins, one.rank):
            assert estimate.low <= estimate.value <= estimate.high
    a = next(one for one in found if one.cell == "a")
    assert a.skill.low == pytest.approx(0.07, abs=0.13)  # three times the worst test
    assert a.skill.high == pytest.approx(1.0, abs=0.14)
    assert found == standings(SKILLS)
