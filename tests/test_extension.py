"""Adding a metric, a cell, a baseline, a task and a renderer takes one object each, and a line in a table.

The test does what a contributor would do, in a copy of the package, and looks for what was added wherever results are
shown. `ADDED` is the whole change.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import lstmctl
from lstmctl import bundled

CELL = '''
"""A vanilla network that forgets a tenth of its state at every step."""

import torch
from torch import Tensor, nn

from lstmctl.cells.cell import Cell, CellOptions, State, Step


class Leaky(Cell):
    """h' = 0.9 h + 0.1 tanh(W x + U h)."""

    states = ("hidden",)

    def __init__(self, inputs: int, hidden: int, options: CellOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.read = nn.Linear(inputs, hidden, bias=False)
        self.recur = nn.Linear(hidden, hidden, bias=False)

    def step(self, projected: Tensor, state: State) -> Step:
        (hidden,) = state
        hidden = 0.9 * hidden + 0.1 * torch.tanh(self.read(projected) + self.recur(hidden))
        return Step(hidden, (hidden,), {})
'''
TASK = '''
"""Predict the symbol before every position: a language model that reads from the end of a text to its start."""

import math
from dataclasses import replace

from lstmctl.tasks.language_model import LanguageModel


class Backwards(LanguageModel):
    """The task `backwards`."""

    @staticmethod
    def open(settings, config_folder):
        corpus = LanguageModel.open(settings, config_folder)
        return replace(corpus, symbols=corpus.symbols[::-1].copy())

    def metrics(self, totals):
        return {**super().metrics(totals), "perplexity": math.exp(totals["nats"] / totals["symbols"])}
'''
SETTINGS = '''class Backwards(LanguageModel):
    """Predict the previous symbol of a text."""

    type: Literal["backwards"] = Field(default="backwards", description="What is learned")


'''
RENDERER = '''
"""Tables with tabs between the columns."""

from lstmctl.reporting.blocks import Table


def tabbed(blocks, command):
    """The rows of all tables."""
    tables = [block for block in blocks if isinstance(block, Table)]
    return "".join("\\t".join(row) + "\\n" for table in tables for row in (table.columns, *table.rows))
'''
NEW = {"cells/leaky.py": CELL, "tasks/backwards.py": TASK, "reporting/tabbed.py": RENDERER}
ADDED = [
    ("metrics/catalogue.py", "METRICS = (\n", '    Metric("perplexity", "perplexity", "ratio"),\n'),
    ("registry.py", "CELLS: Mapping[str, str] = {\n", '    "leaky": "lstmctl.cells.leaky:Leaky",\n'),
    ("registry.py", "TASKS: Mapping[str, str] = {\n", '    "backwards": "lstmctl.tasks.backwards:Backwards",\n'),
    ("registry.py", "TABLE_FORMS: Mapping[str, str] = {\n", '    "tabbed": "lstmctl.reporting.tabbed:tabbed",\n'),
    ("config/schema.py", "AnyTask = Annotated[\n", "    Backwards\n    | "),
    (
        "tasks/language_model.py",
        '        "uniform": _uniform,\n',
        '        "two nats": lambda task, corpus, split: task.metrics({"nats": 2.0, "symbols": 1.0}),\n',
    ),
]
"""File, the line of it that the new one follows, and the new line."""
OVERRIDES = [
    *("task.type=backwards", "data.split=[6000,1000,1000]", "training.budget=3 steps", "training.window=16"),
    *("training.batch=4", "model.hidden=6", "threads=1"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder next to a copy of the package in which everything is added."""
    root = tmp_path_factory.mktemp("extension")
    package = root / "source" / "lstmctl"
    ignored = shutil.ignore_patterns("__pycache__", "_bundled")
    shutil.copytree(Path(lstmctl.__file__).parent, package, ignore=ignored)
    for kind in ("configs", "data"):
        (root / "source" / kind).symlink_to(getattr(bundled, kind)())
    for name, content in NEW.items():
        (package / name).write_text(content.lstrip("\n"))
    for name, before, line in ADDED:
        text = (package / name).read_text()
        assert text.count(before) == 1, (name, before)
        (package / name).write_text(text.replace(before, before + line))
    schema = package / "config/schema.py"
    text = schema.read_text()
    schema.write_text(text.replace("class TextData(Section):", SETTINGS + "class TextData(Section):", 1))
    (root / "work").mkdir()
    return root


SESSION = """
import contextlib, io, json, sys
from tests import processes
processes.leave_figures_blank()
from lstmctl.cli.main import main

ended = []
for words in json.loads(sys.argv[1]):
    sys.argv, out, err = ["lstmctl", *words], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.suppress(SystemExit):
        main()
    ended.append((out.getvalue(), err.getvalue()))
print(json.dumps(ended))
"""


def run(folder: Path, *commands: Sequence[str]) -> list[tuple[str, str]]:
    """What each command prints to stdout and stderr, all of them in one process of the copied package."""
    here = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", SESSION, json.dumps(commands)],
        cwd=folder / "work",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "source"), str(here)]), "LSTMCTL_RUNS": "runs"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(printed) for printed in json.loads(done.stdout)]


def test_what_is_added_shows_wherever_results_are_shown(folder: Path) -> None:
    training, evaluation, shown, comparison, table, usage, schema, check = run(
        folder,
        ["train", "travellers", "model.cell=leaky", *OVERRIDES, "--json"],
        ["evaluate", "latest", "--json"],
        ["evaluate", "latest"],
        ["compare", "rnn", "leaky", "--config", "travellers", "--seeds", "1", *OVERRIDES, "--json"],
        ["compare", "--resume", "latest", "--table", "tabbed", "--quiet"],
        ["compare", "--help"],
        ["config", "schema"],
        ["config", "check", "travellers", "task.type=backwards"],
    )
    trained = json.loads(training[0])
    assert trained["cell"] == "leaky"
    assert trained["metrics"]["test"]["perplexity"] > 1
    evaluated = json.loads(evaluation[0])
    assert evaluated["baselines"]["two nats"]["nats_per_character"] == 2.0
    assert evaluated["metrics"]["perplexity"] == pytest.approx(trained["metrics"]["test"]["perplexity"])
    assert "perplexity" in "".join(shown)
    assert "two nats" in "".join(shown)
    page = (folder / "work" / trained["run"] / "report.html").read_text(encoding="utf-8")
    assert "perplexity" in page
    assert "two nats" in page
    assert "backwards" in page

    compared = json.loads(comparison[0])
    assert [arm["name"] for arm in compared["arms"]] == ["rnn", "leaky"]
    assert "two nats" in compared["baselines"]
    assert compared["arms"][1]["runs"][0]["metrics"]["test"]["perplexity"] > 1
    assert [line.split("\t")[0] for line in table[0].splitlines()[1:3]] == ["rnn", "leaky"]
    assert "tabbed" in usage[0]
    assert "backwards" in schema[0]
    assert "backwards" not in check[1]
