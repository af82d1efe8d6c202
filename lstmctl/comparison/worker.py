"""One run of a comparison in a process of its own: `python -m lstmctl.comparison.worker FOLDER RUN ARM CANDIDATE SEED`.

A process a run keeps the runs apart: memory is measured for each, one that is killed takes no other with it, and
several can go at once. The process tells what happens as JSON lines on stdout, and ends at once when its stdin closes,
for then whoever started it is gone; a run that was left so goes on from its last checkpoint.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from lstmctl.api.assembly import find_cell
from lstmctl.api.failures import memory_errors
from lstmctl.api.preparation import Choices, assemble
from lstmctl.api.training import begin, resume
from lstmctl.comparison import messages
from lstmctl.comparison.plan import Plan, PlannedRun, read_plan
from lstmctl.errors import DivergedError, LstmctlError
from lstmctl.records import Event
from lstmctl.runs.folder import RunFolder
from lstmctl.storage import disk_errors
from lstmctl.training.interruption import termination_as_exit


def main(folder: Path, planned: PlannedRun) -> int:
    """Make or go on with a run of the comparison in `folder`; the exit code of `lstmctl.errors`."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(handlers=[_Warnings()], level=logging.WARNING)
    try:
        # The process that started this one has the consent to import what the plan names.
        make_run(folder, read_plan(folder, trust=True), planned)
    except DivergedError:
        return 0  # the run's folder says so, and the comparison goes on
    except LstmctlError as error:
        messages.send(messages.failure(error))
        return error.exit_code
    return 0


def make_run(folder: Path, plan: Plan, planned: PlannedRun) -> None:
    """Train a planned run, from its beginning or from where it was stopped.

    Raises:
        DivergedError: it diverged.
        DataError, RunError, ResourceError: see `api.train`.
    """
    run = RunFolder(folder / planned.name)
    if (run.path / "encoding.json").is_file():  # the last of what a run begins with
        resume(run.path, trust=True, observe=_tell)
        return
    with disk_errors(run.path):
        shutil.rmtree(run.path, ignore_errors=True)  # of a process killed before it wrote anything of worth
        run.path.mkdir()
    settings = plan.settings(planned)
    precision = plan.precision if settings.training.precision == "auto" else settings.training.precision
    with termination_as_exit(), memory_errors():
        cell = find_cell(settings, folder)
        assembled = assemble(settings, folder, cell, choices=Choices(plan.device, precision, plan.threads))
        begin(run, assembled, _tell, command=plan.command, config=plan.config, arm=planned.arm)


def _tell(event: Event) -> None:
    messages.send({"kind": type(event).__name__, **asdict(event)})


def _end_with_parent() -> None:
    while os.read(0, 1):  # not through sys.stdin, whose lock a waiting thread would hold when Python ends
        pass
    os._exit(1)


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        messages.send({"kind": "warning", "text": record.getMessage()})


if __name__ == "__main__":
    where, name, arm, candidate, seed = sys.argv[1:]
    sys.exit(main(Path(where), PlannedRun(name, arm, int(candidate), int(seed))))
