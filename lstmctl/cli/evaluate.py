"""`lstmctl evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from lstmctl.cli.arguments import Json, RunArgument, Trust

EXAMPLES = """\
Examples:

\b
  lstmctl evaluate
  lstmctl evaluate latest --split test --json
  lstmctl evaluate latest my-text.txt
"""


def evaluate(
    run: RunArgument = None,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="Score this text or folder instead.")] = None,
    split: Annotated[str, typer.Option(help="Part of its own data: training, validation or test.")] = "validation",
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Score a run on held-out text.

    The figures: one stream from a zero state, and (cold) windows of 64 symbols, each from a zero state.
    """
    from lstmctl import api
    from lstmctl.cli import output
    from lstmctl.reporting import console

    evaluation = api.load_run(run, trust=trust).evaluate(split, file)
    if json:
        output.write_json(
            {
                "run": evaluation.run,
                "split": evaluation.split,
                "metrics": dict(evaluation.metrics),
                "baselines": {name: dict(metrics) for name, metrics in evaluation.baselines.items()},
                "windows": evaluation.windows,
            }
        )
        return
    rows = [["run", *(f"{value:.4f}" for value in evaluation.metrics.values())]]
    for name, metrics in evaluation.baselines.items():
        rows.append([name, *(f"{metrics[key]:.4f}" if key in metrics else "" for key in evaluation.metrics)])
    columns = ["", *(name.replace("_", " ") for name in evaluation.metrics)]
    console.print_table(f"{evaluation.run} on {evaluation.split}", columns, rows)
