"""Record failures in a run's folder and explain them in the error's hint."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lstmctl import shell
from lstmctl.errors import ConfigError, DivergedError, LstmctlError, ResourceError, RunError
from lstmctl.registry import is_user_class
from lstmctl.reporting.run_page import write_report
from lstmctl.runs.folder import RunFolder, now

log = logging.getLogger(__name__)


@contextmanager
def status_on_failure(folder: RunFolder) -> Iterator[None]:
    """Record in `run.json` how a run failed, and name the checkpoint that is kept."""
    try:
        yield
    except BaseException as error:
        status = {DivergedError: "diverged", KeyboardInterrupt: "interrupted", SystemExit: "interrupted"}
        stands = _last_step(folder)
        ending = {"status": status.get(type(error), "failed"), "ended": now()}
        ending["problem"] = str(error) or type(error).__name__
        if isinstance(error, DivergedError):  # the history of the failure is useful
            try:
                write_report(folder.path, ending)
            except Exception as second:  # the divergence is more important than this error
                log.debug("no report was written: %s", second)
        try:
            folder.update(**ending)
        except (ResourceError, RunError, OSError) as second:  # the disk error that failed the run may also prevent this
            log.debug("run.json was not updated: %s", second)
        if isinstance(error, KeyboardInterrupt | SystemExit) and stands is not None:
            log.warning("stopped at once; to continue: lstmctl train --resume %s", shell.join([str(folder.path)]))
        if isinstance(error, (DivergedError, ResourceError)) and stands is not None:
            kept = f"the checkpoint of step {stands} in {folder.path} is kept"
            error.hint = f"{kept}; {error.hint}" if error.hint else kept
        raise


@contextmanager
def memory_errors() -> Iterator[None]:
    """Report clearly that memory is insufficient.

    Raises:
        ResourceError: replaces the errors that torch and Python raise.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        if (
            isinstance(error, RuntimeError)
            and not isinstance(error, torch.OutOfMemoryError)
            and "memory" not in lines[0]
        ):
            raise
        raise ResourceError(
            f"out of memory: {lines[0]}",
            hint="a smaller training.batch, training.window or model.hidden needs less; so does training.accumulate=2",
        ) from error


@contextmanager
def cell_faults(cell: str) -> Iterator[None]:
    """Name a user's own cell if its code raises an error, with the last line of it that was reached.

    Raises:
        ConfigError: replaces the cell's error. Errors of our own cells are left unchanged.
    """
    try:
        yield
    except (LstmctlError, torch.OutOfMemoryError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        file = getattr(sys.modules.get(cell.partition(":")[0]), "__file__", 0)
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame for frame in frames if frame.filename == file]
        if not is_user_class(cell) or not lines:
            raise
        if isinstance(error, SystemExit) and frames[-1].filename != file:  # a signal, whose handler raised it
            raise
        where = f"{Path(lines[-1].filename).name}:{lines[-1].lineno}"
        raise ConfigError(f"model.cell — {cell} failed at {where}: {type(error).__name__}: {error}") from error


def _last_step(folder: RunFolder) -> int | None:
    try:
        return folder.checkpoints.pointers().get("last")
    except RunError:
        return None
