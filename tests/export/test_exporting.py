"""Exports compute what their runs compute, on every target."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lstmctl import Run
from lstmctl.errors import ResourceError, UsageError
from lstmctl.export import describe, export
from tests.conftest import Command, Trained
from tests.export.checks import CLOSE, TARGETS, checked

CELLS = ("rnn", "lstm", "gru", "feedforward", "layernorm-lstm", "slstm", "minlstm", "lru", "tcn")

NGRAMS = {
    "steps": ("model.ngram=0.4",),
    "bytes": ("model.ngram=1", "data.symbols=bytes"),
    "windows": ("model.ngram=0.6", "task.shape=many-to-one", "model.layers=1"),
}


def python_file(folder: Path) -> Any:
    """The module of a NumPy export."""
    spec = importlib.util.spec_from_file_location("exported", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_node(code: str) -> Any:
    """What an ES module prints as JSON."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    Path("test.mjs").write_text(code, encoding="utf-8")
    done = subprocess.run(["node", "test.mjs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("cell", CELLS)
def test_language_models(trained: Trained, cell: str, target: str) -> None:
    assert checked(trained("small", f"model.cell={cell}"), target) < CLOSE


@pytest.mark.parametrize("target", TARGETS)
def test_transformers(trained: Trained, target: str) -> None:
    settings = ["model.cell=transformer", "model.hidden=16", "model.options={context: 20, heads: 2}"]
    assert checked(trained("small", *settings), target) < CLOSE


@pytest.mark.parametrize("target", TARGETS)
def test_a_matrix_memory(trained: Trained, target: str) -> None:
    # It divides by a sum of large numbers that can be close to 0, so that rounding shows more than in other cells.
    assert checked(trained("small", "model.cell=mlstm", "model.layer_norm=true"), target) < 20 * CLOSE


@pytest.mark.parametrize("target", TARGETS)
def test_layer_norm_residual_sums_and_a_tied_embedding(trained: Trained, target: str) -> None:
    settings = ["layer_norm=true", "residual=true", "tie_embedding=true", "embedding=12"]
    assert checked(trained("small", *(f"model.{one}" for one in settings)), target) < CLOSE


@pytest.mark.parametrize("target", TARGETS)
def test_language_models_of_windows_and_of_bytes(trained: Trained, target: str) -> None:
    run = trained("small", "task.shape=many-to-one", "data.symbols=bytes", "model.layers=1")
    assert checked(run, target) < CLOSE


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", NGRAMS)
def test_language_models_with_ngrams(trained: Trained, kind: str, target: str) -> None:
    run = trained("small", "model.hidden=12", "training.budget=30 steps", *NGRAMS[kind])
    assert run.task.ngram.model.order > 1
    assert checked(run, target) < CLOSE
    assert "n-gram model with a context of" in describe(run).predictor.facts["prediction"]


def test_numpy_and_javascript_write_what_the_run_writes(trained: Trained) -> None:
    run = trained("small", "training.budget=150 steps")
    encoding, model = run.task.encoding, run.model
    numbers = encoding.encode("Ann ").tolist()
    state = model.initial_state(1)
    for length in range(44):
        step = model.step(torch.tensor([numbers[length]]), state)
        state = step.state
        if length >= 3:
            numbers.append(int(step.output.argmax()))
    expected = "".join(encoding.symbols[number] for number in numbers[4:44])
    export(run, "numpy", "as-numpy")
    assert python_file(Path("as-numpy")).write("Ann ", length=40, temperature=0) == expected
    export(run, "javascript", "as-javascript")
    written = in_node(
        'import { model } from "./as-javascript/model.js";'
        'console.log(JSON.stringify([...model.write("Ann ", { length: 40, temperature: 0 })].join("")));'
    )
    assert written == expected


def test_a_numpy_export_is_a_program(trained: Trained) -> None:
    run = trained("small")
    export(run, "numpy", "as-numpy")
    done = subprocess.run([sys.executable, "as-numpy/model.py", "Bob"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert len(done.stdout.rstrip("\n")) <= 400 < len(done.stdout) + 40
    with pytest.raises(ValueError, match="the model does not know '§'"):
        python_file(Path("as-numpy")).write("Bob §")


def test_javascript_shows_and_clamps_every_gate(trained: Trained) -> None:
    run = trained("small")
    export(run, "javascript", "as-javascript")
    told = in_node("""
import { model, UnknownSymbolError } from "./as-javascript/model.js";
const stream = model.stream();
for (const symbol of model.encode("Ann sees")) stream.step(symbol);
const shown = Object.fromEntries(Object.entries(stream.shown).map(([name, values]) => [name, [...values]]));
const before = stream.snapshot;
stream.clamp = { f_1: { value: 0 }, o_2: { value: 0, units: [3] } };
stream.step(model.encode(" ")[0]);
let refused;
try { model.encode("Ann § "); } catch (error) { refused = error instanceof UnknownSymbolError && error.position; }
const clamped = Object.fromEntries(Object.entries(stream.shown).map(([name, values]) => [name, [...values]]));
console.log(JSON.stringify({ shown, clamped, refused, before: [...before.cell_1] }));
""")
    states = ("hidden", "cell")
    assert set(told["shown"]) == {f"{name}_{layer}" for layer in (1, 2) for name in (*"ifgo", *states)}
    model, state = run.model, run.model.initial_state(1)
    for number in run.task.encoding.encode("Ann sees").tolist():
        step = model.step(torch.tensor([number]), state)
        state = step.state
    for layer, gates in enumerate(step.gates, start=1):
        for name, values in gates.items():
            torch.testing.assert_close(torch.tensor(told["shown"][f"{name}_{layer}"]), values[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.tensor(told["before"]), state[0][1][0], atol=1e-5, rtol=0)
    clamped = told["clamped"]
    assert clamped["f_1"] == [0] * 12
    product = [i * g for i, g in zip(clamped["i_1"], clamped["g_1"], strict=True)]
    assert clamped["cell_1"] == pytest.approx(product, abs=1e-6)
    assert clamped["hidden_2"][3] == 0
    assert clamped["hidden_2"][2] != 0
    assert told["refused"] == 4


def test_half_precision_is_smaller_and_less_exact(trained: Trained) -> None:
    run = trained("small")
    single = export(run, "numpy", "single")
    half = export(run, "numpy", "half", precision="float16")
    assert half.difference is not None
    assert single.difference is not None
    assert single.difference < CLOSE < half.difference < 0.05
    with pytest.raises(UsageError, match="may be float32 or float16, not int8"):
        export(run, "numpy", "other", precision="int8")
    whole = export(run, "c", "whole")
    small = export(run, "c", "small", precision="int8")
    assert small.files["model.c"] < 0.7 * whole.files["model.c"]
    if small.unchecked is None:
        assert small.difference is not None
        assert CLOSE < small.difference < 0.2


OWN_CELL = """
import torch
from torch import nn
from lstmctl.cells.cell import Cell, Step

class Own(Cell):
    gates = ("k",)

    def __init__(self, inputs, hidden, options):
        super().__init__(inputs, hidden, options)
        self.input = nn.Linear(inputs, 2 * hidden)
        self.recurrent = nn.Parameter(torch.empty(hidden, 2 * hidden))

    def project(self, input):
        return self.input(input)

    def step(self, projected, state):
        (hidden,) = state
        k, n = (projected + hidden @ self.recurrent).chunk(2, dim=-1)
        k = k.sigmoid()
        hidden = hidden + k * (EQUATION - hidden)
        return Step(hidden, (hidden,), {"k": k})
"""


def own_cell(folder: Path, trained: Trained, name: str, equation: str) -> Run:
    from lstmctl import load_run, train

    (folder / f"{name}.py").write_text(OWN_CELL.replace("EQUATION", equation), encoding="utf-8")
    run = train(trained.configs["small"], [f"model.cell={name}:Own", "training.budget=5 steps"], trust=True)
    return load_run(run.path, trust=True)


@pytest.mark.parametrize("target", TARGETS)
def test_a_users_own_cell(trained: Trained, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"own_{target}"
    assert checked(own_cell(tmp_path, trained, name, "torch.tanh(n)"), target) < CLOSE


def test_a_cell_that_cannot_be_exported_is_refused(trained: Trained, tmp_path: Path) -> None:
    run = own_cell(tmp_path, trained, "odd", "torch.erf(n)")
    with pytest.raises(UsageError, match=r"cell Own cannot be exported: its step uses torch\.erf"):
        export(run, "numpy", "odd")
    assert not Path("odd").exists()


def test_the_command(trained: Trained, lstmctl: Command) -> None:
    run = trained("small")
    done = lstmctl("export", run.name, "--to", "numpy", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["format"] == 1
    assert told["path"] == f"{run.name}-numpy"
    assert told["difference"] < CLOSE
    assert told == json.loads(Path(told["path"], "export.json").read_text())
    assert sorted(told["files"]) == ["model.py", "weights.npz"]
    again = lstmctl("export", run.name, "--to", "numpy")
    assert again.code == 2
    assert "already exists" in again.err
    assert "--force" in again.err
    forced = lstmctl("export", run.name, "--to", "numpy", "--force")
    assert forced.code == 0
    assert "largest difference" in forced.out
    assert lstmctl("export", run.name, "--to", "fortran").code == 2
    assert "--to is missing" in lstmctl("export", run.name).err


def test_nothing_but_an_export_is_replaced(trained: Trained) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("kept")
    with pytest.raises(UsageError, match="mine is not an export"):
        export(trained("small"), "numpy", "mine", force=True)
    assert Path("mine/notes.txt").read_text() == "kept"


def test_a_full_disk_leaves_the_old_export(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    run = trained("small")
    export(run, "numpy", "out")
    before = sorted(path.name for path in Path().iterdir())

    def full(*arguments: Any, **settings: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(ResourceError, match="out cannot be written: No space left"):
            export(run, "numpy", "out", force=True)
    assert sorted(path.name for path in Path().iterdir()) == before
    assert python_file(Path("out")).read_symbols("A") == run.task.encoding.encode("A").tolist()


def test_a_run_without_weights_is_refused(trained: Trained, lstmctl: Command) -> None:
    run = trained("small")
    shutil.rmtree(run.path / "checkpoints")
    done = lstmctl("export", run.name, "--to", "numpy")
    assert done.code == 4
    assert not Path(f"{run.name}-numpy").exists()


@pytest.mark.parametrize(
    ("target", "file", "lacking"), [("javascript", "model.js", "node"), ("c", "model.c", "no C compiler")]
)
def test_without_what_runs_it_an_export_is_unchecked(
    trained: Trained, lstmctl: Command, monkeypatch: pytest.MonkeyPatch, target: str, file: str, lacking: str
) -> None:
    run = trained("small")
    monkeypatch.setenv("PATH", "")
    done = lstmctl("export", run.name, "--to", target)
    assert done.code == 0
    assert f"Unchecked: {lacking}" in done.out
    assert Path(f"{run.name}-{target}", file).exists()


def test_onnx_names_its_extra_where_it_is_missing(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match="needs the package onnx") as raised:
        export(trained("small"), "onnx", "model")
    assert raised.value.hint == "pip install 'lstmctl[onnx]'"
    assert not Path("model").exists()


def test_decomposed_syllables_are_refused(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "korean.txt").write_text("한국어 문장입니다. " * 200, encoding="utf-8")
    settings = [f"data.text={tmp_path / 'korean.txt'}", "data.symbols=decomposed", "training.budget=3 steps"]
    with pytest.raises(UsageError, match="decomposed Hangul syllables cannot be exported"):
        export(trained("small", *settings), "numpy", "korean")


def test_the_graph_of_an_lstm_names_its_equations(trained: Trained) -> None:
    step = describe(trained("small")).predictor.functions["step"]
    assert list(step.shown.values()) == [
        f"{name}_{layer}" for layer in (1, 2) for name in ("i", "f", "g", "o", "hidden", "cell")
    ]
    assert step.carried == ("hidden_1", "cell_1", "hidden_2", "cell_2")


def test_an_ngram_model_can_be_left_out(trained: Trained, lstmctl: Command) -> None:
    run = trained("small", "model.hidden=12", "training.budget=30 steps", *NGRAMS["steps"])
    done = lstmctl("export", run.name, "--to", "numpy", "--without", "n-gram", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["difference"] < CLOSE
    own = run.metrics[told["left_out"]["part"]]
    assert own is not None
    assert told["left_out"]["shares"] == {"n-gram": 0.4}
    assert told["left_out"]["metric"] == "nats_per_character"
    assert told["left_out"]["with_them"] == pytest.approx(own["nats_per_character"], abs=1e-6)
    assert run.task.ngram is not None
    run.task.ngram = None
    alone = run.score(run.corpus(), "test").metrics["nats_per_character"]
    assert told["left_out"]["without_them"] == pytest.approx(alone, abs=1e-6)
    assert "left out: n-gram (40 % of a prediction); nats per character: " in Path(told["path"], "model.py").read_text()
    assert not hasattr(python_file(Path(told["path"])), "counts_1")
    refused = lstmctl("export", run.name, "--to", "c", "--without", "theta")
    assert refused.code == 2
    assert "contain no theta; besides the network, they contain n-gram" in refused.err
