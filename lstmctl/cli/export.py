"""`lstmctl export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lstmctl.cli.arguments import Json, Moved, NoProgress, RunArgument, Trust, without_moved
from lstmctl.registry import EXPORTS

EXAMPLES = """\
Examples:

\b
  lstmctl export latest --to numpy
  lstmctl export travellers-lstm-001 --to c --precision int8 --output model
  lstmctl export latest --to javascript --force
"""


def export(
    run: RunArgument = None,
    moved: Moved = None,
    to: Annotated[
        str, typer.Option(help=f"Form of the export: {', '.join(EXPORTS)}.", metavar="TARGET", show_default=False)
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The new folder; default: RUN-TARGET in the current folder."),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Of the stored weights: float32, float16 (numpy, javascript) or int8 (c); default: float32.",
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
    runs on the run's own held-out data, and the largest difference to the run is printed.

    \b
    numpy       one Python file that needs NumPy alone, and its weights
    c           one C99 file without malloc, a header, and an example
    javascript  one ES module without dependencies
    onnx        one model per function, with explicit state (pip install 'lstmctl[onnx]')
    """
    from lstmctl import registry
    from lstmctl.cli import output as stdout
    from lstmctl.cli.opening import open_run
    from lstmctl.errors import UsageError
    from lstmctl.results.codec import as_json

    if not to:
        raise UsageError(f"--to is missing; use one of {', '.join(EXPORTS)}", hint="lstmctl export latest --to numpy")
    if to not in EXPORTS:
        raise UsageError(f"--to `{to}` is not known; use one of {', '.join(EXPORTS)}")
    (name,), overrides = _run_and_moved(run, moved)
    opened = open_run(name, reads_own_data=True, trust=trust, overrides=overrides, quiet=quiet)
    from lstmctl.export import export as write
    from lstmctl.reporting.live_work import shown_work
    from lstmctl.reporting.terminal import show

    with shown_work(quiet=quiet):
        found = write(opened, to, output, precision=precision, force=force)
    if json:
        stdout.write_json(as_json(found))
    else:
        show(registry.function("Exported", registry.VIEWS)(found), stream=sys.stdout)


def _run_and_moved(run: str | None, moved: list[str] | None) -> tuple[list[str | None], list[str]]:
    from lstmctl.errors import UsageError

    plain, overrides = without_moved([run, *(moved or ())])
    if len(plain) > 1:
        raise UsageError(f"expected one RUN, not {len(plain)}: {', '.join(plain)}")
    return [plain[0] if plain else None], overrides
