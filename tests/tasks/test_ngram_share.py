"""`model.ngram`: an n-gram model's share in the predictions of a language model."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl.api.assembly import build_model, build_task, find_cell, open_data, restore_task
from lstmctl.baselines import NGram
from lstmctl.config import load
from lstmctl.data.text import TextCorpus
from lstmctl.errors import RunError
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.tasks.language_model import LanguageModel
from lstmctl.tasks.ngram_share import NGramShare, best_share
from tests.conftest import Trained

CPU = torch.device("cpu")
TRAINING = np.array([0, 1, 2, 0, 1, 3, 0, 1, 2, 0, 1, 2], np.uint8)


def posed(config: Path, *overrides: str) -> tuple[LanguageModel, TextCorpus, SequenceModel]:
    settings = load(str(config), overrides).settings
    corpus = open_data(settings, config.parent)
    task = build_task(settings, corpus)
    model = build_model(settings, task, find_cell(settings, None), "float32").eval()
    assert isinstance(corpus, TextCorpus)
    assert isinstance(task, LanguageModel)
    assert isinstance(model, SequenceModel)
    return task, corpus, model


def test_a_mixture_is_the_mean_of_probabilities() -> None:
    own, other = torch.tensor([0.5, 0.1]).log().neg(), torch.tensor([0.1, 0.6]).log().neg()
    for share in (0.0, 0.25, 1.0):
        mixed = NGramShare.counted(TRAINING, 4, 2, share).mixed(own, other)
        torch.testing.assert_close(
            mixed.neg().exp(), (1 - share) * torch.tensor([0.5, 0.1]) + share * torch.tensor([0.1, 0.6])
        )


def test_the_best_share_is_that_with_the_smallest_loss() -> None:
    """Of two symbols one model gives the first 0.8 and the second 0.2, the other 0.2 and 0.8: half each is best."""
    own, other = torch.tensor([0.8, 0.2]).log().neg(), torch.tensor([0.2, 0.8]).log().neg()
    assert best_share(own, other) == 0.5
    assert best_share(own, own + 1) == 0
    assert best_share(own + 1, own) == 1


def test_a_stream_in_lanes_is_scored_symbol_by_symbol(small_config: Path) -> None:
    task, corpus, model = posed(small_config, "model.ngram=0.3")
    assert task.calibrate(model, corpus, CPU) is not None
    assert task.ngram is not None
    symbols = task.part(corpus, "validation", CPU)[:300]
    score = task.evaluate(model, symbols)
    alone, nats = task.predictor(model, 1), 0.0
    for before, after in zip(symbols[:-1].long(), symbols[1:].long(), strict=True):
        nats -= float(alone.read(before.view(1, 1)).log_softmax(-1)[0, after])
    assert score.metrics["nats_per_character"] == pytest.approx(nats / (len(symbols) - 1), rel=1e-5)
    assert "30 % an n-gram model's" in task.notes(corpus, "validation", chosen=True)[0]


def test_what_is_mixed_for_the_next_symbol_are_probabilities(small_config: Path) -> None:
    task, corpus, model = posed(small_config, "model.ngram=0.3")
    task.calibrate(model, corpus, CPU)
    read = task.part(corpus, "validation", CPU)[:40].long().view(-1, 2)
    mixed = task.predictor(model, 2).read(read).softmax(-1)
    ngram, task.ngram = task.ngram, None
    assert ngram is not None
    own = task.predictor(model, 2).read(read).softmax(-1)
    other = torch.from_numpy(ngram.model.next_probabilities(read.numpy())).float()
    torch.testing.assert_close(mixed, 0.7 * own + 0.3 * other)


def test_a_window_is_mixed_too(small_config: Path) -> None:
    task, corpus, model = posed(small_config, "task.shape=many-to-one", "model.ngram=1.0", "training.window=8")
    task.calibrate(model, corpus, CPU)
    symbols = task.part(corpus, "validation", CPU)[:60]
    found = task.evaluate(model, symbols).metrics["nats_per_character"]
    assert task.ngram is not None
    windows = np.lib.stride_tricks.sliding_window_view(symbols.numpy(), 9)
    expected = [task.ngram.model.nats(window)[-1] for window in windows]
    assert found == pytest.approx(np.mean(expected), rel=1e-5)


def test_an_untrained_network_leaves_the_prediction_to_the_counts(small_config: Path) -> None:
    task, corpus, model = posed(small_config, "model.ngram=auto")
    task.calibrate(model, corpus, CPU)
    assert task.ngram is not None
    assert task.ngram.share > 0.9
    own = task.evaluate(model, task.part(corpus, "validation", CPU)).metrics["nats_per_character"]
    assert own <= task.references(corpus, "validation")["n-gram"].metrics["nats_per_character"] * 1.01


def test_a_run_keeps_the_text_that_it_counts(trained: Trained, text: str) -> None:
    run = trained("small", "model.ngram=0.4")
    kept = json.loads((run.path / "calibration.json").read_text())
    assert kept["ngram"]["share"] == 0.4
    task = run.task
    assert isinstance(task, LanguageModel)
    assert task.ngram is not None
    assert text.startswith(task.encoding.decode(task.ngram.training))
    assert task.ngram.model.order == kept["ngram"]["order"]


@pytest.mark.parametrize(
    "damaged",
    [{}, {"ngram": {"share": 2, "order": 3, "symbols": ""}}, {"ngram": {"share": 0.5, "order": 3, "symbols": "??"}}],
)
def test_damaged_counts_are_refused(small_config: Path, damaged: dict[str, object]) -> None:
    _, corpus, _ = posed(small_config)
    settings = load(str(small_config), ["model.ngram=auto"]).settings
    with pytest.raises(RunError, match="calibration is damaged"):
        restore_task(settings, corpus.encoding.to_json(), damaged)


def test_counts_survive_being_stored() -> None:
    share = NGramShare.counted(TRAINING, 4, 3, 0.25)
    again = NGramShare.from_json(json.loads(json.dumps(share.to_json())), 4)
    assert again.share == 0.25
    assert again.training.tolist() == TRAINING.tolist()
    assert again.model.nats(TRAINING) == pytest.approx(NGram(TRAINING, 4, 3).nats(TRAINING))
    assert math.isfinite(float(again.model.nats(TRAINING).sum()))
