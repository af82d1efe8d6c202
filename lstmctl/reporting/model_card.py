"""The card of a published run: `README.md` on the Hugging Face Hub, from the files of the run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstmctl.metrics import metric
from lstmctl.registry import cell_name
from lstmctl.reporting.blocks import Block, Code, Facts, Heading, Prose, section
from lstmctl.reporting.data_facts import data_facts, data_notes, is_number
from lstmctl.reporting.evaluation_page import beside_baselines
from lstmctl.reporting.history import read_history
from lstmctl.reporting.papers import markdown
from lstmctl.reporting.quantities import figure
from lstmctl.reporting.run_page import model_facts

PIPELINES = {
    "language-model": "text-generation",
    "generation-from-label": "text-generation",
    "forecast": "time-series-forecasting",
}
"""The Hub's names of those tasks that have one there."""
NO_LICENCE = (
    "To be filled in, here and as “license” at the top of this file: without a licence, nobody may use the model."
)
OWN_CODE = (
    "Its cell is a Python file in this repository, which the option --trust imports. Read it first: it can do anything."
)


def model_card(run: Path, name: str, usage: Sequence[str], *, licence: str | None, own_code: bool) -> str:
    """Return the card of a published run, in Markdown with the Hub's metadata on top.

    Args:
        run: the folder with its files.
        name: of the run.
        usage: command lines that use it, from the Hub.
        licence: the Hub's name of a licence; None to leave it to be filled in.
        own_code: True if its cell is a file of the repository.

    Raises:
        RunError: a file cannot be read.
    """
    history = read_history(run)
    info, stored = history.info, history.evaluation
    cell, task = cell_name(str(info.get("cell"))), str(info.get("task"))
    metadata = {
        "library_name": "lstmctl",
        "license": licence or "unknown",
        **({"pipeline_tag": PIPELINES[task]} if task in PIPELINES else {}),
        "tags": ["lstmctl", cell, task],
    }
    data = info.get("data")
    data = data if isinstance(data, Mapping) else {}
    blocks: list[Block] = [
        Heading(name, 1),
        Prose(f"A {cell} network for the task {task}, trained with lstmctl."),
        *section("Use", Code("\n".join(["pip install 'lstmctl[hub]'", *usage])), Prose(OWN_CODE) if own_code else None),
        *section("Results", *(beside_baselines(stored.evaluation) if stored else []) or [_metrics(info)]),
        *section("Model", Facts.known(model_facts(history))),
        *section("Data", Facts.known(data_facts(data)), *data_notes(data)),
        *section("Config", Code(history.config.rstrip("\n"))),
        *section("Licence", Prose(licence or NO_LICENCE)),
    ]
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in metadata.items()), "---", "", ""]) + (
        markdown(blocks)
    )


def _metrics(info: Mapping[str, Any]) -> Block:
    """The metrics of a run that was scored without baselines."""
    parts = info.get("metrics")
    found = [
        (f"{metric(name).words}, {part}", figure(value))
        for part, metrics in (parts.items() if isinstance(parts, Mapping) else ())
        for name, value in (metrics or {}).items()
        if is_number(value)
    ]
    return Facts.known(found) or Prose("No part was scored.")
