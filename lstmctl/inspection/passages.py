"""What is read when a run is looked into: a text or file given by the user, or its own held-out data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lstmctl.api import Run
from lstmctl.data.encoding import Symbols, TextEncoding, UnknownSymbolError
from lstmctl.data.sequences import Sequences
from lstmctl.errors import UsageError
from lstmctl.findings import Subject
from lstmctl.registry import cell_name
from lstmctl.tasks.generation_from_label import GenerationFromLabel
from lstmctl.tasks.labelled_sequences import LabelledSequences
from lstmctl.tasks.language_model import LanguageModel
from lstmctl.tasks.pair_batches import PairsPart
from lstmctl.tasks.sequence_batches import SequencePart
from lstmctl.tasks.transduction import Transduction


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
    task, source = run.task, "the text given"
    if isinstance(task, GenerationFromLabel):
        if label is None:
            raise UsageError(
                f"{run.name} tells the symbols of a text from its label: give it by --label",
                hint=f"its labels are {task.known_labels()}",
            )
        symbols = _encoded(run, task.symbols, text)
        labels = np.array([task.label_number(label)])
        return Passage(SequencePart.of(Sequences.joined(symbols, np.array([len(symbols)]), labels), run.device), source)
    if label is not None:
        raise UsageError(f"{run.name} asks for no label: its task is {run.settings.task.type}")
    if isinstance(task, LabelledSequences):
        return Passage(SequencePart.of(task.of_texts([text]), run.device), source)
    if isinstance(task, Transduction):
        return Passage(PairsPart.of(*task.of_texts([text]), run.device), source)
    if not isinstance(task, LanguageModel):
        raise UsageError(f"{run.name} does not read text: its task is {run.settings.task.type}; give it a FILE")
    read = torch.from_numpy(_encoded(run, task.encoding, text))
    # The last symbol of a part is predicted and never read; so that all of the text is read, one more follows.
    following = torch.tensor([task.start]).to(read)
    return Passage(torch.cat([read, following]).to(run.device), source)


def _encoded(run: Run, encoding: TextEncoding, text: str) -> Symbols:
    """(symbols,) numbers of at least one symbol, in memory of their own."""
    if not text:
        raise UsageError("the text is empty; give at least one symbol")
    try:
        return encoding.encode(text).copy()
    except UnknownSymbolError as error:
        raise UsageError(f"the text holds {error} (counted from 0), which {run.name} never saw in training") from error
