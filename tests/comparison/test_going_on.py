"""A comparison that is resumed elsewhere, or in a folder that somebody else made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lstmctl.comparison import resume
from lstmctl.errors import RunError
from tests.conftest import Command

RUNS = ["rnn-seed-0", "lstm-seed-0"]


def test_a_comparison_continues_without_the_gpu_it_was_planned_for(
    finished: Path, lstmctl: Command, caplog: pytest.LogCaptureFixture
) -> None:
    plan = json.loads((finished / "plan.json").read_text())
    (finished / "plan.json").write_text(json.dumps({**plan, "device": "cuda:7"}))
    shutil.rmtree(finished / RUNS[1])
    (finished / "comparison.json").unlink()
    refused = lstmctl("compare", "--resume", "latest", "--quiet")
    assert refused.code == 2
    assert "hint: device=auto uses an available device" in refused.err
    told = lstmctl("compare", "--resume", "latest", "device=cpu", "--quiet")
    assert told.code == 0, told.err
    assert "device was cuda:7 and is now cpu: times and last bits are not comparable" in caplog.text
    assert json.loads((finished / "plan.json").read_text())["device"] == "cpu"


def test_a_link_in_the_place_of_a_run_is_not_followed(finished: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (finished / RUNS[1]).rename(theirs)
    (theirs / "run.json").write_text((theirs / "run.json").read_text().replace("finished", "interrupted"))
    before = {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()}
    (finished / RUNS[1]).symlink_to(theirs)
    with pytest.raises(RunError, match="is a symbolic link, which may lead out of its folder"):
        resume(finished)
    assert {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()} == before
