"""The report of a sweep: the curve, the table, and the way to each comparison's own report."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from lstmctl.records import Sweep
from lstmctl.reporting import page
from lstmctl.reporting.comparison_words import better_words, names_words, on_part, seeds_words
from lstmctl.reporting.sweep_plots import sweep_plot
from lstmctl.reporting.sweep_tables import latex, markdown, sweep_table
from lstmctl.reporting.sweep_words import arm_names, sweep_statement, value_name
from lstmctl.storage import replace_file



def write_sweep(sweep: Sweep) -> Path:
    """Write `report.html`, `plots/`, `table.md` and `table.tex` in the sweep's folder.

    Returns:
        The page.

    Raises:
        ResourceError: the disk is full or the folder cannot be written; an older report stands.
    """
    folder = Path(sweep.path)
    sweep_plot(sweep).write(folder)
    for name, form in (("table.md", markdown), ("table.tex", latex)):
        replace_file(folder / name, form(sweep).encode())
    path = folder / "report.html"
    replace_file(path, sweep_report(sweep).encode())
    return path


def sweep_report(sweep: Sweep) -> str:
    """The page, as one self-contained HTML document; only the reports of the comparisons lie beside it."""
    title = f"{names_words(arm_names(sweep))} on {sweep.config} by {sweep.key}"
    table = sweep_table(sweep)
    warnings = "\n".join(f'<p class="warning">{page.text(note)}</p>' for note in table.notes)
    parts = [
        _heading(sweep, title),
        page.section(
            "Curve", warnings, page.figure(sweep_plot(sweep))
        ),
        page.section(
            "Figures",
            page.table(table.columns, table.rows),
            f'<p class="soft">{page.text(table.about)}</p>',
        ),
        page.section("Each comparison", _comparisons(sweep)),
        page.section("Repeat it", page.preformatted(sweep.command)),
    ]
    return page.page(title, parts)


def _heading(sweep: Sweep, title: str) -> str:
    first = sweep.comparisons[0]
    about = " · ".join([f"{on_part(first)}, {better_words(first)}", seeds_words(first)])
    statement = sweep_statement(sweep)
    lead = f'<p class="lead">{page.text(statement)}</p>\n' if statement else ""
    return f'<header>\n<h1>{page.text(title)}</h1>\n{lead}<p class="soft">{page.text(about)}</p>\n</header>'


def _comparisons(sweep: Sweep) -> str:
    """For each value what its comparison shows, with the way to its report."""
    items = []
    for value, comparison in zip(sweep.values, sweep.comparisons, strict=True):
        # Quoted, a name can be nothing but that of a folder beside the page.
        link = f'<a href="{quote(Path(comparison.path).name, safe="")}/report.html">{page.text(value_name(value))}</a>'
        items.append(f"<dt>{link}</dt><dd>{page.text(comparison.statement)}</dd>")
    return "<dl>\n" + "\n".join(items) + "\n</dl>"
