"""The index of many runs: it saves reading them, and says nothing that their own files do not say."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lstmctl.errors import RunError
from lstmctl.runs import index
from lstmctl.runs.folder import RunFolder, find_run, list_runs, next_order
from lstmctl.runs.index import INDEX, read_facts
from lstmctl.runs.summary import summarise
from tests.conftest import Command


def made(root: Path, count: int) -> None:
    for number in range(count):
        path = root / f"run-{number:04d}"
        path.mkdir(parents=True)
        facts = {
            "format": 1,
            "order": count - number,
            "status": "finished",
            "task": "regression",
            "step": 3,
            "steps": 9,
        }
        metrics = {"test": {"mae": number + 0.5}}
        (path / "run.json").write_text(json.dumps({**facts, "metrics": metrics, "data": {"files": ["/a/b.csv"]}}))
        (path / "last.safetensors").touch()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(index, "WORTH_KEEPING", 20)
    made(tmp_path / "runs", 50)
    return tmp_path / "runs"


def test_a_listing_reads_each_run_once(root: Path) -> None:
    read: list[str] = []

    def reading(path: Path) -> Mapping[str, Any]:
        read.append(path.name)
        return RunFolder(path).info()

    first = read_facts(root, reading)
    assert len(read) == len(first) == 50
    assert read_facts(root, reading) == first
    assert len(read) == 50
    RunFolder(root / "run-0007").update(status="diverged")
    (root / "run-0051").mkdir()
    assert read_facts(root, reading)["run-0007"]["status"] == "diverged"
    assert read[50:] == ["run-0007"]
    (root / "run-0009" / "run.json").unlink()
    assert "run-0009" not in read_facts(root, reading)


def test_it_changes_no_listing(root: Path) -> None:
    rows = [summarise(folder) for folder in list_runs(root)]
    assert (root / INDEX).is_file()
    assert [summarise(folder) for folder in list_runs(root)] == rows
    assert [row["run"] for row in rows[:2]] == ["run-0049", "run-0048"]  # by their order, not their names
    assert rows[0]["primary"] == "49.5000 mae"
    assert rows[0]["data"] == "b.csv"
    assert rows == [summarise(RunFolder(folder.path)) for folder in list_runs(root)]
    assert find_run("latest", root).name == "run-0000"
    assert find_run(None, root, [["forecast"], ["regression"]]).name == "run-0000"
    assert next_order(root) == 51
    with pytest.raises(RunError, match=r"is of the task forecast: the newest, run-0000, is of the task regression"):
        find_run(None, root, [["forecast"]])


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"format": 2, "runs": {}}', '{"format": 1, "runs": {"run-0001": [1]}}']
)
def test_a_damaged_index_is_not_missed(root: Path, content: str) -> None:
    rows = [summarise(folder) for folder in list_runs(root)]
    (root / INDEX).write_text(content)
    assert [summarise(folder) for folder in list_runs(root)] == rows
    assert len(json.loads((root / INDEX).read_text())["runs"]) == 50  # it was written again


def test_few_runs_need_none_and_a_folder_that_may_only_be_read_gets_none(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "few", 20)
    assert len(list_runs(tmp_path / "few")) == 20
    assert not (tmp_path / "few" / INDEX).exists()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    assert len(list_runs(root)) == 50
    assert not (root / INDEX).exists()


def test_a_terminal_shows_the_newest_unless_all_are_asked_for(
    root: Path, lstmctl: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lstmctl.cli import runs

    monkeypatch.setenv("LSTMCTL_RUNS", str(root))
    monkeypatch.setattr(runs, "MOST_LISTED", 10)
    shown = lstmctl("runs", "list")
    assert [line.split()[0] for line in shown.out.splitlines()[1:]] == [
        f"run-{number:04d}" for number in range(9, -1, -1)
    ]
    assert shown.err == "40 older runs are not shown; all of them: lstmctl runs list --all\n"
    assert (len(lstmctl("runs", "list", "--all").out.splitlines()), lstmctl("runs", "list", "--all").err) == (51, "")
    assert len(json.loads(lstmctl("runs", "list", "--json").out)["runs"]) == 50


def test_a_damaged_run_is_listed_as_damaged_with_and_without_the_index(root: Path) -> None:
    (root / "run-0003" / "run.json").write_text("{")
    for _ in range(2):
        rows = {row["run"]: row["status"] for row in map(summarise, list_runs(root))}
        assert rows["run-0003"] == "damaged"
        assert len(rows) == 50
