"""Odd files in the folders of runs, comparisons and sweeps: named, with exit code 4, and never waited for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lstmctl.comparison import resume
from lstmctl.comparison.plan import read_plan
from lstmctl.errors import RunError
from lstmctl.runs.comparisons import are_folder_names, summarise_sweep
from lstmctl.runs.facts import KINDS
from tests.conftest import Command, Trained


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


ODD_FILES: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "sparse": _sparse,
    "folder": Path.mkdir,
    "circle": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("way", ODD_FILES)
@pytest.mark.parametrize("name", ["run.json", "encoding.json", "checkpoints/pointers.json"])
def test_a_file_that_is_not_plain_is_an_error_of_the_run(
    name: str, way: str, trained: Trained, lstmctl: Command, caplog: pytest.LogCaptureFixture
) -> None:
    path = trained("small").path / name
    path.unlink()
    ODD_FILES[way](path)
    code, _, err = lstmctl("generate", str(path.parents[name.count("/")]), "--length", "3")
    if name == "checkpoints/pointers.json":  # the checkpoints can be found without it
        assert (code, "searching the folder instead" in caplog.text) == (0, True), err
    else:
        assert code == 4, err
        assert "error: " in err


@pytest.mark.parametrize("way", ODD_FILES)
@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.txt", "evaluation.json", "holder"])
def test_resuming_waits_for_no_file(name: str, way: str, trained: Trained, lstmctl: Command) -> None:
    run = trained("small")
    path = run.path / name
    path.unlink(missing_ok=True)
    ODD_FILES[way](path)
    run.folder.update(status="interrupted")
    code, _, err = lstmctl("train", "--resume", str(run.path))
    assert code in (0, 4, 6), err


WRONG: dict[str, Any] = {"text": [1], "number": "1", "whole": 1.5, "JSON": "x", "true": 1, "list": {}}


@pytest.mark.parametrize("key", KINDS)
def test_a_fact_of_another_type_is_named(key: str, trained: Trained, lstmctl: Command) -> None:
    run = trained("small")
    path = run.path / "run.json"
    what, _ = KINDS[key]
    wrong = next(value for word, value in WRONG.items() if word in what)
    path.write_text(json.dumps({**json.loads(path.read_text()), key: wrong}))
    code, _, err = lstmctl("runs", "show", str(run.path))
    assert (code, err) == (4, f"error: {path} is damaged: `{key}` is not {what}\n")
    assert lstmctl("runs", "list").code == 0


@pytest.mark.parametrize("value", [None, 5, [], {}, "x", [None], {"kind": 1}, {"kind": "characters", "symbols": 5}])
def test_an_encoding_of_another_shape_is_an_error_of_the_run(value: object, trained: Trained, lstmctl: Command) -> None:
    for name, verb in (("small", "generate"), ("waves", "forecast"), ("places", "evaluate")):
        run = trained(name)
        (run.path / "encoding.json").write_text(json.dumps(value))
        code, _, err = lstmctl(verb, str(run.path))
        assert code == 4, (name, err)


@pytest.mark.parametrize("key", ["step", "parameters", "steps", "status", "device"])
def test_a_fact_that_is_missing_is_named(key: str, trained: Trained, lstmctl: Command) -> None:
    run = trained("small")
    path = run.path / "run.json"
    facts = json.loads(path.read_text())
    del facts[key]
    path.write_text(json.dumps({**facts, "status": "interrupted"}))
    code, _, err = lstmctl("train", "--resume", str(run.path))
    assert code in (0, 4), err
    assert "bug in lstmctl" not in err


@pytest.mark.parametrize("key", ["seeds", "arms"])
def test_a_plan_has_seeds_and_arms(key: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps({"format": 1, key: []}))
    with pytest.raises(RunError, match=r"plan\.json is damaged: "):
        read_plan(tmp_path, trust=False)


@pytest.mark.parametrize("name", ["..", ".", "", "/", "a/b", "../a", "a\0", 5, None])
def test_the_comparisons_of_a_sweep_lie_inside_it(name: object, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    names = ["a", name]
    assert not are_folder_names(names)
    (folder / "sweep.json").write_text(
        json.dumps({"format": 1, "key": "data.length", "values": [1, 2], "comparisons": names})
    )
    with pytest.raises(RunError, match="is damaged: it names no comparisons"):
        resume(folder)
    assert summarise_sweep(folder)["status"] == "damaged"
