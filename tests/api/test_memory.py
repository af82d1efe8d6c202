"""A network that cannot fit into memory is refused before any memory is allocated."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from lstmctl.api import train
from lstmctl.errors import ResourceError
from lstmctl.training.device import memory_of
from tests.conftest import Command


def with_memory(size: int | None, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("lstmctl.api.memory.memory_of", lambda device: size)


def test_the_least_that_a_training_takes_is_counted_by_hand(
    small_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["training.budget=1 step"]
    parameters = train(small_config, settings).parameters
    # A weight, its gradient and one moment of 4 bytes each; 4 sequences of 16 steps through 2 layers of 12 units.
    needed = 12 * parameters + 2 * 4 * 16 * 2 * 12
    with_memory(needed, monkeypatch)
    assert train(small_config, settings).status == "finished"
    assert train(small_config, [*settings, "training.accumulate=2"]).status == "finished"
    before = set(Path("runs").iterdir())
    with_memory(needed - 1, monkeypatch)
    with pytest.raises(ResourceError, match=f"training {parameters:,} parameters needs at least 0.0 GiB") as caught:
        train(small_config, settings)
    assert caught.value.hint == "a smaller model.hidden, model.layers or training.batch needs less"
    assert set(Path("runs").iterdir()) == before
    assert train(small_config, [*settings, "training.accumulate=2"]).status == "finished"
    with_memory(None, monkeypatch)
    assert train(small_config, settings).status == "finished"


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.hidden=100000"],
        ["model.hidden=2147483647"],
        ["model.hidden=1000000", "model.layers=1000"],
        ["model.embedding=2147483647"],
        ["training.batch=64", "training.window=64", "model.hidden=2000000"],
    ],
)
def test_a_network_without_measure_is_refused_at_once(
    overrides: list[str], small_config: Path, lstmctl: Command
) -> None:
    began = time.monotonic()
    code, _, err = lstmctl("train", str(small_config), "training.batch=1", *overrides)
    assert (code, err.startswith("error: out of memory: ")) == (6, True), err
    assert time.monotonic() - began < 10
    assert not Path("runs").exists()


def test_the_memory_of_this_machine_is_known_on_linux() -> None:
    found = memory_of(torch.device("cpu"))
    if Path("/proc/meminfo").exists():
        assert found is not None
        assert found > 2**28
    assert memory_of(torch.device("meta")) is None
