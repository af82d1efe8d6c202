"""The precision of the computation: kept if set, chosen once otherwise, and recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lstmctl.api import resume, train
from lstmctl.errors import ConfigError
from lstmctl.training.precision import autocast, choose_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("wanted", ["float32", "float64"])
def test_what_is_asked_for_is_kept_without_a_trial(wanted: str) -> None:
    def trial() -> None:
        raise AssertionError("no trial is needed")

    assert choose_precision(wanted, CPU, trial) == wanted


def test_auto_is_one_of_two() -> None:
    weight = torch.randn(64, 64)
    assert choose_precision("auto", CPU, lambda: weight @ weight) in ("float32", "bfloat16")


def no_kernel() -> None:
    if torch.is_autocast_enabled("cpu"):
        raise RuntimeError("could not create a primitive")


def test_without_a_kernel_auto_is_float32_and_bfloat16_is_refused() -> None:
    assert choose_precision("auto", CPU, no_kernel) == "float32"
    with pytest.raises(ConfigError, match=r"^training\.precision — this processor lacks"):
        choose_precision("bfloat16", CPU, no_kernel)
    assert choose_precision("bfloat16", CPU, no_kernel, recorded=True) == "float32"
    assert choose_precision("bfloat16", CPU, lambda: None) == "bfloat16"


def test_a_cell_that_fails_in_bfloat16_alone_never_stops_auto() -> None:
    def step() -> None:
        if torch.is_autocast_enabled("cpu"):
            raise TypeError("a cell of the user's own that knows no bfloat16")

    assert choose_precision("auto", CPU, step) == "float32"


def test_what_fails_in_float32_too_has_another_cause() -> None:
    def broken() -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        choose_precision("bfloat16", CPU, broken)


def test_autocast_shortens_products_only_where_asked() -> None:
    weight = torch.ones(2, 2)
    for precision, expected in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        with autocast(precision, CPU):
            assert (weight @ weight).dtype == expected


def test_what_auto_became_is_recorded_and_kept_on_resume(small_config: Path) -> None:
    def stop_at_once(event: object) -> None:
        if type(event).__name__ == "Evaluated":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small_config, ["training.precision=auto"], observe=stop_at_once)
    path = Path("runs/small-lstm-001")
    info = json.loads((path / "run.json").read_text())
    assert info["precision"] in ("float32", "bfloat16")
    assert "precision: auto" in (path / "config.yaml").read_text()
    # Another one is now recorded: resume must take what stands there and not try again.
    (path / "run.json").write_text(json.dumps({**info, "precision": "float64"}))
    run = resume(path)
    assert (run.status, run.info["precision"]) == ("finished", "float64")


@pytest.mark.parametrize(
    ("precision", "kept"),
    [("float64", torch.float64), pytest.param("bfloat16", torch.float32, marks=pytest.mark.bfloat16)],
)
def test_a_run_trains_in_it_and_keeps_full_weights(small_config: Path, precision: str, kept: torch.dtype) -> None:
    run = train(small_config, [f"training.precision={precision}"])
    assert run.info["precision"] == precision
    weights = load_file(run.path / "last.safetensors")
    assert {weight.dtype for weight in weights.values()} == {kept}
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < losses[0] - 0.2
    assert len(run.generate("Ann", length=5)[0].text) == 5


def test_a_slow_trial_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[bool] = []
    monkeypatch.setattr("lstmctl.training.precision._multiplies_bfloat16", lambda device: True)
    choose_precision("auto", CPU, lambda: steps.append(torch.is_autocast_enabled("cpu")))
    assert (steps.count(True), steps.count(False)) == (4, 3)
    monkeypatch.setattr("lstmctl.training.precision.LONGEST_TRIAL", 1e-9)
    steps.clear()
    choose_precision("auto", CPU, lambda: steps.append(torch.is_autocast_enabled("cpu")))
    assert (steps.count(True), steps.count(False)) == (2, 1)
