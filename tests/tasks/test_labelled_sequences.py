"""Classification, regression and tagging on small tables that say what is right."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import lstmctl
from lstmctl import registry
from lstmctl.cells.cell import Cell
from lstmctl.config import from_mapping
from lstmctl.data.synthetic import SyntheticCorpus
from lstmctl.errors import DataError, UsageError
from lstmctl.reporting.stored_evaluation import read_evaluation
from lstmctl.tasks.classification import Classification
from lstmctl.tasks.sequence_batches import SequencePart

MODEL = {"cell": "gru", "hidden": 16, "embedding": 8}
TRAINING = {"budget": "150 steps", "batch": 16, "learning_rate": 1e-2, "precision": "float32"}


def config(task: str, data: dict[str, Any], **model: Any) -> dict[str, Any]:
    return {
        "task": {"type": task},
        "data": data,
        "model": {**MODEL, **model},
        "training": dict(TRAINING),
        "threads": 1,
    }


def write_lines(path: Path) -> Path:
    """Lines of letters, labelled by their first: the rest is noise, and rare is a tenth as frequent as common."""
    draw = random.Random(1)
    rows = ["text,label"]
    for _ in range(500):
        first = draw.choices("xyz", [10, 10, 1])[0]
        rest = "".join(draw.choices("xyzab", k=draw.randint(2, 6)))
        rows.append(f"{first}{rest},{ {'x': 'common', 'y': 'usual', 'z': 'rare'}[first] }")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_tags(path: Path) -> Path:
    """Letters tagged A after a capital, B before the first: the tag depends on earlier letters."""
    draw = random.Random(2)
    rows = ["text,tags"]
    for _ in range(500):
        text = "".join(draw.choices("abcC", k=draw.randint(1, 8)))
        rows.append(f"{text},{''.join('A' if 'C' in text[:at] else 'B' for at in range(len(text)))}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_frames(path: Path) -> Path:
    """Frames of two features; the target is ten times the first feature of the first frame."""
    draw = random.Random(3)
    rows = ["sequence,a,b,number"]
    for sequence in range(300):
        values = [(draw.random(), draw.random()) for _ in range(draw.randint(2, 6))]
        rows += [f"s{sequence},{a:.4f},{b:.4f},{10 * values[0][0]:.4f}" for a, b in values]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of this module's runs."""
    with pytest.MonkeyPatch.context() as patch:
        where = tmp_path_factory.mktemp("labelled")
        patch.setenv("LSTMCTL_RUNS", str(where / "runs"))
        yield where


@pytest.fixture(scope="module")
def classifier(folder: Path) -> lstmctl.Run:
    lines = write_lines(folder / "lines.csv")
    return lstmctl.train(config("classification", {"table": str(lines)}, direction="bidirectional", layers=2))


@pytest.fixture(scope="module")
def tagger(folder: Path) -> lstmctl.Run:
    return lstmctl.train(config("tagging", {"table": str(write_tags(folder / "tagged.csv")), "label": "tags"}))


@pytest.fixture(scope="module")
def regressor(folder: Path) -> lstmctl.Run:
    return lstmctl.train(config("regression", {"table": str(write_frames(folder / "frames.csv")), "label": "number"}))


def test_classes_are_learnt_scored_and_told(classifier: lstmctl.Run) -> None:
    evaluation = classifier.evaluate("test")
    assert evaluation.metrics["accuracy"] > 0.9
    assert list(evaluation.baselines) == ["majority", "bag of characters", "n-gram regression"]
    for name in ("majority", "bag of characters"):
        assert evaluation.metrics["accuracy"] > evaluation.baselines[name]["accuracy"]
        assert evaluation.leads[name].shown == "ahead"
    assert list(evaluation.by_label) == ["common", "rare", "usual"]
    assert sum(map(sum, evaluation.confusion)) == evaluation.windows == 50
    told = classifier.predict(texts=["xab", "yxxxx"])
    assert [(one.sequence, one.label) for one in told] == [("xab", "common"), ("yxxxx", "usual")]
    assert sum(told[0].probabilities.values()) == pytest.approx(1)


def test_a_prediction_does_not_depend_on_those_beside_it(classifier: lstmctl.Run) -> None:
    texts = ["xab", "yxxxxxxxx", "zab", "x"]
    together = classifier.predict(texts=texts)
    for text, one in zip(texts, together, strict=True):
        (alone,) = classifier.predict(texts=[text])
        assert alone.probabilities == pytest.approx(one.probabilities, abs=1e-5)


def test_balanced_weights_are_in_inverse_proportion_to_frequency(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "lines.csv")
    settings = from_mapping(config("classification", {"table": str(lines), "split_by": "order"}))
    weights = Classification.balanced(Classification.open(settings, None))
    told = [row.rpartition(",")[2] for row in lines.read_text().splitlines()[1:401]]
    counts = torch.tensor([told.count(label) for label in ("common", "rare", "usual")])
    torch.testing.assert_close(weights, 400 / (3 * counts))


def test_balanced_weights_make_the_rare_class_weigh_as_much_as_others(tmp_path: Path) -> None:
    values = config("classification", {"table": str(write_lines(tmp_path / "lines.csv"))})
    losses = {}
    for weights in ("none", "balanced"):
        settings = from_mapping({**values, "task": {"type": "classification", "class_weights": weights}})
        corpus = Classification.open(settings, None)
        task = Classification.of(settings, corpus)
        model = task.model(settings.model, registry.resolve("gru", registry.CELLS, Cell), torch.Generator())
        part = task.part(corpus, "training", torch.device("cpu"))
        batch = part.batch(torch.arange(400))
        rare = batch.target == 1
        sums = [task.loss(model, part.batch(torch.arange(400)[which]), ()).sum for which in (rare, ~rare)]
        losses[weights] = [one.item() for one in sums]
    none, balanced = losses["none"], losses["balanced"]
    # Its share of the loss grows from its share of the cases to about a third.
    assert none[0] / sum(none) < 0.1
    assert 0.2 < balanced[0] / sum(balanced) < 0.5


def test_tags_are_learnt_scored_and_told(tagger: lstmctl.Run) -> None:
    evaluation = tagger.evaluate("test")
    assert evaluation.metrics["accuracy"] > 0.97
    assert list(evaluation.baselines) == ["majority", "character alone"]
    assert evaluation.metrics["accuracy"] > max(one["accuracy"] for one in evaluation.baselines.values())
    assert 0 < evaluation.metrics["exact_match"] <= evaluation.metrics["accuracy"]
    assert evaluation.confusion[0][0] + evaluation.confusion[0][1] == evaluation.by_label["A"]["count"]
    (told,) = tagger.predict(texts=["abCab"])
    assert "".join(told.labels) == "BBBAA"


def test_numbers_are_learnt_and_scored_in_their_own_units(regressor: lstmctl.Run, folder: Path) -> None:
    evaluation = regressor.evaluate("test")
    metrics, baselines = evaluation.metrics, evaluation.baselines
    assert metrics["rmse"] == pytest.approx(metrics["mse"] ** 0.5)
    assert metrics["mse"] < baselines["bag of frames"]["mse"] < baselines["mean"]["mse"]
    told = regressor.predict(folder / "frames.csv")
    rows = [row.split(",") for row in (folder / "frames.csv").read_text().splitlines()[1:]]
    truth = {name: float(number) for name, _, _, number in rows}
    errors = [abs(one.numbers["number"] - truth[one.sequence]) for one in told]
    assert len(told) == 300
    assert sum(errors) / len(errors) < 1.5


def test_a_memoryless_network_sees_the_last_step_alone(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "lines.csv")
    values = config("classification", {"table": str(lines)}, cell="feedforward")
    run = lstmctl.train({**values, "training": {**TRAINING, "budget": "20 steps"}})
    told = run.predict(texts=["xxa", "yya"])
    assert told[0].probabilities == pytest.approx(told[1].probabilities)


def test_a_file_without_labels_can_be_told_but_not_scored(classifier: lstmctl.Run, tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text("text\nxab\nyab\n", encoding="utf-8")
    assert [one.label for one in classifier.predict(bare)] == ["common", "usual"]
    with pytest.raises(DataError, match="no label is known"):
        classifier.evaluate(file=bare)


def test_what_cannot_be_predicted_is_said(classifier: lstmctl.Run) -> None:
    with pytest.raises(UsageError, match="the text is empty"):
        classifier.predict(texts=[""])
    with pytest.raises(UsageError, match="either a FILE or texts"):
        classifier.predict()


def test_an_encoding_is_rebuilt_without_the_data(regressor: lstmctl.Run, folder: Path, tmp_path: Path) -> None:
    before = [one.numbers for one in regressor.predict(folder / "frames.csv")]
    copy = tmp_path / "other.csv"
    copy.write_bytes((folder / "frames.csv").read_bytes())
    shutil.copytree(regressor.path, tmp_path / "copied")
    again = lstmctl.load_run(tmp_path / "copied").predict(copy)
    assert [one.numbers for one in again] == before


def test_a_synthetic_run_is_scored_against_chance_and_the_solved_level() -> None:
    values = config("classification", {"synthetic": "first-symbol", "length": 10, "held_out": 100})
    values["training"].pop("precision")
    run = lstmctl.train(values)
    evaluation = run.evaluate("test")
    assert evaluation.baselines == {"chance": {"accuracy": 0.5}, "solved": {"accuracy": 0.99}}
    assert evaluation.metrics["accuracy"] == 1
    assert run.settings.training.precision == "float32"


def test_further_lengths_are_scored_beside_the_test_part() -> None:
    values = config("classification", {"synthetic": "parity", "length": 6, "test_lengths": [12, 24], "held_out": 100})
    run = lstmctl.train(values)
    evaluation = run.evaluate()
    assert list(evaluation.by_length) == [6, 12, 24]
    corpus = run.corpus()
    assert isinstance(corpus, SyntheticCorpus)
    part = SequencePart.of(corpus.of_length(24), torch.device("cpu"))
    assert evaluation.by_length[24] == run.task.evaluate(run.model, part).metrics
    assert evaluation.primary_by_length[24] == evaluation.by_length[24]["accuracy"]
    assert run.evaluate("validation").by_length == {}
    stored = read_evaluation(run.path)
    assert stored is not None
    assert stored.evaluation.by_length == evaluation.by_length
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "accuracy by length, from 6 (the longest in training) to 24" in page


def test_what_is_inspected_are_the_last_steps_of_sequences_that_are_long_enough(regressor: lstmctl.Run) -> None:
    task, model = regressor.task, regressor.model
    part = task.part(regressor.corpus(), "training", torch.device("cpu"))
    shown = task.inspection_input(model, part, steps=3, lanes=10)
    assert shown.input.shape == (3, 10, 3 - 1)
    long_enough = [number for number in range(len(part)) if part.lengths[number] >= 3]
    first, last = long_enough[0], long_enough[-1]
    for lane, number in ((0, first), (9, last)):
        end = int(part.starts[number] + part.lengths[number])
        assert torch.equal(shown.input[:, lane], part.inputs[end - 3 : end])
    outputs, state = shown.recurrence(shown.input, shown.recurrence.initial_state(10, shown.input))
    loss = shown.loss(outputs, state)
    expected = task.losses(model.head(outputs[-1])[:1], part.targets[[first]])
    torch.testing.assert_close(loss[0], expected[0])
    assert set(shown.properties()) == {"a", "b", "position"}


@pytest.mark.parametrize("task", ["classification", "tagging"])
def test_the_loss_of_both_directions_is_that_of_the_networks_own_answer(task: str, folder: Path) -> None:
    write, label = {"classification": (write_lines, "label"), "tagging": (write_tags, "tags")}[task]
    values = config(
        task, {"table": str(write(folder / f"{task}.csv")), "label": label}, direction="bidirectional", layers=2
    )
    values["training"]["budget"] = "2 steps"
    run = lstmctl.train(values)
    part = run.task.part(run.corpus(), "training", torch.device("cpu"))
    shown = run.task.inspection_input(run.model, part, steps=5, lanes=6)
    length = len(shown.input)
    assert shown.told_at == (length // 2 if task == "tagging" else None)
    assert shown.reach == ((length - 1) // 2 if task == "tagging" else length - 1)
    outputs, state = shown.recurrence(shown.input, shown.recurrence.initial_state(6, shown.input))
    long_enough = (part.lengths >= length).nonzero().flatten()
    chosen = long_enough[torch.linspace(0, len(long_enough) - 1, 6).long()]
    ends = part.starts[chosen] + part.lengths[chosen]
    places = ends - length + torch.arange(length).unsqueeze(1)
    answers = run.model(part.inputs[places].long(), torch.full((6,), length))
    if task == "tagging":
        expected = run.task.losses(answers[length // 2], part.targets[places[length // 2]])  # type: ignore[attr-defined]
    else:
        expected = run.task.losses(answers, part.targets[chosen])  # type: ignore[attr-defined]
    torch.testing.assert_close(shown.loss(outputs, state), expected)


def test_short_sequences_are_read_in_as_many_lanes_as_it_takes(tagger: lstmctl.Run) -> None:
    part = tagger.task.part(tagger.corpus(), "training", torch.device("cpu"))
    shown = tagger.task.inspection_input(tagger.model, part, steps=400, lanes=1)
    length, lanes = shown.input.shape[:2]
    assert length == int(part.lengths.median())
    assert lanes == 400 // length
    assert shown.properties()["position"].shape == (length, lanes)


def test_an_answer_that_is_not_known_has_no_loss_to_inspect(tagger: lstmctl.Run) -> None:
    part = SequencePart.of(tagger.task.of_texts(["abCab"]), torch.device("cpu"))
    shown = tagger.task.inspection_input(tagger.model, part, steps=9, lanes=4)
    assert shown.symbols == ("a", "b", "C", "a", "b")
    outputs, state = shown.recurrence(shown.input, shown.recurrence.initial_state(1, shown.input))
    assert shown.loss(outputs, state).tolist() == [0]
