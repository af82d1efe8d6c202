"""Emphasis on the answers of a text: the weighted loss by hand, and metrics, resumption and errors around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lstmctl import Run, load_run, resume, train
from lstmctl.api.assembly import build_model, build_task, find_cell
from lstmctl.config import from_mapping
from lstmctl.data.text import TextCorpus
from lstmctl.errors import DataError, RunError
from lstmctl.events import Event, SavePoint, Stepped
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.protocols import Batch
from lstmctl.scoring import total
from lstmctl.tasks.language_model import LanguageModel, WeightedText
from lstmctl.tasks.windows import GrowingLanes, Lanes, ShuffledWindows
from lstmctl.training.trainer import Trainer

TEXT = "Ann is from Peru. Ida is from Nepal. Ann sings. Ida reads. " * 12
HEADER = "kind,answer_start,answer_end,answer,reminder_end\n"
EMPHASIS = 5.0


def table(text: str = TEXT) -> str:
    """A row for each name that was said before."""
    places = [place for place in range(len(text)) if text[place : place + 3] in ("Ann", "Ida")]
    return HEADER + "".join(f"name,{place},{place + 3},{text[place : place + 3]},3\n" for place in places[2:])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "own-dependencies.csv").write_text(table(), encoding="utf-8")
    return tmp_path


def config(emphasis: float = EMPHASIS, shape: str = "many-to-many", **training: Any) -> dict[str, Any]:
    return {
        "task": {"type": "language-model", "shape": shape},
        "data": {"text": "own.txt", "split": [0.6, 0.2, 0.2], "emphasis": emphasis},
        "model": {"cell": "lstm", "hidden": 6, "embedding": 5},
        "training": {"budget": "12 steps", "batch": 2, "window": 8, "precision": "float32", **training},
        "threads": 1,
    }


def opened(folder: Path, *, steps: int = 12, **kwargs: Any) -> tuple[LanguageModel, SequenceModel, TextCorpus, Trainer]:
    settings = from_mapping(config(**kwargs))
    corpus = LanguageModel.open(settings, folder)  # type: ignore[arg-type]
    task = build_task(settings, corpus)
    model = build_model(settings, task, find_cell(settings, folder), "float32")
    device = torch.device("cpu")
    batches = task.training_order(task.training_part(corpus, device), settings.training, 0)
    trainer = Trainer(model, task, batches, None, settings.training, steps=steps, precision="float32", seed=0)
    assert isinstance(task, LanguageModel)
    assert isinstance(model, SequenceModel)
    return task, model, corpus, trainer


@pytest.mark.parametrize("shape", ["many-to-many", "many-to-one"])
def test_the_loss_of_what_decides_an_answer_counts_as_often_as_was_asked(shape: str, folder: Path) -> None:
    task, model, _, trainer = opened(folder, shape=shape, batch=40, window=3)
    batch = trainer.batches[0]
    assert batch.weight is not None
    loss = task.loss(model, batch, task.initial_state(model, batch))
    logits, _ = model(batch.input, model.initial_state(40))
    nats = -(logits[-1] if shape == "many-to-one" else logits).log_softmax(-1).gather(-1, batch.target.unsqueeze(-1))
    # One character decides between Ann and Ida. The first two names of the text recall nothing.
    letters = [task.encoding.decode([symbol]) for symbol in batch.target.flatten().tolist()]
    factors = [EMPHASIS if letter in "AI" else 1.0 for letter in letters]
    assert 0 < factors.count(EMPHASIS) < len(factors)
    different = (batch.weight.flatten() != torch.tensor(factors)).nonzero().flatten().tolist()
    assert all(letters[place] in "AI" for place in different)
    assert len(different) <= 2
    expected = sum(
        weight * nat for weight, nat in zip(batch.weight.flatten().tolist(), nats.flatten().tolist(), strict=True)
    )
    assert loss.sum.item() == pytest.approx(expected, rel=1e-5)
    assert loss.reported.item() == pytest.approx(nats.sum().item(), rel=1e-5)
    assert loss.sum.item() > loss.reported.item()
    assert loss.count == len(letters)
    totals, _ = task.score(model, batch, task.initial_state(model, batch))
    assert totals == {"nats": pytest.approx(nats.sum().item(), rel=1e-5), "symbols": len(letters)}


def test_gradients_are_those_of_the_weighted_loss_and_the_reported_loss_is_unweighted(folder: Path) -> None:
    _, model, _, trainer = opened(folder, clip=None, accumulate=2)
    batch = trainer.batches[0]
    assert batch.weight is not None
    logits, _ = model(batch.input, model.initial_state(2))
    nats = -logits.log_softmax(-1).gather(-1, batch.target.unsqueeze(-1)).squeeze(-1)
    ((nats * batch.weight).sum() / batch.units).backward()
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in model.parameters() if weight.grad is not None])
    model.zero_grad(set_to_none=True)
    first = next(event for event in trainer.events() if isinstance(event, Stepped))
    assert first.gradient_norm == pytest.approx(float(norm), rel=1e-5)
    assert first.loss == pytest.approx(nats.mean().item(), rel=1e-6)


def test_a_weight_belongs_to_its_target_wherever_a_window_begins() -> None:
    symbols = torch.arange(90)
    weights = symbols + 0.5
    lanes = [Lanes(symbols, batch, 24 // batch, 3, 0.0, weights) for batch in (4, 2)]
    for order in (*lanes, GrowingLanes(lanes, 12), ShuffledWindows(symbols, 5, 7, 3, weights)):
        for step in range(12):
            batch = order[step]
            assert batch.weight is not None
            assert torch.equal(batch.weight, batch.target + 0.5)
            assert torch.equal(batch.part(1, 2).weight, batch.part(1, 2).target + 0.5)


def test_metrics_know_no_weights(folder: Path) -> None:
    task, model, corpus, _ = opened(folder)
    plain, _, plain_corpus, without = opened(folder, emphasis=1.0)
    assert plain_corpus.emphasised is None
    assert without.batches[0].weight is None
    symbols = task.part(corpus, "validation", torch.device("cpu"))
    assert task.evaluate(model, symbols) == plain.evaluate(model, symbols)
    assert total(model, task, task.progress(symbols)) == total(model, plain, plain.progress(symbols))
    weighted = Batch(symbols[:8, None].long(), symbols[1:9, None].long(), fresh=True, weight=torch.full((8, 1), 7.0))
    bare = replace(weighted, weight=None)
    state = task.initial_state(model, bare)
    assert task.score(model, weighted, state)[0] == pytest.approx(task.score(model, bare, state)[0], rel=1e-6)


def test_emphasis_moves_neither_the_initial_weights_nor_the_order(folder: Path) -> None:
    _, model, _, trainer = opened(folder)
    _, plain, _, without = opened(folder, emphasis=1.0)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), plain.parameters(), strict=True))
    for step in range(12):
        assert torch.equal(trainer.batches[step].input, without.batches[step].input)


def test_a_resumed_training_ends_with_the_same_bits(folder: Path) -> None:
    def seconds_apart(event: Event) -> Event:
        return replace(event, seconds=0.0) if isinstance(event, Stepped) else event

    _, model, _, whole = opened(folder, save_every=5)
    events, snapshot, before = [], whole.snapshot(), 0
    for event in whole.events():
        events.append(seconds_apart(event))
        if isinstance(event, SavePoint) and event.step == 5:
            snapshot, before = whole.snapshot(), len(events)
    _, again, _, resumed = opened(folder, save_every=5)
    resumed.load(snapshot)
    rest = [seconds_apart(event) for event in resumed.events()]
    assert rest[1:] == events[before:]
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))


def test_a_run_resumes_with_the_same_table_alone(folder: Path) -> None:
    seen = []

    def stop(event: Event) -> None:
        seen.append(event)
        if isinstance(event, SavePoint) and event.step == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config(), observe=stop)
    (run,) = Path("runs").iterdir()
    path = folder / "own-dependencies.csv"
    path.write_text(table().replace(",3\n", ",2\n", 1), encoding="utf-8")
    with pytest.raises(RunError, match=r"the table of dependencies of .*own\.txt changed since the run began"):
        resume(run)
    path.write_text(table(), encoding="utf-8")
    assert resume(run).info["status"] == "finished"


def test_a_run_without_emphasis_needs_no_table(folder: Path) -> None:
    (folder / "own-dependencies.csv").unlink()
    run: Run = train(config(emphasis=1.0))
    assert load_run(run.path).settings.data.emphasis == 1.0  # type: ignore[union-attr]


def test_emphasis_without_a_table_is_refused(folder: Path) -> None:
    (folder / "own-dependencies.csv").unlink()
    with pytest.raises(DataError, match=r"own-dependencies\.csv does not exist") as caught:
        train(config())
    assert "leave out data.emphasis" in str(caught.value.hint)
    (folder / "more.txt").write_text(TEXT, encoding="utf-8")
    several = config() | {"data": {"text": ["own.txt", "more.txt"], "emphasis": 2.0}}
    with pytest.raises(DataError, match=r"own\.txt, .*more\.txt are several files, and a table belongs to one"):
        train(several)
    assert not Path("runs").exists()


def test_only_symbols_of_the_training_part_are_weighted(folder: Path) -> None:
    task, _, corpus, _ = opened(folder)
    assert corpus.emphasised is not None
    part = task.training_part(corpus, torch.device("cpu"))
    assert isinstance(part, WeightedText)
    start, stop = corpus.parts["training"]
    heavy = [place for place in range(start, stop) if part.weights[place - start] == EMPHASIS]
    rows = [int(row.split(",")[1]) for row in table().splitlines()[1:]]
    assert heavy == [place for place in rows if place < stop]
    assert set(part.weights.tolist()) == {1.0, EMPHASIS}
