"""Run every command that reads data on odd tables and texts, and count unexpected results.

Each case is derived from its seed and name, and runs in a separate process: `data show`, a training of two steps, and
the commands that a run of its kind supports, on its own data and on the file. A command may succeed or refuse with one
of our errors; an unexpected error, a library's warning, a crash or more than a minute of processor time is a fault. The
exit status is 1 if there is any.

    python benchmarks/fuzz_data.py --tables 500 --texts 300
    python benchmarks/fuzz_data.py --only table-17 --keep
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import pkgutil
import random
import re
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import fuzz_tables
import fuzz_texts
import torch

import lstmctl
from lstmctl.cli.main import main as run_command

LONGEST = 60
"""Seconds of a processor's time for one case: the machine may be busy with others."""
WAITED = 20 * LONGEST
"""Seconds after which a case is taken to hang."""
EXPECTED = (0, 2, 3, 5)
"""Done, refused as usage or config, refused as data, or diverged."""
FAULTS = re.compile(r"Traceback|bug in lstmctl|\w+Warning: |panicked at", re.MULTILINE)


@dataclass
class Outcome:
    """The outcome of one case."""

    name: str
    seconds: float = 0.0
    commands: list[tuple[str, int]] = field(default_factory=list)
    """Each command that ended, with its exit code."""
    faults: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first table and the first text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cases at once; each computes with one thread")
    parser.add_argument("--only", metavar="NAME", help="one case, such as table-17, and all it prints")
    parser.add_argument("--keep", action="store_true", help="leave the folders of cases, and say where")
    arguments = parser.parse_args()
    for module in pkgutil.walk_packages(lstmctl.__path__, "lstmctl."):
        if "__main__" not in module.name and "_bundled" not in module.name:
            importlib.import_module(module.name)
    torch.set_num_threads(1)
    counts = {"table": arguments.tables, "text": arguments.texts}
    names = [f"{kind}-{arguments.first + number}" for kind, count in counts.items() for number in range(count)]
    root = Path(tempfile.mkdtemp(prefix="fuzz-"))
    outcomes = []
    for outcome in attempts([arguments.only] if arguments.only else names, arguments.seed, root, arguments.jobs):
        name = outcome.name
        outcomes.append(outcome)
        for fault in outcome.faults:
            print(f"{name}: {fault}", flush=True)
        if arguments.only:
            print((root / name / "log.txt").read_text(errors="replace"))
        if not arguments.keep and not outcome.faults:
            shutil.rmtree(root / name)
    faults = report(outcomes)
    if arguments.keep or faults:
        print(f"folders: {root}")
    else:
        shutil.rmtree(root)
    return 1 if faults else 0


def report(outcomes: list[Outcome]) -> int:
    """Print the counts; return the number of faulty cases."""
    for kind in ("table", "text"):
        ours = [outcome for outcome in outcomes if outcome.name.startswith(kind)]
        codes = Counter(code for outcome in ours for _, code in outcome.commands)
        over = sum(outcome.seconds > LONGEST for outcome in ours)
        bad = sum(bool(outcome.faults) for outcome in ours)
        done = sum(any(verb == "train" and code == 0 for verb, code in outcome.commands) for outcome in ours)
        commands = ", ".join(f"exit code {code}: {count:,}" for code, count in sorted(codes.items()))
        slowest = max((outcome.seconds for outcome in ours), default=0)
        print(f"{len(ours):,} {kind}s: {done:,} trained; commands with {commands or 'none'}; slowest {slowest:.1f} s")
        print(f"  {bad:,} unexpected, {over:,} over {LONGEST} s")
    return sum(bool(outcome.faults) for outcome in outcomes)


def attempts(names: Sequence[str], seed: int, root: Path, jobs: int) -> Iterator[Outcome]:
    """Run the commands of each case in a separate process, several in parallel; yield the outcomes as they arrive."""
    running: dict[int, str] = {}
    waiting = list(reversed(names))
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop()
            (root / name).mkdir()
            if (child := os.fork()) == 0:
                os._exit(in_child(name, seed, root / name))
            running[child] = name
        child, status, used = os.wait4(-1, 0)
        name = running.pop(child)
        yield judged(Outcome(name, used.ru_utime + used.ru_stime), root / name, status)


def judged(outcome: Outcome, folder: Path, status: int) -> Outcome:
    """Read the log of a case for its commands and faults."""
    log = (folder / "log.txt").read_text(errors="replace") if (folder / "log.txt").exists() else ""
    code = os.waitstatus_to_exitcode(status)
    if code in (-signal.SIGPROF, -signal.SIGALRM):
        what = f"over {LONGEST} s" if code == -signal.SIGPROF else "hangs"
        outcome.faults.append(f"{what} in: {log.rpartition('$ ')[2].splitlines()[0] if '$ ' in log else ''}")
    elif code != 0:
        outcome.faults.append(f"the process ended with {code}: {log.strip().splitlines()[-1:]}")
    for part in re.split(r"^\$ ", log, flags=re.MULTILINE)[1:]:
        line, _, said = part.partition("\n")
        if ended := re.search(r"^= (-?\d+)$", said, re.MULTILINE):
            outcome.commands.append((line.split()[0].strip("'"), int(ended[1])))
            if int(ended[1]) not in EXPECTED:
                problem = re.search(r"^error: .*", said, re.MULTILINE)
                outcome.faults.append(f"{line}: exit code {ended[1]}: {problem[0] if problem else said[:200]!r}")
        if found := FAULTS.search(said):
            place = said[max(0, found.start() - 100) : found.end() + 200]
            outcome.faults.append(f"{line}: {place!r}")
    return outcome


def in_child(name: str, seed: int, folder: Path) -> int:
    """Make the case and run its commands; everything they print goes into the log."""
    os.chdir(folder)
    os.environ["LSTMCTL_RUNS"] = str(folder / "runs")
    log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    for ends in (signal.SIGPROF, signal.SIGALRM):  # even inside of a kernel
        signal.signal(ends, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    signal.alarm(WAITED)
    draw = random.Random(f"{seed} {name}")
    try:
        made = fuzz_tables.make(draw) if name.startswith("table") else fuzz_texts.make(draw)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        return 99
    trained = command("train", *made.settings, "--quiet") if command("data", "show", *made.settings) == 0 else None
    if trained is None:  # what cannot be shown is refused by training too
        trained = command("train", *made.settings, "--quiet")
    if trained == 0:
        for arguments in made.uses:
            command(*arguments)
    for arguments in made.others:
        command(*arguments)
    return 0


def command(*arguments: str) -> int:
    """Run a command in this process and log it with its exit code."""
    sys.stdout.flush()
    print("$", *map(ascii, arguments), flush=True)
    sys.argv = ["lstmctl", *arguments]
    code = 0
    try:
        run_command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):
            stream.flush()
    print(f"\n= {code}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
