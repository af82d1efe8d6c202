"""Batches read by halves in two threads: the same results, gradients and settings as by one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from lstmctl.cells import halves, unrolled
from lstmctl.cells.halves import in_halves, worth_halving


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / 4


def computed(cell: str) -> list[Tensor]:
    """All states of a batch, and the gradients of their weighted sum."""
    gates = {"rnn": 1, "gru": 3}[cell]
    parts = [random(7, 40, gates * 24), random(40, 24, seed=1), random(gates * 24, 24, seed=2), random(24, seed=3)]
    leaves = [part.requires_grad_() for part in (parts if cell == "gru" else parts[:3])]
    projected = leaves[0] * 1  # the GRU writes into it
    states = unrolled.gru(projected, *leaves[1:]) if cell == "gru" else unrolled.rnn(projected, *leaves[1:], relu=False)
    return [states.detach(), *torch.autograd.grad((states * random(7, 40, 24, seed=4)).sum(), leaves)]


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_halves_compute_what_the_whole_batch_does(cell: str, two_threads: None) -> None:
    by_halves, again = computed(cell), computed(cell)
    torch.set_num_threads(1)
    for half, same, whole in zip(by_halves, again, computed(cell), strict=True):
        assert torch.equal(half, same)
        torch.testing.assert_close(half, whole, rtol=1e-5, atol=1e-6)


def test_each_half_has_a_thread_of_its_own_and_half_of_the_threads(two_threads: None) -> None:
    seen: dict[tuple[object, ...], tuple[int, int, bool]] = {}

    def work(lanes: slice) -> None:
        seen[lanes.start, lanes.stop] = threading.get_ident(), torch.get_num_threads(), torch.is_grad_enabled()

    with torch.no_grad():
        in_halves(work, torch.zeros(33, 8))
    assert seen.keys() == {(None, 16), (16, None)}
    assert len({thread for thread, _, _ in seen.values()}) == 2
    assert {(count, gradients) for _, count, gradients in seen.values()} == {(1, False)}
    assert torch.get_num_threads() == 2


def test_inference_mode_reaches_both_halves(two_threads: None) -> None:
    with torch.inference_mode():
        states = unrolled.gru(random(3, 32, 72), random(32, 24), random(72, 24), random(24))
    assert states.is_inference()


@pytest.mark.parametrize("failing", [None, 16])
def test_an_error_in_either_half_is_raised(failing: int | None, two_threads: None) -> None:
    def work(lanes: slice) -> None:
        if lanes.start == failing:
            raise MemoryError

    with pytest.raises(MemoryError):
        in_halves(work, torch.zeros(32, 8))
    assert torch.get_num_threads() == 2


def test_small_batches_and_one_thread_stay_whole(two_threads: None) -> None:
    assert worth_halving(torch.zeros(2 * halves.ROWS, 8))
    assert not worth_halving(torch.zeros(2 * halves.ROWS - 1, 8))
    assert not worth_halving(torch.zeros(2 * halves.ROWS, 8, dtype=torch.bfloat16))
    assert worth_halving(torch.zeros(128, 256, dtype=torch.bfloat16))
    assert not worth_halving(torch.zeros(2 * halves.ROWS, 8, device="meta"))
    torch.set_num_threads(1)
    assert not worth_halving(torch.zeros(2 * halves.ROWS, 8))
