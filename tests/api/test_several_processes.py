"""Whole trainings in two processes: the files and their authors, and the outcome if a process is killed or fails."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lstmctl import api
from lstmctl.errors import DivergedError
from lstmctl.runs.checkpoints import Checkpoints
from tests import processes
from tests.conftest import Command

RUN = Path("runs/small-lstm-001")
LONGEST = 300
FAULTY = """\
import os
from lstmctl.cells.lstm import LSTM

class Faulty(LSTM):
    calls = 0

    def sequence(self, *arguments):
        Faulty.calls += 1
        if os.environ["RANK"] == "1" and Faulty.calls == 40:
            raise MemoryError("no more")
        return super().sequence(*arguments)
"""


def side_by_side(*arguments: str, second: dict[str, str] | None = None) -> tuple[list[int], str]:
    """Train in two processes that know of each other; their exit codes, and what both said. `second` is what differs in
    the environment of the second."""
    with socket.create_server(("localhost", 0)) as free:
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    started = []
    for rank in range(2):
        own = {**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), **((second or {}) if rank else {})}
        command = [sys.executable, "-m", "lstmctl", "train", *arguments]
        started.append(processes.start(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    said = [process.communicate(timeout=LONGEST)[0] for process in started]
    return [process.returncode for process in started], "".join(said)


def launched(*arguments: str) -> processes.Process | subprocess.Popen[str]:
    """Train in two processes that torchrun starts, and once more if one ends."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--max-restarts=1", "-m"]
    return processes.start(
        [*torchrun, "lstmctl", "train", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def workers(torchrun: processes.Process | subprocess.Popen[str]) -> dict[int, int]:
    """The process of each rank, once the run's log has grown."""
    log = RUN / "metrics.jsonl"
    while not log.exists() or log.read_bytes().count(b"\n") < 60:
        assert torchrun.poll() is None, torchrun.communicate()[0]
        time.sleep(0.01)
    found = {}
    for process in Path(f"/proc/{torchrun.pid}/task/{torchrun.pid}/children").read_text().split():
        variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
        rank = next((int(text.removeprefix(b"RANK=")) for text in variables if text.startswith(b"RANK=")), None)
        if rank is not None:
            found[rank] = int(process)
    assert found.keys() == {0, 1}
    return found


def result(run: Path) -> dict[str, Any]:
    """The files of a run without fields that depend on time."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = run / "checkpoints" / f"step-{Checkpoints(run).pointers()['last']}"
    info = json.loads((run / "run.json").read_text())
    return {
        "rows": [{key: value for key, value in row.items() if key != "seconds"} for row in rows],
        "files": [(run / name).read_bytes() for name in ("last.safetensors", "best.safetensors", "samples.txt")],
        "state": (last / "state.safetensors").read_bytes(),
        **{key: info[key] for key in ("status", "step", "metrics", "processes")},
    }


BUDGET = ("training.budget=120 steps", "training.save_every=37")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes through /proc")
def test_killed_in_a_step_and_started_anew_it_ends_as_if_undisturbed(small_config: Path) -> None:
    beside = set(Path().iterdir())
    codes, said = side_by_side(str(small_config), *BUDGET, second={"LSTMCTL_RUNS": "/dev/null/runs"})
    assert codes == [0, 0], said
    assert said.count("Next: ") == 1
    assert set(Path().iterdir()) == {*beside, Path("runs")}
    assert [path.name for path in Path("runs").iterdir()] == [RUN.name]
    undisturbed = result(RUN)
    assert (undisturbed["status"], undisturbed["processes"]) == ("finished", 2)

    RUN.rename("undisturbed")
    torchrun = launched(str(small_config), *BUDGET)
    os.kill(workers(torchrun)[1], signal.SIGKILL)
    said, _ = torchrun.communicate(timeout=LONGEST)
    assert torchrun.returncode == 0, said
    assert [path.name for path in Path("runs").iterdir()] == [RUN.name]
    (resumed,) = json.loads((RUN / "run.json").read_text())["resumed"]
    assert resumed["step"] >= 37
    assert result(RUN) == undisturbed


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes through /proc")
def test_torchrun_is_asked_to_end_and_one_process_continues(
    small_config: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchrun = launched(str(small_config), "training.budget=200 steps")
    both = workers(torchrun)
    torchrun.terminate()
    said, _ = torchrun.communicate(timeout=LONGEST)
    assert torchrun.returncode != 0
    assert f"lstmctl train --resume {RUN}" in said
    assert "error: " not in said
    assert not any(Path(f"/proc/{process}").exists() for process in both.values())
    info = json.loads((RUN / "run.json").read_text())
    assert (info["status"], info["step"]) == ("interrupted", Checkpoints(RUN).read().step)
    run = api.resume(RUN)
    assert (run.status, run.info["step"], run.info["processes"]) == ("finished", 200, 1)
    assert "processes was 2 and is 1" in caplog.text


def test_what_one_process_fails_by_ends_both_and_is_reported_once(small_config: Path) -> None:
    Path("faulty.py").write_text(FAULTY, encoding="utf-8")
    codes, said = side_by_side(str(small_config), "model.cell=faulty:Faulty", "--trust", "training.budget=2M steps")
    assert all(codes)
    assert re.findall(r"^error: .*", said, re.MULTILINE) == ["error: out of memory: no more"], said
    (run,) = Path("runs").iterdir()
    assert json.loads((run / "run.json").read_text())["status"] == "failed"


def test_what_all_processes_fail_by_is_reported_by_the_first(small_config: Path) -> None:
    codes, said = side_by_side(str(small_config), "training.learning_rate=1e9", "training.clip=null")
    assert codes == [5, 5]
    errors = re.findall(r"^error: .*", said, re.MULTILINE)
    assert len(errors) == 1, said
    assert errors[0].startswith("error: training diverged at step ")
    assert f"the checkpoint of step 0 in {RUN} is kept" in said
    assert json.loads((RUN / "run.json").read_text())["status"] == "diverged"


def test_the_same_launch_continues_with_what_it_began(small_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that a later start by torchrun finds, by the job's name; here without torchrun."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job")
    short = ["training.budget=3 steps"]
    first = api.train(small_config, short)
    second = api.train(small_config, short)
    assert second.path != first.path  # the first was finished, and its name is free
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert api.train(small_config).path == second.path
    assert api.train(small_config, short, command="another").path not in (first.path, second.path)
    second.folder.update(status="diverged", problem="training diverged at step 3")
    with pytest.raises(DivergedError, match="training diverged at step 3"):
        api.train(small_config)


def test_other_commands_are_for_one_process_and_refused_once(lstmctl: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, arguments, error in (
        ("0", ["compare", "rnn", "lstm"], "error: compare runs in a single process, but torchrun started 2"),
        ("1", ["compare", "rnn", "lstm"], ""),
        ("0", ["train", "--nope"], "error: no option `--nope`"),
        ("1", ["train", "--nope"], ""),
    ):
        monkeypatch.setenv("RANK", rank)
        result = lstmctl(*arguments)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(error)
        assert bool(result.err) == bool(error)


def test_continuing_with_a_finished_run_ends_every_process_without_an_error(small_config: Path) -> None:
    run = api.train(small_config, ["training.budget=4 steps"]).path
    before = result(run)
    torchrun = launched("--resume", str(run))
    said, _ = torchrun.communicate(timeout=LONGEST)
    assert torchrun.returncode == 0, said
    assert "Traceback" not in said
    assert "terminate called" not in said
    assert result(run) == before
