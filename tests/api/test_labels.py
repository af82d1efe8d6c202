"""Labelled texts from the file to the verdict: splits, unknown symbols, other columns, weights of another run."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import lstmctl
from lstmctl import load_run, resume, train
from lstmctl.config import from_mapping, load
from lstmctl.errors import UsageError
from lstmctl.events import Event, Stepped
from tests.conftest import Command

TRAINING = {"budget": "40 steps", "batch": 16, "learning_rate": 1e-2, "precision": "float32"}


def config(task: str = "classification", **data: Any) -> dict[str, Any]:
    return {
        "task": {"type": task},
        "data": {"table": "messages.csv", **data},
        "model": {"cell": "gru", "hidden": 8, "embedding": 4},
        "training": TRAINING,
        "threads": 1,
    }


def write(path: Path, *, rows: int = 300, alphabet: str = "abcé") -> Path:
    """Texts that begin with x or y, sorted by label, each with an id of its own."""
    draw = random.Random(4)
    lines = [f"{row},{'xy'[row >= rows // 2]}{''.join(draw.choices(alphabet, k=10))}" for row in range(rows)]
    path.write_text("id,text,label\n" + "".join(f"{line},{'no' if 'y' in line else 'yes'}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        where = tmp_path_factory.mktemp("labels")
        patch.setenv("LSTMCTL_RUNS", str(where / "runs"))
        yield where


@pytest.fixture(scope="module")
def run(folder: Path) -> lstmctl.Run:
    return train(config(table=str(write(folder / "messages.csv"))))


def test_a_table_sorted_by_label_is_learned_from_all_labels(run: lstmctl.Run) -> None:
    evaluation = run.evaluate()
    assert evaluation.split == "test"
    assert [rates["count"] for rates in evaluation.by_label.values()] == [15, 15]
    assert list(evaluation.leads) == ["majority", "bag of characters", "n-gram regression"]
    assert evaluation.baselines["n-gram regression"]["accuracy"] == 1
    assert evaluation.leads["majority"].lead == evaluation.metrics["accuracy"] - 0.5
    assert run.evaluate("validation").split == "validation"


def test_one_part_is_reported_by_default(run: lstmctl.Run, lstmctl: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMCTL_RUNS", str(run.path.parent))
    assert json.loads(lstmctl("evaluate", run.name, "--json").out)["split"] == run.evaluate().split == "test"
    for what in ("gates", "memory"):
        assert json.loads(lstmctl("inspect", what, run.name, "--json").out)["source"] == "the test part"
    assert json.loads((run.path / "evaluation.json").read_text())["split"] == "test"


def test_unknown_symbols_are_read_and_counted(run: lstmctl.Run, caplog: pytest.LogCaptureFixture) -> None:
    assert run.task.encoding.symbols.symbols == "abcxyé"
    assert run.model.input_map.num_embeddings == 7
    known, new = run.predict(["xab", "x\u4e00\u4e01"])
    assert new.sequence == "x\u4e00\u4e01"
    assert sum(new.probabilities.values()) == pytest.approx(1)
    assert caplog.messages == ["read as unknown, since the run does not know them: '\u4e00', '\u4e01'"]
    assert run.predict(["x\u4e02\u4e03"])[0].probabilities == new.probabilities
    assert known.label == "yes"


def test_a_file_with_unknown_symbols_and_labels_is_predicted_with_its_columns(
    run: lstmctl.Run,
    lstmctl: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("LSTMCTL_RUNS", str(run.path.parent))
    (tmp_path / "new.csv").write_text("id,text,label,who\n7,xab,never,me\n9,y\u00fca,no,you\n", encoding="utf-8")
    result = lstmctl("predict", run.name, "new.csv")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "text,label,probability,id,given_label,who"
    assert [line.split(",")[0] for line in lines[1:]] == ["xab", "y\u00fca"]
    assert [line.split(",")[3:] for line in lines[1:]] == [["7", "never", "me"], ["9", "no", "you"]]
    said = "1 of 2 texts has symbols that the run does not know, read as unknown: '\u00fc'."
    assert caplog.messages == [said]
    found = json.loads(lstmctl("predict", run.name, "new.csv", "--json").out)["predictions"][1]
    assert found["columns"] == {"id": "9", "label": "no", "who": "you"}
    (tmp_path / "new.csv").write_text("text,label\nxab,yes\ny\u00fca,no\n", encoding="utf-8")
    evaluated = json.loads(lstmctl("evaluate", run.name, "new.csv", "--json").out)
    assert evaluated["notes"][0] == said
    assert set(evaluated["metrics"]) == {"accuracy", "macro_f1", "nats_per_sequence"}


def test_texts_come_as_a_list_or_as_anything_that_holds_texts(run: lstmctl.Run) -> None:
    one = run.predict(["xa", "yb"])
    assert run.predict(texts=["xa", "yb"]) == run.predict(text for text in ("xa", "yb")) == one
    with pytest.raises(UsageError, match="a text must be a str, not int"):
        run.predict([1])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="give either a FILE or texts"):
        run.predict([])


def test_training_with_hidden_symbols_resumes_exactly(folder: Path, run: lstmctl.Run) -> None:
    def observe(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 16:
            os.kill(os.getpid(), signal.SIGINT)

    stopped = train(config(table=str(folder / "messages.csv")), observe=observe)
    assert stopped.status == "interrupted"
    again = resume(stopped.path)
    for name, weight in run.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight), name


def test_a_part_in_the_training_part_is_said_everywhere(
    folder: Path, lstmctl: Command, caplog: pytest.LogCaptureFixture
) -> None:
    lines = (folder / "messages.csv").read_text().splitlines()
    draw = random.Random(1)
    shuffled = draw.sample(lines[1:], len(lines) - 1)
    twice = [lines[0], *shuffled[:240], *shuffled[:30], *shuffled[240:270]]
    (folder / "twice.csv").write_text("\n".join(twice) + "\n")
    overrides = ["data.split_by=order", f"data.table={folder / 'twice.csv'}"]
    (folder / "twice.yaml").write_text(yaml.safe_dump(config()))
    assert lstmctl("train", str(folder / "twice.yaml"), *overrides).code == 0
    said = "30 of the 30 texts of the validation part are in the training part too, which makes its scores too good"
    assert [message for message in caplog.messages if message.startswith(said)]
    run = load_run("latest")
    assert said in " ".join(lstmctl("evaluate", "--split", "validation").out.split())
    assert run.info["data"]["warnings"][0].startswith(said)
    assert json.loads(lstmctl("evaluate", "--split", "validation", "--json").out)["warnings"][0].startswith(said)
    assert run.evaluate("test").warnings == ()


def test_a_run_on_other_symbols_and_labels_starts_from_rows_of_the_same_name(
    folder: Path, run: lstmctl.Run, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder / "more.csv", alphabet="acñ")
    text = (folder / "more.csv").read_text().replace(",no", ",maybe")
    (folder / "more.csv").write_text(text)
    settings = ["training.budget=1 steps", "training.learning_rate=1e-7"]
    started = train(config(table=str(folder / "more.csv")), settings, init_from=str(run.path))
    assert f"5 of 6 symbols carried over from {run.name}; newly initialised: `ñ`; 2 of the run's do not occur" in (
        caplog.messages
    )
    assert (
        f"1 of 2 labels carried over from {run.name}; newly initialised: `maybe`; 1 of the run's do not occur"
        in caplog.messages
    )
    own, theirs = started.model.state_dict(), run.model.state_dict()
    for symbol in "acxy":
        row, other = (one.task.encoding.symbols.encode(symbol)[0] for one in (started, run))
        torch.testing.assert_close(own["input_map.weight"][int(row)], theirs["input_map.weight"][int(other)])
    torch.testing.assert_close(own["input_map.weight"][-1], theirs["input_map.weight"][-1])
    assert (started.task.encoding.labels, run.task.encoding.labels) == (("maybe", "yes"), ("no", "yes"))
    torch.testing.assert_close(own["head.weight"][1], theirs["head.weight"][1])
    fresh = train(config(table=str(folder / "more.csv")), settings).model.state_dict()
    new = int(started.task.encoding.symbols.encode("ñ")[0])
    torch.testing.assert_close(own["input_map.weight"][new], fresh["input_map.weight"][new])


def test_the_test_part_is_found_from_the_runs_own_config(folder: Path) -> None:
    write(folder / "apart.csv", rows=40)
    found = train(config(table=str(folder / "messages.csv"), test=str(folder / "apart.csv")))
    assert found.info["data"]["parts"] == {"training": 266, "validation": 34, "test": 40}
    assert load_run(found.path).evaluate().windows == 40


def test_settings_saved_before_rows_could_be_split_otherwise_keep_their_parts() -> None:
    settings = from_mapping(config())
    assert (settings.data.split_by, settings.data.vocabulary) == ("auto", "training")  # type: ignore[union-attr]
    saved = settings.model_dump(mode="json")
    assert from_mapping(saved) == settings
    for key in ("split_by", "split_seed", "test", "vocabulary"):
        del saved["data"][key]
    older = from_mapping(saved)
    assert (older.data.split_by, older.data.vocabulary) == ("order", "all")  # type: ignore[union-attr]
    for name in ("intents", "movements", "tags", "phases", "frequency", "paragraphs", "dates"):
        assert load(name).settings.data.split_by == "order"  # type: ignore[union-attr]


def test_other_tasks_read_unknown_symbols_too(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    draw = random.Random(2)
    words = ["".join(draw.choices("abc", k=4)) for _ in range(200)]
    (folder / "tags.csv").write_text("text,label\n" + "".join(f"{word},{word.upper()}\n" for word in words))
    tagger = train(config("tagging", table=str(folder / "tags.csv")))
    assert len(tagger.predict(["aéb"])[0].labels) == 3
    (folder / "numbers.csv").write_text("text,label\n" + "".join(f"{word},{word.count('a')}\n" for word in words))
    counter = train(config("regression", table=str(folder / "numbers.csv")))
    assert list(counter.predict(["éb"])[0].numbers) == ["label"]
    assert list(counter.evaluate().leads) == ["mean", "bag of characters", "n-gram regression"]
    (folder / "pairs.tsv").write_text("".join(f"{word}\t{word[::-1]}\n" for word in words))
    pairs = {**config("transduction"), "data": {"pairs": str(folder / "pairs.tsv")}}
    translator = train(pairs)
    assert translator.predict(["aéb"])[0].sequence == "aéb"
    (folder / "new.tsv").write_text("aéb\tbéa\nab\tba\n", encoding="utf-8")
    found = translator.evaluate(file=folder / "new.tsv")
    assert found.metrics["exact_match"] <= 0.5
    assert found.notes[0].startswith("1 of 2 sources ('é') and 1 of 2 targets ('é') with symbols")
    writer = train(config("generation-from-label", table=str(folder / "messages.csv")))
    written = writer.generate(label="yes", length=200, sampling=lstmctl.Sampling(50.0))
    assert "\ufffd" not in written[0].text
    (folder / "new.csv").write_text("text,label\nx\u4e00,yes\n", encoding="utf-8")
    assert writer.evaluate(file=folder / "new.csv").metrics["nats_per_character"] < 50
