"""Predict numbers from a sequence: many-to-one.

The loss is computed on scaled numbers; metrics are in the units of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lstmctl.baselines.labels import numbers_from_bags
from lstmctl.baselines.ngram_regression import numbers_by_ngrams
from lstmctl.config.schema import Regression as RegressionSettings
from lstmctl.data.sequences import Numbers, Sequences
from lstmctl.errors import DataError
from lstmctl.metrics import Metric, metric
from lstmctl.metrics.numbers import figures, totals
from lstmctl.models.sequence_labeller import SequenceLabeller
from lstmctl.protocols import Loss, ModelState, Totals
from lstmctl.results.evaluation import RowSums, Score
from lstmctl.results.output import Prediction
from lstmctl.tasks.labelled_sequences import Baseline, LabelledSequences
from lstmctl.tasks.sequence_batches import SequenceBatch

LOSSES: dict[str, Callable[..., Tensor]] = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
}


class Regression(LabelledSequences[RegressionSettings]):
    """The task `regression`."""

    BASELINES: ClassVar[Mapping[str, Baseline]] = {
        "mean": lambda task, training, validation, scored: np.broadcast_to(
            np.nanmean(training.targets, axis=0), scored.targets.shape
        ),
        # A linear map of a sequence's contents, regardless of order.
        "bag of {step}s": lambda task, training, validation, scored: numbers_from_bags(
            training, scored, task.encoding.inputs
        ),
        "n-gram regression": lambda task, training, validation, scored: (
            numbers_by_ngrams(training, validation, scored) if task.reads_texts else None
        ),
    }

    @property
    def numbers(self) -> Numbers:
        assert self.encoding.outputs is not None
        return self.encoding.outputs

    @property
    def outputs(self) -> int:
        return len(self.numbers.names)

    @property
    def primary(self) -> Metric:
        return metric("mse" if self.settings.task.loss == "mse" else "mae")

    def loss(self, model: SequenceLabeller, batch: SequenceBatch, state: ModelState) -> Loss:
        answers = self.answers(model, batch)
        return Loss(self.losses(answers, batch.target[0]).sum(), batch.units, ())

    def losses(self, answers: Tensor, target: Tensor) -> Tensor:
        scaled = self._scaled(target).to(answers)
        return LOSSES[self.settings.task.loss](answers, scaled, reduction="none").mean(-1)

    def sums(self, answers: Tensor, batch: SequenceBatch) -> Totals:
        told = self._unscaled(answers)
        truth = batch.target[0]
        known = ~truth.isnan()
        return dict(totals(truth[known].cpu().numpy(), told[known].cpu().numpy()))

    def row_sums(self, answers: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        truth = batch.target[0]
        known = ~truth.isnan()
        errors = torch.where(known, self._unscaled(answers) - truth, 0)
        return (errors.square() if self.primary.name == "mse" else errors.abs()).sum(-1), known.sum(-1)

    def metrics(self, totals: Totals) -> dict[str, float]:
        if not totals["count"]:
            raise DataError("no number is known, so there is nothing to score")
        found = figures(totals)
        return {self.primary.name: found[self.primary.name], **found}

    def as_score(self, sums: Mapping[str, Any], sequences: int) -> Score:
        return Score(self.metrics(dict(sums)), sequences)

    def score_of(self, sequences: Sequences, answers: NDArray[Any]) -> Score:
        """Score predicted numbers (sequences, outputs), in the units of the data."""
        known = ~np.isnan(sequences.targets)
        errors = np.where(known, answers - sequences.targets, 0)
        of = (np.square(errors) if self.primary.name == "mse" else np.abs(errors)).sum(-1)
        found = self.as_score(totals(sequences.targets[known], answers[known]), len(sequences))
        return replace(found, rows=RowSums(of, known.sum(-1).astype(float)))

    def prediction(self, sequences: Sequences, number: int, answer: Tensor) -> Prediction:
        numbers = self._unscaled(answer).tolist()
        return Prediction(self.shown(sequences, number), numbers=dict(zip(self.numbers.names, numbers, strict=True)))

    def _scaled(self, values: Tensor) -> Tensor:
        centre, spread = (
            torch.tensor(part, device=values.device) for part in (self.numbers.centre, self.numbers.spread)
        )
        return (values - centre) / spread

    def _unscaled(self, values: Tensor) -> Tensor:
        numbers = self.numbers
        centre, spread = (torch.tensor(part, dtype=torch.float64) for part in (numbers.centre, numbers.spread))
        return values.double() * spread.to(values.device) + centre.to(values.device)
