"""Run folders: claimed by number, found by name, held by a lock that ends with its holder."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lstmctl.errors import ResourceError, RunError
from lstmctl.runs.folder import (
    RunFolder,
    claimed,
    find_any,
    find_run,
    find_to_resume,
    list_runs,
    next_order,
    runs_root,
)
from lstmctl.runs.summary import summarise
from tests import processes

HOLD = """
import sys, time
from pathlib import Path
from lstmctl.runs.folder import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def made(root: Path, name: str, *, saved: bool = True, **facts: object) -> RunFolder:
    """A run folder as training leaves it, as far as finding it goes."""
    path = root / name
    path.mkdir(parents=True)
    folder = RunFolder(path)
    folder.update(status="finished", order=next_order(root), **facts)
    if saved:
        (path / "last.safetensors").write_bytes(b"")
    return folder


CLAIM = """
import sys
from pathlib import Path
from lstmctl.runs.folder import claimed
for _ in range(20):
    with claimed(Path(sys.argv[1]), "small-lstm") as folder:
        folder.update(status="running")
        print(folder.name)
"""


def test_processes_that_claim_at_once_get_different_numbers(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    command = [sys.executable, "-c", CLAIM, str(root)]
    started = [processes.start(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    names = [name for process in started for name in process.communicate(timeout=60)[0].split()]
    assert len(names) == len(set(names)) == 60
    assert sorted(path.name for path in root.iterdir()) == sorted(names)


def test_numbers_go_on_after_the_highest_and_per_stem(tmp_path: Path) -> None:
    for name in ("a-lstm-002", "a-lstm-1041", "a-lstm-x", "a-lstm-003-copy", "b-a-lstm-2000"):
        made(tmp_path, name)
    with (
        claimed(tmp_path, "a-lstm") as one,
        claimed(tmp_path, "a-lstm") as next_one,
        claimed(tmp_path, "a.lstm") as other,
    ):
        assert [folder.name for folder in (one, next_one, other)] == ["a-lstm-1042", "a-lstm-1043", "a.lstm-001"]
        assert all(folder.is_held() for folder in (one, next_one, other))


def test_a_root_that_cannot_be_made_is_a_resource_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ResourceError, match="runs cannot be written"), claimed(tmp_path / "runs", "a"):
        pass


KILLED = """
import os, sys
from pathlib import Path
from lstmctl.runs.folder import claimed
with claimed(Path(sys.argv[1]), "a-lstm") as folder:
    for name in sys.argv[2:]:
        path = folder.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    os._exit(9)
"""


@pytest.mark.parametrize(
    ("written", "stays"),
    [
        ([], False),
        (["cells.py", ".config.yaml.tmp-7"], False),
        (["config.yaml", "encoding.json"], False),
        (["x-1/plan.json", "x-1/cells.py", "x-2/plan.json"], False),
        (["config.yaml", "encoding.json", "run.json"], True),
        (["cells.py", "plan.json"], True),
        (["x-1/plan.json", "sweep.json"], True),
        (["notes.txt"], True),
        (["x-1/notes.txt"], True),
    ],
)
def test_a_folder_in_which_a_killed_process_had_begun_nothing_goes_with_the_next_claim(
    written: list[str], stays: bool, tmp_path: Path
) -> None:
    processes.run([sys.executable, "-c", KILLED, str(tmp_path), *written], check=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a-lstm-001"]
    if not stays:
        with pytest.raises(RunError, match="it is not a run of lstmctl, or was killed before it began"):
            find_run("a-lstm-001", tmp_path)
    with claimed(tmp_path, "other"):  # looks at its own stem alone
        assert (tmp_path / "a-lstm-001").exists()
    with claimed(tmp_path, "a-lstm") as folder:
        assert folder.name == ("a-lstm-002" if stays else "a-lstm-001")
        assert {path.name for path in folder.path.iterdir()} == {"lock", "holder"}
    assert (tmp_path / "a-lstm-001").exists()


def test_a_folder_that_somebody_made_is_not_removed(tmp_path: Path) -> None:
    theirs = tmp_path / "a-lstm-001"
    theirs.mkdir()
    for name in ("config.yaml", "cells.py", "lock"):
        (theirs / name).write_text("theirs")
    with claimed(tmp_path, "a-lstm") as folder:
        assert folder.name == "a-lstm-002"
    assert {path.name for path in theirs.iterdir()} == {"config.yaml", "cells.py", "lock"}


def test_an_error_before_anything_has_begun_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(*files: str) -> None:
        with claimed(tmp_path, "a") as folder:
            for name in files:
                (folder.path / name).write_text("x")
            raise KeyError

    with pytest.raises(KeyError):
        break_off("config.yaml", "cells.py")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError):
        break_off("config.yaml", "run.json")
    assert [path.name for path in tmp_path.iterdir()] == ["a-001"]

    def flock(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("fcntl.flock", flock)
    with (
        pytest.raises(ResourceError, match=r"a-002/lock cannot be written: Input/output error"),
        claimed(tmp_path, "a"),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a-001"]


def test_the_root_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runs_root() == Path("runs")
    monkeypatch.setenv("LSTMCTL_RUNS", "elsewhere")
    assert runs_root() == Path("elsewhere")


def test_runs_are_found_by_folder_by_name_and_as_the_latest(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    first, second = made(root, "small-lstm-001"), made(root, "small-gru-001")
    made(root, "small-rnn-001", saved=False)
    assert find_run(str(first.path), root).path == first.path
    assert find_run("small-lstm-001", root).path == first.path
    assert find_run("latest", root).path == second.path
    assert find_run(None, root).path == second.path


def test_a_run_that_has_learned_nothing_is_passed_over_for_its_weights_and_not_for_continuing(tmp_path: Path) -> None:
    for name, status in (("a", "interrupted"), ("b", "finished"), ("c", "diverged"), ("d", "running"), ("e", "failed")):
        made(tmp_path, name).update(status=status)
        (tmp_path / name / "encoding.json").write_text("{}")
    assert find_run("latest", tmp_path).name == find_run(None, tmp_path).name == "b"
    assert find_run("c", tmp_path).name == "c"
    assert find_any("latest", tmp_path).name == find_any(None, tmp_path).name == "e"
    assert find_to_resume("latest", tmp_path).name == "e"
    for name, ending, following in (("e", "finished", "d"), ("d", "finished", "a"), ("a", "diverged", "e")):
        RunFolder(tmp_path / name).update(status=ending)
        assert find_to_resume("latest", tmp_path).name == following
    (tmp_path / "d/checkpoints").mkdir()
    for folder in (tmp_path / "d", tmp_path / "e"):
        RunFolder(folder).update(status="running")
    (tmp_path / "d/checkpoints/pointers.json").write_text('{"last": 5, "previous": 0, "best": 5}')
    assert find_run("latest", tmp_path).name == "d"


def test_the_newest_of_the_first_group_of_tasks_that_has_any_is_meant(tmp_path: Path) -> None:
    for name, task in (("a", "classification"), ("b", "language-model"), ("c", "tagging"), ("d", "forecast")):
        made(tmp_path, name, task=task)
    made(tmp_path, "unsaved", task="language-model", saved=False)
    assert find_run(None, tmp_path).name == "d"
    assert find_run(None, tmp_path, [["language-model"]]).name == "b"
    assert find_run(None, tmp_path, [["classification", "language-model"]]).name == "b"
    assert find_run(None, tmp_path, [["classification"], ["language-model", "tagging"]]).name == "a"
    assert find_run(None, tmp_path, [["transduction"], ["classification", "tagging"]]).name == "c"
    assert find_run("latest", tmp_path, [["language-model"]]).name == "d"
    assert find_run("c", tmp_path, [["language-model"]]).name == "c"
    (tmp_path / "d" / "run.json").write_text("{")
    assert find_run(None, tmp_path, [["tagging"], ["forecast"]]).name == "c"


def test_without_a_run_of_such_a_task_the_newest_is_named(tmp_path: Path) -> None:
    made(tmp_path, "energy-gru-003", task="forecast")
    for tasks, wanted in (
        ([["language-model"]], "language-model"),
        ([["language-model"], ["tagging", "regression"]], "language-model, tagging or regression"),
    ):
        with pytest.raises(RunError) as caught:
            find_run(None, tmp_path, tasks)
        assert str(caught.value) == (
            f"no run under {tmp_path} is of the task {wanted}: the newest, energy-gru-003, is of the task forecast"
        )
        assert caught.value.hint == "lstmctl config list shows configs that train one"


def test_a_near_miss_is_named(tmp_path: Path) -> None:
    made(tmp_path, "small-lstm-001")
    with pytest.raises(RunError, match="no run `small-lsmt-001`, neither as a folder nor under") as caught:
        find_run("small-lsmt-001", tmp_path)
    assert caught.value.hint == "did you mean small-lstm-001?"
    with pytest.raises(RunError) as caught:
        find_run("zzz", tmp_path)
    assert caught.value.hint == "lstmctl runs list shows all runs"


def test_no_run_and_no_run_folder_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run with a saved model under"):
        find_run("latest", tmp_path / "none")
    (tmp_path / "plain").mkdir()
    with pytest.raises(RunError, match=r"is a folder without run\.json: it is not a run of lstmctl"):
        find_run(str(tmp_path / "plain"), tmp_path / "none")


def test_order_is_that_of_starting_even_when_the_clock_goes_back(tmp_path: Path) -> None:
    for name, started in (("b-1", "2026-03-03T10:00:00"), ("a-1", "2025-01-01T00:00:00"), ("c-1", "2025-06-01")):
        made(tmp_path, name, started=started)
    assert [folder.name for folder in list_runs(tmp_path)] == ["b-1", "a-1", "c-1"]
    assert find_run("latest", tmp_path).name == "c-1"


def test_runs_without_an_order_come_first_by_their_time_and_damaged_ones_do_not_hide_the_rest(tmp_path: Path) -> None:
    made(tmp_path, "new")
    for name, started in (("old-b", "2025-02-01"), ("old-a", "2025-01-01")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps({"format": 1, "started": started}))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    assert [folder.name for folder in list_runs(tmp_path)] == ["broken", "old-a", "old-b", "new"]
    assert summarise(RunFolder(tmp_path / "broken"))["status"] == "damaged"


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"format": "1"}', '{"a":' * 100_000, "\x00"])
def test_a_damaged_run_json_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=r"run\.json"):
        RunFolder(tmp_path).info()


def test_a_newer_format_is_refused_with_both_numbers(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 9}')
    with pytest.raises(RunError, match=r"run\.json has format 9 of a newer lstmctl; this one reads 1") as caught:
        RunFolder(tmp_path).info()
    assert caught.value.exit_code == 4
    with pytest.raises(RunError, match="format 9"):
        RunFolder(tmp_path).update(status="finished")  # and is not overwritten
    assert json.loads((tmp_path / "run.json").read_text()) == {"format": 9}


def test_facts_are_kept_until_they_are_set_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.update(status="running", seed=3)
    folder.update(status="finished")
    assert folder.info() == {"format": 1, "status": "finished", "seed": 3}


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.update(status="running")
    holder = processes.start(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert folder.is_held()
    assert summarise(folder)["status"] == "running"
    with (
        pytest.raises(RunError, match=f"{tmp_path} is in use by process {holder.pid} on ") as caught,
        folder.locked(),
    ):
        pass
    assert caught.value.exit_code == 4
    holder.kill()
    holder.communicate()
    assert not folder.is_held()
    assert summarise(folder)["status"] == "stopped"
    assert (tmp_path / "holder").read_text().startswith(f"process {holder.pid} on ")
    with folder.locked():
        assert folder.is_held()
    assert not folder.is_held()
    assert not (tmp_path / "holder").exists()


def test_a_lock_file_of_an_earlier_version_names_no_process_and_blocks_none(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("process 1 on elsewhere")  # there the name was in the file itself
    folder = RunFolder(tmp_path)
    assert not folder.is_held()
    with folder.locked(), pytest.raises(RunError, match=f"is in use by process {os.getpid()} on "), folder.locked():
        pass


LOOK = """
import sys
from pathlib import Path
from lstmctl.runs.folder import RunFolder
for _ in range(2000):
    RunFolder(Path(sys.argv[1])).is_held()
"""


def test_looking_whether_a_run_is_held_does_not_keep_it_from_being_held(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    watcher = processes.start([sys.executable, "-c", LOOK, str(tmp_path)])
    taken = 0
    while watcher.poll() is None:
        with RunFolder(tmp_path).locked():
            taken += 1
    assert watcher.returncode == 0
    assert taken > 10


def test_a_run_that_never_was_locked_is_not_held(tmp_path: Path) -> None:
    assert not RunFolder(tmp_path).is_held()
    with pytest.raises(ResourceError, match="lock cannot be written"), RunFolder(tmp_path / "gone").locked():
        pass
