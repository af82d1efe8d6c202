"""The tour's commands run, in their order, each in a short form: what a reader types is what there is."""

from __future__ import annotations

import io
import re
import shlex
import sys
from pathlib import Path

import pytest

from lstmctl.cli.main import main

TOUR = (Path(__file__).parent.parent / "docs/tour.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ").partition("  #")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", TOUR, re.S)
    for line in block.splitlines()
    if line.startswith("$ lstmctl")
]
SHORT = ["training.budget=2 steps", "model.hidden=6", "training.batch=8", "threads=1"]
SHORT_TEXT = ["data.split=[20000,2000,20000]"]
FEWER = {"adding": ["data.held_out=20"], "travellers": SHORT_TEXT, "recall": SHORT_TEXT}
"""Settings that make a config quick to score: a text is read one symbol after another at the end."""


def shortened(words: list[str]) -> list[str]:
    """A command that trains no longer than it takes to see that it works."""
    if "--units" in words:
        words[words.index("--units") + 1] = "0,1"  # the shortened network has no others
    if words[1] not in ("train", "compare"):
        return words
    if words[1] == "compare":
        named = words[words.index("--config") + 1] if "--config" in words else "travellers"
    else:
        named = words[2] if len(words) > 2 and "=" not in words[2] else "travellers"
    words = [word.replace("=50,100,200", "=50,100") for word in words]
    if "--sweep" in words:
        words.remove("gru")  # the comparison before has all three, and each arm is a process for every value
    kept = [word for word in words if not word.startswith(("training.budget=", "model.hidden="))]
    return [*kept, *SHORT, *FEWER.get(named, [])]


def test_the_tour_goes_through_every_shape_and_every_inspection() -> None:
    said = " ".join(COMMANDS)
    for word in ("inspect gates", "inspect memory", "inspect gradients", "inspect recall", "--sweep", "predict"):
        assert word in said
    for config in ("adding", "intents", "tags", "dates", "paragraphs", "energy"):
        assert re.search(rf"\b{config}\b", said)


def test_every_command_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        words = shortened(shlex.split(command))
        monkeypatch.setattr(sys, "argv", words)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == 0, f"{shlex.join(words)}\n{said.err}"


@pytest.mark.parametrize("picture", re.findall(r"!\[[^]]*\]\(([^)]+)\)", TOUR))
def test_every_picture_is_there(picture: str) -> None:
    assert (Path(__file__).parent.parent / "docs" / picture).stat().st_size > 5_000
