"""Files that are replaced whole: old or new, never half."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lstmctl.errors import ResourceError, RunError
from lstmctl.storage import (
    disk_errors,
    open_to_append,
    remove_leftovers,
    replace_file,
    replace_json,
    require_folder,
    write_synced,
)

REPLACE_FOREVER = """
import sys
from pathlib import Path
from lstmctl.storage import replace_file
path, number = Path(sys.argv[1]), 0
while True:
    replace_file(path, (b"%08d" % number) * 20_000)
    number += 1
    if number == 2:
        print("writing", flush=True)
"""


def test_a_killed_writer_leaves_old_or_new(tmp_path: Path) -> None:
    path = tmp_path / "file"
    draw = random.Random(3)
    halves = 0
    for _ in range(12):
        writer = subprocess.Popen([sys.executable, "-c", REPLACE_FOREVER, str(path)], stdout=subprocess.PIPE)
        with writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"writing\n"
            time.sleep(draw.uniform(0, 0.02))
            writer.send_signal(signal.SIGKILL)
        content = path.read_bytes()
        assert len(content) == 160_000
        assert content == content[:8] * 20_000
        halves += len([*tmp_path.glob(".file.tmp-*")])
        remove_leftovers(tmp_path)
        assert [*tmp_path.iterdir()] == [path]
    assert halves > 0  # the kills did hit writers in the middle


def test_content_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    replace_file(path, b"old")
    replace_json(path, {"ü": 1})
    assert path.read_text(encoding="utf-8") == '{\n  "ü": 1\n}\n'
    assert [*tmp_path.iterdir()] == [path]


def test_no_number_that_json_lacks_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    replace_json(path, {"loss": 1.0})
    with pytest.raises(ValueError):
        replace_json(path, {"loss": float("nan")})
    assert path.read_text() == '{\n  "loss": 1.0\n}\n'


TOO_LARGE = """
import resource, sys
from pathlib import Path
from lstmctl.errors import ResourceError, RunError
from lstmctl import storage
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
try:
    storage.replace_file(Path(sys.argv[1]), bytes(20_000))
except ResourceError as error:
    print(error, "|", error.hint)
"""


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    result = subprocess.run([sys.executable, "-c", TOO_LARGE, str(path)], capture_output=True, text=True, check=False)
    assert result.stderr == ""
    hint = "free some space, or move the runs: LSTMCTL_RUNS=FOLDER"
    assert result.stdout == f"{path} cannot be written (20,000 bytes needed): File too large | {hint}\n"
    assert path.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [path]


def test_what_is_appended_never_goes_through_a_link_or_into_another_name(tmp_path: Path) -> None:
    elsewhere, path = tmp_path / "elsewhere", tmp_path / "log"
    elsewhere.write_bytes(b"theirs")
    path.symlink_to(elsewhere)
    with pytest.raises(RunError, match=f"{path} is a symbolic link, which may lead out of its folder"):
        open_to_append(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RunError, match=f"{path} is not a plain file"):
        open_to_append(path)
    path.unlink()
    path.hardlink_to(elsewhere)
    with open_to_append(path) as file:
        file.write(b", ours")
    assert (elsewhere.read_bytes(), path.read_bytes()) == (b"theirs", b"theirs, ours")
    with pytest.raises(RunError, match="is not a plain folder"):
        require_folder(path)


def test_a_new_file_is_never_written_over_another(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_synced(tmp_path / "a", b"new")


def test_only_a_full_disk_has_a_hint_to_free_space(tmp_path: Path) -> None:
    for number, hinted in ((errno.ENOSPC, True), (errno.EACCES, False)):
        with pytest.raises(ResourceError) as caught, disk_errors(tmp_path, 1_000):
            raise OSError(number, os.strerror(number))
        assert str(caught.value) == f"{tmp_path} cannot be written (1,000 bytes needed): {os.strerror(number)}"
        assert (caught.value.hint is not None) == hinted
        assert caught.value.exit_code == 6


def test_leftovers_go_and_nothing_else(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    folder = tmp_path / "run"
    (folder / ".step-3.tmp-77").mkdir(parents=True)
    (folder / ".step-3.tmp-77" / "weights").touch()
    (folder / ".link.tmp-77").symlink_to(elsewhere)
    for name in (".run.json.tmp-77", "run.json", ".hidden", "a.tmp-1"):
        (folder / name).touch()
    remove_leftovers(folder)
    assert sorted(path.name for path in folder.iterdir()) == [".hidden", "a.tmp-1", "run.json"]
    assert (elsewhere / "kept").exists()
