"""A comparison as tables: the same rows in a terminal, in Markdown, in LaTeX and on a page; and every run as CSV."""

from __future__ import annotations

from lstmctl.metrics import metric
from lstmctl.reporting import papers
from lstmctl.reporting.blocks import Block, Prose, Table
from lstmctl.reporting.comparison_words import (
    DIVERGED,
    baselines,
    better_words,
    circumstances,
    decimals,
    difference_words,
    ensemble_value,
    final_value,
    fixed,
    has_many_seeds,
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
    spread,
    these,
    time_words,
    value_words,
    warnings_on_costs,
    warnings_on_differences,
    warnings_on_figures,
)
from lstmctl.reporting.quantities import count, short_count, size
from lstmctl.results.comparison import ArmResult, Comparison, Difference, RunResult


def tables(comparison: Comparison) -> tuple[Table, ...]:
    """All tables of a comparison; differences only if there are two arms."""
    return (figures(comparison), *([differences(comparison)] if comparison.tests else []), costs(comparison))


def figures(comparison: Comparison) -> Table:
    """Scores of the arms, with the baselines below."""
    places = decimals(comparison)
    words = on_part(comparison)
    seeds = "best to worst seed" if has_many_seeds(comparison) else "each seed"
    named_as_cells = all(arm.name == arm.cell for arm in comparison.arms)

    def row(arm: ArmResult) -> tuple[str, ...]:
        cell = "" if named_as_cells else arm.cell
        return (arm.name, cell, parameter_words(arm), mean_words(arm, places), _scores(comparison, arm, places))

    medians = [
        (f"{arm.name}, median forecast", "", "", fixed(value, places), "")
        for arm in comparison.arms
        if (value := ensemble_value(comparison, arm)) is not None
    ]
    return Table(
        "figures",
        f"{words[:1].upper()}{words[1:]}, {better_words(comparison)}",
        ("arm", "cell", "parameters", f"mean [{percent(comparison.confidence)} interval]", seeds),
        tuple(row(arm) for arm in comparison.arms),
        (*medians, *((name, "", "", fixed(value, places), "") for name, value in baselines(comparison))),
        about=f"Mean over seeds with its {percent(comparison.confidence)} interval, on {these(comparison)} alone. "
        + circumstances(comparison),
        warnings=tuple(warnings_on_figures(comparison)),
    ).without_empty_columns()


def _scores(comparison: Comparison, arm: ArmResult, places: int) -> str:
    """The scores of an arm's seeds, or if they are many, the ends of their range and the number that diverged."""
    if not has_many_seeds(comparison):
        return ", ".join(value_words(value, places) for value in arm.values)
    ends = [
        fixed(run.value, places) for name, run in spread(comparison, arm) if run.value is not None and name != "median"
    ]
    lost = sum(value is None for value in arm.values)
    return ", ".join([*([" to ".join(ends)] if ends else []), *([f"{lost} {DIVERGED}"] if lost else [])])


def differences(comparison: Comparison) -> Table:
    """Differences between every two arms."""
    places = decimals(comparison)
    first_is_better = "negative" if metric(comparison.primary).sign > 0 else "positive"

    def row(test: Difference) -> tuple[str, ...]:
        kind = "" if test.p is None else test.test
        return (f"{test.a} minus {test.b}", difference_words(test, places), p_words(test.p), kind)

    return Table(
        "differences",
        f"Differences in {on_part(comparison)}",
        ("arms", f"difference [{percent(comparison.confidence)} interval]", "adjusted p", "test"),
        tuple(map(row, comparison.tests)),
        about=f"A {first_is_better} difference favours the first "
        f"arm, over seeds and on {these(comparison)} alone. Intervals and p are adjusted for all pairs. A difference "
        f"counts as shown where p is below {1 - comparison.confidence:g}; its interval then excludes 0.",
        warnings=tuple(warnings_on_differences(comparison)),
    ).without_empty_columns()


def costs(comparison: Comparison) -> Table:
    """Settings and costs of each arm."""
    mark = "*" if not_comparable(comparison) else ""
    about = "Rate and time are medians over seeds, of training steps only; memory is the peak of the largest run."

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

    return Table(
        "costs",
        f"Settings and cost, rate in {comparison.unit} per second",
        ("arm", "settings", "steps", f"rate{mark}", f"time{mark}", f"to level{mark}", "memory", "kernel"),
        tuple(row(arm) for arm in comparison.arms),
        about=" ".join(filter(None, [about, level_words(comparison), machine_words(comparison)])),
        warnings=tuple(warnings_on_costs(comparison)),
    ).without_empty_columns()


def all_runs(comparison: Comparison) -> Table:
    """Every metric of every run, unrounded; a run that diverged has a row without metrics."""
    names = metric_names(comparison)
    times = not_comparable(comparison) or "comparable"

    def row(arm: ArmResult, run: RunResult) -> tuple[str, ...]:
        values: list[object] = [
            arm.name,
            arm.cell,
            run.seed,
            run.name,
            run.status,
            arm.parameters,
            arm.deviation,
            arm.steps,
        ]
        values += [run.units, *(final_value(run, part, name) for part, name in names)]
        values += [run.seconds, run.rate, run.peak_memory, arm.kernel, times]
        return tuple("" if value is None else str(value) for value in values)

    columns: tuple[str, ...] = ("arm", "cell", "seed", "run", "status", "parameters", "deviation", "steps", "units")
    columns += (*(f"{part}_{name}" for part, name in names), "seconds", "rate", "peak_memory", "kernel", "times")
    return Table("runs", "Every run", columns, tuple(row(arm, run) for arm, run in runs(comparison)))


def in_words(comparison: Comparison) -> list[Block]:
    """The tables and the statement: what a terminal and a paper show."""
    return [*tables(comparison), Prose(comparison.statement)]


def csv(comparison: Comparison) -> str:
    """Every metric of every run as CSV, one row per run."""
    return papers.as_csv(all_runs(comparison))
