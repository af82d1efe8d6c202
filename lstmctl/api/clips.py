"""A few clips of a run's data for its report: how the network hears them."""

from __future__ import annotations

from lstmctl.api.trained import Trained
from lstmctl.data.audio import AudioCorpus
from lstmctl.data.sequences import Sequences
from lstmctl.models.sequence_labeller import SequenceLabeller
from lstmctl.results.clips import ClipView
from lstmctl.results.output import Prediction
from lstmctl.tasks.labelled_sequences import LabelledSequences

MOST_SEARCHED = 500
"""Clips among which the examples are chosen."""


def clip_examples(run: Trained, corpus: AudioCorpus, part: str) -> list[ClipView]:
    """Return two clips of a part for a report.

    If clips have one label each, these are the first correctly classified one, and the one misclassified with the
    highest probability or, if none is, a correct one with another label. Otherwise they are the first two.
    """
    task, model = run.task, run.model
    assert isinstance(task, LabelledSequences)
    assert isinstance(model, SequenceLabeller)
    first = corpus.parts[part][0]
    searched = corpus.part(part)
    searched = searched.between(0, min(len(searched), MOST_SEARCHED))
    chosen = (
        list(range(min(2, len(searched))))
        if task.by_step
        else _right_and_wrong(task.predictions(model, searched, run.device), searched, corpus.encoding.labels)
    )
    return [task.clip(model, corpus, first + number, run.device) for number in chosen]


def _right_and_wrong(told: list[Prediction], clips: Sequences, labels: tuple[str, ...]) -> list[int]:
    truth = [labels[number] for number in clips.targets.tolist()]
    right = [number for number, one in enumerate(told) if one.label == truth[number]]
    wrong = [number for number, one in enumerate(told) if one.label != truth[number]]
    wrong.sort(key=lambda number: -max(told[number].probabilities.values()))
    others = [number for number in right if truth[number] != truth[right[0]]]
    return [*right[:1], *(wrong or others)[:1]]
