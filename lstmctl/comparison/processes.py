"""An executor: processes of this machine, on its CPU or on its GPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from lstmctl.comparison.execution import Exit, Job
from lstmctl.comparison.messages import ENDED, STOP, request
from lstmctl.comparison.plan import PlannedRun
from lstmctl.storage import disk_errors

VISIBLE = "CUDA_VISIBLE_DEVICES"
# -P: a file in the current folder that is called like a library must not take its place.
COMMAND = (sys.executable, "-P", "-m", "lstmctl.comparison.worker")
Told = SimpleQueue[tuple[str, Mapping[str, Any] | Exit]]


class RunProcess:
    """A process that makes runs one after another, until it has ended.

    Args:
        told: receives the messages of its runs, each with the run's name; `Exit` is the last one.
        gpu: the only GPU that it sees, as in `CUDA_VISIBLE_DEVICES`; None for all.

    Raises:
        ResourceError: the disk for temporary files is full.
    """

    def __init__(self, told: Told, gpu: str | None = None) -> None:
        self._told = told
        self._name: str | None = None
        """Of the run that it makes."""
        with disk_errors(Path(tempfile.gettempdir())), ExitStack() as undo:
            self._errors = undo.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
            self._process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=None if gpu is None else {**os.environ, VISIBLE: gpu},
                # Ctrl-C reaches the comparison alone, which asks its runs to stop.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
            )
            undo.pop_all()
        self.has_ended = False
        self._changing = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def make(self, name: str, folder: Path, run: PlannedRun, data: Path | None = None) -> bool:
        """Start a run; the last one must have ended. Return False, and send no message, if the process has ended.

        Args:
            name: for its messages.
            folder: of the comparison.
            run: one of its plan.
            data: see `messages.request`.
        """
        with self._changing:
            if self.has_ended:
                return False
            self._name = name
        self._write(request(folder, run, data))
        return True

    def stop(self) -> None:
        """Let the run finish its step and save. Windows has no signal for this."""
        self._write(STOP + "\n")

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it has just ended; `_listen` reports it
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                with suppress(ValueError):  # half a line, of a process that was killed
                    if isinstance(message := json.loads(line), dict):
                        self._pass_on(message)
        finally:
            code = self._process.wait()
            with self._changing:
                self.has_ended = True
            self._end_run(code)

    def _pass_on(self, message: Mapping[str, Any]) -> None:
        if message.get("kind") == ENDED:
            self._end_run(message["code"])
        elif self._name is not None:
            self._told.put((self._name, message))

    def _end_run(self, code: int) -> None:
        name, self._name = self._name, None
        if name is not None:
            self._told.put((name, Exit(code, self._last_line())))

    def _last_line(self) -> str:
        """Return the last line of stderr, and forget it all."""
        with suppress(OSError, ValueError):  # closed by `close`
            self._errors.seek(0)
            lines = self._errors.read().strip().splitlines()
            self._errors.seek(0)  # where the process will write, too
            self._errors.truncate()
            return "".join(lines[-1:])
        return ""

    def close(self) -> None:
        """End it at once, unless it has ended."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            assert stream is not None
            with suppress(OSError):  # what could not be written to one that has ended
                stream.close()


class Maker:
    """Makes one run at a time, in the same process until that ends.

    Args:
        told: see `RunProcess`.
        gpu: see `RunProcess`.
    """

    def __init__(self, told: Told, gpu: str | None = None) -> None:
        self.gpu = gpu
        self._told = told
        self._process: RunProcess | None = None

    @property
    def is_warm(self) -> bool:
        """True if it has a process, which may have imported everything already."""
        return self._process is not None and not self._process.has_ended

    def make(self, name: str, folder: Path, run: PlannedRun, data: Path | None = None) -> None:
        """Start a run; see `RunProcess.make`."""
        while self._process is None or not self._process.make(name, folder, run, data):
            self.close()
            self._process = RunProcess(self._told, self.gpu)

    def stop(self) -> None:
        """Let the run finish its step and save."""
        if self._process is not None:
            self._process.stop()

    def close(self) -> None:
        """End it at once; another run can be made afterwards."""
        if self._process is not None:
            self._process.close()
            self._process = None


class Processes:
    """Up to `jobs` processes, or that many on each of some GPUs.

    Args:
        jobs: processes at once, in all or for each GPU.
        gpus: GPUs as in `CUDA_VISIBLE_DEVICES`; none to leave the choice to the runs.
    """

    def __init__(self, jobs: int, gpus: Sequence[str] = ()) -> None:
        names: Sequence[str | None] = gpus or [None]
        self._told: Told = SimpleQueue()
        self._free = [Maker(self._told, gpu) for _ in range(jobs) for gpu in names]
        self._active: dict[str, Maker] = {}

    def has_room(self) -> bool:
        return bool(self._free)

    def start(self, job: Job) -> None:
        busy = Counter(maker.gpu for maker in self._active.values())
        maker = min(self._free, key=lambda maker: (busy[maker.gpu], not maker.is_warm))
        maker.make(job.name, job.folder, job.run)
        self._free.remove(maker)
        self._active[job.name] = maker

    def stop(self, name: str) -> None:
        self._active[name].stop()

    def next(self, seconds: float) -> tuple[str, Mapping[str, Any] | Exit] | None:
        try:
            name, message = self._told.get(timeout=seconds)
        except Empty:
            return None
        if isinstance(message, Exit):
            self._free.append(self._active.pop(name))
        return name, message

    def close(self) -> None:
        for maker in [*self._free, *self._active.values()]:
            maker.close()
