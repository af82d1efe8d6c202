"""`lstmctl predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lstmctl.cli.arguments import TELL_OF_TABLES, TELL_OF_TEXTS, Json, RunArgument, Trust, run_and_table

EXAMPLES = """\
Examples:

\b
  lstmctl predict latest --text "please switch the lamp on, not the radio"
  lstmctl predict latest new.csv --output labelled.csv
  lstmctl predict travellers-lstm-001 --text "I grew up in Greece and speak fluent " --json
"""


def predict(
    run: RunArgument = None,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="A table as in training, or a file of texts, a line each."),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A single text instead; may be given several times, - reads lines.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the CSV there, not to stdout.")] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Tell labels, numbers, another text or the next symbol from sequences.

    The table has a row for each text with its label and the label's probability, with a label for each of its
    characters, with its numbers, or with the text that was written for it; for sequences of frames a row each, or, of
    labels for every frame, a row a frame. What is to be told need not be in FILE. The label that a language model tells
    is the symbol most likely to follow the text.
    """
    from dataclasses import asdict

    from lstmctl.reporting.console import loading

    with loading():
        from lstmctl import api

    from lstmctl.cli import output as stdout
    from lstmctl.cli.arguments import read_text_argument
    from lstmctl.cli.results import weights_json
    from lstmctl.data.prediction_table import as_csv
    from lstmctl.reporting import console
    from lstmctl.storage import ANOTHER_FILE, replace_file

    run, file = run_and_table(run, file)
    lines = [line for one in text or () for line in (read_text_argument("-").splitlines() if one == "-" else [one])]
    opened = api.load_run(run, task=[TELL_OF_TEXTS if file is None else TELL_OF_TABLES], trust=trust)
    predictions = opened.predict(file, texts=lines)
    if json:
        rows = [
            {key: value for key, value in asdict(prediction).items() if value or key == "sequence"}
            for prediction in predictions
        ]
        stdout.write_json({"run": str(opened.path), "predictions": rows, **weights_json(opened)})
        return
    table = as_csv(predictions, texts=opened.task.reads_texts)
    if output is None:
        stdout.write(table)
    else:
        replace_file(output, table.encode(), remedy=ANOTHER_FILE)
        console.write_line(str(output))
