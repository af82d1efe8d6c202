"""The report of a comparison: one page that says what was shown, from which figures, and how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from lstmctl.findings import Looks
from lstmctl.metrics import metric
from lstmctl.records import ArmResult, Comparison, RunResult
from lstmctl.reporting import page
from lstmctl.reporting.comparison_plots import comparison_plots
from lstmctl.reporting.comparison_tables import WORDS, Table, csv, latex, markdown, tables
from lstmctl.reporting.comparison_words import (
    DIVERGED,
    baselines,
    better_words,
    budget_words,
    decimals,
    final_value,
    fixed,
    interval_words,
    data_kind,
    match_words,
    metric_names,
    names_words,
    on_part,
    parameter_words,
    percent,
    primary_words,
    runs,
    seeds_words,
    settings_words,
    time_words,
    value_words,
)
from lstmctl.reporting.data_facts import data_facts, data_notes
from lstmctl.reporting.drawing import Plot
from lstmctl.reporting.looks_page import look_sections, write_looks
from lstmctl.reporting.palette import ON_PAGE, colour_of
from lstmctl.reporting.quantities import count, figure, short_count, size
from lstmctl.storage import replace_file

NOT_LOOKED = Looks()
HOW_EACH_GOES_ON = "How each goes on after the last row"


def write_comparison(comparison: Comparison, looks: Looks = NOT_LOOKED) -> Path:
    """Write `report.html`, `plots/`, `figures.csv`, `table.md` and `table.tex` in the comparison's folder.

    Args:
        looks: inside its runs.

    Returns:
        The page.

    Raises:
        ResourceError: the disk is full or the folder cannot be written; an older report stands.
    """
    folder = Path(comparison.path)
    for plot in comparison_plots(comparison).values():
        plot.write(folder)
    write_looks(folder, looks)
    for name, form in (("figures.csv", csv), ("table.md", markdown), ("table.tex", latex)):
        replace_file(folder / name, form(comparison).encode())
    path = folder / "report.html"
    replace_file(path, report(comparison, looks).encode())
    return path


def report(comparison: Comparison, looks: Looks = NOT_LOOKED) -> str:
    """The page, as one self-contained HTML document; only the reports of the runs lie beside it."""
    plots, shown = comparison_plots(comparison), {table.name: table for table in tables(comparison)}
    parts = [
        _heading(comparison),
        page.section(
            "Figures",
            _cards(comparison),
            _warnings(shown["figures"]),
            page.figure(plots.get("figures")),
            page.folded("As a table", _table(shown["figures"])),
        ),
        page.section("Differences", *_differences(plots, shown.get("differences"))),
        page.section("Learning curves", page.figure(plots.get("curves"))),
        *look_sections(looks),
        page.section("Settings and cost", _warnings(shown["costs"]), _table(shown["costs"])),
        page.section("Tuning", _tuning(comparison)),
        page.section(
            HOW_EACH_GOES_ON if data_kind(comparison) == "series" else "What each writes of an empty page", _samples(comparison)
        ),
        page.section("The same for every arm", page.facts(_shared(comparison))),
        page.section("Data", page.facts(data_facts(comparison.data)), data_notes(comparison.data)),
        page.section("Repeat it", _files(), page.preformatted(comparison.command), page.facts(_machine(comparison))),
        page.section("Every run", _runs(comparison)),
    ]
    return page.page(_title(comparison), parts)


def _title(comparison: Comparison) -> str:
    return f"{names_words([arm.name for arm in comparison.arms])} on {comparison.config}"


def _heading(comparison: Comparison) -> str:
    about = [
        f"{on_part(comparison)}, {better_words(comparison)}",
        seeds_words(comparison),
        budget_words(comparison),
    ]
    return (
        f"<header>\n<h1>{page.text(_title(comparison))}</h1>\n"
        f'<p class="lead">{page.text(comparison.statement)}</p>\n'
        f'<p class="soft">{page.text(" · ".join(about))}</p>\n</header>'
    )


def _cards(comparison: Comparison) -> str:
    """A card for each arm, and one for what needs no recurrent network."""
    cards = [_arm_card(comparison, number, arm) for number, arm in enumerate(comparison.arms)]
    if levels := baselines(comparison):
        places = decimals(comparison)
        items = "".join(f"<li>{fixed(value, places)} {page.text(name)}</li>" for name, value in levels)
        cards.append(f'<div class="card"><h3>to compare with, without a network</h3>\n<ul>{items}</ul></div>')
    return '<div class="cards">\n' + "\n".join(cards) + "\n</div>"


def _arm_card(comparison: Comparison, number: int, arm: ArmResult) -> str:
    places = decimals(comparison)
    cell = "" if arm.name == arm.cell else f" ({arm.cell})"
    mean = "" if arm.mean is None else f"{interval_words(arm, places)} {percent(comparison.confidence)} interval"
    if arm.mean is not None and arm.low is None:
        mean = interval_words(arm, places).strip("()")
    items = "".join(f"<li>{_run(comparison, run)}</li>" for run in arm.runs)
    return (
        f'<div class="card arm" style="--own: {ON_PAGE[colour_of(number)]}">'
        f"<h3>{page.text(arm.name + cell)}</h3>\n"
        f'<div class="figure">{value_words(arm.mean, places)}</div>\n'
        + (f"<div>{page.text(mean)}</div>\n" if mean else "")
        + f'<ul>{items}</ul>\n<div class="soft">{page.text(parameter_words(arm))} parameters</div></div>'
    )


def _run(comparison: Comparison, run: RunResult) -> str:
    """A seed's figure, with the way to the run's own report where it has one."""
    words = f"seed {run.seed}"
    if (Path(comparison.path) / run.name / "report.html").is_file():
        # Quoted, a name can be nothing but that of a folder beside the page.
        words = f'<a href="{quote(run.name, safe="")}/report.html">{words}</a>'
    return f"{value_words(run.value, decimals(comparison))} {words}"


def _differences(plots: Mapping[str, Plot], table: Table | None) -> list[str]:
    return [] if table is None else [_warnings(table), page.figure(plots.get("differences")), _table(table)]


def _table(table: Table) -> str:
    rows = page.table(table.columns, (*table.rows, *table.beneath), words=WORDS)
    return f'{rows}\n<p class="soft">{page.text(table.about)}</p>'


def _warnings(table: Table) -> str:
    return "\n".join(f'<p class="warning">{page.text(note)}</p>' for note in table.notes)


def _tuning(comparison: Comparison) -> str:
    places = decimals(comparison)
    rows = [
        [arm.name, settings_words(point), value_words(value, places), "chosen" if point == arm.chosen else ""]
        for arm in comparison.arms
        for point, value in arm.tuning
    ]
    if not rows:
        return ""
    about = "Every arm was given the same grid, with a seed that is none of those compared. "
    if comparison.split == "validation":
        about += "Here validation is the last tenth of the training part, kept out of it for this; "
        about += "the part that is reported was not looked at."
    else:
        about += f"The best on validation was taken; the {comparison.split} part was not looked at."
    columns = ["arm", "settings", f"{primary_words(comparison)}, validation", ""]
    return f'<p class="soft">{page.text(about)}</p>\n{page.table(columns, rows, words=("arm", "settings", ""))}'


def _samples(comparison: Comparison) -> str:
    if all(arm.mean is not None and not arm.sample for arm in comparison.arms):
        return ""  # the task writes nothing
    cards = []
    # A course drawn in a line would be broken by wrapping it, and needs the whole width.
    drawn = data_kind(comparison) == "series"
    for number, arm in enumerate(comparison.arms):
        sample = (
            page.preformatted(arm.sample, prose=not drawn)
            or f"<p>{'Nothing.' if arm.mean is not None else DIVERGED}</p>"
        )
        style = f"--own: {ON_PAGE[colour_of(number)]}"
        cards.append(f'<div class="card arm" style="{style}"><h3>{page.text(arm.name)}</h3>\n{sample}</div>')
    return f'<div class="cards{" whole" if drawn else ""}">\n' + "\n".join(cards) + "\n</div>"


def _shared(comparison: Comparison) -> list[tuple[str, object]]:
    return [
        ("config", comparison.config),
        ("changed in it", ", ".join(comparison.overrides)),
        ("each run", budget_words(comparison)),
        ("seeds", ", ".join(map(str, comparison.seeds))),
        ("matched by", f"{comparison.match}: {match_words(comparison)}"),
        ("runs at once", comparison.jobs),
        ("reported part", comparison.split),
    ]


def _machine(comparison: Comparison) -> list[tuple[str, object]]:
    machine = comparison.machine
    versions = machine.get("versions") or {}
    return [
        ("device", machine.get("device_name")),
        ("precision", machine.get("precision")),
        ("threads", machine.get("threads")),
        ("platform", machine.get("platform")),
        ("versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
    ]


def _files() -> str:
    return (
        '<p class="soft">Beside this page: every figure in <code>figures.csv</code>, the tables for a paper in '
        "<code>table.tex</code> and <code>table.md</code>, the figures in <code>plots/</code>.</p>"
    )


def _runs(comparison: Comparison) -> str:
    """All figures of all runs, behind a line that opens them."""
    names = metric_names(comparison)
    several = len({part for part, _ in names}) > 1
    columns = ["run", "status", f"{comparison.unit} seen", "rate", "time", "memory"]
    columns += [f"{part}: {metric(name).words}" if several else metric(name).words for part, name in names]
    rows = []
    for _, run in runs(comparison):
        figures = [final_value(run, part, name) for part, name in names]
        rate = "" if run.rate is None else f"{short_count(run.rate)}/s"
        memory = "" if run.peak_memory is None else size(run.peak_memory)
        row = [run.name, run.status, count(run.units), rate, time_words(run.seconds), memory]
        rows.append(row + ["" if value is None else figure(value) for value in figures])
    return page.folded(f"All figures of {len(rows)} runs", page.table(columns, rows, words=("run", "status")))
