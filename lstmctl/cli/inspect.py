"""`lstmctl inspect gates`, `memory`, `gradients` and `recall`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstmctl.cli.arguments import (
    Json,
    Moved,
    NoProgress,
    RunArgument,
    Trust,
    complete_run,
    run_table_and_moved,
    without_moved,
)

if TYPE_CHECKING:
    from lstmctl.api import Run
    from lstmctl.reporting.drawing import Plot as Drawn

app = typer.Typer(help="Inspect a trained network.", no_args_is_help=True, rich_markup_mode=None)

Plot = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Output file, as .png or .svg; default: plots/inspect-….png in the run's folder.",
        show_default=False,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(help="Part of the run's data to read; default: test if there is one, else validation."),
]
Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN …",
        help="Runs to inspect, plotted together; default: the newest. data.text=PATH gives the new location of their "
        "data if it has moved.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
File = Annotated[str | None, typer.Argument(metavar="FILE", help="Read this text, folder or table instead.")]


@app.command(
    epilog="""\
Examples:

\b
  lstmctl inspect gates
  lstmctl inspect gates latest --text "I grew up in Sweden and speak fluent Swedish." --units 1,3,5
  lstmctl inspect gates latest my-text.txt --layer 1 --plot gates.svg
"""
)
def gates(
    run: RunArgument = None,
    file: File = None,
    moved: Moved = None,
    text: Annotated[str | None, typer.Option(help="Read this text instead.", show_default=False)] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Label of that text, for a run that generates text from labels.", show_default=False),
    ] = None,
    split: Split = None,
    layer: Annotated[
        int | None, typer.Option(help="The layer to show, from 1; default: the last.", show_default=False)
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(metavar="N,N…", help="Units to show, from 0; default: the 64 that vary most.", show_default=False),
    ] = None,
    symbols: Annotated[int, typer.Option(help="Steps to show.")] = 100,
    plot: Plot = None,
    trust: Trust = False,
    quiet: NoProgress = False,
    json: Json = False,
) -> None:
    """Show gates and states over an input, and units that track it.

    A unit is selected by its correlation with a property of the text (position in the line, inside quotes, …) on the
    first half of 5,000 symbols; the correlation on the second half is reported.
    """
    from lstmctl.cli import output
    from lstmctl.cli.inspection_json import findings_json
    from lstmctl.cli.results import weights_json
    from lstmctl.reporting.gate_plots import gate_plot
    from lstmctl.reporting.inspection_tables import gate_blocks
    from lstmctl.reporting.terminal import show

    run, file, overrides = run_table_and_moved(run, file, moved)
    opened = _opened(run, trust, file, overrides, quiet=quiet, reads_own_data=text is None)
    found = opened.inspect(
        "gates",
        quiet=quiet,
        text=text,
        file=file,
        label=label,
        split=split,
        layer=layer,
        units=_numbers(units),
        symbols=symbols,
    )
    _save(opened, gate_plot(found), plot)
    if json:
        output.write_json({**findings_json(found), **weights_json(opened)})
    else:
        show(gate_blocks(found), stream=sys.stdout)


@app.command(
    epilog="""\
Examples:

\b
  lstmctl inspect memory
  lstmctl inspect memory latest my-text.txt --plot memory.png --json
"""
)
def memory(
    run: RunArgument = None,
    file: File = None,
    moved: Moved = None,
    split: Split = None,
    steps: Annotated[int, typer.Option(help="Steps to read.")] = 5000,
    plot: Plot = None,
    trust: Trust = False,
    quiet: NoProgress = False,
    json: Json = False,
) -> None:
    """Measure how long units retain their state.

    It also reports how often gates are closed or open. A time constant is −1/ln of the geometric mean of the gate that
    retains the state: the number of steps in which the state decays to 1/e. For a vanilla network, which has no gates,
    the spectral radius of its recurrent matrix is shown instead.
    """
    from lstmctl.cli import output
    from lstmctl.cli.inspection_json import findings_json
    from lstmctl.cli.results import weights_json
    from lstmctl.reporting.inspection_plots import memory_plot
    from lstmctl.reporting.inspection_tables import memory_blocks
    from lstmctl.reporting.terminal import show

    run, file, overrides = run_table_and_moved(run, file, moved)
    opened = _opened(run, trust, file, overrides, quiet=quiet)
    found = opened.inspect("memory", quiet=quiet, file=file, split=split, steps=steps)
    _save(opened, memory_plot(found), plot)
    if json:
        output.write_json({**findings_json(found), **weights_json(opened)})
    else:
        show(memory_blocks(found), stream=sys.stdout)


@app.command(
    epilog="""\
Examples:

\b
  lstmctl inspect gradients
  lstmctl inspect gradients latest latest --steps 50 --plot gradients.png
  lstmctl inspect gradients latest --initial
"""
)
def gradients(
    runs: Runs = None,
    steps: Annotated[int, typer.Option(help="Number of steps to go back.")] = 100,
    positions: Annotated[int, typer.Option(help="Number of times to start from, spread over the data.")] = 64,
    initial: Annotated[
        bool, typer.Option("--initial", help="Use the networks as initialised, before training.")
    ] = False,
    layer: Annotated[
        int | None, typer.Option(help="The layer to plot, from 1; default: the last.", show_default=False)
    ] = None,
    split: Split = None,
    plot: Plot = None,
    trust: Trust = False,
    quiet: NoProgress = False,
    json: Json = False,
) -> None:
    """Measure how fast the gradient decays backwards in time.

    The output is the norm of d loss(t) / d state(t − k) for each k, its rate (the factor per step, fitted over all k)
    and its half-life in steps.
    """
    from lstmctl.reporting.console import loading

    with loading():
        pass

    from lstmctl.cli import output
    from lstmctl.cli.inspection_json import runs_json
    from lstmctl.cli.results import with_weights
    from lstmctl.errors import UsageError
    from lstmctl.reporting.inspection_plots import courses_of, gradient_plot
    from lstmctl.reporting.inspection_tables import gradient_blocks
    from lstmctl.reporting.terminal import show

    named, overrides = without_moved(runs or ())
    opened = [_opened(name, trust, None, overrides, quiet=quiet) for name in _named_or_newest(named)]
    asked = {"steps": steps, "positions": positions, "split": split, "initial": initial}
    found = [one.inspect("gradients", quiet=quiet, **asked) for one in opened]
    carrying = [one for one in found if one.courses]
    if layer is not None and any(not courses_of(one, layer) for one in carrying):
        raise UsageError(f"not every run has a layer {layer}")
    drawn = gradient_plot(carrying, layer)
    if drawn is not None and initial:
        drawn = replace(drawn, name=f"{drawn.name}-initial")
    _save(opened[0], drawn, plot)
    if json:
        output.write_json(with_weights(runs_json(found), opened))
    else:
        show(gradient_blocks(found), stream=sys.stdout)


@app.command(
    epilog="""\
Examples:

\b
  lstmctl inspect recall
  lstmctl inspect recall latest --split validation --plot recall.png
  lstmctl inspect recall latest latest --kind language
"""
)
def recall(
    runs: Runs = None,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Read this text instead; its table is in the same folder.", show_default=False
        ),
    ] = None,
    split: Split = None,
    kind: Annotated[
        str | None,
        typer.Option(help="Kind of dependency; default: the most frequent in the table.", show_default=False),
    ] = None,
    plot: Plot = None,
    trust: Trust = False,
    quiet: NoProgress = False,
    json: Json = False,
) -> None:
    """Measure how well a run recalls information, by distance.

    This needs a text with known distances: the bundled travellers, or one with NAME-dependencies.csv in the same folder
    (docs/inspecting.md).
    """
    from lstmctl.cli import output
    from lstmctl.cli.inspection_json import runs_json
    from lstmctl.cli.results import with_weights
    from lstmctl.data.locating import locate
    from lstmctl.reporting.inspection_plots import recall_plot
    from lstmctl.reporting.inspection_tables import recall_blocks
    from lstmctl.reporting.terminal import show

    if file is not None:
        locate(file, None, None)
    named, overrides = without_moved(runs or ())
    opened = [
        _opened(name, trust, None, overrides, quiet=quiet, reads_own_data=file is None)
        for name in _named_or_newest(named)
    ]
    found = [one.inspect("recall", quiet=quiet, file=file, split=split, kind=kind) for one in opened]
    _save(opened[0], recall_plot(found), plot)
    if json:
        output.write_json(with_weights(runs_json(found), opened))
        return
    show(recall_blocks(found), stream=sys.stdout)


def _named_or_newest(names: Sequence[str]) -> Sequence[str | None]:
    return names or (None,)


def _opened(
    run: str | None,
    trust: bool,
    file: str | None,
    overrides: Sequence[str],
    *,
    quiet: bool,
    reads_own_data: bool = True,
) -> Run:
    from lstmctl.cli.opening import open_run
    from lstmctl.config.schema import tasks_with

    return open_run(
        run,
        task=[tasks_with("read tables")] if file is not None else (),
        files=[file] if file else (),
        reads_own_data=reads_own_data,
        trust=trust,
        overrides=overrides,
        quiet=quiet,
    )


def _numbers(units: str | None) -> list[int]:
    from lstmctl.errors import UsageError

    try:
        return [int(unit) for unit in units.split(",")] if units is not None else []
    except ValueError as error:
        raise UsageError(
            f"--units must be whole numbers separated by commas, such as 3,17,40, not `{units}`"
        ) from error


def _save(run: Run, drawn: Drawn | None, path: Path | None) -> None:
    """Save a plot, by default in the run's folder, and print its path on stderr."""
    from lstmctl.reporting import console
    from lstmctl.storage import disk_errors

    if drawn is None:
        return
    if path is None:
        path = run.path / "plots" / f"inspect-{drawn.name}.png"
        with disk_errors(path.parent):
            path.parent.mkdir(exist_ok=True)
    console.write_line(str(drawn.save(path)))
