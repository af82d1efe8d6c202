"""The report of a sweep: the curve, the table, and links to the report of each comparison."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from lstmctl.records import Sweep
from lstmctl.reporting import html
from lstmctl.reporting.blocks import Block, Code, Facts, Heading, Link, Prose, section
from lstmctl.reporting.comparison_words import better_words, names_words, on_part, seeds_words
from lstmctl.reporting.papers import latex, markdown
from lstmctl.reporting.sweep_plots import sweep_plot
from lstmctl.reporting.sweep_tables import in_words, sweep_table
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
    words = in_words(sweep)
    for name, content in (("table.md", markdown(words)), ("table.tex", latex(words, sweep.command))):
        replace_file(folder / name, content.encode())
    path = folder / "report.html"
    replace_file(path, html.page(sweep_blocks(sweep)).encode())
    return path


def sweep_blocks(sweep: Sweep) -> list[Block]:
    """Return all that is shown of a sweep."""
    first, table, statement = sweep.comparisons[0], sweep_table(sweep), sweep_statement(sweep)
    about = " · ".join([f"{on_part(first)}, {better_words(first)}", seeds_words(first)])
    return [
        Heading(_title(sweep), 1),
        *([Prose(statement, "lead")] if statement else []),
        Prose(about, "soft"),
        *section("Curve", *table.prose_of_warnings(), sweep_plot(sweep)),
        *section("Figures", table.body()),
        *section("Each comparison", Facts(tuple(_comparisons(sweep)))),
        *section("Repeat it", Code(sweep.command)),
    ]


def _title(sweep: Sweep) -> str:
    return f"{names_words(arm_names(sweep))} on {sweep.config} by {sweep.key}"


def _comparisons(sweep: Sweep) -> Iterator[tuple[Link, str]]:
    """For each value what its comparison shows, with a link to its report."""
    for value, comparison in zip(sweep.values, sweep.comparisons, strict=True):
        # Quoted, a name can be nothing but that of a folder beside the page.
        target = f"{quote(Path(comparison.path).name, safe='')}/report.html"
        yield Link(value_name(value), target), comparison.statement
