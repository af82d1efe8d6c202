"""Predict the next symbol of a text: at every position (many-to-many), or after a window (many-to-one).

The metric is the cross-entropy in nats per symbol: the mean of −ln p(symbol | the symbols before it).
"""

from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lstmctl.baselines import LONGEST_GRAM, LONGEST_TRAINING, fitted_ngram, uniform
from lstmctl.cells.cell import Cell
from lstmctl.config.schema import LanguageModel as LanguageModelSettings
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.config.schema import TextData
from lstmctl.config.schema import Training as TrainingSettings
from lstmctl.data.dependencies import emphasise
from lstmctl.data.mapping import MappedFile, mapped_files
from lstmctl.data.splitting import held_out
from lstmctl.data.text import TextCorpus, nearest_instead, open_text
from lstmctl.data.text_lines import open_lines
from lstmctl.data.vocabulary import Symbols, TextEncoding
from lstmctl.decoding import Predictor, StreamPredictor, WindowPredictor, continuations
from lstmctl.errors import DataError, UsageError
from lstmctl.metrics import Metric, bits, metric
from lstmctl.metrics.catalogue import CACHED, COLD_WINDOWS, DYNAMIC
from lstmctl.models.recurrence import build_recurrence
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.progress import counted, report
from lstmctl.protocols import Batch, Batches, Loss, ModelState, Totals
from lstmctl.results.evaluation import Score
from lstmctl.results.output import Prediction
from lstmctl.sampling_settings import Sampling
from lstmctl.scoring import evaluating, total
from lstmctl.tasks.author import Author
from lstmctl.tasks.dynamic_evaluation import SEGMENT, TUNED_ON, chosen_dynamics, dynamic_total
from lstmctl.tasks.inspection_input import InspectionInput
from lstmctl.tasks.neural_cache import AT_ONCE, SIZE, Reading, cache_probability, chosen_cache, with_cache
from lstmctl.tasks.ngram_share import LONGEST, MixedPredictor, NGramShare, best_share
from lstmctl.tasks.problem import ConfigOf, Problem, Rows, settings_of_the_run
from lstmctl.tasks.stream_scoring import stream_total
from lstmctl.tasks.text_properties import text_properties
from lstmctl.tasks.windows import GrowingLanes, Lanes, ShuffledWindows, alongside, cold, readable, spread, streamed

Config = ConfigOf[LanguageModelSettings, TextData]
log = logging.getLogger(__name__)

NGRAM = "n-gram"
COLD_LANES = 64
MOST_WINDOWS = 10_000
"""Maximum number of windows that a many-to-one model is scored on."""
PROGRESS_LANES = 32
MOST_IN_PROGRESS = 1 << 15
"""Symbols of a held-out part that are scored during training; with this number, the standard error of the metric is
about 0.009 nats, and much less for differences between steps. More would take a good part of a short training."""
UNITS: Mapping[str, Callable[[float], float]] = {"nats": float, "bits": bits}
PREVIEW = Sampling()
PREVIEW_LENGTH = 240


@dataclass(frozen=True)
class Pass:
    """One way of scoring a text."""

    name: str
    """Appended to the metrics' names; empty for the main one."""
    total: Callable[[SequenceModel], Totals]
    windows: int
    targets: int


@dataclass(frozen=True)
class WeightedText:
    """A training part whose symbols do not all count the same."""

    symbols: Tensor
    """(length,)"""
    weights: Tensor
    """(length,) factors of the training loss."""


def _uniform(task: LanguageModel, corpus: TextCorpus, split: str) -> dict[str, float]:
    return task.metrics({"nats": uniform(len(corpus.encoding)), "symbols": 1.0, **task.characters(corpus.part(split))})


def _ngram(task: LanguageModel, corpus: TextCorpus, split: str) -> dict[str, float] | None:
    """Score an n-gram model of the training part, with an order chosen on its last symbols; `counted` is the number of
    symbols used, if the part is too long. None for the training part itself."""
    if "training" not in corpus.parts or split == "training":
        return None
    training, scored = corpus.part("training"), corpus.part(split)
    model = fitted_ngram(training, len(corpus.encoding), held_out(len(training)), task.longest_gram(scored))
    if model is None or len(scored) < 2:
        return None
    count = len(scored) - 1
    shares = {name: share * count for name, share in task.characters(scored).items()}
    sums = {"nats": model.total_nats(scored), "symbols": float(count), **shares}
    found = {**task.metrics(sums), "order": float(model.order)}
    if len(training) > LONGEST_TRAINING:
        log.warning(
            "The n-gram baseline counts the last %s of the %s %s trained on.",
            *(f"{LONGEST_TRAINING:,}", f"{len(training):,}", task.unit),
        )
        found["counted"] = float(LONGEST_TRAINING)
    return found


class LanguageModel(Problem[Config, TextCorpus, SequenceModel, Batch, Tensor]):
    """The task `language-model`.

    Args:
        settings: the config's `task`.
        encoding: the vocabulary.
        window: the config's `training.window`, which a many-to-one model reads before it predicts.
        emphasis: the config's `data.emphasis`.
        share: the config's `model.ngram`; `calibrate` replaces `auto`.
    """

    BASELINES: ClassVar[Mapping[str, Callable[[LanguageModel, TextCorpus, str], dict[str, float] | None]]] = {
        "uniform": _uniform,
        NGRAM: _ngram,
    }
    """Baselines by name: from the task, its data and the part to score, to metrics; None if it does not apply."""

    def __init__(
        self,
        settings: LanguageModelSettings,
        encoding: TextEncoding,
        window: int,
        emphasis: float = 1.0,
        share: float | Literal["auto"] = 0.0,
    ) -> None:
        self.encoding, self.window, self.emphasis, self.share = encoding, window, emphasis, share
        self.ngram: NGramShare | None = None
        self.many_to_one = settings.shape == "many-to-one"
        self.symbol = "byte" if encoding.kind == "bytes" else "character"
        self._begins = None if encoding.kind == "characters" else encoding.begins_character

    @staticmethod
    def open(settings: Config, config_folder: Path | None) -> TextCorpus:
        data = settings.data
        corpus = open_text(data.text, data.symbols, data.split, config_folder)
        return corpus if data.emphasis == 1 else emphasise(corpus)

    @classmethod
    def of(cls, settings: Config, corpus: TextCorpus) -> Self:
        return cls(
            settings.task, corpus.encoding, settings.training.window, settings.data.emphasis, settings.model.ngram
        )

    @classmethod
    def restored(
        cls, settings: Config, encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
    ) -> Self:
        encoded_by, model = TextEncoding.from_json(encoding), settings.model
        task = cls(settings.task, encoded_by, settings.training.window, settings.data.emphasis, model.ngram)
        if calibration is not None:
            task.ngram = NGramShare.from_json(calibration["ngram"], len(encoded_by))
        return task

    def read(self, files: Sequence[str]) -> TextCorpus:
        with settings_of_the_run():
            return open_text(files, self.encoding.kind, None, None, encoding=self.encoding)

    def difference(self, other: Self) -> str | None:
        if self.encoding.kind == other.encoding.kind:
            return None
        return f"another vocabulary than this data: {other.encoding.difference(self.encoding)}"

    @property
    def row_names(self) -> Mapping[str, Rows]:
        rows = Rows(self.symbol, self.encoding.row_names)
        return {"input_map.weight": rows, "head.weight": rows, "head.bias": rows}

    def facts(self, corpus: TextCorpus) -> dict[str, Any]:
        parts = {name: stop - start for name, (start, stop) in corpus.parts.items()}
        return {"vocabulary": len(corpus.encoding), "parts": parts}

    def part(self, corpus: TextCorpus, name: str, device: torch.device) -> Tensor:
        """Return one part (length,), in the corpus's own integer type; on the CPU, without a copy."""
        return readable(corpus.part(name)).to(device)

    def mapped_files(self, corpus: TextCorpus) -> list[MappedFile]:
        return mapped_files([corpus.symbols])

    @property
    def next_command(self) -> str:
        return 'lstmctl generate {run} --prompt "…"'

    @property
    def unit(self) -> str:
        return "symbols" if self.encoding.kind == "decomposed" else f"{self.symbol}s"

    @property
    def primary(self) -> Metric:
        return metric(f"nats_per_{self.symbol}")

    def model(self, settings: ModelSettings, cell: type[Cell], generator: torch.Generator) -> SequenceModel:
        recurrence = build_recurrence(settings, cell, settings.embedding)
        model = SequenceModel(len(self.encoding), settings.embedding, recurrence, tie_embedding=settings.tie_embedding)
        model.initialise(generator)
        return model

    def training_part(self, corpus: TextCorpus, device: torch.device) -> Tensor | WeightedText:
        symbols = self.part(corpus, "training", device)
        if corpus.emphasised is None:
            return symbols
        start, stop = corpus.parts["training"]
        marked = torch.from_numpy(corpus.emphasised[start:stop])
        return WeightedText(symbols, torch.where(marked, self.emphasis, 1.0).to(device))

    def training_order(self, text: Tensor | WeightedText, training: TrainingSettings, seed: int) -> Batches:
        """Return the batches of the training part (length,), in order.

        Raises:
            DataError: the part is too short for one step.
        """
        symbols, weights = (text.symbols, text.weights) if isinstance(text, WeightedText) else (text, None)
        if self.many_to_one:
            return ShuffledWindows(symbols, training.batch, self.window, seed, weights)
        first = training.first_window or self.window
        stages = []
        for doublings in reversed(range((self.window // first).bit_length())):
            sizes = training.batch << doublings, self.window >> doublings
            stages.append(Lanes(symbols, *sizes, seed, training.state_reset, weights))
        last = stages[-1]
        if len(stages) == 1:
            return last
        return GrowingLanes(stages, training.budget.steps(last.units_per_step, last.steps_per_epoch))

    def progress(self, symbols: Tensor) -> Iterator[Batch]:
        """Read at most `MOST_IN_PROGRESS` symbols in lanes, which is slightly colder than the reported metric."""
        self.require(symbols)
        if self.many_to_one:
            return spread(symbols, self.window, 256, MOST_WINDOWS // 5)
        lanes = max(1, min(PROGRESS_LANES, len(symbols) // (2 * COLD_WINDOWS["_cold"])))
        length = (len(symbols) - 1) // lanes
        starts = torch.arange(lanes, device=symbols.device) * length
        return alongside(symbols, starts, min(length, MOST_IN_PROGRESS // lanes), 256)

    def calibrate(self, model: SequenceModel, corpus: TextCorpus, device: torch.device) -> dict[str, Any] | None:
        """Count the training part for the n-gram model that is mixed in, and choose its share; the network's weights
        stay fixed."""
        if self.share == 0:
            return None
        training = corpus.part("training")[-LONGEST:]
        fitted = fitted_ngram(training, len(self.encoding), held_out(len(training)), self.longest_gram(training))
        if fitted is None:
            return None
        share = self.share
        if share == "auto":
            self.ngram = NGramShare.counted(training, len(self.encoding), fitted.order, 0.5)
            share = best_share(*self._nats_of_both(model, self.part(corpus, "validation", device)))
        self.ngram = NGramShare.counted(training, len(self.encoding), fitted.order, share) if share else None
        return None if self.ngram is None else {"ngram": self.ngram.to_json()}

    @torch.no_grad()
    def _nats_of_both(self, model: SequenceModel, symbols: Tensor) -> tuple[Tensor, Tensor]:
        """Return -ln p of the targets in `progress`, of the network and of the n-gram model."""
        found: list[tuple[Tensor, Tensor]] = []
        state: ModelState = ()
        with evaluating(model):
            for batch in self.progress(symbols):
                if batch.fresh:
                    state = self.initial_state(model, batch)
                *both, state = self._both(model, batch, state)
                found.append((both[0].flatten(), both[1].flatten()))
        network, others = zip(*found, strict=True)
        return torch.cat(network), torch.cat(others)

    def _nats(self, model: SequenceModel, batch: Batch, state: ModelState) -> tuple[Tensor, ModelState]:
        """Return -ln p of a batch's targets, in their shape, and the state."""
        if self.ngram is not None:
            own, others, state = self._both(model, batch, state)
            return self.ngram.mixed(own, others), state
        logits, state = self._predict(model, batch, state)
        each = functional.cross_entropy(logits.flatten(0, -2).float(), batch.target.flatten(), reduction="none")
        return each.view(batch.target.shape), state

    def _both(self, model: SequenceModel, batch: Batch, state: ModelState) -> tuple[Tensor, Tensor, ModelState]:
        """Return -ln p of a batch's targets, of the network and of the n-gram model, both in the shape of the targets,
        and the state. The last part of the state is the context of the n-gram model: the numbers of the last symbols
        plus 1, 0 for none, (lanes, symbols)."""
        assert self.ngram is not None
        *own, (seen,) = state
        logits, after = self._predict(model, batch, tuple(own))
        nats = functional.cross_entropy(logits.flatten(0, -2).float(), batch.target.flatten(), reduction="none")
        read = torch.cat([seen.T.long() - 1, batch.input])
        text = torch.cat([read, batch.target.reshape(-1, batch.lanes)[-1:]]).cpu().numpy()
        others = torch.from_numpy(self.ngram.model.nats(text)).to(nats)
        seen = (read[len(read) - seen.shape[1] :] + 1).T.to(seen)
        targets = batch.target.shape
        return nats.view(targets), others.flatten()[-nats.numel() :].view(targets), (*after, (seen,))

    @property
    def mixed_in(self) -> Mapping[str, float]:
        return {} if self.ngram is None else {NGRAM: self.ngram.share}

    def without(self, names: Collection[str]) -> Self:
        found = copy.copy(self)
        if NGRAM in names:
            found.ngram, found.share = None, 0.0
        return found

    def longest_gram(self, symbols: Symbols) -> int:
        """Return the most symbols in a gram, of which a character may have several."""
        return round(LONGEST_GRAM / max(self.characters(symbols).get("characters", 1.0), 0.5))

    def notes(self, corpus: TextCorpus, part: str, *, chosen: bool) -> tuple[str, ...]:
        if self.ngram is None:
            return ()
        own, other = (f"{100 * share:.0f} %" for share in (1 - self.ngram.share, self.ngram.share))
        why = ": the shares with the smallest loss on the validation part" if self.share == "auto" else ""
        return (f"The prediction is {own} the network and {other} an n-gram model{why}.",)

    def passes(self, symbols: Tensor) -> list[Pass]:
        """Return the passes of a reported score: one stream from a zero state, and windows that each start from a zero
        state. A many-to-one model is scored on evenly spread windows only."""
        self.require(symbols)
        if self.many_to_one:
            count = len(symbols) - self.window
            windows = len(range(0, count, max(1, -(-count // MOST_WINDOWS))))
            return [self._batched("", spread(symbols, self.window, 256, MOST_WINDOWS), windows, windows)]
        passes = [Pass("", lambda model: stream_total(model, self, symbols), 1, len(symbols) - 1)]
        for name, window in COLD_WINDOWS.items():
            if windows := (len(symbols) - 1) // window:
                passes.append(self._batched(name, cold(symbols, window, COLD_LANES), windows, windows * window))
        return passes

    def _batched(self, name: str, batches: Iterable[Batch], windows: int, targets: int) -> Pass:
        return Pass(name, lambda model: total(model, self, batches), windows, targets)

    def targets(self, symbols: Tensor) -> int:
        return sum(one.targets for one in self.passes(symbols))

    def evaluate(self, model: SequenceModel, symbols: Tensor) -> Score:
        metrics: dict[str, float] = {}
        passes = self.passes(symbols)
        for one in passes:
            figures = self.metrics(one.total(model))
            metrics |= figures if not one.name else {self.primary.name + one.name: figures[self.primary.name]}
        return Score(metrics, max(one.windows for one in passes))

    def dynamic(
        self, model: SequenceModel, corpus: TextCorpus, part: Tensor, device: torch.device
    ) -> tuple[Mapping[str, float], str]:
        if self.many_to_one:
            return super().dynamic(model, corpus, part, device)
        training, validation = (self.part(corpus, name, device) for name in ("training", "validation"))
        dynamics = chosen_dynamics(model, self, training, validation)
        report("scoring with dynamic evaluation")
        figures = self.metrics(dynamic_total(model, self, part, dynamics))
        said = (
            f"Dynamic evaluation: after every {SEGMENT} {self.unit}, which are scored first, the weights learn from "
            f"them (rate {dynamics.rate:g}, decay {dynamics.decay:g}, chosen on the validation part). It does not "
            "replace the metric of the trained weights."
        )
        return {name + DYNAMIC: value for name, value in figures.items()}, said

    def with_cache(
        self, model: SequenceModel, corpus: TextCorpus, part: Tensor, device: torch.device
    ) -> tuple[Mapping[str, float], str]:
        if self.many_to_one:
            return super().with_cache(model, corpus, part, device)
        report("choosing the scale and the share of the cache")
        scale, share = chosen_cache(self.reading(model, self.part(corpus, "validation", device)[:TUNED_ON]))
        report("scoring with the cache")
        reading = self.reading(model, part)
        nats = with_cache(reading.nats, cache_probability(reading, scale), share).sum(dtype=torch.float64)
        totals = {"nats": float(nats), "symbols": float(len(reading.nats))}
        if self._begins is not None:
            totals["characters"] = float(self._starting(reading.targets))
        said = (
            f"Cache: the prediction is mixed with what followed similar states among the last {SIZE:,} {self.unit} "
            f"(scale {scale:g}, share {share:g}, chosen on the validation part). It does not replace the metric of the "
            "model alone."
        )
        return {name + CACHED: value for name, value in self.metrics(totals).items()}, said

    @torch.no_grad()
    def reading(self, model: SequenceModel, symbols: Tensor) -> Reading:
        """Read a text (length,) as one stream."""
        nats, outputs, targets = [], [], []
        state: ModelState | None = None
        with evaluating(model):
            for batch in streamed(symbols, 1, AT_ONCE):
                before = self.initial_state(model, batch) if state is None else state
                features, _ = model.features(batch.input, before[: len(model.recurrence.layers())])
                own, state = self._nats(model, batch, before)
                nats.append(own[:, 0])
                outputs.append(features[:, 0])
                targets.append(batch.target[:, 0])
        return Reading(torch.cat(nats), torch.cat(outputs), torch.cat(targets))

    def references(self, corpus: TextCorpus, split: str) -> dict[str, Score]:
        found = {name: baseline(self, corpus, split) for name, baseline in self.BASELINES.items()}
        return {name: Score(figures, 1) for name, figures in found.items() if figures is not None}

    def require(self, symbols: Tensor) -> None:
        needed = self.window + 1 if self.many_to_one else 2
        if len(symbols) < needed:
            hint = "give it a larger share in data.split, or more text"
            if self.many_to_one and len(symbols) > 1:
                hint = f"training.window={len(symbols) - 1} would fit; or {hint}"
            raise DataError(
                f"a part of {len(symbols)} {self.unit} is too short to score; {needed} are needed", hint=hint
            )

    def initial_state(self, model: SequenceModel, batch: Batch) -> ModelState:
        state: ModelState = model.initial_state(batch.lanes)
        if self.ngram is None:
            return state
        return (*state, (model.input_map.weight.new_zeros(batch.lanes, self.ngram.context, dtype=torch.float32),))

    def loss(self, model: SequenceModel, batch: Batch, state: ModelState) -> Loss:
        logits, state = self._predict(model, batch, state)
        scores = logits.flatten(0, -2)
        scores = scores.float() if scores.dtype == torch.bfloat16 else scores
        if batch.weight is None:
            loss = functional.cross_entropy(scores, batch.target.flatten(), reduction="sum")
            return Loss(loss, batch.units, state, unweighted=self._per_character(loss, batch))
        each = functional.cross_entropy(scores, batch.target.flatten(), reduction="none")
        weighted = (each * batch.weight.flatten()).sum()
        plain = each.detach().sum()
        return Loss(weighted, batch.units, state, unweighted=self._per_character(plain, batch, plain))

    def score(self, model: SequenceModel, batch: Batch, state: ModelState) -> tuple[Totals, ModelState]:
        if self.ngram is None:
            loss = self.loss(model, replace(batch, weight=None), state)
            nats, state = loss.sum, loss.state
        else:
            each, state = self._nats(model, batch, state)
            nats = each.sum()
        totals = {"nats": nats.double().item(), "symbols": float(batch.units)}
        if self._begins is not None:
            totals["characters"] = float(self._starting(batch.target))
        return totals, state

    def metrics(self, totals: Totals) -> dict[str, float]:
        """Compute nats and bits per character; of bytes, per byte and, if a character has several, per character."""
        characters = totals["characters"] if "characters" in totals else totals["symbols"]
        counts = {self.symbol: totals["symbols"] if self.symbol == "byte" else characters}
        if 0 < characters < totals["symbols"]:
            counts["character"] = characters
        nats = {name: totals["nats"] / count for name, count in counts.items()}
        return {f"{unit}_per_{name}": of(value) for name, value in nats.items() for unit, of in UNITS.items()}

    def characters(self, scored: Symbols) -> dict[str, float]:
        """Return the characters per symbol of a part's targets; nothing if every symbol is a character."""
        return {} if self._begins is None else {"characters": float(np.mean(self._begins[scored[1:]]))}

    def _starting(self, targets: Tensor) -> Tensor:
        """Count the symbols that begin a character."""
        assert self._begins is not None
        return torch.from_numpy(self._begins).to(targets.device)[targets].sum()

    def _per_character(self, nats: Tensor, batch: Batch, unchanged: Tensor | None = None) -> Tensor | None:
        """Return the loss per character times the number of the batch's targets, if characters are reported and have
        several symbols; otherwise `unchanged`."""
        if self._begins is None or self.symbol == "byte":
            return unchanged
        return nats.detach() * batch.units / self._starting(batch.target).clamp(min=1)

    def predictor(self, model: SequenceModel, lanes: int, precision: torch.dtype = torch.float32) -> Predictor:
        """Return the predictor of the next symbol; `precision` applies to the products in a step."""
        network: Predictor
        if self.many_to_one:
            network = WindowPredictor(model, lanes, self.window)
        else:
            network = StreamPredictor(model, lanes, precision)
        return network if self.ngram is None else MixedPredictor(network, self.ngram, lanes)

    def author(self, model: SequenceModel, label: str | None, products: torch.dtype) -> Author:
        if label is not None:
            raise UsageError("the run does not use labels: its task is language-model", hint="leave out --label")
        return Author(self.encoding, lambda lanes: self.predictor(model, lanes, products), (self.start,), None)

    @property
    def start(self) -> int:
        """The symbol that precedes a text without a prompt: a line break, else a space, else the first."""
        if self.encoding.kind == "bytes":
            return ord("\n")
        return next((self.encoding.symbols.index(mark) for mark in "\n " if mark in self.encoding), 0)

    def sample(self, model: SequenceModel, generator: torch.Generator) -> str:
        prompt = torch.full((1, 1), self.start, device=model.input_map.weight.device)
        decode = self.encoding.decoder()
        choices = continuations(self.predictor(model, 1), prompt, PREVIEW, generator)
        return "".join(decode(int(next(choices).symbols)) for _ in range(PREVIEW_LENGTH))

    def passage(self, text: str, label: str | None, device: torch.device) -> Tensor:
        if label is not None:
            raise UsageError("the run asks for no label: its task is language-model")
        if not text:
            raise UsageError("the text is empty; give at least one symbol")
        read = torch.from_numpy(self._read_nearest([text])[0].copy())
        # The last symbol of a part is predicted and never read, so one more is appended to have the whole text read.
        return torch.cat([read, torch.tensor([self.start]).to(read)]).to(device)

    def of_texts(self, texts: Sequence[str]) -> list[str]:
        return list(texts)

    def of_file(self, file: str) -> list[str]:
        """Return the lines of a file, each a text."""
        with settings_of_the_run():
            return open_lines(file, self.encoding.kind)

    def _read_nearest(self, texts: Sequence[str]) -> list[Symbols]:
        """Return texts as numbers. Unknown symbols become the nearest known ones, and their number is logged."""
        unknown = Counter(symbol for text in texts for symbol in text if symbol not in self.encoding)
        length = sum(map(len, texts))
        if said := nearest_instead(unknown.total(), length, [symbol for symbol, _ in unknown.most_common()]):
            log.warning("%s", said)
        known = {ord(symbol): self.encoding.nearest(symbol) for symbol in unknown}
        return [self.encoding.encode(text.translate(known)) for text in texts]

    @torch.no_grad()
    def predictions(self, model: SequenceModel, part: Sequence[str], device: torch.device) -> list[Prediction]:
        """Predict the symbol that follows each text: the label is the likeliest; all probabilities are in descending
        order.

        Each text is read separately, like a prompt, so that its prediction depends on no other text. An empty one
        represents the beginning of a text.
        """
        names = [self.encoding.name_of(number) for number in range(len(self.encoding))]
        found = []
        with evaluating(model):
            pairs = zip(part, self._read_nearest(part), strict=True)
            for given, text in counted(pairs, len(part), "predicting"):
                read = torch.tensor(text.tolist() or [self.start], device=device).unsqueeze(1)
                shares = self.predictor(model, 1).read(read)[0].double().softmax(0).cpu()
                order = shares.argsort(descending=True, stable=True)
                likely = [names[number] for number in order.tolist()]
                ranked = dict(zip(likely, shares[order].tolist(), strict=True))
                shown = self.encoding.decode(text) if self.encoding.kind == "bytes" else given
                found.append(Prediction(shown, label=likely[0], probabilities=ranked))
        return found

    def inspection_input(self, model: SequenceModel, symbols: Tensor, *, steps: int, lanes: int) -> InspectionInput:
        self.require(symbols)
        if self.many_to_one:
            lanes, steps = max(1, lanes * steps // self.window), self.window
        steps = min(steps, len(symbols) - 1)
        latest = len(symbols) - 1 - steps
        starts = torch.linspace(0, latest, min(lanes, latest + 1), device=symbols.device).long()
        places = starts + torch.arange(steps + 1, device=symbols.device).unsqueeze(1)
        text = symbols[places].long()
        encoding = self.encoding

        def loss(outputs: Tensor, state: ModelState) -> Tensor:
            return functional.cross_entropy(model.head(outputs[-1]), text[-1], reduction="none")

        def properties() -> dict[str, Tensor]:
            # Of bytes, those of ASCII mean in Latin-1 what they mean in UTF-8.
            known = [chr(byte) for byte in range(256)] if encoding.kind == "bytes" else encoding.symbols
            found = text_properties(symbols.cpu().numpy(), known)
            return {name: torch.from_numpy(values).to(symbols.device)[places[:-1]] for name, values in found.items()}

        return InspectionInput(
            recurrence=model.recurrence,
            input=model.input_map(text[:-1]),
            symbols=tuple(encoding.name_of(number) for number in text[:-1, 0].tolist()),
            step=f"{self.symbol}s",
            loss=loss,
            properties=properties,
            carried=not self.many_to_one,
        )

    def _predict(self, model: SequenceModel, batch: Batch, state: ModelState) -> tuple[Tensor, ModelState]:
        features, state = model.features(batch.input, state, batch.mask)
        return model.head(features[-1] if self.many_to_one else features), state
