"""How each fact of a sweep is worded: said once here, the same in its table, its figure and its page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lstmctl.metrics import SOLVED, metric
from lstmctl.reporting.comparison_words import (
    DIVERGED,
    baselines,
    budget_words,
    decimals,
    file_words,
    fixed,
    interval_words,
    match_words,
    names_words,
    seeds_words,
    warnings_on_figures,
)
from lstmctl.results.comparison import ArmResult, Comparison, Sweep

CHANCE = "chance"
LEVELS = (CHANCE, SOLVED)
"""The baselines that say what a figure means, by their names."""
MOST_PLACES = 4
"""Of a figure in a table that has a column for each arm."""


def value_name(value: Any) -> str:
    """A value of a config as it would be typed: `50`, `0.001`, `cosine`, `[0.8, 0.2]`, `null`."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_name, value))}]"
    return str(value)


def arm_names(sweep: Sweep) -> list[str]:
    """The arms, which every comparison has."""
    return [arm.name for arm in sweep.comparisons[0].arms]


def places(sweep: Sweep) -> int:
    """Places that every figure has."""
    return min(MOST_PLACES, max(map(decimals, sweep.comparisons)))


def level(comparison: Comparison, name: str) -> float | None:
    """The primary figure of a baseline, or None where there is no such baseline."""
    return comparison.baselines.get(name, {}).get(comparison.primary)


def solved(comparison: Comparison, arm: ArmResult) -> int | None:
    """On how many seeds an arm solved its test; None where nothing counts as solved."""
    needed = level(comparison, SOLVED)
    if needed is None:
        return None
    primary = metric(comparison.primary)
    return sum(value is not None and primary.reaches(value, needed) for value in arm.values)


def cell_words(comparison: Comparison, arm: ArmResult, shown: int) -> str:
    """What an arm reached at one value, and how many of its seeds solved the test: `0.0034 [0.0021, 0.0047] 3/3`."""
    if arm.mean is None:
        return DIVERGED
    # That there is no interval is said once, beside the table.
    interval = "" if arm.low is None else f" {interval_words(arm, shown)}"
    lost = sum(value is None for value in arm.values)
    count = solved(comparison, arm)
    share = "" if count is None else f" {count}/{len(arm.values)}"
    return f"{fixed(arm.mean, shown)}{interval}{share}" + (f", {lost} of {len(arm.values)} {DIVERGED}" if lost else "")


def baseline_names(sweep: Sweep) -> list[str]:
    """Every baseline that some comparison has, as `comparison_words.baselines` names it."""
    return list(dict.fromkeys(name for comparison in sweep.comparisons for name, _ in baselines(comparison)))


def sweep_statement(sweep: Sweep) -> str:
    """Where each arm solved its test on every seed; nothing where there is nothing to solve."""
    if level(sweep.comparisons[0], SOLVED) is None:
        return ""
    told = []
    for number, name in enumerate(arm_names(sweep)):
        pairs = zip(sweep.values, sweep.comparisons, strict=True)
        where = [
            value_name(value)
            for value, comparison in pairs
            if solved(comparison, comparison.arms[number]) == len(comparison.seeds)
        ]
        told.append(f"{name} at {names_words(where) or 'none'}")
    return f"Values of {sweep.key} at which every seed solved it: {'; '.join(told)}."


def sweep_circumstances(sweep: Sweep) -> str:
    """What a reader must know of how the figures came about, as far as it is the same for every value."""
    known = [f"config {sweep.config}"]
    for words in (file_words, seeds_words, budget_words):
        found = {words(comparison) for comparison in sweep.comparisons}
        known += found - {"", sweep.config} if len(found) == 1 else []  # what is drawn has its config's name
    targets = {match_words(comparison) for comparison in sweep.comparisons}
    known.append(targets.pop() if len(targets) == 1 else "parameters matched for each value by itself")
    text = "; ".join(known)
    return f"{text[:1].upper()}{text[1:]}."


def sweep_warnings(sweep: Sweep) -> Iterator[str]:
    """What speaks against taking the figures as they stand; with the values, where it is not so for all of them."""
    found: dict[str, list[str]] = {}
    for value, comparison in zip(sweep.values, sweep.comparisons, strict=True):
        for note in warnings_on_figures(comparison):
            found.setdefault(note, []).append(value_name(value))
    for note, values in found.items():
        yield note if len(values) == len(sweep.values) else f"{sweep.key} {names_words(values)}: {note}"
    if all(len(comparison.seeds) == 1 for comparison in sweep.comparisons):
        yield "One seed: there are no intervals, and nothing is known of how far seeds move the figures."
