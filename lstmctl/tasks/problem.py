"""The interface of a task: its data, network, training order, metrics and baselines."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import torch
from torch import nn

from lstmctl.cells.cell import Cell
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.config.schema import Training as TrainingSettings
from lstmctl.data.mapping import MappedFile
from lstmctl.errors import DataError, UsageError
from lstmctl.metrics import Metric
from lstmctl.protocols import Batch, Batches, Loss, ModelState, Totals
from lstmctl.results.evaluation import Score
from lstmctl.results.output import Prediction
from lstmctl.tasks.author import Author
from lstmctl.tasks.inspection_input import InspectionInput

NOTHING_TOLD = "this run's task does not predict a label, number, text or next symbol of a sequence"
USED_BY = "use `lstmctl forecast` for a forecaster, and `lstmctl generate --label` for texts of a label"

SETTING = re.compile(r"\b(?:data|task|model|training)\.\w+=")


@contextmanager
def settings_of_the_run() -> Iterator[None]:
    """Read a file for a trained run, whose settings are fixed: hints that name a setting also mention retraining."""
    try:
        yield
    except DataError as error:
        if error.hint and SETTING.search(error.hint):
            error.hint = f"fix the file, or retrain with a setting that allows this: {error.hint}"
        raise


class Rows(NamedTuple):
    """Meaning of the rows of a weight, or of its inputs, which are the columns."""

    noun: str
    names: Sequence[str]
    times: int = 1
    """Number of times that the whole list of names repeats."""
    are_inputs: bool = False
    """True if the names are of inputs. New inputs start at 0, so that they change nothing at first; new rows keep their
    initial values."""
    optional: bool = False
    """True if a network without these names lacks the weight."""


class Encoding(Protocol):
    """Converts data to numbers and back; a run keeps it as `encoding.json`."""

    def to_json(self) -> dict[str, Any]: ...


class Corpus(Protocol):
    """Data that was found and checked."""

    @property
    def encoding(self) -> Encoding: ...
    @property
    def parts(self) -> Mapping[str, Any]:
        """Training, validation and, if there are three, test."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The files as a run's own config names them, valid from any folder."""
        ...

    @property
    def fingerprint(self) -> dict[str, Any]:
        """`sha256` and sizes."""
        ...


TaskT = TypeVar("TaskT", covariant=True)
DataT = TypeVar("DataT", covariant=True)
ConfigT = TypeVar("ConfigT")
CorpusT = TypeVar("CorpusT", bound=Corpus)
ModelT = TypeVar("ModelT", bound=nn.Module)
BatchT = TypeVar("BatchT", bound=Batch)
PartT = TypeVar("PartT")


class ConfigOf(Protocol[TaskT, DataT]):
    """A whole config whose `task` and `data` have these types."""

    @property
    def task(self) -> TaskT: ...
    @property
    def data(self) -> DataT: ...
    @property
    def model(self) -> ModelSettings: ...
    @property
    def training(self) -> TrainingSettings: ...
    @property
    def seed(self) -> int: ...


class Problem(ABC, Generic[ConfigT, CorpusT, ModelT, BatchT, PartT]):
    """A sequence problem from end to end: one class per task of the config, named in `registry.TASKS`.

    It is built from a config and an encoding alone. Training uses it through `protocols.Task`. Its type parameters are
    the config it reads (`ConfigOf`), its corpus, its network, its batches, and one part of its data on a device; only
    the task itself looks inside a part.
    """

    # Data.

    @staticmethod
    @abstractmethod
    def open(settings: ConfigT, config_folder: Path | None) -> CorpusT:
        """Open the data that a config names.

        Raises:
            DataError: the data is missing or cannot be used.
        """

    @classmethod
    @abstractmethod
    def of(cls, settings: ConfigT, corpus: CorpusT) -> Self:
        """Return the problem that a config poses on a corpus."""

    @classmethod
    @abstractmethod
    def restored(
        cls, settings: ConfigT, encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
    ) -> Self:
        """Return the problem of a run, without its data; `calibration` is what `calibrate` returned after training.

        Raises:
            RunError: the encoding or the calibration is damaged.
        """

    @abstractmethod
    def read(self, files: Sequence[str]) -> CorpusT:
        """Open other data with this problem's encoding, as one part, `validation`.

        Raises:
            DataError: the data is missing, or holds something that the encoding lacks.
        """

    @abstractmethod
    def difference(self, other: Self) -> str | None:
        """Describe why another problem's weights would have a different meaning here, ignoring the rows in `row_names`;
        None if they would not."""

    @abstractmethod
    def facts(self, corpus: CorpusT) -> dict[str, Any]:
        """Return the facts about the data for `run.json`, besides its fingerprint and files; `parts` contains the
        length of each."""

    @abstractmethod
    def part(self, corpus: CorpusT, name: str, device: torch.device) -> PartT:
        """Return one part of the data, on a device."""

    def longer(self, corpus: CorpusT, name: str, device: torch.device) -> dict[int, PartT]:
        """Return further tests of a part, by the length of their sequences; most data has none."""
        return {}

    def require(self, part: PartT) -> None:
        """Raise DataError if a part is too short to be scored."""

    def check(self, corpus: CorpusT) -> None:
        """Raise DataError if a part other than the training part is too short to be scored."""
        for name in set(corpus.parts) - {"training"}:
            self.require(self.part(corpus, name, torch.device("cpu")))

    def mapped_files(self, corpus: CorpusT) -> list[MappedFile]:
        """Return the files that a corpus is read from while it is used; none if it is in memory."""
        return []

    def caveats(self, corpus: CorpusT) -> tuple[str, ...]:
        """Return what to know about the data before training, in sentences."""
        return tuple(said for part in corpus.parts for said in self.unknown(corpus, part))

    def caveats_on(self, corpus: CorpusT, part: str, *, is_own: bool) -> tuple[str, ...]:
        """Return what to know about a part before it is scored, in sentences; `is_own`: the corpus is the run's."""
        return self.warnings(corpus, part)

    def unknown(self, corpus: CorpusT, part: str) -> tuple[str, ...]:
        """Return what to know about symbols of a part that the network does not know, in sentences."""
        found: Mapping[str, str] = getattr(corpus, "unknown", {})
        return (found[part],) if part in found else ()

    def warnings(self, corpus: CorpusT, part: str) -> tuple[str, ...]:
        """Return reasons why the scores of a part may mislead, in sentences: it lacks labels, or shares rows with the
        training part."""
        found: Mapping[str, tuple[str, ...]] = getattr(corpus, "warnings", {})
        return found.get(part, ())

    # Training.

    @abstractmethod
    def model(self, settings: ModelSettings, cell: type[Cell], generator: torch.Generator) -> ModelT:
        """Build an initialised network.

        Raises:
            ConfigError: the cell rejects `model.options`.
        """

    def training_part(self, corpus: CorpusT, device: torch.device) -> Any:
        """Return the data for `prepare` and `training_order`: by default the training part."""
        return self.part(corpus, "training", device)

    def prepare(self, model: ModelT, training: Any, validation: PartT, *, is_started: bool = False) -> None:
        """Set values that are computed from the data rather than learned, before the first step. `is_started`: the
        learned weights come from another run, and are kept."""

    @abstractmethod
    def training_order(self, part: Any, training: TrainingSettings, seed: int) -> Batches:
        """Return the training batches, in order.

        Raises:
            DataError: the training part is too short for one step.
        """

    @abstractmethod
    def progress(self, part: PartT) -> Iterable[BatchT]:
        """Return the batches of the validation part that are scored during training; they select the weights."""

    def calibrate(self, model: ModelT, corpus: CorpusT, device: torch.device) -> dict[str, Any] | None:
        """Make the choices that need the validation part, after training; return them for the run's files, or None."""
        return None

    @property
    def mixed_in(self) -> Mapping[str, float]:
        """Shares of models without a network in the predictions, by name; the rest is the network's."""
        return {}

    def without(self, names: Collection[str]) -> Self:
        """Return the same task, not yet calibrated, with predictions that lack some of the models in `mixed_in`; the
        other shares grow until they are 1 in all."""
        return self

    # Scores.

    @abstractmethod
    def evaluate(self, model: ModelT, part: PartT) -> Score:
        """Compute the reported metrics of a part."""

    def targets(self, part: Any) -> int:
        """Return the number of targets that `evaluate` scores in a part, as its batches count them."""
        return len(part)

    def notes(self, corpus: CorpusT, part: str, *, chosen: bool) -> tuple[str, ...]:
        """Return the facts needed to interpret a part's scores, in sentences.

        Args:
            part: empty for other data than the run's own.
            chosen: whether the validation part selected the weights.
        """
        return ()

    def dynamic(
        self, model: ModelT, corpus: CorpusT, part: PartT, device: torch.device
    ) -> tuple[Mapping[str, float], str]:
        """Return metrics of dynamic evaluation, and a sentence on how it was done.

        Args:
            model: the trained model, which is not changed.
            corpus: the run's own, for the choices.
            part: the part to score.

        Raises:
            UsageError: the task has no text that is read as one stream.
        """
        raise UsageError(
            "--dynamic applies to language models that read a text as one stream (task.shape: many-to-many)"
        )

    def with_cache(
        self, model: ModelT, corpus: CorpusT, part: PartT, device: torch.device
    ) -> tuple[Mapping[str, float], str]:
        """Return metrics with a neural cache, and a sentence on how it was done; as `dynamic`."""
        raise UsageError("--cache applies to language models that read a text as one stream (task.shape: many-to-many)")

    @abstractmethod
    def references(self, corpus: CorpusT, split: str) -> dict[str, Score]:
        """Score simple baselines on one part, by name."""

    def check_names(self, names: Sequence[str]) -> None:
        """Check the names of baselines given by `--baseline`.

        Raises:
            UsageError: one is unknown, its package is missing, or the task is not a forecast.
        """
        if names:
            raise UsageError("--baseline is for forecasts")

    def named_references(self, corpus: CorpusT, split: str, names: Sequence[str]) -> dict[str, Score]:
        """Score the baselines with these names on one part; raises as `check_names`."""
        self.check_names(names)
        return {}

    def relative(self, corpus: CorpusT, split: str, scores: dict[str, Score]) -> dict[str, Score]:
        """Add the metrics that are relative to a forecast of the same part to scores of one part, by name."""
        return scores

    @property
    def row_names(self) -> Mapping[str, Rows]:
        """Weights whose rows belong to symbols or labels, or whose inputs belong to columns. A new run that starts from
        this one takes them over by name. The weights of an ensemble's members have the same names."""
        return {}

    def author(self, model: ModelT, label: str | None, products: torch.dtype) -> Author | None:
        """Return the generator of the network's texts; None if the task does not generate text.

        Args:
            label: the label to generate a text for, if that is the task.
            products: the type of the products in a step.

        Raises:
            UsageError: a label is missing, unknown, or not expected.
        """
        return None

    def passage(self, text: str, label: str | None, device: torch.device) -> PartT | None:
        """Return a user's text as a part, for inspection; None if the task does not read text.

        Raises:
            UsageError: the text is empty or holds a symbol that the encoding lacks; or a label is missing, unknown, or
                not expected.
        """
        return None

    @property
    def next_command(self) -> str:
        """A command to try after training; `{run}` stands for the run."""
        return "lstmctl predict {run} FILE"

    @property
    def reads_texts(self) -> bool:
        """True if a sequence is a text."""
        return True

    def of_texts(self, texts: Sequence[str]) -> Any:
        """Return texts that a user gives as an unlabelled part of a corpus.

        Raises:
            UsageError: the task does not read single texts, or one is empty.
        """
        raise UsageError(NOTHING_TOLD, hint=USED_BY)

    def of_file(self, file: str) -> Any:
        """Return a file as an unlabelled part of a corpus, without its labels or targets.

        Raises:
            DataError: it is missing or cannot be read.
        """
        corpus: Any = self.read([file])
        return corpus.part("validation")

    def predictions(self, model: ModelT, part: Any, device: torch.device) -> list[Prediction]:
        """Return the network's prediction for each sequence of `of_texts` or `of_file`, in order.

        Raises:
            UsageError: the task does not predict from sequences.
        """
        raise UsageError(NOTHING_TOLD, hint=USED_BY)

    def inspection_input(self, model: ModelT, part: PartT, *, steps: int, lanes: int) -> InspectionInput:
        """Return the network's recurrence and its input when it reads a part, for `lstmctl inspect`.

        The lanes begin at even distances over the part; each starts from a zero state. A task whose windows are shorter
        than `steps` returns whole windows, and more of them to read about as much. What comes before the recurrence
        (embedding, normalisation, segments) is in the input; what comes after it (the head) is in the loss.

        Args:
            steps: maximum number per lane.
            lanes: their number.

        Raises:
            DataError: the part is too short.
            UsageError: the task has no stepwise recurrence.
        """
        raise UsageError("a run of this task cannot be inspected: it has no recurrence that goes step by step")

    # The rest of `protocols.Task`.

    @property
    @abstractmethod
    def primary(self) -> Metric: ...
    @property
    def unit(self) -> str:
        return "sequences"

    def initial_state(self, model: ModelT, batch: BatchT) -> ModelState:
        return ()  # every sequence starts from zero

    @abstractmethod
    def loss(self, model: ModelT, batch: BatchT, state: ModelState) -> Loss: ...
    @abstractmethod
    def score(self, model: ModelT, batch: BatchT, state: ModelState) -> tuple[Totals, ModelState]: ...
    @abstractmethod
    def metrics(self, totals: Totals) -> dict[str, float]: ...
    def sample(self, model: ModelT, generator: torch.Generator) -> str:
        return ""


AnyProblem = Problem[Any, Any, Any, Any, Any]
"""A problem of any task."""
