"""Resuming repairs what a kill, damage or a change left of a run, or refuses with an explanation."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lstmctl import load_run, resume, train
from lstmctl.errors import ConfigError, RunError
from lstmctl.events import Event, Stepped
from lstmctl.runs.folder import RunFolder
from tests import processes
from tests.conftest import Command, Trained

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"
SAME = ("best.safetensors", "last.safetensors", "encoding.json", "metrics.jsonl", "samples.txt")


def left_by(run: Path) -> dict[str, Any]:
    """The files of a run without fields that depend on time."""
    info = json.loads((run / "run.json").read_text())
    pointers = json.loads((run / "checkpoints/pointers.json").read_text())
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    states = {
        name: (run / f"checkpoints/step-{pointers[name]}/{file}.safetensors").read_bytes()
        for name in ("last", "best")
        for file in ("weights", "averaged", "state")
    }
    return {
        "info": {key: info[key] for key in ("status", "metrics", "step", "steps")},
        "pointers": {name: pointers[name] for name in ("last", "best")},
        "states": states,
        "rows": [{key: value for key, value in row.items() if key != "seconds"} for row in rows],
        "files": {name: (run / name).read_bytes() for name in SAME if name != "metrics.jsonl"},
        "report": b'class="status finished"' in (run / "report.html").read_bytes(),
        "left over": sorted(str(path) for path in run.rglob(".*")),
        "checkpoints": {path.name for path in (run / "checkpoints").glob("step-*")}
        <= {f"step-{step}" for step in pointers.values()},
    }


def stopped_after(step: int, config: Path) -> Path:
    """A run that Ctrl-C stopped after this many steps."""

    def observe(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    return train(config, observe=observe).path


DAMAGE: dict[str, Callable[[Path], object]] = {
    "old weights for people": lambda run: (run / "last.safetensors").write_bytes(b"old"),
    "no weights for people": lambda run: (run / "best.safetensors").unlink(),
    "no report": lambda run: (run / "report.html").unlink(),
    "the report of an interruption": lambda run: (run / "report.html").write_text("interrupted"),
    "a temporary file": lambda run: (run / "plots/.curves.svg.tmp-1").write_text("x"),
    "a temporary checkpoint": lambda run: shutil.copytree(
        run / "checkpoints/step-60", run / "checkpoints/.step-9.tmp-1"
    ),
    "a checkpoint too many": lambda run: shutil.copytree(run / "checkpoints/step-60", run / "checkpoints/step-12"),
    "the newest weights": lambda run: os.truncate(run / "checkpoints/step-60/weights.safetensors", 100),
    "the newest state": lambda run: os.truncate(run / "checkpoints/step-60/state.safetensors", 100),
    "the newest checkpoint": lambda run: shutil.rmtree(run / "checkpoints/step-60"),
    "the best weights": lambda run: os.truncate(best_of(run) / "averaged.safetensors", 100),
    "the pointers": lambda run: (run / "checkpoints/pointers.json").write_text("{"),
    "no pointers": lambda run: (run / "checkpoints/pointers.json").unlink(),
    "the encoding": lambda run: (run / "encoding.json").write_text("{"),
    "no encoding": lambda run: (run / "encoding.json").unlink(),
    "the evaluation": lambda run: (run / "evaluation.json").write_text("{"),
}
DERIVED = list(DAMAGE)[:7]
TOGETHER = [
    ("finished", [what for what in DERIVED if what != "the report of an interruption"]),
    ("finished", ["the report of an interruption"]),
    ("finished", ["the newest weights", "the encoding", "the evaluation", *DERIVED[:3]]),
    ("finished", ["the newest state"]),
    ("finished", ["the best weights", "no encoding"]),
    ("finished", ["the pointers"]),
    ("running", [what for what in DERIVED if what != "no report"]),
    ("running", ["the newest checkpoint", "no encoding", *DERIVED[:3]]),
    ("running", ["no pointers"]),
]
"""Files that are damaged together, in a run of this status."""


def best_of(run: Path) -> Path:
    step = json.loads((run / "checkpoints/pointers.json").read_text())["best"]
    return run / f"checkpoints/step-{step}"


@pytest.mark.parametrize(("status", "damaged"), TOGETHER)
def test_what_is_stale_missing_or_damaged_is_recreated(status: str, damaged: list[str], trained: Trained) -> None:
    run = trained("small").path
    expected = left_by(run)
    RunFolder(run).update(status=status)
    for what in damaged:
        DAMAGE[what](run)
    assert resume(run).status == "finished"
    assert left_by(run) == expected


def test_intervals_that_are_missing_are_calibrated_again(trained: Trained) -> None:
    run = trained("waves").path
    calibration = (run / "calibration.json").read_bytes()
    (run / "calibration.json").unlink()
    assert resume(run).status == "finished"
    assert (run / "calibration.json").read_bytes() == calibration


def test_a_sound_finished_run_is_left_alone(trained: Trained) -> None:
    run = trained("small").path
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in run.rglob("*")}
    assert resume(run).status == "finished"
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in run.rglob("*")} == before


def test_overwriting_a_file_for_people_destroys_no_checkpoint(trained: Trained) -> None:
    run = trained("small")
    text = run.generate("Ann", length=20, seed=1)
    for name in ("best", "last"):
        assert (run.path / f"{name}.safetensors").stat().st_nlink == 1
        (run.path / f"{name}.safetensors").write_bytes(b"theirs")
    assert load_run(run.path).generate("Ann", length=20, seed=1) == text
    assert run.folder.checkpoints.is_whole()


def test_a_hard_link_of_an_earlier_version_becomes_a_copy(trained: Trained) -> None:
    run = trained("small").path
    (run / "best.safetensors").unlink()
    (run / "best.safetensors").hardlink_to(best_of(run) / "averaged.safetensors")
    resume(run)
    assert (run / "best.safetensors").stat().st_nlink == 1
    assert (run / "best.safetensors").read_bytes() == (best_of(run) / "averaged.safetensors").read_bytes()


def test_a_report_is_written_again_on_demand(trained: Trained, lstmctl: Command) -> None:
    run = trained("small").path
    before = (run / "report.html").read_bytes()
    shutil.rmtree(run / "plots")
    (run / "report.html").unlink()
    result = lstmctl("runs", "report", "latest")
    assert (result.code, result.out) == (0, f"{run / 'report.html'}\n")
    assert (run / "report.html").read_bytes() == before
    assert (run / "plots/curves.svg").is_file()


CHANGES = [
    ("config.yaml", "learning_rate: 0.01", "learning_rate: 0.5", "training.learning_rate was 0.01 and is 0.5"),
    ("config.yaml", "seed: 0", "seed: 7", "seed was 0 and is 7"),
    ("config.yaml", "threads: 1", "threads: 2", "threads was 1 and is 2"),
    ("config.yaml", "split: [", "split: [0.5, 0.5] #", "data.split was "),
    ("run.json", '"steps": 60', '"steps": 30', "steps in run.json was 60 and is 30"),
]


def test_a_changed_config_is_refused_by_its_key(small_config: Path, lstmctl: Command) -> None:
    run = stopped_after(20, small_config)
    files = {path: path.read_bytes() for path in (run / "checkpoints").rglob("*.*") if path.is_file()}
    for name, old, new, message in CHANGES:
        text = (run / name).read_text()
        assert old in text
        (run / name).write_text(text.replace(old, new))
        result = lstmctl("train", "--resume", "latest", "--quiet")
        assert result.code == 4, name
        assert message in result.err
        assert f"continue with the new ones: lstmctl train --resume {run} --allow-config-change" in result.err
        assert {path: path.read_bytes() for path in files} == files
        (run / name).write_text(text)
    result = lstmctl("train", "--resume", "latest", "training.save_every=11", "--quiet")
    assert result.code == 0, result.err


def test_a_changed_config_is_taken_when_asked_for_and_noted(small_config: Path, lstmctl: Command) -> None:
    run = stopped_after(20, small_config)
    with pytest.raises(ConfigError, match=r"training\.learning_rate=0\.02  cannot change") as caught:
        resume(run, ["training.learning_rate=0.02"])
    assert "--allow-config-change" in str(caught.value.hint)
    change = ["training.learning_rate=0.02", "training.budget=30 steps", "--allow-config-change"]
    result = lstmctl("train", "--resume", str(run), *change, "--quiet")
    assert result.code == 0, result.err
    info = json.loads((run / "run.json").read_text())
    assert (info["status"], info["step"], info["steps"]) == ("finished", 30, 30)
    assert info["resumed"][-1]["changed"] == ["training.budget", "training.learning_rate"]
    assert "with changes to " in (run / "report.html").read_text()
    assert load_run(run).settings.training.learning_rate == 0.02
    os.truncate(run / "checkpoints/step-30/state.safetensors", 3)
    assert resume(run).status == "finished"  # the folder's config matches the checkpoint's again


def test_the_step_and_the_fallback_are_in_the_json(
    trained: Trained, lstmctl: Command, caplog: pytest.LogCaptureFixture
) -> None:
    run = trained("small").path
    told = json.loads(lstmctl("evaluate", str(run), "--json").out)
    assert (told["weights_step"], told["fallback"]) == (60, None)
    for name in ("state.safetensors", "state.json", "weights.safetensors"):  # averages are what is evaluated
        os.truncate(run / f"checkpoints/step-60/{name}", 10)
    result = lstmctl("evaluate", str(run), "--json")
    assert (json.loads(result.out), caplog.text) == (told, "")
    os.truncate(run / "checkpoints/step-60/averaged.safetensors", 10)
    for command in (["evaluate"], ["generate", "--length", "2"], ["predict", "--text", "Ann"], ["inspect", "memory"]):
        verb = 2 if command[0] == "inspect" else 1
        result = lstmctl(*command[:verb], str(run), *command[verb:], "--json")
        assert result.code == 0, result.err
        found = json.loads(result.out)
        assert found["weights_step"] < 60, command
        assert "step-60/averaged.safetensors is damaged" in found["fallback"]
        assert f"using step {found['weights_step']} instead" in caplog.text
        caplog.clear()


def test_without_its_gpu_a_run_continues_by_the_hinted_override(
    small_config: Path, lstmctl: Command, caplog: pytest.LogCaptureFixture
) -> None:
    run = stopped_after(20, small_config)
    load_run(run).folder.update(device="cuda:7", device_name="NVIDIA H200")
    refused = lstmctl("train", "--resume", "latest", "--quiet")
    assert refused.code == 2
    assert "cuda:7 is not available on this machine" in refused.err
    assert "hint: device=auto uses an available device" in refused.err
    told = lstmctl("train", "--resume", "latest", "device=auto", "--quiet")
    assert told.code == 0, told.err
    assert "device was cuda:7 and is " in caplog.text
    assert "not to the same bits" in caplog.text
    info = json.loads((run / "run.json").read_text())
    assert info["status"] == "finished"
    assert info["device"] in ("cpu", "cuda:0", "mps")
    assert "NVIDIA H200" not in json.dumps(info) or info["device"] == "cuda:0"


def test_a_diverged_run_is_taken_by_its_name_alone_and_with_a_warning(
    small_config: Path, trained: Trained, lstmctl: Command, caplog: pytest.LogCaptureFixture
) -> None:
    good = trained("small")
    diverged = Path("runs/small-lstm-002")
    assert lstmctl("train", str(small_config), "training.learning_rate=1e9", "--quiet").code == 5
    assert json.loads((diverged / "run.json").read_text())["status"] == "diverged"
    for name in ([], ["latest"]):
        result = lstmctl("evaluate", *name, "--json")
        assert json.loads(result.out)["run"] == str(good.path)
        assert caplog.text == ""
    result = lstmctl("evaluate", str(diverged), "--json")
    assert result.code == 0
    assert "small-lstm-002 diverged; these are its weights of step 0" in caplog.text
    shutil.rmtree(good.path)
    result = lstmctl("generate")
    assert result.code == 4
    assert "is usable: the newest, small-lstm-002, diverged" in result.err
    assert "hint: name it to use its weights anyway" in result.err
    assert "diverged" in lstmctl("runs", "show").out


def test_latest_continues_with_the_newest_that_is_not_finished(small_config: Path) -> None:
    stopped = stopped_after(20, small_config)
    finished = train(small_config, ["training.budget=2 steps"])
    assert resume("latest").path == stopped
    assert resume("latest").path == finished.path


def test_a_finished_run_is_done_for_every_process(trained: Trained) -> None:
    run = trained("small").path
    started = []
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": free_port()}
    for rank in ("0", "1"):
        environment = {**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank}
        command = [sys.executable, "-m", "lstmctl", "train", "--resume", str(run), "--quiet"]
        started.append(processes.start(command, env=environment, stderr=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=120)[1] for process in started]
    assert ([process.returncode for process in started], said) == ([0, 0], ["", ""])


def free_port() -> str:
    import socket

    with socket.create_server(("localhost", 0)) as free:
        return str(free.getsockname()[1])


LINKS = ("lock", "metrics.jsonl", "samples.txt", "checkpoints", "plots")


def test_no_link_in_a_run_folder_leads_training_out_of_it(small_config: Path, tmp_path: Path) -> None:
    run = stopped_after(20, small_config)
    for name in LINKS:
        theirs, kept = tmp_path / f"theirs-{name}", tmp_path / f"kept-{name}"
        if (run / name).exists():
            (run / name).rename(kept)
        if name in ("checkpoints", "plots"):
            shutil.copytree(kept, theirs)
            (theirs / "step-3").mkdir()
            (theirs / "step-3/mine").write_bytes(b"theirs")
            (theirs / ".mine.tmp-1").write_bytes(b"theirs")
        else:
            theirs.write_bytes(b"theirs " * 10_000)
        before = {path: path.read_bytes() for path in [theirs, *theirs.rglob("*")] if path.is_file()}
        (run / name).symlink_to(theirs)
        with pytest.raises(RunError, match=f"{name} is a symbolic link, which may lead out of its folder"):
            resume(run)
        assert before == {path: path.read_bytes() for path in [theirs, *theirs.rglob("*")] if path.is_file()}
        assert load_run(run).status != "running"
        (run / name).unlink()
        if kept.exists():
            kept.rename(run / name)
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"theirs")
    (run / "holder").symlink_to(theirs)  # is replaced
    assert resume(run).status == "finished"
    assert theirs.read_bytes() == b"theirs"


def test_a_kill_at_any_point_leaves_nothing_stale_missing_or_left_over() -> None:
    if shutil.which("gcc") is None or sys.platform != "linux":
        pytest.skip("needs gcc and LD_PRELOAD")
    command = [sys.executable, str(BENCHMARKS / "kill_points.py"), "--steps", "3", "--first", "29", "--every", "60"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "stale 0, without report 0, left over 0, refused 0\n" in result.stdout
