"""The figures that stand beside every score need no network, and see nothing of what they are scored on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from lstmctl.api.assembly import build_task
from lstmctl.baselines import NGram
from lstmctl.config import load
from lstmctl.data.splitting import held_out
from lstmctl.data.text import TextCorpus, open_text


@pytest.fixture
def corpus(text_file: Path) -> TextCorpus:
    return open_text(str(text_file), "characters", (0.8, 0.1, 0.1), None)


def found(corpus: TextCorpus, split: str) -> dict[str, Any]:
    references = build_task(load("travellers").settings, corpus).references(corpus, split)
    return {name: score.metrics for name, score in references.items()}


def test_the_chance_level_is_the_logarithm_of_the_number_of_symbols(corpus: TextCorpus) -> None:
    nats = math.log(len(corpus.encoding))
    expected = {"nats_per_character": pytest.approx(nats), "bits_per_character": pytest.approx(nats / math.log(2))}
    for split in corpus.parts:
        assert found(corpus, split)["uniform"] == expected


def test_the_n_gram_counts_the_training_part_with_an_order_chosen_inside_it(corpus: TextCorpus) -> None:
    figures = found(corpus, "test")["n-gram"]
    vocabulary, training = len(corpus.encoding), corpus.part("training")
    inner = len(training) - held_out(len(training))
    scores = {order: NGram(training[:inner], vocabulary, order).nats(training[inner:]).mean() for order in range(1, 9)}
    order = min(scores, key=lambda each: scores[each])
    assert figures["order"] == order
    nats = NGram(training, vocabulary, order).nats(corpus.part("test"))
    assert figures["nats_per_character"] == pytest.approx(nats.mean())
    assert figures["nats_per_character"] < 0.5


def test_what_was_counted_is_not_scored_by_its_counts(corpus: TextCorpus) -> None:
    assert list(found(corpus, "training")) == ["uniform"]


def test_text_without_a_training_part_has_the_chance_level_alone(corpus: TextCorpus, text_file: Path) -> None:
    foreign = open_text(str(text_file), "characters", None, None, encoding=corpus.encoding)
    assert list(found(foreign, "validation")) == ["uniform"]
