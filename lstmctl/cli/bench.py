"""`lstmctl bench`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from lstmctl import registry
from lstmctl.cli.arguments import Devices, Jobs, Json, On, Quiet, complete_cell

EXAMPLES = """\
Examples:

\b
  lstmctl bench
  lstmctl bench lstm gru slstm --test parity --test anbn
  lstmctl bench my_cell:Leaky lstm --jobs 2
  lstmctl bench --profile full --table latex
"""

TableForm = StrEnum("TableForm", list(registry.TABLE_FORMS))  # type: ignore[misc]
"""Format of a printed table."""


def bench(
    cells: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CELL",
            help="Cells; by default the profile's.",
            autocompletion=complete_cell,
            show_default=False,
        ),
    ] = None,
    profile: Annotated[str, typer.Option(help="quick (nine cells, an hour or two on two cores) or full.")] = "quick",
    test: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this test of the profile; can be repeated.")
    ] = None,
    jobs: Jobs = None,
    devices: Devices = None,
    on: On = None,
    table: Annotated[TableForm | None, typer.Option(help="Print the tables for a paper instead.")] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Rank cells on many tests, with matched parameters, tuning and several seeds.

    Every pair of a cell and a test is a separate comparison. It is continued if it was stopped, and never repeated once
    it is finished, so a new cell runs only its own rows.
    """
    from lstmctl.cli import output
    from lstmctl.reporting import console

    with console.loading(quiet=quiet):
        from lstmctl.comparison.bench import bench as run
        from lstmctl.comparison.machines import Machines, devices_of
        from lstmctl.reporting.bench_page import bench_in_words
        from lstmctl.reporting.papers import latex, markdown
        from lstmctl.reporting.terminal import show
        from lstmctl.results.codec import as_json

    def began(row: str, number: int, of: int) -> None:
        if not quiet:
            console.write_line(f"{number} of {of}: {row}")

    result = run(
        profile,
        cells or (),
        tests=test or (),
        machines=Machines(jobs, devices_of(devices), on),
        observe=lambda event: None,
        began=began,
    )
    if json:
        output.write_json({**as_json(result), "report": f"{result.path}/report.html"})
    elif table is not None:
        words = bench_in_words(result)
        output.write(markdown(words) if table.value == "markdown" else latex(words, result.command))
    else:
        show(bench_in_words(result), stream=sys.stdout)
        console.write_line(f"{result.path}/report.html")
