"""The n-gram model on text that is too long to be counted, or scored, as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from lstmctl.api.assembly import build_task
from lstmctl.baselines import NGram, ngram, text
from lstmctl.config import load
from lstmctl.data.text import open_text
from lstmctl.tasks import language_model


@pytest.mark.parametrize("order", [1, 2, 3, 6])
@pytest.mark.parametrize("piece", [7, 100, 499, 500, 501])
def test_pieces_add_up_to_the_whole(order: int, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(1)
    training, scored = draw.integers(0, 4, 400), draw.integers(0, 4, 500)
    model = NGram(training, 4, order)
    monkeypatch.setattr(text, "SCORED_AT_ONCE", piece)
    assert model.total_nats(scored) == pytest.approx(float(model.nats(scored).sum()), rel=1e-12)


def test_an_order_is_chosen_by_the_beginning_of_a_long_text(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(1)
    alternating = np.arange(400) % 2
    drawn = draw.integers(0, 2, 4000)
    assert ngram(alternating, np.concatenate([alternating, drawn]), 2).order == 1
    monkeypatch.setattr(text, "LONGEST_CHOICE", 400)
    assert ngram(alternating, np.concatenate([alternating, drawn]), 2).order > 1


def test_how_much_was_counted_is_reported(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    corpus = open_text("travellers.txt", "characters", [20_000, 1000], None)
    task = build_task(load("travellers").settings, corpus)
    assert "counted" not in task.references(corpus, "validation")["n-gram"].metrics
    assert not caplog.text
    for module in (text, language_model):
        monkeypatch.setattr(module, "LONGEST_TRAINING", 5000)
    figures = task.references(corpus, "validation")["n-gram"].metrics
    assert figures["counted"] == 5000
    assert "The n-gram baseline counts the last 5,000 of the 20,000 characters trained on." in caplog.text
    nats = NGram(corpus.part("training")[-5000:], len(corpus.encoding), int(figures["order"]))
    assert figures["nats_per_character"] == pytest.approx(nats.nats(corpus.part("validation")).mean())
