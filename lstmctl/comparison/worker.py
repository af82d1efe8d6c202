"""One run of a comparison in a separate process: `python -m lstmctl.comparison.worker …`.

Separate processes isolate the runs: memory is measured for each, a killed one affects no other, and several can run in
parallel. The process prints events as JSON lines on stdout. It stops after saving when a line arrives on stdin, and at
once when stdin closes, because its parent has then ended; such a run continues later from its last checkpoint.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from lstmctl.api.assembly import find_cell
from lstmctl.api.failures import cell_faults, memory_errors
from lstmctl.api.preparation import Choices, assemble
from lstmctl.api.resuming import resume
from lstmctl.api.training import begin
from lstmctl.comparison.execution import require_as_planned
from lstmctl.comparison.messages import Channel, failure, told
from lstmctl.comparison.plan import Plan, PlannedRun, read_plan
from lstmctl.data.locating import SENT
from lstmctl.errors import DivergedError, LstmctlError, RunError
from lstmctl.events import Event
from lstmctl.registry import is_user_class
from lstmctl.runs.folder import RunFolder
from lstmctl.storage import disk_errors, read_json, require_folder
from lstmctl.training.interruption import termination_as_exit


def main(folder: Path, planned: PlannedRun) -> int:
    """Start or resume a run of the comparison in `folder`; return an exit code of `lstmctl.errors`."""
    channel = Channel()
    logging.basicConfig(handlers=[_Warnings(channel)], level=logging.WARNING)
    sys.path.append(str(Path.cwd()))  # where a user's package may lie; behind all else, so that it hides nothing
    threading.Thread(target=_obey_parent, daemon=True).start()
    try:
        # The process that started this one has the consent to import what the plan names.
        make_run(folder, read_plan(folder, trust=True), planned, lambda event: channel.send(told(event)))
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
    if run.has_begun:
        require_as_planned(folder, plan, planned)
        elsewhere = [f"device={plan.device}"] if run.info().get("device") != plan.device else []
        resume(run.path, elsewhere, trust=is_user_class(settings.model.cell), observe=observe)
        return
    with disk_errors(run.path):
        shutil.rmtree(run.path, ignore_errors=True)  # of a process killed before it wrote anything of worth
        run.path.mkdir()
    precision = plan.precision if settings.training.precision == "auto" else settings.training.precision
    with termination_as_exit(), memory_errors(), cell_faults(settings.model.cell):
        cell = find_cell(settings, folder)
        assembled = assemble(settings, folder, cell, choices=Choices(plan.device, precision, plan.threads))
        plan.require_same_data(assembled.facts["data"])
        if assembled.facts["cell_source"] != plan.arm(planned.arm).cell_source:
            raise RunError(f"the source of {settings.model.cell} changed since the comparison was planned")
        with run.locked():
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
    where, name, arm, candidate, seed, tuning, data = sys.argv[1:]
    if data:
        SENT.update({sent: Path(here) for sent, here in read_json(Path(data)).items()})
    sys.exit(main(Path(where), PlannedRun(name, arm, int(candidate), int(seed), for_tuning=tuning == "tuning")))
