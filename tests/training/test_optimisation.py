"""Schedules by hand, clipping against torch's own, the running average against its definition."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from lstmctl.config.schema import Training
from lstmctl.training.adamw import MOMENTS, AdamW
from lstmctl.training.optimisation import WeightAverage, averaged, build_optimizer, clip_gradients, learning_rate

EXPECTED = {
    # schedule, final_fraction: rates of steps 0-8 of 8, with a peak of 8 and 2 steps of warm-up; step 8 is the end
    ("constant", 0.0): [4, 8, 8, 8, 8, 8, 8, 8, 8],
    ("constant", 0.25): [4, 8, 8, 8, 8, 8, 8, 8, 8],
    ("linear", 0.0): [4, 8, 8, 8 * 5 / 6, 8 * 4 / 6, 4, 8 * 2 / 6, 8 / 6, 0],
    ("linear", 0.25): [4, 8, 8, 7, 6, 5, 4, 3, 2],
    ("cosine", 0.0): [4, 8, *(4 + 4 * math.cos(math.pi * k / 6) for k in range(7))],
    ("cosine", 0.5): [4, 8, *(6 + 2 * math.cos(math.pi * k / 6) for k in range(7))],
}


@pytest.mark.parametrize(("schedule", "final_fraction"), EXPECTED)
def test_rates_by_hand(schedule: str, final_fraction: float) -> None:
    settings = Training(learning_rate=8.0, warm_up=2, schedule=schedule, final_fraction=final_fraction)
    rates = [learning_rate(settings, step, 8) for step in range(9)]
    assert rates == pytest.approx(EXPECTED[schedule, final_fraction], abs=1e-12)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("steps", [1, 7, 400])
@pytest.mark.parametrize("warm_up", [0, 3])
def test_a_schedule_ends_exactly_with_the_budget(schedule: str, steps: int, warm_up: int) -> None:
    settings = Training(learning_rate=0.5, warm_up=warm_up, schedule=schedule, final_fraction=0.1)
    rates = [learning_rate(settings, step, steps) for step in range(steps)]
    assert max(rates) == pytest.approx(0.5)
    assert all(later <= earlier for earlier, later in zip(rates[warm_up:], rates[warm_up + 1 :], strict=False))
    assert all(rate > 0.05 for rate in rates)
    if steps > warm_up:
        assert learning_rate(settings, steps, steps) == pytest.approx(0.05)


def test_a_warm_up_longer_than_the_budget_reaches_the_peak() -> None:
    settings = Training(learning_rate=1.0, warm_up=100)
    assert [learning_rate(settings, step, 4) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("largest", [0.001, 1.0, 1000.0, None])
def test_clipping_is_torchs_own(largest: float | None) -> None:
    torch.manual_seed(1)
    ours, theirs = nn.LSTM(3, 5), nn.LSTM(3, 5)
    theirs.load_state_dict(ours.state_dict())
    for module in (ours, theirs):
        (module(torch.ones(4, 2, 3))[0].sum() * 10).backward()
    ours.bias_hh_l0.grad = theirs.bias_hh_l0.grad = None  # a weight without a gradient is passed over
    expected = nn.utils.clip_grad_norm_(theirs.parameters(), math.inf if largest is None else largest)
    norm = clip_gradients(list(ours.parameters()), largest)
    assert torch.equal(norm, expected)
    assert 1.0 < float(norm) < 1000.0  # so that one limit binds and another does not
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        assert a.grad is None or torch.equal(a.grad, b.grad)


def test_a_running_average_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(10.0)
    average = WeightAverage(model, 0.15)
    expected = 10.0
    for count, weight in enumerate((20.0, -4.0, 7.0, 1.0)):
        model.weight.data.fill_(weight)
        average.update()
        decay = min(0.15, (1 + count) / (10 + count))  # 1/10, then 0.15: 2/11 is more
        expected = decay * expected + (1 - decay) * weight
        assert float(average.weights["weight"]) == pytest.approx(expected, rel=1e-6)
    assert average.updates == 4


def test_a_model_has_its_own_weights_again_after_the_average() -> None:
    model = nn.Linear(2, 2)
    average = WeightAverage(model, 0.9)
    model.weight.data.fill_(3.0)
    with averaged(model, average):
        assert torch.equal(model.weight, average.weights["weight"])
    assert bool((model.weight == 3.0).all())
    with pytest.raises(RuntimeError), averaged(model, average):
        model(torch.ones(1, 5))  # of the wrong width
    assert bool((model.weight == 3.0).all())
    assert not bool((average.weights["weight"] == 3.0).any())
    with averaged(model, None):
        assert bool((model.weight == 3.0).all())


@pytest.mark.parametrize("name", ["adamw", "soap", "adam", "sgd", "rmsprop"])
def test_matrices_decay_and_biases_do_not(name: str) -> None:
    model = nn.Linear(3, 2)
    optimizer = build_optimizer(model, Training(optimizer=name, weight_decay=0.1, learning_rate=0.5, betas=(0.8, 0.95)))
    groups = [(group["weight_decay"], [p.dim() for p in group["params"]]) for group in optimizer.param_groups]
    assert groups == [(0.1, [2]), (0.0, [1])]
    assert type(optimizer).__name__.lower() == name
    assert all(group["lr"] == 0.5 for group in optimizer.param_groups)
    if name in ("adamw", "soap", "adam"):
        assert optimizer.param_groups[0]["betas"] == (0.8, 0.95)
    else:
        assert optimizer.param_groups[0]["momentum"] == 0.9


def _made(seed: int) -> tuple[nn.Module, AdamW, nn.Module, torch.optim.AdamW]:
    """Two copies of a network, one for our AdamW and one for torch's, with matrices that decay."""
    torch.manual_seed(seed)
    ours, theirs = nn.LSTM(3, 5), nn.LSTM(3, 5)
    theirs.load_state_dict(ours.state_dict())
    settings = Training(weight_decay=0.3, learning_rate=0.02)
    built = build_optimizer(ours, settings)
    assert isinstance(built, AdamW)
    matrices = [weight for weight in theirs.parameters() if weight.dim() >= 2]
    others = [weight for weight in theirs.parameters() if weight.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.3}, {"params": others, "weight_decay": 0.0}]
    return ours, built, theirs, torch.optim.AdamW(groups, lr=0.02, betas=settings.betas, fused=True)


def _both_step(ours: nn.Module, our: AdamW, theirs: nn.Module, their: torch.optim.AdamW, number: int) -> None:
    input = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(number))
    for module, optimizer in ((ours, our), (theirs, their)):
        module(input)[0].square().sum().backward()
        if number == 2:
            module.bias_hh_l0.grad = None  # passed over
        for group in optimizer.param_groups:
            group["lr"] = 0.02 / (1 + number)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def test_adamw_is_torchs_to_the_bit_and_continues_from_its_state() -> None:
    made = ours, our, theirs, their = _made(0)
    for number in range(4):
        _both_step(*made, number)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    again, fresh, _, _ = _made(1)
    again.load_state_dict(theirs.state_dict())
    fresh.load_state_dict(their.state_dict())
    _both_step(again, fresh, theirs, their, 5)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), theirs.parameters(), strict=True))
    their.load_state_dict({"state": our.state_dict()["state"], "param_groups": their.state_dict()["param_groups"]})


def test_the_state_of_other_weights_is_refused() -> None:
    _, our, _, _ = _made(0)
    with pytest.raises(ValueError, match="weight 0 does not fit"):
        our.load_state_dict({"state": {0: {"step": torch.ones(()), **dict.fromkeys(MOMENTS, torch.zeros(2, 2))}}})
    with pytest.raises(ValueError, match="weight 9 does not fit"):
        our.load_state_dict({"state": {9: {}}})
    with pytest.raises(ValueError, match="weight 0 does not fit"):
        our.load_state_dict({"state": {0: {"momentum_buffer": torch.zeros(20, 3)}}})


def test_training_does_not_import_the_compiler() -> None:
    program = """
import sys, torch
from lstmctl.cells.kernels import kernel_used
from lstmctl.config.schema import Training
from lstmctl.training.optimisation import build_optimizer, clip_gradients
model = torch.nn.LSTM(3, 4)
assert kernel_used(lambda: model(torch.zeros(2, 1, 3))) == "oneDNN" or not torch.backends.mkldnn.is_available()
optimizer = build_optimizer(model, Training())
model(torch.zeros(2, 1, 3))[0].sum().backward()
clip_gradients(list(model.parameters()), 1.0)
optimizer.step()
print("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"
