"""Whole comparisons, by real processes: what they hold equal, what they report, and how they survive."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lstmctl.api import load_run
from lstmctl.comparison import Interrupted, as_json, compare, resume_comparison
from lstmctl.comparison.plan import read_plan
from lstmctl.errors import ConfigError, DataError, RunError, UsageError
from lstmctl.records import Comparison, ComparisonEvent, Planned, RunBegan, RunEnded, RunEvent, Started, Stepped
from lstmctl.runs.place import locked

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


def lstmctl(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lstmctl", "compare", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def statuses(folder: Path) -> Counter[str]:
    return Counter(json.loads(path.read_text())["status"] for path in folder.glob("*/run.json"))


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_every_run_is_made_once_and_told_from_beginning_to_end(undisturbed: Undisturbed) -> None:
    _, _, events = undisturbed
    assert events[0] == Planned(tuple(RUNS), ())
    assert begun(events) == RUNS
    for name in RUNS:
        inner = [event.event for event in events if isinstance(event, RunEvent) and event.run == name]
        assert isinstance(inner[0], Started)
        assert inner[0].steps == 40
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
    result, left, _ = undisturbed
    infos = [load_run(Path(result.path) / run).info for run in RUNS]
    assert [info["seed"] for info in infos] == [0, 0, 1, 1, 2, 2]
    assert {(info["steps"], info["units_per_step"], info["data"]["sha256"]) for info in infos} == {
        (40, 64, infos[0]["data"]["sha256"])
    }
    first = [left[name]["rows"][0]["loss"] for name in RUNS]
    assert len(set(first)) == len(first)


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
        assert len(arm.sample) == 300
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
    result = compare(["rnn", "lstm"], config, jobs=2)
    assert left_by(FOLDER) == undisturbed[1]
    assert result.jobs == 2
    assert "not comparable" in (FOLDER / "report.html").read_text()


def test_three_kills_repeat_no_finished_run_and_change_nothing(
    undisturbed: Undisturbed, config: Path, left_by: LeftBy
) -> None:
    process = lstmctl("rnn", "lstm", "--config", str(config), "--quiet")
    made: dict[str, tuple[int, int]] = {}
    for finished in (1, 3, 4):
        wait_for(lambda enough=finished: statuses(FOLDER)["finished"] >= enough and statuses(FOLDER)["running"] == 1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for name in RUNS:
            kept = FOLDER / name / "last.safetensors"
            if kept.is_file() and json.loads((FOLDER / name / "run.json").read_text())["status"] == "finished":
                made.setdefault(name, (kept.stat().st_ino, kept.stat().st_mtime_ns))
        process = lstmctl("--resume", str(FOLDER), "--quiet")
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    assert left_by(FOLDER) == undisturbed[1]
    assert len(made) >= 4
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
def test_a_signal_saves_and_names_the_command_that_goes_on(
    number: int, code: int, undisturbed: Undisturbed, config: Path, left_by: LeftBy
) -> None:
    process = lstmctl("rnn", "lstm", "--seeds", "1", "training.budget=100000 steps", "--config", str(config))
    wait_for(lambda: (FOLDER / "rnn-seed-0" / "last.safetensors").is_file())
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert told.splitlines()[-2:] == ["Stopped and saved. To go on:", f"  lstmctl compare --resume {FOLDER}"]
    assert statuses(FOLDER) == {"interrupted": 1}


def test_more_seeds_are_added_to_those_there_are(undisturbed: Undisturbed, config: Path, left_by: LeftBy) -> None:
    compare(["rnn", "lstm"], config, seeds=1)
    events: list[ComparisonEvent] = []
    result = resume_comparison(FOLDER, seeds=3, observe=events.append)
    assert begun(events) == RUNS[2:]
    assert isinstance(events[0], Planned)
    assert events[0].finished == tuple(RUNS[:2])
    assert left_by(FOLDER) == undisturbed[1]
    assert result.seeds == (0, 1, 2)
    with pytest.raises(UsageError, match="has 3 already"):
        resume_comparison(FOLDER, seeds=2)
    events.clear()
    again = resume_comparison("latest", observe=events.append)
    assert begun(events) == []
    assert again == result


def test_an_arm_that_diverges_is_shown_and_not_made_again(config: Path) -> None:
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
    events.clear()
    resume_comparison(FOLDER, observe=events.append)
    assert begun(events) == []


def test_tuning_chooses_on_validation_by_a_seed_of_its_own(config: Path) -> None:
    result = compare(["rnn", "lstm"], config, seeds=1, tune=["training.learning_rate=1e-2,1e-6"])
    plan = read_plan(FOLDER, trust=False)
    assert plan.tuning_seed not in plan.seeds
    for arm in result.arms:
        assert dict(arm.chosen) == {"training.learning_rate": 0.01}
        assert arm.settings["training.learning_rate"] == 0.01
        points = {point["training.learning_rate"]: value for point, value in arm.tuning}
        for index, rate in enumerate((1e-2, 1e-6), start=1):
            info = load_run(FOLDER / f"{arm.name}-tuning-{index}").info
            assert info["seed"] == plan.tuning_seed
            assert points[rate] == info["metrics"]["validation"]["nats_per_character"]
        assert load_run(FOLDER / f"{arm.name}-seed-0").settings.training.learning_rate == 0.01


def test_nothing_is_tuned_on_the_part_that_is_reported(config: Path) -> None:
    overrides = ["data.split=[0.9, 0.1]", "training.budget=2 steps"]
    result = compare(["rnn", "lstm"], config, overrides, seeds=1, tune=["training.learning_rate=1e-2,1e-6"])
    assert result.split == "validation"
    parts = load_run(FOLDER / "rnn-seed-0").info["data"]["parts"]
    tuned = load_run(FOLDER / "rnn-tuning-1").info["data"]["parts"]
    assert tuned == {"training": parts["training"] - parts["training"] // 10, "validation": parts["training"] // 10}


def test_one_seed_has_no_interval_and_says_so(config: Path) -> None:
    result = compare(["rnn", "lstm"], config, seeds=1)
    assert [(arm.low, arm.high) for arm in result.arms] == [(None, None)] * 2
    assert result.tests[0].p is None
    assert result.statement.startswith("One seed, on this data: ")
    assert "nothing is known of how far seeds move the figures" in result.statement


def test_time_is_matched_by_the_budget_each_arm_gets(config: Path) -> None:
    arms = ["wide: lstm model.hidden=200"]
    result = compare(["lstm"], config, ["training.budget=200 steps"], arms=arms, seeds=1, match="time")
    small, wide = result.arms
    assert small.settings["model.hidden"] == 12
    assert wide.steps < small.steps
    assert (small.deviation, wide.deviation) == (None, None)
    with pytest.raises(UsageError, match="--match time needs --jobs 1"):
        compare(["rnn", "lstm"], config, match="time", jobs=2)


def test_equal_widths_stay_equal_and_batches_of_another_size_see_as_much(config: Path) -> None:
    result = compare(["rnn", "lstm"], config, arms=["half: lstm training.batch=2"], seeds=1, match="hidden")
    assert [arm.settings["model.hidden"] for arm in result.arms] == [12, 12, 12]
    assert [arm.steps for arm in result.arms] == [40, 40, 80]
    assert {run.units for arm in result.arms for run in arm.runs} == {2560}
    assert [test.test for test in result.tests] == ["paired", "welch", "welch"]


def test_a_users_own_cell_needs_consent_when_the_comparison_goes_on(config: Path) -> None:
    source = Path("cells.py")
    source.write_text(CELL)
    result = compare(["rnn", "cells:Mine"], config, ["model.layers=2"], seeds=1)
    assert [arm.name for arm in result.arms] == ["rnn", "mine"]
    source.unlink()  # a copy lies beside the plan
    with pytest.raises(ConfigError, match="would import code"):
        resume_comparison(FOLDER)
    assert resume_comparison(FOLDER, seeds=2, trust=True).arms[1].values[0] == result.arms[1].values[0]
    kept = FOLDER / "cells.py"
    kept.write_text(CELL + "# changed\n")
    with pytest.raises(RunError, match="is not the source that"):
        resume_comparison(FOLDER, trust=True)


def test_two_comparisons_never_share_a_folder(config: Path) -> None:
    compare(["rnn", "lstm"], config, ["training.budget=2 steps"], seeds=1)
    with locked(FOLDER), pytest.raises(RunError, match=f"{FOLDER} is in use by process {os.getpid()}"):
        resume_comparison(FOLDER, seeds=2)
    again = compare(["rnn", "lstm"], config, ["training.budget=2 steps"], seeds=1)
    assert Path(again.path) == Path("runs/small-comparison-002")


def test_changed_data_ends_a_comparison_that_would_go_on(config: Path, text_file: Path) -> None:
    compare(["rnn", "lstm"], config, ["training.budget=2 steps"], seeds=1)
    text_file.write_text(text_file.read_text().replace("Ann", "Amy"))
    with pytest.raises(RunError, match="changed since small-comparison-001 was planned"):
        resume_comparison(FOLDER, seeds=2)


@pytest.mark.parametrize(
    ("cells", "settings", "error", "message"),
    [
        (["rnn", "rnn"], {}, UsageError, "two arms are called rnn"),
        (["rnn"], {}, UsageError, "needs two arms"),
        (["rnn", "lstm"], {"seeds": 0}, UsageError, "--seeds 0: from 1 to 1000"),
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
        resume_comparison("broken")


def test_a_name_that_is_no_comparison_gets_the_nearest(config: Path) -> None:
    compare(["rnn", "lstm"], config, ["training.budget=2 steps"], seeds=1)
    with pytest.raises(RunError) as caught:
        resume_comparison("small-comparison-01")
    assert caught.value.hint == "did you mean small-comparison-001?"


DISK_FULL = """
import resource, sys
from lstmctl.cli.main import main
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.argv = ["lstmctl", "compare", *sys.argv[2:]]
main()
"""


def test_a_full_disk_ends_with_what_is_there_and_goes_on_later(
    undisturbed: Undisturbed, config: Path, left_by: LeftBy
) -> None:
    arguments = ["rnn", "lstm", "--config", str(config), "--quiet"]
    command = [sys.executable, "-c", DISK_FULL, "9000", *arguments]  # a plan fits, a checkpoint does not
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 6, result.stderr
    assert "error: rnn-seed-0: " in result.stderr
    assert f"to go on: lstmctl compare --resume {FOLDER}" in result.stderr
    assert "Traceback" not in result.stderr
    resume_comparison(FOLDER)
    assert left_by(FOLDER) == undisturbed[1]


def test_a_run_killed_alone_stops_the_comparison_with_its_name(config: Path) -> None:
    process = lstmctl("rnn", "lstm", "training.budget=100000 steps", "--config", str(config), "--quiet")
    wait_for(lambda: (FOLDER / "rnn-seed-0" / "last.safetensors").is_file())
    holder = int((FOLDER / "rnn-seed-0" / "lock").read_text().split()[1])
    os.kill(holder, signal.SIGKILL)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 6
    assert told.startswith("error: rnn-seed-0 was killed from outside\nhint: most often the memory was not enough")


def test_a_fault_nobody_foresaw_is_told_with_its_last_line(config: Path) -> None:
    # It gives way in the process of a run alone, not where the plan is made.
    Path("cells.py").write_text(
        "import os, sys\nif any('worker' in word for word in sys.orig_argv):\n    os._exit(7)\n" + CELL
    )
    with pytest.raises(RunError, match="mine-seed-0 ended with exit code 7"):
        compare(["cells:Mine", "rnn"], config, seeds=1)


def test_an_interruption_is_no_error(config: Path) -> None:
    def stop(event: ComparisonEvent) -> None:
        if isinstance(event, RunEvent) and isinstance(event.event, Started):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        compare(["rnn", "lstm"], config, ["training.budget=100000 steps"], observe=stop)
    assert (caught.value.signal, caught.value.again) == (signal.SIGINT, f"lstmctl compare --resume {FOLDER}")
