"""Thousands of run folders in `runs list`, and a comparison of many tiny runs.

usage: python benchmarks/many_runs.py [--folders 10000] [--runs 1000] [--nodes 100] [--train 0] [--jobs 1]

Run folders are copies of one trained run. Planning is measured without training, and so is what the process that
directs a comparison does for runs on many nodes: the nodes are simulated, and answer at once. `--train N` makes N runs
too, and prints what they take and leave: time, the memory of the process that directs them, files, and the report.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

CONFIG = """\
task: {type: language-model, shape: many-to-many}
data: {text: small.txt}
model: {cell: lstm, hidden: 8, embedding: 4}
training: {budget: 4 steps, batch: 2, window: 8, evaluate_every: 4, precision: float32}
threads: 1
"""


def timed(folder: Path, *words: str) -> tuple[float, float]:
    """Run a command of lstmctl; return its wall-clock seconds, and its processor seconds, which suit a busy machine."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "lstmctl", *words], cwd=folder, capture_output=True, check=True, env=os.environ
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folders", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--train", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        folder = Path(name)
        (folder / "small.txt").write_text("Ann sees the sea. Bob likes two birds.\n" * 200)
        (folder / "small.yaml").write_text(CONFIG)
        timed(folder, "train", "small.yaml", "--name", "one", "--quiet")
        shutil.copy(folder / "runs/one/run.json", folder / "one.json")
        list_many(folder, asked.folders)
        shutil.rmtree(folder / "runs")
        plan_many(folder, asked.runs)
        direct_many(folder, asked.runs, asked.nodes)
        if asked.train:
            train_many(folder, asked.train, asked.jobs)


def list_many(folder: Path, count: int) -> None:
    """Copy one run's `run.json` into many folders, and list them."""
    info = json.loads((folder / "runs/one/run.json").read_text())
    for number in range(count):
        path = folder / "runs" / f"small-lstm-{number:05d}"
        path.mkdir()
        (path / "run.json").write_text(json.dumps({**info, "order": number + 2}))
    for words in (("runs", "list"), ("runs", "list", "--json"), ("runs", "show", "latest")):
        seconds, used = min(timed(folder, *words) for _ in range(3))
        print(f"{' '.join(words)} with {count:,} runs: {seconds:.2f} s, {used:.2f} s of a processor")
    seconds, used = timed(folder, "train", "small.yaml", "--quiet")
    print(f"train (4 steps) among them: {seconds:.2f} s, {used:.2f} s of a processor")


def plan_many(folder: Path, count: int) -> None:
    """Plan a comparison of many runs, and look at the size of its plan."""
    code = f"""
import resource, time
start = time.perf_counter()
from lstmctl.config import load
from lstmctl.comparison.arms import Arm
from lstmctl.comparison.plan import read_plan, write_plan
from lstmctl.comparison.planning import make_plan
from lstmctl.comparison.study import is_pending
from pathlib import Path
imported = time.perf_counter()
loaded = load("small.yaml")
plan = make_plan(loaded, [Arm("lstm", "lstm")], [()], seeds={count}, match="hidden", overrides=(), command="")
planned = time.perf_counter()
write_plan(Path("."), plan)
read_plan(Path("."), trust=False)
is_pending(Path("."), plan)
read = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
size = Path("plan.json").stat().st_size
print(f"planning {count:,} runs: {{planned - imported:.2f}} s, plan.json {{size / 1e3:.0f}} kB read in "
      f"{{read - planned:.2f}} s, {{peak:.0f}} MB with torch")
"""
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


MESSAGES = 430
"""Of each simulated run: 400 reports of steps, as in a real one, and some evaluations and checkpoints."""


def direct_many(folder: Path, count: int, nodes: int) -> None:
    """Direct many runs on nodes that answer at once."""
    code = f"""
import json, resource, time
from collections import deque
from pathlib import Path
from lstmctl.comparison.execution import Exit, execute
from lstmctl.comparison.messages import told
from lstmctl.comparison.plan import read_plan
from lstmctl.events import Stepped
from lstmctl.reporting.live_comparison import ComparisonProgress

folder = Path("many")
template = json.loads(Path("one.json").read_text())

class Nodes:
    def __init__(self):
        self.turn, self.left, self.jobs, self.messages = deque(), dict(), dict(), 0
    def has_room(self):
        return len(self.turn) < {nodes}
    def start(self, job):
        self.turn.append(job.name)
        self.left[job.name], self.jobs[job.name] = {MESSAGES}, job
    def next(self, seconds):
        name = self.turn.popleft()
        self.messages += 1
        self.left[name] -= 1
        if self.left[name] >= 0:
            self.turn.append(name)
            return name, json.loads(json.dumps(told(Stepped(1, 2.0, 1e-3, 0.5, 64, 0.1))))
        run = folder / name
        run.mkdir()
        (run / "run.json").write_text(json.dumps({{**template, "order": self.messages}}))
        return name, Exit(0)
    def stop(self, name): pass
    def close(self): pass

plan = read_plan(folder, trust=False)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
executor, shown = Nodes(), ComparisonProgress(time.monotonic)
start = time.perf_counter()
execute(folder, plan, plan.runs({{"lstm": 0}}), executor=executor, observe=shown.take)
seconds = time.perf_counter() - start
more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(f"{{len(plan.names):,}} simulated runs on {nodes} nodes: {{executor.messages:,}} messages in {{seconds:.1f}} s, "
      f"{{executor.messages / seconds:,.0f}} per second, {{more:.1f}} MiB more memory")
"""
    (folder / "many").mkdir()
    shutil.copy(folder / "plan.json", folder / "many")
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


def train_many(folder: Path, count: int, jobs: int) -> None:
    """Make a comparison of many runs of four steps."""
    words = ("compare", "lstm", "--config", "small.yaml", "--seeds", str(count), "--jobs", str(jobs), "--name", "many")
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen([sys.executable, "-m", "lstmctl", *words, "--quiet"], cwd=folder)
    memory = 0
    comparison = folder / "runs" / "many"
    trained = 0.0
    while process.poll() is None:
        with suppress(OSError, ValueError):  # it has just ended
            status = Path(f"/proc/{process.pid}/status").read_text()
            memory = max(memory, int(status.partition("VmHWM:")[2].split()[0]))
        if not trained and (comparison / f"lstm-seed-{count - 1}" / "report.html").is_file():
            trained = time.perf_counter() - start
        time.sleep(0.5)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    files = [path for path in comparison.rglob("*") if path.is_file()]
    print(
        f"{count:,} runs of 4 steps, {jobs} at once: {seconds:.0f} s, {seconds / count:.2f} s per run, "
        f"{used / count:.2f} s of a processor per run; {seconds - trained:.0f} s after the last run; "
        f"{memory / 1024:.0f} MiB in the process that directs them"
    )
    sizes = {
        name: (comparison / name).stat().st_size / 1024 for name in ("report.html", "comparison.json", "plan.json")
    }
    print(
        f"{len(files):,} files, {sum(path.stat().st_size for path in files) / 2**20:.0f} MiB; "
        + ", ".join(f"{name} {size:,.0f} KiB" for name, size in sizes.items())
    )
    seconds, used = timed(folder, "runs", "list")
    print(f"runs list: {seconds:.2f} s; ", end="")
    seconds, used = timed(folder, "compare", "--resume", "many")
    print(f"drawn again by compare --resume: {seconds:.1f} s, {used:.1f} s of a processor")


if __name__ == "__main__":
    main()
