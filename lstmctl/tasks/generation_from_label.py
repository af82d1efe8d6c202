"""Generate a text for a label: one-to-many.

The metric is the cross-entropy in nats per symbol, where the end of a text counts as one: the mean of
−ln p(symbol | label, the symbols before it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lstmctl import shell
from lstmctl.baselines import fitted_ngram, uniform
from lstmctl.cells.cell import Cell
from lstmctl.config.schema import GenerationFromLabel as GenerationFromLabelSettings
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.config.schema import TableData
from lstmctl.config.schema import Training as TrainingSettings
from lstmctl.data.labelled_table import LabelledTable, Layout, open_table
from lstmctl.data.sequences import UNLABELLED, SequenceEncoding, Sequences
from lstmctl.data.splitting import held_out
from lstmctl.data.symbol_words import warn_of_unknown
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.decoding import LabelPredictor, continuations
from lstmctl.errors import DataError, UsageError
from lstmctl.metrics import Metric, bits, metric
from lstmctl.models.conditional_model import ConditionalModel
from lstmctl.models.recurrence import build_recurrence
from lstmctl.protocols import Batches, Loss, ModelState, Totals
from lstmctl.results.evaluation import RowSums, Score
from lstmctl.sampling_settings import Sampling
from lstmctl.scoring import evaluating, reported
from lstmctl.tasks.author import Author
from lstmctl.tasks.inspection_input import BEGINNING, InspectionInput, evenly_chosen, position, symbols_tracked
from lstmctl.tasks.problem import ConfigOf, Problem, Rows, settings_of_the_run
from lstmctl.tasks.rare_symbols import RareSymbolsHidden, symbol_counts
from lstmctl.tasks.sequence_batches import ByLength, SequenceBatch, SequencePart, like_lengths
from lstmctl.tasks.teacher_forcing import nats_of, teacher_forced
from lstmctl.words import near

Config = ConfigOf[GenerationFromLabelSettings, TableData]
MOST_PROGRESS = 2000
"""Maximum number of texts that are scored during training."""
PREVIEWS = 3
PREVIEW = Sampling()
PREVIEW_LENGTH = 80
LABELS_TRACKED = 12
END = "end of text"


def _uniform(task: GenerationFromLabel, corpus: LabelledTable, split: str) -> Score:
    """Give every symbol, and the end of a text, the same probability."""
    symbols = (corpus.part(split).lengths + 1).astype(float)
    nats = uniform(len(task.symbols) + 1)
    return Score(task.metrics({"nats": nats, "symbols": 1.0}), len(symbols), rows=RowSums(nats * symbols, symbols))


def _ngram(task: GenerationFromLabel, corpus: LabelledTable, split: str) -> Score | None:
    """Score an n-gram model of the training texts, joined by ends, with an order chosen on the last of them. None for
    the training part itself."""
    if "training" not in corpus.parts or split == "training":
        return None
    vocabulary = len(task.symbols) + 1
    training, scored = (_joined(corpus.part(name), vocabulary - 1) for name in ("training", split))
    model = fitted_ngram(training, vocabulary, held_out(len(training)))
    if model is None:
        return None
    nats = model.nats(scored)
    lengths = corpus.part(split).lengths + 1
    found = {**task.metrics({"nats": float(nats.sum()), "symbols": float(len(nats))}), "order": float(model.order)}
    each = np.add.reduceat(nats, np.cumsum(lengths) - lengths)
    return Score(found, len(lengths), rows=RowSums(each, lengths.astype(float)))


class GenerationFromLabel(Problem[Config, LabelledTable, ConditionalModel, SequenceBatch, SequencePart]):
    """The task `generation-from-label`.

    Args:
        settings: the whole config.
        encoding: of texts and labels.
        typical_length: the mean length of a training text, including its end; only training needs it.
    """

    BASELINES: ClassVar[Mapping[str, Callable[[GenerationFromLabel, LabelledTable, str], Score | None]]] = {
        "uniform": _uniform,
        "n-gram": _ngram,
    }
    """Baselines by name: from the task, its data and the part to score, to metrics; None if it does not apply."""

    def __init__(self, settings: Config, encoding: SequenceEncoding, typical_length: float = 1.0) -> None:
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
        cls, settings: Config, encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
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
            "notes": [*corpus.notes, *corpus.unknown.values()],
            "warnings": [warning for of_part in corpus.warnings.values() for warning in of_part],
        }

    @property
    def row_names(self) -> Mapping[str, Rows]:
        symbols = Rows("symbol", [*self.symbols.row_names, END])
        return {
            "input_map.weight": symbols,
            "label_map.weight": Rows("label", self.encoding.labels),
            "head.weight": symbols,
            "head.bias": symbols,
        }

    def part(self, corpus: LabelledTable, name: str, device: torch.device) -> SequencePart:
        return SequencePart.of(corpus.part(name), device)

    def require(self, part: SequencePart) -> None:
        """Raise DataError if a text has no label."""
        lacking = int((part.targets == UNLABELLED).sum())
        if lacking:
            raise DataError(
                f"{lacking:,} of {len(part):,} texts have no label to predict their symbols from",
                hint="give each a label, or leave it out",
            )

    @property
    def symbols(self) -> TextEncoding:
        """The vocabulary."""
        assert self.encoding.symbols is not None
        return self.encoding.symbols

    # Training.

    @property
    def primary(self) -> Metric:
        return metric("nats_per_character")

    def model(self, settings: ModelSettings, cell: type[Cell], generator: torch.Generator) -> ConditionalModel:
        recurrence = build_recurrence(settings, cell, 2 * settings.embedding)
        model = ConditionalModel(len(self.symbols), len(self.encoding.labels), settings.embedding, recurrence)
        model.initialise(generator)
        return model

    def training_order(self, part: SequencePart, training: TrainingSettings, seed: int) -> Batches:
        batches, symbols = ByLength(part, training.batch, seed), self.symbols
        if not symbols.has_unknown:
            return batches
        counts = symbol_counts(part.inputs, part.starts, part.lengths, len(symbols))
        return RareSymbolsHidden(batches, counts, symbols.unknown, seed)

    @property
    def _never(self) -> int | None:
        """The symbol that is never generated."""
        return self.symbols.unknown if self.symbols.has_unknown else None

    def author(self, model: ConditionalModel, label: str | None, products: torch.dtype) -> Author:
        if label is None:
            first = shell.join([self.encoding.labels[0]])
            raise UsageError(
                "the run generates text from a label, which is missing",
                hint=f"say which, such as --label {first}; its labels are {self.known_labels()}",
            )
        number = torch.tensor([self.label_number(label)], device=model.head.weight.device)
        return Author(
            self.symbols,
            lambda lanes: LabelPredictor(model, number.expand(lanes), products, self._never),
            (),
            model.mark,
        )

    def passage(self, text: str, label: str | None, device: torch.device) -> SequencePart:
        if label is None:
            raise UsageError(
                "the run predicts the symbols of a text from its label; set it with --label",
                hint=f"its labels are {self.known_labels()}",
            )
        if not text:
            raise UsageError("the text is empty; give at least one symbol")
        labels = np.array([self.label_number(label)])
        warn_of_unknown([text], self.symbols)
        symbols = self.symbols.read(text)
        return SequencePart.of(Sequences.joined(symbols, np.array([len(symbols)]), labels), device)

    @property
    def next_command(self) -> str:
        return 'lstmctl generate {run} --label "…"'

    def loss(self, model: ConditionalModel, batch: SequenceBatch, state: ModelState) -> Loss:
        # Divided by a constant instead of each text's own length, so that every symbol has the same weight, as in the
        # metric.
        return Loss(self._nats(model, batch)[0].sum() / self.typical_length, batch.units, ())

    def _nats(self, model: ConditionalModel, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """Return −ln p of every symbol and of the end, (time, batch), 0 past the end; and the targets. Symbols that the
        vocabulary lacks are not scored."""
        assert batch.lengths is not None
        read, told = teacher_forced(batch.input, batch.lengths, model.mark)
        if not model.training and not self.symbols.has_unknown:
            time = torch.arange(len(told), device=told.device).unsqueeze(1)
            told = torch.where((told == model.mark) & (time < batch.lengths), UNLABELLED, told)
        scores, _ = model(read, batch.target, model.initial_state(batch.lanes))
        return nats_of(scores, told), told

    # Scores.

    def progress(self, part: SequencePart) -> Iterator[SequenceBatch]:
        return part.first(MOST_PROGRESS).scored_batches()

    def score(self, model: ConditionalModel, batch: SequenceBatch, state: ModelState) -> tuple[Totals, ModelState]:
        nats, told = self._nats(model, batch)
        return {"nats": nats.double().sum().item(), "symbols": float((told != UNLABELLED).sum())}, ()

    def metrics(self, totals: Totals) -> dict[str, float]:
        nats = totals["nats"] / totals["symbols"]
        return {"nats_per_character": nats, "bits_per_character": bits(nats)}

    def evaluate(self, model: ConditionalModel, part: SequencePart) -> Score:
        """Score every text.

        Raises:
            DataError: a text has no label.
        """
        self.require(part)
        nats, symbols = np.zeros(len(part)), np.zeros(len(part))
        places = iter(list(like_lengths(part.lengths)))
        sums: Counter[str] = Counter()
        with evaluating(model), torch.no_grad():
            for batch in reported(part.scored_batches()):
                each, told = self._nats(model, batch)
                place = next(places).cpu().numpy()
                nats[place] = each.double().sum(0).cpu().numpy()
                symbols[place] = (told != UNLABELLED).sum(0).cpu().numpy()
                sums.update({"nats": each.double().sum().item(), "symbols": float(symbols[place].sum())})
        return Score(self.metrics(dict(sums)), len(part), rows=RowSums(nats, symbols))

    def notes(self, corpus: LabelledTable, part: str, *, chosen: bool) -> tuple[str, ...]:
        if part == "validation":
            return ("These are texts that choices were made on.",) if chosen else ()
        return ()

    def references(self, corpus: LabelledTable, split: str) -> dict[str, Score]:
        """Score the baselines, which ignore the label."""
        found = {name: baseline(self, corpus, split) for name, baseline in self.BASELINES.items()}
        return {name: score for name, score in found.items() if score is not None}

    # Use.

    def inspection_input(
        self, model: ConditionalModel, part: SequencePart, *, steps: int, lanes: int
    ) -> InspectionInput:
        """Return the first steps of texts that are long enough; `steps` is reduced until half of all texts are. The
        first step reads the mark for the beginning of a text. A lane's loss is the loss of the symbol after it.

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
        """Return the number of a label; raise UsageError if it is unknown."""
        try:
            return self.encoding.labels.index(label)
        except ValueError as error:
            meant = near(label, self.encoding.labels)
            hint = f"{meant} Its labels are {self.known_labels()}" if meant else f"its labels are {self.known_labels()}"
            raise UsageError(f"label `{label}` does not exist", hint=hint) from error

    def known_labels(self) -> str:
        """Return the labels for a message."""
        labels = self.encoding.labels
        more = f" and {len(labels) - 20} more" if len(labels) > 20 else ""
        return ", ".join(labels[:20]) + more

    def sample(self, model: ConditionalModel, generator: torch.Generator) -> str:
        """Generate a line for each of a few labels."""
        chosen = torch.randperm(len(self.encoding.labels), generator=generator)[:PREVIEWS]
        labels = chosen.to(model.head.weight.device)
        choices = continuations(
            LabelPredictor(model, labels, never=self._never), labels.new_empty(0, len(labels)), PREVIEW, generator
        )
        written = torch.stack([next(choices).symbols for _ in range(PREVIEW_LENGTH)]).t().cpu().numpy()
        lines = []
        for label, symbols in zip(chosen.tolist(), written, strict=True):
            ends = np.flatnonzero(symbols == model.mark)
            text = self.symbols.decode(symbols[: ends[0]] if len(ends) else symbols)
            lines.append(f"{self.encoding.labels[label]}: {text}")
        return "\n".join(lines)


def _joined(texts: Sequences, end: int) -> NDArray[np.int64]:
    """Join texts, (length,), with an end before the first and after each."""
    edge = np.array([end])
    return np.concatenate([edge, *(part for number in range(len(texts)) for part in (texts.input(number), edge))])
