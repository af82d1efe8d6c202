"""An executor: processes of this machine, on its CPU or on its GPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

from lstmctl.comparison.execution import Exit, Job
from lstmctl.comparison.plan import PlannedRun
from lstmctl.storage import disk_errors

VISIBLE = "CUDA_VISIBLE_DEVICES"
Told = SimpleQueue[tuple[str, Mapping[str, Any] | Exit]]


def command_of(folder: Path, run: PlannedRun, data: Path | None = None) -> list[str]:
    """Return the command that makes a planned run; `data` says where data is that was sent to this machine."""
    # -P: a file in the current folder that is called like a library must not take its place.
    command = [sys.executable, "-P", "-m", "lstmctl.comparison.worker"]
    tuning = "tuning" if run.for_tuning else ""
    return [*command, str(folder), run.name, run.arm, str(run.candidate), str(run.seed), tuning, str(data or "")]


@dataclass
class RunProcess:
    """The process of a run, whose messages arrive in a queue under the run's name."""

    process: subprocess.Popen[str]
    errors: IO[str]

    @classmethod
    def start(
        cls,
        name: str,
        folder: Path,
        run: PlannedRun,
        told: Told,
        gpu: str | None = None,
        data: Path | None = None,
    ) -> RunProcess:
        """Start a run; with `gpu`, that one is the only one it sees. `data` is that of `command_of`."""
        with disk_errors(Path(tempfile.gettempdir())), ExitStack() as undo:
            errors = undo.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
            process = subprocess.Popen(
                command_of(folder, run, data),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=None if gpu is None else {**os.environ, VISIBLE: gpu},
                # Ctrl-C reaches the comparison alone, which asks its runs to stop.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
            )
            undo.pop_all()
        started = cls(process, errors)
        threading.Thread(target=started._listen, args=(name, told), daemon=True).start()
        return started

    def _listen(self, name: str, told: Told) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                with suppress(ValueError):  # half a line, of a process that was killed
                    if isinstance(message := json.loads(line), dict):
                        told.put((name, message))
        finally:
            code = self.process.wait()
            told.put((name, Exit(code, self._last_line())))

    def _last_line(self) -> str:
        with suppress(OSError, ValueError):  # closed by `kill`
            self.errors.seek(0)
            return "".join(self.errors.read().strip().splitlines()[-1:])
        return ""

    def stop(self) -> None:
        """Let the run finish its step and save. A signal would do the same, but Windows has none that can be caught."""
        assert self.process.stdin is not None
        with suppress(OSError):  # it has just ended
            self.process.stdin.write("stop\n")
            self.process.stdin.flush()

    def close(self) -> None:
        """End it at once, unless it has ended."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            assert stream is not None
            with suppress(OSError):  # what could not be written to one that has ended
                stream.close()


class Processes:
    """Up to `jobs` processes, or that many on each of some GPUs.

    Args:
        jobs: processes at once, in all or for each GPU.
        gpus: GPUs as in `CUDA_VISIBLE_DEVICES`; none to leave the choice to the runs.
    """

    def __init__(self, jobs: int, gpus: Sequence[str] = ()) -> None:
        places: Sequence[str | None] = gpus or [None]
        self._free = [place for _ in range(jobs) for place in places]
        self._active: dict[str, tuple[RunProcess, str | None]] = {}
        self._told: Told = SimpleQueue()

    def has_room(self) -> bool:
        return bool(self._free)

    def start(self, job: Job) -> None:
        process = RunProcess.start(job.name, job.folder, job.run, self._told, self._free[0])
        self._active[job.name] = process, self._free.pop(0)

    def stop(self, name: str) -> None:
        self._active[name][0].stop()

    def next(self, seconds: float) -> tuple[str, Mapping[str, Any] | Exit] | None:
        try:
            name, message = self._told.get(timeout=seconds)
        except Empty:
            return None
        if isinstance(message, Exit):
            process, place = self._active.pop(name)
            process.close()
            self._free.append(place)
        return name, message

    def close(self) -> None:
        for process, _ in self._active.values():
            process.close()
