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
    assert again.err == f"It already exists and is unchanged.\n{facts}\n{following}\n"
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
    assert told == "To score only 700 bytes instead of a tenth, set the parts as counts, as here:"
    words = shlex.split(command.removeprefix("Next: "))
    assert words[-1] == f"data.split=[{len(text) - 1400}, 700, 700]"
    tiny = ["model.hidden=4", "model.embedding=4", "training.budget=1 steps", "training.batch=2", "training.window=8"]
    trained = lstmctl(*words[1:], *tiny, "--json", "--quiet")
    assert json.loads(trained.out)["status"] == "finished"


def test_a_table_is_prepared_with_what_its_config_says(lstmctl: Command, series_config: Path) -> None:
    table, folder = series_config.parent / "small.csv", Path("small.prepared").absolute()
    sha256, size = hashlib.sha256(table.read_bytes()).hexdigest(), table.stat().st_size
    facts = f"{size:,} bytes, 400 rows, 1 series of a, SHA-256 {sha256}"
    following = f"Next: lstmctl train waves.yaml 'data.targets=[a]' data.series={folder}"
    result = lstmctl("data", "prepare", "waves.yaml", "data.targets=[a]", "data.series=small.csv")
    assert (result.code, result.out, result.err) == (0, f"{folder}\n", f"{facts}\n{following}\n")
    again = lstmctl("data", "prepare", "waves.yaml", "data.targets=[a]", "--json")
    assert again.err == f"It already exists and is unchanged.\n{facts}\n{following}\n"
    assert json.loads(again.out) == {
        "format": 1,
        "path": str(folder),
        "files": [str(table)],
        "bytes": size,
        "sha256": sha256,
        "rows": 400,
        "series": 1,
        "columns": {"time": "date", "id": None, "targets": ["a"], "past": [], "known": [], "static": []},
        "was_there": True,
        "resumed": 0,
    }
    words = [*shlex.split(following.removeprefix("Next: lstmctl ")), "training.budget=1 steps", "--json", "--quiet"]
    assert json.loads(lstmctl(*words).out)["status"] == "finished"
    shown = lstmctl("data", "show", "waves.yaml", "data.targets=[a]", f"data.series={folder}")
    direct = lstmctl("data", "show", "waves.yaml", "data.targets=[a]")
    assert shown.out.replace(str(folder), str(table)) == direct.out


def test_a_config_of_other_columns_is_refused(lstmctl: Command, series_config: Path) -> None:
    assert lstmctl("data", "prepare", "waves.yaml", "-q").code == 0
    result = lstmctl("train", "waves.yaml", "data.series=small.prepared", "data.targets=[b]")
    assert result.code == 3
    assert result.err == (
        "error: small.prepared was prepared with data.targets=null ([a,b]), but the config says [b]\n"
        "hint: prepare the table again for this use: lstmctl data prepare --to FOLDER; or read it as it was prepared: "
        "data.targets=null\n"
    )


def test_a_wrong_line_of_a_table_is_named(lstmctl: Command, series_config: Path) -> None:
    path = series_config.parent / "small.csv"
    path.write_text(path.read_text() + "2020-01-17 16:00:00,1,x\n")
    result = lstmctl("data", "prepare", "waves.yaml")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("error: small.csv: line 402, column `b`: `x` is not a number\nhint: correct it, ")


def test_only_text_and_series_are_prepared(lstmctl: Command) -> None:
    result = lstmctl("data", "prepare", "movements")
    assert (result.code, result.err) == (
        2,
        "error: only text and tables of series can be prepared; this config has data.table\n",
    )


def test_an_unfinished_folder_says_how_to_continue(lstmctl: Command) -> None:
    Path("a.prepared").mkdir()
    Path("a.prepared/progress.json").write_text("{}")
    result = lstmctl("train", "data.text=a.prepared")
    assert result.code == 3
    assert result.err == (
        f"error: {Path('a.prepared').absolute()} is not completely prepared\n"
        "hint: run `lstmctl data prepare` again to continue\n"
    )
