"""Execution of a plan's runs, each in a separate process, some in parallel."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

from lstmctl.comparison.messages import error_of, event_of
from lstmctl.comparison.plan import Plan, PlannedRun, differences
from lstmctl.config import load
from lstmctl.errors import LstmctlError, ResourceError, RunError
from lstmctl.events import ComparisonEvent, RunBegan, RunEnded, RunEvent
from lstmctl.registry import is_user_class
from lstmctl.runs.comparisons import PLAN
from lstmctl.runs.folder import FINAL, RunFolder
from lstmctl.storage import disk_errors
from lstmctl.training.interruption import Interruption

log = logging.getLogger(__name__)

Observer = Callable[[ComparisonEvent], None]
PATIENCE = 0.2
"""Seconds between looks at whether to stop."""


class Interrupted(Exception):  # noqa: N818  # no error: someone asked for it
    """A signal asked for an end; every run was saved."""

    def __init__(self, signal: int) -> None:
        super().__init__(f"signal {signal}")
        self.signal = signal
        self.again = ""
        """The command to continue."""


@dataclass
class _Process:
    run: PlannedRun
    process: subprocess.Popen[str]
    errors: IO[str]
    """The process's stderr: empty, unless it failed in an unforeseen way."""
    failure: LstmctlError | None = None

    def ask_to_stop(self) -> None:
        """Let the run finish its step and save. A signal would do the same, but Windows has none that can be caught."""
        assert self.process.stdin is not None
        with suppress(OSError):  # it has just ended
            self.process.stdin.write("stop\n")
            self.process.stdin.flush()

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            assert stream is not None
            with suppress(OSError):  # what could not be written to one that has ended
                stream.close()


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


def execute(folder: Path, plan: Plan, runs: Sequence[PlannedRun], *, jobs: int, observe: Observer) -> None:
    """Complete all `runs`, at most `jobs` in parallel. A run that diverges is not a failure.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the runs that were going have been saved.
        LstmctlError: the error of the first run that failed; the runs in parallel with it have been saved.
    """
    pending = deque(run for run in runs if status_of(folder, run) not in FINAL)
    active: dict[str, _Process] = {}
    told: SimpleQueue[tuple[str, dict[str, Any] | None]] = SimpleQueue()
    failure: LstmctlError | None = None
    stopping = False
    with Interruption() as interruption:
        try:
            while active or (pending and failure is None and not interruption()):
                while pending and len(active) < jobs and failure is None and not interruption():
                    run = pending.popleft()
                    active[run.name] = _start(folder, run, told)
                    observe(RunBegan(run.name))
                if (interruption() or failure is not None) and not stopping:
                    stopping = True
                    for process in active.values():
                        process.ask_to_stop()
                try:
                    name, message = told.get(timeout=PATIENCE)
                except Empty:
                    continue
                if message is not None:
                    _hear(active[name], message, observe, stopping=stopping)
                    continue
                ended = active.pop(name)
                if (problem := _problem(folder, ended, stopping=stopping)) is not None:
                    failure = failure or problem
                    continue
                if info := info_of(folder, ended.run):  # none where it was stopped before it had begun
                    value = value_of(info, ended.run, plan)
                    observe(RunEnded(name, str(info["status"]), plan.primary, value, info.get("training_seconds")))
        except Exception:  # raised by the observer: let the runs save first
            for process in active.values():
                process.ask_to_stop()
                process.process.wait()
            raise
        finally:
            for process in active.values():  # after a second Ctrl-C
                process.process.kill()
                process.process.wait()
                process.close()
    if failure is not None:
        raise failure
    if interruption.signal is not None:
        raise Interrupted(interruption.signal)


def _start(folder: Path, run: PlannedRun, told: SimpleQueue[tuple[str, dict[str, Any] | None]]) -> _Process:
    # -P: a file in the current folder that is called like a library must not take its place.
    command = [sys.executable, "-P", "-m", "lstmctl.comparison.worker"]
    tuning = "tuning" if run.for_tuning else ""
    with disk_errors(Path(tempfile.gettempdir())), ExitStack() as undo:
        errors = undo.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
        process = subprocess.Popen(
            [*command, str(folder), run.name, run.arm, str(run.candidate), str(run.seed), tuning],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C reaches the comparison alone, which asks its runs to stop.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )
        undo.pop_all()

    def listen() -> None:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                with suppress(ValueError):  # half a line, of a process that was killed
                    if isinstance(message := json.loads(line), dict):
                        told.put((run.name, message))
        finally:
            process.wait()
            told.put((run.name, None))

    threading.Thread(target=listen, daemon=True).start()
    return _Process(run, process, errors)


def _hear(process: _Process, message: dict[str, Any], observe: Observer, *, stopping: bool) -> None:
    name = process.run.name
    if (event := event_of(message)) is not None:
        observe(RunEvent(name, event))
    elif message.get("kind") == "warning" and not stopping:  # an interrupted run prints the command to resume it alone
        log.warning("%s: %s", name, message.get("text"))
    elif message.get("kind") == "error":
        process.failure = error_of(message, name)


def _problem(folder: Path, ended: _Process, *, stopping: bool) -> LstmctlError | None:
    """The problem of a process that has ended, if there is one."""
    code, name = ended.process.returncode, ended.run.name
    ended.errors.seek(0)
    last = ended.errors.read().strip().splitlines()[-1:]
    ended.close()
    if ended.failure is not None:
        return ended.failure
    status = status_of(folder, ended.run)
    if (code == 0 and status in FINAL) or stopping:
        return None
    if code == -9:
        return ResourceError(
            f"{name} was killed from outside",
            hint="most often the memory was not enough: fewer --jobs, or a smaller model",
        )
    return RunError(f"{name} ended with exit code {code} and status {status}" + "".join(f": {line}" for line in last))
