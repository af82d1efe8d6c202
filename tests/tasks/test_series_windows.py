"""Windows of series: each is where it should be, and none is lost."""

from __future__ import annotations

import pytest
import torch

from lstmctl.seeds import stream
from lstmctl.tasks import series_windows
from lstmctl.tasks.series_windows import SeriesPart, ShuffledOrigins, places, windows_first


def part(lookback: int = 3, horizon: int = 2) -> SeriesPart:
    """Two series of ten and eight rows; the part is rows 4 to 10 of one and 2 to 8 of the other."""
    values = torch.arange(18.0).unsqueeze(1)
    return SeriesPart(
        values=values,
        past=values * 10,
        known=values * 100,
        static=torch.tensor([[1.0], [2.0]]),
        begins=torch.tensor([0, 10]),
        rows=torch.tensor([[4, 10], [12, 18]]),
        places=torch.tensor([5, 3]),
        lookback=lookback,
        horizon=horizon,
    )


def test_labels_stay_in_the_part_and_inputs_reach_back() -> None:
    own = part()
    # The first may begin at row 4 with rows 1 to 3 before it; the other needs three rows of its own series, from row 10
    # on.
    assert own.first.tolist() == [4, 13]
    assert own.counts.tolist() == [5, 4]
    assert len(own) == 9
    origins, series = own.origins(torch.arange(9))
    assert origins.tolist() == [4, 5, 6, 7, 8, 13, 14, 15, 16]
    assert series.tolist() == [0] * 5 + [1] * 4


def test_a_window_holds_its_rows() -> None:
    batch = part().windows(torch.tensor([1, 8]))
    assert batch.input[..., 0].T.tolist() == [[2, 3, 4], [13, 14, 15]]
    assert batch.target[..., 0].T.tolist() == [[5, 6], [16, 17]]
    assert batch.past is not None
    assert batch.past[..., 0].T.tolist() == [[20, 30, 40], [130, 140, 150]]
    assert batch.known is not None
    assert batch.known[..., 0].T.tolist() == [[200, 300, 400, 500, 600], [1300, 1400, 1500, 1600, 1700]]
    assert batch.static is not None
    assert batch.static.tolist() == [[[1], [2]]]
    assert batch.series is not None
    assert batch.series.tolist() == [5, 3]  # as the run knows them
    assert batch.units == batch.lanes == 2
    second = batch.part(1, 2)
    assert second.input[..., 0].T.tolist() == [[13, 14, 15]]
    assert second.units == 1


def test_all_windows_are_scored_in_order() -> None:
    found = torch.cat([batch.target[0, :, 0] for batch in part().scored()])
    assert found.tolist() == [4, 5, 6, 7, 8, 13, 14, 15, 16]
    spread = torch.cat([batch.target[0, :, 0] for batch in part().scored(3)])
    assert spread.tolist() == [4, 7, 14]


def test_halves_share_no_label() -> None:
    first, second = part().half(0), part().half(1)
    rows = [set(torch.cat([b.target.flatten() for b in half.scored()]).tolist()) for half in (first, second)]
    assert rows[0] == {4, 5, 6, 13, 14}
    assert rows[1] == {7, 8, 9, 15, 16, 17}


def test_a_series_too_short_has_no_window() -> None:
    own = part(lookback=9)
    assert own.counts.tolist() == [0, 0]
    assert part(lookback=8).counts.tolist() == [1, 0]


def test_every_window_comes_once_an_epoch_without_a_break() -> None:
    order = ShuffledOrigins(part(), batch=4, seed=3)
    assert order.units_per_step == 4
    seen = torch.cat([order[step].target[0, :, 0] for step in range(9)]).tolist()  # four epochs of nine windows
    everything = [4, 5, 6, 7, 8, 13, 14, 15, 16]
    epochs = [seen[start : start + 9] for start in range(0, 36, 9)]
    assert all(sorted(epoch) == everything for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_order_is_a_function_of_the_step_and_the_seed() -> None:
    one, other = ShuffledOrigins(part(), batch=4, seed=3), ShuffledOrigins(part(), batch=4, seed=3)
    for _ in range(5):
        other[7]
    assert torch.equal(one[7].target, other[7].target)
    assert not torch.equal(one[7].target, ShuffledOrigins(part(), batch=4, seed=4)[7].target)


def test_a_batch_may_hold_more_than_an_epoch() -> None:
    order = ShuffledOrigins(part(), batch=20, seed=0)
    assert order.steps_per_epoch == 1
    assert order[0].lanes == 20


def test_windows_first_turns_the_axes() -> None:
    assert windows_first(torch.zeros(4, 3, 2)).shape == (3, 4, 2)


def test_a_table_with_some_of_the_series_has_their_places() -> None:
    assert places(("c", "a"), ("a", "b", "c")).tolist() == [2, 0]


def test_a_very_long_part_is_shuffled_without_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    own = part()
    drawn = [torch.randperm(9, generator=torch.Generator().manual_seed(stream(3, "order", epoch))) for epoch in (0, 1)]
    order = ShuffledOrigins(own, 3, seed=3)
    batches = [order[step].target[0, :, 0].tolist() for step in range(6)]
    expected = torch.cat([own.windows(numbers).target[0, :, 0] for numbers in drawn])
    assert [value for batch in batches for value in batch] == expected.tolist()  # as a list of int64 gave it
    monkeypatch.setattr(series_windows, "MOST_DRAWN", 8)
    computed = ShuffledOrigins(own, 3, seed=3)
    epoch = torch.cat([computed[step].target[0, :, 0] for step in range(3)])
    assert sorted(epoch.tolist()) == [4, 5, 6, 7, 8, 13, 14, 15, 16]
    assert epoch.tolist() != sorted(epoch.tolist())
