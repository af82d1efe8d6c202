"""A sweep as a table: a row a value, a column an arm."""

from __future__ import annotations

from typing import Any, TextIO

from lstmctl.metrics import SOLVED
from lstmctl.records import Comparison, Sweep
from lstmctl.reporting.comparison_words import baselines, better_words, fixed, on_part, percent
from lstmctl.reporting.console import inert, write_line
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
from lstmctl.reporting.table_forms import Table, in_latex, in_markdown, show_table


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
        f"{interval}{at}. {sweep_circumstances(sweep)}",
        (sweep.key, *arm_names(sweep), *others),
        tuple(row(value, comparison) for value, comparison in zip(sweep.values, sweep.comparisons, strict=True)),
        notes=tuple(sweep_warnings(sweep)),
    )


def show_sweep(sweep: Sweep, *, stream: TextIO | None = None) -> None:
    """Write the table, what speaks against it, and where the test was solved to stderr or `stream`.

    Raises:
        OSError: `stream` is stdout and its disk is full.
    """
    show_table(sweep_table(sweep), stream=stream)
    if statement := sweep_statement(sweep):
        write_line(inert(statement), stream)


def markdown(sweep: Sweep) -> str:
    """The table in Markdown."""
    return in_markdown([sweep_table(sweep)], sweep_statement(sweep))


def latex(sweep: Sweep) -> str:
    """The table in LaTeX, for the package booktabs."""
    return in_latex([sweep_table(sweep)], sweep_statement(sweep), sweep.command)
