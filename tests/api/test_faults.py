"""Faults from outside: kills, signals, full disks, too little memory, divergence. A run survives each of them."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from lstmctl.api import load_run, resume, train
from lstmctl.errors import DivergedError, ResourceError, RunError
from lstmctl.events import (
    Evaluated,
    Event,
    Finished,
    Sampled,
    Saved,
    SavePoint,
    Started,
    Stepped,
)
from tests import processes
from tests.conftest import Command, write_small_config

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"
RUN = Path("runs/small-lstm-001")

LIMITED = """
import re, resource, sys
kind, limit = sys.argv[1], int(sys.argv[2])
from lstmctl import api
from lstmctl.cli.main import main
if kind == "memory":
    limit += 1024 * int(re.search(r"VmSize:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
resource.setrlimit({"file": resource.RLIMIT_FSIZE, "memory": resource.RLIMIT_AS}[kind], (limit, limit))
sys.argv = ["lstmctl", "train", *sys.argv[3:], "--quiet"]
main()
"""


def limited(kind: str, limit: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`lstmctl train` with a limit of `limit` bytes per file, or of memory."""
    command = [sys.executable, "-c", LIMITED, kind, str(limit), *arguments]
    return processes.run(command, capture_output=True, text=True, timeout=120, check=False)


def left_by(run: Path) -> dict[str, Any]:
    """Everything a run leaves that time has no part in."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = run / "checkpoints" / f"step-{json.loads((run / 'checkpoints/pointers.json').read_text())['last']}"
    info = json.loads((run / "run.json").read_text())
    return {
        "rows": [{key: value for key, value in row.items() if key != "seconds"} for row in rows],
        "samples": (run / "samples.txt").read_bytes(),
        "tensors": [(last / name).read_bytes() for name in ("weights.safetensors", "state.safetensors")],
        "best": (run / "best.safetensors").read_bytes(),
        "final": (info["status"], info["metrics"]),
    }


def assert_sound(run: Path) -> int:
    """`last` is sound without a fallback and no temporary file lies about; its step."""
    folder = load_run(run).folder
    step = folder.checkpoints.pointers()["last"]
    assert folder.checkpoints.read("last").step == step
    assert [*run.rglob(".*.tmp-*")] == []
    return step


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, text: str) -> dict[str, Any]:
    """The files that the small config leaves if undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "small.txt").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSTMCTL_RUNS", str(folder / "runs"))
        return left_by(train(write_small_config(folder / "small.txt")).path)


def test_kills_at_any_point_of_a_save_leave_a_valid_checkpoint_and_the_same_end() -> None:
    command = [
        sys.executable,
        str(BENCHMARKS / "kill_sweep.py"),
        "--kills",
        "12",
        "--steps",
        "40",
        "--longest",
        "0.015",
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    counts = re.search(r"kills (\d+), of these within a save (\d+), unsound checkpoints 0\n", result.stdout)
    assert counts is not None, result.stdout
    assert int(counts[1]) == 12
    assert int(counts[2]) > 0
    assert "of these not equal to the undisturbed one 0\n" in result.stdout


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        *((signal.SIGINT, moment) for moment in (Started, Stepped, Evaluated, Sampled, SavePoint, Saved)),
        *((signal.SIGTERM, moment) for moment in (Evaluated, SavePoint)),
    ],
)
def test_a_signal_at_any_moment_ends_in_order(
    number: signal.Signals, moment: type[Event], small_config: Path, undisturbed: dict[str, Any]
) -> None:
    sent = []

    def observe(event: Event) -> None:
        if isinstance(event, moment) and not sent and (moment is Started or event.step > 0):
            sent.append(event.step)
            os.kill(os.getpid(), number)

    before = handlers()
    run = train(small_config, observe=observe)
    assert handlers() == before
    assert (run.status, run.info["signal"]) == ("interrupted", number)
    assert sent[0] <= assert_sound(RUN) <= sent[0] + 1
    assert resume(RUN).status == "finished"
    assert left_by(RUN) == undisturbed


def test_signals_between_python_steps_of_saving_and_evaluating_end_in_order(
    small_config: Path, undisturbed: dict[str, Any]
) -> None:
    """Asynchronous ones, in a run that does little else than save and evaluate."""
    settings = ["training.save_every=1"]
    before = handlers()
    with_saves = train(small_config, settings).path
    expected = left_by(with_saves)
    assert expected == undisturbed  # saving moves nothing
    for delay in (0.02, 0.05):
        timers: list[threading.Timer] = []

        def observe(event: Event, timers: list[threading.Timer] = timers, delay: float = delay) -> None:
            if isinstance(event, Stepped) and not timers:
                timers.append(threading.Timer(delay, os.kill, (os.getpid(), signal.SIGTERM)))
                timers[0].start()

        run = train(small_config, settings, observe=observe)
        timers[0].join()
        assert handlers() == before
        assert run.status == "interrupted"
        assert_sound(run.path)
        assert resume(run.path).status == "finished"
        assert left_by(run.path) == expected


def test_a_signal_during_the_final_scoring_stops_at_once(small_config: Path, undisturbed: dict[str, Any]) -> None:
    timers: list[threading.Timer] = []

    def observe(event: Event) -> None:
        if isinstance(event, Finished):
            timers.append(threading.Timer(0.005, os.kill, (os.getpid(), signal.SIGTERM)))
            timers[0].start()

    before = handlers()
    with pytest.raises(SystemExit) as caught:
        train(small_config, observe=observe)
    timers[0].join()
    assert caught.value.code == 143
    assert handlers() == before
    assert load_run(RUN).status == "interrupted"
    assert assert_sound(RUN) == 60
    resume(RUN)
    assert left_by(RUN) == undisturbed


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_data_is_read_ends_with_its_code_and_leaves_nothing(
    number: int, code: int, small_config: Path, text_file: Path
) -> None:
    text_file.write_text(text_file.read_text() * 8_000)
    process = processes.start(
        [sys.executable, "-m", "lstmctl", "train", str(small_config), "--quiet"], stderr=subprocess.PIPE, text=True
    )
    descriptors = Path(f"/proc/{process.pid}/fd")
    while process.poll() is None and text_file not in targets(descriptors):
        time.sleep(0.001)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert not Path("runs").exists()


def targets(descriptors: Path) -> set[Path]:
    """The targets of a process's open files; files that close meanwhile are left out."""
    found = set()
    for descriptor in descriptors.iterdir():
        try:
            found.add(descriptor.readlink())
        except OSError:
            continue
    return found


def interrupted(config: Path, step: int) -> Path:
    """A run that stopped in order after `step` steps."""

    def observe(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    return train(config, observe=observe).path


def everything(run: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted((run / "checkpoints").rglob("*")) if path.is_file()}


def test_a_disk_that_fills_up_costs_no_checkpoint(small_config: Path, undisturbed: dict[str, Any]) -> None:
    run = interrupted(small_config, 20)
    before = everything(run)
    last = run / "checkpoints/step-20"
    sizes = {name: (last / f"{name}.safetensors").stat().st_size for name in ("weights", "state")}
    kept = left_by_interrupted(run)
    for limit in (30, sizes["weights"] - 1, sizes["state"] - 1):
        result = limited("file", limit, "--resume", str(run))
        assert result.returncode == 6, result.stderr
        assert "Traceback" not in result.stderr
        assert re.search(r"^error: runs/\S+ cannot be written.*: File too large$", result.stderr, re.M), result.stderr
        if limit > 30:
            assert re.search(r"step-\d+ cannot be written \([0-9,]+ bytes needed\)", result.stderr)
            assert "the checkpoint of step 20 in" in result.stderr
            assert "free some space" in result.stderr
        assert everything(run) == before
        assert left_by_interrupted(run) == kept
        assert assert_sound(run) == 20
    assert resume(run).status == "finished"
    assert left_by(run) == undisturbed


def left_by_interrupted(run: Path) -> bytes:
    return (run / "last.safetensors").read_bytes()


@pytest.mark.parametrize("limit", [30, 1_000, 5_000])
def test_a_disk_too_small_for_a_run_shows_before_the_work(small_config: Path, limit: int) -> None:
    result = limited("file", limit, str(small_config))
    assert result.returncode == 6, result.stderr
    assert re.search(r"^error: runs\S* cannot be written.*: File too large$", result.stderr, re.M), result.stderr
    assert result.stdout == ""
    assert [*Path("runs").rglob(".*.tmp-*")] == []
    rows = RUN / "metrics.jsonl"
    assert not rows.exists() or rows.read_bytes() == b""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate file system of 600 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("mounting is not possible here")
    if mounted.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_real_full_disk(
    small_config: Path, undisturbed: dict[str, Any], small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSTMCTL_RUNS", str(small_disk))
    run = interrupted(small_config, 20)
    assert run.parent == small_disk
    before = everything(run)
    filler = small_disk / "filler"
    free = os.statvfs(small_disk)
    filler.write_bytes(bytes(free.f_bavail * free.f_frsize))
    with pytest.raises(ResourceError, match=f"{small_disk}.* cannot be written.*: No space left on device"):
        resume(run)
    assert everything(run) == before
    assert assert_sound(run) == 20
    filler.unlink()
    assert resume(run).status == "finished"
    assert left_by(run) == undisturbed


def test_a_read_only_runs_folder(small_config: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMCTL_RUNS", str(small_disk))
    run = interrupted(small_config, 20)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(ResourceError, match="cannot be written: Read-only file system"):
        train(small_config)
    with pytest.raises(ResourceError, match="lock cannot be written: Read-only file system"):
        resume(run)
    assert load_run(run).generate("Ann", length=3)[0].text  # what only reads still works


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate file system that `fail` makes read-only while files on it are open, as a disk error does."""
    image, disk = tmp_path / "image", tmp_path / "failing"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(2**24)
    for command in (["mkfs.ext4", "-q", "-F", str(image)], ["mount", "-o", "loop", str(image), str(disk)]):
        try:
            made = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip(f"there is no {command[0]} here")
        if made.returncode != 0:
            pytest.skip(f"no file system may be made here: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fail(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,abort", str(disk)], capture_output=True, check=False)
    with pytest.raises(OSError, match="Read-only file system"):
        (disk / "probe").touch()


@pytest.mark.parametrize("moment", [Saved, Evaluated, Finished])
def test_a_disk_that_turns_read_only_names_what_failed_first_and_the_checkpoint_that_is_kept(
    moment: type[Event],
    small_config: Path,
    undisturbed: dict[str, Any],
    failing_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("LSTMCTL_RUNS", str(failing_disk))
    saved: list[int] = []
    failed: list[int] = []

    def observe(event: Event) -> None:
        if isinstance(event, Saved):
            saved.append(event.step)
        if isinstance(event, moment) and event.step >= 20 and not failed:
            fail(failing_disk)
            failed.append(event.step)

    with pytest.raises(ResourceError) as caught:
        train(small_config, observe=observe)
    run = failing_disk / RUN.name
    assert re.match(rf"{run}/\S+ cannot be written.*: Read-only file system$", str(caught.value)), str(caught.value)
    assert "lock" not in str(caught.value)
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(f"the checkpoint of step {saved[-1]} in {run} is kept")
    with pytest.raises(ResourceError, match="lock cannot be written: Read-only file system"):
        resume(run)
    assert load_run(run).generate("Ann", length=3)[0].text
    copy = shutil.copytree(run, tmp_path / RUN.name)
    assert resume(copy).status == "finished"
    assert left_by(copy) == undisturbed


@pytest.mark.parametrize(
    "settings",
    [
        ["training.learning_rate=1e9"],
        ["training.learning_rate=1e9", "training.optimizer=rmsprop"],
        ["training.learning_rate=1e9", "training.evaluate_every=1", "training.average=null"],
        ["training.learning_rate=1e9", "training.optimizer=sgd", "training.clip=null", "training.save_every=1"],
    ],
)
def test_divergence_is_named_and_no_checkpoint_holds_it(small_config: Path, settings: list[str]) -> None:
    saved: list[int] = []

    def observe(event: Event) -> None:
        if isinstance(event, Saved):
            saved.append(event.step)

    with pytest.raises(DivergedError, match=r"training diverged at step \d+: loss ") as caught:
        train(small_config, ["training.warm_up=0", *settings], observe=observe)
    assert caught.value.exit_code == 5
    assert f"the checkpoint of step {saved[-1]} in {RUN} is kept" in str(caught.value.hint)
    assert load_run(RUN).status == "diverged"
    assert "diverged" in load_run(RUN).info["problem"]
    assert "diverged at step" in (RUN / "report.html").read_text()
    assert assert_sound(RUN) == saved[-1]
    for name in ("last", "best"):
        assert all(bool(weight.isfinite().all()) for weight in load_file(RUN / f"{name}.safetensors").values())
    for row in (RUN / "metrics.jsonl").read_text().splitlines():
        json.loads(row, parse_constant=pytest.fail)
    best = load_run(RUN).folder.checkpoints.read("best").progress["best"]
    assert best is None or math.isfinite(best)


def test_states_that_overflow_over_a_whole_part_are_a_divergence(small_config: Path) -> None:
    """During training the part is scored in shorter stretches, in which they are still finite."""
    settings = ["model.cell=indrnn", "model.layers=1", "model.options={longest_memory: 10}", "data.split=[0.5, 0.5]"]
    rates = ["training.budget=1 steps", "training.learning_rate=1", "training.warm_up=0", "training.average=null"]
    with pytest.raises(DivergedError, match="nats per character of the validation part is nan"):
        train(small_config, [*settings, *rates])
    run = Path("runs/small-indrnn-001")
    assert load_run(run).status == "diverged"
    for path in run.glob("*.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)


def test_divergence_on_the_command_line_is_5(small_config: Path, lstmctl: Command) -> None:
    result = lstmctl("train", str(small_config), "training.learning_rate=1e9", "--quiet")
    assert result.code == 5
    assert re.match(r"error: training diverged at step \d+: loss \S+, gradient norm \S+\nhint: ", result.err)


@pytest.mark.parametrize(("hidden", "spare"), [(12_000, 400_000_000), (2_000_000_000, 2_000_000_000)])
def test_too_little_memory_is_6(small_config: Path, hidden: int, spare: int) -> None:
    result = limited("memory", spare, str(small_config), f"model.hidden={hidden}")
    assert result.returncode == 6, result.stderr
    assert result.stderr.startswith("error: out of memory: ")
    assert "Traceback" not in result.stderr
    assert not Path("runs").exists()


def test_latest_is_the_run_begun_last_whatever_the_clock_says(small_config: Path) -> None:
    first = train(small_config, ["training.budget=2 steps", "model.cell=rnn"])
    first.folder.update(started="2999-01-01T00:00:00+00:00")
    second = train(small_config, ["training.budget=2 steps"])
    assert load_run("latest").path == second.path


def test_a_run_of_another_network_or_vocabulary_names_the_first_difference(small_config: Path) -> None:
    run = train(small_config, ["training.budget=2 steps"])
    config, encoding = (RUN / "config.yaml").read_text(), (RUN / "encoding.json").read_text()
    symbols = len(run.task.encoding)
    for old, new, message in (
        ("layers: 2", "layers: 3", r"has no weight recurrence\.forward_cells\.2\.\S+: it belongs to another"),
        ("layers: 2", "layers: 1", r"has a weight recurrence\.forward_cells\.1\.\S+ that the model lacks"),
        (
            "cell: lstm",
            "cell: gru",
            r"forward_cells\.0\.kernel\.weight_ih_l0 has shape \(48, 8\), the model's \(36, 8\)",
        ),
        (
            "hidden: 12",
            "hidden: 13",
            r"forward_cells\.0\.kernel\.weight_ih_l0 has shape \(48, 8\), the model's \(52, 8\)",
        ),
    ):
        assert config.count(old) == 1
        (RUN / "config.yaml").write_text(config.replace(old, new))
        with pytest.raises(RunError, match=message) as caught:
            load_run(RUN).generate("A", length=1)
        assert caught.value.exit_code == 4
    (RUN / "config.yaml").write_text(config)
    known = json.loads(encoding)
    key = next(key for key, value in known.items() if isinstance(value, (str, list)) and len(value) == symbols)
    (RUN / "encoding.json").write_text(json.dumps({**known, key: known[key][:-1]}))
    with pytest.raises(
        RunError, match=rf"input_map\.weight has shape \({symbols}, 8\), the model's \({symbols - 1}, 8\)"
    ):
        load_run(RUN).generate("A", length=1)


def test_a_newer_run_is_refused_with_both_formats(small_config: Path) -> None:
    run = interrupted(small_config, 3)
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**info, "format": 7}))
    for use in (load_run, resume):
        with pytest.raises(RunError, match="format 7 of a newer lstmctl; this one reads 1"):
            use(run)
