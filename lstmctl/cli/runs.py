"""`lstmctl runs list`, `lstmctl runs show`, `lstmctl runs report` and `lstmctl runs push`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstmctl.cli.arguments import Json, RunArgument

if TYPE_CHECKING:
    from lstmctl.reporting.blocks import Table

app = typer.Typer(help="List, show and publish runs.", no_args_is_help=True, rich_markup_mode=None)


MOST_LISTED = 200


@app.command(
    "list", epilog="Examples:\n\n\b\n  lstmctl runs list\n  lstmctl runs list --all\n  lstmctl runs list --json"
)
def list_(
    every: Annotated[bool, typer.Option("--all", help="List every run, not only the newest 200.")] = False,
    json: Json = False,
) -> None:
    """List runs, comparisons, sweeps and searches, oldest first; --json lists all of them."""
    from lstmctl.cli import output
    from lstmctl.reporting import console, terminal
    from lstmctl.runs.comparisons import (
        list_comparisons,
        list_searches,
        list_sweeps,
        summarise_comparison,
        summarise_search,
        summarise_sweep,
    )
    from lstmctl.runs.folder import list_runs, runs_root
    from lstmctl.runs.summary import summarise

    known = list_runs(runs_root())
    older = 0 if every or json else max(0, len(known) - MOST_LISTED)
    rows = [summarise(folder) for folder in known[older:]]
    comparisons = [summarise_comparison(folder) for folder in list_comparisons(runs_root())]
    sweeps = [summarise_sweep(folder) for folder in list_sweeps(runs_root())]
    searches = [summarise_search(folder) for folder in list_searches(runs_root())]
    if json:
        output.write_json({"runs": rows, "comparisons": comparisons, "sweeps": sweeps, "searches": searches})
        return
    if not rows and not comparisons and not sweeps and not searches:
        console.write_line(f"no runs in {runs_root()}; start one with `lstmctl train`")
        return
    listed = [
        _listed(("run", "status", "config", "data", "cell", "parameters", "step", "primary", "started"), rows),
        _listed(("comparison", "status", "arms", "runs"), comparisons),
        _listed(("sweep", "status", "key", "values", "arms", "runs"), sweeps),
        _listed(("search", "status", "space", "trials"), searches),
    ]
    terminal.show([table for table in listed if table.rows], stream=sys.stdout)
    if older:
        console.write_line(f"{older:,} older runs are not shown; all of them: lstmctl runs list --all")


@app.command(epilog="Examples:\n\n\b\n  lstmctl runs show\n  lstmctl runs show latest --json")
def show(run: RunArgument = None, json: Json = False) -> None:
    """Show a run's facts, data and metrics.

    They are read from `run.json`; --json prints the whole file.
    """
    from lstmctl.cli import output
    from lstmctl.reporting import terminal
    from lstmctl.runs.folder import find_any, runs_root

    folder = find_any(run, runs_root())
    info = folder.info()
    if json:
        output.write_json({"run": str(folder.path), "info": info})
        return
    apart = {key: info[key] for key in ("data", "metrics") if isinstance(info.get(key), dict)}
    rows = [(key, _cell(value)) for key, value in info.items() if value not in (None, {}, []) and key not in apart]
    tables = [_facts(str(folder.path), rows), _data(apart.get("data", {})), _metrics(apart.get("metrics", {}))]
    terminal.show([table for table in tables if table.rows], stream=sys.stdout)


@app.command(epilog="Examples:\n\n\b\n  lstmctl runs report\n  lstmctl runs report travellers-lstm-001")
def report(run: RunArgument = None) -> None:
    """Recreate a run's report.html and plots, and print its path."""
    from lstmctl.cli import output
    from lstmctl.reporting.run_page import write_report
    from lstmctl.runs.folder import find_any, runs_root

    folder = find_any(run, runs_root())
    with folder.locked():
        path = write_report(folder.path)
    output.write(f"{path}\n")


@app.command(
    epilog="Examples:\n\n\b\n  lstmctl runs push latest hf://USER/NAME\n"
    "  lstmctl runs push travellers-lstm-001 hf://USER/NAME --public --licence mit\n"
    "  lstmctl runs push latest to-look-at"
)
def push(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A finished run: its folder, its name, or latest.", show_default=False)
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="hf://USER/NAME|FOLDER",
            help="A repository on the Hub; or a new folder, for the files that would be uploaded.",
            show_default=False,
        ),
    ],
    public: Annotated[
        bool, typer.Option("--public", help="Show a new repository to everyone; by default, it is private.")
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The licence on the card, such as mit; by default, left to be filled in."),
    ] = None,
    with_data: Annotated[
        bool,
        typer.Option(
            "--with-data", help="Also publish the last rows of a forecaster's table, or the text of an n-gram share."
        ),
    ] = False,
    replace_card: Annotated[
        bool, typer.Option("--replace-card", help="Replace the card; by default, an existing one is kept.")
    ] = False,
    json: Json = False,
) -> None:
    """Upload a finished run to the Hugging Face Hub, with a card that describes it.

    This uploads the weights, config, encoding, metrics, report and card, but no checkpoints, no data and no paths on
    this machine. Every command that takes a RUN then takes hf://USER/NAME, or hf://USER/NAME@REVISION for a fixed
    version.
    """
    from lstmctl.cli import output
    from lstmctl.reporting.console import loading

    with loading(quiet=json):
        from lstmctl.api.publishing import publish
    from lstmctl.reporting.live_work import shown_work

    with shown_work(quiet=json):
        address = publish(run, target, public=public, with_data=with_data, licence=licence, replace_card=replace_card)
    if json:
        output.write_json({"run": run, "published": address})
    else:
        output.write(f"{address}\n")


def _facts(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    from lstmctl.reporting.blocks import Table

    return Table("facts", title, ("", ""), tuple(rows))


def _data(data: dict[str, Any]) -> Table:
    from lstmctl.reporting.data_facts import data_facts

    rows = [(name, str(value)) for name, value in data_facts(data) if value not in (None, "")]
    notes = data.get("notes")
    rows += [("note", str(note)) for note in notes] if isinstance(notes, list) else []
    return _facts("data", rows)


def _metrics(metrics: dict[str, Any]) -> Table:
    """One row per metric, one column per part."""
    from lstmctl.metrics import metric
    from lstmctl.reporting.blocks import Table

    parts = {part: figures for part, figures in metrics.items() if isinstance(figures, dict)}
    names = dict.fromkeys(name for figures in parts.values() for name in figures)
    rows = [(metric(name).words, *(_cell(figures.get(name)) for figures in parts.values())) for name in names]
    return Table("metrics", "metrics", ("", *parts), tuple(rows))


def _listed(columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> Table:
    from lstmctl.reporting.blocks import Table

    return Table("list", "", columns, tuple(tuple(_cell(row[column]) for column in columns) for row in rows))


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(inner)}" for key, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.0f}"
    return (
        f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else str(value if value is not None else "")
    )
