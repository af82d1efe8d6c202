"""A computed order: every number once, without an apparent pattern."""

from __future__ import annotations

import pytest
import torch

from lstmctl.tasks import windows
from lstmctl.tasks.permutation import Permutation
from lstmctl.tasks.windows import ShuffledWindows


@pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 65, 1000, 65_537, 300_000])
def test_every_number_comes_once(count: int) -> None:
    order = Permutation(count, 7)[torch.arange(count)]
    assert order.dtype == torch.int64
    assert torch.equal(order.sort().values, torch.arange(count))


def test_the_order_is_that_of_the_seed_and_looks_drawn() -> None:
    places = torch.arange(100_000)
    order = Permutation(100_000, 7)[places]
    assert torch.equal(order, Permutation(100_000, 7)[places])
    assert (order == Permutation(100_000, 8)[places]).sum() < 10
    pairs = torch.stack([places[1:], order[1:], order[:-1], order.diff().abs()]).double()
    assert (torch.corrcoef(pairs)[0, 1:3].abs() < 0.02).all()
    assert abs(float(torch.corrcoef(pairs)[1, 2])) < 0.02
    assert abs(float((order.diff() > 0).double().mean()) - 0.5) < 0.01
    # Of two numbers drawn at random, the distance is a third of all on average.
    assert abs(float(pairs[3].mean()) / 100_000 - 1 / 3) < 0.01


def test_large_orders_take_no_memory() -> None:
    order = Permutation(1 << 40, 1)[torch.tensor([0, 1, (1 << 40) - 1])]
    assert len(set(order.tolist())) == 3
    assert 0 <= int(order.min()) <= int(order.max()) < 1 << 40


def test_more_windows_than_a_list_is_made_of_come_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MOST_DRAWN", 50)
    symbols = torch.arange(103, dtype=torch.uint8)
    batches = ShuffledWindows(symbols, batch=10, window=3, seed=4)
    assert batches.steps_per_epoch == 10
    for epoch in range(2):
        starts = torch.cat([batches[epoch * 10 + step].input[0] for step in range(10)])
        assert torch.equal(starts.sort().values, torch.arange(100))
    assert not torch.equal(batches[0].input, batches[10].input)
    assert torch.equal(batches[3].target, batches[3].input[0] + 3)
