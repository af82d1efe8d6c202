"""Data for comparisons: a text and runs so small that they can be repeated many times."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lstmctl.comparison import compare
from lstmctl.events import ComparisonEvent
from lstmctl.results.comparison import Comparison
from tests import processes

CONFIG = """\
task: {type: language-model, shape: many-to-many}
data: {text: small.txt}
model: {cell: lstm, hidden: 12, layers: 1, embedding: 8}
training: {budget: 40 steps, batch: 4, window: 16, learning_rate: 1e-2, evaluate_every: 10, save_every: 5,
  sample_every: 20, precision: float32}
threads: 1
"""

Undisturbed = tuple[Comparison, dict[str, Any], list[ComparisonEvent]]


@pytest.fixture
def config(text_file: Path) -> Path:
    """A config whose runs train within a second."""
    path = text_file.parent / "small.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def compared_once(tmp_path_factory: pytest.TempPathFactory, text: str) -> tuple[Comparison, list[ComparisonEvent]]:
    """A comparison of two arms over one seed, and its events."""
    return _compared(tmp_path_factory.mktemp("once"), text, seeds=1)


@pytest.fixture
def finished(compared_once: tuple[Comparison, list[ComparisonEvent]]) -> Path:
    """That comparison as a copy of this test's own, in `runs`."""
    path = Path(compared_once[0].path)
    return shutil.copytree(path, Path("runs", path.name))


@pytest.fixture(scope="session")
def left_by() -> Callable[[Path], dict[str, Any]]:
    """The files of a comparison's runs without fields that depend on time."""
    return _left_by


def _left_by(comparison: Path) -> dict[str, Any]:
    left: dict[str, Any] = {}
    for run in sorted(path.parent for path in comparison.glob("*/run.json")):
        info = json.loads((run / "run.json").read_text())
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        left[run.name] = {
            "final": (info["status"], info.get("metrics")),
            "rows": [{key: value for key, value in row.items() if key != "seconds"} for row in rows],
            "weights": [(run / name).read_bytes() for name in ("best.safetensors", "last.safetensors")],
        }
    return left


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, text: str) -> Undisturbed:
    """A comparison of two arms over three seeds that nothing happens to: result, what it leaves, events."""
    result, events = _compared(tmp_path_factory.mktemp("undisturbed"), text, seeds=3)
    return result, _left_by(Path(result.path)), events


def _compared(folder: Path, text: str, seeds: int) -> tuple[Comparison, list[ComparisonEvent]]:
    (folder / "small.txt").write_text(text, encoding="utf-8")
    (folder / "small.yaml").write_text(CONFIG, encoding="utf-8")
    events: list[ComparisonEvent] = []
    with pytest.MonkeyPatch.context() as patch, processes.drawn():
        patch.setenv("LSTMCTL_RUNS", str(folder / "runs"))
        return compare(["rnn", "lstm"], folder / "small.yaml", seeds=seeds, observe=events.append), events
