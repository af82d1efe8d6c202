"""Predict a label at every step of a sequence: many-to-many, aligned.

The loss is the cross-entropy of the labels, in nats per label; every sequence has the same weight, whatever its length.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lstmctl.baselines.labels import label_of_each_step, majority
from lstmctl.config.schema import Tagging as TaggingSettings
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


class Tagging(LabelledSequences[TaggingSettings]):
    """The task `tagging`."""

    by_step = True
    BASELINES: ClassVar[Mapping[str, Baseline]] = {
        "majority": lambda task, training, validation, scored: np.full(
            len(_labels(scored)[0]), majority(_labels(training)[0])
        ),
        # The most frequent label of a character, or a linear map of a frame.
        "{step} alone": lambda task, training, validation, scored: label_of_each_step(
            training, scored, task.encoding.inputs, task.outputs
        )[_labels(scored)[1]],
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
        each = functional.cross_entropy(
            answers.flatten(0, 1), batch.target.flatten(), weights, ignore_index=UNLABELLED, reduction="none"
        )
        labels = (batch.target != UNLABELLED).sum(0).clamp(min=1)
        return Loss((each.view_as(batch.target).sum(0) / labels).sum(), batch.units, ())

    def losses(self, answers: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(answers, target.long(), reduction="none")

    def sums(self, answers: Tensor, batch: SequenceBatch) -> Totals:
        counted = self._counted(batch)
        right = (answers.argmax(-1) == batch.target) | ~counted
        nats = functional.cross_entropy(answers[counted], batch.target[counted], reduction="sum")
        told = answers[counted].argmax(-1).cpu().numpy()
        return {
            "confusion": confusion(batch.target[counted].cpu().numpy(), told, self.outputs),
            "nats": nats.double().item(),
            "whole": float(right.all(0).sum()),
            "sequences": float(batch.lanes),
        }

    def row_sums(self, answers: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        counted = self._counted(batch)
        return ((answers.argmax(-1) == batch.target) & counted).sum(0), counted.sum(0)

    def _counted(self, batch: SequenceBatch) -> Tensor:
        """Return (time, batch), True where a label counts in metrics."""
        counted = batch.target != UNLABELLED
        return counted if batch.counts is None else counted & batch.counts

    def metrics(self, totals: Totals) -> dict[str, float]:
        """Compute the metrics; `exact_match` is the share of sequences with correct labels throughout."""
        count = totals["confusion"].sum()
        if not count:
            raise DataError("no label is known, so there is nothing to score")
        return {
            **figures(totals["confusion"]),
            "exact_match": totals["whole"] / totals["sequences"],
            "nats_per_label": totals["nats"] / float(count),
        }

    def as_score(self, sums: Mapping[str, Any], sequences: int) -> Score:
        counts = sums["confusion"]
        return Score(
            self.metrics(dict(sums)),
            sequences,
            by_label=by_label(counts, self.encoding.labels),
            confusion=tuple(tuple(int(count) for count in row) for row in counts),
        )

    def score_of(self, sequences: Sequences, answers: NDArray[Any]) -> Score:
        """Score predicted labels (steps,) of all steps of all sequences, in order."""
        truth, _ = _labels(sequences)
        known = truth != UNLABELLED
        starts = np.cumsum(sequences.lengths) - sequences.lengths
        right, labels = (np.add.reduceat(each.astype(float), starts) for each in (known & (truth == answers), known))
        found = figures(confusion(truth[known], answers[known], self.outputs))
        return Score(found, len(sequences), rows=RowSums(right, labels))

    def prediction(self, sequences: Sequences, number: int, answer: Tensor) -> Prediction:
        told = answer.argmax(-1).tolist()
        return Prediction(
            self.shown(sequences, number),
            labels=tuple(self.encoding.labels[one] for one in told),
            seconds=None if self.spectra is None else self.spectra.seconds,
        )


def _labels(sequences: Sequences) -> tuple[Any, Any]:
    """Return the label and the position of every step of every sequence."""
    places = np.concatenate(
        [np.arange(start, start + length) for start, length in zip(sequences.starts, sequences.lengths, strict=True)]
    )
    return sequences.targets[places], places
