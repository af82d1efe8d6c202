"""Comparisons found by name, summarised in one line, and not mistaken for runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lstmctl.errors import RunError
from lstmctl.locks import locked
from lstmctl.runs.comparisons import (
    find_comparison,
    list_comparisons,
    next_comparison_order,
    summarise_comparison,
    summarise_sweep,
)
from lstmctl.runs.folder import find_run, list_runs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two comparisons, the first of them finished, and a plain folder."""
    plan = {"arms": [{"name": "rnn"}, {"name": "wide"}], "seeds": [0, 1, 2]}
    for name in ("a-comparison-001", "a-comparison-002", "other"):
        (tmp_path / name).mkdir()
        if name != "other":
            (tmp_path / name / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "a-comparison-001" / "comparison.json").write_text("{}")
    return tmp_path


def test_a_comparison_is_found_by_path_by_name_and_as_the_latest(root: Path) -> None:
    first, second = root / "a-comparison-001", root / "a-comparison-002"
    assert list_comparisons(root) == [first, second]
    assert find_comparison("a-comparison-001", root) == first
    assert find_comparison(str(second), Path("elsewhere")) == second
    assert find_comparison("latest", root) == second


def test_latest_is_the_newest_that_is_not_finished_whatever_the_clock_says(root: Path) -> None:
    first, second = root / "a-comparison-001", root / "a-comparison-002"
    third, swept = root / "b-comparison-001", root / "a-sweep-001"
    plan = json.loads((first / "plan.json").read_text())
    assert next_comparison_order(root) == 1
    for folder, order in ((first, 2), (second, 1), (third, 3)):
        folder.mkdir(exist_ok=True)
        (folder / "plan.json").write_text(json.dumps({**plan, "order": order}))
        os.utime(folder / "plan.json", (10_000 - order, 10_000 - order))
    assert list_comparisons(root) == [second, first, third]
    assert next_comparison_order(root) == 4
    (third / "comparison.json").write_text("{}")
    assert find_comparison("latest", root) == second  # the first and the third are finished
    (second / "comparison.json").write_text("{}")
    assert find_comparison("latest", root) == third
    assert find_comparison("latest", root, seeds=3) == third
    (first / "plan.json").write_text(json.dumps({**plan, "order": 2, "seeds": [0]}))
    assert find_comparison("latest", root, seeds=3) == first
    inner = swept / "x-1"
    inner.mkdir(parents=True)
    (inner / "plan.json").write_text(json.dumps(plan))
    (swept / "sweep.json").write_text(json.dumps({"order": 1, "key": "x", "values": [1], "comparisons": ["x-1"]}))
    assert find_comparison("latest", root) == swept
    (inner / "comparison.json").write_text("{}")
    assert find_comparison("latest", root) == swept  # its report is missing
    assert summarise_sweep(swept)["status"] == "stopped"
    (swept / "report.html").write_text("")
    assert find_comparison("latest", root) == third
    assert summarise_sweep(swept)["status"] == "finished"


def test_what_is_not_there_gets_the_nearest_name(root: Path) -> None:
    with pytest.raises(RunError) as caught:
        find_comparison("a-comparison-01", root)
    assert caught.value.hint is not None
    assert "a-comparison-001" in caught.value.hint
    with pytest.raises(RunError, match="no comparison under"):
        find_comparison("latest", root / "other")


def test_a_line_says_what_is_compared_and_how_far_it_came(root: Path) -> None:
    def told(name: str) -> dict[str, Any]:
        return summarise_comparison(root / name)

    assert told("a-comparison-001") == {
        "comparison": "a-comparison-001",
        "path": str(root / "a-comparison-001"),
        "status": "finished",
        "arms": ["rnn", "wide"],
        "runs": 6,
    }
    assert told("a-comparison-002")["status"] == "stopped"
    with locked(root / "a-comparison-002"):
        assert told("a-comparison-002")["status"] == "running"
    (root / "a-comparison-002" / "plan.json").write_text('{"arms": 3}')
    assert told("a-comparison-002")["status"] == "damaged"


def test_a_comparison_is_not_a_run_and_lists_its_own(root: Path) -> None:
    assert list_runs(root) == []
    inner = root / "a-comparison-001" / "rnn-seed-0"
    inner.mkdir()
    (inner / "run.json").write_text('{"format": 1}')
    with pytest.raises(RunError, match="is a comparison; name one of its runs") as caught:
        find_run("a-comparison-001", root)
    assert caught.value.hint is not None
    assert "rnn-seed-0" in caught.value.hint
    assert find_run("a-comparison-001/rnn-seed-0", root).path == inner
