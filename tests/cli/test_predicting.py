"""Labels from the command line: a table with a label column, to a table of labels."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path

import pytest

from lstmctl import train
from tests import processes
from tests.conftest import Command

CONFIG = """\
task: {type: classification}
data: {table: requests.csv}
model: {cell: gru, hidden: 8, embedding: 4}
training: {budget: 60 steps, batch: 8, learning_rate: 2e-2, precision: float32}
threads: 1
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with one that predicts whether a line begins with x."""
    draw = random.Random(0)
    where = tmp_path_factory.mktemp("predicting")
    rows = [draw.choice("xy") + "".join(draw.choices("ab", k=draw.randint(0, 3))) for _ in range(150)]
    lines = ["text,label", *(f"{row},{'on' if row[0] == 'x' else 'off'}" for row in rows)]
    (where / "requests.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (where / "requests.yaml").write_text(CONFIG, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, processes.drawn():
        patch.setenv("LSTMCTL_RUNS", str(where / "runs"))
        train(where / "requests.yaml")
    return where / "runs"


@pytest.fixture(autouse=True)
def in_runs(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMCTL_RUNS", str(runs))


def test_a_text_has_a_label_and_its_probability(lstmctl: Command) -> None:
    result = lstmctl("predict", "--text", "xab", "--text", "ya")
    assert result.code == 0
    (one, other) = csv.DictReader(io.StringIO(result.out))
    assert (one["text"], one["label"], other["text"], other["label"]) == ("xab", "on", "ya", "off")
    assert 0.5 < float(one["probability"]) <= 1


def test_lines_come_from_stdin(lstmctl: Command) -> None:
    result = lstmctl("predict", "latest", "--text", "-", stdin="xa\nyb\n")
    assert [row["label"] for row in csv.DictReader(io.StringIO(result.out))] == ["on", "off"]


def test_a_table_becomes_a_table(lstmctl: Command, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text('text\n"xb"\nyy\n', encoding="utf-8")
    assert lstmctl("predict", "new.csv", "--output", "told.csv").code == 0
    told = list(csv.DictReader(io.StringIO((tmp_path / "told.csv").read_text(encoding="utf-8"))))
    assert [(row["text"], row["label"]) for row in told] == [("xb", "on"), ("yy", "off")]


def test_predictions_in_json_are_one_object(lstmctl: Command) -> None:
    told = json.loads(lstmctl("predict", "--text", "xab", "--json").out)
    assert list(told) == ["format", "run", "predictions", "weights_step", "fallback"]
    (one,) = told["predictions"]
    assert list(one) == ["sequence", "label", "probabilities"]
    assert one["label"] == "on"
    assert sum(one["probabilities"].values()) == pytest.approx(1)


def test_evaluating_labels_in_json(lstmctl: Command) -> None:
    told = json.loads(lstmctl("evaluate", "latest", "--split", "test", "--json").out)
    assert list(told["metrics"]) == ["accuracy", "macro_f1", "nats_per_sequence"]
    assert list(told["by_label"]) == ["off", "on"]
    assert [sum(row) for row in told["confusion"]] == [told["by_label"][label]["count"] for label in ("off", "on")]


def test_evaluating_labels_for_people(lstmctl: Command) -> None:
    result = lstmctl("evaluate", "latest", "--split", "test")
    assert "15 sequences" in result.out
    assert "bag of characters" in result.out
    assert "precision" in result.out


def test_a_run_on_texts_does_not_read_sound(lstmctl: Command) -> None:
    result = lstmctl("predict", "spoken-words/down-s20.wav")
    assert (result.code, result.out) == (2, "")
    assert "was not trained on sound, so it cannot read spoken-words/down-s20.wav" in result.err
    assert "lstmctl train spoken-words" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give either a FILE or texts: with --text"),
        (["--text", ""], 2, "the text is empty"),
        (["missing.csv"], 3, "`missing.csv` does not exist"),
    ],
)
def test_what_cannot_be_predicted_says_why(lstmctl: Command, arguments: list[str], code: int, message: str) -> None:
    result = lstmctl("predict", *arguments)
    assert (result.code, result.out) == (code, "")
    assert message in result.err


def test_the_confusion_matrix_is_drawn(runs: Path) -> None:
    (run,) = [path for path in runs.iterdir() if path.is_dir()]
    assert (run / "plots/confusion.png").stat().st_size > 5_000
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "By label" in page
    assert "Confusion matrix (rows: true labels, columns: predicted)." in page


def test_showing_labelled_data(lstmctl: Command, runs: Path) -> None:
    facts = json.loads(lstmctl("data", "show", str(runs.parent / "requests.yaml"), "--json").out)
    part = facts["parts"]["training"]
    assert (part["sequences"], part["shortest"], part["longest"]) == (120, 1, 4)
    assert sum(facts["labels"]["training"].values()) == 120
    shown = lstmctl("data", "show", str(runs.parent / "requests.yaml"))
    assert "off" in shown.out


# The next symbol of a text, by a language model.


@pytest.fixture
def text_run(small_config: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a language model, the only run of its folder."""
    monkeypatch.setenv("LSTMCTL_RUNS", "texts")
    return train(small_config).name


@pytest.mark.parametrize("shape", ["many-to-many", "many-to-one"])
def test_a_language_model_predicts_the_symbol_that_it_would_write(
    shape: str, lstmctl: Command, small_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSTMCTL_RUNS", "texts")
    train(small_config, [f"task.shape={shape}"])
    texts = ["", "Ann", "Ann sees a tree.\nBob likes two birds", "Cyr finds "]
    options = [option for text in texts for option in ("--text", text)]
    rows = list(csv.DictReader(io.StringIO(lstmctl("predict", *options).out, newline="")))
    told = json.loads(lstmctl("predict", *options, "--json").out)["predictions"]
    assert [row["text"] for row in rows] == [one["sequence"] for one in told] == texts
    for text, row, one in zip(texts, rows, told, strict=True):
        written = lstmctl("generate", "--prompt", text, "--temperature", "0", "--length", "1", "--json").out
        (symbol,), (probability,) = (json.loads(written)["texts"][0][key] for key in ("symbols", "probabilities"))
        assert row["label"] == one["label"] == symbol
        assert float(row["probability"]) == pytest.approx(probability, abs=1e-4)
        assert one["probabilities"][symbol] == pytest.approx(probability, abs=1e-6)
        assert sum(one["probabilities"].values()) == pytest.approx(1)


def test_a_language_model_reads_lines_of_a_file_or_of_stdin(
    lstmctl: Command, text_run: str, caplog: pytest.LogCaptureFixture
) -> None:
    Path("lines.txt").write_text("Ann\n\nBob sees", encoding="utf-8")
    of_file = lstmctl("predict", text_run, "lines.txt")
    assert of_file == lstmctl("predict", "--text", "-", stdin="Ann\n\nBob sees\n")
    assert [row["text"] for row in csv.DictReader(io.StringIO(of_file.out))] == ["Ann", "", "Bob sees"]
    Path("lines.txt").write_text("Ann\nBob sees Z\n", encoding="utf-8")
    unknown = lstmctl("predict", text_run, "lines.txt")
    assert [row["text"] for row in csv.DictReader(io.StringIO(unknown.out))] == ["Ann", "Bob sees Z"]
    assert caplog.messages[-1].startswith("1 of 13 characters are unknown to the run")


def test_the_newest_run_that_can_is_meant(lstmctl: Command, runs: Path, text_run: str, series_config: Path) -> None:
    few = ["training.budget=2 steps"]

    def told(*arguments: str) -> str:
        result = lstmctl(*arguments, "--json")
        assert result.code == 0, result.err
        return Path(json.loads(result.out)["run"]).name

    Path("new.csv").write_text("text\nb\n", encoding="utf-8")
    refused = lstmctl("predict", "new.csv")
    assert (refused.code, refused.out) == (4, "")
    assert f"the newest, {text_run}, is of the task language-model" in refused.err
    requests, series = train(runs.parent / "requests.yaml", few).name, train(series_config, few).name
    assert told("predict", "--text", "b") == told("predict", "new.csv") == requests
    assert told("forecast") == told("backtest") == series
    assert told("generate", "--length", "1") == text_run
    newer = train("small.yaml", few).name
    assert told("predict", "--text", "b") == told("generate", "--length", "1") == newer
    assert told("predict", "new.csv") == requests
    assert told("evaluate", "small.csv") == series


def test_where_no_run_can_the_newest_is_named(lstmctl: Command) -> None:
    for command in ("generate", "forecast", "backtest"):
        result = lstmctl(command)
        assert (result.code, result.out) == (4, "")
        assert result.err.startswith("error: no run under ")
        assert "the newest, requests-gru-001, is of the task classification\nhint: " in result.err


def test_training_and_scoring_warn_of_a_table_sorted_by_label(
    lstmctl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LSTMCTL_RUNS", "own runs")
    lines = ["text,label", *(f"{'x' if row < 40 else 'y'}ab,{'on' if row < 40 else 'off'}" for row in range(80))]
    (tmp_path / "requests.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ordered = CONFIG.replace("requests.csv}", "requests.csv, split_by: order}")
    (tmp_path / "requests.yaml").write_text(ordered, encoding="utf-8")
    (tmp_path / "new.csv").write_text("text,label\nxab,on\n", encoding="utf-8")
    validation, test = (
        f"the {part} part has only the label `off`, so its scores say little; the table is sorted by label: "
        "data.split_by=random shuffles the rows"
        for part in ("validation", "test")
    )

    def warned(*arguments: str) -> list[str]:
        caplog.clear()
        assert lstmctl(*arguments).code == 0
        return [message for message in caplog.messages if "has only the label" in message]

    quick = ["requests.yaml", "training.budget=2 steps", "--quiet"]
    assert warned("train", *quick) == [validation, test]
    assert warned("evaluate", "--split", "test") == [test]
    assert warned("evaluate", "--split", "training") == []
    assert warned("evaluate", "latest", "new.csv") == ["the table has only the label `on`, so its scores say little"]
    assert warned("compare", "rnn", "gru", "--config", *quick, "--seeds", "2") == [validation, test]
    assert f"warning: {test}\n" in lstmctl("data", "show", "requests.yaml").err
