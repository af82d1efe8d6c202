"""A small bench from its rows to its report, and which rows a second one makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lstmctl.comparison import bench as benches
from lstmctl.comparison.bench import Profile, Setup, bench
from lstmctl.comparison.machines import Machines
from lstmctl.errors import UsageError
from lstmctl.events import ComparisonEvent, Planned
from tests.conftest import Command

SMALL = Profile(
    tests=(
        Setup("parity", ("training.budget=4 steps", "data.length=6", "data.test_lengths=[12]", "data.held_out=40")),
        Setup("first-symbol", ("training.budget=4 steps", "data.length=5", "data.held_out=40")),
    ),
    tune=("training.learning_rate=3e-3,1e-2",),
    seeds=2,
    cells=("rnn", "mingru"),
)


def test_rows_are_made_once_and_only_new_cells_are_trained(monkeypatch: pytest.MonkeyPatch, empty_folder: Path) -> None:
    monkeypatch.setitem(benches.PROFILES, "quick", SMALL)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    made: list[str] = []

    def observe(event: ComparisonEvent) -> None:
        if isinstance(event, Planned):
            made.extend(name for name in event.runs if name not in event.finished)

    first = bench("quick", ["rnn"], tests=["parity"], machines=Machines(), observe=observe)
    assert len(made) == 2 + 2  # two rates, two seeds
    assert [(row.test, row.cell) for row in first.rows] == [("parity", "rnn")]
    made.clear()
    whole = bench("quick", machines=Machines(), observe=observe)
    assert len(made) == 3 * 4  # the fourth row is there
    made.clear()
    assert bench("quick", machines=Machines(), observe=observe) == whole
    assert made == []
    assert whole.row("parity", "rnn") == first.row("parity", "rnn")
    row = whole.row("parity", "mingru")
    assert row.skills == tuple((value - 0.5) / 0.5 for value in row.values if value is not None)
    assert list(row.by_length) == [6, 12]
    assert {test.name: (test.baseline, test.level) for test in whole.tests} == {
        "parity": ("chance", 0.5),
        "first-symbol": ("chance", 0.5),
    }
    page = (Path(whole.path) / "report.html").read_text(encoding="utf-8")
    assert "Mean rank over the tests" in page
    assert "accuracy by length, from 6" in page
    assert "mingru" in (Path(whole.path) / "table.tex").read_text(encoding="utf-8")


def test_the_command_prints_the_result_as_json(
    monkeypatch: pytest.MonkeyPatch, empty_folder: Path, lstmctl: Command
) -> None:
    monkeypatch.setitem(benches.PROFILES, "quick", SMALL)
    printed = json.loads(lstmctl("bench", "rnn", "--test", "first-symbol", "--json", "--quiet").out)
    assert [row["cell"] for row in printed["rows"]] == ["rnn"]
    assert printed["standings"][0]["rank"]["value"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"profile": "fast"}, "--profile fast: use one of quick, full"),
        ({"tests": ["sums"]}, "`sums` is not a test of quick; use parity, anbn"),
    ],
)
def test_unknown_profiles_and_tests_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        bench(**arguments, machines=Machines(), observe=lambda event: None)  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)
