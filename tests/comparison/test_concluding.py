"""After the last run: every phase is told, what was measured is kept, and Ctrl-C is answered."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from lstmctl.comparison import Interrupted, compare, resume
from lstmctl.events import ComparisonEvent, Concluding, Planned
from lstmctl.results.comparison import Comparison

Once = tuple[Comparison, list[ComparisonEvent]]
PHASES = [
    "gathering the results and scoring the baselines",
    "measuring the gradients of rnn",
    "measuring the gradients of lstm",
    "writing the report",
]


def phases(events: list[ComparisonEvent]) -> list[str]:
    return list(dict.fromkeys(event.doing for event in events if isinstance(event, Concluding)))


def test_every_phase_after_the_last_run_is_told(compared_once: Once) -> None:
    assert phases(compared_once[1]) == PHASES


def test_where_nothing_is_to_be_done_the_result_is_read(compared_once: Once, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*.json") if path.name != "plan.json"}
    events: list[ComparisonEvent] = []
    again = resume(finished, observe=events.append)
    assert isinstance(again, Comparison)
    assert events == [Planned(("rnn-seed-0", "lstm-seed-0"), ("rnn-seed-0", "lstm-seed-0"))]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    first = compared_once[0]
    assert (again.path, again.statement, again.arms, again.tests) == (
        str(finished),
        first.statement,
        first.arms,
        first.tests,
    )


def test_what_was_measured_in_a_run_is_measured_once(finished: Path) -> None:
    (finished / "comparison.json").unlink()
    events: list[ComparisonEvent] = []
    resume(finished, observe=events.append)
    assert phases(events) == [PHASES[0], PHASES[3]]
    kept = finished / "rnn-seed-0/inspections.json"
    first = json.loads(kept.read_bytes())
    assert first["step"] in (10, 20, 30, 40)
    kept.write_text(json.dumps({**first, "step": 7}))  # of other weights
    (finished / "lstm-seed-0/inspections.json").write_text("{")
    (finished / "comparison.json").unlink()
    events.clear()
    resume(finished, observe=events.append)
    assert phases(events) == PHASES
    assert json.loads(kept.read_bytes())["step"] == first["step"]


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_in_any_phase_names_the_command_that_continues(phase: str, finished: Path) -> None:
    (finished / "comparison.json").unlink()
    for kept in finished.glob("*/inspections.json"):
        kept.unlink()

    def stop(event: ComparisonEvent) -> None:
        if isinstance(event, Concluding) and event.doing == phase:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        resume(finished, observe=stop)
    assert (caught.value.signal, caught.value.again) == (signal.SIGINT, f"lstmctl compare --resume {finished}")


def test_more_seeds_are_in_the_command_that_repeats_it(finished: Path) -> None:
    plan = json.loads((finished / "plan.json").read_bytes())
    plan["command"] = "lstmctl compare rnn lstm --config small.yaml --seeds 1"
    (finished / "plan.json").write_text(json.dumps(plan))
    result = resume(finished, seeds=2, quiet=True)
    assert isinstance(result, Comparison)
    assert result.command == "lstmctl compare rnn lstm --config small.yaml --seeds 2"
    assert result.command in (finished / "report.html").read_text(encoding="utf-8")


def test_python_shows_progress_unless_it_is_quiet(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["training.budget=2 steps", "training.evaluate_every=1"]
    compare(["rnn", "lstm"], config, tiny, seeds=1)
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert lines[0] == "2 runs"
    assert [line.split()[:3] for line in lines[1:3]] == [
        ["1/2", "rnn-seed-0", "finished"],
        ["2/2", "lstm-seed-0", "finished"],
    ]
    assert lines[3:] == PHASES
    compare(["rnn", "lstm"], config, tiny, seeds=1, quiet=True)
    assert capsys.readouterr().err == ""
