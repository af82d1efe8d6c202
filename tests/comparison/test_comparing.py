"""Whole comparisons, by real processes: what they hold equal, what they report, and how they survive."""

from __future__ import annotations

import csv
import inspect
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lstmctl.api import load_run
from lstmctl.api.preparation import assemble
from lstmctl.comparison import Interrupted, compare, resume
from lstmctl.comparison.arms import arms_of, parse_grid
from lstmctl.comparison.comparing import LEARNING_RATES, _suited
from lstmctl.comparison.plan import read_plan
from lstmctl.comparison.planning import make_plan
from lstmctl.config import load
from lstmctl.errors import ConfigError, DataError, ResourceError, RunError, UsageError
from lstmctl.events import (
    ComparisonEvent,
    Opened,
    Planned,
    RunBegan,
    RunEnded,
    RunEvent,
    Saved,
    Started,
    Stepped,
)
from lstmctl.locks import is_locked, locked
from lstmctl.results.codec import as_json
from lstmctl.results.comparison import Comparison
from tests import processes

Undisturbed = tuple[Comparison, dict[str, Any], list[ComparisonEvent]]
LeftBy = Callable[[Path], dict[str, Any]]

FOLDER = Path("runs/small-comparison-001")
RUNS = ["rnn-seed-0", "lstm-seed-0", "rnn-seed-1", "lstm-seed-1", "rnn-seed-2", "lstm-seed-2"]
CELL = """
from lstmctl.cells.rnn import RNN


class Mine(RNN):
    pass
"""


def begun(events: list[ComparisonEvent]) -> list[str]:
    return [event.run for event in events if isinstance(event, RunBegan)]


def lstmctl(*arguments: str) -> processes.Process:
    command = [sys.executable, "-m", "lstmctl", "compare", *arguments]
    return processes.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def statuses(folder: Path) -> Counter[str]:
    return Counter(json.loads(path.read_text())["status"] for path in folder.glob("*/run.json"))


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_every_run_is_made_once_and_shown_from_beginning_to_end(undisturbed: Undisturbed) -> None:
    _, _, events = undisturbed
    assert events[0] == Planned(tuple(RUNS), ())
    assert begun(events) == RUNS
    for name in RUNS:
        inner = [event.event for event in events if isinstance(event, RunEvent) and event.run == name]
        assert isinstance(inner[0], Opened)
        assert isinstance(inner[1], Started)
        assert inner[1].steps == 40
        assert max(event.step for event in inner if isinstance(event, Stepped)) == 40
    ended = [event for event in events if isinstance(event, RunEnded)]
    assert [(event.run, event.status, event.primary) for event in ended] == [
        (name, "finished", "nats_per_character") for name in RUNS
    ]


def test_the_arms_differ_in_cell_and_width_alone_and_nothing_else(undisturbed: Undisturbed) -> None:
    result, _, _ = undisturbed
    plan = read_plan(Path(result.path), trust=False)
    rnn, lstm = (arm.candidates[0].settings for arm in plan.arms)
    assert lstm.model.hidden == 12
    model = rnn.model.model_copy(update={"cell": "lstm", "hidden": 12})
    assert rnn.model_copy(update={"model": model}) == lstm
    assert plan.target == plan.arms[1].candidates[0].parameters
    for arm in result.arms:
        assert arm.deviation == pytest.approx(arm.parameters / plan.target - 1)
        assert all(load_run(Path(result.path) / run.name).parameters == arm.parameters for run in arm.runs)


def test_runs_of_one_seed_read_the_same_and_those_of_another_do_not(undisturbed: Undisturbed) -> None:
    result, _, _ = undisturbed
    read = {}
    for name in RUNS:
        run = load_run(Path(result.path) / name)
        assert (run.info["seed"], run.info["steps"], run.info["units_per_step"]) == (int(name[-1]), 40, 64)
        batches = assemble(run.settings, None, run.cell, steps=1).batches
        read[name] = [batches[step].input.tolist() for step in (0, 1, 39)]
    for seed in "012":
        assert read[f"rnn-seed-{seed}"] == read[f"lstm-seed-{seed}"]
    assert read["rnn-seed-0"] != read["rnn-seed-1"] != read["rnn-seed-2"]


def test_the_result_is_what_the_runs_say(undisturbed: Undisturbed) -> None:
    result, left, _ = undisturbed
    assert (result.primary, result.split, result.seeds) == ("nats_per_character", "test", (0, 1, 2))
    for arm in result.arms:
        values = [left[run.name]["final"][1]["test"]["nats_per_character"] for run in arm.runs]
        assert list(arm.values) == values
        assert arm.mean == pytest.approx(sum(values) / 3)
        assert arm.low is not None
        assert arm.high is not None
        assert arm.low < arm.mean < arm.high
        assert [point.value for point in arm.runs[0].curve] == [
            row["validation"]["nats_per_character"] for row in left[arm.runs[0].name]["rows"] if "validation" in row
        ]
        assert [point.units for point in arm.runs[0].curve] == [640, 1280, 1920, 2560]
        seconds = [point.seconds for point in arm.runs[0].curve]
        assert seconds == sorted(seconds)
        assert arm.peak_memory is not None
        assert arm.peak_memory > 10_000_000
        assert len(arm.sample) == 240
    (test,) = result.tests
    assert (test.a, test.b, test.test) == ("rnn", "lstm", "paired")
    pairs = zip(result.arms[0].values, result.arms[1].values, strict=True)
    assert test.difference == pytest.approx(sum(a - b for a, b in pairs if a and b) / 3)
    assert result.baselines["uniform"]["nats_per_character"] == pytest.approx(math.log(21), abs=0.15)
    assert result.baselines["n-gram"]["nats_per_character"] < 1.0
    assert result.statement.startswith("Over 3 seeds, on this data: ")
    assert "rnn and lstm do not beat the n-gram baseline" in result.statement


def test_the_folder_holds_a_report_and_every_figure(undisturbed: Undisturbed) -> None:
    result, _, _ = undisturbed
    folder = Path(result.path)
    page = (folder / "report.html").read_text()
    assert result.statement[:40] in page
    with (folder / "figures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["arm"], row["seed"]) for row in rows] == [(arm, seed) for arm in ("rnn", "lstm") for seed in "012"]
    assert [float(row["test_nats_per_character"]) for row in rows] == [
        value for arm in result.arms for value in arm.values
    ]
    kept = json.loads((folder / "comparison.json").read_text())
    assert kept == {"format": 1, **json.loads(json.dumps(as_json(result)))}
    assert all((folder / name / "report.html").is_file() for name in RUNS)


def test_several_at_once_give_the_same_bits(undisturbed: Undisturbed, config: Path, left_by: LeftBy) -> None:
    result = compare(["rnn", "lstm"], config, seeds=2, jobs=2)
    assert left_by(FOLDER) == {name: undisturbed[1][name] for name in RUNS[:4]}
    assert result.jobs == 2
    assert "not comparable" in (FOLDER / "report.html").read_text()


def test_three_kills_repeat_no_finished_run_and_change_nothing(
    undisturbed: Undisturbed, config: Path, left_by: LeftBy
) -> None:
    process = lstmctl("rnn", "lstm", "--seeds", "2", "--config", str(config), "--quiet")
    made: dict[str, tuple[int, int]] = {}
    for finished in (1, 2, 3):
        wait_for(lambda enough=finished: statuses(FOLDER)["finished"] >= enough and statuses(FOLDER)["running"] == 1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for name in RUNS[:4]:
            kept = FOLDER / name / "last.safetensors"
            if kept.is_file() and json.loads((FOLDER / name / "run.json").read_text())["status"] == "finished":
                made.setdefault(name, (kept.stat().st_ino, kept.stat().st_mtime_ns))
        process = lstmctl("--resume", str(FOLDER), "--quiet")
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    assert left_by(FOLDER) == {name: undisturbed[1][name] for name in RUNS[:4]}
    assert len(made) >= 3
    for name, mark in made.items():
        kept = (FOLDER / name / "last.safetensors").stat()
        assert (kept.st_ino, kept.st_mtime_ns) == mark


def test_no_run_outlives_a_comparison_that_is_killed(config: Path) -> None:
    process = lstmctl("rnn", "lstm", "training.budget=100000 steps", "--config", str(config), "--quiet")
    wait_for(lambda: (FOLDER / "rnn-seed-0" / "last.safetensors").is_file())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run = load_run(FOLDER / "rnn-seed-0")
    wait_for(lambda: not run.folder.is_held(), 10)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_command_it_names_continues_to_the_same_end(
    number: int, code: int, config: Path, left_by: LeftBy
) -> None:
    longer = ["training.budget=600 steps", "training.evaluate_every=200", "training.save_every=20"]
    process = lstmctl("rnn", "lstm", "--seeds", "1", *longer, "--config", str(config), "--quiet")
    wait_for(lambda: (FOLDER / "rnn-seed-0" / "last.safetensors").is_file())
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert told.splitlines()[-2:] == ["Stopped and saved. To continue:", f"  lstmctl compare --resume {FOLDER}"]
    assert statuses(FOLDER) == {"interrupted": 1}
    if number == signal.SIGINT:
        resume(FOLDER)
        whole = compare(["rnn", "lstm"], config, longer, seeds=1)
        assert left_by(FOLDER) == left_by(Path(whole.path))


def stop_at_the_first_run(event: ComparisonEvent) -> None:
    if isinstance(event, RunBegan):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_before_a_run_has_begun_is_not_an_error(config: Path) -> None:
    with pytest.raises(Interrupted):
        compare(["rnn", "lstm"], config, jobs=2, observe=stop_at_the_first_run)
    assert not statuses(FOLDER)["running"]


def test_whoever_observes_may_fail_and_the_runs_are_saved(config: Path) -> None:
    def fail(event: ComparisonEvent) -> None:
        if isinstance(event, RunEvent) and isinstance(event.event, Saved):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        compare(["rnn", "lstm"], config, ["training.budget=100000 steps"], observe=fail)
    assert statuses(FOLDER) == {"interrupted": 1}


def test_more_seeds_are_added_to_those_there_are(undisturbed: Undisturbed, finished: Path, left_by: LeftBy) -> None:
    events: list[ComparisonEvent] = []
    result = resume(FOLDER, seeds=2, observe=events.append)
    assert begun(events) == RUNS[2:4]
    assert isinstance(events[0], Planned)
    assert events[0].finished == tuple(RUNS[:2])
    assert left_by(FOLDER) == {name: undisturbed[1][name] for name in RUNS[:4]}
    assert result.seeds == (0, 1)
    with pytest.raises(UsageError, match="has 2 already"):
        resume(FOLDER, seeds=1)
    events.clear()
    again = resume("latest", observe=events.append)
    assert begun(events) == []
    assert again == result


def test_an_arm_that_diverges_is_shown_and_not_repeated(config: Path) -> None:
    arms = ["wild: rnn training.learning_rate=1e30 training.clip=null"]
    events: list[ComparisonEvent] = []
    result = compare(["lstm"], config, arms=arms, seeds=2, observe=events.append)
    lstm, wild = result.arms
    assert (lstm.status, wild.status) == ("finished", "diverged")
    assert wild.values == (None, None)
    assert (wild.mean, wild.low, wild.sample) == (None, None, "")
    assert {event.status for event in events if isinstance(event, RunEnded)} == {"finished", "diverged"}
    assert "wild diverged on every seed." in result.statement
    (test,) = result.tests
    assert (test.difference, test.p) == (None, None)
    assert (FOLDER / "wild-seed-0" / "report.html").is_file()
    events.clear()
    resume(FOLDER, observe=events.append)
    assert begun(events) == []


def test_tuning_chooses_on_validation_by_a_seed_of_its_own(config: Path) -> None:
    result = compare(["rnn", "lstm"], config, seeds=1, tune=["training.learning_rate=1e-2,1e-6"])
    plan = read_plan(FOLDER, trust=False)
    assert plan.tuning_seed not in plan.seeds
    assert load_run(FOLDER / "rnn-tuning-1").metrics["test"] is None
    for arm in result.arms:
        assert dict(arm.chosen) == {"training.learning_rate": 0.01}
        assert arm.settings["training.learning_rate"] == 0.01
        points = {tried.point["training.learning_rate"]: tried.value for tried in arm.tuning}
        for index, rate in enumerate((1e-2, 1e-6), start=1):
            info = load_run(FOLDER / f"{arm.name}-tuning-{index}").info
            assert info["seed"] == plan.tuning_seed
            assert points[rate] == info["metrics"]["validation"]["nats_per_character"]
        assert load_run(FOLDER / f"{arm.name}-seed-0").settings.training.learning_rate == 0.01


def test_nothing_is_tuned_on_the_part_that_is_reported(config: Path) -> None:
    for split, inner in (("[6000, 1000, 500]", (6000, 1000)), ("[6000, 1000]", (5400, 600))):
        loaded = load(str(config), [f"data.split={split}"])
        grid = parse_grid(["training.learning_rate=1e-2,1e-6"])
        plan = make_plan(loaded, arms_of(["rnn", "lstm"], []), grid, seeds=1, match="hidden", overrides=(), command="")
        assert len(plan.tuning_runs) == 4
        assert {plan.settings(run).data.split for run in plan.tuning_runs} == {inner}
        assert {plan.settings(run).data.split for run in plan.runs({"rnn": 0, "lstm": 1})} == {
            loaded.settings.data.split
        }


def test_one_seed_has_no_interval_and_says_so(compared_once: tuple[Comparison, list[ComparisonEvent]]) -> None:
    result, _ = compared_once
    assert [(arm.low, arm.high) for arm in result.arms] == [(None, None)] * 2
    assert result.tests[0].p is None
    assert result.statement.startswith("One seed, on this data: ")
    assert "the variation between seeds is unknown" in result.statement


def test_time_is_matched_by_the_budget_each_arm_gets(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only the clock is fake here: a step of each model takes a millisecond per unit.
    monkeypatch.setattr(
        "lstmctl.comparison.planning.seconds_a_step",
        lambda trainer, trial: trainer.model.recurrence.outputs / 1000,
    )
    arms = ["wide: lstm model.hidden=48", "wild: lstm training.learning_rate=1e30 training.clip=null"]
    result = compare(["lstm"], config, arms=arms, seeds=1, match="time")
    assert [arm.steps for arm in result.arms] == [40, 10, 40]
    assert [arm.deviation for arm in result.arms] == [None, None, None]
    assert [arm.status for arm in result.arms] == ["finished", "finished", "diverged"]
    with pytest.raises(UsageError, match="--match time needs --jobs 1"):
        compare(["rnn", "lstm"], config, match="time", jobs=2)


@pytest.mark.parametrize(
    ("chosen", "asked", "shared"),
    [
        pytest.param(("bfloat16", "bfloat16"), "auto", "bfloat16", marks=pytest.mark.bfloat16),
        (("bfloat16", "float32"), "auto", "float32"),
        (("bfloat16", "bfloat16"), "float64", "float64"),
    ],
)
def test_all_arms_compute_in_the_same_numbers(
    chosen: tuple[str, str], asked: str, shared: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A speed trial's result on another machine.
    monkeypatch.setattr(
        "lstmctl.api.preparation.choose_precision",
        lambda wanted, device, step, **_: (
            wanted if wanted != "auto" else chosen["LSTM" in repr(inspect.getclosurevars(step).nonlocals["model"])]
        ),
    )
    loaded = load(str(config), [f"training.precision={asked}"])
    arms = arms_of(["rnn", "lstm"], ["exact: lstm training.precision=float64 model.hidden=5"])
    plan = make_plan(loaded, arms, [()], seeds=1, match="hidden", overrides=(), command="")
    assert plan.precision == shared
    assert [arm.candidates[0].settings.training.precision for arm in plan.arms] == [asked, asked, "float64"]


def test_equal_widths_stay_equal_and_batches_of_another_size_see_as_much(config: Path) -> None:
    result = compare(["rnn", "lstm"], config, arms=["half: lstm training.batch=2"], seeds=1, match="hidden")
    assert [arm.settings["model.hidden"] for arm in result.arms] == [12, 12, 12]
    assert [arm.steps for arm in result.arms] == [40, 40, 80]
    assert {run.units for arm in result.arms for run in arm.runs} == {2560}
    assert [test.test for test in result.tests] == ["paired", "welch", "welch"]


def test_a_users_own_cell_needs_consent_when_the_comparison_continues(config: Path) -> None:
    source = Path("cells.py")
    source.write_text(CELL)
    result = compare(["rnn", "cells:Mine"], config, ["model.layers=2"], seeds=1)
    assert [arm.name for arm in result.arms] == ["rnn", "mine"]
    source.unlink()  # a copy in the plan's folder
    with pytest.raises(ConfigError, match="would import code"):
        resume(FOLDER)
    assert resume(FOLDER, seeds=2, trust=True).arms[1].values[0] == result.arms[1].values[0]
    kept = FOLDER / "cells.py"
    kept.write_text(CELL + "# changed\n")
    with pytest.raises(RunError, match="is not the source that"):
        resume(FOLDER, trust=True)


def test_a_config_of_a_run_that_names_other_code_is_not_believed(finished: Path) -> None:
    run = finished / "rnn-seed-0"
    (run / "evil.py").write_text(f"open({str(Path.cwd() / 'ran')!r}, 'w').close()\n" + CELL)
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("cell: rnn", "cell: evil:Mine"))
    with pytest.raises(ConfigError, match="would import code"):
        resume(FOLDER)
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))
    with pytest.raises(ConfigError, match="would import code"):
        resume(FOLDER)
    assert not Path("ran").exists()


def test_a_run_that_is_not_what_was_planned_is_not_gone_on_with(finished: Path) -> None:
    run = finished / "rnn-seed-0"
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("clip: 1.0", "clip: 9.0"))
    with pytest.raises(RunError, match=r"plans rnn-seed-0 with training\.clip 1\.0, but .*config\.yaml has 9\.0"):
        resume(FOLDER)


def test_data_that_changes_between_two_runs_ends_the_comparison(config: Path, text_file: Path) -> None:
    def change(event: ComparisonEvent) -> None:
        if isinstance(event, RunEnded):
            text_file.write_text(text_file.read_text().replace("Ann", "Amy"))

    with pytest.raises(RunError, match=r"lstm-seed-0: .*small\.txt changed since the comparison was planned"):
        compare(["rnn", "lstm"], config, ["training.budget=2 steps"], seeds=1, observe=change)


def test_what_a_cell_prints_is_not_a_message(config: Path) -> None:
    noise = "import os, sys\nos.write(1, b'\\xff\\n')\nprint('ä', end='')\n"
    Path("cells.py").write_text(noise + CELL)
    result = compare(["rnn", "cells:Mine"], config, ["training.budget=2 steps", "model.layers=2"], seeds=1)
    assert all(arm.status == "finished" for arm in result.arms)


def test_a_cell_that_fails_is_named_with_its_line(config: Path) -> None:
    Path("cells.py").write_text(CELL.replace("pass", "def sequence(self, *a, **k):\n        raise KeyError('x')"))
    with pytest.raises(ConfigError, match=r"mine: model.cell — cells:Mine failed at cells.py:\d+: KeyError: 'x'"):
        compare(["cells:Mine", "rnn"], config, seeds=1)


def test_stopping_by_the_part_that_is_reported_is_refused(config: Path) -> None:
    overrides = ["data.split=[0.9, 0.1]", "training.patience=2"]
    with pytest.raises(ConfigError, match=r"training\.patience — would end runs by the part that is reported"):
        compare(["rnn", "lstm"], config, overrides)
    # The learning rate is so small that no weight changes: the second evaluation is no better than the first.
    result = compare(["lstm"], config, arms=["short: rnn training.patience=1 training.learning_rate=1e-30"], seeds=1)
    assert [run.units for arm in result.arms for run in arm.runs] == [2560, 1280]
    assert "Patience ended runs of short before their budget." in result.statement


def test_two_processes_never_share_a_folder(finished: Path) -> None:
    with locked(FOLDER), pytest.raises(RunError, match=f"another command makes runs of {FOLDER}") as caught:
        resume(FOLDER, seeds=2)
    assert caught.value.hint == "without --seeds and device=, this one helps; or wait until it has ended"


def held_runs() -> list[str]:
    return [name for name in RUNS if is_locked(FOLDER / name)]


@pytest.fixture
def other(config: Path) -> processes.Process:
    """Another command, which makes the first run of the same comparison."""
    process = lstmctl("rnn", "lstm", "--config", str(config), "--quiet")
    wait_for(lambda: (FOLDER / "rnn-seed-0" / "last.safetensors").is_file())
    return process


def test_two_commands_share_the_runs_of_one_comparison(
    undisturbed: Undisturbed, other: processes.Process, left_by: LeftBy, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[ComparisonEvent] = []
    result = resume(FOLDER, observe=events.append)
    _, told = other.communicate(timeout=60)
    assert (other.returncode, told) == (0, "")
    assert [message for message in caplog.messages if "helps" in message] == [
        f"another command makes runs of {FOLDER}; this one helps"
    ]
    own = begun(events)
    assert own
    assert "rnn-seed-0" not in own
    assert len(set(own)) == len(own) < len(RUNS)
    assert {event.run for event in events if isinstance(event, RunEnded)} | set(finished_before(events)) == set(RUNS)
    assert left_by(FOLDER) == undisturbed[1]
    assert as_json(result).items() <= json.loads((FOLDER / "comparison.json").read_text()).items()


def finished_before(events: list[ComparisonEvent]) -> tuple[str, ...]:
    return next(event.finished for event in events if isinstance(event, Planned))


def test_a_command_that_helps_takes_over_when_the_other_is_killed(
    undisturbed: Undisturbed, other: processes.Process, left_by: LeftBy
) -> None:
    def kill(event: ComparisonEvent) -> None:
        if isinstance(event, RunBegan) and other.poll() is None:
            other.send_signal(signal.SIGKILL)
            other.communicate()

    result = resume(FOLDER, observe=kill)
    assert isinstance(result, Comparison)
    assert (FOLDER / "report.html").is_file()
    assert left_by(FOLDER) == undisturbed[1]


def test_the_run_of_a_helper_that_is_killed_is_taken_over(
    undisturbed: Undisturbed, other: processes.Process, left_by: LeftBy
) -> None:
    helper = lstmctl("--resume", str(FOLDER), "--quiet")
    wait_for(lambda: len(held_runs()) == 2)
    helper.send_signal(signal.SIGKILL)
    helper.communicate()
    _, told = other.communicate(timeout=60)
    assert (other.returncode, told) == (0, "")
    assert left_by(FOLDER) == undisturbed[1]


def test_changed_data_ends_a_comparison_that_would_continue(config: Path, text_file: Path) -> None:
    with pytest.raises(Interrupted):
        compare(["rnn", "lstm"], config, seeds=1, observe=stop_at_the_first_run)
    text_file.write_text(text_file.read_text().replace("Ann", "Amy"))
    with pytest.raises(RunError, match=r"small\.txt changed since the comparison was planned"):
        resume(FOLDER, seeds=2)
    text_file.unlink()
    with pytest.raises(DataError) as caught:
        resume(FOLDER, seeds=2)
    assert caught.value.hint == "put it back where it was when the comparison was planned"


@pytest.mark.parametrize(
    ("cells", "settings", "error", "message"),
    [
        (["rnn", "rnn"], {}, UsageError, "two arms are named rnn"),
        (["rnn"], {}, UsageError, "needs two arms"),
        (["rnn", "lstm"], {"seeds": 0}, UsageError, "--seeds 0: give 1 to 1,000"),
        (["rnn", "lstm"], {"jobs": 0}, UsageError, "--jobs 0: 1 or more"),
        (["lstm"], {"arms": ["twin: lstm"]}, UsageError, "lstm and twin are the same arm"),
        (["rnn", "lstm"], {"overrides": ["model.hiden=3"]}, ConfigError, "hiden"),
        (["lstm"], {"arms": ["odd: rnn model.hidden=-3"]}, ConfigError, "odd: .*model.hidden"),
        (["lstm"], {"arms": ["odd: rnn model.options={a:1}"]}, ConfigError, "odd: "),
        (["rnn", "lstm"], {"overrides": ["data.text=nowhere.txt"]}, DataError, "nowhere.txt"),
        (["rnn", "nowhere:Cell"], {}, ConfigError, "mine|nowhere"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(
    cells: list[str], settings: dict[str, Any], error: type[Exception], message: str, config: Path
) -> None:
    with pytest.raises(error, match=message):
        compare(cells, config, **settings)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("{}", "is damaged: config: Field required"),
        ('{"format": 2}', "has format 2 of a newer lstmctl"),
    ],
)
def test_a_damaged_plan_is_a_run_error(content: str, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "broken"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(content)
    with pytest.raises(RunError, match=message):
        resume("broken")


def test_a_name_that_is_not_a_comparison_gets_the_nearest(finished: Path) -> None:
    with pytest.raises(RunError) as caught:
        resume("small-comparison-01")
    assert caught.value.hint == "did you mean small-comparison-001?"


DISK_FULL = """
import resource, sys
from lstmctl.cli.main import main
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.argv = ["lstmctl", "compare", *sys.argv[2:]]
main()
"""


def test_a_full_disk_ends_with_what_is_there_and_continues_later(
    undisturbed: Undisturbed, config: Path, left_by: LeftBy
) -> None:
    arguments = ["rnn", "lstm", "--seeds", "1", "--config", str(config), "--quiet"]
    command = [sys.executable, "-c", DISK_FULL, "9000", *arguments]  # a plan fits, a checkpoint does not
    result = processes.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 6, result.stderr
    assert "error: rnn-seed-0: " in result.stderr
    assert f"to continue: lstmctl compare --resume {FOLDER}" in result.stderr
    assert "Traceback" not in result.stderr
    resume(FOLDER)
    assert left_by(FOLDER) == {name: undisturbed[1][name] for name in RUNS[:2]}


def test_a_run_killed_alone_stops_the_comparison_with_its_name(config: Path) -> None:
    process = lstmctl("rnn", "lstm", "training.budget=100000 steps", "--config", str(config), "--quiet")
    wait_for(lambda: (FOLDER / "rnn-seed-0" / "last.safetensors").is_file())
    holder = int((FOLDER / "rnn-seed-0" / "holder").read_text().split()[1])
    os.kill(holder, signal.SIGKILL)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 6
    assert told.startswith("error: rnn-seed-0 was killed from outside\nhint: usually for lack of memory")


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="runs are copies of one process on Linux alone")
def test_runs_are_copies_of_one_process_for_each_job(config: Path) -> None:
    makers: dict[int, int] = {}
    together = 0

    def hear(event: ComparisonEvent) -> None:
        nonlocal together
        if isinstance(event, RunEvent) and isinstance(event.event, Started):
            maker = int((FOLDER / event.run / "holder").read_text().split()[1])
            makers[maker] = parent_of(maker)
            together = max(together, statuses(FOLDER)["running"])

    compare(["rnn", "lstm"], config, seeds=3, jobs=2, observe=hear)
    assert len(makers) == 6
    assert len(set(makers.values())) == 2
    assert not makers.keys() & makers.values()
    assert together == 2


@pytest.mark.skipif(sys.platform != "linux", reason="runs are copies of one process on Linux alone")
def test_a_run_saves_when_the_process_it_was_copied_from_is_killed(config: Path) -> None:
    def kill(event: ComparisonEvent) -> None:
        if isinstance(event, RunEvent) and isinstance(event.event, Saved):
            maker = int((FOLDER / event.run / "holder").read_text().split()[1])
            with suppress(ProcessLookupError):
                os.kill(parent_of(maker), signal.SIGKILL)

    with pytest.raises(ResourceError, match="rnn-seed-0 was killed from outside"):
        compare(["rnn", "lstm"], config, ["training.budget=100000 steps"], observe=kill)
    assert statuses(FOLDER) == {"interrupted": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="runs are copies of one process on Linux alone")
def test_a_signal_to_all_processes_at_once_saves(config: Path) -> None:
    process = lstmctl("rnn", "lstm", "training.budget=100000 steps", "--config", str(config), "--quiet")
    wait_for(lambda: (FOLDER / "rnn-seed-0" / "last.safetensors").is_file())
    maker = int((FOLDER / "rnn-seed-0" / "holder").read_text().split()[1])
    for one in (maker, parent_of(maker)):
        os.kill(one, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 143
    assert told.splitlines()[-2:] == ["Stopped and saved. To continue:", f"  lstmctl compare --resume {FOLDER}"]
    assert statuses(FOLDER) == {"interrupted": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="runs are copies of one process on Linux alone")
def test_an_idle_process_that_was_killed_is_replaced(undisturbed: Undisturbed, config: Path, left_by: LeftBy) -> None:
    parents: list[int] = []

    def kill(event: ComparisonEvent) -> None:
        if isinstance(event, RunEvent) and isinstance(event.event, Started):
            parents.append(parent_of(int((FOLDER / event.run / "holder").read_text().split()[1])))
        if isinstance(event, RunEnded) and event.run == "rnn-seed-0":
            os.kill(parents[0], signal.SIGKILL)
            wait_for(lambda: not Path(f"/proc/{parents[0]}").exists())
            time.sleep(0.2)  # for the news of it to arrive

    compare(["rnn", "lstm"], config, seeds=1, observe=kill)
    assert len(set(parents)) == 2
    assert left_by(FOLDER) == {name: undisturbed[1][name] for name in RUNS[:2]}


def test_an_unforeseen_fault_is_reported_with_its_last_line(config: Path) -> None:
    # It gives way in the process of a run alone, not where the plan is made.
    Path("cells.py").write_text(
        "import os, sys\nif any('worker' in word for word in sys.orig_argv):\n    os._exit(7)\n" + CELL
    )
    with pytest.raises(RunError, match="mine-seed-0 ended with exit code 7"):
        compare(["cells:Mine", "rnn"], config, seeds=1)


def test_an_interruption_is_not_an_error(config: Path) -> None:
    def stop(event: ComparisonEvent) -> None:
        if isinstance(event, RunEvent) and isinstance(event.event, Started):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        compare(["rnn", "lstm"], config, ["training.budget=100000 steps"], observe=stop)
    assert (caught.value.signal, caught.value.again) == (signal.SIGINT, f"lstmctl compare --resume {FOLDER}")


def test_the_default_comparison_gives_each_cell_a_rate_that_suits_it_unless_one_is_asked_for() -> None:
    arms = arms_of(["rnn", "lstm"], ["own: rnn training.learning_rate=1e-3", "wide: rnn model.hidden=600"])
    rate = f"training.learning_rate={LEARNING_RATES['rnn']}"
    assert [arm.overrides for arm in _suited(arms, ["model.hidden=9"])] == [
        (rate,),
        (),
        ("training.learning_rate=1e-3",),
        ("model.hidden=600", rate),
    ]
    assert _suited(arms, ["training.learning_rate=2e-3,4e-3"]) == arms
