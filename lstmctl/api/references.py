"""What is reached without a network: the figures that stand beside every score."""

from __future__ import annotations

from lstmctl.baselines import NGram, ngram, uniform
from lstmctl.data.text import TextCorpus
from lstmctl.tasks.language_model import LanguageModel

HELD_OUT = 0.1
"""Share of the training part, at its end, on which choices are made that must not see any other part."""


def held_out(training: int) -> int:
    """How many of the last symbols of a training part of so many are held out of it to choose on."""
    return int(HELD_OUT * training)


def references(corpus: TextCorpus, task: LanguageModel, split: str) -> dict[str, dict[str, float]]:
    """Figures of simple baselines on one part of a text, by name.

    `uniform` gives every symbol the same probability: the chance level. `n-gram` counts the training part (see
    `baselines.NGram`), its order chosen on the end of it; it is left out where that is what is scored. Both read the
    part as one stream.
    """
    symbols = corpus.part(split)
    vocabulary = len(corpus.encoding)
    found = {"uniform": task.metrics({"nats": uniform(vocabulary), "symbols": 1.0})}
    training = corpus.part("training") if "training" in corpus.parts else symbols[:0]
    inner = len(training) - held_out(len(training))
    if split != "training" and len(training) - inner > 1 and len(symbols) > 1:
        order = ngram(training[:inner], training[inner:], vocabulary).order
        nats = NGram(training, vocabulary, order).nats(symbols)
        found["n-gram"] = {
            **task.metrics({"nats": float(nats.sum()), "symbols": float(len(nats))}),
            "order": float(order),
        }
    return found
