"""The runs of a comparison in separate processes: `python -m lstmctl.comparison.worker`.

Separate processes isolate the runs: memory is measured for each, a killed one affects no other, and several can run in
parallel. A line on stdin asks for a run, and events are printed as JSON lines on stdout. A run stops after saving when
another line arrives, and at once when stdin closes, because the process that asked for it has then ended; such a run
continues later from its last checkpoint.

Importing torch takes longer than a small run. Where a process can be copied safely, each run is therefore made by a
copy of one that has imported everything and done nothing else; elsewhere, a process makes one run.
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from lstmctl.api.assembly import find_cell
from lstmctl.api.failures import cell_faults, memory_errors
from lstmctl.api.preparation import Choices, assemble
from lstmctl.api.resuming import resume
from lstmctl.api.training import begin
from lstmctl.comparison.execution import require_as_planned
from lstmctl.comparison.messages import STOP, Channel, ended, failure, told
from lstmctl.comparison.plan import Plan, PlannedRun, read_plan
from lstmctl.data.locating import SENT
from lstmctl.errors import DivergedError, LstmctlError, RunError
from lstmctl.events import Event
from lstmctl.registry import is_user_class
from lstmctl.runs.folder import RunFolder
from lstmctl.runs.run_lock import LOCKS
from lstmctl.storage import disk_errors, read_json, require_folder
from lstmctl.training.interruption import termination_as_exit

DRAWING = ("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "jinja2")
"""Modules that are otherwise imported at the end of a run."""
PR_SET_PDEATHSIG = 1
"""See prctl(2)."""


def main() -> int:
    """Make the runs that are asked for; return an exit code of `lstmctl.errors`."""
    channel = Channel()
    logging.basicConfig(handlers=[_Warnings(channel)], level=logging.WARNING)
    sys.path.append(str(Path.cwd()))  # where a user's package may lie; behind all else, so that it hides nothing
    if sys.platform == "linux":
        for name in DRAWING:
            with suppress(ImportError):  # not installed
                import_module(name)
        gc.freeze()  # a look at every object would copy all memory
    own = os.getpid()
    for request in _requests():
        # On Linux, torch leaves no threads behind that a copy would miss; on macOS, its libraries forbid copies.
        if sys.platform == "linux" and (copy := os.fork()) != 0:
            _, status = os.waitpid(copy, 0)
            channel.send(ended(os.waitstatus_to_exitcode(status)))
            continue
        if os.getpid() != own:
            _end_with(own)
        return _make_requested(request, channel)
    return 0


def _requests() -> Iterator[dict[str, Any]]:
    """Yield the runs that are asked for, without reading ahead: what follows may be meant for the run."""
    line = b""
    while character := os.read(0, 1):
        line += character
        if character == b"\n":
            if line.strip() != STOP.encode():  # meant for a run that ended before it could obey
                yield json.loads(line)
            line = b""


def _end_with(parent: int) -> None:
    """Have this process save and end if its parent is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was killed before
        os._exit(1)


def _make_requested(request: dict[str, Any], channel: Channel) -> int:
    threading.Thread(target=_obey_parent, daemon=True).start()
    if (data := request["data"]) is not None:
        SENT.update({sent: Path(here) for sent, here in read_json(Path(data)).items()})
    folder = Path(request["folder"])
    try:
        # The process that asked has the consent to import what the plan names.
        plan = read_plan(folder, trust=True)
        make_run(folder, plan, PlannedRun(**request["run"]), lambda event: channel.send(told(event)))
    except DivergedError:
        return 0  # the run's folder records it, and the comparison continues
    except LstmctlError as error:
        channel.send(failure(error))
        return error.exit_code
    return 0


def make_run(folder: Path, plan: Plan, planned: PlannedRun, observe: Callable[[Event], None]) -> None:
    """Train a planned run, from its beginning or from where it was stopped.

    Raises:
        DivergedError: it diverged.
        RunError: the existing run is not the planned one, or the data or the cell has changed.
        DataError, ResourceError: see `api.train`.
    """
    run = RunFolder(folder / planned.name)
    settings = plan.settings(planned)
    require_folder(run.path)
    with disk_errors(run.path):
        run.path.mkdir(exist_ok=True)
    if not run.has_begun:
        with run.locked(), termination_as_exit(), memory_errors(), cell_faults(settings.model.cell):
            if not run.has_begun:  # by another command, since the last look
                _begin(run, folder, plan, planned, observe)
                return
    require_as_planned(folder, plan, planned)
    elsewhere = [f"device={plan.device}"] if run.info().get("device") != plan.device else []
    resume(run.path, elsewhere, trust=is_user_class(settings.model.cell), observe=observe)


def _begin(run: RunFolder, folder: Path, plan: Plan, planned: PlannedRun, observe: Callable[[Event], None]) -> None:
    settings = plan.settings(planned)
    with disk_errors(run.path):
        for path in run.path.iterdir():  # of a process killed before it wrote anything of worth
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in LOCKS:
                path.unlink()
    precision = plan.precision if settings.training.precision == "auto" else settings.training.precision
    cell = find_cell(settings, folder)
    assembled = assemble(settings, folder, cell, choices=Choices(plan.device, precision, plan.threads))
    plan.require_same_data(assembled.facts["data"])
    if assembled.facts["cell_source"] != plan.arm(planned.arm).cell_source:
        raise RunError(f"the source of {settings.model.cell} changed since the comparison was planned")
    begin(run, assembled, observe, command=plan.command, config=plan.config, arm=planned.arm)


def _obey_parent() -> None:
    """Stop when a line arrives, as on SIGTERM; exit at once if the parent has ended."""
    while word := os.read(0, 64):  # not through sys.stdin, whose lock a waiting thread would hold when Python ends
        if b"\n" in word:
            signal.raise_signal(signal.SIGTERM)
    os._exit(1)


class _Warnings(logging.Handler):
    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self.channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        self.channel.send({"kind": "warning", "text": record.getMessage()})


if __name__ == "__main__":
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the disk is full
            stream.flush()
    os._exit(code)  # all is saved, and an orderly exit of Python with torch takes as long as a small run
