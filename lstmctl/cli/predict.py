"""`lstmctl predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lstmctl.cli.arguments import Json, NoProgress, RunArgument, Trust, run_and_table

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
            help="Tables as in training, files of lines, or audio files and folders of them; see above.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A single text instead; repeatable; - reads lines from stdin.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the CSV to a file, not to stdout.")] = None,
    trust: Trust = False,
    quiet: NoProgress = False,
    json: Json = False,
) -> None:
    """Predict labels, numbers, another text or the next symbol.

    The contents of FILE and of the output's rows depend on the task of the run:

    \b
    classification   a table; the label of each sequence and its probability
    regression       a table; the numbers of each sequence
    tagging          a table; the labels of each text, or one row per frame
    transduction     a file with one source per line; the text generated from it
    language-model   a file with one text per line; the most likely next symbol

    For sound, FILE is an audio file or a folder of them; tagging has one row per stretch of time with the same label.
    A table has the same columns as the run's own; labels may be absent, unknown or wrong, and are not read. All other
    columns, such as an id, are kept in the output. Symbols that the run does not know are counted and read as unknown.
    """
    from lstmctl.cli import output as stdout
    from lstmctl.cli.arguments import read_text_argument
    from lstmctl.cli.opening import open_run
    from lstmctl.cli.results import weights_json
    from lstmctl.config.schema import tasks_with
    from lstmctl.data.prediction_table import as_csv
    from lstmctl.data.recordings import SUFFIXES
    from lstmctl.errors import UsageError
    from lstmctl.reporting import console
    from lstmctl.results.codec import as_json
    from lstmctl.storage import ANOTHER_FILE, replace_file

    named = list(files or ())
    if run is not None and run_and_table(run, None)[0] is None:
        named, run = [run, *named], None
    lines = [line for one in text or () for line in (read_text_argument("-").splitlines() if one == "-" else [one])]
    able = tasks_with("predict tables" if named else "predict texts")
    opened = open_run(run, task=[able], files=named, trust=trust, quiet=quiet)
    sound = next((name for name in named if name.lower().endswith(SUFFIXES)), None)
    if sound is not None and opened.settings.data.source != "audio":
        raise UsageError(
            f"{opened.name} was not trained on sound, so it cannot read {sound}",
            hint="name a run that was, or train one: lstmctl train spoken-words",
        )
    predictions = opened.predict(*named, texts=lines, quiet=quiet)
    if json:
        rows = [
            {key: value for key, value in as_json(prediction).items() if value or key == "sequence"}
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
