"""A sweep as a table, with one row per value and one column per arm, and its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lstmctl.metrics import SOLVED
from lstmctl.reporting import html
from lstmctl.reporting.blocks import Block, Code, Facts, Heading, Link, Prose, Table, section
from lstmctl.reporting.comparison_words import (
    baselines,
    better_words,
    fixed,
    names_words,
    on_part,
    percent,
    seeds_words,
)
from lstmctl.reporting.papers import latex, markdown
from lstmctl.reporting.sweep_plots import sweep_plot
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
from lstmctl.results.comparison import Comparison, Sweep


def sweep_table(sweep: Sweep) -> Table:
    """Scores of each arm at each value, followed by columns for the baselines."""
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
    at = ", followed by the number of seeds that solved it (reached the level of that name)" if has_level else ""
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


def write_sweep(sweep: Sweep) -> Path:
    """Write `report.html`, `plots/`, `table.md` and `table.tex` in the sweep's folder.

    Returns:
        The page.

    Raises:
        ResourceError: the disk is full or the folder cannot be written; an older report is kept.
    """
    words = in_words(sweep)
    files = {"table.md": markdown(words), "table.tex": latex(words, sweep.command)}
    return html.write_page(Path(sweep.path), sweep_blocks(sweep), files)


def sweep_blocks(sweep: Sweep) -> list[Block]:
    """Return the page of a sweep."""
    first, table, statement = sweep.comparisons[0], sweep_table(sweep), sweep_statement(sweep)
    about = " · ".join([f"{on_part(first)}, {better_words(first)}", seeds_words(first)])
    return [
        Heading(_title(sweep), 1),
        *([Prose(statement, "lead")] if statement else []),
        Prose(about, "soft"),
        *section("Curve", *table.prose_of_warnings(), sweep_plot(sweep)),
        *section("Scores", table.body()),
        *section("Each comparison", Facts(tuple(_comparisons(sweep)))),
        *section("Reproduction", Code(sweep.command)),
    ]


def _title(sweep: Sweep) -> str:
    return f"{names_words(arm_names(sweep))} on {sweep.config} by {sweep.key}"


def _comparisons(sweep: Sweep) -> Iterator[tuple[Link, str]]:
    """For each value what its comparison shows, with a link to its report."""
    for value, comparison in zip(sweep.values, sweep.comparisons, strict=True):
        # Quoted, a name can only refer to a folder next to the page.
        target = f"{quote(Path(comparison.path).name, safe='')}/report.html"
        yield Link(value_name(value), target), comparison.statement
