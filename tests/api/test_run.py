"""Uses of a run folder: with its data, without it, elsewhere, and as the start of another run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lstmctl import LstmctlError, Run, Sampling, load_run, train
from lstmctl.errors import ConfigError, DataError, RunError, UsageError
from tests.conftest import Trained

QUICK = ["training.budget=6 steps", "training.evaluate_every=2", "training.sample_every=6"]


@pytest.fixture
def run(trained: Trained) -> Run:
    return trained("small", *QUICK)


def refused(kind: type[LstmctlError], attempt: object, *arguments: object, **settings: object) -> LstmctlError:
    with pytest.raises(kind) as caught:
        attempt(*arguments, **settings)  # type: ignore[operator]
    return caught.value


def test_a_trained_run_is_opened_evaluated_and_written_with(small_config: Path) -> None:
    run = train(small_config, QUICK)
    opened = load_run(run.path)
    assert load_run().path == load_run("latest").path == load_run(run.name).path == run.path
    assert opened.status == "finished"
    assert opened.metrics == run.metrics
    evaluation = opened.evaluate("test")
    assert evaluation.metrics == run.metrics["test"]
    assert evaluation.split == "test"
    assert opened.evaluate().metrics == run.metrics["test"]
    assert opened.evaluate("validation").metrics == run.metrics["validation"]
    assert opened.evaluate("training").metrics != run.metrics["validation"]
    assert opened.parameters == run.info["parameters"]
    text = opened.generate("Ann ", length=12, sampling=Sampling(0.5), seed=3)[0]
    assert text == load_run(run.path).generate("Ann ", length=12, sampling=Sampling(0.5), seed=3)[0]
    assert (text.prompt, len(text.text), text.stopped) == ("Ann ", 12, "length")


def test_the_run_folder_holds_what_it_should(run: Run) -> None:
    files = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    pointers = json.loads((run.path / "checkpoints/pointers.json").read_text())
    kept = {
        f"checkpoints/step-{step}/{name}"
        for step in pointers.values()
        for name in (
            "manifest.json",
            "weights.safetensors",
            "averaged.safetensors",
            "state.safetensors",
            "state.json",
        )
    }
    expected = {
        "config.yaml",
        "run.json",
        "encoding.json",
        "evaluation.json",
        "metrics.jsonl",
        "samples.txt",
        "best.safetensors",
        "last.safetensors",
        "report.html",
        "checkpoints/pointers.json",
        *kept,
    }
    assert expected <= files
    assert {name for name in files - expected if not name.startswith("plots/")} == {"lock"}
    assert run.info["format"] == 1
    for key in ("command", "versions", "device", "precision", "threads", "kernel", "seed", "data", "started", "ended"):
        assert run.info[key] is not None, key
    assert run.info["data"]["parts"] == {"training": 6800, "validation": 850, "test": 851}
    averaged = load_file(run.path / f"checkpoints/step-{pointers['last']}/averaged.safetensors")
    last = load_file(run.path / "last.safetensors")
    assert all(torch.equal(last[name], weight) for name, weight in averaged.items())


def test_its_config_runs_again_to_the_same_weights(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    config = (run.path / "config.yaml").resolve()
    expected = (run.path / "last.safetensors").read_bytes(), run.metrics
    monkeypatch.chdir(elsewhere)
    again = train(config)
    assert again.path == Path("runs/config-lstm-001")
    assert ((again.path / "last.safetensors").read_bytes(), again.metrics) == expected
    assert (again.path / "config.yaml").read_bytes() == config.read_bytes()


def test_a_copy_without_its_corpus_still_works(small_config: Path, text_file: Path, tmp_path: Path) -> None:
    run = train(small_config, QUICK)
    text = run.generate("Bob ", length=20)
    validation = text_file.read_text()[6800 : 6800 + 850]
    shutil.copytree(run.path, tmp_path / "far/away")
    shutil.rmtree(run.path)
    text_file.unlink()
    other = tmp_path / "other.txt"
    other.write_text(validation)
    moved = load_run(tmp_path / "far/away")
    assert moved.generate("Bob ", length=20) == text
    evaluation = moved.evaluate(file=other)
    assert evaluation.metrics == moved.metrics["validation"]
    assert evaluation.split == str(other)
    error = refused(DataError, moved.evaluate)
    assert str(error).startswith(f"`{text_file}` does not exist; looked in ")


def test_data_that_changed_is_not_scored_as_if_it_had_not(small_config: Path, text_file: Path) -> None:
    run = train(small_config, QUICK)
    text_file.write_text(text_file.read_text() + "Ann.\n")
    error = refused(DataError, run.evaluate)
    assert str(error).startswith(f"{text_file} has changed since {run.name} was trained: SHA-256 ")
    assert error.hint == (f"put the old data back, or score the changed data: lstmctl evaluate {run.path} {text_file}")


def test_symbols_it_never_saw_are_scored_as_the_nearest_known_ones(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("Ann sees\na Sée.\n")
    found = run.evaluate(file=other)
    other.write_text("Ann sees\na see.\n")
    known = run.evaluate(file=other)
    assert known.notes == ()
    assert found.notes == (
        "2 of 16 characters are unknown to the run, and are read and scored as the nearest known ones: 'S', 'é'.",
    )
    assert found.metrics == known.metrics


def test_with_a_test_part_the_best_weights_speak_and_without_the_last(small_config: Path) -> None:
    # A rate so high that it only gets worse: the best weights are not the last.
    settings = [
        *QUICK,
        "training.evaluate_every=1",
        "training.learning_rate=10",
        "training.schedule=constant",
        "training.average=null",
    ]
    three = train(small_config, settings)
    two = train(small_config, [*settings, "data.split=[0.8, 0.2]"])
    for run in (three, two):
        pointers = json.loads((run.path / "checkpoints/pointers.json").read_text())
        assert pointers["best"] < pointers["last"] == 6
    assert three.info["headline"] == "best"
    assert two.info["headline"] == "last"
    assert two.metrics["test"] is None
    assert three.metrics["test"] is not None
    for run, name in ((three, "best"), (two, "last")):
        weights, model = load_file(run.path / f"{name}.safetensors"), run.model.state_dict()
        assert all(torch.equal(weights[key], model[key]) for key in model)
        other = load_file(run.path / f"{'last' if name == 'best' else 'best'}.safetensors")
        assert not all(torch.equal(other[key], model[key]) for key in model)
    error = refused(UsageError, two.evaluate, "test")
    assert str(error) == f"{two.name} has no test part; it has training, validation"


def test_a_run_can_start_from_anothers_weights(run: Run, small_config: Path, text_file: Path) -> None:
    settings = [*QUICK, "training.budget=1 steps", "training.learning_rate=1e-7", "training.average=null"]
    started = train(small_config, settings, init_from=run.name)
    assert started.path != run.path
    assert started.info["initialised_from"] == run.name
    weights, before = started.model.state_dict(), run.model.state_dict()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=1e-5)
    fresh = train(small_config, settings).model.state_dict()
    assert not torch.allclose(fresh["head.weight"], before["head.weight"], atol=1e-3)


def test_anothers_weights_must_fit(run: Run, small_config: Path, text_file: Path) -> None:
    error = refused(RunError, train, small_config, [*QUICK, "model.hidden=13"], init_from=run.name)
    assert str(error) == (
        f"the weights of {run.name} do not fit: it was trained with model.hidden=12, and this config has "
        "model.hidden=13"
    )
    for layers in (1, 3):
        error = refused(RunError, train, small_config, [*QUICK, f"model.layers={layers}"], init_from=run.name)
        assert str(error).endswith(f"trained with model.layers=2, and this config has model.layers={layers}")
    others = ["model.cell=gru", "model.embedding=9", "model.dropout=0.3", "model.residual=true"]
    error = refused(RunError, train, small_config, [*QUICK, *others], init_from=run.name)
    assert str(error).endswith(
        "trained with model.cell=lstm, model.embedding=8, and this config has model.cell=gru, model.embedding=9"
    )
    assert error.hint == "train with its network: model.cell=lstm model.embedding=8"
    mended = [*QUICK, *others, *error.hint.partition(": ")[2].split(), "training.budget=1 steps"]
    started = train(small_config, mended, init_from=run.name)
    assert started.info["initialised_from"] == run.name
    shutil.rmtree(started.path)
    error = refused(RunError, train, small_config, [*QUICK, "data.symbols=bytes"], init_from=run.name)
    assert str(error) == f"{run.name} has another vocabulary than this data: characters, not bytes"
    assert [path.name for path in Path("runs").iterdir()] == [run.name]


@pytest.mark.parametrize("tie", ["false", "true"])
def test_rows_of_symbols_are_carried_over_to_another_text(
    tie: str, small_config: Path, text_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = [*QUICK, "training.average=null", f"model.tie_embedding={tie}"]
    first = train(small_config, settings)
    vocabulary = len(first.task.encoding)
    text_file.write_text(text_file.read_text().replace(".", "") + "Zz")
    still = [*settings, "training.budget=1 steps", "training.learning_rate=1e-7"]
    second = train(small_config, still, init_from=first.name)
    assert caplog.messages == [
        f"{vocabulary - 1} of {vocabulary + 1} characters carried over from {first.name}; newly initialised: `Z`, `z`; "
        "1 of the run's do not occur"
    ]
    own, theirs = second.model.state_dict(), first.model.state_dict()
    fresh = train(small_config, still).model.state_dict()
    names = [name for name in ("input_map.weight", "head.weight", "head.bias") if name in own]
    assert len(names) == (2 if tie == "true" else 3)
    for symbol in second.task.encoding.symbols:
        number = second.task.encoding.symbols.index(symbol)
        for name in names:
            expected = (
                fresh[name][number] if symbol in "Zz" else theirs[name][first.task.encoding.symbols.index(symbol)]
            )
            torch.testing.assert_close(own[name][number], expected, rtol=0, atol=1e-5)


def test_unknown_symbols_in_a_prompt_are_named_or_replaced(run: Run) -> None:
    error = refused(UsageError, run.generate, "Ann sees Zoé")
    assert str(error) == (
        f"the prompt contains 'Z' (U+005A) at position 9 (counted from 0), which {run.name} never saw in training"
    )
    assert error.hint == "--replace-unknown uses the most similar known symbol instead"
    replaced = run.generate("ANn sées", length=10, replace_unknown=True)[0]
    assert replaced.text == run.generate("Ann sees", length=10)[0].text
    assert replaced.prompt == "ANn sées"


def test_bytes_know_every_prompt(small_config: Path) -> None:
    run = train(small_config, [*QUICK, "data.symbols=bytes"])
    assert set(run.metrics["validation"] or {}) == {
        "nats_per_byte",
        "bits_per_byte",
        "nats_per_byte_cold",
        "nats_per_byte_cold_256",
    }
    text = run.generate("Zoé 漢", length=10)[0]
    assert len(text.symbols) == 10
    assert all(len(symbol) == 4 and symbol.startswith("\\x") for symbol in text.symbols)


CELL = '''
import torch
from torch import nn

from lstmctl.cells.cell import Cell, Step

print("imported")


class MyCell(Cell):
    """h' = tanh(W x + U h) {word}"""

    def __init__(self, inputs, hidden, options):
        super().__init__(inputs, hidden, options)
        self.input, self.recurrent = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)

    def step(self, projected, state):
        hidden = torch.tanh(self.input(projected) + self.recurrent(state[0]))
        return Step(hidden, (hidden,), {})
'''


@pytest.fixture
def own_cell(tmp_path: Path) -> Path:
    path = tmp_path / "my_cell.py"
    path.write_text(CELL.replace("{word}", ""))
    return path


def test_a_cell_of_ones_own_needs_one_file(small_config: Path, own_cell: Path) -> None:
    run = train(small_config, [*QUICK, "model.cell=my_cell:MyCell"])
    assert run.path == Path("runs/small-mycell-001")
    assert run.info["kernel"] == "stepwise"
    assert (run.path / "my_cell.py").read_bytes() == own_cell.read_bytes()
    own_cell.unlink()
    error = refused(ConfigError, load_run, run.path)
    assert str(error).endswith('"my_cell:MyCell" would import code that this file names; trust it, or do not run it')
    assert error.hint == "add `--trust` if you know that code"
    opened = load_run(run.path, trust=True)
    assert opened.evaluate("test").metrics == run.metrics["test"]
    assert len(opened.generate("Ann", length=5)[0].text) == 5


def test_a_file_that_names_code_needs_trust(
    small_config: Path, own_cell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_config.write_text(small_config.read_text().replace("cell: lstm", "cell: my_cell:MyCell"))
    error = refused(ConfigError, train, small_config, QUICK)
    assert error.hint == "add `--trust` if you know that code"
    assert not Path("runs").exists()
    assert capsys.readouterr().out == ""
    assert train(small_config, QUICK, trust=True).status == "finished"
    assert "imported" in capsys.readouterr().out


def test_changed_code_is_refused_before_it_runs(
    small_config: Path, own_cell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(small_config, [*QUICK, "model.cell=my_cell:MyCell"])
    (run.path / "my_cell.py").write_text(CELL.replace("{word}", "changed"))
    capsys.readouterr()
    error = refused(RunError, load_run(run.path, trust=True).generate)
    assert str(error) == f"the source of my_cell:MyCell has changed since {run.name} was trained"
    assert capsys.readouterr().out == ""
    (run.path / "my_cell.py").unlink()
    own_cell.write_text(CELL.replace("{word}", "changed"))
    error = refused(RunError, load_run(run.path, trust=True).generate)
    assert str(error) == f"the source of my_cell:MyCell has changed since {run.name} was trained"


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("missing_cell:MyCell", "cannot be imported: ModuleNotFoundError: No module named 'missing_cell'"),
        ("my_cell:Other", "is not a class: the module my_cell has no `Other`"),
        ("again:MyCell", "is defined in another module; name it there: `my_cell:MyCell`"),
        ("__main__:MyCell", "cannot be found by another process; move the class into a separate module"),
        ("my_cell:Step", "must name a subclass of lstmctl.cells.cell.Cell"),
    ],
)
def test_what_is_not_a_cell_is_refused(
    small_config: Path, own_cell: Path, cell: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_cell.with_name("again.py").write_text("from my_cell import MyCell\n")
    monkeypatch.syspath_prepend(own_cell.parent)
    error = refused(ConfigError, train, small_config, [*QUICK, f"model.cell={cell}"])
    assert str(error) == f"model.cell — `{cell}` {problem}"


def test_a_cell_that_fails_is_named_with_its_line(small_config: Path, own_cell: Path) -> None:
    own_cell.write_text(
        CELL.replace("{word}", "imported") + "\n    def sequence(self, *a, **k):\n        raise KeyError(3)\n"
    )
    error = refused(ConfigError, train, small_config, [*QUICK, "model.cell=my_cell:MyCell"])
    line = own_cell.read_text().count("\n")
    assert str(error) == f"model.cell — my_cell:MyCell failed at my_cell.py:{line}: KeyError: 3"


def test_a_cell_that_computes_in_forward_is_refused(small_config: Path, own_cell: Path) -> None:
    own_cell.write_text(
        "from lstmctl.cells.rnn import RNN\n\n\nclass MyCell(RNN):\n    def forward(self):\n        pass\n"
    )
    error = refused(ConfigError, train, small_config, [*QUICK, "model.cell=my_cell:MyCell"])
    assert str(error) == "model.cell — my_cell:MyCell defines `forward`, which is never called"
    assert error.hint == "define `step` instead"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("from lstmctl.cells import RNN", "ImportError: cannot import name 'RNN' from 'lstmctl.cells'"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_cell_whose_own_file_fails_is_not_said_to_be_missing(
    small_config: Path, own_cell: Path, code: str, problem: str
) -> None:
    own_cell.write_text(code)
    error = refused(ConfigError, train, small_config, [*QUICK, "model.cell=my_cell:MyCell"])
    assert str(error).startswith(f"model.cell — `my_cell:MyCell` cannot be imported: {problem}")
    assert error.hint is None


def test_a_cell_that_leaves_the_program_is_named_with_its_line(small_config: Path, own_cell: Path) -> None:
    own_cell.write_text(
        CELL.replace("{word}", "imported") + "\n    def sequence(self, *a, **k):\n        raise SystemExit(3)\n"
    )
    error = refused(ConfigError, train, small_config, [*QUICK, "model.cell=my_cell:MyCell"])
    line = own_cell.read_text().count("\n")
    assert str(error) == f"model.cell — my_cell:MyCell failed at my_cell.py:{line}: SystemExit: 3"


def test_runs_that_are_none_are_refused(run: Run, tmp_path: Path) -> None:
    error = refused(RunError, load_run, "small-lstm-002")
    assert str(error) == "no run `small-lstm-002`, neither as a folder nor under runs"
    assert error.hint == "did you mean small-lstm-001?"
    Path("plain").mkdir()
    error = refused(RunError, load_run, "plain")
    assert str(error) == "plain is a folder without run.json: it is not a run of lstmctl, or was killed before it began"
    shutil.rmtree("runs")
    error = refused(RunError, load_run)
    assert (str(error), error.hint) == ("no run with a saved model under runs", "train one first: lstmctl train")
