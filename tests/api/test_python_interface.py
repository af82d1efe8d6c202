"""`import lstmctl`: what it offers, and what it costs."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import lstmctl
from lstmctl.errors import UsageError
from lstmctl.events import Concluding, Ended, Evaluated, Event, Finished, Opened, Saved, Started, Stepped
from lstmctl.progress import heard_by
from tests.conftest import Trained


def test_everything_promised_is_there_and_nothing_else() -> None:
    assert sorted(lstmctl.__all__) == dir(lstmctl) == sorted(lstmctl._HOMES)
    for name in lstmctl.__all__:
        assert inspect.isclass(getattr(lstmctl, name)) or inspect.isfunction(getattr(lstmctl, name))
        assert getattr(lstmctl, name).__doc__
    with pytest.raises(AttributeError, match="module 'lstmctl' has no attribute 'nothing'"):
        _ = lstmctl.nothing


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(lstmctl.__file__).read_text(encoding="utf-8"))
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    named = [
        alias.name for node in guarded for line in node.body if isinstance(line, ast.ImportFrom) for alias in line.names
    ]
    assert sorted(named) == sorted(lstmctl.__all__)


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import lstmctl, sys; print(*sorted({'torch', 'numpy', 'pydantic', 'yaml', 'rich'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "\n"
    code = "import lstmctl, sys; lstmctl.train; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "True\n"


def test_a_notebook_can_train_from_a_mapping_and_watch(text_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {
        "data": {"text": str(text_file)},
        "model": {"cell": "gru", "hidden": 8, "embedding": 4},
        "training": {"budget": "4 steps", "batch": 2, "window": 8, "precision": "float32"},
    }
    events: list[Event] = []
    run = lstmctl.train(config, ["training.evaluate_every=2", "seed=5"], observe=events.append)
    assert run.info["seed"] == 5
    assert run.info["command"] == "lstmctl.train"
    assert [event.step for event in events if isinstance(event, Stepped)] == [1, 2, 3, 4]
    assert [event.step for event in events if isinstance(event, Evaluated)] == [2, 4]
    assert isinstance(events[0], Opened)
    assert (events[0].path, events[0].step, events[0].config["model.hidden"]) == (run.path, 0, 8)
    assert isinstance(events[1], Started)
    assert events[-1] == Ended(run.path, 4, "finished", run.metrics)
    assert [event.reason for event in events if isinstance(event, Finished)] == ["budget"]
    assert list(dict.fromkeys(event.doing for event in events if isinstance(event, Concluding))) == [
        "scoring the validation part",
        "scoring the test part",
        "computing baselines",
        "drawing the report",
    ]
    assert all(event.path.name == f"step-{event.step}" for event in events if isinstance(event, Saved))
    assert capsys.readouterr() == ("", "")
    assert config["training"]["budget"] == "4 steps"  # type: ignore[index]
    assert lstmctl.resume(run.path).metrics == run.metrics


def test_errors_are_the_packages_own(text_file: Path) -> None:
    for attempt in (
        lambda: lstmctl.train({"data": {"text": "missing.txt"}}),
        lambda: lstmctl.train({"data": {"text": str(text_file)}, "model": {"cell": "none"}}),
        lambda: lstmctl.train("no-such-config"),
        lambda: lstmctl.load_run("no-such-run"),
        lambda: lstmctl.resume("no-such-run"),
        lambda: lstmctl.Sampling(temperature=-1),
    ):
        with pytest.raises(lstmctl.LstmctlError):
            attempt()


def test_a_run_and_what_it_forecasts_show_themselves_in_a_notebook(trained: Trained) -> None:
    run = trained("waves")
    shown = run._repr_html_()
    assert shown.startswith('<div class="lstmctl">')
    assert f"<h1>{run.name}</h1>" in shown
    assert "Run and baselines" in shown
    assert "config.yaml" not in shown  # a page has the details, a notebook what was reached
    assert run.plot().axes[-1].get_xlabel() == "windows seen"
    assert run.plot("forecasts").axes[0].get_title(loc="left").startswith(run.forecast()[0].series)
    with pytest.raises(UsageError, match="`gates` is not a plot of this result; it has "):
        run.plot("gates")
    forecasts = run.forecast()
    assert len(forecasts.plot().axes) == len(forecasts)
    assert forecasts._repr_html_().count("<svg") == 2
    evaluation = run.evaluate("validation")
    assert evaluation.primary == run.task.primary.name
    assert "by step of the horizon" in evaluation._repr_html_()


def test_a_run_is_inspected_by_name_and_the_result_draws_itself(trained: Trained) -> None:
    run = trained("small")
    gates = run.inspect("gates", symbols=12)
    assert len(gates.symbols) == 12
    assert [axis.get_title(loc="left") for axis in gates.plot().axes if axis.images][-1] == "cell state"
    assert run.inspect("gradients", steps=5, positions=4).plot().axes[0].get_yscale() == "log"
    assert "time constant" in run.inspect("memory", steps=100)._repr_html_()
    with pytest.raises(UsageError, match="`recalls` is not known; use one of gates, memory, gradients, recall"):
        run.inspect("recalls")


def test_python_shows_training_unless_it_is_quiet_or_observed(
    small_config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = ["training.budget=2 steps", "training.evaluate_every=1"]
    run = lstmctl.train(small_config, tiny)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [line.split("  ")[0] for line in shown.err.splitlines()] == ["step 1/2", "step 2/2"]
    lstmctl.train(small_config, tiny, quiet=True)
    lstmctl.train(small_config, tiny, observe=lambda event: None)
    run.evaluate(quiet=True)
    run.predict(texts=["Ann"], quiet=True)
    assert capsys.readouterr().err == ""


def test_predictions_and_inspections_report_how_far_they_are(small_config: Path) -> None:
    run = lstmctl.train(small_config, ["training.budget=2 steps"], quiet=True)
    told: list[tuple[str, float | None]] = []
    with heard_by(lambda *report: told.append(report)):
        run.predict(texts=["Ann", "Bob", "Cyr", "Ann sees"])
        assert told == [("predicting", 0.0), ("predicting", 0.25), ("predicting", 0.5), ("predicting", 0.75)]
        told.clear()
        run.evaluate()
        run.inspect("gradients", steps=2, positions=2)
        run.generate("Ann", length=5, count=2, stop="nothing")
    assert list(dict.fromkeys(doing for doing, _ in told)) == [
        "scoring test",
        "computing baselines",
        "measuring the gradients",
        "writing",
    ]
    shares = [share for doing, share in told if doing == "scoring test" and share is not None]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
