"""One comparison for every value of a setting, in real processes: run once, reported together, resumed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lstmctl.comparison import Interrupted, parse_sweep, resume, sweep
from lstmctl.comparison.arms import arms_of, parse_grid
from lstmctl.comparison.machines import Machines
from lstmctl.comparison.plan import read_plan
from lstmctl.comparison.planning import make_plan
from lstmctl.comparison.study import Study
from lstmctl.config import LoadedConfig, from_mapping, load
from lstmctl.data.text import open_text
from lstmctl.errors import ConfigError, DataError, RunError, UsageError
from lstmctl.events import ComparisonEvent, Planned, RunBegan
from lstmctl.locks import locked
from lstmctl.results.codec import as_json
from lstmctl.results.comparison import Sweep
from lstmctl.runs.comparisons import read_sweep, summarise_sweep
from lstmctl.runs.folder import find_run
from lstmctl.tasks import language_model
from tests import processes
from tests.conftest import Command

LeftBy = Callable[[Path], dict[str, Any]]

FOLDER = Path("runs/first-symbol-sweep-001")
VALUES = ("5", "10")
RUNS = ("rnn-seed-0", "lstm-seed-0")
SHORT: dict[str, Any] = {
    "task": {"type": "classification"},
    "data": {"synthetic": "first-symbol", "length": 7, "held_out": 20},
    "model": {"cell": "lstm", "hidden": 4},
    "training": {"budget": "5 steps", "batch": 4, "precision": "float32"},
    "threads": 1,
}


def swept(cells: Sequence[str] = ("rnn", "lstm"), **changes: Any) -> Sweep:
    return sweep(cells, SHORT, **{"key": "data.length", "values": VALUES, "seeds": 1, **changes})


def begun(events: Sequence[ComparisonEvent]) -> list[str]:
    return [event.run for event in events if isinstance(event, RunBegan)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, list[ComparisonEvent]]:
    """A sweep of two arms over two lengths that nothing happens to, and its events."""
    folder = tmp_path_factory.mktemp("undisturbed")
    events: list[ComparisonEvent] = []
    with pytest.MonkeyPatch.context() as patch, processes.drawn():
        patch.setenv("LSTMCTL_RUNS", str(folder / "runs"))
        return swept(observe=events.append), events


def test_every_value_has_a_comparison_of_its_own(undisturbed: tuple[Sweep, list[ComparisonEvent]]) -> None:
    result, events = undisturbed
    assert (result.key, result.values) == ("data.length", (5, 10))
    assert [Path(comparison.path) for comparison in result.comparisons] == [
        Path(result.path) / "length-5",
        Path(result.path) / "length-10",
    ]
    assert begun(events) == [*RUNS, *RUNS]
    titles = [event.title for event in events if isinstance(event, Planned)]
    assert titles == ["data.length=5 (1 of 2)", "data.length=10 (2 of 2)"]
    for value, comparison in zip(result.values, result.comparisons, strict=True):
        plan = read_plan(Path(comparison.path), trust=False)
        assert {plan.settings(run).data.length for run in plan.runs({"rnn": 0, "lstm": 0})} == {value}
        assert comparison.overrides == (f"data.length={value}",)
        assert [arm.name for arm in comparison.arms] == ["rnn", "lstm"]
        assert comparison.baselines == {"chance": {"accuracy": 0.5}, "solved": {"accuracy": 0.99}}
        assert (Path(comparison.path) / "report.html").is_file()


def test_the_folder_holds_the_plan_the_curve_the_table_and_a_page(
    undisturbed: tuple[Sweep, list[ComparisonEvent]],
) -> None:
    result, _ = undisturbed
    folder = Path(result.path)
    assert json.loads((folder / "sweep.json").read_text()) == {
        "format": 1,
        "order": 1,
        "key": "data.length",
        "values": [5, 10],
        "comparisons": ["length-5", "length-10"],
    }
    assert {path.name for path in (folder / "plots").iterdir()} == {"sweep.svg", "sweep.png"}
    assert 'href="length-10/report.html"' in (folder / "report.html").read_text()
    assert "| data.length | rnn | lstm | chance | solved |" in (folder / "table.md").read_text()
    assert summarise_sweep(folder) == {
        "sweep": folder.name,
        "path": str(folder),
        "status": "finished",
        "key": "data.length",
        "values": [5, 10],
        "arms": ["rnn", "lstm"],
        "runs": 4,
    }
    with locked(folder):
        assert summarise_sweep(folder)["status"] == "running"


def test_a_command_that_helps_names_the_value_that_it_is_at(undisturbed: tuple[Sweep, list[ComparisonEvent]]) -> None:
    folder = Path(undisturbed[0].path)
    contents = read_sweep(folder)
    plans = tuple(read_plan(folder / name, trust=False) for name in contents.comparisons)
    events: list[ComparisonEvent] = []
    Study(folder, plans, contents).help(Machines(), events.append)
    titles = [event.title for event in events if isinstance(event, Planned)]
    assert titles == ["data.length=5 (1 of 2)", "data.length=10 (2 of 2)"]


def test_one_that_was_stopped_continues_to_the_same_end(
    undisturbed: tuple[Sweep, list[ComparisonEvent]], left_by: LeftBy
) -> None:
    result, _ = undisturbed
    events: list[ComparisonEvent] = []

    def stop_in_the_second(event: ComparisonEvent) -> None:
        events.append(event)
        if begun(events) == [*RUNS, RUNS[0]]:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        swept(observe=stop_in_the_second)
    assert (caught.value.signal, caught.value.again) == (signal.SIGINT, f"lstmctl compare --resume {FOLDER}")
    assert summarise_sweep(FOLDER)["status"] == "stopped"
    events.clear()
    resumed = resume(FOLDER, observe=events.append)
    assert begun(events) == list(RUNS)
    finished = [event.finished for event in events if isinstance(event, Planned)]
    assert finished == [RUNS, ()]
    for own, other in zip(resumed.comparisons, result.comparisons, strict=True):
        assert left_by(Path(own.path)) == left_by(Path(other.path))
        assert [arm.values for arm in own.arms] == [arm.values for arm in other.arms]


def test_a_signal_while_a_comparison_is_told_stops_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    from lstmctl.comparison import study

    made: list[str] = []

    def complete(folder: Path, *_: Any) -> Any:
        made.append(folder.name)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(study, "complete_comparison", complete)
    with pytest.raises(Interrupted) as caught:
        swept()
    assert caught.value.again == f"lstmctl compare --resume {FOLDER}"
    assert made == ["length-5"]


def test_the_command_continues_with_one_and_lists_it(
    undisturbed: tuple[Sweep, list[ComparisonEvent]], lstmctl: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, _ = undisturbed
    folder = Path(result.path)
    monkeypatch.setenv("LSTMCTL_RUNS", str(folder.parent))
    told = lstmctl("compare", "--resume", "latest", "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out) == {"format": 1, **json.loads(json.dumps(as_json(result)))}
    assert "data.length=10 (2 of 2): 2 runs, 2 finished before" in told.err
    assert "Accuracy on the test part by data.length" in told.err
    listed = lstmctl("runs", "list")
    assert folder.name in listed.out
    assert json.loads(lstmctl("runs", "list", "--json").out)["sweeps"] == [summarise_sweep(folder)]
    shown = lstmctl("runs", "show", folder.name)
    assert shown.code == 4
    assert "is a sweep of comparisons; name a run of one of them" in shown.err
    assert find_run(f"{folder.name}/length-5/rnn-seed-0", folder.parent).name == "rnn-seed-0"


def test_one_arm_alone_is_reported_by_itself() -> None:
    result = swept(["rnn"])
    assert [len(comparison.arms) for comparison in result.comparisons] == [1, 1]
    assert result.comparisons[0].statement.startswith("One seed, on this data: rnn reaches ")
    with pytest.raises(UsageError, match="a comparison needs an arm, and there is none"):
        swept([])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"values": ["5"]}, UsageError, "--sweep data.length: give two values or more"),
        ({"values": ["5", "5"]}, UsageError, "5 and 5 are the same value"),
        ({"key": "training.learning_rate", "values": ["1e-3", "0.001"]}, UsageError, "1e-3 and 0.001 are the same"),
        ({"key": "data.lenght"}, ConfigError, r"data\.lenght=5  data\.lenght — unknown key(.|\n)*data\.lenght=10"),
        ({"values": ["5", "-1", "x"]}, ConfigError, r"data\.length=-1 (.|\n)*data\.length=x "),
        ({"values": ["5", "1"]}, DataError, r"data\.length=1: .*data\.length 1 is too short for first-symbol"),
        ({"values": ["1", "900000"]}, ConfigError, r"data\.length=1: .*too short(.|\n)*=900000: .*too long"),
        ({"key": "model.cell", "values": ["rnn", "gru"]}, UsageError, "model.cell cannot be: cells are arms"),
        ({"key": "seed", "values": ["0", "3"]}, UsageError, "seed cannot be: seeds are counted by --seeds"),
        ({"overrides": ["data.length=9"]}, UsageError, "it is set after the cells too"),
        ({"tune": ["training.batch=2,4"], "key": "training.batch"}, UsageError, "it is set by --tune too"),
        ({"arms": ["big: lstm model.hidden=9"], "key": "model.hidden"}, UsageError, "it is set by big too"),
        ({"jobs": 0}, UsageError, "--jobs 0: 1 or more"),
    ],
)
def test_whatever_is_wrong_with_a_value_is_reported_before_anything_is_made(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        swept(**changes)
    assert not Path("runs").exists()


def test_values_that_are_scored_by_different_metrics_have_no_curve() -> None:
    config = {**SHORT, "data": {"synthetic": "first-symbol", "length": 12, "held_out": 20}}
    with pytest.raises(ConfigError, match="adding is a regression problem"):
        sweep(["rnn"], config, key="data.synthetic", values=["first-symbol", "adding"], seeds=1)
    table = Path("texts.csv")
    table.write_text("text,label\n" + "".join(f"{'ab'[n % 2] * 3},{'xy'[n % 2]}\n" for n in range(40)))
    config = {**SHORT, "data": {"table": str(table), "split": [20, 10, 10]}}
    with pytest.raises(UsageError, match=r"accuracy on the test part, .* on the validation part; they cannot be"):
        sweep(["rnn"], config, key="data.split", values=["[20, 10, 10]", "[20, 20]"], seeds=1)


def test_a_sweep_as_it_is_typed() -> None:
    assert parse_sweep("data.length=5, 10") == ("data.length", ["5", "10"])
    assert parse_sweep("data.split=[0.8,0.2],[0.9,0.1]") == ("data.split", ["[0.8,0.2]", "[0.9,0.1]"])
    for text in ("data.length", "=5,10"):
        with pytest.raises(UsageError, match="is not of the form KEY=VALUE,VALUE"):
            parse_sweep(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnn", "--sweep", "data.length=5,10", "--sweep", "seed=1,2"], "use it only once"),
        (["--resume", "latest", "--sweep", "data.length=5,10"], "only --seeds can be increased"),
    ],
)
def test_the_command_refuses_what_has_no_meaning(arguments: list[str], message: str, lstmctl: Command) -> None:
    told = lstmctl("compare", *arguments)
    assert told.code == 2
    assert message in told.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 2}', "has format 2 of a newer lstmctl"),
        ('{"format": 1, "key": "data.length", "values": [5]}', "is damaged: it names no comparisons"),
        ('{"format": 1, "key": "data.length", "values": [5], "comparisons": ["../x"]}', "is damaged"),
    ],
)
def test_a_damaged_sweep_is_a_run_error_and_is_listed_as_such(content: str, message: str) -> None:
    FOLDER.mkdir(parents=True)
    (FOLDER / "sweep.json").write_text(content)
    with pytest.raises(RunError, match=message):
        resume(FOLDER.name)
    assert summarise_sweep(FOLDER)["status"] == "damaged"


@pytest.mark.parametrize(
    ("split", "inner"), [([24, 8, 8], (24, 8)), ([0.5, 0.25, 0.25], (20, 10)), ([30, 10], (27, 3))]
)
def test_tuning_on_a_table_leaves_out_the_sequences_that_are_reported(
    split: list[float], inner: tuple[int, int]
) -> None:
    table = Path("frames.csv")
    rows = [f"s{n},{n % 2 + step / 10},{'xy'[n % 2]}\n" for n in range(40) for step in range(3)]
    table.write_text("sequence,value,label\n" + "".join(rows))
    config = {**SHORT, "data": {"table": str(table), "split": split}}
    plan = tuned_plan(config)
    assert {plan.settings(run).data.split for run in plan.tuning_runs} == {inner}
    assert {plan.settings(run).data.split for run in plan.runs({"rnn": 0, "lstm": 0})} == {tuple(split)}


def test_tuning_on_sequences_that_are_drawn_leaves_them_as_they_are() -> None:
    plan = tuned_plan(SHORT)
    assert len(plan.tuning_runs) == 4
    compared = {plan.settings(run).data for run in plan.runs({"rnn": 0, "lstm": 0})}
    assert {plan.settings(run).data for run in plan.tuning_runs} == compared
    # Each run writes its settings as a config, which is read again.
    for run in plan.tuning_runs:
        assert from_mapping(plan.settings(run).model_dump(mode="json")) == plan.settings(run)


def tuned_plan(config: dict[str, Any]) -> Any:
    loaded = LoadedConfig(from_mapping(config), "config", None)
    grid = parse_grid(["training.learning_rate=1e-2,1e-3"])
    return make_plan(loaded, arms_of(["rnn", "lstm"], []), grid, seeds=1, match="parameters", overrides=(), command="")


def test_data_is_opened_once_however_many_arms_are_planned(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def counted(*arguments: Any) -> Any:
        opened.append(arguments)
        return open_text(*arguments)

    monkeypatch.setattr(language_model, "open_text", counted)
    arms = arms_of(["rnn", "lstm", "gru"], [])
    fixed: Any = {"seeds": 1, "match": "parameters", "overrides": (), "command": ""}
    make_plan(load(str(config)), arms, parse_grid([]), **fixed)
    assert len(opened) == 1
    opened.clear()
    make_plan(load(str(config)), arms, parse_grid(["training.learning_rate=1e-3,2e-3,4e-3"]), **fixed)
    assert len(opened) == 2  # tuning runs are cut in another way
