"""The input of an inspection: a text or file given by the user, or the run's own held-out data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmctl.api import Run
from lstmctl.data.splitting import reported_part
from lstmctl.errors import UsageError
from lstmctl.registry import cell_name
from lstmctl.results.inspection import Subject


@dataclass(frozen=True)
class Passage:
    """Input data in the form that the run's task reads."""

    part: Any
    source: str
    """Description in words."""


def about(run: Run, source: str) -> Subject:
    """Return the fields common to all findings about a run."""
    return Subject(str(run.path), cell_name(run.settings.model.cell), source)


def held_out(run: Run, split: str | None = None) -> Passage:
    """Return a part of the run's own data: by default the test part, or the validation part if there is none.

    Raises:
        UsageError: the run does not have this part.
        DataError: its data is missing, has changed, or is too short.
    """
    corpus = run.corpus()
    name = split or reported_part(corpus.parts)
    if name not in corpus.parts:
        raise UsageError(f"{run.name} has no {name} part; it has {', '.join(corpus.parts)}")
    return Passage(run.task.part(corpus, name, run.device), f"the {name} part")


def from_file(run: Run, file: str | Path) -> Passage:
    """Read a whole file, encoded like the run's own data.

    Raises:
        DataError: the file is missing, or contains symbols or labels that the run does not know.
    """
    corpus = run.task.read([str(file)])
    return Passage(run.task.part(corpus, "validation", run.device), str(file))


def from_text(run: Run, text: str, label: str | None = None) -> Passage:
    """Read a text given on the command line, with its label if the run generates text from labels.

    Raises:
        UsageError: the text is empty or cannot be read, the run does not read text, or the label is missing, unknown or
            not applicable.
    """
    part = run.task.passage(text, label, run.device)
    if part is None:
        raise UsageError(f"{run.name} does not read text (its task is {run.settings.task.type}); use a FILE instead")
    return Passage(part, "the text given")
