"""Predict the class of a sequence: many-to-one.

The loss is the cross-entropy of the class, in nats per sequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lstmctl.baselines.labels import bag_of_steps, majority, mean_and_spread
from lstmctl.baselines.ngram_regression import classes_by_ngrams
from lstmctl.config.schema import Classification as ClassificationSettings
from lstmctl.data.sequences import UNLABELLED, Sequences
from lstmctl.errors import DataError
from lstmctl.metrics import Metric, metric
from lstmctl.metrics.labels import by_label, confusion, figures
from lstmctl.models.sequence_labeller import SequenceLabeller
from lstmctl.protocols import Loss, ModelState, Totals
from lstmctl.results.evaluation import RowSums, Score
from lstmctl.results.output import Prediction
from lstmctl.tasks.labelled_sequences import Baseline, LabelledSequences
from lstmctl.tasks.sequence_batches import SequenceBatch


class Classification(LabelledSequences[ClassificationSettings]):
    """The task `classification`."""

    BASELINES: ClassVar[Mapping[str, Baseline]] = {
        "majority": lambda task, training, validation, scored: np.full(len(scored), majority(training.targets)),
        # A linear map of a sequence's contents, regardless of order.
        "bag of {step}s": lambda task, training, validation, scored: bag_of_steps(
            training, scored, task.encoding.inputs, task.outputs
        ),
        "n-gram regression": lambda task, training, validation, scored: (
            classes_by_ngrams(training, validation, scored, task.outputs) if task.reads_texts else None
        ),
        "mean and spread of {step}s": lambda task, training, validation, scored: (
            mean_and_spread(training, scored, task.outputs) if task.settings.data.source == "audio" else None
        ),
    }

    @property
    def outputs(self) -> int:
        return len(self.encoding.labels)

    @property
    def primary(self) -> Metric:
        return metric("accuracy")

    def loss(self, model: SequenceLabeller, batch: SequenceBatch, state: ModelState) -> Loss:
        answers = self.answers(model, batch)
        weights = None if self.weights is None else self.weights.to(answers)
        each = functional.cross_entropy(answers, batch.target, weights, reduction="none")
        return Loss(each.sum(), batch.units, ())

    def losses(self, answers: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(answers, target.long(), reduction="none")

    def sums(self, answers: Tensor, batch: SequenceBatch) -> Totals:
        known = batch.target != UNLABELLED
        nats = functional.cross_entropy(answers[known], batch.target[known], reduction="sum")
        counts = confusion(batch.target[known].cpu().numpy(), answers[known].argmax(-1).cpu().numpy(), self.outputs)
        return {"confusion": counts, "nats": nats.double().item()}

    def row_sums(self, answers: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        return answers.argmax(-1) == batch.target, batch.target != UNLABELLED

    def metrics(self, totals: Totals) -> dict[str, float]:
        count = totals["confusion"].sum()
        if not count:
            raise DataError("no label is known, so there is nothing to score")
        return {**figures(totals["confusion"]), "nats_per_sequence": totals["nats"] / float(count)}

    def as_score(self, sums: Mapping[str, Any], sequences: int) -> Score:
        counts = sums["confusion"]
        return Score(
            self.metrics(dict(sums)),
            sequences,
            by_label=by_label(counts, self.encoding.labels),
            confusion=tuple(tuple(int(count) for count in row) for row in counts),
        )

    def score_of(self, sequences: Sequences, answers: NDArray[Any]) -> Score:
        """Score predicted classes (sequences,)."""
        known = sequences.targets != UNLABELLED
        found = figures(confusion(sequences.targets[known], answers[known], self.outputs))
        rows = RowSums((answers == sequences.targets).astype(float), known.astype(float))
        return Score(found, len(sequences), rows=rows)

    def prediction(self, sequences: Sequences, number: int, answer: Tensor) -> Prediction:
        shares = torch.softmax(answer.double(), -1).tolist()
        labels = self.encoding.labels
        return Prediction(
            self.shown(sequences, number),
            label=labels[int(answer.argmax())],
            probabilities=dict(zip(labels, shares, strict=True)),
        )
