"""A finished or stopped run, ready for use."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lstmctl import registry
from lstmctl.api.assembly import build_model, build_task, find_cell, open_data, part_of
from lstmctl.api.references import references
from lstmctl.api.writing import Writing
from lstmctl.cells.cell import Cell
from lstmctl.config import Settings, load
from lstmctl.data.encoding import UnknownSymbolError
from lstmctl.data.text import TextCorpus, open_text
from lstmctl.decoding import Sampling
from lstmctl.errors import DataError, RunError, UsageError
from lstmctl.models.sequence_model import SequenceModel, count_parameters
from lstmctl.records import Evaluation, Generated
from lstmctl.runs.folder import RunFolder, find_run, runs_root
from lstmctl.tasks.language_model import LanguageModel
from lstmctl.training.evaluation import total
from lstmctl.training.trainer import load_weights


def load_run(name: str | Path | None = None, *, trust: bool = False, device: str = "cpu") -> Run:
    """Open a run: a folder, a name under the runs folder, or by default the newest that has a saved model.

    Args:
        trust: allow a run whose cell is a user's own class to import that class.
        device: where to compute; a run made on a GPU works on a CPU.

    Raises:
        RunError: there is no such run, or it is damaged.
        ConfigError: its cell needs `trust`.
    """
    return Run(find_run(str(name) if name is not None else None, runs_root()), trust=trust, device=device)


class Run:
    """A run on the disk.

    The model is read when it is first needed, from the best checkpoint where a test part was kept apart, else from the
    last; it computes in float32.
    """

    def __init__(self, folder: RunFolder, *, trust: bool = False, device: str = "cpu") -> None:
        self.folder, self.device = folder, torch.device(device)
        self.info: dict[str, Any] = folder.info()
        self.settings: Settings = load(str(folder.config_path()), trust=trust).settings

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
    def task(self) -> LanguageModel:
        return build_task(self.settings, self.folder.encoding())

    @cached_property
    def model(self) -> SequenceModel:
        """The network with the run's weights.

        Raises:
            RunError: no checkpoint is sound, or the cell's source changed since.
        """
        model = build_model(self.settings, self.task, self.cell, "float32")
        snapshot = self.folder.checkpoints.read(self.info.get("headline", "last"))
        load_weights(model, snapshot.best_weights)
        return model.to(self.device).eval()

    @property
    def parameters(self) -> int:
        """All trainable numbers of the model."""
        return count_parameters(self.model)

    def evaluate(self, split: str = "validation", text: str | Path | None = None) -> Evaluation:
        """Score the run, in float32.

        Args:
            split: the part of the run's own data: training, validation or test.
            text: a file or folder to score instead, all of it.

        Raises:
            DataError: the data is missing, has changed or is too short, or has symbols the run does not know.
        """
        corpus = self._corpus() if text is None else self._foreign(str(text))
        part = split if text is None else "validation"
        if part not in corpus.parts:
            raise UsageError(f"{self.name} has no {part} part; it has {', '.join(corpus.parts)}")
        evaluation = self.score(part_of(corpus, part, self.device), split if text is None else str(text))
        return replace(evaluation, baselines=references(corpus, self.task, part))

    def score(self, symbols: Tensor, split: str) -> Evaluation:
        """Score the run on symbols (length,) of its own encoding; `split` is what to call them."""
        metrics: dict[str, float] = {}
        windows = 0
        for one in self.task.passes(symbols):
            figures = self.task.metrics(total(self.model, self.task, one.batches))
            primary = self.task.primary.name
            metrics |= figures if not one.name else {primary + one.name: figures[primary]}
            windows = one.windows
        return Evaluation(str(self.path), split, metrics, {}, windows)

    def generate(self, prompt: str = "", **settings: Any) -> list[Generated]:
        """Continue a text; `settings` are those of `write`."""
        return self.write(prompt, **settings).finish()

    def write(
        self,
        prompt: str = "",
        *,
        length: int = 400,
        count: int = 1,
        sampling: Sampling | None = None,
        stop: str | None = None,
        seed: int | None = None,
        replace_unknown: bool = False,
    ) -> Writing:
        """Texts that continue `prompt`, to be taken symbol by symbol (`steps`) or whole (`finish`).

        Args:
            prompt: what stands before; empty starts a new text.
            length: symbols to write at most.
            count: texts to write side by side.
            sampling: temperature and truncation; plain sampling by default.
            stop: end a text before this string.
            seed: of the draws; the run's own by default.
            replace_unknown: put known symbols in place of those in the prompt that the run never saw.

        Raises:
            UsageError: the prompt has an unknown symbol, or a setting is out of range.
        """
        return Writing(
            self.task,
            self.model,
            prompt,
            self._encode(prompt, replace_unknown),
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

    def _encode(self, prompt: str, replace_unknown: bool) -> list[int]:
        encoding = self.task.encoding
        if replace_unknown:
            prompt = "".join(encoding.nearest(symbol) for symbol in prompt)
        try:
            return [int(number) for number in encoding.encode(prompt)]
        except UnknownSymbolError as error:
            raise UsageError(
                f"the prompt holds {error} (counted from 0), which {self.name} never saw in training",
                hint="--replace-unknown puts the nearest known symbol in its place",
            ) from error

    def _corpus(self) -> TextCorpus:
        corpus = open_data(self.settings, self.path)
        known = self.info.get("data", {}).get("sha256")
        if corpus.fingerprint["sha256"] != known:
            raise DataError(
                f"{', '.join(corpus.names)} has changed since {self.name} was trained: "
                f"SHA-256 {corpus.fingerprint['sha256'][:12]}…, then {str(known)[:12]}…",
                hint="give the text as a file to score it as it is: lstmctl evaluate RUN FILE",
            )
        return corpus

    def _foreign(self, text: str) -> TextCorpus:
        return open_text(text, self.settings.data.symbols, None, None, encoding=self.task.encoding)
