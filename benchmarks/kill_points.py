"""Kill a tiny training before every call that changes the disk, resume it, and check that nothing is missing.

A small C library, loaded before all others, counts the calls of a forked child that change files (open for writing,
write, rename, link, unlink, truncate, fsync, mkdir, …), and kills the child before the N-th. Between two such calls the
disk does not change, so a kill before each of them covers every state in which a kill can leave it. After each kill the
run is resumed, or trained again if it had not begun; it must then equal, bit for bit, a run that was never killed.
Counted are:

- stale: exported weights, checkpoints, logs or metrics that differ from the undisturbed run's
- without report: no report.html that says `finished`
- left over: temporary files, checkpoints that no pointer names, or a folder of a run that never began
- refused: the run cannot be resumed

    python benchmarks/kill_points.py
    python benchmarks/kill_points.py --every 25 --jobs 2
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBRARY = "LSTMCTL_KILL_POINTS"
FAULTS = ("stale", "without report", "left over", "refused")
SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

static long calls = 0, kill_at = 0;

void kill_points_arm(long number) { calls = 0; kill_at = number; }
long kill_points_count(void) { return calls; }

static void point(void) {
    if (kill_at < 0) return;
    if (__sync_add_and_fetch(&calls, 1) == kill_at) kill(getpid(), SIGKILL);
}

#define CHANGES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))

#define OPEN(name) int name(const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
    static int (*next)(const char *, int, ...); if (!next) next = dlsym(RTLD_NEXT, #name); \
    if (CHANGES(flags)) point(); return next(path, flags, mode); }
#define OPENAT(name) int name(int folder, const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
    static int (*next)(int, const char *, int, ...); if (!next) next = dlsym(RTLD_NEXT, #name); \
    if (CHANGES(flags)) point(); return next(folder, path, flags, mode); }
#define CALL(type, name, parameters, arguments) type name parameters { \
    static type (*next) parameters; if (!next) next = dlsym(RTLD_NEXT, #name); point(); return next arguments; }

OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)
CALL(ssize_t, write, (int file, const void *data, size_t size), (file, data, size))
CALL(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
CALL(int, rename, (const char *from, const char *to), (from, to))
CALL(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
CALL(int, link, (const char *from, const char *to), (from, to))
CALL(int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
CALL(int, symlink, (const char *from, const char *to), (from, to))
CALL(int, unlink, (const char *path), (path))
CALL(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
CALL(int, rmdir, (const char *path), (path))
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode))
CALL(int, mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode))
CALL(int, truncate, (const char *path, off_t size), (path, size))
CALL(int, ftruncate, (int file, off_t size), (file, size))
CALL(int, ftruncate64, (int file, off64_t size), (file, size))
CALL(int, fsync, (int file), (file))
CALL(int, fdatasync, (int file), (file))
CALL(ssize_t, sendfile64, (int to, int from, off64_t *at, size_t size), (to, from, at, size))
CALL(ssize_t, copy_file_range, (int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags),
     (from, a, to, b, size, flags))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6, help="of the training, with a save at every second one")
    parser.add_argument("--every", type=int, default=1, help="kill only before every N-th call")
    parser.add_argument("--first", type=int, default=1, help="the first call to kill before")
    parser.add_argument("--resumed", action="store_true", help="kill the resumption of a stopped run instead")
    parser.add_argument("--jobs", type=int, default=1, help="kills at once")
    parser.add_argument("--draw", action="store_true", help="draw the plots of the reports, which are otherwise blank")
    arguments = parser.parse_args()
    if LIBRARY not in os.environ:
        return with_library()
    library = ctypes.CDLL(os.environ[LIBRARY])
    library.kill_points_arm(ctypes.c_long(-1))

    import disturbing
    import torch
    from matplotlib.figure import Figure

    torch.set_num_threads(1)
    from lstmctl.api import resume, train

    if not arguments.draw:  # drawing takes most of the time and writes nothing
        Figure.draw = lambda figure, renderer: None  # type: ignore[method-assign]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        disturbing.write_text(Path("small.txt"))
        config = disturbing.settings(
            Path(folder) / "small.txt", "lstm", arguments.steps, save_every=2, evaluate_every=3, sample_every=3
        )
        run, stopped = disturbing.next_run("lstm"), Path(folder) / "stopped"
        if child(library, -1, lambda: train(config)) != 0:
            return 1
        expected = disturbing.left_by(run)
        (run / "report.html").unlink()
        resume(run)  # draws here, so that no child has to load what draws
        if arguments.resumed:
            shutil.copytree(run, stopped)
            rewind(stopped)

        def tried(number: int) -> list[str] | None:
            """The problem after a kill before a call; None if there are fewer calls."""
            shutil.rmtree("runs", ignore_errors=True)
            if arguments.resumed:
                shutil.copytree(stopped, run)
            code = child(library, number, lambda: resume(run) if arguments.resumed else train(config))
            if code == 0:
                return None
            if code != -signal.SIGKILL:
                raise SystemExit(f"call {number}: the training ended with {code}")
            begun = (run / "run.json").is_file()
            if child(library, -1, lambda: resume(run) if begun else train(config)) != 0:
                found = ["refused"]
            else:
                found = faults(run, expected)
            if found:
                print(f"call {number}: {', '.join(found)}", *(leftovers(run) if run.is_dir() else ()), flush=True)
            return ["kills", *found, *([] if begun else ["not begun"])]

        tally = shared_out(tried, arguments.first, arguments.every, arguments.jobs)
        os.chdir("/")
    what = "resumption" if arguments.resumed else "training"
    print(f"torch {torch.__version__}, {platform.machine()}; a {what} of {arguments.steps} steps")
    seconds = time.monotonic() - began
    print(f"kills {tally['kills']}, of these before there was a run {tally['not begun']}, {seconds:.0f} s")
    print(", ".join(f"{fault} {tally[fault]}" for fault in FAULTS))
    return int(any(tally[fault] for fault in FAULTS))


def shared_out(tried: Callable[[int], list[str] | None], first: int, every: int, jobs: int) -> Counter[str]:
    """Try the calls from the first on, shared out among forked processes with a folder each."""
    processes = []
    for job in range(jobs):
        folder = Path(f"job-{job}").absolute()
        folder.mkdir()
        if (process := os.fork()) == 0:
            code = 1
            try:
                os.chdir(folder)
                tally: Counter[str] = Counter()
                number = first + job * every
                while (found := tried(number)) is not None:
                    tally.update(found)
                    number += jobs * every
                (folder / "tally.json").write_text(json.dumps(tally))
                code = 0
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(code)
        processes.append(process)
    failures = [os.waitpid(process, 0)[1] for process in processes]  # all of them must end
    if any(failures):
        raise SystemExit("a training ended in another way than by its kill")
    return sum((Counter(json.loads(path.read_text())) for path in Path().glob("job-*/tally.json")), Counter())


def with_library() -> int:
    """Build the library, and run this script again with it loaded before all others."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "kill_points.c", Path(folder) / "kill_points.so"
        source.write_text(SOURCE, encoding="ascii")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
        environment = {**os.environ, LIBRARY: str(library), "LD_PRELOAD": str(library)}
        return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode


def child(library: ctypes.CDLL, kill_at: int, action: Callable[[], object]) -> int:
    """The exit code of a forked process that acts, and is killed before the given call; -1 counts none."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            library.kill_points_arm(ctypes.c_long(kill_at))
            action()
            code = 0
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def rewind(run: Path) -> None:
    """Make of a finished run one that stopped at its checkpoint before the last."""
    path = run / "checkpoints/pointers.json"
    pointers = json.loads(path.read_text())
    shutil.rmtree(run / f"checkpoints/step-{pointers['last']}")
    pointers["last"] = pointers["previous"]
    pointers["best"] = min(pointers["best"], pointers["previous"])
    path.write_text(json.dumps(pointers))
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**info, "status": "running", "metrics": None}))


def faults(run: Path, expected: dict[str, Any]) -> list[str]:
    """The problem of a run that was killed and resumed."""
    import disturbing

    report = run / "report.html"
    found = {
        "stale": disturbing.left_by(run) != expected,
        "without report": not report.is_file() or b'class="status finished"' not in report.read_bytes(),
        "left over": bool(leftovers(run)),
    }
    return [fault for fault, there_is in found.items() if there_is]


def leftovers(run: Path) -> list[str]:
    """Temporary files, checkpoints that no pointer names, and other runs."""
    pointers = run / "checkpoints/pointers.json"
    steps = json.loads(pointers.read_text()).values() if pointers.is_file() else ()
    named = {f"step-{step}" for step in steps}
    unnamed = [path for path in (run / "checkpoints").glob("step-*") if path.name not in named]
    others = [path for path in run.parent.iterdir() if path.name != run.name]
    return sorted(str(path) for path in [*unnamed, *run.rglob(".*"), *others])


if __name__ == "__main__":
    sys.exit(main())
