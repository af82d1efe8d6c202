"""`lstmctl evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lstmctl.cli.arguments import Baselines, Json, Moved, NoProgress, RunArgument, Trust, run_table_and_moved

EXAMPLES = """\
Examples:

\b
  lstmctl evaluate
  lstmctl evaluate latest --split validation --json
  lstmctl evaluate latest my-text.txt
  lstmctl evaluate latest newer.csv
  lstmctl evaluate latest --output series.csv
  lstmctl evaluate latest --baseline AutoETS
  lstmctl evaluate latest --dynamic
"""


def evaluate(
    run: RunArgument = None,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="Score this text, folder or table instead.")
    ] = None,
    moved: Moved = None,
    split: Annotated[
        str | None,
        typer.Option(help="Part of the run's data: training, validation or test; default: test if there is one."),
    ] = None,
    trust: Trust = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the metrics of every series to a .csv or .parquet file."),
    ] = None,
    baseline: Baselines = None,
    dynamic: Annotated[
        bool,
        typer.Option("--dynamic", help="Also score a language model that learns from the text while reading it."),
    ] = False,
    cache: Annotated[
        bool,
        typer.Option("--cache", help="Also score a language model with a cache of the text that it has read."),
    ] = False,
    quiet: NoProgress = False,
    json: Json = False,
) -> None:
    """Score a run on held-out data, together with simple baselines.

    Text: one stream from a zero state, and (cold) windows of 64 and of 256 symbols, each from a zero state. Forecasts:
    every window, overall, by channel, series and step of the horizon. Labels: every sequence, overall and by label.
    """
    from lstmctl.cli import output as stdout
    from lstmctl.cli.opening import open_run
    from lstmctl.cli.results import leads_json, weights_json
    from lstmctl.config.schema import tasks_with
    from lstmctl.errors import UsageError
    from lstmctl.reporting import console
    from lstmctl.reporting.evaluation_tables import evaluation_in_words
    from lstmctl.reporting.terminal import show
    from lstmctl.results.codec import as_json

    if output is not None:
        from lstmctl.data.forecast_table import check_ending, write_series_table

        check_ending(output)
    run, file, overrides = run_table_and_moved(run, file, moved)
    able = [tasks_with("read tables")] if file is not None else ()
    if split is not None and file is not None:
        raise UsageError("--split selects a part of the run's own data; use either it or a FILE")
    opened = open_run(
        run, task=able, files=[file] if file else (), reads_own_data=True, trust=trust, overrides=overrides, quiet=quiet
    )
    evaluation = opened.evaluate(split, file, baselines=baseline or (), dynamic=dynamic, cache=cache, quiet=quiet)
    if output is not None:
        if not evaluation.by_series:
            raise UsageError(f"--output writes the metrics of every series, and {opened.name} has only one")
        write_series_table(output, evaluation.by_series)
        console.write_line(str(output))
    if json:
        stdout.write_json(
            {
                "run": evaluation.run,
                "split": evaluation.split,
                "metrics": dict(evaluation.metrics),
                "baselines": {name: dict(metrics) for name, metrics in evaluation.baselines.items()},
                "windows": evaluation.windows,
                **(
                    {"by_channel": evaluation.by_channel, "by_step": evaluation.by_step}
                    if evaluation.by_channel
                    else {}
                ),
                **({"by_length": as_json(evaluation.by_length)} if evaluation.by_length else {}),
                **({"by_series": evaluation.by_series} if evaluation.by_series else {}),
                **({"diagnostics": as_json(evaluation.diagnostics)} if evaluation.diagnostics else {}),
                **({"by_label": evaluation.by_label, "confusion": evaluation.confusion} if evaluation.by_label else {}),
                **({"leads": leads} if (leads := leads_json(evaluation)) else {}),
                "warnings": list(evaluation.warnings),
                "notes": list(evaluation.notes),
                **weights_json(opened),
            }
        )
        return
    if "write" not in opened.settings.task.abilities:
        show(evaluation_in_words(evaluation), stream=sys.stdout)
        return
    rows = [["run", *(f"{value:.4f}" for value in evaluation.metrics.values())]]
    for name, metrics in evaluation.baselines.items():
        rows.append([name, *(f"{metrics[key]:.4f}" if key in metrics else "" for key in evaluation.metrics)])
    columns = ["", *(name.replace("_", " ") for name in evaluation.metrics)]
    console.print_table(f"{evaluation.run} on {evaluation.split}", columns, rows)
    for note in evaluation.notes:
        console.write_line(console.inert(note))
