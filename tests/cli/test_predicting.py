"""Labels from the command line: a table with a label column, to a table of labels."""

from __future__ import annotations

import csv
import io
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lstmctl import train
from lstmctl.cli.main import main


class Result(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Result]

CONFIG = """\
task: {type: classification}
data: {table: requests.csv}
model: {cell: gru, hidden: 8, embedding: 4}
training: {budget: 60 steps, batch: 8, learning_rate: 2e-2, precision: float32}
threads: 1
"""


@pytest.fixture
def lstmctl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process; `stdin` is what is piped into it."""

    def run(*arguments: str, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "argv", ["lstmctl", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with one that tells whether a line begins with x."""
    draw = random.Random(0)
    where = tmp_path_factory.mktemp("predicting")
    rows = [draw.choice("xy") + "".join(draw.choices("ab", k=draw.randint(0, 3))) for _ in range(150)]
    lines = ["text,label", *(f"{row},{'on' if row[0] == 'x' else 'off'}" for row in rows)]
    (where / "requests.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (where / "requests.yaml").write_text(CONFIG, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
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
    assert list(told) == ["format", "run", "predictions"]
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


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give either a FILE or --text"),
        (["--text", "xQ"], 2, "'Q' (U+0051) at position 1"),
        (["--text", ""], 2, "an empty text"),
        (["missing.csv"], 3, "`missing.csv` does not exist"),
    ],
)
def test_what_cannot_be_told_says_why(lstmctl: Command, arguments: list[str], code: int, message: str) -> None:
    result = lstmctl("predict", *arguments)
    assert (result.code, result.out) == (code, "")
    assert message in result.err


def test_the_confusion_matrix_is_drawn(runs: Path) -> None:
    (run,) = [path for path in runs.iterdir() if path.is_dir()]
    assert (run / "plots/confusion.png").stat().st_size > 5_000
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "By label" in page
    assert "How often each true label (row) was told as each label (column)." in page


def test_showing_labelled_data(lstmctl: Command, runs: Path) -> None:
    facts = json.loads(lstmctl("data", "show", str(runs.parent / "requests.yaml"), "--json").out)
    part = facts["parts"]["training"]
    assert (part["sequences"], part["shortest"], part["longest"]) == (120, 1, 4)
    assert sum(facts["labels"]["training"].values()) == 120
    shown = lstmctl("data", "show", str(runs.parent / "requests.yaml"))
    assert "off" in shown.out
