"""How a run that ends badly is told: in its folder, and in the error's hint."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lstmctl.errors import DivergedError, ResourceError, RunError
from lstmctl.reporting.report import write_report
from lstmctl.runs.folder import RunFolder, now

log = logging.getLogger(__name__)


@contextmanager
def status_on_failure(folder: RunFolder) -> Iterator[None]:
    """Note in `run.json` how a run ended, when it did not end well, and name the checkpoint that stands."""
    try:
        yield
    except BaseException as error:
        status = {DivergedError: "diverged", KeyboardInterrupt: "interrupted", SystemExit: "interrupted"}
        stands = _last_step(folder)
        try:
            folder.update(
                status=status.get(type(error), "failed"), ended=now(), problem=str(error) or type(error).__name__
            )
            if isinstance(error, DivergedError):  # how it came to that is worth a look
                write_report(folder.path)
        except (ResourceError, RunError, OSError) as second:  # the disk that failed the run may fail this too
            log.debug("run.json was not updated: %s", second)
        if isinstance(error, KeyboardInterrupt | SystemExit) and stands is not None:
            log.warning("stopped at once; to go on: lstmctl train --resume %s", shlex.quote(str(folder.path)))
        if isinstance(error, (DivergedError, ResourceError)) and stands is not None:
            kept = f"the checkpoint of step {stands} in {folder.path} stands"
            error.hint = f"{kept}; {error.hint}" if error.hint else kept
        raise


@contextmanager
def memory_errors() -> Iterator[None]:
    """Say plainly that the memory is not enough.

    Raises:
        ResourceError: in place of what torch and Python raise.
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
            f"the memory is not enough: {lines[0]}",
            hint="a smaller training.batch, training.window or model.hidden needs less; so does training.accumulate=2",
        ) from error


def _last_step(folder: RunFolder) -> int | None:
    try:
        return folder.checkpoints.pointers().get("last")
    except RunError:
        return None
