"""`lstmctl data prepare`: what it prints, and what its folder is then good for."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path

import pytest

from lstmctl.cli import data
from tests.conftest import Command


def test_the_folder_is_all_that_stdout_gets(lstmctl: Command, text_file: Path, text: str) -> None:
    folder = Path("small.prepared").absolute()
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    facts = f"{len(text):,} bytes, {len(text):,} characters of {len(set(text))} in uint8, SHA-256 {sha256}"
    following = f"Next: lstmctl train data.text={folder}"
    result = lstmctl("data", "prepare", "data.text=small.txt")
    assert (result.code, result.out, result.err) == (0, f"{folder}\n", f"{facts}\n{following}\n")
    again = lstmctl("data", "prepare", "data.text=small.txt")
    assert again.err == f"It was there already and is the same.\n{facts}\n{following}\n"
    assert lstmctl("data", "prepare", "data.text=small.txt", "--quiet").err == ""
    shown = lstmctl("data", "show", "data.text=small.prepared")
    direct = lstmctl("data", "show", "data.text=small.txt")
    assert shown.out.replace(str(folder), str(text_file)) == direct.out


def test_json_is_one_object(lstmctl: Command, text_file: Path, text: str) -> None:
    result = lstmctl("data", "prepare", "data.text=small.txt", "data.symbols=bytes", "--to", "there", "--json", "-q")
    assert json.loads(result.out) == {
        "format": 1,
        "path": str(Path("there").absolute()),
        "files": [str(text_file)],
        "bytes": len(text),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "length": len(text),
        "vocabulary": 256,
        "type": "uint8",
        "was_there": False,
        "resumed": 0,
    }
    assert result.err == ""


def test_of_a_long_text_it_proposes_to_score_a_little(
    lstmctl: Command, text_file: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "MUCH", 5000)
    monkeypatch.setattr(data, "HELD_OUT", 700)
    result = lstmctl("data", "prepare", "data.text=small.txt", "data.symbols=bytes")
    told, command = result.err.splitlines()[-2:]
    assert told == "To score 700 bytes and not a tenth of all, count the parts, as here:"
    words = shlex.split(command.removeprefix("Next: "))
    assert words[-1] == f"data.split=[{len(text) - 1400}, 700, 700]"
    tiny = ["model.hidden=4", "model.embedding=4", "training.budget=1 steps", "training.batch=2", "training.window=8"]
    trained = lstmctl(*words[1:], *tiny, "--json", "--quiet")
    assert json.loads(trained.out)["status"] == "finished"


def test_only_text_is_prepared(lstmctl: Command) -> None:
    result = lstmctl("data", "prepare", "energy")
    assert (result.code, result.err) == (2, "error: only text is prepared; this config has data.series\n")


def test_an_unfinished_folder_says_how_to_go_on(lstmctl: Command) -> None:
    Path("a.prepared").mkdir()
    Path("a.prepared/progress.json").write_text("{}")
    result = lstmctl("train", "data.text=a.prepared")
    assert result.code == 3
    assert result.err == (
        f"error: {Path('a.prepared').absolute()} is not prepared to its end\n"
        "hint: give `lstmctl data prepare` again: it goes on\n"
    )
