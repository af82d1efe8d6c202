"""Odd environments: refusals of the system and odd settings end in clear errors, never as a bug of ours."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from lstmctl import storage
from lstmctl.cache import cache_folder
from lstmctl.cli.surroundings import in_words
from lstmctl.data.listing import known_files
from lstmctl.data.locating import text_files
from lstmctl.errors import RunError
from lstmctl.locks import is_locked, locked
from tests import processes
from tests.conftest import Command, Trained

LSTMCTL = [sys.executable, "-m", "lstmctl"]


@contextmanager
def permissions_count() -> Iterator[None]:
    """Let root, too, be refused what the permissions of a file refuse."""
    if os.geteuid() != 0:
        yield
        return
    library = ctypes.CDLL(None)
    header, before = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert library.capget(header, before) == 0
    without = (ctypes.c_uint32 * 6)(*before)
    without[0] &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, of those in effect
    assert library.capset(header, without) == 0
    try:
        yield
    finally:
        assert library.capset(header, before) == 0


# A path that is unreadable or missing.


@pytest.mark.fork
def test_a_run_that_may_not_be_read_hides_no_other(
    trained: Trained, lstmctl: Command, caplog: pytest.LogCaptureFixture
) -> None:
    trained("small")
    hidden = Path("runs/hidden")
    hidden.mkdir()
    hidden.chmod(0)
    try:
        with permissions_count():
            for arguments in (
                ["runs", "list"],
                ["generate", "--length", "3"],
                ["evaluate"],
                ["train", "--resume", "latest"],
            ):
                caplog.clear()
                code, _, err = lstmctl(*arguments)
                assert (code, caplog.messages) == (
                    0,
                    ["runs/hidden cannot be read and is left out: Permission denied"],
                ), err
            code, _, err = lstmctl("generate", "hidden")
            assert (code, err) == (4, "error: runs/hidden cannot be read: Permission denied\n")
    finally:
        hidden.chmod(0o700)


def test_without_a_home_everything_but_the_cache_works(monkeypatch: pytest.MonkeyPatch, lstmctl: Command) -> None:
    def nobody(_: int) -> NoReturn:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("HOME", "LSTMCTL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() is None
    assert {file["where"] for file in known_files()} == {"bundled", "download"}
    assert lstmctl("data", "show", "travellers").code == 0
    code, _, err = lstmctl("data", "download", "ETTh1")
    assert (code, err) == (
        6,
        "error: no home folder for downloads\nhint: set one: LSTMCTL_CACHE=FOLDER\n",
    )


def test_a_folder_of_texts_may_hold_what_cannot_be_read(tmp_path: Path) -> None:
    for name in ("b/deep/2.txt", "a/1.txt", "a/.3.txt", ".c/4.txt", "a/5.TXT", "d.txt/6.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "gone.txt").symlink_to("nowhere")
    (tmp_path / "circle.txt").symlink_to("circle.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "locked").mkdir(0)
    with permissions_count():
        assert [str(file.relative_to(tmp_path)) for file in text_files(tmp_path)] == ["a/1.txt", "b/deep/2.txt"]


def test_the_current_folder_may_be_gone(tmp_path: Path, small_config: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); from lstmctl.cli.main import main; main()"

    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        gone.mkdir(exist_ok=True)
        return processes.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=gone)

    assert ran("data", "list").returncode == 0
    listed = ran("runs", "list")
    assert (listed.returncode, listed.stderr.splitlines()[0]) == (
        0,
        "no runs in runs; start one with `lstmctl train`",
    )
    trained = ran("train", str(small_config))
    assert (trained.returncode, trained.stderr) == (
        6,
        "error: the current folder was removed\nhint: change to another folder: cd\n",
    )


@pytest.mark.parametrize("arguments", ["runs list", "generate", "train small.yaml"])
def test_a_folder_of_runs_whose_name_is_too_long_is_named_in_short(
    arguments: str, small_config: Path, monkeypatch: pytest.MonkeyPatch, lstmctl: Command
) -> None:
    monkeypatch.setenv("LSTMCTL_RUNS", "r" * 5000)
    code, _, err = lstmctl(*arguments.split())
    assert (code, err.count("File name too long")) == (6, 1)
    assert max(map(len, err.splitlines())) <= 500


def test_names_that_are_not_utf8_are_refused_or_kept(small_config: Path, lstmctl: Command, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9.yaml")
    odd.write_bytes(small_config.read_bytes())
    code, _, err = lstmctl("train", odd.name, "training.budget=2 steps")
    assert (code, err.splitlines()[-1].startswith("error")) == (0, False), err
    folder = tmp_path / os.fsdecode(b"\xe9t\xe9")
    folder.mkdir()
    for name in ("small.yaml", "small.txt"):
        (folder / name).write_bytes((tmp_path / name).read_bytes())
    os.chdir(folder)
    code, _, err = lstmctl("train", "small.yaml", "training.budget=2 steps")
    assert (code, err.startswith("error: "), "is not UTF-8" in err) == (3, True, True), err
    assert not any(Path("runs").glob("*"))


def test_json_keeps_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xc3\xa9")
    storage.replace_json(tmp_path / "a.json", {"file": name})
    assert storage.read_json(tmp_path / "a.json") == {"file": name}


# Streams, pipes, limits.


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["train", "--help"], ["config", "list"], ["data", "list"]]
)
def test_who_reads_stdout_may_leave(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        result = processes.run([*LSTMCTL, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_stderr_may_be_closed(trained: Trained) -> None:
    trained("small")
    command = f"exec {sys.executable} -m lstmctl evaluate --json 2>&-"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (result.returncode, json.loads(result.stdout)["format"], result.stderr) == (0, 1, "")


@pytest.mark.parametrize("kilobytes", [200_000, 450_000, 550_000, 800_000])
def test_little_memory_ends_in_words(kilobytes: int, small_config: Path) -> None:
    command = f"ulimit -v {kilobytes}; exec {sys.executable} -m lstmctl train small.yaml"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (result.returncode, "Traceback" in result.stderr) == (6, False), result.stderr
    assert result.stderr.startswith("error: this process may use 0.")
    assert result.stderr.endswith(" too little to load PyTorch\nhint: allow more: ulimit -v unlimited\n")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EMFILE, "Too many open files", "a.txt"), "too many open files"),
        (PermissionError(errno.EACCES, "Permission denied", "a.txt"), "a.txt cannot be used: Permission denied"),
        (OSError(errno.EIO, "Input/output error"), "a file or a connection cannot be used: Input/output error"),
        (MemoryError(), "out of memory"),
        (
            RuntimeError("can't start new thread"),
            "the system refused a resource that the program needs: can't start new thread",
        ),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
        (SystemError("error return without exception set"), None),
        (ImportError("cannot import name 'x'"), None),
        (OSError("without a number"), None),
        (ZeroDivisionError("division by zero"), None),
    ],
)
def test_refusals_of_the_system_are_distinguished_from_bugs(error: Exception, words: str | None) -> None:
    known = in_words(error)
    assert (None if known is None else (str(known), known.exit_code)) == (None if words is None else (words, 6))


@pytest.mark.parametrize(
    "setting", ["MPLBACKEND=bogus", "MPLBACKEND=module://matplotlib_inline.backend_inline", "matplotlibrc"]
)
def test_figures_are_drawn_whatever_is_set_for_matplotlib(setting: str, tmp_path: Path) -> None:
    environment = dict(os.environ)
    if setting == "matplotlibrc":
        (tmp_path / setting).write_bytes(b"backend: agg # \xff\xfe\n")
    else:
        environment["MPLBACKEND"] = setting.partition("=")[2]
    code = """
import os
from pathlib import Path
from lstmctl.reporting.drawing import Plot
def draw(width, ink):
    from matplotlib.figure import Figure
    drawing = Figure(figsize=(width, 2))
    drawing.add_subplot().plot([1, 2])
    return drawing
backend = os.environ.get("MPLBACKEND")
Plot("a", draw).save(Path("a.png"))
assert (os.environ.get("MPLBACKEND"), os.getcwd()) == (backend, str(Path("a.png").resolve().parent))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (result.returncode, "Traceback" in result.stderr) == (0, False), result.stderr
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, former)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("waves", ["forecast", "--output", "out.csv"]),
        ("waves", ["forecast", "--output", "out.parquet"]),
        ("waves", ["forecast", "--plot", "out.png"]),
        ("waves", ["backtest", "--output", "out.csv"]),
        ("small", ["predict", "--text", "Ann", "--output", "out.csv"]),
        ("small", ["inspect", "gates", "--plot", "out.svg"]),
    ],
)
def test_a_file_that_does_not_fit_on_the_disk_can_be_written_elsewhere(
    name: str, arguments: list[str], trained: Trained, lstmctl: Command
) -> None:
    trained(name)
    with largest_file(10):
        code, _, err = lstmctl(*arguments)
    assert code == 6, err
    message, hint = err.splitlines()[-2:]
    assert message.startswith(f"error: {arguments[-1]} cannot be written (")
    assert message.endswith(" bytes needed): File too large")
    assert hint == "hint: free some space, or use a file on another disk"
    assert not Path(arguments[-1]).exists()


def test_a_config_is_copied_whole_or_not_at_all(lstmctl: Command, tmp_path: Path) -> None:
    with largest_file(100):
        code, _, err = lstmctl("config", "copy", "travellers", "my.yaml")
    assert (code, err) == (
        6,
        "error: my.yaml cannot be written: File too large\nhint: free some space, or choose a FILE on another disk\n",
    )
    assert list(tmp_path.iterdir()) == []
    assert lstmctl("config", "copy", "travellers", "my.yaml").code == 0
    assert lstmctl("config", "copy", "travellers", "my.yaml").code == 2
    assert lstmctl("config", "copy", "travellers", "none/my.yaml").code == 6


# File systems that lack something.


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_without_locks_a_file_keeps_others_out(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with locked(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(RunError, match=f"is in use by process {os.getpid()} on ") as caught, locked(tmp_path):
            pass
    assert str(caught.value.hint) == f"wait for it, or stop it; if it no longer runs, remove {tmp_path / 'lock.held'}"
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        pass


KILLED = """
import fcntl, os, sys
from pathlib import Path
from lstmctl.locks import locked
def flock(*_):
    raise OSError(38, "not there")
fcntl.flock = flock
with locked(Path(sys.argv[1])):
    os._exit(0)
"""


def test_what_stood_for_a_lock_ends_with_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processes.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True)
    assert (tmp_path / "lock.held").exists()

    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, "not there")

    monkeypatch.setattr("fcntl.flock", flock)
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_what_cannot_be_synced_is_written_all_the_same(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    storage.replace_json(tmp_path / "a.json", {"a": 1})
    assert storage.read_json(tmp_path / "a.json") == {"a": 1}


# Ctrl-C at the edges of a command.

WHILE_IMPORTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["lstmctl", "--version"]
from lstmctl.cli.main import main
main()
"""
AT_THE_END = """
import atexit, os, signal, sys
def interrupt():
    for _ in range(5):
        os.kill(os.getpid(), signal.SIGINT)
atexit.register(interrupt)
sys.argv = ["lstmctl", "--version"]
from lstmctl.cli.main import main
main()
"""
MANY = """
import os, signal, sys
from lstmctl.cli import main, output
def write(text):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        for _ in range(5):
            os.kill(os.getpid(), signal.SIGINT)
output.write = write
sys.argv = ["lstmctl", "--version"]
main.main()
"""


@pytest.mark.parametrize(
    ("program", "code", "said"), [(WHILE_IMPORTING, 130, ""), (AT_THE_END, 0, ""), (MANY, 130, "Stopped.\n")]
)
def test_ctrl_c_is_answered_without_a_traceback(program: str, code: int, said: str) -> None:
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (code, said)
