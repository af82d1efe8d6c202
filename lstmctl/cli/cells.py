"""`lstmctl cells list` and `cells show`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lstmctl.cli.arguments import Json, complete_cell

app = typer.Typer(help="List the bundled cells and show their equations.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list", epilog="Examples:\n\n\b\n  lstmctl cells list\n  lstmctl cells list --json")
def list_(json: Json = False) -> None:
    """List the bundled cells, with their parameters and how they compute whole sequences.

    Parameters are counted for one layer with inputs of width x and h units.
    """
    from dataclasses import asdict

    from lstmctl.cells.listing import bundled_cells
    from lstmctl.cli import output
    from lstmctl.reporting import console

    cells = bundled_cells()
    if json:
        kept = ("name", "title", "source", "parameters", "in_time")
        output.write_json({"cells": [{key: asdict(cell)[key] for key in kept} for cell in cells]})
        return
    rows = [
        [cell.name, cell.title.partition(",")[0], cell.reference, cell.parameters, cell.in_time.partition(",")[0]]
        for cell in cells
    ]
    console.print_table("", ["cell", "is", "source", "parameters", "in time"], rows, stream=sys.stdout)


@app.command(epilog="Examples:\n\n\b\n  lstmctl cells show lstm")
def show(
    name: Annotated[str, typer.Argument(metavar="CELL", help="A bundled cell.", autocompletion=complete_cell)],
) -> None:
    """Show a cell's equations and their source."""
    from lstmctl.cells.listing import describe
    from lstmctl.cli import output
    from lstmctl.errors import UsageError
    from lstmctl.registry import CELLS

    if name not in CELLS:
        raise UsageError(f"`{name}` is not a bundled cell", hint="lstmctl cells list")
    cell = describe(name)
    lines = [f"{cell.title}.", "", cell.text, ""]
    lines += [f"{key}: {value}" for key, value in (("Source", cell.source), ("Parameters", cell.parameters))]
    output.write("\n".join([*lines, f"In time: {cell.in_time}", ""]))
