"""A finished or stopped run, ready for use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lstmctl import registry, shell
from lstmctl.api import backtesting, forecasting
from lstmctl.api.assembly import build_model, files_in_use, find_cell, open_data, restore_task
from lstmctl.api.writing import Writing, author
from lstmctl.cells.cell import Cell
from lstmctl.config import Settings, derive, load
from lstmctl.data.encoding import TextEncoding, UnknownSymbolError
from lstmctl.data.labelled_table import LabelledTable
from lstmctl.data.series import SeriesCorpus
from lstmctl.decoding import Sampling
from lstmctl.errors import DataError, RunError, UsageError
from lstmctl.models.sequence_model import count_parameters
from lstmctl.records import Backtest, Evaluation, Generated, Prediction, Score, SeriesForecast
from lstmctl.runs.folder import CALIBRATION, RunFolder, find_run, runs_root
from lstmctl.scoring import watched
from lstmctl.tasks.forecast import Forecast
from lstmctl.tasks.problem import Corpus, Problem
from lstmctl.training.trainer import load_weights

log = logging.getLogger(__name__)


def load_run(
    name: str | Path | None = None,
    *,
    task: str | Sequence[Collection[str]] = (),
    trust: bool = False,
    device: str = "cpu",
    overrides: Sequence[str] = (),
) -> Run:
    """Open a run: a folder, a name under the runs folder, or by default the newest that has learned something.

    Args:
        task: where no run is named, the newest of this task is meant; or of groups of tasks, the newest of the first
            group that has any.
        trust: allow a run whose cell is a user's own class to import that class.
        device: where to compute; a run made on a GPU works on a CPU.
        overrides: where the run's own data now is, such as `data.text=PATH`.

    Raises:
        RunError: there is no such run, or it is damaged.
        ConfigError: its cell needs `trust`.
        UsageError: an override says something else.
    """
    tasks = [[task]] if isinstance(task, str) else task
    folder = find_run(str(name) if name is not None else None, runs_root(), tasks)
    return Run(folder, trust=trust, device=device, overrides=overrides)


class Run:
    """A run on the disk.

    The model is read when it is first needed, from the best checkpoint where a test part was kept apart, else from the
    last; it computes in float32.
    """

    def __init__(
        self, folder: RunFolder, *, trust: bool = False, device: str = "cpu", overrides: Sequence[str] = ()
    ) -> None:
        self.folder, self.device = folder, torch.device(device)
        self.info: dict[str, Any] = folder.info()
        self.settings: Settings = load(str(folder.config_path()), trust=trust).settings
        if overrides:
            source = f"data.{self.settings.data.source}"
            for override in overrides:
                if override.partition("=")[0] != source:
                    raise UsageError(
                        f"{override}: {self.name} is trained; only where its data now is can be said: {source}=PATH"
                    )
            self.settings = derive(self.settings, overrides)
        self.step: int | None = None
        """The training step of the weights in use; None while no weights are."""
        self.fallback: str | None = None
        """Why these are not the weights that the run is judged by; None where they are."""

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def status(self) -> str:
        """`running`, `finished`, `interrupted`, `diverged`, `failed`, or `stopped` for a run that was killed."""
        status = str(self.info.get("status"))
        return "stopped" if status == "running" and not self.folder.is_held() else status

    @property
    def metrics(self) -> dict[str, dict[str, float] | None]:
        """The final figures by part: `validation`, and `test` (None where there is no test part)."""
        return dict(self.info.get("metrics", {}))

    @cached_property
    def task(self) -> Problem:
        """What the run learnt, rebuilt without its data.

        Raises:
            RunError: its encoding is missing or damaged.
        """
        calibration = self.folder.calibration()
        if calibration is None and self.info.get("calibrated"):
            raise RunError(f"{self.path / CALIBRATION} is missing: without it the intervals are not those of the run")
        return restore_task(self.settings, self.folder.encoding(), calibration)

    @cached_property
    def model(self) -> nn.Module:
        """The network with the run's weights.

        Raises:
            RunError: no checkpoint is sound, or the cell's source changed since.
        """
        model = build_model(self.settings, self.task, self.cell, "float32")
        weights = self.folder.checkpoints.read_weights(self.info.get("headline", "last"))
        if self.status == "diverged":
            log.warning(
                "%s diverged; these are its weights of step %d, the last that were saved", self.name, weights.step
            )
        load_weights(model, weights.tensors)
        self.step, self.fallback = weights.step, weights.fallback
        return model.to(self.device).eval()

    @property
    def parameters(self) -> int:
        """All trainable numbers of the model."""
        return count_parameters(self.model)

    def evaluate(self, split: str = "validation", file: str | Path | None = None) -> Evaluation:
        """Score the run, in float32, with simple baselines beside it.

        Args:
            split: the part of the run's own data: training, validation or test.
            file: a file or folder to score instead, all of it.

        Raises:
            DataError: the data is missing, has changed or is too short, or has what the run does not know.
        """
        corpus = self.corpus() if file is None else self.task.read([str(file)])
        part = split if file is None else "validation"
        if part not in corpus.parts:
            raise UsageError(f"{self.name} has no {part} part; it has {', '.join(corpus.parts)}")
        if file is not None and isinstance(corpus, SeriesCorpus) and isinstance(self.task, Forecast):
            overlap = self.task.overlap(corpus)
            if overlap is not None:
                log.warning(overlap)
        if isinstance(corpus, LabelledTable) and part in corpus.warnings:
            log.warning("%s", corpus.warnings[part])
        return self.evaluation(corpus, part, split if file is None else str(file))

    def evaluation(self, corpus: Corpus, part: str, called: str, own: Score | None = None) -> Evaluation:
        """Score the run on one part of data that is encoded as its own, with simple baselines beside it; `called` is
        the part's name in the result, and `own` the run's score, if it is known."""
        scores = {"run": own or self.score(corpus, part), **self.task.references(corpus, part)}
        return Evaluation(
            run=str(self.path),
            split=called,
            metrics=scores["run"].metrics,
            baselines={name: score.metrics for name, score in scores.items() if name != "run"},
            windows=scores["run"].windows,
            by_channel={name: score.by_channel for name, score in scores.items() if score.by_channel},
            by_step={name: score.by_step for name, score in scores.items() if score.by_step},
            by_label=scores["run"].by_label,
            confusion=scores["run"].confusion,
            counted="sequences" if self.task.unit == "sequences" else "windows",
            notes=(
                *_overlap_notes(corpus, part if called == part else ""),
                *scores["run"].notes,
                *self.task.notes(part if called == part else "", chosen=self.info.get("headline") == "best"),
            ),
        )

    def score(
        self, corpus: Corpus, part: str, heard: Callable[[int, int], None] = lambda targets, in_all: None
    ) -> Score:
        """Score the run alone.

        Args:
            corpus, part: what is scored.
            heard: called after each batch with the targets that are scored and those of the whole part.

        Raises:
            DataError: a file of the corpus has become shorter since it was opened.
        """
        files = files_in_use(corpus)
        for file in files:
            file.require_whole()
        data = self.task.part(corpus, part, self.device)
        done, in_all = 0, self.task.targets(data)

        def watch(targets: int) -> None:
            nonlocal done
            done = min(done + targets, in_all)  # of a stream that has to be read twice, some count twice
            heard(done, in_all)
            for file in files:  # last: the next batch is gathered from them
                file.require_whole()

        with watched(watch):
            return self.task.evaluate(self.model, data)

    def forecast(self, file: str | Path | None = None) -> list[SeriesForecast]:
        """How every series goes on; see `forecasting.forecast`."""
        return forecasting.forecast(self, None if file is None else str(file))

    def sample_paths(
        self, file: str | Path | None = None, *, count: int = 1, seed: int | None = None
    ) -> list[SeriesForecast]:
        """Ways in which every series may go on; see `forecasting.sample_paths`."""
        return forecasting.sample_paths(self, None if file is None else str(file), count=count, seed=seed)

    def backtest(self, **settings: Any) -> Backtest:
        """Forecast from many origins of the held-out part; see `backtesting.backtest`."""
        return backtesting.backtest(self, **settings)

    def predict(self, file: str | Path | None = None, *, texts: Sequence[str] = ()) -> list[Prediction]:
        """What the run tells of sequences: labels, numbers, another text, or the symbol that follows a text.

        Args:
            file: a table, or a file of pairs, of which only what is read needs to be there; of a language model, a file
                whose every line is a text.
            texts: single texts instead.

        Raises:
            DataError: the file is missing, or has what the run does not know.
            UsageError: neither or both are given, or the run's task tells nothing of sequences.
        """
        if (file is None) == (not texts):
            raise UsageError("give either a FILE or --text")
        part = self.task.of_texts(texts) if file is None else self.task.of_file(str(file))
        return self.task.predictions(self.model, part, self.device)

    def generate(self, prompt: str = "", **settings: Any) -> list[Generated]:
        """Continue a text; `settings` are those of `write`."""
        return self.write(prompt, **settings).finish()

    def write(
        self,
        prompt: str = "",
        *,
        label: str | None = None,
        length: int = 400,
        count: int = 1,
        sampling: Sampling | None = None,
        stop: str | None = None,
        seed: int | None = None,
        replace_unknown: bool = False,
        precision: str = "float32",
    ) -> Writing:
        """Texts that continue `prompt`, to be taken symbol by symbol (`steps`) or whole (`finish`).

        Args:
            prompt: what stands before; empty starts a new text.
            label: what the text is written for, by a run of generation-from-label; it may end before `length`.
            length: symbols to write at most.
            count: texts to write side by side.
            sampling: temperature and truncation; plain sampling by default.
            stop: end a text before this string.
            seed: of the draws; the run's own by default.
            replace_unknown: put known symbols in place of those in the prompt that the run never saw.
            precision: of the products in a step: float32, or bfloat16 or int8, which are faster and less exact.

        Raises:
            UsageError: the prompt has an unknown symbol, the label is unknown or lacking, a setting is out of range, or
                the run's task writes no text.
        """
        writes = author(self, label, precision)
        return Writing(
            writes,
            prompt,
            self._encode(writes.encoding, prompt, replace_unknown),
            device=self.device,
            length=length,
            count=count,
            sampling=sampling or Sampling(),
            stop=stop,
            seed=self.settings.seed if seed is None else seed,
        )

    @cached_property
    def cell(self) -> type[Cell]:
        """The class of the run's cell.

        Raises:
            RunError: its source is not the one the run was trained with.
        """
        name, recorded = self.settings.model.cell, self.info.get("cell_source")
        kept = self.path / f"{name.partition(':')[0]}.py"
        changed = RunError(f"the source of {name} is not the one {self.name} was trained with")
        # What the run keeps is looked at before any of it runs.
        if recorded is not None and kept.is_file() and sha256(kept.read_bytes()).hexdigest() != recorded:
            raise changed
        cell = find_cell(self.settings, self.path)
        if recorded is not None and registry.source_hash(cell) != recorded:
            raise changed
        return cell

    def _encode(self, encoding: TextEncoding, prompt: str, replace_unknown: bool) -> list[int]:
        if replace_unknown:
            prompt = "".join(encoding.nearest(symbol) for symbol in prompt)
        try:
            return [int(number) for number in encoding.encode(prompt)]
        except UnknownSymbolError as error:
            raise UsageError(
                f"the prompt holds {error} (counted from 0), which {self.name} never saw in training",
                hint="--replace-unknown puts the nearest known symbol in its place",
            ) from error

    def corpus(self) -> Corpus:
        """The run's own data.

        Raises:
            DataError: it is missing or has changed.
        """
        corpus = open_data(self.settings, self.path)
        known = self.info.get("data", {}).get("sha256")
        if corpus.fingerprint["sha256"] != known:
            raise DataError(
                f"{', '.join(corpus.names)} has changed since {self.name} was trained: "
                f"SHA-256 {corpus.fingerprint['sha256'][:12]}…, then {str(known)[:12]}…",
                hint="put the old data back, or score the data as it is: "
                + shell.join(["lstmctl", "evaluate", str(self.path), *corpus.names])
                if len(corpus.names) == 1
                else "put the old data back",
            )
        return corpus


def _overlap_notes(corpus: Corpus, part: str) -> tuple[str, ...]:
    """Say which rows of other parts lie in or after the part that is scored, where a series' rows do."""
    if part in ("validation", "test") and isinstance(corpus, SeriesCorpus) and corpus.overlap is not None:
        return (f"{corpus.overlap}.",)
    return ()
