"""The parts of a run on disk: its settings, task, network and data, each read on first use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from lstmctl import registry, shell
from lstmctl.api.assembly import build_model, find_cell, open_data, restore_task
from lstmctl.api.stored_settings import settings_of
from lstmctl.cells.cell import Cell
from lstmctl.config import Settings
from lstmctl.errors import DataError, RunError
from lstmctl.models.sequence_model import count_parameters
from lstmctl.results.evaluation import Score
from lstmctl.runs.folder import CALIBRATION, FINAL_WEIGHTS, INITIAL_WEIGHTS, RunFolder
from lstmctl.runs.published import published_weights
from lstmctl.scoring import watched
from lstmctl.storage import read_plain
from lstmctl.tasks.problem import AnyProblem, Corpus
from lstmctl.training.trainer import load_weights

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """Weights that a training starts from, with the settings and the task that give them their meaning."""

    name: str
    """Of the run that they come from."""
    settings: Settings
    task: AnyProblem
    weights: Mapping[str, Tensor]


class Trained:
    """A trained run on disk.

    The model is read on first use, from the best checkpoint if there is a test part, otherwise from the last; it
    computes in float32.
    """

    def __init__(
        self, folder: RunFolder, *, trust: bool = False, device: str = "cpu", overrides: Sequence[str] = ()
    ) -> None:
        self.folder, self.device = folder, torch.device(device)
        self.info: dict[str, Any] = folder.info()
        self.settings: Settings = settings_of(folder, trust=trust, overrides=overrides)
        self.step: int | None = None
        """The training step of the weights in use; None if no weights are in use."""
        self.fallback: str | None = None
        """The reason if these are not the weights that the run's scores refer to, otherwise None."""

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
        """The final metrics by part: `validation`, and `test` (None without a test part)."""
        return dict(self.info.get("metrics", {}))

    @cached_property
    def task(self) -> AnyProblem:
        """The run's task, rebuilt without its data.

        Raises:
            RunError: its encoding is missing or damaged.
        """
        calibration = self.folder.calibration()
        if calibration is None and self.info.get("calibrated"):
            raise RunError(
                f"{self.path / CALIBRATION} is missing; without it, the intervals would differ from the run's"
            )
        return restore_task(self.settings, self.folder.encoding(), calibration)

    @cached_property
    def model(self) -> nn.Module:
        """The network with the run's weights.

        Raises:
            RunError: no checkpoint is intact, or the cell's source has changed.
        """
        model = build_model(self.settings, self.task, self.cell, "float32")
        if published := self.info.get("published"):
            weights = published_weights(self.path, published)
        else:
            weights = self.folder.checkpoints.read_weights(self.info.get("headline", "last"))
        if self.status == "diverged":
            log.warning(
                "%s diverged; these are its weights of step %d, the last that were saved", self.name, weights.step
            )
        load_weights(model, weights.tensors)
        self.step, self.fallback = weights.step, weights.fallback
        return model.to(self.device).eval()

    @cached_property
    def final_model(self) -> nn.Module:
        """The network that forecasts are made with: trained further on all rows, or `model` if the run has none.

        Raises:
            RunError: the weights are damaged or missing.
        """
        if not self.info.get("final_fit"):
            return self.model
        path = self.path / FINAL_WEIGHTS
        model = build_model(self.settings, self.task, self.cell, "float32")
        try:
            load_weights(model, safetensors.torch.load(read_plain(path)))
        except (OSError, SafetensorError) as error:
            raise RunError(
                f"{path} is missing or damaged: {error}", hint=f"recreate it: lstmctl train --resume {self.path}"
            ) from error
        return model.to(self.device).eval()

    def start(self) -> Start:
        """Return the weights in use, to train on from them."""
        return Start(str(self.info.get("hub") or self.name), self.settings, self.task, self.model.state_dict())

    def initial(self) -> Start | None:
        """Return the weights that the run was started from; None if they were drawn from its seed.

        Raises:
            RunError: they are damaged.
        """
        path = self.path / INITIAL_WEIGHTS
        if not path.is_file():
            return None
        try:
            return Start(self.name, self.settings, self.task, safetensors.torch.load(read_plain(path)))
        except (OSError, SafetensorError) as error:
            raise RunError(f"{path} is damaged: {error}", hint="train the run again") from error

    @property
    def parameters(self) -> int:
        """Number of trainable parameters of the model."""
        return count_parameters(self.model)

    @cached_property
    def cell(self) -> type[Cell]:
        """The class of the run's cell.

        Raises:
            RunError: its source differs from the one that the run was trained with.
        """
        name, recorded = self.settings.model.cell, self.info.get("cell_source")
        kept = self.path / f"{name.partition(':')[0]}.py"
        changed = RunError(f"the source of {name} has changed since {self.name} was trained")
        # The saved source is checked before any of it runs.
        if recorded is not None and kept.is_file() and sha256(kept.read_bytes()).hexdigest() != recorded:
            raise changed
        cell = find_cell(self.settings, self.path)
        if recorded is not None and registry.source_hash(cell) != recorded:
            raise changed
        return cell

    def corpus(self) -> Corpus:
        """Open the run's own data.

        Raises:
            DataError: the data is missing or has changed.
        """
        corpus = open_data(self.settings, self.path)
        known = self.info.get("data", {}).get("sha256")
        if corpus.fingerprint["sha256"] != known:
            raise DataError(
                f"{', '.join(corpus.names)} has changed since {self.name} was trained: "
                f"SHA-256 {corpus.fingerprint['sha256'][:12]}…, then {str(known)[:12]}…",
                hint="put the old data back, or score the changed data: "
                + shell.join(["lstmctl", "evaluate", str(self.path), *corpus.names])
                if len(corpus.names) == 1
                else "put the old data back",
            )
        return corpus

    def score(
        self, corpus: Corpus, part: str, heard: Callable[[int, int], None] = lambda targets, in_all: None
    ) -> Score:
        """Score the run only, without baselines.

        Args:
            corpus: the data to score.
            part: the part of it.
            heard: called after each batch with the number of targets scored so far and the number in the whole part.

        Raises:
            DataError: a file of the corpus has become shorter since it was opened.
        """
        files = self.task.mapped_files(corpus)
        for file in files:
            file.require_whole()
        data = self.task.part(corpus, part, self.device)
        done, in_all = 0, self.task.targets(data)

        def watch(targets: int) -> None:
            nonlocal done
            done = min(done + targets, in_all)  # a stream that is read twice counts some targets twice
            heard(done, in_all)
            for file in files:  # last: the next batch is gathered from them
                file.require_whole()

        with watched(watch):
            return self.task.evaluate(self.model, data)
