"""Write one text for another: many-to-many, by an encoder and a decoder.

The loss is the cross-entropy of the target's symbols and of its end, in nats a symbol; every pair weighs the same,
whatever its length.
"""

from __future__ import annotations

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
from lstmctl.data.encoding import TextEncoding, UnknownSymbolError
from lstmctl.data.pairs import PairsCorpus, PairsEncoding, Texts, open_pairs
from lstmctl.decoding import SourcePredictor, greedy
from lstmctl.errors import DataError, UsageError
from lstmctl.metrics import Metric, metric
from lstmctl.metrics.edits import edit_distances, text_edit_distances
from lstmctl.models.encoder_decoder import Encoded, EncoderDecoder
from lstmctl.models.recurrence import build_recurrence
from lstmctl.progress import counted
from lstmctl.protocols import Batches, Loss, ModelState, Totals
from lstmctl.results.evaluation import Score
from lstmctl.results.output import Prediction
from lstmctl.scoring import evaluating, total
from lstmctl.tasks.inspection_input import InspectionInput, evenly_chosen, position, symbols_tracked
from lstmctl.tasks.pair_batches import PairBatch, PairsPart
from lstmctl.tasks.problem import ConfigOf, Problem, settings_of_the_run
from lstmctl.tasks.sequence_batches import ByLength
from lstmctl.tasks.teacher_forcing import nats_of, teacher_forced

Config = ConfigOf[TransductionSettings, PairsData]
LOOKS_BACK = "By attention, the decoder sees the output of every step: a gradient reaches each directly as well."
MOST_PROGRESS = 1000
"""Pairs of a look on the way."""

SourcesAndTargets = tuple[list[str], list[str]]


class Transduction(Problem[Config, PairsCorpus, EncoderDecoder, PairBatch, PairsPart]):
    """The task `transduction`.

    Args:
        settings: of the whole run.
        encoding: the two vocabularies.
    """

    BASELINES: ClassVar[Mapping[str, Callable[[list[str], SourcesAndTargets | None], list[str] | None]]] = {
        "copy the source": lambda sources, seen: sources,
        "nearest source": lambda sources, seen: seen and _targets_of_nearest(sources, *seen),
    }
    """Targets without a network, by name: from sources, and the sources and targets of the training part (None where
    there is none), to what is written; None where that takes a training part."""

    def __init__(self, settings: Config, encoding: PairsEncoding) -> None:
        self.settings, self.encoding = settings, encoding

    # Data.

    @staticmethod
    def open(settings: Config, config_folder: Path | None) -> PairsCorpus:
        data = settings.data
        return open_pairs(data.pairs, data.split, config_folder)

    @classmethod
    def of(cls, settings: Config, corpus: PairsCorpus) -> Self:
        return cls(settings, corpus.encoding)

    @classmethod
    def restored(
        cls,
        settings: Config,
        encoding: Mapping[str, Any],
        calibration: Mapping[str, Any] | None = None,
    ) -> Self:
        return cls(settings, PairsEncoding.from_json(encoding))

    def read(self, files: Sequence[str]) -> PairsCorpus:
        with settings_of_the_run():
            return open_pairs(files, self.settings.data.split, None, encoding=self.encoding)

    def difference(self, other: Self) -> str | None:
        return self.encoding.difference(other.encoding)

    def facts(self, corpus: PairsCorpus) -> dict[str, Any]:
        return {
            "vocabulary": len(self.encoding.source),
            "target_vocabulary": len(self.encoding.target),
            "parts": {name: stop - start for name, (start, stop) in corpus.parts.items()},
            "notes": list(corpus.notes),
        }

    def part(self, corpus: PairsCorpus, name: str, device: torch.device) -> PairsPart:
        return PairsPart.of(*corpus.part(name), device)

    def require(self, part: PairsPart) -> None:
        pass  # a part that is empty was refused when it was opened

    # Training.

    @property
    def unit(self) -> str:
        return "sequences"

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

    def prepare(self, model: EncoderDecoder, training: PairsPart, validation: PairsPart) -> None:
        """Tell the network how long a target may be."""
        model.longest_target.fill_(int(training.targets.lengths.max()))

    def training_order(self, part: PairsPart, training: TrainingSettings, seed: int) -> Batches:
        return ByLength(part, training.batch, seed)

    def initial_state(self, model: EncoderDecoder, batch: PairBatch) -> ModelState:
        return ()  # every pair starts from zero

    def loss(self, model: EncoderDecoder, batch: PairBatch, state: ModelState) -> Loss:
        return Loss((self._nats(model, batch).sum(0) / (batch.target_lengths + 1)).sum(), batch.units, ())

    def _nats(self, model: EncoderDecoder, batch: PairBatch, encoded: Encoded | None = None) -> Tensor:
        """(time, batch) −ln p of every symbol and of the end, given the true ones before it; 0 behind the end. The
        sources are read anew unless they are given as `encoded`."""
        read, told = teacher_forced(batch.target, batch.target_lengths, model.mark)
        scores = model(batch.input, batch.source_lengths, read) if encoded is None else model.decoded(encoded, read)
        return nats_of(scores, told)

    # Figures.

    def progress(self, part: PairsPart) -> Iterator[PairBatch]:
        return part.first(MOST_PROGRESS).scored_batches()

    def score(self, model: EncoderDecoder, batch: PairBatch, state: ModelState) -> tuple[Totals, ModelState]:
        lengths = batch.target_lengths.cpu().numpy()
        written, written_lengths = self.written(model, batch)
        edits = edit_distances(
            written.t().cpu().numpy(), written_lengths.cpu().numpy(), batch.target.t().cpu().numpy(), lengths
        )
        return {
            "nats": self._nats(model, batch).double().sum().item(),
            "symbols": float(lengths.sum() + len(lengths)),
            **_edit_totals(edits, lengths),
        }, ()

    def written(self, model: EncoderDecoder, batch: PairBatch) -> tuple[Tensor, Tensor]:
        """What the network writes for each source, at every step the likeliest symbol: numbers (time, batch), of which
        those behind the ends mean nothing, and lengths (batch,)."""
        predictor = SourcePredictor(model, batch.input, batch.source_lengths)
        return greedy(predictor, batch.input[:0], model.mark, model.limit)

    def metrics(self, totals: Totals) -> dict[str, float]:
        """`exact_match` is the share of targets written without an error, `character_error_rate` the edits that what
        was written needs, over the symbols of the targets; `nats_per_character` is of the targets' symbols and ends,
        each told from the true ones before it."""
        return {**_edit_figures(totals), "nats_per_character": totals["nats"] / totals["symbols"]}

    def evaluate(self, model: EncoderDecoder, part: PairsPart) -> Score:
        """Every pair whose target is known.

        Raises:
            DataError: there is none.
        """
        known = part.known()
        if not len(known):
            raise DataError("no target is known, so there is nothing to score")
        return Score(self.metrics(total(model, self, known.scored_batches())), len(known))

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
        return {
            name: Score(_edit_figures(_edit_totals(text_edit_distances(texts, targets), lengths)), len(targets))
            for name, texts in written.items()
            if texts is not None
        }

    def _as_text(self, corpus: PairsCorpus, part: str) -> tuple[list[str], list[str]]:
        """Sources and targets of one part; a target that is not known is empty."""
        sources, targets = corpus.part(part)
        return _decoded(sources, self.encoding.source), _decoded(targets, self.encoding.target)

    # Use.

    def inspection_input(self, model: EncoderDecoder, part: PairsPart, *, steps: int, lanes: int) -> InspectionInput:
        """Lanes are whole sources of one length, that which most symbols belong to, read by the encoder: a source cut
        short has no target. A lane's loss is that of writing the target, in nats a symbol, given the true symbols
        before each; where the target is not known, asking for it is a DataError."""
        pairs = part.known()
        pairs = pairs if len(pairs) else part
        counts = torch.bincount(pairs.sources.lengths)
        length = int((counts * torch.arange(len(counts), device=counts.device)).argmax())
        alike = (pairs.sources.lengths == length).nonzero().flatten()
        batch = pairs.batch(evenly_chosen(alike, length, steps=steps, lanes=lanes))
        encoding = self.encoding.source

        def loss(outputs: Tensor, state: ModelState) -> Tensor:
            if not batch.target_lengths.all():
                raise DataError("no target is known, so there is no loss to follow back")
            nats = self._nats(model, batch, model.encoded(outputs, batch.source_lengths))
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
            notes=("What is shown is the encoder, as it reads the source.",),
            loss_notes=("The loss is that of writing the whole target.", *([LOOKS_BACK] if model.attention else [])),
        )

    def passage(self, text: str, label: str | None, device: torch.device) -> PairsPart:
        if label is not None:
            raise UsageError("the run asks for no label: its task is transduction")
        return PairsPart.of(*self.of_texts([text]), device)

    def of_texts(self, texts: Sequence[str]) -> tuple[Texts, Texts]:
        found = []
        for text in texts:
            if not text:
                raise UsageError("an empty text has nothing to write another for")
            try:
                found.append(self.encoding.source.encode(text))
            except UnknownSymbolError as error:
                raise UsageError(f"the text holds {error} (counted from 0), which the run never saw") from error
        lengths = np.array([len(symbols) for symbols in found], np.int64)
        nothing = np.zeros_like(lengths)
        return (
            Texts(np.concatenate(found), np.cumsum(lengths) - lengths, lengths),
            Texts(np.zeros(0, np.uint8), nothing, nothing),
        )

    @torch.no_grad()
    def predictions(self, model: EncoderDecoder, part: tuple[Texts, Texts], device: torch.device) -> list[Prediction]:
        """What the network writes for every source, in their order; the targets may be unknown."""
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

    def sample(self, model: EncoderDecoder, generator: torch.Generator) -> str:
        """Nothing is written: there is no source without the data."""
        return ""


def _targets_of_nearest(sources: list[str], seen: list[str], targets: list[str]) -> list[str]:
    return [targets[number] for number in nearest_source(seen, sources)]


def _decoded(texts: Texts, encoding: TextEncoding) -> list[str]:
    return [encoding.decode(texts.text(number)) for number in range(len(texts))]


def _edit_totals(edits: Any, lengths: Any) -> Totals:
    """Sums that `_edit_figures` takes, of edits (pairs,) and the targets' lengths (pairs,)."""
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
