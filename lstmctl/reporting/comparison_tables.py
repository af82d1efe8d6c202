"""A comparison as tables: the same rows in a terminal, in Markdown, in LaTeX and on a page; and every run as CSV."""

from __future__ import annotations

import io
from csv import writer
from typing import TextIO

from lstmctl.metrics import metric
from lstmctl.records import ArmResult, Comparison, Difference
from lstmctl.reporting.comparison_words import (
    DIVERGED,
    baselines,
    better_words,
    circumstances,
    decimals,
    difference_words,
    final_value,
    fixed,
    level_time_words,
    level_words,
    machine_words,
    mean_words,
    metric_names,
    not_comparable,
    on_part,
    p_words,
    parameter_words,
    percent,
    runs,
    settings_words,
    these,
    time_words,
    value_words,
    warnings_on_costs,
    warnings_on_differences,
    warnings_on_figures,
)
from lstmctl.reporting.console import inert, write_line
from lstmctl.reporting.quantities import count, short_count, size
from lstmctl.reporting.table_forms import (
    WORDS,
    Table,
    in_latex,
    in_markdown,
    show_table,
    without_empty_columns,
)

__all__ = ["WORDS", "Table", "csv", "latex", "markdown", "show_comparison", "tables"]


def tables(comparison: Comparison) -> tuple[Table, ...]:
    """All tables of a comparison; differences only where there are two arms."""
    return (figures(comparison), *([differences(comparison)] if comparison.tests else []), costs(comparison))


def figures(comparison: Comparison) -> Table:
    """What each arm reached, with the baselines beneath."""
    places = decimals(comparison)
    words = on_part(comparison)
    named_as_cells = all(arm.name == arm.cell for arm in comparison.arms)

    def row(arm: ArmResult) -> tuple[str, ...]:
        cell = "" if named_as_cells else arm.cell
        seeds = ", ".join(value_words(value, places) for value in arm.values)
        return (arm.name, cell, parameter_words(arm), mean_words(arm, places), seeds)

    return without_empty_columns(
        Table(
            "figures",
            f"{words[:1].upper()}{words[1:]}, {better_words(comparison)}",
            f"Mean over seeds with its {percent(comparison.confidence)} interval, on {these(comparison)} alone. "
            + circumstances(comparison),
            ("arm", "cell", "parameters", f"mean [{percent(comparison.confidence)} interval]", "each seed"),
            tuple(row(arm) for arm in comparison.arms),
            tuple((name, "", "", fixed(value, places), "") for name, value in baselines(comparison)),
            tuple(warnings_on_figures(comparison)),
        )
    )


def differences(comparison: Comparison) -> Table:
    """Every two arms against each other."""
    places = decimals(comparison)
    first_is_better = "negative" if metric(comparison.primary).sign > 0 else "positive"

    def row(test: Difference) -> tuple[str, ...]:
        kind = "" if test.p is None else test.test
        return (f"{test.a} minus {test.b}", difference_words(test, places), p_words(test.p), kind)

    return without_empty_columns(
        Table(
            "differences",
            f"Differences in {on_part(comparison)}",
            f"A {first_is_better} difference speaks for the first arm, over "
            f"seeds and on {these(comparison)} alone. Each interval is that of its pair by itself; p is adjusted for "
            f"all pairs, and a difference counts as shown where it is below {1 - comparison.confidence:g}.",
            ("arms", f"difference [{percent(comparison.confidence)} interval]", "adjusted p", "test"),
            tuple(map(row, comparison.tests)),
            notes=tuple(warnings_on_differences(comparison)),
        )
    )


def costs(comparison: Comparison) -> Table:
    """What each arm was given and what it took."""
    mark = "*" if not_comparable(comparison) else ""
    about = "Rate and time are medians over seeds, of training steps alone; memory is the peak of the largest run."

    def row(arm: ArmResult) -> tuple[str, ...]:
        rate = "" if arm.rate is None else f"{short_count(arm.rate)}/s"
        memory = "" if arm.peak_memory is None else size(arm.peak_memory)
        lost = arm.status == DIVERGED
        time = DIVERGED if lost else time_words(arm.seconds)
        to_level = "" if lost else level_time_words(comparison, arm)
        return (
            arm.name,
            settings_words(arm.settings),
            count(arm.steps),
            rate,
            time,
            to_level,
            memory,
            arm.kernel or "",
        )

    return without_empty_columns(
        Table(
            "costs",
            f"Settings and cost, rate in {comparison.unit} a second",
            " ".join(filter(None, [about, level_words(comparison), machine_words(comparison)])),
            ("arm", "settings", "steps", f"rate{mark}", f"time{mark}", f"to level{mark}", "memory", "kernel"),
            tuple(row(arm) for arm in comparison.arms),
            notes=tuple(warnings_on_costs(comparison)),
        )
    )


def show_comparison(comparison: Comparison, *, stream: TextIO | None = None) -> None:
    """Write the tables, what speaks against them, and the statement to stderr or `stream`.

    Raises:
        OSError: `stream` is stdout and its disk is full.
    """
    for table in tables(comparison):
        show_table(table, stream=stream)
    write_line(inert(comparison.statement), stream)


def markdown(comparison: Comparison) -> str:
    """The tables and the statement in Markdown."""
    return in_markdown(tables(comparison), comparison.statement)


def latex(comparison: Comparison) -> str:
    """The tables in LaTeX, for the package booktabs; the statement stands in a comment."""
    return in_latex(tables(comparison), comparison.statement, comparison.command)


def csv(comparison: Comparison) -> str:
    """Every figure of every run, one row a run, unrounded; a run that diverged has its row and no figures."""
    names = metric_names(comparison)
    text = io.StringIO()
    rows = writer(text, lineterminator="\n")
    rows.writerow(
        ["arm", "cell", "seed", "run", "status", "parameters", "deviation", "steps", "units"]
        + [f"{part}_{name}" for part, name in names]
        + ["seconds", "rate", "peak_memory", "kernel", "times"]
    )
    times = not_comparable(comparison) or "comparable"
    for arm, run in runs(comparison):
        row = [arm.name, arm.cell, run.seed, run.name, run.status, arm.parameters, arm.deviation, arm.steps, run.units]
        row += [final_value(run, part, name) for part, name in names]
        row += [run.seconds, run.rate, run.peak_memory, arm.kernel, times]
        rows.writerow([inert(value) if isinstance(value, str) else value for value in row])
    return text.getvalue()
