"""`lstmctl backtest`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lstmctl.cli.arguments import Baselines, Json, Moved, Quiet, RunArgument, Trust, without_moved

EXAMPLES = """\
Examples:

\b
  lstmctl backtest
  lstmctl backtest latest --stride 1 --output backtest.csv
  lstmctl backtest latest --windows 3 --refit
  lstmctl backtest latest --refit continue
  lstmctl backtest latest --baseline AutoETS --baseline theta
"""


def backtest(
    run: RunArgument = None,
    moved: Moved = None,
    split: Annotated[
        str | None, typer.Option(help="Part of the run's data: validation or test; default: test if there is one.")
    ] = None,
    windows: Annotated[
        int | None, typer.Option(help="Use only the last N origins of each series; default: all.", show_default=False)
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="Rows from one origin to the next; default: the horizon.", show_default=False)
    ] = None,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit",
            help="Train a network for each origin, on the rows before it: anew, or, as --refit continue, from the "
            "weights of the one before.",
        ),
    ] = False,
    baseline: Baselines = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every forecast to a .csv or .parquet file.")
    ] = None,
    trust: Trust = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Score forecasts from successive rows of the held-out part.

    Each forecast uses only the rows up to its origin. Two kinds of intervals are scored: the run's own, and adaptive
    ones, whose width follows the errors observed before each origin.
    """
    from lstmctl.cli import output as stdout
    from lstmctl.cli.opening import open_run
    from lstmctl.cli.results import weights_json
    from lstmctl.config.schema import tasks_with
    from lstmctl.data.forecast_table import check_ending, write_forecast_table
    from lstmctl.errors import UsageError
    from lstmctl.registry import cell_name
    from lstmctl.reporting import console
    from lstmctl.reporting.backtest_tables import backtest_tables
    from lstmctl.reporting.live import TrainingDisplay
    from lstmctl.reporting.terminal import show

    if output is not None:
        check_ending(output)
    plain, overrides = without_moved([run, *(moved or ())])
    how = next((word for word in plain if refit and word in ("anew", "continue")), "anew")
    plain = [word for word in plain if not refit or word != how]
    if len(plain) > 1:
        raise UsageError(f"expected one RUN, not {len(plain)}: {', '.join(plain)}")
    opened = open_run(
        plain[0] if plain else None,
        task=[tasks_with("forecast")],
        reads_own_data=True,
        trust=trust,
        overrides=overrides,
        quiet=quiet,
    )
    with TrainingDisplay(quiet=quiet or not refit) as display:
        result = opened.backtest(
            split=split,
            windows=windows,
            stride=stride,
            refit=how if refit else False,
            baselines=baseline or (),
            observe=display,
        )
    if output is not None:
        write_forecast_table(output, result.forecasts, cell_name(opened.settings.model.cell), result.cutoffs)
        console.write_line(str(output))
    if json:
        stdout.write_json(
            {
                "run": result.run,
                "split": result.split,
                "origins": result.origins,
                "stride": result.stride,
                "refit": result.refit,
                "continued": result.continued,
                "metrics": {kind: dict(score.metrics) for kind, score in result.scores.items()},
                **(
                    {"baselines": {name: dict(score.metrics) for name, score in result.baselines.items()}}
                    if result.baselines
                    else {}
                ),
                "by_channel": {
                    kind: {name: dict(figures) for name, figures in score.by_channel.items()}
                    for kind, score in result.scores.items()
                },
                "by_series": {
                    kind: {name: dict(figures) for name, figures in score.by_series.items()}
                    for kind, score in result.scores.items()
                    if score.by_series
                },
                "notes": list(result.notes),
                **weights_json(opened),
            }
        )
    elif not quiet:
        show(backtest_tables(result), stream=sys.stdout)
