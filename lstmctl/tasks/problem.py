"""What a task is to the rest of the program: its data, its network, its order, its figures and its baselines."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

NOTHING_TOLD = "this run's task has nothing to tell of a sequence: no label, number, text or next symbol"
USED_BY = "a forecaster tells by `lstmctl forecast`, and what learnt to write for labels by `lstmctl generate --label`"

SETTING = re.compile(r"\b(?:data|task|model|training)\.\w+=")


@contextmanager
def settings_of_the_run() -> Iterator[None]:
    """Read a file for a trained run, whose settings are fixed: a hint that names another one says what it takes.

    Raises:
        DataError: as it was raised inside.
    """
    try:
        yield
    except DataError as error:
        if error.hint and SETTING.search(error.hint):
            error.hint = f"fix the file, or retrain with a setting that allows this: {error.hint}"
        raise


class Rows(NamedTuple):
    """What the rows of a weight stand for."""

    noun: str
    names: Sequence[str]


class Encoding(Protocol):
    """What turns data into numbers and back; a run keeps it as `encoding.json`."""

    def to_json(self) -> dict[str, Any]: ...


class Corpus(Protocol):
    """Data found and checked. Its module in `data` says what else it holds."""

    @property
    def encoding(self) -> Encoding: ...
    @property
    def parts(self) -> Mapping[str, Any]:
        """Training, validation and, where there are three, test."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """How a run's own config names the files, so that it runs again from another folder."""
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
    """A whole config whose `task` and `data` are of these types, as a task knows them to be."""

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
    """A sequence problem from end to end: one class a task of the config, named in `registry.TASKS`.

    It is built from a config and an encoding alone. What training sees of it is `protocols.Task`. Its types are those
    of the config it reads (`ConfigOf`), its corpus, its network, its batches, and one part of its data on a device, in
    whatever form it reads that: nobody else looks inside.
    """

    @staticmethod
    @abstractmethod
    def open(settings: ConfigT, config_folder: Path | None) -> CorpusT:
        """The data that a config names.

        Raises:
            DataError: nothing is found, or it cannot be used as it is.
        """

    @classmethod
    @abstractmethod
    def of(cls, settings: ConfigT, corpus: CorpusT) -> Self:
        """The problem that a config poses on data just opened."""

    @classmethod
    @abstractmethod
    def restored(
        cls, settings: ConfigT, encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
    ) -> Self:
        """The problem of a run, without its data.

        Args:
            settings, encoding: of the run.
            calibration: what `calibrate` gave at the end of its training.

        Raises:
            RunError: the encoding or the calibration is damaged.
        """

    @abstractmethod
    def read(self, files: Sequence[str]) -> CorpusT:
        """Other data, encoded as this problem's own, with one part, `validation`.

        Raises:
            DataError: it is not there, or holds what the encoding does not know.
        """

    @abstractmethod
    def difference(self, other: Self) -> str | None:
        """How another problem's weights would mean something else here; None where they mean the same, but for the rows
        in `row_names`."""

    @abstractmethod
    def facts(self, corpus: CorpusT) -> dict[str, Any]:
        """What `run.json` says of the data, beside its fingerprint and files; `parts` holds the length of each."""

    @abstractmethod
    def model(self, settings: ModelSettings, cell: type[Cell], generator: torch.Generator) -> ModelT:
        """A freshly initialised network.

        Raises:
            ConfigError: the cell refuses `model.options`.
        """

    @abstractmethod
    def part(self, corpus: CorpusT, name: str, device: torch.device) -> PartT:
        """One part of the data, on a device."""

    @abstractmethod
    def require(self, part: PartT) -> None:
        """Raises DataError when a part is too short to be scored."""

    def check(self, corpus: CorpusT) -> None:
        """Raises DataError when a part that is not trained on is too short to be scored."""
        for name in set(corpus.parts) - {"training"}:
            self.require(self.part(corpus, name, torch.device("cpu")))

    def training_part(self, corpus: CorpusT, device: torch.device) -> Any:
        """What `prepare` and `training_order` take: the training part, unless a task trains on something else."""
        return self.part(corpus, "training", device)

    def prepare(self, model: ModelT, training: Any, validation: PartT) -> None:
        """Put into a new network, before its first step, what is computed from the data and not learnt."""

    @abstractmethod
    def training_order(self, part: Any, training: TrainingSettings, seed: int) -> Batches:
        """The order in which the training part is read.

        Raises:
            DataError: it is too short for one step.
        """

    @abstractmethod
    def progress(self, part: PartT) -> Iterable[BatchT]:
        """A look at the validation part during training; it decides which weights are best."""

    @abstractmethod
    def evaluate(self, model: ModelT, part: PartT) -> Score:
        """The figures that are reported of a part."""

    def targets(self, part: Any) -> int:
        """Return the number of targets that `evaluate` scores in a part, as its batches count them."""
        return len(part)

    def calibrate(self, model: ModelT, part: PartT) -> dict[str, Any] | None:
        """Once training is over, learn from the validation part how sure to be; what a run keeps of it, or None."""
        return None

    def notes(self, corpus: CorpusT, part: str, *, chosen: bool) -> tuple[str, ...]:
        """What one must know to read the scores of a part, in whole sentences; `chosen`, whether the validation part
        chose among weights. `part` is empty for other data than the run's own."""
        return ()

    @abstractmethod
    def references(self, corpus: CorpusT, split: str) -> dict[str, Score]:
        """Figures of simple baselines on one part, by name: what is reached without a network."""

    def mapped_files(self, corpus: CorpusT) -> list[MappedFile]:
        """The files that a corpus is read from while it is used; none where it is in memory."""
        return []

    def caveats(self, corpus: CorpusT) -> tuple[str, ...]:
        """What to know of the data before a network is trained on it, in sentences."""
        return tuple(said for part in corpus.parts for said in self.unknown(corpus, part))

    def unknown(self, corpus: CorpusT, part: str) -> tuple[str, ...]:
        """What to know of symbols in a part that the network does not know, in sentences."""
        found: Mapping[str, str] = getattr(corpus, "unknown", {})
        return (found[part],) if part in found else ()

    def caveats_on(self, corpus: CorpusT, part: str, *, is_own: bool) -> tuple[str, ...]:
        """What to know of a part before it is scored, in sentences; `is_own`, whether the run was trained on the
        corpus."""
        return self.warnings(corpus, part)

    def warnings(self, corpus: CorpusT, part: str) -> tuple[str, ...]:
        """Reasons why the scores of a part may mislead, in sentences: it lacks labels, or shares rows with the training
        part."""
        found: Mapping[str, tuple[str, ...]] = getattr(corpus, "warnings", {})
        return found.get(part, ())

    @property
    def row_names(self) -> Mapping[str, Rows]:
        """The weights whose rows stand for symbols or labels. A new run that starts from this one takes these rows over
        by name."""
        return {}

    def author(self, model: ModelT, label: str | None, products: torch.dtype) -> Author | None:
        """What the network writes text with; None where the task writes none.

        Args:
            label: what a text is to be written for, where that is the task.
            products: the type of the products in a step.

        Raises:
            UsageError: a label is missing, unknown, or not asked for.
        """
        return None

    def passage(self, text: str, label: str | None, device: torch.device) -> PartT | None:
        """A text that a person gives, to look at what the network makes of it; None where the task reads no text.

        Args:
            label: of the text, where the task reads one.

        Raises:
            UsageError: the text is empty or holds a symbol that the encoding lacks; or a label is missing, unknown, or
                not asked for.
        """
        return None

    @property
    def next_command(self) -> str:
        """What to try with a run that is trained; `{run}` stands for it."""
        return "lstmctl predict {run} FILE"

    @property
    def reads_texts(self) -> bool:
        """Whether a sequence is a text."""
        return True

    def of_texts(self, texts: Sequence[str]) -> Any:
        """Texts that a person gives, as a corpus's own `part` would be, without anything known of what is to be told.

        Raises:
            UsageError: the task does not read single texts, or one is empty.
        """
        raise UsageError(NOTHING_TOLD, hint=USED_BY)

    def of_file(self, file: str) -> Any:
        """The same of a file, without its labels or targets.

        Raises:
            DataError: it is not there, or cannot be read.
        """
        corpus: Any = self.read([file])
        return corpus.part("validation")

    def predictions(self, model: ModelT, part: Any, device: torch.device) -> list[Prediction]:
        """What the network tells of each sequence that `of_texts` or `of_file` gave, in their order.

        Raises:
            UsageError: the task tells nothing of sequences.
        """
        raise UsageError(NOTHING_TOLD, hint=USED_BY)

    def inspection_input(self, model: ModelT, part: PartT, *, steps: int, lanes: int) -> InspectionInput:
        """The network's recurrence and what runs through it when it reads a part: what `lstmctl inspect` looks into.

        The lanes begin at even distances over the part, the first with it; each starts from a zero state, as the task
        has it. A task whose windows are shorter than `steps` gives whole windows, and more of them where about that
        much would not be read otherwise; a part that is shorter gives what it has. Whatever stands before the
        recurrence (embedding, normalisation, segments) is in the input already, and what stands behind it (the head) is
        in the loss.

        Args:
            steps: of each lane, at most.
            lanes: how many.

        Raises:
            DataError: the part is too short.
            UsageError: the task has no recurrence that goes step by step.
        """
        raise UsageError("a run of this task cannot be looked into: it shows no recurrence that goes step by step")

    # What `protocols.Task` asks for.

    @property
    @abstractmethod
    def primary(self) -> Metric: ...
    @property
    @abstractmethod
    def unit(self) -> str: ...
    @abstractmethod
    def initial_state(self, model: ModelT, batch: BatchT) -> ModelState: ...
    @abstractmethod
    def loss(self, model: ModelT, batch: BatchT, state: ModelState) -> Loss: ...
    @abstractmethod
    def score(self, model: ModelT, batch: BatchT, state: ModelState) -> tuple[Totals, ModelState]: ...
    @abstractmethod
    def metrics(self, totals: Totals) -> dict[str, float]: ...
    @abstractmethod
    def sample(self, model: ModelT, generator: torch.Generator) -> str: ...


AnyProblem = Problem[Any, Any, Any, Any, Any]
"""A problem of whatever task."""
