"""The neural cache against its formula written out, and what it gives on a text that repeats itself."""

from __future__ import annotations

import math

import pytest
import torch

import lstmctl
from lstmctl.config import from_mapping
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.errors import UsageError
from lstmctl.tasks.language_model import LanguageModel
from lstmctl.tasks.neural_cache import AT_ONCE, Reading, cache_probability, chosen_cache, with_cache
from tests.tasks.test_one_stream import made

SIZE = 700


def reading(length: int) -> Reading:
    generator = torch.Generator().manual_seed(2)
    return Reading(
        torch.rand(length, generator=generator).double() + 0.5,
        torch.randn(length, 5, generator=generator).double(),
        torch.randint(7, (length,), generator=generator),
    )


def test_the_cache_weighs_the_symbols_before_by_the_likeness_of_the_states() -> None:
    read = reading(AT_ONCE + 300)
    found = cache_probability(read, 0.7, SIZE)
    assert math.isnan(found[0])
    for now in (1, 2, 50, AT_ONCE - 1, AT_ONCE, SIZE, SIZE + 1, AT_ONCE + 299):
        weights = {
            before: math.exp(0.7 * float(read.outputs[now] @ read.outputs[before]))
            for before in range(max(0, now - SIZE), now)
        }
        same = sum(weight for before, weight in weights.items() if read.targets[before] == read.targets[now])
        assert found[now].item() == pytest.approx(same / sum(weights.values()), rel=1e-9)


def test_the_mixture_is_the_models_alone_where_the_cache_is_empty() -> None:
    nats, cached = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([math.nan, 0.25, 0.0])
    found = with_cache(nats, cached, 0.2)
    expected = [0.5, -math.log(0.8 * math.exp(-1.0) + 0.2 * 0.25), 2.0 - math.log(0.8)]
    assert found.tolist() == pytest.approx(expected)


def test_the_choice_helps_on_a_text_that_repeats_itself_and_is_none_for_a_model_that_knows_it() -> None:
    task, model = made("lstm")
    phrase = torch.randint(7, (15,), generator=torch.Generator().manual_seed(7)).repeat(40)
    read = task.reading(model, phrase)
    scale, share = chosen_cache(read)
    assert share > 0
    assert with_cache(read.nats, cache_probability(read, scale), share).mean() < 0.95 * read.nats.mean()
    assert chosen_cache(read._replace(nats=torch.full_like(read.nats, 0.01))).share == 0


@pytest.mark.parametrize("ngram", [0.0, 0.4])
def test_evaluate_reports_it_beside_the_static_metric(ngram: float, text: str) -> None:
    values = {
        "task": {"type": "language-model"},
        "data": {"text": "travellers.txt", "split": [3000, 400, 400]},
        "model": {"cell": "gru", "hidden": 8, "embedding": 4, "ngram": ngram},
        "training": {"budget": "3 steps", "batch": 4, "window": 16, "learning_rate": 1e-2, "precision": "float32"},
        "threads": 1,
    }
    run = lstmctl.train(values, quiet=True)
    static, both = run.evaluate(quiet=True), run.evaluate(cache=True, quiet=True)
    assert {name: both.metrics[name] for name in static.metrics} == static.metrics
    assert set(both.metrics) - set(static.metrics) == {
        "nats_per_character_with_cache",
        "bits_per_character_with_cache",
    }
    assert "similar states" in both.notes[-1]
    assert isinstance(run.task, LanguageModel)
    test = run.task.part(run.corpus(), "test", run.device)  # type: ignore[arg-type]
    whole = run.task.reading(run.model, test)  # type: ignore[arg-type]
    assert float(whole.nats.mean()) == pytest.approx(static.metrics["nats_per_character"], rel=1e-6)


def test_other_tasks_refuse_it() -> None:
    settings = from_mapping({"task": {"type": "language-model", "shape": "many-to-one"}, "data": {"text": "a"}})
    task = LanguageModel(settings.task, TextEncoding.of("ab"), 4)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--cache applies to language models"):
        task.with_cache(made("lstm")[1], None, torch.zeros(9), torch.device("cpu"))  # type: ignore[arg-type]
