"""A comparison that is resumed elsewhere, or in a folder that somebody else made."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from lstmctl.comparison import resume
from lstmctl.comparison.execution import PlannedJobs, execute, job_of
from lstmctl.comparison.machines import Machines
from lstmctl.comparison.plan import read_plan
from lstmctl.errors import RunError
from lstmctl.events import ComparisonEvent, Concluding, RunEnded
from lstmctl.runs.folder import RunFolder
from tests.conftest import Command

RUNS = ["rnn-seed-0", "lstm-seed-0"]


def test_a_comparison_continues_without_the_gpu_it_was_planned_for(
    finished: Path, lstmctl: Command, caplog: pytest.LogCaptureFixture
) -> None:
    plan = json.loads((finished / "plan.json").read_text())
    (finished / "plan.json").write_text(json.dumps({**plan, "device": "cuda:7"}))
    shutil.rmtree(finished / RUNS[1])
    (finished / "comparison.json").unlink()
    refused = lstmctl("compare", "--resume", "latest", "--quiet")
    assert refused.code == 2
    assert "hint: device=auto uses an available device" in refused.err
    told = lstmctl("compare", "--resume", "latest", "device=cpu", "--quiet")
    assert told.code == 0, told.err
    assert "device was cuda:7 and is now cpu: times and last bits are not comparable" in caplog.text
    assert json.loads((finished / "plan.json").read_text())["device"] == "cpu"


def test_a_link_in_the_place_of_a_run_is_not_followed(finished: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (finished / RUNS[1]).rename(theirs)
    (theirs / "run.json").write_text((theirs / "run.json").read_text().replace("finished", "interrupted"))
    before = {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()}
    (finished / RUNS[1]).symlink_to(theirs)
    with pytest.raises(RunError, match="is a symbolic link, which may lead out of its folder"):
        resume(finished)
    assert {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()} == before


def test_a_run_that_was_killed_and_is_stopped_before_it_continues_has_not_ended(finished: Path) -> None:
    plan = read_plan(finished, trust=False)
    first = plan.runs({"rnn": 0, "lstm": 0})[0]
    RunFolder(finished / first.name).update(status="running")
    events: list[ComparisonEvent] = []
    job = job_of(finished, plan, first)
    PlannedJobs([(job, plan)], events.append).ended(job)
    assert [(event.run, event.status) for event in events if isinstance(event, RunEnded)] == [
        (first.name, "interrupted")
    ]


def test_waiting_for_the_runs_of_another_command_is_shown(finished: Path) -> None:
    plan = read_plan(finished, trust=False)
    first = plan.runs({"rnn": 0, "lstm": 0})[0]
    run = RunFolder(finished / first.name)
    run.update(status="interrupted")
    events: list[ComparisonEvent] = []
    with ExitStack() as other, Machines().executor() as executor:

        def finish(event: ComparisonEvent) -> None:
            events.append(event)
            if isinstance(event, Concluding):
                run.update(status="finished")
                other.close()

        other.enter_context(run.locked())
        execute(finished, plan, [first], executor=executor, observe=finish)
    assert [type(event) for event in events] == [Concluding, RunEnded]
    assert events[0] == Concluding("waiting for the runs of another command")


def test_seeds_are_not_added_while_another_command_makes_the_runs(finished: Path) -> None:
    with RunFolder(finished).locked(), pytest.raises(RunError, match="another command makes runs of") as caught:
        resume(finished, seeds=4)
    assert caught.value.hint == "without --seeds and device=, this one helps; or wait until it has ended"
