"""What is read when a run is looked into: a text or file given by the user, or its own held-out data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmctl.api import Run
from lstmctl.errors import UsageError
from lstmctl.findings import Subject
from lstmctl.registry import cell_name


@dataclass(frozen=True)
class Passage:
    """Data to read, as the run's task has it."""

    part: Any
    source: str
    """In words."""


def about(run: Run, source: str) -> Subject:
    """What the findings say of the run itself."""
    return Subject(str(run.path), cell_name(run.settings.model.cell), source)


def held_out(run: Run, split: str | None = None) -> Passage:
    """A part of the run's own data; by default the test part, or the validation part where there is none.

    Raises:
        UsageError: the run has no such part.
        DataError: its data is missing, has changed, or is too short.
    """
    corpus = run.corpus()
    name = split or ("test" if "test" in corpus.parts else "validation")
    if name not in corpus.parts:
        raise UsageError(f"{run.name} has no {name} part; it has {', '.join(corpus.parts)}")
    return Passage(run.task.part(corpus, name, run.device), f"the {name} part")


def from_file(run: Run, file: str | Path) -> Passage:
    """All of a file, encoded as the run's own data.

    Raises:
        DataError: it is not there, or holds what the run does not know.
    """
    corpus = run.task.read([str(file)])
    return Passage(run.task.part(corpus, "validation", run.device), str(file))


def from_text(run: Run, text: str, label: str | None = None) -> Passage:
    """A text as it is given on the command line; with its label, for a run that writes for labels.

    Raises:
        UsageError: it is empty, holds a symbol that the run never saw, or the run does not read text; or a label is
            missing, unknown, or not asked for.
    """
    try:
        part = run.task.passage(text, label, run.device)
    except UsageError as error:
        raise UsageError(f"{run.name} {error}", hint=error.hint) from error
    if part is None:
        raise UsageError(f"{run.name} does not read text: its task is {run.settings.task.type}; give it a FILE")
    return Passage(part, "the text given")
