"""Wording of each fact of a sweep, shared by its table, plot and page."""

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
"""Baselines that serve as reference levels, by name."""
MOST_PLACES = 4
"""Maximum number of decimal places in a table that has a column for each arm."""


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
    """Decimal places of every score."""
    return min(MOST_PLACES, max(map(decimals, sweep.comparisons)))


def level(comparison: Comparison, name: str) -> float | None:
    """The primary metric of a baseline, or None if no baseline has this name."""
    return comparison.baselines.get(name, {}).get(comparison.primary)


def solved(comparison: Comparison, arm: ArmResult) -> int | None:
    """On how many seeds an arm solved its test; None where nothing counts as solved."""
    needed = level(comparison, SOLVED)
    if needed is None:
        return None
    primary = metric(comparison.primary)
    return sum(value is not None and primary.reaches(value, needed) for value in arm.values)


def cell_words(comparison: Comparison, arm: ArmResult, shown: int) -> str:
    """Score of an arm at one value, and the number of its seeds that solved the test: `0.0034 [0.0021, 0.0047] 3/3`."""
    if arm.mean is None:
        return DIVERGED
    # A missing interval is explained once, next to the table.
    interval = "" if arm.low is None else f" {interval_words(arm, shown)}"
    lost = sum(value is None for value in arm.values)
    count = solved(comparison, arm)
    share = "" if count is None else f" {count}/{len(arm.values)}"
    return f"{fixed(arm.mean, shown)}{interval}{share}" + (f", {lost} of {len(arm.values)} {DIVERGED}" if lost else "")


def baseline_names(sweep: Sweep) -> list[str]:
    """All baselines of the comparisons, under their names in `comparison_words.baselines`."""
    return list(dict.fromkeys(name for comparison in sweep.comparisons for name, _ in baselines(comparison)))


def sweep_statement(sweep: Sweep) -> str:
    """List the values at which every seed of an arm solved its test; empty if nothing counts as solved."""
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
    """The conditions under which the results were obtained, if they are equal for all values."""
    known = [f"config {sweep.config}"]
    for words in (file_words, seeds_words, budget_words):
        found = {words(comparison) for comparison in sweep.comparisons}
        known += found - {"", sweep.config} if len(found) == 1 else []  # synthetic data has the same name as its config
    targets = {match_words(comparison) for comparison in sweep.comparisons}
    known.append(targets.pop() if len(targets) == 1 else "parameters matched separately for each value")
    text = "; ".join(known)
    return f"{text[:1].upper()}{text[1:]}."


def sweep_warnings(sweep: Sweep) -> Iterator[str]:
    """Reasons not to take the results at face value, with the values they apply to unless they apply to all."""
    found: dict[str, list[str]] = {}
    for value, comparison in zip(sweep.values, sweep.comparisons, strict=True):
        for note in warnings_on_figures(comparison):
            found.setdefault(note, []).append(value_name(value))
    for note, values in found.items():
        yield note if len(values) == len(sweep.values) else f"{sweep.key} {names_words(values)}: {note}"
    if all(len(comparison.seeds) == 1 for comparison in sweep.comparisons):
        yield "One seed: no intervals, and the variation between seeds is unknown."
