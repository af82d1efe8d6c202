"""Texts for a label from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lstmctl import train
from tests.conftest import Command, Result, Trained

KNOWN = "finland, france, spain"


@pytest.fixture
def run(trained: Trained) -> str:
    return trained("places", "training.budget=30 epochs", "training.learning_rate=2e-2").name


def test_texts_are_written_for_a_label_until_they_end(lstmctl: Command, run: str) -> None:
    result = lstmctl("generate", run, "--label", "france", "--count", "8", "--seed", "3")
    assert (result.code, result.err) == (0, "")
    texts = result.out.removesuffix("\n").split("\n---\n")
    assert len(texts) == 8
    assert all(1 <= len(text) < 30 for text in texts)
    assert sum(text.endswith(("ville", "ac")) for text in texts) >= 5
    assert lstmctl("generate", run, "--label", "france", "--count", "8", "--seed", "3") == result
    other = lstmctl("generate", run, "--label", "spain", "--count", "8", "--seed", "3").out
    assert not any(text.endswith("ville") for text in other.removesuffix("\n").split("\n---\n"))


def test_a_prompt_begins_the_text_and_a_length_bounds_it(lstmctl: Command, run: str) -> None:
    result = lstmctl("generate", run, "--label", "france", "--prompt", "lavi", "--temperature", "0")
    assert (result.code, result.out) == (0, "laville\n")
    short = lstmctl("generate", run, "--label", "france", "--prompt", "lavi", "--temperature", "0", "--length", "2")
    assert (short.code, short.out) == (0, "lavill\n")
    stopped = lstmctl("generate", run, "--label", "france", "--prompt", "lavi", "--temperature", "0", "--stop", "le")
    assert (stopped.code, stopped.out) == (0, "lavil\n")


def test_json_names_the_label_and_how_each_text_ended(lstmctl: Command, run: str) -> None:
    result = lstmctl("generate", run, "--label", "finland", "--count", "3", "--length", "40", "--json")
    told = json.loads(result.out)
    assert told["settings"]["label"] == "finland"
    assert {text["stopped"] for text in told["texts"]} == {"end"}
    for text in told["texts"]:
        assert "".join(text["symbols"]) == text["text"]
        assert len(text["probabilities"]) == len(text["symbols"])
    cut = lstmctl("generate", run, "--label", "finland", "--length", "1", "--json")
    assert [text["stopped"] for text in json.loads(cut.out)["texts"]] == ["length"]


def test_the_newest_run_for_labels_is_found(lstmctl: Command, run: str, small_config: Path) -> None:
    train(small_config, ["training.budget=3 steps"])
    result = lstmctl("generate", "--label", "spain", "--json")
    assert Path(json.loads(result.out)["run"]).name == run
    assert Path(json.loads(lstmctl("generate", "--length", "3", "--json").out)["run"]).name == "small-lstm-001"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--label", "peru"], "label `peru` does not exist", f"its labels are {KNOWN}"),
        (
            [],
            "the run generates text from a label, which is missing",
            f"say which, such as --label finland; its labels are {KNOWN}",
        ),
        (
            ["--label", "spain", "--prompt", "Z"],
            "the prompt contains 'Z' (U+005A) at position 0 (counted from 0), which places-gru-001 never saw in "
            "training",
            "--replace-unknown uses the most similar known symbol instead",
        ),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str], message: str, hint: str, lstmctl: Command, trained: Trained
) -> None:
    trained("places", "training.budget=3 steps")
    result = lstmctl("generate", *arguments)
    assert result == Result(2, "", f"error: {message}\nhint: {hint}\n")


def test_a_language_model_has_no_labels(lstmctl: Command, trained: Trained) -> None:
    trained("small", "training.budget=3 steps")
    result = lstmctl("generate", "--label", "spain")
    assert result.code == 2
    assert result.out == ""
    assert result.err == ("error: the run does not use labels: its task is language-model\nhint: leave out --label\n")


def test_the_end_of_training_names_the_way_to_generate(lstmctl: Command, places_config: Path) -> None:
    result = lstmctl("train", str(places_config))
    assert result.code == 0
    assert "Next: lstmctl generate runs/places-gru-001 --label" in result.err
