"""The statement on a comparison says no more than the results show."""

from __future__ import annotations

import dataclasses
from dataclasses import fields
from typing import Any, cast

import pytest

from lstmctl.comparison.plan import Plan
from lstmctl.comparison.statement import statement
from lstmctl.results.comparison import ArmResult, Difference, RunResult


def arm(name: str, *values: float | None, parameters: int = 1000) -> ArmResult:
    """An arm in which only the scores matter."""
    known = [value for value in values if value is not None]
    runs = tuple(
        RunResult(f"{name}-seed-{seed}", seed, "x", value, {}, (), 0, None, None, None)
        for seed, value in enumerate(values)
    )
    facts: dict[str, Any] = dict.fromkeys(field.name for field in fields(ArmResult))
    mean = sum(known) / len(known) if known else None
    return ArmResult(**{**facts, "name": name, "runs": runs, "mean": mean, "parameters": parameters})


def said(
    arms: list[ArmResult],
    tests: list[Difference],
    *,
    baselines: dict[str, dict[str, float]] | None = None,
    primary: str = "nats_per_character",
    match: str = "parameters",
) -> str:
    plan = Plan.model_construct(
        primary=primary,
        seeds=tuple(range(len(arms[0].runs))),
        match=cast(Any, match),
    )
    return statement(plan, arms, tests, baselines or {}, 0.95)


def pair(difference: float, low: float | None, high: float | None, p: float | None) -> Difference:
    return Difference("rnn", "lstm", difference, low, high, p, "paired")


ARMS = [arm("rnn", 1.6, 1.7), arm("lstm", 1.5, 1.5)]


def test_a_difference_that_was_shown_names_the_better_arm_with_its_interval() -> None:
    better = "lstm is better than rnn by 0.150 nats per character (95 % interval 0.100 to 0.200, p = 0.010)."
    assert said(ARMS, [pair(0.15, 0.1, 0.2, 0.01)]) == f"Over 2 seeds, on this data: {better}"
    swapped = said(ARMS, [pair(0.15, 0.1, 0.2, 0.01)], primary="accuracy")
    assert "rnn is better than lstm by 0.150" in swapped
    below = said(ARMS, [pair(-0.15, -0.2, -0.1, 0.0001)])
    assert "rnn is better than lstm by 0.150 nats per character (95 % interval 0.100 to 0.200, p < 0.001)" in below


def test_a_small_difference_is_not_rounded_to_nothing() -> None:
    text = said(ARMS, [pair(0.00042, 0.0001, 0.00074, 0.02)])
    assert "better than rnn by 0.00042 nats per character (95 % interval 0.00010 to 0.00074, p = 0.020)" in text


def test_one_that_was_not_shown_is_left_open() -> None:
    text = said(ARMS, [pair(0.15, -0.1, 0.4, 0.2)])
    assert text == (
        "Over 2 seeds, on this data: no difference was shown between rnn and lstm (-0.100 to +0.400, p = 0.200)."
    )
    assert "no difference was shown between rnn and lstm." in said(ARMS, [pair(0.15, None, None, None)])


def test_one_seed_shows_nothing_about_seeds() -> None:
    text = said([arm("rnn", 1.6), arm("lstm", 1.5)], [pair(0.1, None, None, None)])
    assert text == (
        "One seed, on this data: lstm has the best score, 1.500 nats per character, "
        "but the variation between seeds is unknown."
    )


def test_one_arm_of_a_sweep_is_reported_by_itself() -> None:
    alone = dataclasses.replace(arm("lstm", 1.5, 1.7), low=1.2, high=2.0)
    text = said([alone], [])
    assert text == "Over 2 seeds, on this data: lstm reaches 1.600 nats per character (95 % interval 1.200 to 2.000)."
    assert said([arm("lstm", 1.5)], []).endswith("but the variation between seeds is unknown.")
    assert "lstm has no score. lstm diverged on every seed." in said([arm("lstm", None)], [])


@pytest.mark.parametrize(
    ("values", "told"), [((None, None), "rnn diverged on every seed."), ((1.6, None), "rnn diverged on seed 1.")]
)
def test_what_diverged_is_named(values: tuple[float | None, ...], told: str) -> None:
    assert said([arm("rnn", *values), ARMS[1]], []).endswith(f"no two arms can be compared. {told}")


def test_arms_that_a_count_of_symbols_beats_are_reported() -> None:
    levels = {"uniform": {"nats_per_character": 4.0}, "n-gram": {"nats_per_character": 1.55, "order": 6.0}}
    assert said(ARMS, [], baselines=levels).endswith(" rnn does not beat the n-gram baseline (1.550).")
    worse = {**levels, "n-gram": {"nats_per_character": 1.4}}
    assert said(ARMS, [], baselines=worse).endswith(" rnn and lstm do not beat the n-gram baseline (1.400).")
    assert "baseline" not in said(ARMS, [], baselines={"uniform": {"nats_per_character": 4.0}})


def test_sizes_that_were_not_matched_are_reported() -> None:
    arms = [ARMS[0], arm("lstm", 1.5, 1.5, parameters=4000)]
    assert said(arms, [], match="hidden").endswith(" Parameters differ: rnn 1,000, lstm 4,000.")
    assert "Parameters" not in said(arms, [])


def test_a_test_of_long_memory_is_reported_as_solved_or_not_seed_by_seed() -> None:
    arms = [arm("rnn", 0.17, 0.16), arm("lstm", 0.009, 0.01), arm("gru", 0.3, None)]
    levels = {"chance": {"nats_per_character": 0.167}, "solved": {"nats_per_character": 0.01}}
    text = said(arms, [], baselines=levels)
    expected = "rnn on none of 2 seeds, lstm on 2 of 2 seeds, gru on none of 2 seeds."
    assert f" Solved (nats per character of 0.01 or better) by {expected}" in text
    # An unsolved test need not be worse than chance.
    assert text.endswith(" gru does not beat the chance baseline (0.167).")


def test_solved_is_at_least_the_level_where_more_is_better() -> None:
    levels = {"chance": {"accuracy": 0.5}, "solved": {"accuracy": 0.99}}
    text = said([arm("rnn", 0.6, 0.99)], [], baselines=levels, primary="accuracy")
    assert "by rnn on 1 of 2 seeds." in text


def test_with_one_seed_the_arms_that_solved_it_are_named() -> None:
    levels = {"solved": {"nats_per_character": 0.01}}
    arms = [arm("rnn", 0.17), arm("lstm", 0.009)]
    assert said(arms, [], baselines=levels).endswith(" by lstm, but not by rnn.")
    assert said(arms[:1], [], baselines=levels).endswith(" by none.")
