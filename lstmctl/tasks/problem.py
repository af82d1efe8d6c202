"""The interface between a task and the rest of the program: its data, network, data order, metrics and baselines."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import nn

from lstmctl.cells.cell import Cell
from lstmctl.config.schema import Model as ModelSettings
from lstmctl.config.schema import Training as TrainingSettings
from lstmctl.data.encoding import Symbols, TextEncoding, UnknownSymbolError
from lstmctl.data.mapping import MappedFile
from lstmctl.errors import DataError, UsageError
from lstmctl.metrics import Metric
from lstmctl.protocols import Batch, Batches, Loss, ModelState, Totals
from lstmctl.results.evaluation import Score
from lstmctl.results.output import Prediction
from lstmctl.tasks.author import Author
from lstmctl.tasks.inspection_input import InspectionInput

NOTHING_TOLD = "this run does not predict labels, numbers, texts or next symbols of sequences"
USED_BY = "use a forecaster with `lstmctl forecast`, and a run that generates text from labels with `lstmctl generate`"

SETTING = re.compile(r"\b(?:data|task|model|training)\.\w+=")


@contextmanager
def settings_of_the_run() -> Iterator[None]:
    """Read a file for a trained run, whose settings are fixed: a hint that names a setting then says what it takes.

    Raises:
        DataError: the error raised inside.
    """
    try:
        yield
    except DataError as error:
        if error.hint and SETTING.search(error.hint):
            error.hint = f"fix the file, or retrain with a setting that allows this: {error.hint}"
        raise


def encoded(text: str, encoding: TextEncoding) -> Symbols:
    """Encode a text from a user as numbers (symbols,) in newly allocated memory.

    Raises:
        UsageError: the text is empty, or contains a symbol that the encoding lacks.
    """
    if not text:
        raise UsageError("the text is empty; at least one symbol is needed")
    try:
        return encoding.encode(text).copy()
    except UnknownSymbolError as error:
        raise UsageError(f"the text contains {error} (counted from 0), which the run never saw in training") from error


class Encoding(Protocol):
    """Converts data to numbers and back; a run keeps it as `encoding.json`."""

    def to_json(self) -> dict[str, Any]: ...


class Corpus(Protocol):
    """Checked data. Its module in `data` defines its further contents."""

    @property
    def encoding(self) -> Encoding: ...
    @property
    def parts(self) -> Mapping[str, Any]:
        """Training, validation and, if there are three, test."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files for a run's own config, which work from any folder."""
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
    """A complete config whose `task` and `data` have these types, as a task requires."""

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
    """A sequence problem from end to end: one class per task of the config, listed in `registry.TASKS`.

    It is built from a config and an encoding only. Training sees it as `protocols.Task`. Its type parameters are the
    config it reads (`ConfigOf`), its corpus, its network, its batches, and one part of its data on a device, in a form
    that only the task itself uses.
    """

    @staticmethod
    @abstractmethod
    def open(settings: ConfigT, config_folder: Path | None) -> CorpusT:
        """Open the data that a config names.

        Raises:
            DataError: the data is missing or unsuitable.
        """

    @classmethod
    @abstractmethod
    def of(cls, settings: ConfigT, corpus: CorpusT) -> Self:
        """Return the problem that a config poses on data that was just opened."""

    @classmethod
    @abstractmethod
    def restored(
        cls, settings: ConfigT, encoding: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
    ) -> Self:
        """Rebuild the problem of a run, without its data.

        Args:
            settings, encoding: the run's.
            calibration: the result of `calibrate` at the end of its training.

        Raises:
            RunError: the encoding or the calibration is damaged.
        """

    @abstractmethod
    def read(self, files: Sequence[str]) -> CorpusT:
        """Read other data, in this problem's encoding, with one part, `validation`.

        Raises:
            DataError: the data is missing, or contains something that the encoding does not know.
        """

    @abstractmethod
    def difference(self, other: Self) -> str | None:
        """Say why another problem's weights would have a different meaning here; None if they have the same."""

    @abstractmethod
    def facts(self, corpus: CorpusT) -> dict[str, Any]:
        """Return the facts about the data for `run.json`, besides its fingerprint and files; `parts` contains the
        length of each."""

    @abstractmethod
    def model(self, settings: ModelSettings, cell: type[Cell], generator: torch.Generator) -> ModelT:
        """Return a freshly initialised network.

        Raises:
            ConfigError: the cell rejects `model.options`.
        """

    @abstractmethod
    def part(self, corpus: CorpusT, name: str, device: torch.device) -> PartT:
        """Return one part of the data, on a device."""

    @abstractmethod
    def require(self, part: PartT) -> None:
        """Raises DataError if a part is too short to be scored."""

    def check(self, corpus: CorpusT) -> None:
        """Raises DataError if a part other than the training part is too short to be scored."""
        for name in set(corpus.parts) - {"training"}:
            self.require(self.part(corpus, name, torch.device("cpu")))

    def training_part(self, corpus: CorpusT, device: torch.device) -> Any:
        """Return the data for `prepare` and `training_order`: the training part, unless a task trains on something
        else."""
        return self.part(corpus, "training", device)

    def prepare(self, model: ModelT, training: Any, validation: PartT) -> None:
        """Set the parts of a new network that are computed from the data instead of learned, before the first step."""

    @abstractmethod
    def training_order(self, part: Any, training: TrainingSettings, seed: int) -> Batches:
        """Return the training batches, in order.

        Raises:
            DataError: the part is too short for one step.
        """

    @abstractmethod
    def progress(self, part: PartT) -> Iterable[BatchT]:
        """Return the batches of an evaluation during training, which selects the best weights."""

    @abstractmethod
    def evaluate(self, model: ModelT, part: PartT) -> Score:
        """Compute the reported metrics of a part."""

    def targets(self, part: Any) -> int:
        """Return the number of targets that `evaluate` scores in a part, as its batches count them."""
        return len(part)

    def calibrate(self, model: ModelT, part: PartT) -> dict[str, Any] | None:
        """After training, calibrate the uncertainty of predictions on the validation part; return what a run keeps of
        it, or None."""
        return None

    def notes(self, corpus: CorpusT, part: str, *, chosen: bool) -> tuple[str, ...]:
        """Return sentences that a reader needs to interpret the scores of a part; `chosen` says whether the validation
        part selected the weights. `part` is empty for data other than the run's own."""
        return ()

    @abstractmethod
    def references(self, corpus: CorpusT, split: str) -> dict[str, Score]:
        """Compute the metrics of simple baselines without a network on one part, by name."""

    def mapped_files(self, corpus: CorpusT) -> list[MappedFile]:
        """Return the files that a corpus is read from while it is used; empty if it is in memory."""
        return []

    def caveats(self, corpus: CorpusT) -> tuple[str, ...]:
        """Return warnings about the data before a network is trained on it, as sentences."""
        return ()

    def caveats_on(self, corpus: CorpusT, part: str, *, is_own: bool) -> tuple[str, ...]:
        """Return warnings about a part before it is scored, as sentences; `is_own` says whether the run was trained on
        the corpus."""
        return ()

    def author(self, model: ModelT, label: str | None, products: torch.dtype) -> Author | None:
        """Return the parts of text generation with the network; None if the task generates no text.

        Args:
            label: the label of the text, if the task needs one.
            products: the type of the products in a step.

        Raises:
            UsageError: a label is missing, unknown or unexpected.
        """
        return None

    def passage(self, text: str, label: str | None, device: torch.device) -> PartT | None:
        """Return a text from a user as a part, for inspection; None if the task does not read text.

        Args:
            label: the label of the text, if the task needs one.

        Raises:
            UsageError: the text is empty or contains a symbol that the encoding lacks; or a label is missing, unknown
                or unexpected.
        """
        return None

    @property
    def next_command(self) -> str:
        """Return the command suggested after training, with `{run}` in place of the run."""
        return "lstmctl predict {run} FILE"

    @property
    def reads_texts(self) -> bool:
        """True if a sequence is a text."""
        return True

    def of_texts(self, texts: Sequence[str]) -> Any:
        """Return texts from a user as a part, without known answers.

        Raises:
            UsageError: the task does not read single texts, or one contains a symbol that the encoding lacks.
        """
        raise UsageError(NOTHING_TOLD, hint=USED_BY)

    def of_file(self, file: str) -> Any:
        """Return the sequences of a file as a part, without known answers.

        Raises:
            DataError: the file is missing, or contains something that the encoding does not know.
        """
        corpus: Any = self.read([file])
        return corpus.part("validation")

    def predictions(self, model: ModelT, part: Any, device: torch.device) -> list[Prediction]:
        """Predict each sequence of `of_texts` or `of_file`, in order.

        Raises:
            UsageError: the task does not predict sequences.
        """
        raise UsageError(NOTHING_TOLD, hint=USED_BY)

    def inspection_input(self, model: ModelT, part: PartT, *, steps: int, lanes: int) -> InspectionInput:
        """Return the network's recurrence and its input for a part, for `lstmctl inspect`.

        The lanes begin at even distances over the part, the first at its start; each starts from a zero state, as in
        the task. If the task's windows are shorter than `steps`, whole windows are returned, and more of them if
        otherwise much of the data would not be read; a shorter part is returned as a whole. Everything before the
        recurrence (embedding, normalisation, segments) is already in the input, and everything after it (the head) is
        in the loss.

        Args:
            steps: maximum number per lane.
            lanes: number of lanes.

        Raises:
            DataError: the part is too short.
            UsageError: the task has no stepwise recurrence.
        """
        raise UsageError("a run of this task cannot be inspected: it has no stepwise recurrence")

    # Methods of `protocols.Task`.

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
"""A problem of any task."""
