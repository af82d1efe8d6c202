"""Execution of a plan's runs, each in a separate process, some in parallel; an executor decides where."""

from __future__ import annotations

import logging
import random
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lstmctl.api.memory import BYTES_OF_A_PROCESS, least_memory
from lstmctl.comparison.messages import error_of, event_of
from lstmctl.comparison.plan import Plan, PlannedRun, differences
from lstmctl.config import load
from lstmctl.errors import InUseError, LstmctlError, ResourceError, RunError
from lstmctl.events import ComparisonEvent, Concluding, Event, RunBegan, RunEnded, RunEvent
from lstmctl.locks import MARKER, is_locked
from lstmctl.registry import is_user_class
from lstmctl.runs.comparisons import PLAN
from lstmctl.runs.folder import FINAL, RunFolder
from lstmctl.training.interruption import Interruption

log = logging.getLogger(__name__)

Observer = Callable[[ComparisonEvent], None]
PATIENCE = 0.2
"""Seconds between looks at whether to stop."""
SECONDS_BETWEEN_LOOKS = 1.0
"""Between looks at the runs that other commands make."""
SECONDS_FOR_A_REPORT = 3600.0
"""Limit on the wait for another command to write the report, once all runs are finished."""


class Interrupted(Exception):  # noqa: N818  # no error: someone asked for it
    """A signal asked for an end; every run was saved, unless it asked for it at once."""

    def __init__(self, signal: int, *, is_saved: bool = True) -> None:
        super().__init__(f"signal {signal}")
        self.signal, self.is_saved = signal, is_saved
        self.again = ""
        """The command to continue."""


@dataclass(frozen=True)
class Job:
    """A planned run that an executor makes."""

    folder: Path
    """The folder with its `plan.json`."""
    run: PlannedRun
    threads: int
    on_gpu: bool
    memory: int
    """Bytes of main memory that it needs at least."""
    title: str = ""

    @property
    def name(self) -> str:
        """Its name in events and messages."""
        return self.title or self.run.name


@dataclass(frozen=True)
class Exit:
    """The process of a job has ended."""

    code: int
    """Negative for a signal."""
    last_line: str = ""
    """Of its stderr: empty, unless it failed in an unforeseen way."""


class Executor(Protocol):
    """A place for jobs: processes of this machine, its GPUs, or a cluster."""

    def has_room(self) -> bool:
        """Return True if another job can start now."""

    def start(self, job: Job) -> None:
        """Start a job, which continues from its last checkpoint if it has one."""

    def stop(self, name: str) -> None:
        """Ask a job to finish its step, save and end."""

    def next(self, seconds: float) -> tuple[str, Mapping[str, Any] | Exit] | None:
        """Return the name of a job and its next message; `Exit` is the last one. None if none arrives in time."""

    def close(self) -> None:
        """End everything at once."""


class Work(Protocol):
    """The jobs to do, and what becomes of them."""

    def waiting(self) -> Job | None:
        """Return the job to start next; None if there is none now, that is, not before another one has ended."""

    def began(self, job: Job) -> None:
        """Take note that the waiting job has been started."""

    def heard(self, job: Job, event: Event) -> bool:
        """Take an event; return True to stop the job."""

    def ended(self, job: Job) -> None:
        """Take note that a job is finished, diverged, or was stopped."""

    def failed(self, job: Job, error: LstmctlError) -> LstmctlError | None:
        """Take note that a job failed; return the error that ends all work, if it does."""


def info_of(folder: Path, run: PlannedRun) -> dict[str, Any]:
    """The contents of `run.json` of a planned run; empty if it has not begun."""
    path = RunFolder(folder / run.name)
    return path.info() if (path.path / "run.json").is_file() else {}


def status_of(folder: Path, run: PlannedRun) -> str | None:
    """The status of a planned run; None if it has not begun."""
    return info_of(folder, run).get("status")


def value_of(info: Mapping[str, Any], run: PlannedRun, plan: Plan) -> float | None:
    """The primary metric of a run on the reported part, for tuning on validation; None unless it finished.

    Args:
        info: its `run.json`.
    """
    if info.get("status") != "finished":
        return None
    figures = info.get("metrics", {}).get("validation" if run.for_tuning else plan.split) or {}
    value = figures.get(plan.primary)
    return None if value is None else float(value)


def require_as_planned(folder: Path, plan: Plan, run: PlannedRun) -> None:
    """Refuse a run that was begun with other settings than its plan has: it is of another comparison.

    Raises:
        RunError: its settings differ.
        ConfigError: its config is damaged, or names code that the plan does not.
    """
    settings = plan.settings(run)
    path = RunFolder(folder / run.name).config_path()
    # The plan's cell was consented to; a config that names another one was not.
    found = load(str(path), trust=is_user_class(settings.model.cell)).settings
    for key, planned, other in differences(settings, found):
        raise RunError(
            f"{folder / PLAN} plans {run.name} with {key} {planned}, but {path} has {other}",
            hint=f"put back the file that does not belong here, or remove {folder / run.name} to train it anew",
        )


def carry_out(work: Work, executor: Executor) -> None:
    """Do all work. A run that diverges is not a failure.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the runs that were going have been saved.
        LstmctlError: the first error that ends all work; the runs in parallel with it have been saved.
    """
    active: dict[str, Job] = {}
    stopped: set[str] = set()
    told: dict[str, LstmctlError] = {}
    failure: LstmctlError | None = None
    with Interruption() as interruption:
        try:
            while True:
                while failure is None and not interruption():
                    if not executor.has_room() or (job := work.waiting()) is None:
                        break
                    executor.start(job)
                    active[job.name] = job
                    work.began(job)
                if not active:
                    break
                if interruption() or failure is not None:
                    _stop(active.keys() - stopped, stopped, executor)
                if (heard := executor.next(PATIENCE)) is None:
                    continue
                name, message = heard
                job = active[name]
                if not isinstance(message, Exit):
                    if (event := event_of(message)) is not None:
                        if work.heard(job, event) and name not in stopped:
                            _stop([name], stopped, executor)
                    elif message.get("kind") == "warning" and name not in stopped:
                        # An interrupted run prints the command to resume it alone.
                        log.warning("%s: %s", name, message.get("text"))
                    elif message.get("kind") == "error":
                        told[name] = error_of(message, name)
                    continue
                del active[name]
                problem = told.pop(name, None) or _problem(job, message, is_stopped=name in stopped)
                if problem is None:
                    work.ended(job)
                else:
                    failure = failure or work.failed(job, problem)
        except Exception:  # raised by the observer: let the runs save first
            _stop(active.keys() - stopped, stopped, executor)
            while active:
                if (heard := executor.next(PATIENCE)) is not None and isinstance(heard[1], Exit):
                    active.pop(heard[0], None)
            raise
        finally:
            executor.close()  # after a second Ctrl-C, runs are still going
    if failure is not None:
        raise failure
    if interruption.signal is not None:
        raise Interrupted(interruption.signal)


def _stop(names: Iterable[str], stopped: set[str], executor: Executor) -> None:
    for name in list(names):
        stopped.add(name)
        executor.stop(name)


class PlannedJobs:
    """Work: jobs with their plans, in order, except those done earlier; the first one that fails ends all.

    Another command may make runs of the same plans. The lock on a run's folder claims it: while another process holds
    it, the run is left alone.
    """

    def __init__(self, jobs: Iterable[tuple[Job, Plan]], observe: Observer) -> None:
        known = list(jobs)
        self.observe = observe
        self._plans = {job.name: plan for job, plan in known}
        self._pending = deque(job for job, _ in known if status_of(job.folder, job.run) not in FINAL)
        self._next_look = 0.0

    @property
    def is_done(self) -> bool:
        """True if every job has ended or is in progress here."""
        return not self._pending

    def waiting(self) -> Job | None:
        if time.monotonic() < self._next_look:
            return None
        for _ in range(len(self._pending)):
            job = self._pending[0]
            if status_of(job.folder, job.run) in FINAL:
                self.ended(self._pending.popleft())
            elif _is_held(job):
                self._pending.rotate(-1)
            else:
                return job
        # Every message would cause another look.
        self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
        return None

    def warn_of_markers(self) -> None:
        """Log what ends the wait for a command that was lost with its machine, where files stand for locks."""
        for job in self._pending:
            if (marker := job.folder / job.run.name / MARKER).exists():
                log.warning("waiting for %s; if no command makes it any more, remove %s", job.name, marker)

    def began(self, job: Job) -> None:
        self._pending.popleft()
        self.observe(RunBegan(job.name))

    def heard(self, job: Job, event: Event) -> bool:
        self.observe(RunEvent(job.name, event))
        return False

    def ended(self, job: Job) -> None:
        if info := info_of(job.folder, job.run):  # none where it was stopped before it had begun
            plan = self._plans[job.name]
            value = value_of(info, job.run, plan)
            # One that was killed before, and is stopped before it continues, still says that it is running.
            status = info["status"] if info["status"] in FINAL else "interrupted"
            self.observe(RunEnded(job.name, status, plan.primary, value, info.get("training_seconds")))

    def failed(self, job: Job, error: LstmctlError) -> LstmctlError | None:
        if isinstance(error, InUseError):
            self._pending.append(job)  # another command was faster, and may have given it back since
            self._pending.rotate(random.randrange(len(self._pending)))  # or both would meet at every run
            return None
        return error


def _is_held(job: Job) -> bool:
    return is_locked(job.folder / job.run.name, patience=0)


def job_of(folder: Path, plan: Plan, run: PlannedRun, title: str = "") -> Job:
    """Return the job that makes a planned run."""
    on_gpu = not plan.device.startswith("cpu")
    parameters = plan.arm(run.arm).candidates[run.candidate].parameters
    memory = BYTES_OF_A_PROCESS + (0 if on_gpu else least_memory(plan.settings(run), parameters))
    return Job(folder, run, plan.threads, on_gpu, memory, title)


def execute(folder: Path, plan: Plan, runs: Sequence[PlannedRun], *, executor: Executor, observe: Observer) -> None:
    """Complete all `runs` of a plan; see `complete`."""
    complete([(job_of(folder, plan, run), plan) for run in runs], executor, observe)


def complete(jobs: Iterable[tuple[Job, Plan]], executor: Executor, observe: Observer) -> None:
    """Do all jobs, each of a plan, and wait for jobs of other commands; see `carry_out`."""
    work = PlannedJobs(jobs, observe)
    carry_out(work, executor)
    work.warn_of_markers()
    while not work.is_done:
        observe(Concluding("waiting for the runs of another command"))
        time.sleep(SECONDS_BETWEEN_LOOKS)
        carry_out(work, executor)


@contextmanager
def continuable(again: str) -> Iterator[None]:
    """Add the command that continues the work to every error and interruption in this context.

    Raises:
        Interrupted: Ctrl-C or SIGTERM, also while no run was in progress.
    """
    try:
        yield
    except Interrupted as interrupted:
        interrupted.again = again
        raise
    except (KeyboardInterrupt, SystemExit) as stop:
        number = signal.SIGINT if isinstance(stop, KeyboardInterrupt) else int(stop.code or 0) - 128
        stopped = Interrupted(number, is_saved=False)
        stopped.again = again
        raise stopped from None
    except LstmctlError as error:
        error.hint = "; ".join([*([error.hint] if error.hint else []), f"finished runs are kept; to continue: {again}"])
        raise


def _problem(job: Job, ended: Exit, *, is_stopped: bool) -> LstmctlError | None:
    """The problem of a process that has ended, if there is one."""
    status = status_of(job.folder, job.run)
    if (ended.code == 0 and status in FINAL) or is_stopped:
        return None
    if ended.code == -9:
        return ResourceError(
            f"{job.name} was killed from outside",
            hint="usually for lack of memory: use fewer --jobs, or a smaller model",
        )
    last = f": {ended.last_line}" if ended.last_line else ""
    return RunError(f"{job.name} ended with exit code {ended.code} and status {status}{last}")
