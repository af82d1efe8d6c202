"""Transform one text into another with an encoder and a decoder: many-to-many.

The loss is the cross-entropy of the target's symbols and its end, in nats per symbol; every pair has the same weight,
whatever its length.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from lstmctl.baselines.pairs import nearest_source
from lstmctl.cells.cell import Cell
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.config.schema import PairsData
from lstmctl.config.schema import Training as TrainingSettings
from lstmctl.config.schema import Transduction as TransductionSettings
from lstmctl.data.pairs import PairsCorpus, PairsEncoding, PairsLayout, Texts, open_pairs
from lstmctl.data.sequences import UNLABELLED
from lstmctl.data.symbol_words import warn_of_unknown
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.decoding import SourcePredictor, greedy
from lstmctl.errors import DataError, UsageError
from lstmctl.metrics import Metric, metric
from lstmctl.metrics.edits import edit_distances, text_edit_distances
from lstmctl.models.encoder_decoder import Encoded, EncoderDecoder
from lstmctl.models.recurrence import build_recurrence
from lstmctl.progress import counted
from lstmctl.protocols import Batches, Loss, ModelState, Totals
from lstmctl.results.evaluation import RowSums, Score
from lstmctl.results.output import Prediction
from lstmctl.scoring import evaluating, reported
from lstmctl.tasks.inspection_input import InspectionInput, evenly_chosen, position, symbols_tracked
from lstmctl.tasks.pair_batches import PairBatch, PairsPart
from lstmctl.tasks.problem import ConfigOf, Problem, Rows, settings_of_the_run
from lstmctl.tasks.rare_symbols import RareSymbolsHidden, symbol_counts
from lstmctl.tasks.sequence_batches import ByLength, like_lengths
from lstmctl.tasks.teacher_forcing import nats_of, teacher_forced

Config = ConfigOf[TransductionSettings, PairsData]
LOOKS_BACK = "With attention, the decoder sees the output of every step, so a gradient also reaches each step directly."
log = logging.getLogger(__name__)
MOST_PROGRESS = 1000
"""Maximum number of pairs that are scored during training."""

END = "end of text"

SourcesAndTargets = tuple[list[str], list[str]]


class Transduction(Problem[Config, PairsCorpus, EncoderDecoder, PairBatch, PairsPart]):
    """The task `transduction`.

    Args:
        settings: the whole config.
        encoding: the two vocabularies.
    """

    BASELINES: ClassVar[Mapping[str, Callable[[list[str], SourcesAndTargets | None], list[str] | None]]] = {
        "copy the source": lambda sources, seen: sources,
        "nearest source": lambda sources, seen: seen and _targets_of_nearest(sources, *seen),
    }
    """Baselines by name: from sources, and the sources and targets of the training part (None without one), to targets;
    None if the baseline needs a training part."""

    def __init__(self, settings: Config, encoding: PairsEncoding) -> None:
        self.settings, self.encoding = settings, encoding

    # Data.

    @staticmethod
    def open(settings: Config, config_folder: Path | None) -> PairsCorpus:
        data = settings.data
        return open_pairs(data.pairs, PairsLayout.of(data.model_dump()), config_folder)

    @classmethod
    def of(cls, settings: Config, corpus: PairsCorpus) -> Self:
        return cls(settings, corpus.encoding)

    @classmethod
    def restored(
        cls, settings: Config, encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
    ) -> Self:
        return cls(settings, PairsEncoding.from_json(encoding))

    def read(self, files: Sequence[str]) -> PairsCorpus:
        return self._read(files, with_targets=True)

    def _read(self, files: Sequence[str], *, with_targets: bool) -> PairsCorpus:
        layout = PairsLayout.of(self.settings.data.model_dump())
        with settings_of_the_run():
            return open_pairs(files, layout, None, encoding=self.encoding, with_targets=with_targets)

    def difference(self, other: Self) -> str | None:
        return None  # vocabularies are carried over by symbol

    def facts(self, corpus: PairsCorpus) -> dict[str, Any]:
        return {
            "vocabulary": len(self.encoding.source),
            "target_vocabulary": len(self.encoding.target),
            "parts": {name: stop - start for name, (start, stop) in corpus.parts.items()},
            "notes": [*corpus.notes, *corpus.unknown.values()],
            "warnings": [warning for of_part in corpus.warnings.values() for warning in of_part],
        }

    def part(self, corpus: PairsCorpus, name: str, device: torch.device) -> PairsPart:
        return PairsPart.of(*corpus.part(name), device)

    def require(self, part: PairsPart) -> None:
        pass  # a part that is empty was refused when it was opened

    @property
    def row_names(self) -> Mapping[str, Rows]:
        targets = Rows("target symbol", [*self.encoding.target.row_names, END])
        return {
            "source_map.weight": Rows("source symbol", self.encoding.source.row_names),
            "target_map.weight": targets,
            "head.weight": targets,
            "head.bias": targets,
        }

    # Training.

    @property
    def primary(self) -> Metric:
        return metric("exact_match")

    def model(self, settings: ModelSettings, cell: type[Cell], generator: torch.Generator) -> EncoderDecoder:
        encoder = build_recurrence(
            settings, cell, settings.embedding, bidirectional=settings.direction == "bidirectional"
        )
        model = EncoderDecoder(
            len(self.encoding.source),
            len(self.encoding.target),
            settings.embedding,
            encoder,
            build_recurrence(settings, cell, settings.embedding + encoder.outputs),
            attention=settings.attention,
        )
        model.initialise(generator)
        return model

    def prepare(
        self, model: EncoderDecoder, training: PairsPart, validation: PairsPart, *, is_started: bool = False
    ) -> None:
        """Set the maximum length of a target."""
        model.longest_target.fill_(int(training.targets.lengths.max()))

    def training_order(self, part: PairsPart, training: TrainingSettings, seed: int) -> Batches:
        batches, encoding, sources = ByLength(part, training.batch, seed), self.encoding.source, part.sources
        if not encoding.has_unknown:
            return batches
        counts = symbol_counts(sources.symbols, sources.starts, sources.lengths, len(encoding))
        return RareSymbolsHidden(batches, counts, encoding.unknown, seed)

    def loss(self, model: EncoderDecoder, batch: PairBatch, state: ModelState) -> Loss:
        return Loss((self._nats(model, batch)[0].sum(0) / (batch.target_lengths + 1)).sum(), batch.units, ())

    def _nats(self, model: EncoderDecoder, batch: PairBatch, encoded: Encoded | None = None) -> tuple[Tensor, Tensor]:
        """Return −ln p of every symbol and of the end, given the true ones before it, (time, batch), 0 past the end;
        and the targets. The sources are encoded unless `encoded` is given. Symbols that the vocabulary lacks are not
        scored."""
        read, told = teacher_forced(batch.target, batch.target_lengths, model.mark)
        if not model.training and not self.encoding.target.has_unknown:
            time = torch.arange(len(told), device=told.device).unsqueeze(1)
            told = torch.where((told == model.mark) & (time < batch.target_lengths), UNLABELLED, told)
        scores = model(batch.input, batch.source_lengths, read) if encoded is None else model.decoded(encoded, read)
        return nats_of(scores, told), told

    # Scores.

    def progress(self, part: PairsPart) -> Iterator[PairBatch]:
        return part.first(MOST_PROGRESS).scored_batches()

    def score(self, model: EncoderDecoder, batch: PairBatch, state: ModelState) -> tuple[Totals, ModelState]:
        return self._scored(model, batch)[0], ()

    def _scored(self, model: EncoderDecoder, batch: PairBatch) -> tuple[Totals, Any]:
        """Return the totals of a batch, and the number of edits of each of its pairs, (batch,)."""
        lengths = batch.target_lengths.cpu().numpy()
        written, written_lengths = self.written(model, batch)
        edits = edit_distances(
            written.t().cpu().numpy(), written_lengths.cpu().numpy(), batch.target.t().cpu().numpy(), lengths
        )
        nats, told = self._nats(model, batch)
        symbols = float((told != UNLABELLED).sum())
        return {"nats": nats.double().sum().item(), "symbols": symbols, **_edit_totals(edits, lengths)}, edits

    def written(self, model: EncoderDecoder, batch: PairBatch) -> tuple[Tensor, Tensor]:
        """Generate a text for each source by greedy decoding: numbers (time, batch), whose values past the lengths are
        padding, and lengths (batch,)."""
        target = self.encoding.target
        never = target.unknown if target.has_unknown else None
        predictor = SourcePredictor(model, batch.input, batch.source_lengths, never)
        return greedy(predictor, batch.input[:0], model.mark, model.limit)

    def metrics(self, totals: Totals) -> dict[str, float]:
        """Compute `exact_match`, the share of targets generated without an error; `character_error_rate`, edits per
        symbol of the targets; and `nats_per_character`, over the targets' symbols and ends, with teacher forcing."""
        return {**_edit_figures(totals), "nats_per_character": totals["nats"] / totals["symbols"]}

    def evaluate(self, model: EncoderDecoder, part: PairsPart) -> Score:
        """Score every pair with a known target.

        Raises:
            DataError: no target is known.
        """
        known = part.known()
        if not len(known):
            raise DataError("no target is known, so there is nothing to score")
        sums: Counter[str] = Counter()
        right = np.zeros(len(known))
        places = iter(list(like_lengths(known.lengths)))
        with evaluating(model), torch.no_grad():
            for batch in reported(known.scored_batches()):
                totals, edits = self._scored(model, batch)
                sums.update(totals)
                right[next(places).cpu().numpy()] = edits == 0
        return Score(self.metrics(dict(sums)), len(known), rows=RowSums(right, np.ones(len(known))))

    def notes(self, corpus: PairsCorpus, part: str, *, chosen: bool) -> tuple[str, ...]:
        if part == "validation":
            return ("These are pairs that choices were made on.",) if chosen else ()
        return ()

    def references(self, corpus: PairsCorpus, split: str) -> dict[str, Score]:
        sources, targets = self._as_text(corpus, split)
        known = [number for number, text in enumerate(targets) if text]
        sources, targets = [sources[number] for number in known], [targets[number] for number in known]
        seen = self._as_text(corpus, "training") if "training" in corpus.parts else None
        written = {name: baseline(sources, seen) for name, baseline in self.BASELINES.items()}
        lengths = np.array([len(text) for text in targets])
        found = {}
        for name, texts in written.items():
            if texts is not None:
                edits = text_edit_distances(texts, targets)
                rows = RowSums((edits == 0).astype(float), np.ones(len(edits)))
                found[name] = Score(_edit_figures(_edit_totals(edits, lengths)), len(targets), rows=rows)
        return found

    def _as_text(self, corpus: PairsCorpus, part: str) -> tuple[list[str], list[str]]:
        """Return sources and targets of one part; an unknown target is empty."""
        sources, targets = corpus.part(part)
        return _decoded(sources, self.encoding.source), _decoded(targets, self.encoding.target)

    # Use.

    def inspection_input(self, model: EncoderDecoder, part: PairsPart, *, steps: int, lanes: int) -> InspectionInput:
        """Return whole sources of one length, as the encoder reads them: the length with the most symbols in all, since
        a truncated source has no target. A lane's loss is the loss of its target with teacher forcing, in nats per
        symbol; computing it raises DataError if the target is unknown."""
        pairs = part.known()
        pairs = pairs if len(pairs) else part
        counts = torch.bincount(pairs.sources.lengths)
        length = int((counts * torch.arange(len(counts), device=counts.device)).argmax())
        alike = (pairs.sources.lengths == length).nonzero().flatten()
        batch = pairs.batch(evenly_chosen(alike, length, steps=steps, lanes=lanes))
        encoding = self.encoding.source

        def loss(outputs: Tensor, state: ModelState) -> Tensor:
            if not batch.target_lengths.all():
                raise DataError("gradients need a loss, but no target is known")
            nats, _ = self._nats(model, batch, model.encoded(outputs, batch.source_lengths))
            return nats.sum(0) / (batch.target_lengths + 1)

        def properties() -> dict[str, Tensor]:
            return {**symbols_tracked(batch.input, encoding), "position": position(batch.input)}

        return InspectionInput(
            recurrence=model.encoder,
            input=model.source_map(batch.input),
            symbols=tuple(encoding.name_of(number) for number in batch.input[:, 0].tolist()),
            step="characters of the source",
            loss=loss,
            properties=properties,
            carried=False,
            notes=("The encoder is shown, as it reads the source.",),
            loss_notes=("The loss covers the whole target.", *([LOOKS_BACK] if model.attention else [])),
        )

    def passage(self, text: str, label: str | None, device: torch.device) -> PairsPart:
        if label is not None:
            raise UsageError("the run asks for no label: its task is transduction")
        return PairsPart.of(*self.of_texts([text]), device)

    def of_texts(self, texts: Sequence[str]) -> tuple[Texts, Texts]:
        if not all(texts):
            raise UsageError("the text is empty; give at least one symbol")
        warn_of_unknown(texts, self.encoding.source)
        lengths = np.array([len(text) for text in texts], np.int64)
        symbols = self.encoding.source.read("".join(texts))
        return Texts.joined(symbols, lengths, tuple(texts)), Texts.joined(np.zeros(0, np.uint8), 0 * lengths)

    def of_file(self, file: str) -> tuple[Texts, Texts]:
        corpus = self._read([file], with_targets=False)
        for sentence in corpus.unknown.values():
            log.warning("%s", sentence)
        return corpus.part("validation")

    @torch.no_grad()
    def predictions(self, model: EncoderDecoder, part: tuple[Texts, Texts], device: torch.device) -> list[Prediction]:
        texts: dict[int, str] = {}
        with evaluating(model):
            batches = PairsPart.of(*part, device).in_order()
            for chosen, batch in counted(batches, len(part[0]), "predicting", lambda one: len(one[0])):
                written, lengths = self.written(model, batch)
                lanes = zip(chosen.tolist(), written.t().cpu().numpy(), lengths.tolist(), strict=True)
                for number, symbols, length in lanes:
                    texts[number] = self.encoding.target.decode(symbols[:length])
        sources = _decoded(part[0], self.encoding.source)
        return [Prediction(source, text=texts[number]) for number, source in enumerate(sources)]


def _targets_of_nearest(sources: list[str], seen: list[str], targets: list[str]) -> list[str]:
    return [targets[number] for number in nearest_source(seen, sources)]


def _decoded(texts: Texts, encoding: TextEncoding) -> list[str]:
    if texts.written:
        return list(texts.written)
    return [encoding.decode(texts.input(number)) for number in range(len(texts))]


def _edit_totals(edits: Any, lengths: Any) -> Totals:
    """Return the sums for `_edit_figures` of edits (pairs,) and target lengths (pairs,)."""
    return {
        "right": float((edits == 0).sum()),
        "pairs": float(len(edits)),
        "edits": float(edits.sum()),
        "characters": float(lengths.sum()),
    }


def _edit_figures(totals: Mapping[str, Any]) -> dict[str, float]:
    return {
        "exact_match": totals["right"] / totals["pairs"],
        "character_error_rate": totals["edits"] / totals["characters"],
    }
