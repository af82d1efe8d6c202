"""Write a text for a label: one-to-many.

The figure is the cross-entropy in nats a symbol, the end of a text being one of them: the mean of
−ln p(symbol | label, what came before).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lstmctl import shell
from lstmctl.baselines import NGram, ngram, uniform
from lstmctl.cells.cell import Cell
from lstmctl.config.schema import GenerationFromLabel as GenerationFromLabelSettings
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.config.schema import TableData
from lstmctl.config.schema import Training as TrainingSettings
from lstmctl.data.encoding import TextEncoding
from lstmctl.data.labelled_table import LabelledTable, Layout, open_table
from lstmctl.data.sequences import UNLABELLED, SequenceEncoding, Sequences
from lstmctl.data.splitting import held_out
from lstmctl.decoding import LabelPredictor, continuations
from lstmctl.errors import DataError, UsageError
from lstmctl.metrics import Metric, bits, metric
from lstmctl.models.conditional_model import ConditionalModel
from lstmctl.models.recurrence import build_recurrence
from lstmctl.protocols import Batches, Loss, ModelState, Totals
from lstmctl.results.evaluation import Score
from lstmctl.sampling import Sampling
from lstmctl.scoring import total
from lstmctl.tasks.author import Author
from lstmctl.tasks.inspection_input import BEGINNING, InspectionInput, evenly_chosen, position, symbols_tracked
from lstmctl.tasks.problem import ConfigOf, Problem, encoded, settings_of_the_run
from lstmctl.tasks.sequence_batches import ByLength, SequenceBatch, SequencePart
from lstmctl.tasks.teacher_forcing import nats_of, teacher_forced
from lstmctl.words import near

Config = ConfigOf[GenerationFromLabelSettings, TableData]
MOST_PROGRESS = 2000
"""Texts of a look on the way."""
PREVIEWS = 3
PREVIEW = Sampling(temperature=0.8)
PREVIEW_LENGTH = 80
LABELS_TRACKED = 12


def _uniform(task: GenerationFromLabel, corpus: LabelledTable, split: str) -> dict[str, float]:
    """Every symbol, and the end of a text, has the same probability: the level of chance."""
    return task.metrics({"nats": uniform(len(task.symbols) + 1), "symbols": 1.0})


def _ngram(task: GenerationFromLabel, corpus: LabelledTable, split: str) -> dict[str, float] | None:
    """Counts of the training part (see `baselines.NGram`), one text after the other with an end between them, with an
    order chosen on the end of it. None where the training part itself is scored."""
    if "training" not in corpus.parts or split == "training":
        return None
    vocabulary = len(task.symbols) + 1
    training, scored = (_joined(corpus.part(name), vocabulary - 1) for name in ("training", split))
    inner = len(training) - held_out(len(training))
    if len(training) - inner < 2:
        return None
    order = ngram(training[:inner], training[inner:], vocabulary).order
    nats = NGram(training, vocabulary, order).nats(scored)
    return {**task.metrics({"nats": float(nats.sum()), "symbols": float(len(nats))}), "order": float(order)}


class GenerationFromLabel(Problem[Config, LabelledTable, ConditionalModel, SequenceBatch, SequencePart]):
    """The task `generation-from-label`.

    Args:
        settings: of the whole run.
        encoding: of texts and labels.
        typical_length: the mean length of a training text, its end included; only training needs it.
    """

    BASELINES: ClassVar[Mapping[str, Callable[[GenerationFromLabel, LabelledTable, str], dict[str, float] | None]]] = {
        "uniform": _uniform,
        "n-gram": _ngram,
    }
    """Metrics without a network, by name: from the task, its data and the part that is scored; None where there are
    none."""

    def __init__(
        self,
        settings: Config,
        encoding: SequenceEncoding,
        typical_length: float = 1.0,
    ) -> None:
        self.settings, self.encoding, self.typical_length = settings, encoding, typical_length

    # Data.

    @staticmethod
    def open(settings: Config, config_folder: Path | None) -> LabelledTable:
        data = settings.data
        return open_table(data.table, Layout.of(data.model_dump()), settings.task.type, config_folder)

    @classmethod
    def of(cls, settings: Config, corpus: LabelledTable) -> Self:
        return cls(settings, corpus.encoding, float(corpus.part("training").lengths.mean()) + 1)

    @classmethod
    def restored(
        cls,
        settings: Config,
        encoding: Mapping[str, Any],
        calibration: Mapping[str, Any] | None = None,
    ) -> Self:
        return cls(settings, SequenceEncoding.from_json(encoding))

    def read(self, files: Sequence[str]) -> LabelledTable:
        data = self.settings.data
        layout = Layout.of(data.model_dump())
        with settings_of_the_run():
            return open_table(files, layout, self.settings.task.type, None, encoding=self.encoding)

    def difference(self, other: Self) -> str | None:
        return self.encoding.difference(other.encoding)

    def facts(self, corpus: LabelledTable) -> dict[str, Any]:
        return {
            "vocabulary": len(self.symbols),
            "labels": list(self.encoding.labels),
            "parts": {name: stop - start for name, (start, stop) in corpus.parts.items()},
            "notes": list(corpus.notes),
            "warnings": list(corpus.warnings.values()),
        }

    def part(self, corpus: LabelledTable, name: str, device: torch.device) -> SequencePart:
        return SequencePart.of(corpus.part(name), device)

    def require(self, part: SequencePart) -> None:
        """Raises DataError where a text has no label: then there is nothing to tell its symbols from."""
        lacking = int((part.targets == UNLABELLED).sum())
        if lacking:
            raise DataError(
                f"{lacking:,} of {len(part):,} texts have no label, from which their symbols are to be told",
                hint="give each a label, or leave it out",
            )

    @property
    def symbols(self) -> TextEncoding:
        """The vocabulary."""
        assert self.encoding.symbols is not None
        return self.encoding.symbols

    # Training.

    @property
    def unit(self) -> str:
        return "sequences"

    @property
    def primary(self) -> Metric:
        return metric("nats_per_character")

    def model(self, settings: ModelSettings, cell: type[Cell], generator: torch.Generator) -> ConditionalModel:
        recurrence = build_recurrence(settings, cell, 2 * settings.embedding)
        model = ConditionalModel(len(self.symbols), len(self.encoding.labels), settings.embedding, recurrence)
        model.initialise(generator)
        return model

    def training_order(self, part: SequencePart, training: TrainingSettings, seed: int) -> Batches:
        return ByLength(part, training.batch, seed)

    def author(self, model: ConditionalModel, label: str | None, products: torch.dtype) -> Author:
        if label is None:
            first = shell.join([self.encoding.labels[0]])
            raise UsageError(
                "the run writes a text for a label, and none is given",
                hint=f"say which, such as --label {first}; its labels are {self.known_labels()}",
            )
        number = torch.tensor([self.label_number(label)], device=model.head.weight.device)
        return Author(self.symbols, lambda lanes: LabelPredictor(model, number.expand(lanes), products), (), model.mark)

    def passage(self, text: str, label: str | None, device: torch.device) -> SequencePart:
        if label is None:
            raise UsageError(
                "the run predicts the symbols of a text from its label: give it by --label",
                hint=f"its labels are {self.known_labels()}",
            )
        symbols = encoded(text, self.symbols)
        labels = np.array([self.label_number(label)])
        return SequencePart.of(Sequences.joined(symbols, np.array([len(symbols)]), labels), device)

    @property
    def next_command(self) -> str:
        return 'lstmctl generate {run} --label "…"'

    def initial_state(self, model: ConditionalModel, batch: SequenceBatch) -> ModelState:
        return ()  # every text starts from zero

    def loss(self, model: ConditionalModel, batch: SequenceBatch, state: ModelState) -> Loss:
        # Over a constant, and not over each text's own length: so every symbol weighs the same, as in the figure.
        return Loss(self._nats(model, batch).sum() / self.typical_length, batch.units, ())

    def _nats(self, model: ConditionalModel, batch: SequenceBatch) -> Tensor:
        """(time, batch) −ln p of every symbol and of the end; 0 behind the end."""
        assert batch.lengths is not None
        read, told = teacher_forced(batch.input, batch.lengths, model.mark)
        scores, _ = model(read, batch.target, model.initial_state(batch.lanes))
        return nats_of(scores, told)

    # Figures.

    def progress(self, part: SequencePart) -> Iterator[SequenceBatch]:
        return part.first(MOST_PROGRESS).scored_batches()

    def score(self, model: ConditionalModel, batch: SequenceBatch, state: ModelState) -> tuple[Totals, ModelState]:
        assert batch.lengths is not None
        return {
            "nats": self._nats(model, batch).double().sum().item(),
            "symbols": float(batch.lengths.sum()) + batch.lanes,
        }, ()

    def metrics(self, totals: Totals) -> dict[str, float]:
        nats = totals["nats"] / totals["symbols"]
        return {"nats_per_character": nats, "bits_per_character": bits(nats)}

    def evaluate(self, model: ConditionalModel, part: SequencePart) -> Score:
        """Every text.

        Raises:
            DataError: a text has no label.
        """
        self.require(part)
        return Score(self.metrics(total(model, self, part.scored_batches())), len(part))

    def notes(self, corpus: LabelledTable, part: str, *, chosen: bool) -> tuple[str, ...]:
        if part == "validation":
            return ("These are texts that choices were made on.",) if chosen else ()
        return ()

    def references(self, corpus: LabelledTable, split: str) -> dict[str, Score]:
        """What is reached without a network, and without the label."""
        found = {name: baseline(self, corpus, split) for name, baseline in self.BASELINES.items()}
        texts = len(corpus.part(split))
        return {name: Score(figures, texts) for name, figures in found.items() if figures is not None}

    # Use.

    def inspection_input(
        self, model: ConditionalModel, part: SequencePart, *, steps: int, lanes: int
    ) -> InspectionInput:
        """Lanes are the first steps of texts that are long enough: half of all are, where `steps` is longer than that.
        The first step reads no symbol but where the text begins. A lane's loss is that of the symbol that follows.

        Raises:
            DataError: a text has no label.
        """
        self.require(part)
        readable = part.lengths + 1  # the beginning, and every symbol
        length = min(steps, int(readable.median()))
        chosen = evenly_chosen((readable >= length).nonzero().flatten(), length, steps=steps, lanes=lanes)
        batch = part.batch(chosen)
        assert batch.lengths is not None
        every, told = teacher_forced(batch.input, batch.lengths, model.mark)
        read, following, labels = every[:length], told[length - 1], batch.target
        names = [self.symbols.name_of(number) for number in range(len(self.symbols))] + [BEGINNING]

        def loss(outputs: Tensor, state: ModelState) -> Tensor:
            return functional.cross_entropy(model.head(outputs[-1]), following, reduction="none")

        def properties() -> dict[str, Tensor]:
            frequent = torch.bincount(labels).argsort(descending=True, stable=True)[:LABELS_TRACKED].tolist()
            told = {
                f"label {self.encoding.labels[label]}": (labels == label).float().expand(read.shape)
                for label in frequent
            }
            return {**symbols_tracked(read, self.symbols), **told, "position": position(read)}

        return InspectionInput(
            recurrence=model.recurrence,
            input=model.inputs(read, labels),
            symbols=tuple(names[number] for number in read[:, 0].tolist()),
            step="characters",
            loss=loss,
            properties=properties,
            carried=False,
        )

    def label_number(self, label: str) -> int:
        """Raises UsageError where there is no such label, with those there are."""
        try:
            return self.encoding.labels.index(label)
        except ValueError as error:
            meant = near(label, self.encoding.labels)
            hint = f"{meant} Its labels are {self.known_labels()}" if meant else f"its labels are {self.known_labels()}"
            raise UsageError(f"there is no label `{label}`", hint=hint) from error

    def known_labels(self) -> str:
        """The labels as a message names them."""
        labels = self.encoding.labels
        more = f" and {len(labels) - 20} more" if len(labels) > 20 else ""
        return ", ".join(labels[:20]) + more

    def sample(self, model: ConditionalModel, generator: torch.Generator) -> str:
        """A line each for a few labels."""
        chosen = torch.randperm(len(self.encoding.labels), generator=generator)[:PREVIEWS]
        labels = chosen.to(model.head.weight.device)
        choices = continuations(LabelPredictor(model, labels), labels.new_empty(0, len(labels)), PREVIEW, generator)
        written = torch.stack([next(choices).symbols for _ in range(PREVIEW_LENGTH)]).t().cpu().numpy()
        lines = []
        for label, symbols in zip(chosen.tolist(), written, strict=True):
            ends = np.flatnonzero(symbols == model.mark)
            text = self.symbols.decode(symbols[: ends[0]] if len(ends) else symbols)
            lines.append(f"{self.encoding.labels[label]}: {text}")
        return "\n".join(lines)


def _joined(texts: Sequences, end: int) -> NDArray[np.int64]:
    """(length,) the texts one after the other, an end before the first and after each."""
    edge = np.array([end])
    return np.concatenate([edge, *(part for number in range(len(texts)) for part in (texts.input(number), edge))])
