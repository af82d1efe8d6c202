"""The orders in which a text is read, checked symbol by symbol: here every symbol is its own position."""

from __future__ import annotations

import inspect
from collections import Counter
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from lstmctl.errors import DataError
from lstmctl.protocols import Batch
from lstmctl.seeds import stream
from lstmctl.tasks.windows import GrowingLanes, Lanes, ShuffledWindows, cold, spread, streamed

SIZES = [(100, 4, 5), (103, 4, 5), (103, 7, 4), (64, 1, 64), (50, 50, 1), (97, 3, 10)]


def text(length: int) -> Tensor:
    return torch.arange(length)


def epoch_of(order: Lanes | ShuffledWindows, epoch: int = 0) -> list[Batch]:
    first = epoch * order.steps_per_epoch
    return [order[first + step] for step in range(order.steps_per_epoch)]


@pytest.mark.parametrize(("length", "batch", "window"), SIZES)
@pytest.mark.parametrize("epoch", [0, 3])
def test_lanes_read_every_symbol_but_the_remainder_once_an_epoch(
    length: int, batch: int, window: int, epoch: int
) -> None:
    order = Lanes(text(length), batch, window, seed=1)
    read = Counter(torch.cat([one.input.flatten() for one in epoch_of(order, epoch)]).tolist())
    covered = batch * (length // batch // window) * window
    assert set(read.values()) == {1}
    assert len(read) == covered
    assert length - covered < batch * window
    assert order.units_per_step == batch * window == order[0].units


@pytest.mark.parametrize(("length", "batch", "window"), SIZES)
def test_targets_are_inputs_shifted_by_one(length: int, batch: int, window: int) -> None:
    for one in epoch_of(Lanes(text(length), batch, window, seed=2), 1):
        assert one.input.shape == one.target.shape == (window, batch)
        assert torch.equal(one.target, (one.input + 1) % length)
        assert one.input.dtype == torch.long


@pytest.mark.parametrize(("length", "batch", "window"), SIZES)
def test_each_lane_continues_where_it_was(length: int, batch: int, window: int) -> None:
    order = Lanes(text(length), batch, window, seed=3)
    for epoch in range(3):
        steps = epoch_of(order, epoch)
        assert [one.fresh for one in steps] == [True] + [False] * (len(steps) - 1)
        for before, after in pairwise(steps):
            assert torch.equal(after.input[0], before.target[-1])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("length", "batch", "window"), SIZES)
def test_a_lane_is_reset_exactly_where_it_passed_the_end(length: int, batch: int, window: int, seed: int) -> None:
    order = Lanes(text(length), batch, window, seed)
    for epoch in range(4):
        steps = epoch_of(order, epoch)
        assert steps[0].reset is None
        for before, after in pairwise(steps):
            # The value read in the previous window, now at the start: a decrease means that the end was in between.
            read = torch.cat([before.input, after.input[:1]])
            passed = (read[1:] < read[:-1]).any(dim=0)
            assert torch.equal(passed, after.reset if after.reset is not None else torch.zeros_like(passed))


def test_the_end_is_really_passed_in_that_test() -> None:
    order = Lanes(text(100), 4, 5, seed=0)
    flagged = [int(one.reset.sum()) for epoch in range(8) for one in epoch_of(order, epoch) if one.reset is not None]
    assert flagged
    assert set(flagged) == {1}


def test_the_rotation_depends_on_seed_and_epoch_alone() -> None:
    def starts(seed: int, batch: int = 4, window: int = 5) -> list[int]:
        order = Lanes(text(1000), batch, window, seed)
        return [int(order[epoch * order.steps_per_epoch].input[0, 0]) for epoch in range(5)]

    assert starts(7) == [stream(7, "order", epoch) % 1000 for epoch in range(5)]
    assert starts(7) == starts(7, batch=8, window=3)
    assert len(set(starts(7))) == 5
    assert starts(7) != starts(8)
    for order in (Lanes, ShuffledWindows):  # nothing of the model reaches an order
        named = list(inspect.signature(order).parameters)
        assert named[:4] == ["symbols", "batch", "window", "seed"]
        assert set(named) <= {"symbols", "batch", "window", "seed", "state_reset", "weights"}


def test_a_batch_depends_on_the_step_alone() -> None:
    for kind in (Lanes, ShuffledWindows):
        order, other = kind(text(200), 4, 5, 1), kind(text(200), 4, 5, 1)
        steps = [3, 120, 0, 3]
        inputs = [order[step].input for step in steps]
        again = [other[step].input for step in reversed(steps)]
        assert all(torch.equal(a, b) for a, b in zip(inputs, reversed(again), strict=True))


@pytest.mark.parametrize("epoch", [0, 2])
def test_shuffled_windows_come_once_an_epoch(epoch: int) -> None:
    order = ShuffledWindows(text(86), 8, 6, seed=1)
    steps = epoch_of(order, epoch)
    assert order.units_per_step == 8 == steps[0].units
    starts = torch.cat([one.input[0] for one in steps]).tolist()
    assert len(starts) == 80
    assert sorted(starts) == list(range(80))
    assert starts != sorted(starts)
    for one in steps:
        assert one.fresh
        assert torch.equal(one.input, one.input[0] + torch.arange(6).unsqueeze(1))
        assert torch.equal(one.target, one.input[-1] + 1)


def test_windows_that_fill_no_batch_wait_for_another_epoch() -> None:
    order = ShuffledWindows(text(90), 8, 6, seed=1)
    seen = [set(torch.cat([one.input[0] for one in epoch_of(order, epoch)]).tolist()) for epoch in range(8)]
    assert all(len(starts) == 80 and starts <= set(range(84)) for starts in seen)
    assert set.union(*seen) == set(range(84))


def test_the_shuffle_depends_on_seed_and_epoch_alone() -> None:
    def starts(seed: int, epoch: int, batch: int = 8) -> list[int]:
        return torch.cat([one.input[0] for one in epoch_of(ShuffledWindows(text(86), batch, 6, seed), epoch)]).tolist()

    assert starts(1, 0) == starts(1, 0) == starts(1, 0, batch=16)
    assert starts(1, 0) != starts(1, 1)
    assert starts(1, 0) != starts(2, 0)


@pytest.mark.parametrize(("length", "window"), [(2, 5), (20, 5), (21, 5), (23, 5), (23, 100)])
def test_one_stream_scores_every_symbol_but_the_first_once(length: int, window: int) -> None:
    batches = list(streamed(text(length), 1, window))
    assert torch.cat([one.target.flatten() for one in batches]).tolist() == list(range(1, length))
    assert torch.cat([one.input.flatten() for one in batches]).tolist() == list(range(length - 1))
    assert [one.fresh for one in batches] == [True] + [False] * (len(batches) - 1)


@pytest.mark.parametrize("lanes", [2, 3, 7])
def test_several_streams_score_each_symbol_once_at_most(lanes: int) -> None:
    batches = list(streamed(text(100), lanes, 8))
    targets = torch.cat([one.target for one in batches])
    assert targets.shape == (99 // lanes, lanes)
    assert torch.equal(targets, torch.cat([one.input for one in batches]) + 1)
    assert torch.equal(targets.t().flatten(), torch.arange(1, 99 // lanes * lanes + 1))


def test_cold_windows_lie_side_by_side() -> None:
    batches = list(cold(text(100), 8, 5))
    assert all(one.fresh for one in batches)
    assert [one.lanes for one in batches] == [5, 5, 2]
    assert torch.cat([one.input.t() for one in batches]).flatten().tolist() == list(range(96))
    assert torch.cat([one.target.t() for one in batches]).flatten().tolist() == list(range(1, 97))


@pytest.mark.parametrize(("most", "expected"), [(1000, range(90)), (45, range(0, 90, 2)), (40, range(0, 90, 3))])
def test_spread_windows_lie_at_equal_distances(most: int, expected: range) -> None:
    batches = list(spread(text(100), 10, 16, most))
    assert torch.cat([one.input[0] for one in batches]).tolist() == list(expected)
    assert torch.cat([one.target for one in batches]).tolist() == [start + 10 for start in expected]
    assert len(expected) <= most


@pytest.mark.parametrize(
    ("kind", "length", "batch", "window", "needed", "hint"),
    [
        (Lanes, 99, 20, 5, 100, "training.batch=16 would fit"),
        (Lanes, 4, 20, 5, 100, "training.batch=1 training.window=2 would fit"),
        (Lanes, 5000, 1000, 6, 6000, "training.batch=512 would fit"),
        (ShuffledWindows, 24, 20, 5, 25, "training.batch=16 would fit"),
        (ShuffledWindows, 5, 20, 5, 25, "training.batch=1 training.window=2 would fit"),
        (ShuffledWindows, 1, 20, 5, 25, "give it a larger share in data.split, or more text"),
    ],
)
def test_too_short_names_what_fits(
    kind: type[Lanes | ShuffledWindows], length: int, batch: int, window: int, needed: int, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        kind(text(length), batch, window, 0)
    assert str(caught.value) == (
        f"the training part has {length:,} symbols, but training.batch={batch} with training.window={window} "
        f"needs {needed:,}"
    )
    assert caught.value.hint == hint
    if "training" in hint:
        fitting = dict(word.split("=") for word in hint.split() if "=" in word)
        sizes = int(fitting["training.batch"]), int(fitting.get("training.window", window))
        assert kind(text(length), *sizes, 0).steps_per_epoch >= 1
    assert kind(text(needed), batch, window, 0).steps_per_epoch == 1


def test_lanes_are_reset_by_chance_as_often_as_asked_and_the_same_every_time() -> None:
    order = Lanes(text(40_000), 32, 4, seed=5, state_reset=0.05)
    drawn = [order[step].reset for step in range(1, 250)]
    share = sum(int(reset.sum()) for reset in drawn if reset is not None) / (249 * 32)
    assert 0.035 < share < 0.065
    again = Lanes(text(40_000), 32, 4, seed=5, state_reset=0.05)
    for step in (7, 100, 200):
        assert (order[step].reset is None) == (again[step].reset is None)
        assert order[step].reset is None or torch.equal(order[step].reset, again[step].reset)


def test_growing_windows_double_in_stages_of_equal_length_and_read_as_much_a_step() -> None:
    symbols = torch.arange(1000)
    stages = [Lanes(symbols, 8, 4, 0), Lanes(symbols, 4, 8, 0), Lanes(symbols, 2, 16, 0)]
    order = GrowingLanes(stages, steps=10)
    shapes = [tuple(order[step].input.shape) for step in range(11)]
    assert shapes == [(4, 8)] * 4 + [(8, 4)] * 3 + [(16, 2)] * 4
    assert {order[step].units for step in range(10)} == {32} == {order.units_per_step}
    # Each stage begins afresh, then continues window by window.
    assert [order[step].fresh for step in range(10)] == [True, *[False] * 3, True, *[False] * 2, True, *[False] * 2]
    assert torch.equal(order[5].input, stages[1][1].input)
