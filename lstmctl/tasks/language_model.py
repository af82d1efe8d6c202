"""Predict the next symbol of a text: at every position (many-to-many), or after a window (many-to-one).

The figure is the cross-entropy in nats a symbol: the mean of −ln p(symbol | what came before).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.baselines import LONGEST_TRAINING, NGram, ngram, uniform
from lstmctl.cells.cell import Cell, checked_options
from lstmctl.config import Settings
from lstmctl.config.schema import LanguageModel as LanguageModelSettings
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.config.schema import TextData
from lstmctl.config.schema import Training as TrainingSettings
from lstmctl.data.encoding import Symbols, TextEncoding, UnknownSymbolError
from lstmctl.data.splitting import held_out
from lstmctl.data.text import TextCorpus, open_text
from lstmctl.data.text_lines import open_lines
from lstmctl.decoding import Predictor, Sampling, StreamPredictor, WindowPredictor, continuations
from lstmctl.errors import DataError, UsageError
from lstmctl.metrics import Metric, bits
from lstmctl.models.recurrence import Recurrence
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.protocols import Batch, Batches, Loss, ModelState, Totals
from lstmctl.records import Prediction, Score
from lstmctl.scoring import evaluating, total
from lstmctl.tasks.inspected import Inspected
from lstmctl.tasks.one_stream import stream_total
from lstmctl.tasks.problem import Problem, settings_of_the_run
from lstmctl.tasks.text_properties import text_properties
from lstmctl.tasks.windows import GrowingLanes, Lanes, ShuffledWindows, alongside, cold, readable, spread

log = logging.getLogger(__name__)

COLD_WINDOWS = {"_cold": 64, "_cold_256": 256}
"""Symbols per window of each metric over cold windows, by the end of its name; 256 is what published recipes use."""
COLD_LANES = 64
MOST_WINDOWS = 10_000
"""How many windows a many-to-one model is scored on at most."""
PROGRESS_LANES = 32
MOST_IN_PROGRESS = 1 << 19
"""Symbols of a held-out part that are scored during training; of so many, the metric errs by about 0.002 nats."""
PREVIEW = Sampling(temperature=0.8)
PREVIEW_LENGTH = 240


@dataclass(frozen=True)
class Pass:
    """One way of scoring a text."""

    name: str
    """Appended to the figures' names; empty for the headline."""
    total: Callable[[nn.Module], Totals]
    windows: int
    targets: int


class LanguageModel(Problem):
    """The task `language-model`.

    Args:
        settings: the config's `task`.
        encoding: the vocabulary.
        window: `training.window`; what a many-to-one model reads before it predicts.
    """

    def __init__(self, settings: LanguageModelSettings, encoding: TextEncoding, window: int) -> None:
        self.encoding, self.window = encoding, window
        self.many_to_one = settings.shape == "many-to-one"
        self.symbol = "byte" if encoding.kind == "bytes" else "character"

    @staticmethod
    def open(settings: Settings, config_folder: Path | None) -> TextCorpus:
        data = settings.data
        assert isinstance(data, TextData)
        return open_text(data.text, data.symbols, data.split, config_folder)

    @classmethod
    def of(cls, settings: Settings, corpus: TextCorpus) -> Self:
        assert isinstance(settings.task, LanguageModelSettings)
        return cls(settings.task, corpus.encoding, settings.training.window)

    @classmethod
    def restored(
        cls, settings: Settings, encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
    ) -> Self:
        assert isinstance(settings.task, LanguageModelSettings)
        return cls(settings.task, TextEncoding.from_json(encoding), settings.training.window)

    def read(self, files: Sequence[str]) -> TextCorpus:
        with settings_of_the_run():
            return open_text(files, self.encoding.kind, None, None, encoding=self.encoding)

    def difference(self, other: Self) -> str | None:
        if self.encoding == other.encoding:
            return None
        return f"another vocabulary than this data: {other.encoding.difference(self.encoding)}"

    def facts(self, corpus: TextCorpus) -> dict[str, Any]:
        parts = {name: stop - start for name, (start, stop) in corpus.parts.items()}
        return {"vocabulary": len(corpus.encoding), "parts": parts}

    def part(self, corpus: TextCorpus, name: str, device: torch.device) -> Tensor:
        """One part as a tensor (length,), in the corpus's own small integers; on the CPU, in its own memory."""
        return readable(corpus.part(name)).to(device)

    @property
    def unit(self) -> str:
        return f"{self.symbol}s"

    @property
    def primary(self) -> Metric:
        return Metric(f"nats_per_{self.symbol}")

    def model(self, settings: ModelSettings, cell: type[Cell], generator: torch.Generator) -> SequenceModel:
        """A freshly initialised network.

        Raises:
            ConfigError: the cell refuses `model.options`.
        """
        options = checked_options(cell, settings.options)
        recurrence = Recurrence(
            lambda inputs: cell(inputs, settings.hidden, options),
            settings.embedding,
            settings.layers,
            dropout=settings.dropout,
            variational=settings.variational_dropout,
            layer_norm=settings.layer_norm,
            residual=settings.residual,
        )
        model = SequenceModel(len(self.encoding), settings.embedding, recurrence, tie_embedding=settings.tie_embedding)
        model.initialise(generator)
        return model

    def training_order(self, symbols: Tensor, training: TrainingSettings, seed: int) -> Batches:
        """The order in which the training part (length,) is read.

        Raises:
            DataError: it is too short for one step.
        """
        if self.many_to_one:
            return ShuffledWindows(symbols, training.batch, self.window, seed)
        first = training.first_window or self.window
        stages = []
        for doublings in reversed(range((self.window // first).bit_length())):
            sizes = training.batch << doublings, self.window >> doublings
            stages.append(Lanes(symbols, *sizes, seed, training.state_reset))
        last = stages[-1]
        if len(stages) == 1:
            return last
        return GrowingLanes(stages, training.budget.steps(last.units_per_step, last.steps_per_epoch))

    def progress(self, symbols: Tensor) -> Iterator[Batch]:
        """A quick look at a held-out part during training: in lanes, so a little colder than the reported metric. Of a
        long part only `MOST_IN_PROGRESS` symbols are read, as many of each lane."""
        self.require(symbols)
        if self.many_to_one:
            return spread(symbols, self.window, 256, MOST_WINDOWS // 5)
        lanes = max(1, min(PROGRESS_LANES, len(symbols) // (2 * COLD_WINDOWS["_cold"])))
        length = (len(symbols) - 1) // lanes
        starts = torch.arange(lanes, device=symbols.device) * length
        return alongside(symbols, starts, min(length, MOST_IN_PROGRESS // lanes), 256)

    def passes(self, symbols: Tensor) -> list[Pass]:
        """What a reported score is made of: one stream from a zero state, and windows each from a zero state.

        A many-to-one model is scored on windows alone, at most 10,000 spread evenly.
        """
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

    def evaluate(self, model: nn.Module, symbols: Tensor) -> Score:
        metrics: dict[str, float] = {}
        passes = self.passes(symbols)
        for one in passes:
            figures = self.metrics(one.total(model))
            metrics |= figures if not one.name else {self.primary.name + one.name: figures[self.primary.name]}
        return Score(metrics, max(one.windows for one in passes))

    def references(self, corpus: TextCorpus, split: str) -> dict[str, Score]:
        """`uniform` gives every symbol the same probability: the chance level. `n-gram` counts the training part (see
        `baselines.NGram`), its order chosen on the end of it; it is left out where that is what is scored. Both read
        the part as one stream. Of a training part too long to be counted, `counted` says how much was."""
        symbols = corpus.part(split)
        vocabulary = len(corpus.encoding)
        found = {"uniform": Score(self.metrics({"nats": uniform(vocabulary), "symbols": 1.0}), 1)}
        training = corpus.part("training") if "training" in corpus.parts else symbols[:0]
        inner = len(training) - held_out(len(training))
        if split != "training" and len(training) - inner > 1 and len(symbols) > 1:
            order = ngram(training[:inner], training[inner:], vocabulary).order
            nats = NGram(training, vocabulary, order).total_nats(symbols)
            figures = {**self.metrics({"nats": nats, "symbols": float(len(symbols) - 1)}), "order": float(order)}
            if len(training) > LONGEST_TRAINING:
                log.warning(
                    "The n-gram baseline counts the last %s of the %s %s trained on.",
                    *(f"{LONGEST_TRAINING:,}", f"{len(training):,}", self.unit),
                )
                figures["counted"] = float(LONGEST_TRAINING)
            found["n-gram"] = Score(figures, 1)
        return found

    def require(self, symbols: Tensor) -> None:
        """Raises DataError when a part is too short to be scored."""
        needed = self.window + 1 if self.many_to_one else 2
        if len(symbols) < needed:
            hint = "give it a larger share in data.split, or more text"
            if self.many_to_one and len(symbols) > 1:
                hint = f"training.window={len(symbols) - 1} would fit; or {hint}"
            raise DataError(
                f"a part of {len(symbols)} {self.unit} is too short to score; {needed} are needed", hint=hint
            )

    def initial_state(self, model: nn.Module, batch: Batch) -> ModelState:
        assert isinstance(model, SequenceModel)
        return model.initial_state(batch.lanes)

    def loss(self, model: nn.Module, batch: Batch, state: ModelState) -> Loss:
        logits, state = self._predict(model, batch, state)
        scores = logits.flatten(0, -2)
        scores = scores.float() if scores.dtype == torch.bfloat16 else scores
        loss = functional.cross_entropy(scores, batch.target.flatten(), reduction="sum")
        return Loss(loss, batch.units, state)

    def score(self, model: nn.Module, batch: Batch, state: ModelState) -> tuple[Totals, ModelState]:
        loss = self.loss(model, batch, state)
        return {"nats": loss.sum.double().item(), "symbols": float(loss.count)}, loss.state

    def metrics(self, totals: Totals) -> dict[str, float]:
        nats = totals["nats"] / totals["symbols"]
        return {f"nats_per_{self.symbol}": nats, f"bits_per_{self.symbol}": bits(nats)}

    def predictor(self, model: SequenceModel, lanes: int, precision: torch.dtype = torch.float32) -> Predictor:
        """What generation asks for the next symbol: carried state, or for many-to-one the last window.

        `precision` is of the products in a step; windows are read in the model's own.
        """
        if self.many_to_one:
            return WindowPredictor(model, lanes, self.window)
        return StreamPredictor(model, lanes, precision)

    @property
    def start(self) -> int:
        """The symbol that stands before a text without a prompt: a line break, else a space, else the first."""
        if self.encoding.kind == "bytes":
            return ord("\n")
        return next((self.encoding.symbols.index(mark) for mark in "\n " if mark in self.encoding), 0)

    def sample(self, model: nn.Module, generator: torch.Generator) -> str:
        assert isinstance(model, SequenceModel)
        prompt = torch.full((1, 1), self.start, device=model.input_map.weight.device)
        decode = self.encoding.decoder()
        choices = continuations(self.predictor(model, 1), prompt, PREVIEW, generator)
        return "".join(decode(int(next(choices).symbols)) for _ in range(PREVIEW_LENGTH))

    def of_texts(self, texts: Sequence[str]) -> list[Symbols]:
        found = []
        for text in texts:
            try:
                found.append(self.encoding.encode(text))
            except UnknownSymbolError as error:
                raise UsageError(f"the text holds {error} (counted from 0), which the run never saw") from error
        return found

    def of_file(self, file: str) -> list[Symbols]:
        """Every line is a text."""
        with settings_of_the_run():
            return open_lines(file, self.encoding)

    @torch.no_grad()
    def predictions(self, model: nn.Module, part: Sequence[Symbols], device: torch.device) -> list[Prediction]:
        """The symbol that follows each text: as label the likeliest, and the probabilities of all, likeliest first.

        A text is read as the prompt of a generation is, by itself, so that its answer depends on no other text. An
        empty one stands for the beginning of a text.
        """
        assert isinstance(model, SequenceModel)
        names = [self.encoding.name_of(number) for number in range(len(self.encoding))]
        found = []
        with evaluating(model):
            for text in part:
                read = torch.tensor(text.tolist() or [self.start], device=device).unsqueeze(1)
                shares = self.predictor(model, 1).read(read)[0].double().softmax(0).cpu()
                order = shares.argsort(descending=True, stable=True)
                likely = [names[number] for number in order.tolist()]
                ranked = dict(zip(likely, shares[order].tolist(), strict=True))
                found.append(Prediction(self.encoding.decode(text), label=likely[0], probabilities=ranked))
        return found

    def inspected(self, model: nn.Module, symbols: Tensor, *, steps: int, lanes: int) -> Inspected:
        assert isinstance(model, SequenceModel)
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

        return Inspected(
            recurrence=model.recurrence,
            input=model.input_map(text[:-1]),
            symbols=tuple(encoding.name_of(number) for number in text[:-1, 0].tolist()),
            step=f"{self.symbol}s",
            loss=loss,
            properties=properties,
            carried=not self.many_to_one,
        )

    def _predict(self, model: nn.Module, batch: Batch, state: ModelState) -> tuple[Tensor, ModelState]:
        assert isinstance(model, SequenceModel)
        features, state = model.features(batch.input, state, batch.mask)
        return model.head(features[-1] if self.many_to_one else features), state
