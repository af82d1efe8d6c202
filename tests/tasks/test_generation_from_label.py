"""Texts for a label: the loss by single steps, the baselines by hand, and a run that learns two alphabets."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl import load_run, train
from lstmctl.api.assembly import build_model, build_task, find_cell, open_data
from lstmctl.baselines import NGram
from lstmctl.config import load
from lstmctl.data.labelled_table import LabelledTable
from lstmctl.decoding import LabelPredictor
from lstmctl.errors import DataError, UsageError
from lstmctl.models.conditional_model import ConditionalModel
from lstmctl.sampling_settings import Sampling
from lstmctl.tasks.generation_from_label import GenerationFromLabel
from tests.some_cells import SOME

CPU = torch.device("cpu")
CONFIG = """\
task: {type: generation-from-label}
data: {table: texts.csv}
model: {cell: gru, hidden: 24, embedding: 8}
training: {budget: 6 epochs, batch: 20, learning_rate: 1e-2, precision: float32, sample_every: 100}
threads: 1
"""


def two_alphabets(count: int) -> list[tuple[str, str]]:
    """Texts of a `vowel` or a `consonant` label, of letters that go round in their order, 2 to 6 of them."""
    draw = random.Random(2)
    rows = []
    for _ in range(count):
        label = draw.choice(["vowel", "consonant"])
        letters = {"vowel": "aeiou", "consonant": "bcdfg"}[label]
        start = draw.randrange(5)
        text = "".join(letters[(start + place) % 5] for place in range(draw.randint(2, 6)))
        rows.append((text, label))
    return rows


def write(rows: list[tuple[str, str]], name: str = "texts.csv") -> None:
    Path(name).write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")


@pytest.fixture
def config() -> Path:
    write(two_alphabets(1000))
    path = Path("texts.yaml")
    path.write_text(CONFIG, encoding="utf-8")
    return path


def pose(config: Path, *overrides: str) -> tuple[GenerationFromLabel, LabelledTable, ConditionalModel]:
    settings = load(str(config), overrides).settings
    corpus = open_data(settings, config.parent)
    task = build_task(settings, corpus)
    model = build_model(settings, task, find_cell(settings, None), "float64").eval()
    assert isinstance(corpus, LabelledTable)
    assert isinstance(task, GenerationFromLabel)
    assert isinstance(model, ConditionalModel)
    return task, corpus, model


def one_by_one(model: ConditionalModel, symbols: list[int], label: int) -> list[float]:
    """−ln p of every symbol and of the end, by single steps."""
    state = model.initial_state(1)
    nats, before = [], model.mark
    for symbol in [*symbols, model.mark]:
        step = model.step(torch.tensor([before]), torch.tensor([label]), state)
        state, before = step.state, symbol
        nats.append(-float(step.output.log_softmax(-1)[0, symbol]))
    return nats


@pytest.mark.parametrize("cell", SOME)
def test_a_score_is_the_mean_of_single_predictions(cell: str, config: Path) -> None:
    task, corpus, model = pose(config, f"model.cell={cell}", "model.layers=2")
    texts = corpus.part("validation")
    with torch.no_grad():
        nats = [
            one_by_one(model, texts.input(number).tolist(), int(texts.targets[number])) for number in range(len(texts))
        ]
        score = task.evaluate(model, task.part(corpus, "validation", CPU))
        batch = task.part(corpus, "validation", CPU).batch(torch.arange(10))
        loss = task.loss(model, batch, ())
    each = [one for text in nats for one in text]
    assert len(each) == int(texts.lengths.sum()) + 100
    assert score.metrics["nats_per_character"] == pytest.approx(np.mean(each), rel=1e-10)
    assert score.metrics["bits_per_character"] == pytest.approx(np.mean(each) / math.log(2), rel=1e-10)
    assert score.windows == 100
    # The loss is in nats a symbol of a text of typical length.
    typical = float(corpus.part("training").lengths.mean()) + 1
    assert loss.count == 10
    assert float(loss.sum) == pytest.approx(sum(map(sum, nats[:10])) / typical, rel=1e-10)


def test_the_label_and_no_padding_enters(config: Path) -> None:
    task, corpus, model = pose(config)
    part = task.part(corpus, "training", CPU)
    batch = part.batch(torch.arange(8))
    assert batch.lengths is not None
    behind = torch.arange(len(batch.input)).unsqueeze(1) >= batch.lengths
    assert behind.any()
    changed = part.batch(torch.arange(8))
    changed.input[behind] = (changed.input[behind] + 1) % model.mark
    relabelled = part.batch(torch.arange(8))
    relabelled.target[:] = 1 - relabelled.target
    losses = []
    for one in (batch, changed, relabelled):
        loss = task.loss(model, one, ()).sum
        losses.append((loss.detach(), torch.autograd.grad(loss, list(model.parameters()))))
    assert torch.equal(losses[0][0], losses[1][0])
    assert all(torch.equal(a, b) for a, b in zip(losses[0][1], losses[1][1], strict=True))
    assert not torch.equal(losses[0][0], losses[2][0])


def test_a_prompt_is_read_as_a_whole_or_symbol_by_symbol(config: Path) -> None:
    _, _, model = pose(config)
    labels, prompt = torch.tensor([0, 1]), torch.tensor([[1, 2], [3, 3], [0, 4]])
    with torch.no_grad():
        whole = LabelPredictor(model, labels).read(prompt)
        stepwise = LabelPredictor(model, labels)
        first = stepwise.read(prompt[:0])
        for symbols in prompt:
            last = stepwise.read(symbols.unsqueeze(0))
    torch.testing.assert_close(last, whole, rtol=1e-12, atol=1e-12)
    begun, _ = model(torch.full((1, 2), model.mark), labels, model.initial_state(2))
    torch.testing.assert_close(first, begun[0], rtol=1e-12, atol=1e-12)


def test_baselines_see_every_symbol_and_every_end(config: Path) -> None:
    task, corpus, _ = pose(config, "data.vocabulary=all")
    found = task.references(corpus, "test")
    assert set(found) == {"uniform", "n-gram"}
    assert found["uniform"].metrics["nats_per_character"] == pytest.approx(math.log(11))
    joined = {}
    for name in ("training", "test"):
        texts = corpus.part(name)
        pieces = [[10, *texts.input(number).tolist()] for number in range(len(texts))]
        joined[name] = np.array([*(symbol for piece in pieces for symbol in piece), 10])
    order = int(found["n-gram"].metrics["order"])
    nats = NGram(joined["training"], 11, order).nats(joined["test"])
    assert found["n-gram"].metrics["nats_per_character"] == pytest.approx(nats.mean())
    assert set(task.references(corpus, "training")) == {"uniform"}


def test_a_network_learns_what_goes_with_a_label(config: Path) -> None:
    run = train(config)
    evaluation = run.evaluate("test")
    value = evaluation.metrics["nats_per_character"]
    assert value < evaluation.baselines["n-gram"]["nats_per_character"]
    opened = load_run(run.path)
    assert opened.evaluate("test").metrics == evaluation.metrics
    for label, letters in (("vowel", "aeiou" * 3), ("consonant", "bcdfg" * 3)):
        texts = opened.generate(label=label, count=30, sampling=Sampling(0.5), seed=1)
        assert sum(text.text in letters and 2 <= len(text.text) <= 6 for text in texts) >= 27
        assert {text.stopped for text in texts} == {"end"}
        assert len({text.text for text in texts}) > 5
        assert all(len(text.symbols) == len(text.probabilities) == len(text.text) for text in texts)
    # A prompt begins the text, and the length bounds it.
    (begun,) = opened.generate("ei", label="vowel", length=1, sampling=Sampling(0), seed=1)
    assert (begun.prompt, begun.text, begun.stopped) == ("ei", "o", "length")
    # Samples on the way name their labels.
    lines = (run.path / "samples.txt").read_text(encoding="utf-8").splitlines()
    assert {line.partition(":")[0] for line in lines} >= {"vowel", "consonant"}


def test_what_it_refuses(config: Path) -> None:
    run = train(config, ["training.budget=1 steps"])
    with pytest.raises(UsageError, match="label `digit` does not exist") as unknown:
        run.generate(label="digit")
    assert unknown.value.hint == "its labels are consonant, vowel"
    with pytest.raises(UsageError, match="generates text from a label, which is missing") as none:
        run.generate()
    assert none.value.hint == "say which, such as --label consonant; its labels are consonant, vowel"
    with pytest.raises(UsageError, match="the prompt contains 'z'"):
        run.generate("z", label="vowel")
    Path("bare.csv").write_text("text\nae\nio\n", encoding="utf-8")
    with pytest.raises(DataError, match="2 of 2 texts have no label"):
        run.evaluate(file="bare.csv")
    write([("ae", "vowel"), ("bc", "consonant")], "two.csv")
    assert run.evaluate(file="two.csv").windows == 2


def test_what_is_inspected_are_the_first_steps_and_the_loss_of_the_symbol_that_follows(config: Path) -> None:
    task, corpus, model = pose(config, "model.layers=2")
    part = task.part(corpus, "validation", CPU)
    texts = corpus.part("validation")
    for steps in (3, 100):
        shown = task.inspection_input(model, part, steps=steps, lanes=4)
        length = min(steps, int(part.lengths.median()) + 1)
        long_enough = [number for number in range(len(texts)) if texts.lengths[number] + 1 >= length]
        lanes = max(4, steps // length)
        chosen = [long_enough[int(place)] for place in torch.linspace(0, len(long_enough) - 1, lanes)]
        assert shown.input.shape[:2] == (length, lanes)
        assert shown.symbols[0] == ""
        assert "".join(shown.symbols) == task.symbols.decode(texts.input(chosen[0])[: length - 1])
        with torch.no_grad():
            outputs, state = shown.recurrence(shown.input, model.initial_state(lanes))
            losses = shown.loss(outputs, state).tolist()
            nats = [one_by_one(model, texts.input(each).tolist(), int(texts.targets[each])) for each in chosen]
        assert losses == pytest.approx([one[length - 1] for one in nats], rel=1e-6)
        properties = shown.properties()
        vowel = [float(texts.targets[number] == task.label_number("vowel")) for number in chosen]
        assert properties["label vowel"].tolist() == [vowel] * length
        assert properties["is a"][0].tolist() == [0] * lanes  # nothing is read before the first symbol
    with pytest.raises(DataError, match="have no label"):
        task.inspection_input(model, replace(part, targets=torch.full_like(part.targets, -1)), steps=3, lanes=4)
