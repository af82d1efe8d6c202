"""A sweep as a table, with one row per value and one column per arm."""

from __future__ import annotations

from typing import Any

from lstmctl.metrics import SOLVED
from lstmctl.records import Comparison, Sweep
from lstmctl.reporting.blocks import Block, Prose, Table
from lstmctl.reporting.comparison_words import baselines, better_words, fixed, on_part, percent
from lstmctl.reporting.sweep_words import (
    arm_names,
    baseline_names,
    cell_words,
    level,
    places,
    sweep_circumstances,
    sweep_statement,
    sweep_warnings,
    value_name,
)


def sweep_table(sweep: Sweep) -> Table:
    """What each arm reached at each value, with the baselines in columns behind."""
    first, shown, others = sweep.comparisons[0], places(sweep), baseline_names(sweep)

    def row(value: Any, comparison: Comparison) -> tuple[str, ...]:
        known = dict(baselines(comparison))
        cells = [cell_words(comparison, arm, shown) for arm in comparison.arms]
        return (value_name(value), *cells, *(fixed(known[name], shown) if name in known else "" for name in others))

    words = on_part(first)
    interval = f"Mean over seeds with its {percent(first.confidence)} interval"
    has_level = level(first, SOLVED) is not None
    seeds = len(first.seeds)
    share = f"; {seeds}/{seeds}: all seeds solved it" if has_level else ""
    at = ", then on how many seeds it was solved: at the level of that name, or better" if has_level else ""
    return Table(
        "sweep",
        f"{words[:1].upper()}{words[1:]} by {sweep.key}, {better_words(first)}{share}",
        (sweep.key, *arm_names(sweep), *others),
        tuple(row(value, comparison) for value, comparison in zip(sweep.values, sweep.comparisons, strict=True)),
        about=f"{interval}{at}. {sweep_circumstances(sweep)}",
        warnings=tuple(sweep_warnings(sweep)),
        text_columns=(),
    )


def in_words(sweep: Sweep) -> list[Block]:
    """The table and where the test was solved: what a terminal and a paper show."""
    statement = sweep_statement(sweep)
    return [sweep_table(sweep), *([Prose(statement)] if statement else [])]
