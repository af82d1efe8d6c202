"""A plan that is damaged, or was copied from another comparison, is refused with the file and the problem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lstmctl.comparison import resume
from lstmctl.comparison.arms import arms_of
from lstmctl.comparison.plan import Plan, read_plan, write_plan
from lstmctl.comparison.planning import make_plan
from lstmctl.config import load
from lstmctl.errors import RunError
from lstmctl.runs.comparisons import summarise_comparison, summarise_sweep
from tests.conftest import Command, Trained


def planned(config: Path) -> Plan:
    """The plan of a comparison of two cells over one seed."""
    arms = arms_of(["rnn", "lstm"], [])
    loaded = load(str(config))
    return make_plan(loaded, arms, [()], seeds=1, match="hidden", overrides=(), command="lstmctl compare")


def edited(path: Path, key: str, value: object) -> None:
    """Set one value of a JSON file by its dotted key; numbers are places in a list."""
    content: Any = json.loads(path.read_text())
    *parents, last = [int(part) if part.isdigit() else part for part in key.split(".")]
    inner = content
    for part in parents:
        inner = inner[part]
    inner[last] = value
    path.write_text(json.dumps(content))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_plan_is_read_as_it_was_written(series_config: Path, tmp_path: Path) -> None:
    plan = planned(series_config)
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path, trust=False) == plan


def test_the_plan_of_a_forecast_does_not_fit_the_runs_of_a_text(
    finished: Path, series_config: Path, lstmctl: Command, caplog: pytest.LogCaptureFixture
) -> None:
    write_plan(finished, planned(series_config))
    before = contents(finished)
    for name in ("latest", str(finished)):
        code, out, err = lstmctl("compare", "--resume", name)
        assert (code, out) == (4, "")
        assert err.startswith(
            f'error: {finished}/plan.json plans rnn-seed-0 with task.type "forecast", '
            f'but {finished}/rnn-seed-0/config.yaml has "language-model"\n'
        )
    assert contents(finished) == before
    listed = lstmctl("runs", "list", "--json")
    assert [row["status"] for row in json.loads(listed.out)["comparisons"]] == ["damaged"]
    assert caplog.messages == [
        f"{finished}/plan.json plans runs with task.type forecast, but {finished}/rnn-seed-0 has language-model"
    ]
    for command in (["runs", "show"], ["runs", "report"], ["generate"], ["evaluate"]):
        code, _, err = lstmctl(*command, str(finished))
        assert (code, f"{finished} is a comparison; name one of its runs" in err) == (4, True)


def test_the_plan_of_a_text_does_not_fit_the_runs_of_a_forecast(
    small_config: Path, trained: Trained, lstmctl: Command
) -> None:
    folder = Path("runs/waves-comparison-001")
    folder.mkdir(parents=True)
    trained("waves").path.rename(folder / "rnn-seed-0")
    write_plan(folder, planned(small_config))
    code, _, err = lstmctl("compare", "--resume", "latest")
    assert code == 4
    assert f'plan.json plans rnn-seed-0 with task.type "language-model", but {folder}' in err
    assert summarise_comparison(folder)["status"] == "damaged"


def test_arms_of_two_tasks_are_no_comparison(finished: Path, series_config: Path, tmp_path: Path) -> None:
    write_plan(tmp_path, planned(series_config))
    other = json.loads((tmp_path / "plan.json").read_text())["arms"][1]
    edited(finished / "plan.json", "arms.1", other)
    with pytest.raises(RunError) as caught:
        resume(finished)
    assert str(caught.value) == (
        f'{finished}/plan.json is damaged: arm rnn has task.type "language-model", and arm lstm has "forecast"'
    )


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("primary", "mse_scaled", 'primary is "mse_scaled", but the task and the data give "nats_per_character"'),
        ("lower_is_better", False, "lower_is_better is false, but the task and the data give true"),
        ("unit", "windows", 'unit is "windows", but the task and the data give "characters"'),
        ("split", "validation", 'split is "validation", but the task and the data give "test"'),
        ("data.parts.test", 5, "data.parts is {"),
        ("data.parts", {"training": 3, "validation": 4}, "it reports the test part, which its data does not have"),
        ("data.parts", [3, 4], "data: `parts` is not a length for each part"),
        ("data.files", 3, "data: `files` is not a list of texts"),
        ("data.x", float("nan"), "data: Out of range float values"),
        ("seeds", ["0"], "seeds.0: Input should be a valid integer"),
        ("seeds", [0, 2], "its seeds do not follow one another"),
        ("seeds", [2**63], "seeds.0: Input should be less than or equal to"),
        ("units", 1.5, "units: Input should be a valid integer"),
        ("threads", 10**9, "threads: Input should be less than or equal to 1024"),
        ("device", "gpu", 'device: "gpu" is not a device; use one of auto, cpu, '),
        ("precision", "float8", "precision: String should match pattern"),
        ("match", None, "match: Input should be "),
        ("order", -1, "order: Input should be greater than or equal to 0"),
        ("jobs", 0, "jobs: Input should be greater than or equal to 1"),
        ("overrides", "x", "overrides: Input should be a valid array"),
        ("command", 5, "command: Input should be a valid string"),
        ("arms", {}, "arms: Input should be a valid array"),
        ("arms.1.name", "RNN", "it names an arm twice"),
        ("arms.1.name", "../x", "arms.1.name: String should match pattern"),
        ("arms.0.own", [], "arms.0.own: Input should be an object"),
        ("arms.0.candidates", [], "arms.0.candidates: Tuple should have at least 1 item"),
        ("arms.0.candidates.0.parameters", "x", "arms.0.candidates.0.parameters: Input should be a valid integer"),
        ("arms.0.candidates.0.settings", 5, "arms.0.candidates.0.settings: Input should be"),
        ("arms.0.candidates.0.settings.task.type", "x", 'arms.0.candidates.0.settings: task.type — "x" is not a task'),
        (
            "arms.0.candidates.0.settings.task",
            {"type": "forecast"},
            "arms.0.candidates.0.settings: data.text — task.type forecast does not read data.text",
        ),
        (
            "arms.0.candidates.0.settings.model.hidden",
            -3,
            "arms.0.candidates.0.settings: model.hidden — -3 is too small",
        ),
    ],
)
def test_a_plan_with_a_wrong_value_is_refused_and_nothing_is_lost(
    key: str, value: object, problem: str, finished: Path, lstmctl: Command
) -> None:
    edited(finished / "plan.json", key, value)
    before = contents(finished)
    code, out, err = lstmctl("compare", "--resume", str(finished))
    assert (code, out) == (4, "")
    assert err.startswith(f"error: {finished}/plan.json is damaged: {problem}"), err
    assert contents(finished) == before
    assert lstmctl("runs", "list").code == 0


def test_the_comparisons_of_a_sweep_belong_together(small_config: Path, series_config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    for name, config in (("a", small_config), ("b", series_config)):
        (folder / name).mkdir(parents=True)
        write_plan(folder / name, planned(config))
    contents = {"format": 1, "key": "seed", "values": [1, 2], "comparisons": ["a", "b"]}
    (folder / "sweep.json").write_text(json.dumps(contents))
    with pytest.raises(RunError) as caught:
        resume(folder)
    assert str(caught.value).startswith(
        f"{folder}/b/plan.json has primary mae_scaled, but {folder}/a/plan.json has nats_per_character"
    ) or str(caught.value).startswith(f"{folder}/b/plan.json has primary")
    (folder / "sweep.json").write_text(json.dumps({**contents, "values": [1, float("nan")]}))
    assert summarise_sweep(folder)["status"] == "damaged"
    with pytest.raises(RunError, match="it names no setting with its values"):
        resume(folder)
