"""`lstmctl generate`."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from lstmctl.cli.arguments import Json, RunArgument, Trust, read_text_argument
from lstmctl.sampling_settings import TEMPERATURE

if TYPE_CHECKING:
    from lstmctl.api import Run

EXAMPLES = """\
Examples:

\b
  lstmctl generate --prompt "I grew up in "
  lstmctl generate latest --length 1000 --temperature 0.6 --seed 1
  echo The market | lstmctl generate --prompt-file - --stop "." --count 3
  lstmctl generate --label France --count 5
"""


def generate(
    run: RunArgument = None,
    prompt: Annotated[str | None, typer.Option(help="Text to continue; without one, a new text starts.")] = None,
    prompt_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read the prompt from a file, or - for stdin.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Label of the text, for a run trained to generate text from labels.")
    ] = None,
    length: Annotated[int, typer.Option(help="Maximum number of symbols to generate.")] = 400,
    temperature: Annotated[
        float, typer.Option(help="Below 1 is safer, above 1 bolder, 0 always picks the most likely symbol.")
    ] = TEMPERATURE,
    top_k: Annotated[int | None, typer.Option(help="Sample from this many of the most likely symbols.")] = None,
    top_p: Annotated[float, typer.Option(help="Sample from the most likely symbols that reach this sum.")] = 1.0,
    min_p: Annotated[float, typer.Option(help="Exclude symbols below this fraction of the highest probability.")] = 0.0,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1 avoids the latest 64 symbols.")] = 1.0,
    stop: Annotated[str | None, typer.Option(help="Stop before this string.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed for sampling; default: the run's.", show_default=False)] = None,
    count: Annotated[int, typer.Option(help="Number of texts, generated in parallel.")] = 1,
    precision: Annotated[
        str,
        typer.Option(help="Precision of products: float32, or, faster for wide networks, bfloat16 or int8."),
    ] = "float32",
    replace_unknown: Annotated[
        bool, typer.Option("--replace-unknown", help="Replace symbols that the run has never seen by known ones.")
    ] = False,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Generate text, or draw sample paths of a forecast.

    The prompt and its continuation go to stdout, symbol by symbol; on a terminal, control characters are escaped.
    Several texts are separated by a line of three dashes. Without RUN, the newest language model is used; with --label,
    the newest run that generates text from labels (it decides itself where a text ends). For a forecaster, the output
    is a table of --count sample paths for each series.
    """
    from lstmctl.cli import output
    from lstmctl.cli.opening import open_run
    from lstmctl.cli.results import weights_json
    from lstmctl.config.schema import tasks_with
    from lstmctl.errors import UsageError
    from lstmctl.reporting.live_work import shown_work
    from lstmctl.sampling_settings import Sampling

    if prompt is not None and prompt_file is not None:
        raise UsageError("use either --prompt or --prompt-file")
    given = read_text_argument(prompt_file) if prompt_file is not None else prompt or ""
    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty)
    writers, for_labels = tasks_with("write"), tasks_with("write for a label")
    able = [writers, (*tasks_with("forecast"), *for_labels)] if label is None else [for_labels, writers]
    opened = open_run(run, task=able, trust=trust)
    if "forecast" in opened.settings.task.abilities:
        asked = (given, label, length, temperature, top_k, top_p, min_p, repetition_penalty, stop, replace_unknown)
        if (*asked, precision) != ("", None, 400, TEMPERATURE, None, 1.0, 0.0, 1.0, None, False, "float32"):
            raise UsageError(f"{opened.name} forecasts series: of the options, it takes only --count and --seed")
        _write_paths(opened, count, seed, json=json)
        return
    writing = opened.write(
        given,
        label=label,
        length=length,
        count=count,
        sampling=sampling,
        stop=stop,
        seed=seed,
        replace_unknown=replace_unknown,
        precision=precision,
    )
    if count == 1 and not json:
        output.write_pieces(chain([given], (pieces[0] for pieces in writing.steps()), ["\n"]))
        return
    with shown_work(quiet=False):
        texts = writing.finish()
    if json:
        output.write_json(
            {
                "run": str(opened.path),
                "settings": {
                    **vars(sampling),
                    "label": label,
                    "length": length,
                    "stop": stop,
                    "precision": precision,
                    "seed": writing.seed,
                },
                "texts": [
                    {
                        "prompt": text.prompt,
                        "text": text.text,
                        "stopped": text.stopped,
                        "symbols": list(text.symbols),
                        "probabilities": list(text.probabilities),
                    }
                    for text in texts
                ],
                **weights_json(opened),
            }
        )
        return
    output.write("\n---\n".join(text.prompt + text.text for text in texts) + "\n")


def _write_paths(run: Run, count: int, seed: int | None, *, json: bool) -> None:
    from lstmctl.cli import output
    from lstmctl.cli.results import weights_json
    from lstmctl.data.forecast_table import as_csv
    from lstmctl.registry import cell_name
    from lstmctl.results.codec import as_json

    model = cell_name(run.settings.model.cell)
    forecasts = run.sample_paths(count=count, seed=seed)
    if json:
        output.write_json(
            {
                "run": str(run.path),
                "model": model,
                "final_fit": run.info.get("final_fit") is not None,
                "forecasts": as_json(forecasts),
                **weights_json(run),
            }
        )
    else:
        output.write(as_csv(forecasts, model))
