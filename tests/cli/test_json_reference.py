"""docs/json.md names every key that a command prints, and no other."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import Command, Trained

PAGE = (Path(__file__).parents[2] / "docs/json.md").read_text(encoding="utf-8")
EVERYWHERE = {"format", "weights_step", "fallback"}
"""Keys that the page's first paragraphs explain for all commands."""


def documented(heading: str) -> set[str]:
    """The names in the first columns of the tables of a section; for `inspect …`, of the tables with that name."""
    found: set[str] = set()
    inspection = heading.startswith("inspect ")
    section = PAGE.split(f"\n## `lstmctl {'inspect …' if inspection else heading} --json`")[1].split("\n## ")[0]
    if inspection:
        (section,) = [part for part in section.split("\n\n") if part.startswith(f"| `{heading}` |")]
        found = {"run", "cell", "source", "notes"}
    else:
        section = re.split(r"\n\n(An arm:|With `--sweep`|For a forecaster)", section)[0]
    for line in section.splitlines():
        if line.startswith("| `") and f"| `{heading}` |" not in line:
            found |= set(re.findall(r"`([a-z_0-9]+)`", line.split(" | ")[0]))
    return found


def printed(lstmctl: Command, *words: str) -> set[str]:
    result = lstmctl(*words, "--json")
    assert result.code == 0, result.err
    return set(json.loads(result.out)) - EVERYWHERE


def test_a_run_of_text(lstmctl: Command, trained: Trained) -> None:
    trained("small")
    assert printed(lstmctl, "generate", "--length", "3") == documented("generate")
    assert printed(lstmctl, "predict", "--text", "Ann sees") == documented("predict")
    assert printed(lstmctl, "inspect", "memory") == documented("inspect memory")
    assert printed(lstmctl, "inspect", "gates") == documented("inspect gates")


def test_a_forecast(lstmctl: Command, trained: Trained) -> None:
    trained("waves")
    assert printed(lstmctl, "forecast") == documented("forecast")
    assert printed(lstmctl, "backtest", "--baseline", "theta") == documented("backtest")


def test_scores_of_every_kind(lstmctl: Command, trained: Trained) -> None:
    found = set()
    for name in ("small", "waves", "places"):
        trained(name)
        found |= printed(lstmctl, "evaluate")
    trained("parity", "training.budget=2 steps", "data.held_out=20", "threads=1")
    found |= printed(lstmctl, "evaluate")
    trained("intents", "training.budget=2 steps", "model.hidden=4", "threads=1")
    assert found | printed(lstmctl, "evaluate") == documented("evaluate")


def test_training_and_comparing(lstmctl: Command, small_config: Path) -> None:
    overrides = ("training.budget=4 steps", "--quiet")
    assert printed(lstmctl, "train", str(small_config), *overrides) == documented("train")
    words = ("compare", "rnn", "lstm", "--config", str(small_config), "--seeds", "1", *overrides)
    assert printed(lstmctl, *words) == documented("compare")


@pytest.mark.skipif(find_spec("optuna") is None, reason="optuna is not installed")
def test_searching(lstmctl: Command, small_config: Path) -> None:
    words = ("search", str(small_config), "model.hidden=4,8", "--trials", "1", "--seeds", "1", "--quiet")
    assert printed(lstmctl, *words, "training.budget=4 steps") == documented("search")


def test_data(lstmctl: Command, text_file: Path) -> None:
    found = printed(lstmctl, "data", "prepare", f"data.text={text_file}")
    assert found == documented("data prepare") - {"rows", "series", "columns"}  # for tables
