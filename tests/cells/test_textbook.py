"""Textbook statements about the three cells, checked numerically."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lstmctl.cells.gru import GRU
from lstmctl.cells.lstm import LSTM, LSTMOptions
from lstmctl.cells.rnn import RNN, RNNOptions

SATURATED = 200.0
"""A pre-activation at which the sigmoid is exactly 1 in float32, and exactly 0 at its negative."""


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def lstm_with(**gates: float) -> LSTM:
    """An LSTM with random weights, and gates (i, f, g, o) that a bias holds where it is wanted."""
    cell = LSTM(3, 5, LSTMOptions())
    cell.initialise(torch.Generator().manual_seed(1))
    with torch.no_grad():
        for name, bias in zip(LSTM.gates, cell.recurrent_bias.chunk(4), strict=True):
            if name in gates:
                bias.fill_(gates[name])
    return cell


@torch.no_grad()
def test_a_shut_forget_gate_replaces_what_was_held() -> None:
    cell = lstm_with(f=-SATURATED)
    step = cell.step(cell.project(random(4, 3)), (random(4, 5, seed=1), random(4, 5, seed=2)))
    assert torch.equal(step.gates["f"], torch.zeros(4, 5))
    assert torch.equal(step.state[1], step.gates["i"] * step.gates["g"])
    assert step.state[1].abs().min() > 0


@torch.no_grad()
def test_a_shut_input_gate_writes_nothing() -> None:
    cell = lstm_with(i=-SATURATED)
    held = random(4, 5, seed=2)
    step = cell.step(cell.project(random(4, 3)), (random(4, 5, seed=1), held))
    assert torch.equal(step.gates["i"], torch.zeros(4, 5))
    assert torch.equal(step.state[1], step.gates["f"] * held)
    assert not torch.equal(step.state[1], held)


@torch.no_grad()
@pytest.mark.parametrize("path", ["stepwise", "fused"])
def test_an_open_forget_gate_keeps_a_value_bit_for_bit_over_a_thousand_steps(path: str) -> None:
    cell = lstm_with(f=SATURATED, i=-SATURATED)
    input, held = random(1000, 4, 3), random(4, 5, seed=2)
    state = (random(4, 5, seed=1), held)
    if path == "fused":
        _, after = cell.sequence(input, state)
    else:
        projected = cell.project(input)
        after = state
        for moment in projected:
            after = cell.step(moment, after).state
    assert torch.equal(after[1], held)
    assert not torch.equal(after[0], state[0])


@torch.no_grad()
def test_an_open_update_gate_keeps_the_state_of_a_gru_bit_for_bit() -> None:
    cell = GRU(3, 5, GRU.Options())
    cell.initialise(torch.Generator().manual_seed(1))
    cell.recurrent_bias.chunk(3)[1].fill_(SATURATED)
    held = random(4, 5, seed=2)
    state: tuple[Tensor, ...] = (held,)
    for moment in cell.project(random(1000, 4, 3)):
        state = cell.step(moment, state).state
    assert torch.equal(state[0], held)


@torch.no_grad()
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_gates_are_shares_and_candidates_lie_between_minus_one_and_one(kind: str, scale: float) -> None:
    cell = LSTM(3, 5, LSTMOptions()) if kind == "lstm" else GRU(3, 5, GRU.Options())
    cell.initialise(torch.Generator().manual_seed(1))
    state = tuple(scale * random(64, 5, seed=number) for number, _ in enumerate(cell.states, 1))
    gates = cell.step(cell.project(scale * random(64, 3)), state).gates
    assert tuple(gates) == cell.gates
    for name, gate in gates.items():
        low = -1 if name in ("g", "n") else 0
        assert gate.min() >= low
        assert gate.max() <= 1
        assert gate.max() > gate.min()


def vanilla(hidden: int, recurrent: Tensor) -> RNN:
    cell = RNN(3, hidden, RNNOptions()).double()
    cell.initialise(torch.Generator().manual_seed(1))
    with torch.no_grad():
        cell.recurrent_weight.copy_(recurrent)
    return cell


def run(cell: RNN, input: Tensor, hidden: Tensor) -> list[Tensor]:
    """The state after each step, the one before the first step first."""
    states = [hidden]
    for moment in cell.project(input):
        states.append(cell.step(moment, (states[-1],)).state[0])
    return states


def test_the_gradient_of_a_vanilla_network_is_the_product_of_its_jacobians() -> None:
    recurrent = 0.4 * random(6, 6, seed=3, dtype=torch.float64)
    cell = vanilla(6, recurrent)
    start = random(1, 6, seed=4, dtype=torch.float64).requires_grad_()
    states = run(cell, random(20, 1, 3, dtype=torch.float64), start)
    measured = torch.stack(
        [torch.autograd.grad(states[-1][0, unit], start, retain_graph=True)[0][0] for unit in range(6)]
    )
    product = torch.eye(6, dtype=torch.float64)
    for state in reversed(states[1:]):  # the gradient of the last state, one step further back each time
        product = recurrent.t() @ torch.diag(1 - state[0].detach() ** 2) @ product
    assert measured.abs().max() > 1e-6
    torch.testing.assert_close(measured.t(), product, rtol=1e-12, atol=1e-12 * float(product.abs().max()))


@pytest.mark.parametrize("radius", [0.9, 1.1])
def test_around_zero_the_spectral_radius_is_the_rate_in_the_long_run(radius: float) -> None:
    """Gelfand: ‖Uᵏ‖^(1/k) tends to the spectral radius; within k = 2,000 it is there to a fifth of a per cent."""
    recurrent = random(6, 6, seed=3, dtype=torch.float64)
    recurrent = recurrent * radius / torch.linalg.eigvals(recurrent).abs().max()
    cell = vanilla(6, recurrent)
    start = torch.zeros(1, 6, dtype=torch.float64, requires_grad=True)
    steps = 2000
    last = run(cell, torch.zeros(steps, 1, 3, dtype=torch.float64), start)[-1]
    assert torch.equal(last, torch.zeros_like(last))
    (gradient,) = torch.autograd.grad(last[0] @ random(6, seed=5, dtype=torch.float64), start)
    assert float(gradient.norm()) ** (1 / steps) == pytest.approx(radius, rel=2e-3)


def test_singular_values_bound_the_gradient_where_the_spectral_radius_is_only_its_limit() -> None:
    recurrent = torch.tensor([[0.5, 3.0], [0.0, 0.5]], dtype=torch.float64)  # far from normal: radius 0.5
    smallest, largest = torch.linalg.svdvals(recurrent).flip(0).tolist()
    cell = vanilla(2, recurrent)
    for input, touches in ((torch.zeros(8, 1, 3), True), (random(8, 1, 3), False)):
        start = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
        states = run(cell, input.double(), start)
        for steps, state in enumerate(states[1:], 1):
            upstream = torch.tensor([1.0, 0.0], dtype=torch.float64)
            (gradient,) = torch.autograd.grad(state[0] @ upstream, start, retain_graph=True)
            assert float(gradient.norm()) <= largest**steps * (1 + 1e-12)
            if touches:  # tanh' is 1 at 0 and below 1 elsewhere, so there is no lower bound if units saturate
                assert float(gradient.norm()) >= smallest**steps * (1 - 1e-12)
        if touches:  # it grows at first, although the radius says that it fades
            (gradient,) = torch.autograd.grad(states[1][0, 0], start, retain_graph=True)
            assert float(gradient.norm()) > 3


def test_recurrent_parameters_stand_one_to_three_to_four() -> None:
    vanilla, gru, lstm = RNN(7, 11, RNNOptions()), GRU(7, 11, GRU.Options()), LSTM(7, 11, LSTMOptions())
    assert [cell.recurrent_weight.numel() for cell in (vanilla, gru, lstm)] == [121, 3 * 121, 4 * 121]
    counts = [sum(parameter.numel() for parameter in cell.parameters()) for cell in (vanilla, gru, lstm)]
    assert counts == [counts[0], 3 * counts[0], 4 * counts[0]]
    assert counts[0] == 11 * (7 + 11 + 2)
