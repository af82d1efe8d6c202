"""What a run needs on another machine, and what comes back: the same data, and runs that no kill tears."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from lstmctl.api.assembly import open_data, portable
from lstmctl.comparison.travelling import SentData, data_names, pack, state_of, unpack
from lstmctl.comparison.travelling import adopt as bring_to
from lstmctl.config import Settings, from_mapping
from lstmctl.data.locating import SENT
from lstmctl.data.preparing_text import prepare_text
from lstmctl.errors import DataError, ResourceError, RunError
from lstmctl.locks import locked
from lstmctl.runs.checkpoint_files import Snapshot
from lstmctl.runs.checkpoints import Checkpoints
from lstmctl.storage import replace_json
from tests.sounds import write_glides

GLIDES = {"file_names": "{label}_{speaker}_{take}"}
Made = tuple[str, dict[str, Any]]


def of_a_text(folder: Path) -> Made:
    shutil.copy(Path(__file__).parents[2] / "data" / "travellers.txt", folder / "own.txt")
    shutil.copy(Path(__file__).parents[2] / "data" / "travellers-dependencies.csv", folder / "own-dependencies.csv")
    return "language-model", {"text": str(folder / "own.txt"), "emphasis": 2}


def of_several_texts(folder: Path) -> Made:
    for name in ("b/two", "a/one", "c"):
        path = folder / "texts" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"This is {name}.\n" * 200)
    (folder / "texts" / "large.bin").write_bytes(bytes(9))
    (folder / "last.txt").write_text("The end.\n" * 50)
    return "language-model", {"text": [str(folder / "texts"), str(folder / "last.txt")]}


def of_prepared_text(folder: Path) -> Made:
    (folder / "source.txt").write_text("Ann sees the sea.\n" * 200)
    prepare_text(str(folder / "source.txt"), "characters", folder / "prepared")
    return "language-model", {"text": str(folder / "prepared")}


def of_series(folder: Path) -> Made:
    rows = [f"2024-{1 + day // 28:02}-{1 + day % 28:02},{day % 7}" for day in range(300)]
    (folder / "days.csv").write_text("\n".join(["date,load", *rows]))
    (folder / "free.txt").write_text("2024-01-01\n2024-12-25\n")
    step = {"step": "1 day", "missing": "forward-fill", "calendar": ["holiday"]}
    return "forecast", {"series": str(folder / "days.csv"), "holidays": [str(folder / "free.txt")], **step}


def of_tables(folder: Path) -> Made:
    for name, count in (("learn", 60), ("judge", 20)):
        rows = [f"{'good' if number % 2 else 'bad'} {number},{number % 2}" for number in range(count)]
        (folder / f"{name}.csv").write_text("\n".join(["text,label", *rows]))
    test = {"test": str(folder / "judge.csv"), "split": [0.8, 0.2]}
    return "classification", {"table": str(folder / "learn.csv"), **test}


def of_pairs(folder: Path) -> Made:
    for name in ("one", "two"):
        (folder / f"{name}.tsv").write_text("".join(f"{name} {number}\t{number} {name}\n" for number in range(50)))
    return "transduction", {"pairs": [str(folder / "one.tsv"), str(folder / "two.tsv")]}


def of_a_folder_of_clips(folder: Path) -> Made:
    return "classification", {"audio": str(write_glides(folder / "glides", takes=4)), **GLIDES}


def of_a_table_of_clips(folder: Path) -> Made:
    clips = sorted(write_glides(folder / "sound" / "glides", takes=4).iterdir())
    (folder / "tables").mkdir()
    rows = [f"../sound/glides/{clip.name},{clip.name.partition('_')[0]}" for clip in clips]
    (folder / "tables" / "clips.csv").write_text("\n".join(["file,label", *rows]))
    return "classification", {"audio": str(folder / "tables" / "clips.csv")}


def of_single_clips(folder: Path) -> Made:
    """Their labels are the names of their folders."""
    clips = sorted(write_glides(folder / "glides", takes=4).iterdir())
    for clip in clips:
        label = folder / clip.name.partition("_")[0]
        label.mkdir(exist_ok=True)
        clip.rename(label / clip.name)
    return "classification", {"audio": [str(clip) for clip in sorted(folder.glob("*/*.wav"))]}


EVERY_SOURCE = [
    *(of_a_text, of_several_texts, of_prepared_text, of_series, of_tables, of_pairs),
    *(of_a_folder_of_clips, of_a_table_of_clips, of_single_clips),
]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    yield SENT
    SENT.clear()


def carried(settings: Settings) -> dict[str, Path]:
    """Where data of this machine is, once it was packed and unpacked."""
    return {name: unpack(pack(name, settings, list), list) for name in data_names(settings)}


@pytest.mark.parametrize("make", EVERY_SOURCE, ids=lambda make: make.__name__.removeprefix("of_"))
def test_data_is_the_same_on_another_machine_and_keeps_its_name(
    make: Callable[[Path], Made], tmp_path: Path, sent: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lstmctl.comparison.travelling.PIECE", 1000)
    folder = tmp_path / "here"
    folder.mkdir()
    task, data = make(folder)
    named = from_mapping({"task": {"type": task}, "data": data})
    here = open_data(named, None)
    settings = portable(named, here)
    assert data_names(settings)
    sent.update(carried(settings))
    shutil.rmtree(folder)
    there = open_data(settings, None)
    assert there.fingerprint == here.fingerprint
    assert there.names == here.names
    assert portable(settings, there) == settings
    assert not list(tmp_path.rglob("large.bin"))


def test_bundled_and_generated_data_stay_at_home() -> None:
    assert data_names(from_mapping({"data": {"text": "travellers.txt"}})) == []
    synthetic = {"task": {"type": "regression"}, "data": {"synthetic": "adding"}}
    assert data_names(from_mapping(synthetic)) == []


def text_of(size: int, tmp_path: Path) -> tuple[Settings, SentData]:
    path = tmp_path / "own.txt"
    path.write_bytes(b"x" * size)
    settings = from_mapping({"data": {"text": str(path)}})
    return settings, pack(str(path), settings, list)


def test_data_is_written_once_in_pieces_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmctl.comparison.travelling.PIECE", 100)
    for size in (0, 1, 99, 100, 101, 250):
        _, data = text_of(size, tmp_path)
        assert max(sum(len(content) for _, content in piece) for piece in data.pieces) <= 100
        path = unpack(data, list)
        assert path.read_bytes() == b"x" * size
        assert unpack(data, _never) == path


def _never(_: Any) -> Any:
    raise AssertionError("fetched again")


def test_what_is_damaged_on_its_way_is_not_kept(tmp_path: Path) -> None:
    _, data = text_of(50, tmp_path)
    with pytest.raises(ResourceError, match="is not a copy of the data sent"):
        unpack(data, lambda kept: [(name, content[:-1] + b"y") for name, content in kept])
    assert not list((tmp_path / "cache").rglob("own.txt"))
    assert unpack(data, list).read_bytes() == b"x" * 50
    with pytest.raises(RunError, match=r"`\.\./own\.txt` would be written outside of its folder"):
        unpack(SentData("own.txt", "0" * 64, ([("../own.txt", b"")],)), list)


def test_runs_of_a_machine_wait_for_the_one_that_writes_the_data(tmp_path: Path) -> None:
    _, data = text_of(50, tmp_path)
    fetched: list[Any] = []

    def fetch(kept: Any) -> Any:
        fetched.append(kept)
        return kept

    folder = tmp_path / "cache" / "sent" / "data" / data.fingerprint
    folder.mkdir(parents=True)
    with ThreadPoolExecutor(3) as threads:
        with locked(folder):
            waiting = [threads.submit(unpack, data, fetch) for _ in range(3)]
        paths = {one.result().read_bytes() for one in waiting}
    assert paths == {b"x" * 50}
    assert len(fetched) == 1


def test_a_machine_without_a_place_for_the_data_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings, data = text_of(200_000, tmp_path)
    disk = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if sys.platform == "linux" and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        monkeypatch.setenv("LSTMCTL_CACHE", str(disk))
        try:
            with pytest.raises(ResourceError, match="cannot be written: No space left on device") as caught:
                unpack(data, list)
            assert "set LSTMCTL_CACHE on that machine" in (caught.value.hint or "")
            assert not list(disk.rglob("*.txt"))
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)
    monkeypatch.setenv("LSTMCTL_CACHE", str(tmp_path / "own.txt"))
    with pytest.raises(ResourceError, match="cannot be written: Not a directory"):
        unpack(data, list)
    for name in ("LSTMCTL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", classmethod(_no_home))
    with pytest.raises(ResourceError, match="no home folder to keep the data in that runs are sent"):
        unpack(data, list)
    (tmp_path / "own.txt").unlink()
    with pytest.raises(DataError, match=r"own\.txt cannot be read: No such file or directory"):
        pack(str(tmp_path / "own.txt"), settings, list)


def _no_home(_: type[Path]) -> Path:
    raise RuntimeError


def snapshot_of(step: int) -> Snapshot:
    weights = {"layer": torch.full((4, 4), float(step))}
    return Snapshot(step, weights, None, {"moment": torch.ones(2)}, {"logs": {"metrics.jsonl": 10 * step}})


def write_until(step: int, run: Path) -> None:
    """Let a run that saves at every step arrive at one."""
    run.mkdir(exist_ok=True)
    checkpoints = Checkpoints(run)
    first = checkpoints.read().step + 1 if checkpoints.pointers() else 1
    for number in range(first, step + 1):
        with (run / "metrics.jsonl").open("ab") as file:
            file.write(b"123456789\n")
        replace_json(run / "run.json", {"format": 1, "order": 1, "status": "running", "step": number})
        checkpoints.write(snapshot_of(number), best=number % 3 == 1)


def files_of(run: Path) -> dict[str, bytes]:
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_run_comes_back_whole_and_only_what_changed_travels(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    here.mkdir()
    write_until(2, there)
    first = state_of(there)
    bring_to(first, here, {})
    assert files_of(here) == files_of(there)
    write_until(5, there)
    second = state_of(there, set(first.names.values()))
    weights = first.names["checkpoints/step-1/state.safetensors"]
    assert weights not in second.contents  # the same moments as at step 1
    assert len(second.contents) < len(second.names)
    bring_to(second, here, first.names, order=7)
    facts = json.loads((here / "run.json").read_text())
    assert facts == {"format": 1, "order": 7, "status": "running", "step": 5}
    (here / "run.json").write_bytes((there / "run.json").read_bytes())
    assert files_of(here) == files_of(there)
    assert not (here / "checkpoints" / "step-2").exists()
    bring_to(state_of(tmp_path / "not-begun"), here, second.names)  # nothing has come of it
    assert files_of(here) == files_of(there)


def test_a_run_that_trains_is_read_between_its_checkpoints(tmp_path: Path) -> None:
    there = tmp_path / "there"
    write_until(1, there)
    seen = []
    with ThreadPoolExecutor(1) as thread:
        training = thread.submit(write_until, 120, there)
        for number in itertools.count():
            here = tmp_path / str(number)
            here.mkdir()
            bring_to(state_of(there), here, {})
            snapshot = Checkpoints(here).read()
            assert (here / "metrics.jsonl").stat().st_size >= snapshot.progress["logs"]["metrics.jsonl"]
            assert Checkpoints(here).is_whole()
            seen.append(snapshot.step)
            if training.done():
                break
        training.result()
    assert seen == sorted(seen)
    assert seen[-1] >= 1


@pytest.mark.fork
def test_a_kill_at_any_point_leaves_a_run_that_continues(tmp_path: Path) -> None:
    there, before = tmp_path / "there", tmp_path / "before"
    before.mkdir()
    write_until(2, there)
    first = state_of(there)
    bring_to(first, before, {})
    write_until(5, there)
    second = state_of(there, set(first.names.values()))
    found = set()
    for calls in itertools.count():
        here = tmp_path / f"killed-{calls}"
        shutil.copytree(before, here)
        child = os.fork()
        if child == 0:
            _exit_after(calls)
            bring_to(second, here, first.names)
            os._exit(0)
        is_whole = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        checkpoints = Checkpoints(here)
        snapshot = checkpoints.starting_point()
        assert snapshot is not None
        assert checkpoints.is_whole()
        assert (here / "metrics.jsonl").stat().st_size >= snapshot.progress["logs"]["metrics.jsonl"]
        step = json.loads((here / "run.json").read_text())["step"]
        assert step <= snapshot.step
        found.add((snapshot.step, step))
        # What comes back later puts it right.
        bring_to(state_of(there), here, {})
        assert {name: content for name, content in files_of(here).items() if ".tmp-" not in name} == files_of(there)
        if is_whole:
            break
    assert calls > 10
    assert found == {(2, 2), (5, 2), (5, 5)}


def _exit_after(calls: int) -> None:
    """End this process at once before it changes the disk once more than `calls` times."""
    left = [calls]

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            left[0] -= 1
            if left[0] < 0:
                os._exit(1)

    sys.addaudithook(hear)
