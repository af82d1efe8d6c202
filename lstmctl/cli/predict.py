"""`lstmctl predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lstmctl.cli.arguments import Json, RunArgument, Trust, run_and_table

EXAMPLES = """\
Examples:

\b
  lstmctl predict latest --text "please switch the lamp on, not the radio"
  lstmctl predict latest new.csv --output labelled.csv
  lstmctl predict latest first.wav second.wav recordings/
  lstmctl predict travellers-lstm-001 --text "I grew up in Greece and speak fluent " --json
"""


def predict(
    run: RunArgument = None,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE …",
            help="Tables as in training, files with one text per line, or audio files and folders of them.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A single text instead; repeatable; - reads lines from stdin.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the CSV to a file, not to stdout.")] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Predict labels, numbers, another text or the next symbol from sequences.

    The output has one row per text, with its label and the label's probability, a label for each character, its numbers
    or the text generated from it; for sequences of frames, one row per sequence, or one per frame if every frame has a
    label; for frames of sound, one per stretch of time with the same label. FILE need not contain the labels. For a
    language model, the label is the most likely next symbol of the text.
    """
    from dataclasses import asdict

    from lstmctl.reporting.console import loading

    with loading():
        from lstmctl import api

    from lstmctl.cli import output as stdout
    from lstmctl.cli.arguments import read_text_argument
    from lstmctl.cli.results import weights_json
    from lstmctl.config.schema import tasks_with
    from lstmctl.data.prediction_table import as_csv
    from lstmctl.reporting import console
    from lstmctl.storage import ANOTHER_FILE, replace_file

    named = list(files or ())
    if run is not None and run_and_table(run, None)[0] is None:
        named, run = [run, *named], None
    lines = [line for one in text or () for line in (read_text_argument("-").splitlines() if one == "-" else [one])]
    able = tasks_with("predict tables" if named else "predict texts")
    opened = api.load_run(run, task=[able], trust=trust)
    predictions = opened.predict(*named, texts=lines)
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
