"""Start Python processes that need not import torch first: they are forked from one that has imported it already.

`start` and `run` take a command that begins with `sys.executable`, and the arguments of `subprocess.Popen` and
`subprocess.run` that the tests need. The process is a real one, with its own pid, folder, environment, streams and exit
code; only the two seconds of imports are saved. Each process of pytest starts one server on first use. The server has
imported torch and lstmctl but computed nothing, so it has no threads and a fork of it is as good as a new process.

Use `subprocess` itself where the start is what is tested: what gets imported, variables that Python, torch or OpenMP
read before the first line of a program (PYTHON*, LC_*, OMP_*, ONEDNN_*, …), memory limits and peaks, closed streams.
Where the system has no fork, `start` is `subprocess.Popen`.
"""

from __future__ import annotations

import base64
import functools
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import IO, Any

if sys.platform != "win32":
    import resource

CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"
"""On macOS a fork without exec may crash in the system's libraries."""
ADDRESS = "LSTMCTL_TEST_PROCESSES"
"""The environment variable with the server's socket, for processes that start processes."""
STREAMS = ("stdin", "stdout", "stderr")
UNDRAWN = "LSTMCTL_TEST_UNDRAWN"
"""The environment variable that leaves plots blank, here and in forked processes."""


class Process:
    """A process forked by the server; the part of `subprocess.Popen` that the product and the tests use."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: int | IO[Any] | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        text: bool = False,
        encoding: str | None = None,
        errors: str | None = None,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        start_new_session: bool = False,
        creationflags: int = 0,
    ) -> None:
        assert command[0] == sys.executable, command
        self.args = list(command)
        self.returncode: int | None = None
        theirs: list[int] = []
        opened: list[int] = []
        for name, wanted in zip(STREAMS, (stdin, stdout, stderr), strict=True):
            ours = None
            if wanted == subprocess.PIPE:
                ends = os.pipe()
                own, their = (ends[1], ends[0]) if name == "stdin" else ends
                opened.append(their)
                mode = "w" if name == "stdin" else "r"
                if text or encoding:
                    ours = open(own, mode, encoding=encoding or "utf-8", errors=errors)  # noqa: PTH123, SIM115
                else:
                    ours = open(own, mode + "b")  # noqa: PTH123, SIM115
            elif wanted == subprocess.DEVNULL:
                their = os.open(os.devnull, os.O_RDWR)
                opened.append(their)
            elif wanted == subprocess.STDOUT:
                their = theirs[1]
            elif wanted is None:
                their = STREAMS.index(name)
            else:
                their = wanted if isinstance(wanted, int) else wanted.fileno()
            theirs.append(their)
            setattr(self, name, ours)
        request = {
            "command": self.args[1:],
            "folder": str(cwd or Path.cwd()),
            "environment": {**(os.environ if env is None else env), ADDRESS: os.environ[ADDRESS]},
            "session": start_new_session,
            "largest file": resource.getrlimit(resource.RLIMIT_FSIZE),
        }
        content = json.dumps(request).encode()
        server = socket.socket(socket.AF_UNIX)
        server.connect(os.environ[ADDRESS])
        socket.send_fds(server, [len(content).to_bytes(8, "big")], theirs)
        server.sendall(content)
        for descriptor in opened:
            os.close(descriptor)
        answers = server.makefile("r")
        self.pid = int(answers.readline())
        self._ended = threading.Event()

        def listen() -> None:
            with server, answers:
                self.returncode = int(answers.readline() or -signal.SIGKILL)  # nothing, if the server was killed
            self._ended.set()

        threading.Thread(target=listen, daemon=True).start()

    def poll(self) -> int | None:
        """Return the exit code, negative after a signal; None while the process runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once the process has ended.

        Raises:
            TimeoutExpired: it still runs after `timeout` seconds.
        """
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, input: str | bytes | None = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Write `input`, read both streams to their ends and wait; stdout and stderr, None for those not piped.

        Raises:
            TimeoutExpired: it still runs after `timeout` seconds.
        """
        found: dict[str, Any] = {}
        readers = [
            threading.Thread(target=lambda name=name: found.update({name: getattr(self, name).read()}), daemon=True)
            for name in STREAMS[1:]
            if getattr(self, name) is not None
        ]
        for reader in readers:
            reader.start()
        if self.stdin is not None:
            try:
                if input:
                    self.stdin.write(input)
                self.stdin.close()
            except BrokenPipeError:
                pass
        end = None if timeout is None else time.monotonic() + timeout
        for reader in readers:
            reader.join(None if end is None else max(0.0, end - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if end is None else max(0.0, end - time.monotonic()))
        for name in STREAMS[1:]:
            if getattr(self, name) is not None:
                getattr(self, name).close()
        return found.get("stdout"), found.get("stderr")


class Server:
    """The process that has imported everything, as long as this object is open."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="lstmctl-test-")
        address = str(Path(self.folder.name) / "socket")
        self.process = subprocess.Popen(
            [sys.executable, "-P", __file__, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        os.environ[ADDRESS] = address

    def close(self) -> None:
        """End the server and every process of it that runs on."""
        del os.environ[ADDRESS]
        self.process.communicate()
        self.folder.cleanup()


_server: Server | None = None
_started: list[Process | subprocess.Popen[Any]] = []


def start(command: Sequence[str], **settings: Any) -> Process | subprocess.Popen[Any]:
    """Start a process as `subprocess.Popen` would; `end_all` ends it if the test does not."""
    global _server
    if CAN_FORK and ADDRESS not in os.environ:
        _server = Server()
    process: Process | subprocess.Popen[Any] = (Process if CAN_FORK else subprocess.Popen)(command, **settings)
    _started.append(process)
    return process


def run(
    command: Sequence[str],
    *,
    input: str | bytes | None = None,
    capture_output: bool = False,
    check: bool = False,
    timeout: float | None = None,
    **settings: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run a command to its end as `subprocess.run` would."""
    if capture_output:
        settings |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if input is not None:
        settings["stdin"] = subprocess.PIPE
    process = start(command, **settings)
    try:
        out, err = process.communicate(input, timeout)
    finally:
        process.kill()
    result = subprocess.CompletedProcess(command, process.wait(), out, err)
    if check:
        result.check_returncode()
    return result


def end_all() -> None:
    """Kill whatever was started here and still runs."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
            process.wait()


def close() -> None:
    """End everything, the server too."""
    global _server
    end_all()
    if _server is not None:
        _server.close()
        _server = None


def start_runs_of_comparisons() -> None:
    """From now on a comparison starts its runs here instead of by `subprocess`."""
    from lstmctl.comparison import processes as starting

    starting.subprocess = SimpleNamespace(Popen=start, PIPE=subprocess.PIPE)


BLANK = {
    "png": base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
    ),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>',
    "page": b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>',
}


def leave_figures_blank() -> None:
    """From now on plots are blank while `UNDRAWN` is set: drawing takes most of the time of a short training."""
    from lstmctl.reporting import drawing

    render = drawing._rendered

    @functools.wraps(render)
    def render_if_told(draw: Any, kinds: Any, width: float = drawing.PAPER_WIDTH) -> dict[str, bytes]:
        if UNDRAWN not in os.environ:
            return render(draw, kinds, width)
        return {kind: BLANK[kind] for kind in kinds}

    drawing._rendered = render_if_told


@contextmanager
def drawn() -> Iterator[None]:
    """Draw plots meanwhile, for a fixture that several tests share."""
    before = os.environ.pop(UNDRAWN, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[UNDRAWN] = before


def serve(address: str) -> dict[str, Any]:
    """Fork a child for every request until stdin closes; returns in each child, with its request."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(100)
    wakes, woken = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, socket.socket] = {}
    os.write(1, b"ready\n")
    while True:
        ready, _, _ = select.select([0, listener, wakes], [], [])
        if 0 in ready:
            for child in children:
                os.kill(child, signal.SIGKILL)
            os._exit(0)
        if wakes in ready:
            os.read(wakes, 1000)
            for child in list(children):
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    _answer(children.pop(child), os.waitstatus_to_exitcode(status), last=True)
        if listener in ready:
            connection, _ = listener.accept()
            length, streams, _, _ = socket.recv_fds(connection, 8, 3)
            content = b""
            while len(content) < int.from_bytes(length, "big"):
                content += connection.recv(65536)
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (wakes, woken):
                    os.close(descriptor)
                for other in (listener, connection, *children.values()):
                    other.close()
                for standard, descriptor in enumerate(streams):
                    os.dup2(descriptor, standard)
                    os.close(descriptor)
                request: dict[str, Any] = json.loads(content)
                return request
            for descriptor in streams:
                os.close(descriptor)
            children[child] = connection
            _answer(connection, child)


def _answer(connection: socket.socket, number: int, *, last: bool = False) -> None:
    with suppress(OSError):  # the process that asked may be gone
        connection.sendall(b"%d\n" % number)
    if last:
        connection.close()


def become(request: dict[str, Any]) -> None:
    """Set up a forked process as Python sets itself up at its start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    resource.setrlimit(resource.RLIMIT_FSIZE, request["largest file"])
    if request["session"]:
        os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, name in enumerate(STREAMS):
        raw = io.FileIO(number, "r" if number == 0 else "w", closefd=False)
        buffer: Any = io.BufferedReader(raw) if number == 0 else io.BufferedWriter(raw)
        stream = io.TextIOWrapper(
            buffer,
            encoding="utf-8",
            errors="backslashreplace" if number == 2 else "strict",
            line_buffering=number == 2 or raw.isatty(),
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def execute(command: list[str]) -> None:
    """Do what `python COMMAND` does."""
    sys.orig_argv = [sys.executable, *command]
    words = list(command)
    safe = False
    while words[0] in ("-P", "-u"):
        safe = safe or words.pop(0) == "-P"
    kind = words.pop(0) if words[0] in ("-m", "-c") else ""
    what, sys.argv = words[0], words if not kind else ["-c" if kind == "-c" else words[0], *words[1:]]
    if kind == "-m":
        if not safe:
            sys.path.insert(0, str(Path.cwd()))
        if not hasattr(sys.modules.get(what), "__path__"):
            sys.modules.pop(what, None)  # imported already; now it is the program
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    elif kind == "-c":
        if not safe:
            sys.path.insert(0, "")
        sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(what, "<string>", "exec"), sys.modules["__main__"].__dict__)
    else:
        if not safe:
            sys.path.insert(0, str(Path(what).resolve().parent))
        runpy.run_path(what, run_name="__main__")


def main(address: str) -> None:
    """Import everything and serve; in each forked process, execute its command."""
    import lstmctl

    for module in pkgutil.walk_packages(lstmctl.__path__, "lstmctl."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "matplotlib.figure", "polars"):
        importlib.import_module(name)
    start_runs_of_comparisons()
    leave_figures_blank()
    gc.freeze()
    request = serve(address)
    become(request)
    execute(request["command"])


if __name__ == "__main__":
    main(sys.argv[1])
