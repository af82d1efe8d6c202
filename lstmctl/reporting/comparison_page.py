"""The report of a comparison: one page with the results, the metrics behind them, and how to repeat it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from lstmctl.metrics import metric
from lstmctl.reporting import html
from lstmctl.reporting.blocks import (
    Block,
    Card,
    Cards,
    Code,
    Facts,
    Folded,
    Heading,
    Link,
    Prose,
    Table,
    Words,
    section,
)
from lstmctl.reporting.comparison_plots import comparison_plots
from lstmctl.reporting.comparison_tables import csv, in_words, tables
from lstmctl.reporting.comparison_words import (
    DIVERGED,
    baselines,
    better_words,
    budget_words,
    data_kind,
    decimals,
    ensemble_value,
    final_value,
    fixed,
    has_many_seeds,
    interval_words,
    match_words,
    metric_names,
    names_words,
    on_part,
    parameter_words,
    percent,
    primary_words,
    runs,
    seed_numbers,
    seeds_words,
    settings_words,
    spread,
    time_words,
    value_words,
)
from lstmctl.reporting.data_facts import data_facts, data_notes
from lstmctl.reporting.drawing import Plot
from lstmctl.reporting.inspection_plots import gradient_plot, recall_plot
from lstmctl.reporting.length_plots import length_plot
from lstmctl.reporting.palette import colour_of
from lstmctl.reporting.papers import latex, markdown
from lstmctl.reporting.quantities import count, figure, short_count, size
from lstmctl.results.comparison import ArmResult, Comparison, RunResult
from lstmctl.results.inspection import ArmInspections

NOT_LOOKED = ArmInspections()
FILES = (
    "In the same folder: every metric in figures.csv, the tables for a paper in table.tex and table.md, the plots in "
    "plots/."
)


def write_comparison(comparison: Comparison, looks: ArmInspections = NOT_LOOKED) -> Path:
    """Write `report.html`, `plots/`, `figures.csv`, `table.md` and `table.tex` in the comparison's folder.

    Args:
        looks: inspections of its runs.

    Returns:
        The page.

    Raises:
        ResourceError: the disk is full or the folder cannot be written; an older report is kept.
    """
    words = in_words(comparison)
    files = {"table.md": markdown(words), "table.tex": latex(words, comparison.command), "figures.csv": csv(comparison)}
    return html.write_page(Path(comparison.path), comparison_blocks(comparison, looks), files)


def comparison_blocks(comparison: Comparison, looks: ArmInspections = NOT_LOOKED) -> list[Block]:
    """Return the page of a comparison; its links lead to the reports of the runs in the page's folder."""
    plots, shown = comparison_plots(comparison), {table.name: table for table in tables(comparison)}
    figures, differences, costs = shown["figures"], shown.get("differences"), shown["costs"]
    about = [f"{on_part(comparison)}, {better_words(comparison)}", seeds_words(comparison), budget_words(comparison)]
    writing = "Forecasts after the last row" if data_kind(comparison) == "series" else "Texts from an empty prompt"
    return [
        Heading(_title(comparison), 1),
        Prose(comparison.statement, "lead"),
        Prose(" · ".join(about), "soft"),
        *section(
            "Figures",
            _cards(comparison),
            *figures.prose_of_warnings(),
            plots.get("figures"),
            Folded("As a table", (figures.body(),)),
            *_all_seeds(comparison),
        ),
        *(
            section("Differences", *differences.prose_of_warnings(), plots.get("differences"), differences.body())
            if differences is not None
            else []
        ),
        *section("Learning curves", plots.get("curves")),
        *section("Length generalisation", _lengths(comparison)),
        *section("Gradients back in time", gradient_plot(looks.gradients)),
        *section("Recall by distance", recall_plot(looks.recalls)),
        *section("Settings and cost", *costs.prose_of_warnings(), costs.body()),
        *section("Tuning", *_tuning(comparison)),
        *section(writing, _samples(comparison)),
        *section("Shared settings", _shared(comparison)),
        *section("Data", Facts.known(data_facts(comparison.data)), *data_notes(comparison.data)),
        *section("How to repeat this", Prose(FILES, "soft"), Code(comparison.command), _machine(comparison)),
        *section("Every run", _runs(comparison)),
    ]


def _lengths(comparison: Comparison) -> Plot | None:
    """The mean metric of every arm by the length of the sequences, beside the baselines."""
    courses = {arm.name: course for arm in comparison.arms if (course := arm.by_length)}
    return length_plot(courses, comparison.primary, dict(baselines(comparison))) if courses else None


def _title(comparison: Comparison) -> str:
    return f"{names_words([arm.name for arm in comparison.arms])} on {comparison.config}"


def _cards(comparison: Comparison) -> Cards:
    """A card for each arm, and one for the baselines."""
    cards = [_arm_card(comparison, number, arm) for number, arm in enumerate(comparison.arms)]
    if levels := baselines(comparison):
        places = decimals(comparison)
        items = tuple((fixed(value, places), name) for name, value in levels)
        cards.append(Card("baselines without a network", items=items))
    return Cards(tuple(cards))


def _arm_card(comparison: Comparison, number: int, arm: ArmResult) -> Card:
    places = decimals(comparison)
    cell = "" if arm.name == arm.cell else f" ({arm.cell})"
    mean = "" if arm.mean is None else f"{interval_words(arm, places)} {percent(comparison.confidence)} interval"
    if arm.mean is not None and arm.low is None:
        mean = interval_words(arm, places).strip("()")
    median = ensemble_value(comparison, arm)
    return Card(
        arm.name + cell,
        value_words(arm.mean, places),
        mean,
        (
            *_scores(comparison, arm),
            *([] if median is None else [(fixed(median, places), "median forecast of all")]),
        ),
        foot=f"{parameter_words(arm)} parameters",
        colour=colour_of(number),
    )


def _scores(comparison: Comparison, arm: ArmResult) -> list[tuple[str, Words]]:
    """The score of every seed, or if they are many, of a few."""
    places = decimals(comparison)
    if not has_many_seeds(comparison):
        return [(value_words(run.value, places), _seed(comparison, run)) for run in arm.runs]
    lost = sum(run.value is None for run in arm.runs)
    few = [(value_words(run.value, places), _seed(comparison, run, name)) for name, run in spread(comparison, arm)]
    return [*few, *([(str(lost), DIVERGED)] if lost else [])]


def _all_seeds(comparison: Comparison) -> list[Folded]:
    """The scores of all seeds, collapsed, where the cards show only a few."""
    if not has_many_seeds(comparison):
        return []
    places = decimals(comparison)
    return [
        Folded(
            f"All {count(len(arm.runs))} seeds of {arm.name}",
            (Facts(tuple((_seed(comparison, run), value_words(run.value, places)) for run in arm.runs)),),
        )
        for arm in comparison.arms
    ]


def _seed(comparison: Comparison, run: RunResult, name: str = "") -> Words:
    """A run's seed, with a link to its own report if it has one."""
    words = f"{name}, seed {run.seed}".removeprefix(", ")
    if (Path(comparison.path) / run.name / "report.html").is_file():
        # Quoted, a name can only refer to a folder next to the page.
        return Link(words, f"{quote(run.name, safe='')}/report.html")
    return words


def _tuning(comparison: Comparison) -> list[Block]:
    places = decimals(comparison)
    rows = [
        (
            arm.name,
            settings_words(one.point),
            value_words(one.value, places),
            "chosen" if one.point == arm.chosen else "",
        )
        for arm in comparison.arms
        for one in arm.tuning
    ]
    if not rows:
        return []
    how = "The same grid was tried on every arm"
    if comparison.space:
        trials = max(len(arm.tuning) for arm in comparison.arms)
        how = f"Every arm had {trials} trials of Optuna's TPE in the same space ({', '.join(comparison.space)})"
    about = f"{how}, with a seed that is not used in the comparison. "
    if comparison.split == "validation":
        about += "Validation here is the last tenth of the training part, held out for tuning; "
        about += "the reported part was not used."
    else:
        about += f"The best setting on validation was selected; the {comparison.split} part was not used."
    columns = ("arm", "settings", f"{primary_words(comparison)}, validation", "")
    return [Prose(about, "soft"), Table("tuning", "", columns, tuple(rows), text_columns=("arm", "settings", ""))]


def _samples(comparison: Comparison) -> Cards | None:
    if all(arm.mean is not None and not arm.sample for arm in comparison.arms):
        return None  # the task generates no text
    # A forecast drawn as one line must not be wrapped, and needs the whole width.
    drawn = data_kind(comparison) == "series"

    def sample(arm: ArmResult) -> Block:
        if arm.sample.strip():
            return Code(arm.sample, wraps=not drawn)
        return Prose("Nothing." if arm.mean is not None else DIVERGED)

    cards = [Card(arm.name, body=sample(arm), colour=colour_of(number)) for number, arm in enumerate(comparison.arms)]
    return Cards(tuple(cards), stacked=drawn)


def _shared(comparison: Comparison) -> Facts | None:
    return Facts.known(
        [
            ("config", comparison.config),
            ("overrides", ", ".join(comparison.overrides)),
            ("each run", budget_words(comparison)),
            ("seeds", seed_numbers(comparison)),
            ("match", f"{comparison.match}: {match_words(comparison)}"),
            ("runs in parallel", comparison.jobs),
            ("reported part", comparison.split),
        ]
    )


def _machine(comparison: Comparison) -> Facts | None:
    machine = comparison.machine
    versions = machine.get("versions") or {}
    return Facts.known(
        [
            ("device", machine.get("device_name")),
            ("precision", machine.get("precision")),
            ("threads", machine.get("threads")),
            ("platform", machine.get("platform")),
            ("versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
        ]
    )


def _runs(comparison: Comparison) -> Folded:
    """All metrics of all runs, collapsed."""
    names = metric_names(comparison)
    several = len({part for part, _ in names}) > 1
    rows = []
    for _, run in runs(comparison):
        found = [final_value(run, part, name) for part, name in names]
        rate = "" if run.rate is None else f"{short_count(run.rate)}/s"
        memory = "" if run.peak_memory is None else size(run.peak_memory)
        machine = ", ".join(filter(None, (run.host, run.device_name)))
        row = (run.name, run.status, machine, count(run.units), rate, time_words(run.seconds), memory)
        rows.append((*row, *("" if value is None else figure(value) for value in found)))
    words = [f"{part}: {metric(name).words}" if several else metric(name).words for part, name in names]
    columns = ("run", "status", "machine", f"{comparison.unit} seen", "rate", "time", "memory", *words)
    table = Table("runs", "", columns, tuple(rows), text_columns=("run", "status", "machine")).without_empty_columns()
    return Folded(f"All metrics of {len(rows)} runs", (table,))
