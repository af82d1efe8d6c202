"""Emulates Windows for lstmctl, in every process that has this folder on PYTHONPATH.

lstmctl cannot import modules that Windows lacks, functions that Windows lacks are missing, and `sys.platform` and
`os.name` report Windows. Only the modules of lstmctl see this: the libraries support Windows themselves and need the
real system here. The restrictions on files apply to all code: a file that is open or mapped cannot be renamed or
deleted, and names that Windows refuses cannot be created.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
FUNCTIONS = {
    "os": "fork forkpty getuid geteuid getpgid killpg mkfifo nice O_CLOEXEC O_DIRECTORY O_NONBLOCK pread pwrite "
    "sched_getaffinity sched_setaffinity setsid statvfs symlink sysconf uname",
    "signal": "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGUSR1 SIGUSR2 SIGWINCH pthread_kill setitimer",
}
NEW_PROCESS_GROUP = 0x200


class Seen(ModuleType):
    """A module as lstmctl sees it.

    Args:
        module: the real one.
        lacks: names that are missing, separated by spaces.
        other: what some names mean.
    """

    def __init__(self, module: ModuleType, lacks: str, other: dict[str, Any]) -> None:
        super().__init__(module.__name__)
        self.__dict__.update(real=module, lacks=set(lacks.split()), **other)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__["lacks"]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} on Windows")
        return getattr(self.__dict__["real"], name)


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """Processes that can only be killed, whatever the signal."""

    def __init__(self, *arguments: Any, creationflags: int = 0, start_new_session: bool = False, **more: Any) -> None:
        assert creationflags & NEW_PROCESS_GROUP, "Ctrl-C would reach this process too"
        super().__init__(*arguments, start_new_session=True, **more)

    def send_signal(self, sig: int) -> None:
        super().send_signal(signal.SIGKILL)


def link(source: object, target: object) -> None:
    raise OSError(errno.EPERM, "refused as by a file system without hard links")


def fsync(descriptor: int) -> None:
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "open for reading only")
    os.fsync(descriptor)


OTHER: dict[str, dict[str, Any]] = {
    "os": {"name": "nt", "fsync": fsync, "link": link},
    "sys": {"platform": "win32"},
    "subprocess": {"Popen": Popen, "CREATE_NEW_PROCESS_GROUP": NEW_PROCESS_GROUP},
    "platform": {"libc_ver": lambda: ("", "")},
}
refused: list[str] = []
"""Files that could not be renamed or deleted because they were open."""
when_refused: list[Callable[[], object]] = []
"""Called at the next refusal, for example to close the file."""
seen: dict[str, ModuleType] = {}
find = builtins.__import__


def is_ours(names: Any) -> bool:
    """Return whether globals belong to a module of lstmctl, including one started by `python -m`."""
    spec = (names or {}).get("__spec__")
    name = spec.name if spec is not None else (names or {}).get("__name__", "")
    return name.partition(".")[0] == "lstmctl"


def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    if not is_ours(globals) or level or name not in {*MODULES, *FUNCTIONS, *OTHER}:
        return find(name, globals, locals, fromlist, level)
    if name in MODULES:
        raise ModuleNotFoundError(f"No module named {name!r} on Windows", name=name)
    if name not in seen:
        seen[name] = Seen(find(name), FUNCTIONS.get(name, ""), OTHER.get(name, {}))
    return seen[name]


def in_use() -> set[tuple[int, int]]:
    """Return device and inode of every file that this process has open or mapped."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            status = os.fstat(int(name))
        except OSError:  # of the listing itself
            continue
        if stat.S_ISREG(status.st_mode):
            found.add((status.st_dev, status.st_ino))
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            device, number = line.split(maxsplit=5)[3:5]
            major, minor = (int(part, 16) for part in device.split(":"))
            found.add((os.makedev(major, minor), int(number)))
    return found


def refuse_if_in_use(path: Any, folder: int = -1) -> None:
    """Raise PermissionError if the file at `path`, or any below it, is open."""
    try:
        status = os.stat(path, dir_fd=folder if folder != -1 else None, follow_symlinks=False)
    except OSError:  # none there
        return
    files = [status]
    if stat.S_ISDIR(status.st_mode):
        files = [os.stat(os.path.join(above, name)) for above, _, names in os.walk(path) for name in names]
    if {(file.st_dev, file.st_ino) for file in files} & in_use():
        refused.append(os.fsdecode(path))
        while when_refused:
            when_refused.pop()()
        raise PermissionError(errno.EACCES, "is open", path)


def refuse_name(path: Any) -> None:
    """Raise OSError for a name that Windows refuses."""
    name = os.path.basename(os.fsdecode(path))
    if re.search(r'[<>:"|?*\x00-\x1f]|[. ]$', name) or re.fullmatch(r"(?i)(con|nul|aux|prn|com\d|lpt\d)(\..*)?", name):
        raise OSError(errno.EINVAL, "is refused by Windows", name)


def audit(event: str, values: tuple[Any, ...]) -> None:
    if event == "os.rename":
        refuse_name(values[1])
        refuse_if_in_use(values[0], values[2])
        refuse_if_in_use(values[1], values[3])
    elif event == "os.remove":
        refuse_if_in_use(*values)
    elif event == "os.mkdir":
        refuse_name(values[0])
    elif event == "open" and isinstance(values[0], str | bytes):
        path, _, flags = values
        if path == "/proc/self/status":
            raise FileNotFoundError(errno.ENOENT, "is not there", path)
        if flags & os.O_CREAT:
            refuse_name(path)
        caller = sys._getframe().f_back
        if caller is not None and is_ours(caller.f_globals) and os.path.isdir(path):
            raise PermissionError(errno.EACCES, "is a folder", path)


# A file opened without an encoding would be read as the machine likes.
warnings.filterwarnings("error", category=EncodingWarning, module=r"lstmctl\b")
builtins.__import__ = import_
sys.addaudithook(audit)
