"""Logs: whole lines, cut back to where a checkpoint knows them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lstmctl.errors import ResourceError, RunError
from lstmctl.runs.logs import Log, read_json_lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_the_offset_is_where_the_next_line_starts(path: Path) -> None:
    with Log(path) as log:
        for row in ({"a": 1}, {"text": "größer 🎉"}, {"lone": "\ud800"}):
            log.append_json(row)
            assert log.offset == path.stat().st_size
    assert [*read_json_lines(path)][:2] == [{"a": 1}, {"text": "größer 🎉"}]
    assert len([*read_json_lines(path)]) == 3


def test_continuing_drops_everything_after_the_offset(path: Path) -> None:
    with Log(path) as log:
        log.append_json({"step": 1})
        known = log.offset
        log.append_json({"step": 2})
        log.append('{"step": 3, "cut')
    with Log(path, known) as log:
        assert (log.offset, path.stat().st_size) == (known, known)
        log.append_json({"step": 2, "again": True})
    assert [*read_json_lines(path)] == [{"step": 1}, {"step": 2, "again": True}]


def test_a_new_run_starts_an_empty_log(path: Path) -> None:
    path.write_text("left over\n")
    with Log(path):
        assert path.read_bytes() == b""


def test_a_log_shorter_than_its_checkpoint_knows_is_refused_and_kept(path: Path) -> None:
    path.write_text("{}\n")
    with pytest.raises(RunError, match=r"metrics\.jsonl has 3 bytes, but the checkpoint was written when it had 1,234"):
        Log(path, 1234)
    assert path.read_text() == "{}\n"


def test_a_missing_log_has_no_rows(path: Path) -> None:
    assert [*read_json_lines(path)] == []


def test_a_line_cut_anywhere_is_left_out(path: Path) -> None:
    rows = [{"step": 1, "loss": 2.5}, {"step": 20, "validation": {"é": 1}}]
    lines = [json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows]
    for length in range(len(lines[1]) - 1):
        path.write_bytes(lines[0] + lines[1][:length])
        assert [*read_json_lines(path)] == rows[:1]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=80))
def test_any_bytes_give_objects_only(path: Path, content: bytes) -> None:
    path.write_bytes(b'{"step": 1}\n' + content)
    rows = [*read_json_lines(path)]
    assert rows[0] == {"step": 1} or content[:1] not in (b"\n", b"")
    assert all(isinstance(row, dict) for row in rows)


FILL = """
import resource, sys
from pathlib import Path
from lstmctl.errors import ResourceError
from lstmctl.runs.logs import Log
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    with Log(Path(sys.argv[1])) as log:
        for step in range(1000):
            log.append_json({"step": step})
except ResourceError as error:
    print(error)
"""


def test_a_full_disk_is_one_resource_error(path: Path) -> None:
    """Closing the log after it must not try again and fail in another way."""
    result = subprocess.run(
        [sys.executable, "-c", FILL, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    assert result.returncode == 0
    assert f"{path} cannot be written (" in result.stdout
    assert "bytes needed): File too large" in result.stdout
    rows = [*read_json_lines(path)]
    assert [row["step"] for row in rows] == list(range(len(rows)))
    assert len(rows) > 20


def test_a_log_in_a_folder_that_is_gone_is_a_resource_error(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cannot be written"):
        Log(tmp_path / "gone" / "metrics.jsonl")


KILLED = """
import os, sys
from pathlib import Path
from lstmctl.runs.logs import Log
log = Log(Path(sys.argv[1]))
log.append_json({"step": 1})
os._exit(9)
"""


def test_a_line_is_in_the_file_at_once(path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == 9
    assert [*read_json_lines(path)] == [{"step": 1}]
