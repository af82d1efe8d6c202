"""Which numbers are computed with: kept where asked for, chosen once where not, and written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lstmctl.api import resume, train
from lstmctl.training.precision import autocast, choose_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("wanted", ["float32", "float64", "bfloat16"])
def test_what_is_asked_for_is_kept_without_a_trial(wanted: str) -> None:
    def trial() -> None:
        raise AssertionError("no trial is needed")

    assert choose_precision(wanted, CPU, trial) == wanted


def test_auto_is_one_of_two() -> None:
    weight = torch.randn(64, 64)
    assert choose_precision("auto", CPU, lambda: weight @ weight) in ("float32", "bfloat16")


def test_a_trial_that_fails_in_bfloat16_means_float32() -> None:
    def trial() -> None:
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("could not create a primitive")

    assert choose_precision("auto", CPU, trial) == "float32"


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
    # Whatever it was, the other one is now recorded: resume must take what stands there and not try again.
    other = {"float32": "bfloat16", "bfloat16": "float32"}[info["precision"]]
    (path / "run.json").write_text(json.dumps({**info, "precision": other}))
    run = resume(path)
    assert (run.status, run.info["precision"]) == ("finished", other)


@pytest.mark.parametrize(("precision", "kept"), [("float64", torch.float64), ("bfloat16", torch.float32)])
def test_a_run_trains_in_it_and_keeps_full_weights(small_config: Path, precision: str, kept: torch.dtype) -> None:
    run = train(small_config, [f"training.precision={precision}"])
    assert run.info["precision"] == precision
    weights = load_file(run.path / "last.safetensors")
    assert {weight.dtype for weight in weights.values()} == {kept}
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < losses[0] - 0.2
    assert len(run.generate("Ann", length=5)[0].text) == 5
