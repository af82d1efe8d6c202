"""The README's examples do what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Command

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    code = code.replace('"training.budget=300k characters"', '"training.budget=20 steps", "model.hidden=16"')
    exec(code, {"__name__": "__main__"})
    assert "nats_per_character_cold" in capsys.readouterr().out


def test_every_command_of_the_table_exists_and_none_is_left_out(lstmctl: Command) -> None:
    cells = re.findall(r"^\| (`[a-z]+[ `].*?) \|", README, re.M)
    rows = [re.match(r"`([a-z]+)", cell)[1] for cell in cells]  # type: ignore[index]
    named = re.findall(r"`([a-z]+)", " ".join(cells))
    listed = lstmctl("--help").out
    commands = re.findall(r"^  ([a-z]+)  ", listed.split("Commands:")[1], re.M)
    assert set(rows) <= set(commands) <= set(named)


def test_the_documented_cell_trains(tmp_path: Path, lstmctl: Command) -> None:
    (code, *_) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/cells.md").read_text(encoding="utf-8"), re.S)
    (tmp_path / "my_cell.py").write_text(code)
    arguments = ["train", "travellers", "model.cell=my_cell:Leaky", "model.hidden=16", "training.budget=3 steps"]
    # The default corpus is scored one symbol after another at the end; a short one keeps this quick.
    (tmp_path / "short.txt").write_text("the quick brown fox jumps over the lazy dog. " * 60)
    arguments += ["data.text=short.txt", "training.batch=4", "--quiet"]
    result = lstmctl(*arguments)
    assert result.code == 0, result.err
