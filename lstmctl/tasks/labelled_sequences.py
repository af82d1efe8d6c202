"""Common parts of classification, regression and tagging: sequences of any lengths that are read whole."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from lstmctl.cells.cell import Cell
from lstmctl.config.schema import AudioData, Classification, Regression, SyntheticData, TableData, Tagging
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.config.schema import Training as TrainingSettings
from lstmctl.data.audio import AudioCorpus, open_audio
from lstmctl.data.labelled_table import LabelledTable, Layout, open_table
from lstmctl.data.sequences import UNLABELLED, SequenceCorpus, SequenceEncoding, Sequences
from lstmctl.data.spectra import Spectra
from lstmctl.data.symbol_words import warn_of_unknown
from lstmctl.data.synthetic import SyntheticCorpus, open_synthetic
from lstmctl.errors import UsageError
from lstmctl.metrics import SOLVED
from lstmctl.models.recurrence import build_recurrence
from lstmctl.models.sequence_labeller import SequenceLabeller
from lstmctl.progress import counted
from lstmctl.protocols import Batches, ModelState, Totals
from lstmctl.results.clips import ClipView
from lstmctl.results.evaluation import RowSums, Score
from lstmctl.results.output import Prediction
from lstmctl.scoring import evaluating, reported
from lstmctl.tasks.clip_augmentation import Augmented, Waves
from lstmctl.tasks.clip_views import clip_view
from lstmctl.tasks.inspection_input import InspectionInput, evenly_chosen, position, symbols_tracked
from lstmctl.tasks.problem import ConfigOf, Problem, Rows, settings_of_the_run
from lstmctl.tasks.rare_symbols import RareSymbolsHidden, symbol_counts
from lstmctl.tasks.sequence_batches import (
    ByLength,
    Drawn,
    FreshSequences,
    SequenceBatch,
    SequencePart,
    like_lengths,
)

log = logging.getLogger(__name__)

TaskT = TypeVar("TaskT", bound=Classification | Regression | Tagging)
LabelledConfig = ConfigOf[TaskT, TableData | AudioData | SyntheticData]
Baseline = Callable[[Any, Sequences, Sequences, Sequences], Any]
"""A baseline: from the task, the training part, the validation part and the sequences to score, to answers for
`score_of`; None if it does not apply."""
MOST_PROGRESS = 2000
"""Maximum number of sequences that are scored during training."""
MOST_SHOWN = 240
"""Maximum number of frames of a clip in a report, limited by the width of its plot."""


class LabelledSequences(
    Problem[LabelledConfig[TaskT], SequenceCorpus, SequenceLabeller, SequenceBatch, SequencePart],
    Generic[TaskT],
):
    """A problem whose answer belongs to a whole sequence, or to each of its steps.

    Args:
        settings: of the whole run.
        encoding: of inputs and answers.
        weights: (labels,) the weight of each label in the loss; None if all are equal.
    """

    by_step = False
    """True if there is an answer for every step."""
    BASELINES: ClassVar[Mapping[str, Baseline]]
    """Baselines by name; in a name, `{step}` stands for `character` or `frame`."""

    def __init__(
        self, settings: LabelledConfig[TaskT], encoding: SequenceEncoding, weights: Tensor | None = None
    ) -> None:
        self.settings, self.encoding, self.weights = settings, encoding, weights

    # Data.

    @staticmethod
    def open(settings: LabelledConfig[TaskT], config_folder: Path | None) -> SequenceCorpus:
        data = settings.data
        if isinstance(data, SyntheticData):
            return open_synthetic(data.synthetic, data.length, data.held_out, data.test_lengths)
        if isinstance(data, AudioData):
            return open_audio(data.audio, data.model_dump(), settings.task.type, config_folder)
        return open_table(data.table, Layout.of(data.model_dump()), settings.task.type, config_folder)

    @classmethod
    def of(cls, settings: LabelledConfig[TaskT], corpus: SequenceCorpus) -> Self:
        weights = None
        if getattr(settings.task, "class_weights", "none") == "balanced":
            weights = cls.balanced(corpus)
        return cls(settings, corpus.encoding, weights)

    @classmethod
    def restored(
        cls, settings: LabelledConfig[TaskT], encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
    ) -> Self:
        return cls(settings, SequenceEncoding.from_json(encoding))

    def read(self, files: Sequence[str]) -> SequenceCorpus:
        return self._read(files, with_labels=True)

    def _read(self, files: Sequence[str], *, with_labels: bool) -> LabelledTable | AudioCorpus:
        data = self.settings.data
        if isinstance(data, SyntheticData):
            raise UsageError("sequences of this run are drawn by the program; it takes no file")
        if isinstance(data, AudioData):
            with settings_of_the_run():
                corpus = open_audio(files, data.model_dump(), self.settings.task.type, None, encoding=self.encoding)
            for warning in corpus.silent.values():
                log.warning("%s", warning)
            return corpus
        layout = Layout.of(data.model_dump())
        with settings_of_the_run():
            return open_table(
                files, layout, self.settings.task.type, None, encoding=self.encoding, with_labels=with_labels
            )

    def difference(self, other: Self) -> str | None:
        return self.encoding.difference(other.encoding)

    def facts(self, corpus: SequenceCorpus) -> dict[str, Any]:
        encoding = self.encoding
        inputs = "vocabulary" if encoding.symbols is not None else "features"
        told = {"labels": list(encoding.labels)} if encoding.labels else {}
        if encoding.outputs is not None:
            told = {"outputs": list(encoding.outputs.names)}
        parts = {name: stop - start for name, (start, stop) in corpus.parts.items()}
        notes = list(corpus.notes)
        if not isinstance(corpus, LabelledTable | AudioCorpus):
            return {inputs: encoding.inputs, **told, "parts": parts, "notes": notes}
        if isinstance(corpus, LabelledTable):
            notes += corpus.unknown.values()
        warnings = [warning for of_part in corpus.warnings.values() for warning in of_part]
        return {inputs: encoding.inputs, **told, "parts": parts, "notes": notes, "warnings": warnings}

    def part(self, corpus: SequenceCorpus, name: str, device: torch.device) -> SequencePart:
        return SequencePart.of(corpus.part(name), device)

    def longer(self, corpus: SequenceCorpus, name: str, device: torch.device) -> dict[int, SequencePart]:
        if name != "test" or not isinstance(corpus, SyntheticCorpus):
            return {}
        lengths = (corpus.length, *corpus.longer) if corpus.longer else ()
        return {length: SequencePart.of(corpus.of_length(length), device) for length in lengths}

    def require(self, part: SequencePart) -> None:
        pass  # a part that is empty was refused when it was opened

    def check(self, corpus: SequenceCorpus) -> None:
        pass  # as in `require`, without drawing generated sequences

    def training_part(self, corpus: SequenceCorpus, device: torch.device) -> SequencePart | FreshSequences | Waves:
        """Return new sequences for every step, if the corpus is synthetic; the sound of clips, if they are augmented;
        otherwise the training part."""
        if isinstance(corpus, SyntheticCorpus):
            return FreshSequences(corpus.fresh, corpus.held_out, device)
        data = self.settings.data
        if isinstance(corpus, AudioCorpus) and isinstance(data, AudioData) and (data.noise or data.shift):
            return Waves.of(corpus, data.noise, data.shift, device)
        return self.part(corpus, "training", device)

    @property
    def row_names(self) -> Mapping[str, Rows]:
        symbols, labels = self.encoding.symbols, Rows("label", self.encoding.labels)
        found = {} if symbols is None else {"input_map.weight": Rows("symbol", symbols.row_names)}
        return {**found, "head.weight": labels, "head.bias": labels} if labels.names else found

    @property
    def next_command(self) -> str:
        drawn = isinstance(self.settings.data, SyntheticData)
        return "lstmctl inspect gradients {run}" if drawn else super().next_command

    # Training.

    @property
    def unit(self) -> str:
        return "sequences"

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Number of outputs for one answer."""

    def model(self, settings: ModelSettings, cell: type[Cell], generator: torch.Generator) -> SequenceLabeller:
        symbols = None if self.encoding.symbols is None else len(self.encoding.symbols)
        inputs = self.encoding.inputs if symbols is None else settings.embedding
        recurrence = build_recurrence(settings, cell, inputs, bidirectional=settings.direction == "bidirectional")
        model = SequenceLabeller(symbols, settings.embedding, recurrence, self.outputs, by_step=self.by_step)
        model.initialise(generator)
        return model

    def training_order(
        self, part: SequencePart | FreshSequences | Waves, training: TrainingSettings, seed: int
    ) -> Batches:
        if isinstance(part, FreshSequences):
            return Drawn(part, training.batch, seed)
        if isinstance(part, Waves):
            return Augmented(part, training.batch, seed)
        batches = ByLength(part, training.batch, seed)
        symbols = self.encoding.symbols
        if symbols is None or not symbols.has_unknown:
            return batches
        counts = symbol_counts(part.inputs, part.starts, part.lengths, len(symbols))
        return RareSymbolsHidden(batches, counts, symbols.unknown, seed)

    def initial_state(self, model: SequenceLabeller, batch: SequenceBatch) -> ModelState:
        return ()  # every sequence starts from zero

    def progress(self, part: SequencePart) -> Iterator[SequenceBatch]:
        return part.first(MOST_PROGRESS).scored_batches()

    def answers(self, model: SequenceLabeller, batch: SequenceBatch) -> Tensor:
        """Return the network's outputs, (batch, outputs) or (time, batch, outputs), in the precision for metrics."""
        found: Tensor = model(batch.input, batch.lengths)
        return found.float() if found.dtype == torch.bfloat16 else found

    def evaluate(self, model: SequenceLabeller, part: SequencePart) -> Score:
        """Score every sequence.

        Raises:
            DataError: no targets are known.
        """
        sums: Counter[str] = Counter()
        rows = RowSums(np.zeros(len(part)), np.zeros(len(part)))
        places = iter(list(like_lengths(part.lengths)))
        with evaluating(model), torch.no_grad():
            for batch in reported(part.scored_batches()):
                answers = self.answers(model, batch)
                sums.update(self.sums(answers, batch))
                place = next(places).cpu().numpy()
                rows.of[place], rows.out_of[place] = (
                    values.double().cpu().numpy() for values in self.row_sums(answers, batch)
                )
        return replace(self.as_score(dict(sums), len(part)), rows=rows)

    def score(self, model: SequenceLabeller, batch: SequenceBatch, state: ModelState) -> tuple[Totals, ModelState]:
        return self.sums(self.answers(model, batch), batch), ()

    @abstractmethod
    def sums(self, answers: Tensor, batch: SequenceBatch) -> Totals:
        """Return the totals of a batch, from which `metrics` follow."""

    @abstractmethod
    def row_sums(self, answers: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """Return, for each sequence of a batch, (batch,), the sums whose ratio is the primary metric; see `RowSums`."""

    @classmethod
    def balanced(cls, corpus: SequenceCorpus) -> Tensor:
        """Return weights (labels,) in inverse proportion to the frequency of each label in the training part, with a
        mean of 1 over its answers (King & Zeng 2001)."""
        sequences = corpus.part("training")
        told = sequences.targets
        if cls.by_step:
            told = np.concatenate([sequences.target(number) for number in range(len(sequences))])
        counts = np.bincount(told[told >= 0], minlength=len(corpus.encoding.labels))
        return torch.from_numpy(counts.sum() / (len(counts) * np.maximum(counts, 1))).float()

    @abstractmethod
    def as_score(self, sums: Mapping[str, Any], sequences: int) -> Score:
        """Return the metrics that follow from these sums."""

    def notes(self, corpus: SequenceCorpus, part: str, *, chosen: bool) -> tuple[str, ...]:
        if part == "validation":
            return ("These are sequences that choices were made on.",) if chosen else ()
        return ()

    def references(self, corpus: SequenceCorpus, split: str) -> dict[str, Score]:
        """Return chance and the threshold for solved, if the corpus is synthetic; otherwise score the baselines in
        `baselines.labels`."""
        if isinstance(corpus, SyntheticCorpus):
            level = corpus.level
            return {
                "chance": Score({level.metric.name: level.chance}, 0),
                SOLVED: Score({level.metric.name: level.solved}, 0),
            }
        if "training" not in corpus.parts:
            return {}
        training, validation, scored = (corpus.part(name) for name in ("training", "validation", split))
        step = "frame" if self.encoding.symbols is None else "character"
        answers = {
            name.format(step=step): baseline(self, training, validation, scored)
            for name, baseline in self.BASELINES.items()
        }
        return {name: self.score_of(scored, found) for name, found in answers.items() if found is not None}

    @abstractmethod
    def score_of(self, sequences: Sequences, answers: Any) -> Score:
        """Score answers to sequences from any source."""

    # Use.

    @abstractmethod
    def losses(self, answers: Tensor, target: Tensor) -> Tensor:
        """Return the loss (batch,) of each answer (batch, outputs), given targets (batch,) or (batch, outputs)."""

    def inspection_input(
        self, model: SequenceLabeller, part: SequencePart, *, steps: int, lanes: int
    ) -> InspectionInput:
        """Return the last steps of sequences that are long enough; `steps` is reduced until half of all sequences are.
        A lane's loss is the loss of its answer at the end or, in a bidirectional network with an answer at each step,
        at the middle step."""
        length = min(steps, int(part.lengths.median()))
        chosen = evenly_chosen((part.lengths >= length).nonzero().flatten(), length, steps=steps, lanes=lanes)
        ends = part.starts[chosen] + part.lengths[chosen]
        places = ends - length + torch.arange(length, device=ends.device).unsqueeze(1)
        read = part.inputs[places]
        read = read if read.is_floating_point() else read.long()
        input = model.input_map(read.to(model.head.weight) if read.is_floating_point() else read)
        told_at = length // 2 if self.by_step and model.recurrence.backward_cells else None
        target = part.targets[places[-1 if told_at is None else told_at]] if self.by_step else part.targets[chosen]
        known = target >= 0 if not target.is_floating_point() else ~target.isnan().any(-1)
        filled = torch.where(known.view(-1, *[1] * (target.dim() - 1)), target, 0)
        symbols = self.encoding.symbols

        def loss(outputs: Tensor, state: ModelState) -> Tensor:
            if self.by_step:
                told = outputs[-1 if told_at is None else told_at]
            else:
                told = model.recurrence.summary(outputs, torch.full_like(ends, length))
            # Unknown answers contribute no gradient.
            return torch.where(known, self.losses(model.head(told), filled), 0)

        def properties() -> dict[str, Tensor]:
            if symbols is not None:
                found = symbols_tracked(read, symbols)
            else:
                found = {name: read[..., place] for place, name in enumerate(self._features)}
            return {**found, "position": position(read)}

        return InspectionInput(
            recurrence=model.recurrence,
            input=input,
            symbols=self._step_names(read),
            step="characters" if symbols is not None else "frames" if self.spectra is None else "seconds",
            loss=loss,
            properties=properties,
            carried=False,
            told_at=told_at,
            clip=None if self.spectra is None else lambda: self._heard(model, read[:, 0], part, int(chosen[0])),
        )

    def _step_names(self, read: Tensor) -> tuple[str, ...]:
        """Name each step of the first lane: a symbol, the number of a frame, or the time of a frame of sound."""
        if self.encoding.symbols is not None:
            return tuple(self.encoding.symbols.name_of(number) for number in read[:, 0].tolist())
        if self.spectra is not None:
            return tuple(f"{step * self.spectra.seconds:.2f}" for step in range(len(read)))
        return tuple(str(step + 1) for step in range(len(read)))

    def _heard(self, model: SequenceLabeller, frames: Tensor, part: SequencePart, number: int) -> ClipView:
        """Return the last frames (steps, features) of one clip."""
        end = int(part.starts[number] + part.lengths[number])
        target = part.targets[end - len(frames) : end] if self.by_step else part.targets[number]
        assert self.encoding.features is not None
        assert self.spectra is not None
        return clip_view(
            model,
            frames,
            target,
            labels=self.encoding.labels,
            scale=self.encoding.features,
            spectra=self.spectra,
        )

    def clip(self, model: SequenceLabeller, corpus: AudioCorpus, number: int, device: torch.device) -> ClipView:
        """Return one clip of a corpus, with its waveform, and at most `MOST_SHOWN` frames."""
        assert self.encoding.features is not None
        return clip_view(
            model,
            torch.from_numpy(corpus.sequences.input(number)).to(device),
            torch.from_numpy(corpus.sequences.target(number)),
            labels=self.encoding.labels,
            scale=self.encoding.features,
            spectra=corpus.spectra,
            name=corpus.clips[number].name,
            samples=corpus.samples(number),
            most=MOST_SHOWN,
        )

    @cached_property
    def spectra(self) -> Spectra | None:
        """The transform from sound to frames; None if frames are not made from sound."""
        data, rate = self.settings.data, self.encoding.rate
        return Spectra.of(data.model_dump(), rate) if isinstance(data, AudioData) and rate is not None else None

    def passage(self, text: str, label: str | None, device: torch.device) -> SequencePart:
        if label is not None:
            raise UsageError(f"the run asks for no label: its task is {self.settings.task.type}")
        return SequencePart.of(self.of_texts([text]), device)

    @property
    def reads_texts(self) -> bool:
        return self.encoding.symbols is not None

    def of_texts(self, texts: Sequence[str]) -> Sequences:
        symbols = self.encoding.symbols
        if symbols is None:
            raise UsageError(
                "this run reads sound, not text"
                if self.spectra is not None
                else f"this run reads frames of {', '.join(self._features)}, not text",
                hint="give it an audio file or a folder of them"
                if self.spectra is not None
                else "give it a table of frames",
            )
        if not all(texts):
            raise UsageError("the text is empty; give at least one symbol")
        lengths = np.array([len(text) for text in texts], np.int64)
        inputs = symbols.read("".join(texts))
        warn_of_unknown(texts, symbols)
        if self.encoding.outputs is not None:
            targets: Any = np.full((len(texts), len(self.encoding.outputs.names)), np.nan)
        else:
            targets = np.full(len(inputs) if self.by_step else len(texts), UNLABELLED)
        return Sequences.joined(inputs, lengths, targets, by_step=self.by_step, names=tuple(texts))

    def of_file(self, file: str) -> Sequences:
        corpus = self._read([file], with_labels=False)
        for sentence in corpus.unknown.values() if isinstance(corpus, LabelledTable) else ():
            log.warning("%s", sentence)
        return corpus.part("validation")

    @property
    def _features(self) -> tuple[str, ...]:
        return () if self.encoding.features is None else self.encoding.features.names

    @torch.no_grad()
    def predictions(self, model: SequenceLabeller, part: Sequences, device: torch.device) -> list[Prediction]:
        found: dict[int, Prediction] = {}
        with evaluating(model):
            batches = SequencePart.of(part, device).in_order()
            for chosen, batch in counted(batches, len(part), "predicting", lambda one: len(one[0])):
                answers = self.answers(model, batch)
                assert batch.lengths is not None
                for lane, number in enumerate(chosen.tolist()):
                    own = answers[: int(batch.lengths[lane]), lane] if self.by_step else answers[lane]
                    found[number] = self.prediction(part, number, own.cpu())
        return [replace(found[number], columns=self._columns(part, number)) for number in range(len(part))]

    def _columns(self, part: Sequences, number: int) -> dict[str, str | tuple[str, ...]]:
        """Return the other columns of one sequence."""
        if self.by_step and not self.reads_texts:
            span = slice(part.starts[number], part.starts[number] + part.lengths[number])
            return {name: values[span] for name, values in part.columns.items()}
        return {name: values[number] for name, values in part.columns.items()}

    @abstractmethod
    def prediction(self, sequences: Sequences, number: int, answer: Tensor) -> Prediction:
        """Return one answer, (outputs,) or (length, outputs), as a prediction."""

    def shown(self, sequences: Sequences, number: int) -> str:
        """Return a sequence in readable form: its text, or its name."""
        if sequences.names:
            return sequences.names[number]
        if self.encoding.symbols is not None:
            return self.encoding.symbols.decode(sequences.input(number))
        return str(number + 1)

    def sample(self, model: SequenceLabeller, generator: torch.Generator) -> str:
        """Return an empty sample: only metrics describe this model."""
        return ""
