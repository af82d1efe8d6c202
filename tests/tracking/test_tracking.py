"""Live logs elsewhere: what arrives there, what a resumed run adds, and what a tracker that fails can do: nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest

import lstmctl
from lstmctl.comparison import compare
from lstmctl.errors import UsageError
from lstmctl.events import Event, Stepped
from lstmctl.tracking import listening
from lstmctl.tracking.listening import TrackedRun

needs_tensorboard = pytest.mark.skipif(find_spec("tensorboardX") is None, reason="tensorboardX is not installed")
needs_mlflow = pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")
needs_wandb = pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")


def records(folder: Path) -> list[Any]:
    """The events of every file in a TensorBoard folder, in the order in which TensorBoard reads them."""
    from tensorboardX.proto.event_pb2 import Event as Record

    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            found.append(Record.FromString(content[at + 12 : at + 12 + length]))
            at += 16 + length
    return found


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """The numbers by name and step, as TensorBoard shows them: a new start hides what came after its step."""
    shown: dict[str, dict[int, float]] = {}
    for record in records(folder):
        if record.HasField("session_log"):
            for name, points in shown.items():
                shown[name] = {step: value for step, value in points.items() if step < record.step}
        for value in record.summary.value:
            if value.HasField("simple_value"):
                shown.setdefault(value.tag, {})[record.step] = value.simple_value
    return shown


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def stop_after(step: int) -> Any:
    """An observer that presses Ctrl-C after a step."""

    def observe(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == step:
            signal.raise_signal(signal.SIGINT)

    return observe


@needs_tensorboard
@pytest.mark.drawn
def test_tensorboard_shows_the_run_as_its_own_log_has_it(small_config: Path) -> None:
    run = lstmctl.train(small_config, track=["tensorboard"], quiet=True)
    shown = curves(run.path / "tensorboard")
    for name, key in (("loss", "loss"), ("learning_rate", "learning_rate"), ("gradient_norm", "gradient_norm")):
        wanted = {row["step"]: row[key] for row in rows(run.path) if "loss" in row}
        assert shown[f"training/{name}"] == pytest.approx(wanted, rel=1e-6)
    validation = {row["step"]: row["validation"] for row in rows(run.path) if "validation" in row}
    assert sorted(shown["validation/bits_per_character"]) == sorted(validation) == [12, 24, 36, 48, 60]
    for step, metrics in validation.items():
        for name, value in metrics.items():
            assert shown[f"validation/{name}"][step] == pytest.approx(value, rel=1e-6)
    for part in ("validation", "test"):
        for name, value in run.metrics[part].items():
            assert shown[f"final/{part}/{name}"] == pytest.approx({60: value}, rel=1e-6)
    texts = {
        (value.tag.removesuffix("/text_summary"), record.step): value.tensor.string_val[0].decode()
        for record in records(run.path / "tensorboard")
        for value in record.summary.value
        if value.HasField("tensor")
    }
    assert "| training.batch | `4` |" in texts["config", 0]
    assert f"| data.sha256 | `{run.info['data']['sha256']}` |" in texts["config", 0]
    samples = (run.path / "samples.txt").read_text()
    assert [step for tag, step in texts if tag == "sample"] == [30, 60]
    assert all(text in samples for (tag, _), text in texts.items() if tag == "sample")
    images = [
        value.tag for one in records(run.path / "tensorboard") for value in one.summary.value if value.image.width
    ]
    assert images == sorted(path.stem for path in (run.path / "plots").glob("*.png"))


@needs_tensorboard
def test_the_curves_of_a_resumed_run_are_those_of_one_that_was_never_stopped(small_config: Path) -> None:
    whole = lstmctl.train(small_config, track=["tensorboard"], quiet=True)
    stopped = lstmctl.train(small_config, track=["tensorboard"], observe=stop_after(16))
    assert stopped.status == "interrupted"
    # As after a kill: the last checkpoint is lost, and steps that were logged before are made again.
    pointers = stopped.path / "checkpoints"
    newest = stopped.folder.checkpoints.pointers()["last"]
    (pointers / f"step-{newest}" / "manifest.json").unlink()
    lstmctl.resume(stopped.path, track=["tensorboard"], quiet=True)
    one, other = (curves(run.path / "tensorboard") for run in (whole, stopped))
    for shown in (one, other):
        for name in ("training/seconds", "training/units_per_second"):
            shown.pop(name)
    assert one == other


@needs_tensorboard
def test_every_run_of_a_comparison_has_its_curves_in_one_folder(small_config: Path) -> None:
    comparison = compare(["rnn", "lstm"], small_config, seeds=1, track=["tensorboard:logs"], quiet=True)
    name = Path(comparison.path).name
    for arm in comparison.arms:
        shown = curves(Path("logs", f"{name}-{arm.name}-seed-0"))
        assert shown[f"final/test/{comparison.primary}"] == pytest.approx({60: arm.values[0]}, rel=1e-6)
        assert sorted(shown["validation/bits_per_character"]) == [12, 24, 36, 48, 60]


@needs_mlflow
def test_mlflow_has_one_run_before_and_after_a_stop(small_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    where = Path("ml").resolve().as_uri()
    stopped = lstmctl.train(small_config, track=[f"mlflow:{where}"], observe=stop_after(16))
    run = lstmctl.resume(stopped.path, track=[f"mlflow:{where}"], quiet=True)
    client = MlflowClient(where)
    (found,) = client.search_runs([client.get_experiment_by_name("lstmctl").experiment_id])
    assert (found.info.run_name, found.info.status) == (run.name, "FINISHED")
    assert found.data.params["model.hidden"] == "12"
    losses = {point.step: point.value for point in client.get_metric_history(found.info.run_id, "training/loss")}
    assert losses == pytest.approx({row["step"]: row["loss"] for row in rows(run.path) if "loss" in row})
    assert found.data.metrics["final/test/bits_per_character"] == run.metrics["test"]["bits_per_character"]


@needs_wandb
def test_wandb_writes_offline_files(small_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = lstmctl.train(small_config, track=["wandb"], quiet=True)
    (file,) = run.path.glob("wandb/offline-run-*/run-*.wandb")
    assert b"training/gradient_norm" in file.read_bytes()


@pytest.mark.skipif(find_spec("trackio") is None, reason="trackio is not installed")
@pytest.mark.filterwarnings("ignore")
def test_trackio_logs_to_its_folder_and_prints_nothing(small_config: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "lstmctl", "train", str(small_config), "--track", "trackio", "--quiet"]
    result = subprocess.run(words, env={**os.environ, "TRACKIO_DIR": str(tmp_path / "logs")}, capture_output=True)
    assert (result.returncode, result.stdout) == (0, b"")
    with closing(sqlite3.connect(tmp_path / "logs" / "lstmctl.db")) as database:
        logged = [json.loads(row[0]) for row in database.execute("select metrics from metrics order by step")]
    losses = [row["training/loss"] for row in logged if "training/loss" in row]
    assert losses == [row["loss"] for row in rows(Path("runs/small-lstm-001")) if "loss" in row]


class Broken:
    """A tracker that fails at its second report."""

    package: ClassVar[str] = "json"

    def __init__(self, where: str, run: TrackedRun) -> None:
        self.reports = 0

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self.reports += 1
        if self.reports == 2:
            raise ConnectionError(f"no route to host\nat step {step}")

    def text(self, step: int, name: str, text: str) -> None: ...
    def plot(self, step: int, path: Path) -> None: ...
    def close(self, status: str) -> None: ...


class Silent(Broken):
    """A tracker whose server never answers."""

    def __init__(self, where: str, run: TrackedRun) -> None:
        threading.Event().wait()


@pytest.fixture
def odd_trackers(monkeypatch: pytest.MonkeyPatch) -> None:
    trackers = {name: f"{__name__}:{name.capitalize()}" for name in ("broken", "silent")}
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("sys").modules[__name__])
    monkeypatch.setattr(listening, "TRACKERS", trackers)
    monkeypatch.setattr(listening, "GRACE", 0.1)


def test_a_tracker_that_fails_or_hangs_changes_nothing(
    small_config: Path, odd_trackers: None, caplog: pytest.LogCaptureFixture
) -> None:
    alone = lstmctl.train(small_config, quiet=True)
    assert caplog.messages == []
    followed = lstmctl.train(small_config, track=["broken", "silent"], quiet=True)
    assert (followed.status, followed.metrics) == ("finished", alone.metrics)
    for name in ("best.safetensors", "last.safetensors"):
        assert (followed.path / name).read_bytes() == (alone.path / name).read_bytes()
    assert sorted(caplog.messages) == [
        "--track broken failed and is off from now on: ConnectionError: no route to host",
        "--track silent did not finish in time; the run's metrics.jsonl is complete",
    ]


def test_a_run_that_fails_is_closed_as_failed(small_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    class Listening(Broken):
        def numbers(self, step: int, values: Mapping[str, float]) -> None: ...
        def close(self, status: str) -> None:
            closed.append(status)

    monkeypatch.setattr(listening, "TRACKERS", {"own": "tests:Listening"})
    monkeypatch.setattr(listening, "_class_of", lambda name: Listening)
    with pytest.raises(lstmctl.errors.DivergedError):
        lstmctl.train(small_config, ["training.learning_rate=1e9"], track=["own"], quiet=True)
    lstmctl.train(small_config, track=["own"], observe=stop_after(16))
    lstmctl.train(small_config, track=["own"], quiet=True)
    assert closed == ["failed", "interrupted", "finished"]


def test_an_unknown_or_missing_tracker_is_refused_before_training(
    small_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="--track tensorbord: use one of tensorboard, trackio, wandb, mlflow") as found:
        lstmctl.train(small_config, track=["tensorbord"], quiet=True)
    assert found.value.hint == "did you mean tensorboard?"
    monkeypatch.setattr(listening, "find_spec", lambda name: None)
    for name, package, hint in (
        ("tensorboard:logs", "tensorboardX", "pip install 'lstmctl[track]'"),
        ("mlflow", "mlflow", "pip install mlflow"),
    ):
        with pytest.raises(UsageError, match=f"--track {name} needs the package {package}") as found:
            lstmctl.train(small_config, track=[name], quiet=True)
        assert found.value.hint == hint
    assert not Path("runs").exists()
