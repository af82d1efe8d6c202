"""Runs, a comparison and a sweep of an earlier version still load, score, report and resume.

`fixtures/runs.zip` was made by the version before results had a catalogue of metrics: four runs (one of them
interrupted), a comparison of two arms with two seeds, and a sweep, all of bundled data, without their reports.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from lstmctl import comparison, load_run, resume
from tests.conftest import Command

ARCHIVE = Path(__file__).parent / "fixtures" / "runs.zip"
RUNS = ["travellers-lstm-001", "next-value-gru-001", "intents-lstm-001"]


@pytest.fixture(autouse=True)
def runs(empty_folder: Path) -> Path:
    """The folder of runs, unpacked."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(empty_folder)
    return empty_folder / "runs"


@pytest.mark.parametrize("name", RUNS)
def test_a_run_scores_as_it_did_and_is_reported_again(name: str, runs: Path, lstmctl: Command) -> None:
    run = load_run(name)
    recorded = run.metrics["test"]
    assert recorded is not None
    metrics = run.evaluate("test").metrics  # and more than there were then
    assert {key: metrics[key] for key in recorded} == pytest.approx(recorded, rel=1e-4)
    assert lstmctl("runs", "report", name).code == 0
    page = (runs / name / "report.html").read_text(encoding="utf-8")
    assert "finished" in page
    assert run.task.primary.words in page


def test_an_interrupted_run_resumes_to_the_weights_of_an_undisturbed_one(runs: Path) -> None:
    assert resume("travellers-lstm-002").status == "finished"
    resumed, undisturbed = (load_file(runs / f"travellers-lstm-00{one}" / "last.safetensors") for one in (2, 1))
    for key, weight in undisturbed.items():
        assert resumed[key].numpy() == pytest.approx(weight.numpy(), abs=1e-5), key


def without_times(value: Any) -> Any:
    timed = {"seconds", "seconds_to_level", "rate", "peak_memory", "report", "machine", "statement"}
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items() if key not in timed}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def test_a_comparison_is_reported_again_with_the_same_results(runs: Path) -> None:
    folder = runs / "travellers-comparison-001"
    recorded = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    result = comparison.resume(folder)
    again = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    assert again.pop("space") == []  # that version did not know it
    for described in (again, recorded):
        for arm in described["arms"]:
            # That version's intervals could extend beyond what a metric can be.
            assert arm.pop("low") < min(arm["values"])
            assert max(arm["values"]) < arm.pop("high")
            assert arm.pop("ensemble", None) is None  # texts have none, and that version knew none
            for run in arm["runs"]:
                for key in ("host", "device_name", "by_length"):  # nor of these
                    run.pop(key, None)
    assert without_times(again) == without_times(recorded)
    assert (folder / "report.html").is_file()
    assert [arm.name for arm in result.arms] == ["rnn", "lstm"]


def test_a_comparison_gets_another_seed(runs: Path) -> None:
    result = comparison.resume(runs / "travellers-comparison-001", seeds=3)
    assert result.seeds == (0, 1, 2)
    assert all(len(arm.values) == 3 and None not in arm.values for arm in result.arms)


def test_a_sweep_is_reported_again(runs: Path) -> None:
    result = comparison.resume(runs / "adding-sweep-001")
    assert result.values == (8, 10)
    assert (runs / "adding-sweep-001" / "report.html").is_file()
