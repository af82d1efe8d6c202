"""Dynamic evaluation against its update written out, and what it gives on a text with a style of its own."""

from __future__ import annotations

import math

import pytest
import torch

import lstmctl
from lstmctl.config import from_mapping
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.errors import UsageError
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.tasks.dynamic_evaluation import SEGMENT, SMALLEST, Dynamics, chosen_dynamics, dynamic_total
from lstmctl.tasks.language_model import LanguageModel
from tests.tasks.test_one_stream import ENCODING, made

TEXT = torch.randint(len(ENCODING), (3 * SEGMENT + 1,), generator=torch.Generator().manual_seed(5))


def of(cell: str = "lstm") -> tuple[LanguageModel, SequenceModel]:
    task, model = made(cell)
    return task, model.double()


def test_without_a_rate_it_is_the_static_score() -> None:
    task, model = of()
    squares = {name: torch.ones_like(weight) for name, weight in model.named_parameters()}
    state, static = model.initial_state(1), 0.0
    with torch.no_grad():
        logits, _ = model(TEXT[:-1].unsqueeze(1), state)
        static = torch.nn.functional.cross_entropy(logits[:, 0], TEXT[1:], reduction="sum").item()
    assert dynamic_total(model, task, TEXT, Dynamics(0.0, 0.0, squares))["nats"] == pytest.approx(static, rel=1e-10)


def test_the_weights_take_the_step_of_the_paper_after_each_segment() -> None:
    task, model = of()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    squares = {name: torch.rand_like(weight) + 0.1 for name, weight in model.named_parameters()}
    rate, decay = 0.05, 0.02
    found = dynamic_total(model, task, TEXT, Dynamics(rate, decay, squares))["nats"]
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())

    nats, state = 0.0, model.initial_state(1)
    for start in range(0, len(TEXT) - 1, SEGMENT):
        read, target = TEXT[start : start + SEGMENT], TEXT[start + 1 : start + 1 + SEGMENT]
        logits, after = model(read.unsqueeze(1), state)
        loss = torch.nn.functional.cross_entropy(logits[:, 0], target, reduction="sum")
        nats += loss.item()
        names, weights = zip(*model.named_parameters(), strict=True)
        gradients = torch.autograd.grad(loss / SEGMENT, weights)
        state = tuple(tuple(part.detach() for part in layer) for layer in after)
        with torch.no_grad():
            for name, weight, gradient in zip(names, weights, gradients, strict=True):
                root = squares[name].sqrt()
                stepped = weight - rate * gradient / (root + SMALLEST)
                weight.copy_(stepped + (decay * root / root.mean()).clamp(max=1) * (before[name] - stepped))
    assert found == pytest.approx(nats, rel=1e-9)


def test_it_helps_on_a_text_that_repeats_itself_and_chooses_nothing_on_noise() -> None:
    task, model = of()
    generator = torch.Generator().manual_seed(7)
    phrase = torch.randint(len(ENCODING), (15,), generator=generator)
    repeated, noise = phrase.repeat(40), torch.randint(len(ENCODING), (600,), generator=generator)
    dynamics = chosen_dynamics(model, task, noise, repeated)
    static = dynamic_total(model, task, repeated, dynamics._replace(rate=0.0, decay=0.0))["nats"]
    assert dynamics.rate > 0
    assert dynamic_total(model, task, repeated, dynamics)["nats"] < 0.97 * static


def test_evaluate_reports_it_beside_the_static_metric(text: str, tmp_path: object) -> None:
    values = {
        "task": {"type": "language-model"},
        "data": {"text": "travellers.txt"},
        "model": {"cell": "gru", "hidden": 8, "embedding": 4},
        "training": {"budget": "3 steps", "batch": 4, "window": 16, "learning_rate": 1e-2, "precision": "float32"},
        "threads": 1,
    }
    run = lstmctl.train({**values, "data": {"text": "travellers.txt", "split": [3000, 400, 400]}}, quiet=True)
    static, both = run.evaluate(quiet=True), run.evaluate(dynamic=True, quiet=True)
    assert {name: both.metrics[name] for name in static.metrics} == static.metrics
    added = set(both.metrics) - set(static.metrics)
    assert added == {"nats_per_character_dynamic", "bits_per_character_dynamic"}
    assert both.metrics["bits_per_character_dynamic"] == pytest.approx(
        both.metrics["nats_per_character_dynamic"] / math.log(2)
    )
    assert "chosen on the validation part" in both.notes[-1]
    assert both.primary == static.primary


def test_other_tasks_refuse_it() -> None:
    settings = from_mapping({"task": {"type": "language-model", "shape": "many-to-one"}, "data": {"text": "a"}})
    task = LanguageModel(settings.task, TextEncoding.of("ab"), 4)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--dynamic applies to language models"):
        task.dynamic(of()[1], None, TEXT, torch.device("cpu"))  # type: ignore[arg-type]
