"""`lstmctl export`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstmctl.cli.arguments import Json, Moved, NoProgress, RunArgument, Trust, without_moved
from lstmctl.registry import EXPORTS

if TYPE_CHECKING:
    from lstmctl.results.exported import Exported, LivingPage

PAGE = "html"
EXAMPLES = """\
Examples:

\b
  lstmctl export latest --to numpy
  lstmctl export travellers-lstm-001 --to c --precision int8 --output model
  lstmctl export latest --to javascript --force
  lstmctl export latest --to html
  lstmctl export latest --to html --without n-gram
  lstmctl export travellers-rnn-001 travellers-lstm-001 --to html --output cells.html
"""


def export(
    run: RunArgument = None,
    moved: Moved = None,
    to: Annotated[
        str,
        typer.Option(help=f"Form of the export: {', '.join((*EXPORTS, PAGE))}.", metavar="TARGET", show_default=False),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The new folder, by default RUN-TARGET; for html the new file, by default RUN.html.",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Of the stored weights: float32, float16 (numpy, javascript, html) or int8 (c); default: float32.",
            show_default=False,
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Leave a model out that has a share in the predictions: n-gram, theta, ETS, …",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an export that is there.")] = False,
    trust: Trust = False,
    quiet: NoProgress = False,
    json: Json = False,
) -> None:
    """Write a run in a form that runs without lstmctl.

    The whole predictor is exported: symbols, labels or columns, scaling, the network and its intervals. The export then
    runs on the run's own held-out data, and the largest difference to the run is printed. With --without, the score on
    that data is printed too, with and without the omitted models.

    \b
    numpy       one Python file that needs NumPy alone, and its weights
    c           one C99 file without malloc, a header, and an example
    javascript  one ES module without dependencies
    onnx        one model per function, with explicit state (pip install 'lstmctl[onnx]')
    html        one page in which the network runs: type a text, watch and hold its gates; several RUNs side by side
    """
    from lstmctl import registry
    from lstmctl.cli import output as stdout
    from lstmctl.cli.opening import open_run
    from lstmctl.errors import UsageError
    from lstmctl.results.codec import as_json

    known = (*EXPORTS, PAGE)
    if not to:
        raise UsageError(f"--to is missing; use one of {', '.join(known)}", hint="lstmctl export latest --to numpy")
    if to not in known:
        raise UsageError(f"--to `{to}` is not known; use one of {', '.join(known)}")
    names, overrides = without_moved([run, *(moved or ())])
    if len(names) > 1 and to != PAGE:
        raise UsageError(f"expected one RUN, not {len(names)}: {', '.join(map(str, names))}")
    given: Sequence[str | None] = names or [None]
    opened = [open_run(name, reads_own_data=True, trust=trust, overrides=overrides, quiet=quiet) for name in given]
    from lstmctl.export import export as write
    from lstmctl.export import export_page
    from lstmctl.reporting.live_work import shown_work
    from lstmctl.reporting.terminal import show

    found: Exported | LivingPage
    with shown_work(quiet=quiet):
        if to == PAGE:
            found = export_page(opened, output, precision=precision, without=without or (), force=force)
        else:
            found = write(opened[0], to, output, precision=precision, without=without or (), force=force)
    if json:
        stdout.write_json(as_json(found))
    else:
        show(registry.function(type(found).__name__, registry.VIEWS)(found), stream=sys.stdout)
