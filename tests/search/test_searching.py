"""Searches: what wins, what is never looked at, and what a stop changes: nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lstmctl.comparison.execution import Interrupted
from lstmctl.comparison.space import check_optuna
from lstmctl.config import load
from lstmctl.errors import DataError, RunError, UsageError
from lstmctl.events import ComparisonEvent, Evaluated, RunBegan, RunEnded, RunEvent
from lstmctl.results.codec import as_json
from lstmctl.results.search import Search
from lstmctl.search import resume_search, search
from lstmctl.statistics import interval
from tests import processes

pytestmark = pytest.mark.skipif(find_spec("optuna") is None, reason="optuna is not installed")

CONFIG = """\
task: {type: language-model, shape: many-to-many}
data: {text: small.txt}
model: {cell: lstm, hidden: 12, layers: 1, embedding: 8}
training: {budget: 30 steps, batch: 4, window: 16, learning_rate: 1e-2, evaluate_every: 5, save_every: 5,
  sample_every: 30, precision: float32}
threads: 1
"""
SPACE = ["training.learning_rate=1e-3..1e-1:log", "model.hidden=8,12"]


@pytest.fixture
def config(text_file: Path) -> Path:
    path = text_file.parent / "small.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def searched(config: Path, **settings: Any) -> Search:
    return search(config, **{"space": SPACE, "trials": 5, "seeds": 2, "best": 2, "quiet": True, **settings})


def stop_at(run: str, step: int) -> Callable[[ComparisonEvent], None]:
    """An observer that presses Ctrl-C when a run reaches a step."""

    def observe(event: ComparisonEvent) -> None:
        is_evaluation = isinstance(event, RunEvent) and isinstance(event.event, Evaluated)
        if is_evaluation and (event.run, event.event.step) == (run, step):  # type: ignore[union-attr]
            signal.raise_signal(signal.SIGINT)

    return observe


def info(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / "run.json").read_text())
    return found


def test_the_best_mean_over_new_seeds_wins_and_is_scored_on_test_alone(config: Path) -> None:
    result = searched(config)
    path = Path(result.path)
    assert [one.number for one in result.trials] == [1, 2, 3, 4, 5]
    assert result.trials[0].point == {"training.learning_rate": 0.01, "model.hidden": 12}  # the config's own
    for one in result.trials:
        run = info(path / "trials" / f"{one.number:04d}" / "run")
        assert run["steps"] == 30
        metrics = run.get("metrics") or {"validation": {}}
        if one.status == "finished":
            assert metrics["validation"][result.primary] == one.value
        assert metrics.get("test") is None  # the part was cut off
    finished = sorted((one for one in result.trials if one.status == "finished"), key=lambda one: one.value or 0)
    assert {one.number for one in result.finalists} == {one.number for one in finished[:2]}
    for one in result.finalists:
        runs = [info(path / "trials" / f"{one.number:04d}" / f"seed-{seed}") for seed in (0, 1)]
        assert one.values == tuple(run["metrics"]["validation"][result.primary] for run in runs)
        assert all(run["metrics"]["test"] is None for run in runs)
        known = interval(one.values, 0.95, (0.0, None))
        assert (one.mean, one.low, one.high) == (known.mean, known.low, known.high)
    assert [one.mean for one in result.finalists] == sorted(one.mean or 0.0 for one in result.finalists)
    best, winner = result.finalists[0], result.winner
    assert winner.split == "test"
    # The winner's runs are those of the finalist, now scored on test too: leaving out test changed nothing else.
    assert tuple(run.metrics["validation"][result.primary] for run in winner.arms[0].runs) == best.values
    chosen = load(str(path / "winner.yaml")).settings
    assert {"training.learning_rate": chosen.training.learning_rate, "model.hidden": chosen.model.hidden} == best.point
    assert (path / "report.html").is_file()
    assert "The test part was scored once, for the winner" in (path / "table.md").read_text()


def test_a_search_stopped_anywhere_ends_as_one_that_was_not(config: Path) -> None:
    whole = searched(config)
    began: list[str] = []
    with pytest.raises(Interrupted) as caught:
        searched(config, observe=stop_at("trial-3", 10))
    assert caught.value.again == "lstmctl search --resume runs/small-search-002"
    with pytest.raises(Interrupted):
        resume_search("small-search-002", observe=stop_at("trial-4", 5))
    with pytest.raises(Interrupted):
        resume_search("latest", observe=stop_at(f"trial-{whole.finalists[0].number}-seed-1", 10))

    def observe(event: ComparisonEvent) -> None:
        if isinstance(event, RunBegan):
            began.append(event.run)

    result = resume_search("latest", observe=observe)
    assert not any(name in ("trial-1", "trial-2", "trial-3", "trial-4") for name in began)  # nothing is repeated

    def left(search: Search) -> Any:
        found = as_json(search)
        trials = [{key: value for key, value in one.items() if key != "seconds"} for one in found["trials"]]
        return trials, found["finalists"], [run.value for run in search.winner.arms[0].runs]

    assert left(result) == left(whole)


def test_two_commands_share_the_trials_and_both_report(config: Path) -> None:
    words = ["search", str(config), *SPACE, "--trials", "6", "--seeds", "1", "--best", "1", "--name", "shared"]
    command = [sys.executable, "-m", "lstmctl", *words, "--json", "--quiet"]
    other = processes.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not Path("runs/shared/trials/0001/run/run.json").is_file():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    began: list[str] = []
    result = resume_search("shared", observe=lambda event: began.extend(run_of(event)))
    printed, told = other.communicate(timeout=120)
    assert (other.returncode, told) == (0, "")
    trials = json.loads(printed)["trials"]
    assert [one["number"] for one in trials] == [1, 2, 3, 4, 5, 6]
    assert as_json(result)["trials"] == trials
    assert result.winner_config == json.loads(printed)["winner_config"]
    own = [run for run in began if "seed" not in run]
    assert own
    assert "trial-1" not in own
    assert len(set(own)) == len(own) < 6


def run_of(event: ComparisonEvent) -> list[str]:
    return [event.run] if isinstance(event, RunBegan) else []


def test_more_trials_can_be_added(config: Path) -> None:
    first = searched(config, trials=3, best=1)
    more = resume_search("latest", trials=4, quiet=True)
    assert more.path == first.path
    assert [one.point for one in more.trials[:3]] == [one.point for one in first.trials]
    assert len(more.trials) == 4
    with pytest.raises(UsageError, match="--trials 2: small-search-001 already has 4; use that or more"):
        resume_search("latest", trials=2, quiet=True)


def test_a_trial_that_falls_behind_is_pruned(config: Path) -> None:
    ended: list[RunEnded] = []

    def observe(event: ComparisonEvent) -> None:
        if isinstance(event, RunEnded):
            ended.append(event)

    result = searched(config, space=["training.learning_rate=1e-5..1e-1:log"], trials=12, seeds=1, observe=observe)
    pruned = [one for one in result.trials if one.status == "pruned"]
    assert pruned
    finished = [one.value or 0.0 for one in result.trials if one.status == "finished"]
    for one in pruned:
        run = info(Path(result.path, "trials", f"{one.number:04d}", "run"))
        assert (run["status"], run["step"] < 30) == ("interrupted", True)
        assert one.value is not None
        assert one.value > min(finished)
    assert {event.run for event in ended if event.status == "pruned"} == {f"trial-{one.number}" for one in pruned}
    assert not {one.number for one in pruned} & {one.number for one in result.finalists}


def test_a_point_is_not_trained_twice(config: Path) -> None:
    result = searched(config, space=["model.hidden=8,12"], trials=5, seeds=1, best=5)
    assert len(result.trials) == 5
    assert len(list(Path(result.path, "trials").iterdir())) == len(result.finalists) == 2
    values = {(one.point["model.hidden"], one.value) for one in result.trials}
    assert len(values) == 2


def test_a_point_that_cannot_be_trained_is_a_failed_trial(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    result = searched(config, space=["training.batch=4,100000"], trials=4, sampler="random", seeds=1)
    outcomes = {(one.point["training.batch"], one.status) for one in result.trials}
    assert outcomes >= {(100000, "failed"), (4, "finished")}
    assert any("failed: " in message and "training.batch" in message for message in caplog.messages)
    with pytest.raises(DataError, match=r"the training part has 6,800 symbols, but training\.batch=.00000"):
        searched(config, space=["training.batch=100000,200000"], sampler="random", trials=6)


def test_two_jobs_share_the_trials(config: Path) -> None:
    result = searched(config, jobs=2, trials=4, best=1)
    assert [one.number for one in result.trials] == [1, 2, 3, 4]
    assert result.finalists[0].number in {one.number for one in result.trials}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trials": 0}, "--trials 0: 1 to 100,000"),
        ({"seeds": 0}, "--seeds 0: 1 to 1,000"),
        ({"best": 0}, "--best 0: 1 to 100"),
        ({"sampler": "grid"}, "--sampler grid: use one of tpe, random"),
        ({"pruner": "asha"}, "--pruner asha: use one of median, hyperband, none"),
        ({"jobs": 0}, "--jobs 0: 1 or more"),
    ],
)
def test_impossible_requests_are_refused_before_anything_is_written(
    config: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        searched(config, **settings)
    assert message in str(caught.value)
    assert not Path("runs").exists()


def test_a_damaged_request_is_reported(config: Path) -> None:
    path = Path(searched(config, trials=1, best=1, seeds=1).path) / "search.json"
    contents = json.loads(path.read_text())
    for changed, message in (
        ({"trials": "many"}, "trials is 'many'"),
        ({"pruner": "own"}, "its sampler or its pruner is not known"),
        ({"format": 2}, "has format 2 of a newer lstmctl"),
    ):
        path.write_text(json.dumps({**contents, **changed}))
        with pytest.raises(RunError, match=message):
            resume_search("latest", quiet=True)
    with pytest.raises(RunError, match="no search `small-serch-001`"):
        resume_search("small-serch-001", quiet=True)


def test_without_optuna_the_error_says_what_to_install(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs the package optuna") as caught:
        check_optuna()
    assert caught.value.hint == "pip install 'lstmctl[search]'"
