"""`lstmctl forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lstmctl.cli.arguments import Json, RunArgument, Trust, run_and_table

EXAMPLES = """\
Examples:

\b
  lstmctl forecast
  lstmctl forecast latest newer.csv --output forecast.csv --plot forecast.png
  lstmctl forecast latest --intervals adaptive
  lstmctl forecast latest --output forecast.parquet --json
"""


def forecast(
    run: RunArgument = None,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="Forecast beyond the end of this table; default: the training table."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the table to a .csv or .parquet file instead of stdout."),
    ] = None,
    intervals: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="calibrated: the run's own; adaptive: their width follows the errors of the test rows and of FILE.",
        ),
    ] = "calibrated",
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Plot the forecasts, as .png or .svg.")] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Forecast the rows after the last row of a table.

    The table has one row per series and time: unique_id, ds, the forecast in a column named like the cell, and the ends
    of its intervals (gru-lo-90, gru-hi-90), all in the units of the data. FILE needs no targets beyond its end; columns
    that are known in advance continue in additional rows. RUN may be the folder of several seeds of one cell
    (train --seeds): its forecast is their median.
    """
    from lstmctl.cli import output as stdout
    from lstmctl.cli.opening import open_forecaster
    from lstmctl.cli.results import forecast_in_words, runs_of, weights_json
    from lstmctl.data.forecast_table import as_csv, check_ending, write_forecast_table
    from lstmctl.registry import cell_name
    from lstmctl.reporting import console
    from lstmctl.reporting.forecast_plots import forecast_plot
    from lstmctl.results.codec import as_json

    run, file = run_and_table(run, file)
    if output is not None:
        check_ending(output)
    opened = open_forecaster(run, files=[file] if file else (), trust=trust)
    runs = runs_of(opened)
    forecasts = opened.forecast(file, intervals=intervals)
    model = cell_name(opened.settings.model.cell)
    if plot is not None and (drawn := forecast_plot(forecasts, title=f"{opened.name}: {model}")):
        drawn.save(plot)
        console.write_line(str(plot))
    if output is not None:
        write_forecast_table(output, forecasts, model)
        console.write_line(str(output))
    if json:
        stdout.write_json(
            {
                "run": str(opened.path),
                "model": model,
                "intervals": intervals,
                "seeds": [one.settings.seed for one in runs],
                "final_fit": all(one.info.get("final_fit") is not None for one in runs),
                "forecasts": as_json(forecasts),
                **(weights_json(runs[0]) if len(runs) == 1 else {"weights_step": None, "fallback": None}),
            }
        )
    elif output is None:
        stdout.write(as_csv(forecasts, model))
    for sentence in forecast_in_words(opened.name, runs):
        console.write_sentence(console.inert(sentence))
