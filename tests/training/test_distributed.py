"""Processes that train together against one that trains alone: in float64 and without dropout they agree."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from lstmctl.errors import ConfigError
from lstmctl.training.device import choose_device
from lstmctl.training.distributed import ALONE, Processes
from tests import processes
from tests.conftest import write_places, write_waves

SCRIPT = Path(__file__).with_name("together.py")
SIZES = (2, 3)
Found = dict[str, Tensor]


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("together", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


together = load_script()
TASKS = list(together.TASKS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, text: str) -> Path:
    """The data of all the tasks."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "small.txt").write_text(text[:2000], encoding="utf-8")
    write_waves(folder / "small.csv", 200)
    write_places(folder / "places.csv")
    return folder


@pytest.fixture(scope="module")
def alone(folder: Path) -> Found:
    """Results of one process."""
    together.saved(folder, ALONE)
    found: Found = together.measure(folder, ALONE)
    return found


@pytest.fixture(scope="module")
def several(folder: Path, alone: Found) -> dict[int, list[Found]]:
    """Results of each of two processes started by torchrun, and of each of three started by another program."""
    command = [str(SCRIPT), str(folder)]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", *command]
    ended([processes.start(launch, stderr=subprocess.PIPE, text=True)])
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "3", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    started = []
    for rank in range(3):
        own = {**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        started.append(processes.start([sys.executable, *command], env=own, stderr=subprocess.PIPE, text=True))
    ended(started)
    return {size: [load_file(folder / f"{size}-{rank}") for rank in range(size)] for size in SIZES}


def ended(started: Sequence[processes.Process | subprocess.Popen[str]]) -> None:
    """Wait for processes to end well."""
    for process in started:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors


def agree(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("size", SIZES)
def test_the_loss_and_the_gradient_of_a_step_are_those_of_one_process(
    name: str, size: int, alone: Found, several: dict[int, list[Found]]
) -> None:
    for found in several[size]:
        torch.testing.assert_close(found[f"{name}/loss"], alone[f"{name}/loss"], rtol=1e-12, atol=0)
        torch.testing.assert_close(found[f"{name}/gradient"], alone[f"{name}/gradient"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("size", SIZES)
def test_training_goes_the_same_way(name: str, size: int, alone: Found, several: dict[int, list[Found]]) -> None:
    assert float(alone[f"{name}/trajectory"].diff(dim=0).abs().max()) > 0.01
    for found in several[size]:
        assert found[f"{name}/same"]  # in all processes, after each step
        agree(found[f"{name}/trajectory"], alone[f"{name}/trajectory"])
        agree(found[f"{name}/figures"], alone[f"{name}/figures"])


@pytest.mark.parametrize("size", SIZES)
def test_as_many_processes_train_to_the_same_bits_again(size: int, several: dict[int, list[Found]]) -> None:
    assert all(found["lanes/again"] for found in several[size])


@pytest.mark.parametrize("size", SIZES)
def test_lanes_and_the_state_they_carry_are_those_of_one_process(
    size: int, alone: Found, several: dict[int, list[Found]]
) -> None:
    carried = [key for key in alone if key.startswith("lanes/carried")]
    assert len(carried) == 4
    assert alone["lanes/inputs"].shape[1] == together.BATCH
    for found in several[size]:
        assert torch.equal(found["lanes/inputs"], alone["lanes/inputs"])
        for key in carried:
            agree(found[key], alone[key])


@pytest.mark.parametrize("size", SIZES)
def test_every_window_is_seen_once_an_epoch(size: int, several: dict[int, list[Found]]) -> None:
    for found in several[size]:
        assert found["windows/starts"].sort().values.tolist() == list(range(8 * together.BATCH))


@pytest.mark.parametrize("size", SIZES)
def test_lanes_that_count_for_more_than_others_weigh_as_in_one_process(
    size: int, alone: Found, several: dict[int, list[Found]]
) -> None:
    for found in several[size]:
        torch.testing.assert_close(found["masked/loss"], alone["masked/loss"], rtol=1e-12, atol=0)
        torch.testing.assert_close(found["masked/gradient"], alone["masked/gradient"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("size", SIZES)
def test_a_run_continues_in_another_number_of_processes(
    size: int, folder: Path, alone: Found, several: dict[int, list[Found]]
) -> None:
    for found in several[size]:
        agree(found["gone on from 1"], alone["lanes/trajectory"][-1])
    agree(together.gone_on(folder, size, ALONE), alone["lanes/trajectory"][-1])


def test_lanes_that_cannot_be_shared_out_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"12 cannot be divided evenly among 5 processes$") as refused:
        together.built(folder, "lanes", Processes(0, 5))
    assert refused.value.hint == "training.batch=10 or 15 can"
    with pytest.raises(ConfigError, match=r"among 2 processes × training\.accumulate 4$"):
        together.built(folder, "lanes", Processes(1, 2), accumulate=4)


def test_several_processes_take_no_device_that_is_one_processes_own() -> None:
    assert choose_device("cpu", local_rank=1) == torch.device("cpu")
    with pytest.raises(ConfigError, match="cuda:0 does not support several processes"):
        choose_device("cuda:0", local_rank=1)
    with pytest.raises(ConfigError, match="more processes than GPUs: cuda:99 does not exist"):
        choose_device("cuda", local_rank=99)


def test_each_process_draws_its_own_dropout_and_one_alone_draws_what_it_always_did() -> None:
    assert Processes(0, 1).stream == ()
    assert Processes(0, 2).stream != Processes(1, 2).stream
