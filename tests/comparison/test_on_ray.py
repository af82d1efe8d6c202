"""Comparisons on a Ray cluster of three nodes of this machine, each with its own processes."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import lstmctl
from lstmctl.comparison import compare, resume
from lstmctl.comparison.execution import Interrupted
from lstmctl.comparison.on_ray import check_ray, versions
from lstmctl.errors import ResourceError, RunError, UsageError
from lstmctl.events import (
    ComparisonEvent,
    Ended,
    Opened,
    Planned,
    RunBegan,
    RunEnded,
    RunEvent,
    Saved,
    Started,
)
from lstmctl.results.comparison import Comparison
from lstmctl.search import search

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

CONFIG = """\
task: {type: language-model, shape: many-to-many}
data: {text: small.txt}
model: {cell: lstm, hidden: 12, layers: 1, embedding: 8}
training: {budget: 600 steps, batch: 4, window: 16, learning_rate: 1e-2, evaluate_every: 100, save_every: 20,
  sample_every: 600, precision: float32}
threads: 1
"""
CELL = """\
from lstmctl.cells.rnn import RNN


class Mine(RNN):
    pass
"""
AT_FIRST = dict(os.environ)
LIMITS = ("--object-store-memory=80000000", "--disable-usage-stats", "--block")
HIDDEN = 'mount -t tmpfs tmpfs "$0" && cd / && exec "$@"'
"""What a shell in a mount namespace of its own does: an empty file system takes the place of a folder."""


class Nodes:
    """Nodes of a cluster on this machine."""

    def __init__(self) -> None:
        # Paths of sockets are short.
        self.folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        self.nodes: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free, socket.socket() as free_too:
            for one in (free, free_too):
                one.bind(("127.0.0.1", 0))
            self.port, self.client = (one.getsockname()[1] for one in (free, free_too))
        self.address = f"127.0.0.1:{self.port}"

    def start(self, cpus: int = 1, without: Path | None = None, **environment: str) -> subprocess.Popen[bytes]:
        """Start a node, the first of which is the head, and wait until the cluster has it.

        Args:
            cpus: for runs.
            without: a folder that the node does not see.
        """
        client = f"--ray-client-server-port={self.client}"
        head = ("--head", f"--port={self.port}", client, "--include-dashboard=false", f"--temp-dir={self.folder}")
        path = os.pathsep.join([environment.pop("first", ""), str(Path(lstmctl.__file__).parents[1])]).strip(os.pathsep)
        # Ray changes the environment of a process that uses it, and no client server starts with those changes.
        own = {name: value for name, value in os.environ.items() if name in AT_FIRST or "RAY" not in name}
        with tempfile.TemporaryFile() as said:
            node = subprocess.Popen(
                [
                    *(["unshare", "--mount", "sh", "-c", HIDDEN, str(without)] if without is not None else []),
                    *(sys.executable, "-m", "ray.scripts.scripts", "start", f"--num-cpus={cpus}", *LIMITS),
                    *(head if not self.nodes else [f"--address={self.address}"]),
                ],
                env={
                    **own,
                    "PYTHONPATH": path,
                    "OMP_NUM_THREADS": "1",
                    "RAY_AUTH_MODE": os.environ["RAY_AUTH_MODE"],
                    **environment,
                },
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.nodes.append(node)
            for _ in range(600):
                said.seek(0)
                if b"Ray runtime started" in said.read():
                    return node
                assert node.poll() is None
                time.sleep(0.1)
        raise AssertionError("the node did not start")

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """Kill everything of a node at once."""
        for process in [node.pid, *descendants(node.pid)]:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        node.wait()

    def close(self) -> None:
        for node in reversed(self.nodes):
            self.kill(node)
        shutil.rmtree(self.folder, ignore_errors=True)


def parents() -> dict[int, int]:
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
    return found


def descendants(of: int) -> list[int]:
    known, found, level = parents(), [], {of}
    while level := {child for child, parent in known.items() if parent in level}:
        found += level
    return found


def workers(of: int) -> list[int]:
    """The processes below one that make runs."""
    found = []
    for process in descendants(of):
        try:
            if b"lstmctl.comparison.worker" in Path(f"/proc/{process}/cmdline").read_bytes():
                found.append(process)
        except OSError:
            continue
    return found


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # whatever tokens this machine has
    nodes = Nodes()
    try:
        nodes.start()
        monkeypatch.setenv("RAY_ADDRESS", nodes.address)
        yield nodes
    finally:
        nodes.close()


@pytest.fixture
def config(text_file: Path) -> Path:
    path = text_file.parent / "small.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def when_saved(step: int, act: Callable[[str], None]) -> Callable[[ComparisonEvent], None]:
    """An observer that acts once, when any run has saved a step."""
    done: list[str] = []

    def observe(event: ComparisonEvent) -> None:
        if isinstance(event, RunEvent) and isinstance(event.event, Saved) and event.event.step >= step and not done:
            done.append(event.run)
            act(event.run)

    return observe


def left(result: Comparison, left_by: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    return left_by(Path(result.path))


def test_runs_on_a_cluster_are_those_of_one_machine_whatever_is_killed(
    cluster: Nodes,
    config: Path,
    left_by: Callable[[Path], dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    alone = compare(["rnn", "lstm"], config, seeds=2, quiet=True)
    others = [cluster.start(), cluster.start()]
    killed: list[str] = []

    def kill(_: str) -> None:
        deadline = time.monotonic() + 120
        while not killed and time.monotonic() < deadline:
            for node in others:
                if workers(node.pid):
                    cluster.kill(node)
                    killed.append("node")
                    break
            time.sleep(0.05)

    ended: list[str] = []
    observe = when_saved(40, kill)

    def hear(event: ComparisonEvent) -> None:
        observe(event)
        if isinstance(event, RunEnded):
            ended.append(event.run)

    result = compare(["rnn", "lstm"], config, seeds=2, on="ray", observe=hear)
    assert killed == ["node"]
    assert left(result, left_by) == left(alone, left_by)
    assert sorted(ended) == ["lstm-seed-0", "lstm-seed-1", "rnn-seed-0", "rnn-seed-1"]
    lost = [message for message in caplog.messages if "was lost" in message]
    assert lost
    assert all(message.endswith("it continues from its last checkpoint") for message in lost)
    # One killed process is replaced too.
    survivors = [node for node in [cluster.nodes[0], *others] if node.poll() is None]
    caplog.clear()

    def kill_worker(_: str) -> None:
        os.kill([worker for node in survivors for worker in workers(node.pid)][-1], signal.SIGKILL)

    again = compare(["lstm"], config, seeds=2, on="ray", jobs=1, observe=when_saved(40, kill_worker))
    runs = {name: made for name, made in left(alone, left_by).items() if name.startswith("lstm")}
    assert left(again, left_by) == runs
    assert any("was lost (it was killed)" in message for message in caplog.messages)


def test_a_stopped_driver_continues_elsewhere(
    cluster: Nodes, config: Path, left_by: Callable[[Path], dict[str, Any]]
) -> None:
    began: list[str] = []

    def hear(event: ComparisonEvent) -> None:
        if isinstance(event, RunBegan):
            began.append(event.run)

    stop = when_saved(40, lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted) as caught:
        compare(["rnn", "lstm"], config, seeds=1, on="ray", jobs=1, observe=stop)
    assert caught.value.again == "lstmctl compare --resume runs/small-comparison-001 --jobs 1 --on ray"
    assert json.loads(Path("runs/small-comparison-001/rnn-seed-0/run.json").read_text())["status"] == "interrupted"
    result = resume("latest", observe=hear)  # on this machine alone
    assert began == ["rnn-seed-0", "lstm-seed-0"]
    assert isinstance(result, Comparison)
    assert left(result, left_by) == left(compare(["rnn", "lstm"], config, seeds=1, quiet=True), left_by)


def test_a_killed_driver_continues(cluster: Nodes, config: Path, left_by: Callable[[Path], dict[str, Any]]) -> None:
    words = ["rnn", "lstm", "--config", str(config), "--seeds", "1", "--on", "ray", "--jobs", "1", "--name", "killed"]
    driver = subprocess.Popen([sys.executable, "-m", "lstmctl", "compare", *words, "--quiet"], stderr=subprocess.PIPE)
    mark = Path("runs/killed/rnn-seed-0/last.safetensors")
    deadline = time.monotonic() + 120
    while not mark.is_file():
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    driver.kill()
    driver.communicate()
    assert json.loads(Path("runs/killed/rnn-seed-0/run.json").read_text())["status"] == "running"
    result = resume("killed", on="ray", quiet=True)
    assert isinstance(result, Comparison)
    assert left(result, left_by) == left(compare(["rnn", "lstm"], config, seeds=1, quiet=True), left_by)


FILLER = "filler"


def fill(disk: Path) -> None:
    free = os.statvfs(disk)
    (disk / FILLER).write_bytes(bytes(free.f_bavail * free.f_frsize))


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A separate file system of 4 MB."""
    disk = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("mounting is not possible here")
    if mounted.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_an_actor_makes_one_run_after_another(cluster: Nodes, config: Path) -> None:
    left_over: list[list[int]] = []

    def hear(event: ComparisonEvent) -> None:
        if isinstance(event, RunEnded):
            left_over.append(workers(cluster.nodes[0].pid))

    compare(["rnn"], config, ["training.budget=20 steps"], seeds=3, on="ray", jobs=1, observe=hear)
    assert len(left_over[0]) == 1
    assert left_over == [left_over[0]] * 3


def test_runs_that_no_node_can_hold_wait_for_one_that_can(
    cluster: Nodes, config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def grow(event: ComparisonEvent) -> None:
        if isinstance(event, RunBegan):
            assert [message for message in caplog.messages if "wait" in message] == [
                "no node of the cluster has 2 CPUs and 0.5 GiB of memory: runs wait until one has"
            ]
            if len(cluster.nodes) == 1:
                cluster.start(cpus=2)

    result = compare(["rnn"], config, ["threads=2", "training.budget=20 steps"], seeds=2, on="ray", observe=grow)
    assert [run.status for run in result.arms[0].runs] == ["finished", "finished"]


def test_a_disk_that_fills_up_on_a_node_is_reported_and_the_runs_continue(
    cluster: Nodes,
    config: Path,
    small_disk: Path,
    left_by: Callable[[Path], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = compare(["lstm"], config, seeds=2, quiet=True)
    monkeypatch.setenv("LSTMCTL_RUNS", str(small_disk))
    with pytest.raises(ResourceError, match=r"lstm-seed-0: .* cannot be written.*: No space left on device") as caught:
        compare(["lstm"], config, seeds=2, on="ray", observe=when_saved(100, lambda _: fill(small_disk)))
    assert "to continue: lstmctl compare --resume" in (caught.value.hint or "")
    (small_disk / FILLER).unlink()
    again = resume("latest", on="ray", quiet=True)
    assert isinstance(again, Comparison)
    assert left(again, left_by) == left(alone, left_by)


def test_a_node_with_other_versions_is_refused(cluster: Nodes, config: Path, tmp_path: Path) -> None:
    fake = tmp_path / "other" / "numpy-0.1.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.1\n")
    cluster.kill(cluster.nodes.pop())
    cluster.start(first=str(fake.parent))
    with pytest.raises(RunError, match=r"has numpy 0\.1, but the comparison was started with \d") as caught:
        compare(["rnn", "lstm"], config, seeds=1, on="ray", quiet=True)
    assert "install the same versions on every node" in (caught.value.hint or "")


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blind]:
    """A cluster whose head makes no runs, and whose other nodes see neither the folder of runs nor the data."""
    command = ["unshare", "--mount", "sh", "-c", HIDDEN, str(tmp_path), "true"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if tried.returncode != 0:
        pytest.skip(f"no folder may be hidden from a node here: {tried.stderr.strip()}")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    nodes = Blind(tmp_path, tmp_path_factory.mktemp("caches"))
    try:
        nodes.start(cpus=0)
        monkeypatch.setenv("RAY_ADDRESS", nodes.address)
        yield nodes
    finally:
        nodes.close()


class Blind(Nodes):
    """Nodes that do not see a folder, each with a cache of its own."""

    def __init__(self, hidden: Path, caches: Path) -> None:
        super().__init__()
        self.hidden, self.caches = hidden, caches

    def add(self, cache: Path | None = None) -> Path:
        """Start a node, and return its cache."""
        cache = cache or self.caches / str(len(self.nodes))
        self.start(without=self.hidden, LSTMCTL_CACHE=str(cache))
        return cache


def sent(cache: Path) -> dict[str, int]:
    """The data that reached a node, by name, with the time at which it was written."""
    files = [path for path in (cache / "sent" / "data").glob("*/files/**/*") if path.is_file()]
    return {path.name: path.stat().st_mtime_ns for path in files}


def test_nodes_without_the_folder_are_sent_data_once_and_their_runs_come_back(
    blind: Blind, config: Path, left_by: Callable[[Path], dict[str, Any]], tmp_path: Path
) -> None:
    alone = compare(["rnn", "lstm"], config, seeds=2, quiet=True)
    caches = [blind.add(), blind.add()]
    saved: list[Path] = []

    def hear(event: ComparisonEvent) -> None:
        if isinstance(event, RunEvent) and isinstance(event.event, Saved):
            saved.append(event.event.path)

    result = compare(["rnn", "lstm"], config, seeds=2, on="ray", observe=hear)
    assert left(result, left_by) == left(alone, left_by)
    for path in saved:
        assert path.is_relative_to(Path(result.path).absolute())
    first = [sent(cache) for cache in caches]
    assert [list(files) for files in first] == [["small.txt"], ["small.txt"]]
    assert not [run for cache in caches for run in (cache / "sent" / "runs").glob("*/plan.json")]
    # A run that came back is like one that was made here: it can be used, and nothing names the node's folders.
    runs = Path(result.path)
    assert sorted(json.loads(path.read_text())["order"] for path in runs.glob("*/run.json")) == [1, 2, 3, 4]
    for name in (name for path in runs.glob("*/") for name in path.rglob("*") if name.is_file()):
        assert str(blind.caches).encode() not in name.read_bytes(), name
    run = lstmctl.load_run(runs / "lstm-seed-0")
    assert run.settings.data.text == (str(tmp_path / "small.txt"),)
    assert run.evaluate().metrics == run.info["metrics"]["test"]
    names = {path.relative_to(runs / "lstm-seed-0") for path in (runs / "lstm-seed-0").rglob("*")}
    own = Path(alone.path) / "lstm-seed-0"
    assert names == {path.relative_to(own) for path in own.rglob("*")}
    # The data of another comparison is there already, and a user's own cell travels with its plan.
    Path("cells.py").write_text(CELL)
    own_cell = compare(["cells:Mine"], config, seeds=2, quiet=True)
    away = compare(["cells:Mine"], config, seeds=2, on="ray", quiet=True)
    assert left(away, left_by) == left(own_cell, left_by)
    assert [sent(cache) for cache in caches] == first


def test_a_run_of_a_lost_node_continues_elsewhere_from_what_came_back(
    blind: Blind,
    config: Path,
    left_by: Callable[[Path], dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lstmctl.comparison.travelling.SECONDS_BETWEEN_RETURNS", 0.0)
    alone = compare(["lstm"], config, seeds=2, quiet=True)
    blind.add()
    killed: list[int] = []
    resumed: list[int] = []

    def hear(event: ComparisonEvent) -> None:
        if not isinstance(event, RunEvent):
            return
        if isinstance(event.event, Opened):
            resumed.append(event.event.step)
        pointers = list(Path("runs").glob("*-002/lstm-seed-0/checkpoints/pointers.json"))
        if not killed and pointers and (step := json.loads(pointers[0].read_text())["last"]) >= 40:
            blind.add()
            blind.kill(blind.nodes[1])
            killed.append(step)

    result = compare(["lstm"], config, seeds=2, on="ray", jobs=1, observe=hear)
    assert left(result, left_by) == left(alone, left_by)
    assert len(killed) == 1
    assert resumed[0] == 0
    assert resumed[1] >= killed[0] >= 40
    assert [message for message in caplog.messages if "was lost" in message] == [
        "lstm-seed-0 was lost (its node or its process ended); it continues from its last checkpoint"
    ]


def test_a_cache_that_fills_up_on_a_node_is_reported_and_the_runs_continue(
    blind: Blind, config: Path, small_disk: Path, left_by: Callable[[Path], dict[str, Any]]
) -> None:
    alone = compare(["lstm"], config, seeds=2, quiet=True)
    blind.add(small_disk)
    with pytest.raises(ResourceError, match=r"lstm-seed-0: the node \S+: .* cannot be written.*: No space") as caught:
        compare(["lstm"], config, seeds=2, on="ray", jobs=1, observe=when_saved(100, lambda _: fill(small_disk)))
    assert "to continue: lstmctl compare --resume" in (caught.value.hint or "")
    (small_disk / FILLER).unlink()
    again = resume("latest", on="ray", quiet=True)
    assert isinstance(again, Comparison)
    assert left(again, left_by) == left(alone, left_by)


def test_a_search_and_a_resumed_driver_need_no_shared_folder(
    blind: Blind, config: Path, left_by: Callable[[Path], dict[str, Any]]
) -> None:
    pytest.importorskip("optuna")
    wanted: dict[str, Any] = {"space": ["training.learning_rate=1e-3..1e-1:log"], "trials": 3, "seeds": 1, "best": 1}
    alone = search(config, ["training.budget=60 steps"], **wanted, quiet=True)
    blind.add()
    found = search(config, ["training.budget=60 steps"], **wanted, on="ray", jobs=1, quiet=True)
    assert [(one.point, one.value) for one in found.trials] == [(one.point, one.value) for one in alone.trials]
    # A driver that stopped sends the run that it has begun.
    stop = when_saved(40, lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted):
        compare(["lstm"], config, seeds=2, on="ray", jobs=1, observe=stop, name="stopped")
    info = json.loads(Path("runs/stopped/lstm-seed-0/run.json").read_text())
    assert info["status"] == "interrupted"
    result = resume("stopped", on="ray", quiet=True)
    assert isinstance(result, Comparison)
    assert left(result, left_by) == left(compare(["lstm"], config, seeds=2, quiet=True), left_by)


def test_a_cluster_is_reached_through_its_client_server(
    blind: Blind, config: Path, left_by: Callable[[Path], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS")
    blind.add()
    alone = compare(["rnn"], config, seeds=2, quiet=True)
    away = compare(["rnn"], config, seeds=2, on=f"ray://127.0.0.1:{blind.client}", quiet=True)
    assert left(away, left_by) == left(alone, left_by)


def test_data_that_changed_before_it_was_sent_is_refused(blind: Blind, config: Path) -> None:
    blind.add()

    def change(event: ComparisonEvent) -> None:
        if isinstance(event, Planned):
            with Path("small.txt").open("a") as file:
                file.write("Bob sees a tree.\n")

    with pytest.raises(RunError, match=r"rnn-seed-0: .*small\.txt changed since the comparison was planned"):
        compare(["rnn", "lstm"], config, seeds=1, on="ray", jobs=1, observe=change)


def test_what_is_no_cluster_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert versions()["torch"] == importlib.metadata.version("torch")
    with pytest.raises(UsageError, match="--on slurm: use ray, or the address of a cluster"):
        compare(["rnn", "lstm"], config, on="slurm", quiet=True)
    with pytest.raises(UsageError, match="--match time needs --jobs 1"):
        compare(["rnn", "lstm"], config, on="ray", match="time", quiet=True)
    with pytest.raises(UsageError, match="--devices are those of this machine"):
        compare(["rnn", "lstm"], config, on="ray", devices=["all"], quiet=True)
    monkeypatch.setattr("lstmctl.comparison.on_ray.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs the package ray") as caught:
        check_ray("ray")
    assert caught.value.hint == "pip install 'lstmctl[ray]'"


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def status() -> str:
    return str(json.loads(Path("runs/small-comparison-001/rnn-seed-0/run.json").read_text())["status"])


def test_a_run_that_is_lost_while_it_is_stopped_is_not_begun_again(cluster: Nodes, config: Path) -> None:
    def lose(run: str) -> None:
        os.kill(int(Path("runs/small-comparison-001", run, "holder").read_text().split()[1]), signal.SIGKILL)
        interrupt()

    with pytest.raises(Interrupted):
        compare(["rnn", "lstm"], config, seeds=1, on="ray", jobs=1, observe=when_saved(20, lose))
    assert status() == "running"


def test_a_run_that_ended_before_it_could_be_stopped_is_not_an_error(cluster: Nodes, config: Path) -> None:
    def hear(event: ComparisonEvent) -> None:
        if isinstance(event, RunEvent) and isinstance(event.event, Started):
            time.sleep(5)  # it ends, and the news of that comes with its last event
        if isinstance(event, RunEvent) and isinstance(event.event, Ended):
            interrupt()

    with pytest.raises(Interrupted):
        compare(["rnn", "lstm"], config, ["training.budget=4 steps"], seeds=1, on="ray", jobs=1, observe=hear)
    assert status() == "finished"
