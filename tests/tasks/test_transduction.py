"""The encoder–decoder as a task: its loss, its metrics, and a run that learns to reverse texts."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl import Run, load_run, train
from lstmctl.api.assembly import build_model, build_task, find_cell, open_data
from lstmctl.config import load
from lstmctl.data.pairs import PairsCorpus, Texts
from lstmctl.errors import DataError
from lstmctl.metrics.edits import text_edit_distances
from lstmctl.models.encoder_decoder import EncoderDecoder
from lstmctl.scoring import total
from lstmctl.tasks.pair_batches import PairBatch, PairsPart
from lstmctl.tasks.transduction import Transduction

CPU = torch.device("cpu")
CONFIG = """\
task: {type: transduction}
data: {pairs: pairs.tsv}
model: {cell: lstm, hidden: 32, embedding: 12, attention: true}
training: {budget: 8 epochs, batch: 32, learning_rate: 1e-2, average: 0.9, precision: float32, evaluate_every: 200}
threads: 1
"""


def backwards(count: int) -> list[tuple[str, str]]:
    """Texts of 3 to 5 letters, no two of them alike, and each backwards."""
    draw = random.Random(1)
    texts = {"".join(draw.choice("abcdef") for _ in range(draw.randint(3, 5))): None for _ in range(3 * count)}
    return [(text, text[::-1].upper()) for text in list(texts)[:count]]


def write(pairs: list[tuple[str, str]], name: str = "pairs.tsv") -> None:
    Path(name).write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")


@pytest.fixture
def config() -> Path:
    write(backwards(2000))
    path = Path("pairs.yaml")
    path.write_text(CONFIG, encoding="utf-8")
    return path


def pose(config: Path, *overrides: str) -> tuple[Transduction, PairsCorpus, EncoderDecoder]:
    settings = load(str(config), overrides).settings
    corpus = open_data(settings, config.parent)
    task = build_task(settings, corpus)
    model = build_model(settings, task, find_cell(settings, None), "float64").eval()
    assert isinstance(corpus, PairsCorpus)
    assert isinstance(task, Transduction)
    assert isinstance(model, EncoderDecoder)
    part = task.part(corpus, "training", CPU)
    task.prepare(model, part, part)
    return task, corpus, model


def first_batch(task: Transduction, corpus: PairsCorpus, count: int = 8) -> PairBatch:
    return task.part(corpus, "training", CPU).batch(torch.arange(count))


def texts_of(run: Run, part: str) -> tuple[list[str], list[str]]:
    corpus = run.corpus()
    assert isinstance(run.task, Transduction)
    assert isinstance(corpus, PairsCorpus)
    sources, targets = corpus.part(part)
    encoding = run.task.encoding
    return (
        [encoding.source.decode(sources.input(number)) for number in range(len(sources))],
        [encoding.target.decode(targets.input(number)) for number in range(len(targets))],
    )


def test_a_network_learns_to_write_backwards(config: Path) -> None:
    run = train(config)
    test = run.metrics["test"]
    assert test is not None
    assert test["exact_match"] > 0.9
    assert test["character_error_rate"] < 0.05
    # A run that is opened again, without its training, generates the same; its metrics match its predictions.
    opened = load_run(run.path)
    assert opened.evaluate("test").metrics == test
    sources, targets = texts_of(opened, "test")
    written = opened.task.predictions(opened.model, opened.corpus().part("test"), CPU)  # type: ignore[attr-defined]
    assert [one.sequence for one in written] == sources
    told = [one.text or "" for one in written]
    assert test["exact_match"] == np.mean([a == b for a, b in zip(told, targets, strict=True)])
    edits = text_edit_distances(told, targets).sum()
    assert test["character_error_rate"] == pytest.approx(edits / sum(map(len, targets)))
    # Single texts, one of them longer than any in training, are written for too.
    alone = opened.predict(texts=[sources[0], "fedcbafedcba"])
    assert alone[0] == written[0]
    assert alone[1].text
    # Baselines are scored too.
    baselines = opened.evaluate("test").baselines
    assert set(baselines) == {"copy the source", "nearest source"}
    assert baselines["copy the source"]["exact_match"] == 0
    assert baselines["nearest source"]["character_error_rate"] < 1


def test_the_loss_weighs_every_pair_the_same(config: Path) -> None:
    task, corpus, model = pose(config)
    batch = first_batch(task, corpus)
    sources, targets = corpus.part("training")
    expected = []
    with torch.no_grad():
        for number in range(8):
            source = torch.from_numpy(sources.input(number)).long().unsqueeze(1)
            target = [*targets.input(number).tolist(), model.mark]
            read = torch.tensor([model.mark, *target[:-1]]).unsqueeze(1)
            logs = model(source, torch.tensor([len(source)]), read).log_softmax(-1)[:, 0]
            expected.append([-logs[place, symbol].item() for place, symbol in enumerate(target)])
        loss = task.loss(model, batch, ())
    assert loss.count == batch.units == 8
    assert len({len(nats) for nats in expected}) > 1
    assert float(loss.sum) == pytest.approx(sum(np.mean(nats) for nats in expected), rel=1e-12)
    figures = task.metrics(task.score(model, batch, ())[0])
    assert figures["nats_per_character"] == pytest.approx(
        np.mean([one for nats in expected for one in nats]), rel=1e-12
    )


def test_lanes_of_a_batch_add_up_to_it(config: Path) -> None:
    task, corpus, model = pose(config)
    batch = first_batch(task, corpus)
    parts = [batch.part(start, start + 2) for start in range(0, 8, 2)]
    assert [part.lanes for part in parts] == [2] * 4
    with torch.no_grad():
        whole = task.loss(model, batch, ())
        losses = [task.loss(model, part, ()) for part in parts]
    assert sum(float(loss.sum) for loss in losses) == pytest.approx(float(whole.sum), rel=1e-12)
    assert sum(loss.count for loss in losses) == whole.count


@pytest.mark.parametrize(
    "override",
    ["model.cell=rnn", "model.cell=gru", "model.cell=feedforward", "model.direction=bidirectional", "model.layers=2"],
)
@pytest.mark.parametrize("attention", ["true", "false"])
def test_padding_and_order_change_no_figure(config: Path, override: str, attention: str) -> None:
    task, corpus, model = pose(config, override, f"model.attention={attention}")
    part = task.part(corpus, "validation", CPU)
    with torch.no_grad():
        model.head.bias[model.mark] += 0.5
    together = task.evaluate(model, part)
    one_by_one = task.metrics(total(model, task, (part.batch(torch.tensor([number])) for number in range(len(part)))))
    assert together.metrics == pytest.approx(one_by_one, rel=1e-10)
    assert together.windows == len(part) == 200


def test_every_pair_comes_once_an_epoch_with_others_as_long(config: Path) -> None:
    task, corpus, _ = pose(config, "data.vocabulary=all")  # no symbol is hidden
    part = task.part(corpus, "training", CPU)
    order = task.training_order(part, load(str(config)).settings.training, 3)
    assert order.steps_per_epoch == 1600 // 32
    batches = [order[step] for step in range(order.steps_per_epoch)]
    assert all(isinstance(batch, PairBatch) for batch in batches)
    read = sorted(
        tuple(batch.input[:length, lane].tolist())
        for batch in batches
        for lane, length in enumerate(batch.source_lengths.tolist())  # type: ignore[attr-defined]
    )
    sources, _ = corpus.part("training")
    assert read == sorted(tuple(sources.input(number).tolist()) for number in range(1600))
    ragged = sum(len(set(batch.source_lengths.tolist())) > 1 for batch in batches)  # type: ignore[attr-defined]
    assert ragged <= 5


def test_a_look_on_the_way_is_short(config: Path) -> None:
    write(backwards(6000))
    task, corpus, _ = pose(config, "data.split=[0.5, 0.5]")
    assert len(corpus.part("validation")[0]) > 1500
    assert sum(batch.lanes for batch in task.progress(task.part(corpus, "validation", CPU))) == 1000


def test_baselines_by_hand(config: Path) -> None:
    write([("abab", "X"), ("cdcd", "YY"), ("efef", "ZZZ"), ("abba", "X"), ("cdcc", "YZ"), ("ef", "ef")])
    task, corpus, _ = pose(config, "data.split=[3, 3]", "training.batch=2")
    found = task.references(corpus, "validation")
    # The nearest sources have the targets X, YY and ZZZ.
    assert found["nearest source"].metrics == {"exact_match": 1 / 3, "character_error_rate": (0 + 1 + 3) / 5}
    assert found["copy the source"].metrics == {"exact_match": 1 / 3, "character_error_rate": (4 + 4 + 0) / 5}
    assert found["copy the source"].windows == 3


def test_what_has_no_target_is_written_for_and_not_scored(config: Path) -> None:
    run = train(config, ["training.budget=3 steps"])
    sources, targets = texts_of(run, "test")
    Path("some.tsv").write_text(f"{sources[0]}\t{targets[0]}\n{sources[1]}\n{sources[2]}\t{targets[2]}\n")
    Path("same.tsv").write_text(f"{sources[0]}\t{targets[0]}\n{sources[2]}\t{targets[2]}\n")
    some, same = run.evaluate(file="some.tsv"), run.evaluate(file="same.tsv")
    assert some.metrics == pytest.approx(same.metrics)
    assert some.baselines == same.baselines
    assert some.windows == 2
    assert [one.sequence for one in run.predict("some.tsv")] == sources[:3]
    Path("none.tsv").write_text("\n".join(sources[:3]) + "\n")
    with pytest.raises(DataError, match="no target is known"):
        run.evaluate(file="none.tsv")
    assert run.predict("none.tsv") == run.predict("some.tsv") == run.predict(texts=sources[:3])
    assert run.predict(texts=["aÜ"])[0].sequence == "aÜ"


def test_the_length_of_training_bounds_what_is_written(config: Path) -> None:
    run = train(config, ["training.budget=3 steps"])
    assert isinstance(run.model, EncoderDecoder)
    assert run.model.limit == 2 * 5 + 10
    with torch.no_grad():
        run.model.head.bias[run.model.mark] = -1e9
    assert {len(one.text or "") for one in run.predict(texts=["abc", "abcde"])} == {20}


@pytest.mark.bfloat16
def test_half_precision_and_parts_of_a_batch_train(config: Path) -> None:
    run = train(config, ["training.budget=5 steps", "training.precision=bfloat16", "training.accumulate=2"])
    assert run.status == "finished"
    assert run.metrics["test"] is not None


def test_rows_of_weights_have_the_names_of_symbols(config: Path) -> None:
    task, _, model = pose(config)
    write([(source, target.lower()) for source, target in backwards(40)], "other.tsv")
    other, _, _ = pose(config, "data.pairs=other.tsv")
    assert task.difference(other) is None
    assert task.row_names["source_map.weight"].names == [*"abcdef", ""]
    assert task.row_names["head.weight"].names == [*"ABCDEF", "", "end of text"]
    assert other.row_names["head.weight"].names == [*"abcdef", "", "end of text"]
    weights = model.state_dict()
    assert all(weights[name].shape[0] == len(found.names) for name, found in task.row_names.items())


def test_a_part_of_no_known_target_is_empty() -> None:
    nothing = torch.zeros(2, dtype=torch.long)
    part = PairsPart.of(*_texts(["ab", "c"]), CPU)
    assert len(part.known()) == 2
    assert len(replace(part, targets=replace(part.targets, lengths=nothing)).known()) == 0


def _texts(texts: list[str]):  # type: ignore[no-untyped-def]
    lengths = np.array([len(text) for text in texts])
    found = Texts.joined(np.frombuffer("".join(texts).encode(), np.uint8).copy(), lengths)
    return found, found


@pytest.mark.parametrize("overrides", [(), ("model.attention=false",), ("model.direction=bidirectional",)])
def test_what_is_inspected_is_the_encoder_with_the_loss_of_the_whole_target(
    overrides: tuple[str, ...], config: Path
) -> None:
    task, corpus, model = pose(config, *overrides)
    part = task.part(corpus, "validation", CPU)
    shown = task.inspection_input(model, part, steps=300, lanes=7)
    assert shown.recurrence is model.encoder
    # Of 3 to 5 letters, and most of them 5: whole sources of one length alone.
    assert shown.input.shape[0] == 5
    assert shown.input.shape[1] == 300 // 5
    fives = (part.sources.lengths == 5).nonzero().flatten()
    chosen = fives[torch.linspace(0, len(fives) - 1, 60).long()]
    assert "".join(shown.symbols) == task.encoding.source.decode(corpus.part("validation")[0].input(int(chosen[0])))
    with torch.no_grad():
        outputs, state = shown.recurrence(shown.input, shown.recurrence.initial_state(60, shown.input))
        batch = part.batch(chosen)
        torch.testing.assert_close(shown.loss(outputs, state).sum(), task.loss(model, batch, ()).sum)
    assert any("attention" in note for note in shown.loss_notes) == ("model.attention=false" not in overrides)
    assert shown.properties()["is a"][:, 0].tolist() == [float(symbol == "a") for symbol in shown.symbols]


def test_without_a_target_the_encoder_is_shown_and_no_loss(config: Path) -> None:
    task, _, model = pose(config)
    part = PairsPart.of(*task.of_texts(["abcdefab"]), CPU)
    shown = task.inspection_input(model, part, steps=300, lanes=7)
    assert shown.symbols == tuple("abcdefab")
    outputs, state = shown.recurrence(shown.input, shown.recurrence.initial_state(1, shown.input))
    with pytest.raises(DataError, match="no target is known"):
        shown.loss(outputs, state)
