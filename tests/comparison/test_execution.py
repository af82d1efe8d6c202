"""Runs that several commands would make, and processes that end at inconvenient moments."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lstmctl.comparison import compare, execution
from lstmctl.comparison.execution import Exit, Job, PlannedJobs, execute, job_of
from lstmctl.comparison.plan import read_plan
from lstmctl.comparison.processes import Processes
from lstmctl.comparison.worker import make_run
from lstmctl.errors import ResourceError
from lstmctl.events import ComparisonEvent, Event, RunBegan, RunEnded
from lstmctl.locks import locked
from lstmctl.runs.folder import RunFolder


def test_a_run_that_another_command_took_and_gave_back_is_made(config: Path) -> None:
    other = ExitStack()
    began: list[str] = []

    def hear(event: ComparisonEvent) -> None:
        if isinstance(event, RunBegan):
            if not began:  # its process has just been asked for it
                folder = Path("runs/small-comparison-001", event.run)
                folder.mkdir(exist_ok=True)
                other.enter_context(locked(folder))
            began.append(event.run)
        if isinstance(event, RunEnded):
            other.close()

    with other:
        result = compare(["rnn", "lstm"], config, ["training.budget=4 steps"], seeds=1, observe=hear)
    assert began == ["rnn-seed-0", "lstm-seed-0", "rnn-seed-0"]
    assert all(arm.status == "finished" for arm in result.arms)


class TakenOnce(Processes):
    """Processes whose first run is another command's while they ask for it, and no longer when the news arrives."""

    def __init__(self) -> None:
        super().__init__(1)
        self.other: ExitStack | None = None

    def start(self, job: Job) -> None:
        if self.other is None:
            self.other = ExitStack()
            self.other.enter_context(locked(job.folder / job.run.name))
        super().start(job)

    def next(self, seconds: float) -> tuple[str, Mapping[str, Any] | Exit] | None:
        heard = super().next(seconds)
        if heard is not None and isinstance(heard[1], Exit) and self.other is not None:
            self.other.close()
        return heard


def test_a_run_that_another_command_gave_back_at_once_is_made(finished: Path) -> None:
    run = finished / "rnn-seed-0"
    shutil.rmtree(run)
    run.mkdir()
    plan = read_plan(finished, trust=False)
    began: list[ComparisonEvent] = []
    execute(finished, plan, plan.runs({"rnn": 0, "lstm": 0}), executor=TakenOnce(), observe=began.append)
    assert [event.run for event in began if isinstance(event, RunBegan)] == ["rnn-seed-0", "rnn-seed-0"]
    assert (run / "last.safetensors").is_file()


def test_a_run_that_diverged_in_the_meantime_is_not_repeated(finished: Path) -> None:
    plan = read_plan(finished, trust=False)
    run = next(run for run in plan.runs({"rnn": 0, "lstm": 0}) if run.name == "rnn-seed-0")
    RunFolder(finished / run.name).update(status="diverged")
    events: list[Event] = []
    make_run(finished, plan, run, events.append)
    assert events == []


@pytest.mark.skipif(sys.platform != "linux", reason="runs are copies of one process on Linux alone")
def test_a_run_killed_in_the_middle_of_a_message_ends_all_the_same(config: Path) -> None:
    Path("cells.py").write_text("""
import logging, os, signal, sys
from lstmctl.cells.rnn import RNN


class Mine(RNN):
    def sequence(self, *arguments, **named):
        for handler in logging.getLogger().handlers:
            if channel := getattr(handler, "channel", None):
                os.write(channel._stream.fileno(), b'{"kind": "Ste')
                os.kill(os.getpid(), signal.SIGKILL)
        return super().sequence(*arguments, **named)
""")
    with pytest.raises(ResourceError, match="mine-seed-0 was killed from outside"):
        compare(["cells:Mine", "rnn"], config, seeds=1)


def test_runs_of_other_commands_are_not_looked_at_again_with_every_message(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = read_plan(finished, trust=False)
    jobs = [(job_of(finished, plan, run), plan) for run in plan.runs({"rnn": 0, "lstm": 0})]
    for job, _ in jobs:
        (finished / job.name / "run.json").unlink()
    monkeypatch.setattr(execution, "SECONDS_BETWEEN_LOOKS", 3600.0)
    work = PlannedJobs(jobs, lambda event: None)
    with locked(finished / "rnn-seed-0"), locked(finished / "lstm-seed-0"):
        assert work.waiting() is None
    assert work.waiting() is None
    assert not work.is_done
    assert PlannedJobs(jobs, lambda event: None).waiting() == jobs[0][0]


def test_the_wait_for_a_machine_that_was_lost_names_what_to_remove(
    finished: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On a file system without locks, nobody else knows that the machine is gone."""
    run = finished / "rnn-seed-0"
    (run / "run.json").unlink()
    marker = run / "lock.held"
    marker.write_text("1\nanother-machine\n")
    plan = read_plan(finished, trust=False)

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    monkeypatch.setattr("time.sleep", lambda seconds: marker.unlink(missing_ok=True))
    execute(finished, plan, plan.runs({"rnn": 0, "lstm": 0}), executor=Processes(1), observe=lambda event: None)
    assert caplog.messages == [f"waiting for rnn-seed-0; if no command makes it any more, remove {marker}"]
    assert RunFolder(run).info()["status"] == "finished"
