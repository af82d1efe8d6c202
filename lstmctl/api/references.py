"""What is reached without a network: the figures that stand beside every score."""

from __future__ import annotations

from lstmctl.baselines import NGram, ngram, uniform
from lstmctl.data.text import TextCorpus
from lstmctl.tasks.language_model import LanguageModel

INNER = 10
"""The order of the n-gram is chosen on the last so-manieth of the training part, so never on what is reported."""


def references(corpus: TextCorpus, task: LanguageModel, split: str) -> dict[str, dict[str, float]]:
    """Figures of simple baselines on one part of a text, by name.

    `uniform` gives every symbol the same probability: the chance level. `n-gram` counts the training part (see
    `baselines.NGram`) and is left out where that is what is scored. Both read the part as one stream.
    """
    symbols = corpus.part(split)
    vocabulary = len(corpus.encoding)
    found = {"uniform": task.metrics({"nats": uniform(vocabulary), "symbols": 1.0})}
    training = corpus.part("training") if "training" in corpus.parts else symbols[:0]
    inner = len(training) - len(training) // INNER
    if split != "training" and len(training) - inner > 1 and len(symbols) > 1:
        order = ngram(training[:inner], training[inner:], vocabulary).order
        nats = NGram(training, vocabulary, order).nats(symbols)
        found["n-gram"] = {
            **task.metrics({"nats": float(nats.sum()), "symbols": float(len(nats))}),
            "order": float(order),
        }
    return found
