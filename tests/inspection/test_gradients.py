"""Gradients back in time, against numbers worked out by hand and against the textbook's recursion."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lstmctl.cells.cell import Cell
from lstmctl.cells.lstm import LSTM, LSTMOptions
from lstmctl.cells.rnn import RNN, RNNOptions
from lstmctl.errors import UsageError
from lstmctl.inspection import inspect_gradients
from lstmctl.inspection.gradients import _course, fitted_rate, gradient_norms
from lstmctl.inspection.trace import Place
from lstmctl.models.recurrence import Recurrence
from lstmctl.protocols import ModelState
from lstmctl.results.inspection import GradientCourse
from tests.inspection.conftest import Runs


def stack(cell: Cell) -> Recurrence:
    return Recurrence(lambda _: cell, cell.inputs, 1).double()


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_gradient_worked_out_by_hand() -> None:
    """Two units, two steps, W = I, no biases, U = [[½, −1], [¼, 0]], x₁ = (0.3, 0), x₂ = (0, −0.2), h₀ = 0.

    h₁ = (tanh 0.3, 0) = (0.2913126, 0)
    U h₁ = (0.1456563, 0.0728282), so h₂ = (tanh 0.1456563, tanh(−0.1271718)) = (0.1446349, −0.1264907)
    The loss is the first of h₂: ∂loss/∂h₂ = (1, 0), of norm 1.
    ∂loss/∂h₁ = Uᵀ ((1 − h₂²) ⊙ (1, 0)) = (1 − 0.1446349²) · (½, −1) = 0.9790807 · (½, −1), of norm 1.0946456.
    """
    cell = RNN(2, 2, RNNOptions())
    recurrence = stack(cell)
    cell.initialise(torch.Generator())
    with torch.no_grad():
        cell.kernel.weight_ih_l0.copy_(torch.eye(2))  # type: ignore[operator]
        cell.recurrent_weight.copy_(torch.tensor([[0.5, -1.0], [0.25, 0.0]]))
    input = torch.tensor([[[0.3, 0.0]], [[0.0, -0.2]]], dtype=torch.float64)
    found = gradient_norms(recurrence, input, lambda outputs, state: outputs[-1, :, 0], 1)
    assert list(found) == [Place(0, "hidden")]
    assert found[Place(0, "hidden")][:, 0].tolist() == pytest.approx([1.0, 1.0946456], abs=1e-7)


def test_an_lstm_follows_back_propagation_through_time_as_in_textbooks() -> None:
    """δc_t = δh_t ⊙ o_t ⊙ (1 − tanh² c_t) + f_{t+1} ⊙ δc_{t+1}, and δh_t = Uᵀ (what the gates of t + 1 pass on)."""
    cell = LSTM(3, 4, LSTMOptions())
    recurrence = stack(cell)
    recurrence.initialise(torch.Generator().manual_seed(1))
    input, upstream = random(6, 1, 3), random(1, 4, seed=2)
    found = gradient_norms(recurrence, input, lambda outputs, state: (outputs[-1] * upstream).sum(-1), 5)

    state: tuple[Tensor, ...] = (torch.zeros(1, 4).double(), torch.zeros(1, 4).double())
    cells, gates = [state[1]], []
    with torch.no_grad():
        for moment in cell.project(input):
            step = cell.step(moment, state)
            state = step.state
            cells.append(state[1])
            gates.append(step.gates)
    hidden_gradient, passed = upstream, torch.zeros(1, 4).double()
    for k, time in enumerate(range(5, -1, -1)):
        now, squashed = gates[time], torch.tanh(cells[time + 1])
        cell_gradient = hidden_gradient * now["o"] * (1 - squashed**2) + passed
        assert float(found[Place(0, "hidden")][k, 0]) == pytest.approx(float(hidden_gradient.norm()), rel=1e-12)
        assert float(found[Place(0, "cell")][k, 0]) == pytest.approx(float(cell_gradient.norm()), rel=1e-12)
        before = [
            cell_gradient * now["g"] * now["i"] * (1 - now["i"]),
            cell_gradient * cells[time] * now["f"] * (1 - now["f"]),
            cell_gradient * now["i"] * (1 - now["g"] ** 2),
            hidden_gradient * squashed * now["o"] * (1 - now["o"]),
        ]
        hidden_gradient = torch.cat(before, dim=-1) @ cell.recurrent_weight.detach()
        passed = cell_gradient * now["f"]


def test_lanes_do_not_touch_each_other_and_what_comes_before_is_only_read() -> None:
    recurrence = stack(LSTM(3, 4, LSTMOptions()))
    recurrence.initialise(torch.Generator().manual_seed(1))
    input = random(9, 5, 3)

    def loss(outputs: Tensor, state: ModelState) -> Tensor:
        return outputs[-1].square().sum(-1) + state[0][1].sum(-1)

    together = gradient_norms(recurrence, input, loss, 3)
    whole = gradient_norms(recurrence, input, loss, 8)
    for place, norms in together.items():
        assert norms.shape == (4, 5)
        torch.testing.assert_close(norms, whole[place][:4], rtol=1e-12, atol=0)
        for lane in range(5):
            alone = gradient_norms(recurrence, input[:, lane : lane + 1], loss, 3)[place]
            torch.testing.assert_close(norms[:, lane : lane + 1], alone, rtol=1e-12, atol=0)


@pytest.mark.parametrize("told_at", [None, 4])
def test_each_direction_is_followed_against_its_own_reading(told_at: int | None) -> None:
    both = Recurrence(lambda inputs: LSTM(inputs, 4, LSTMOptions()), 3, 1, bidirectional=True).double()
    both.initialise(torch.Generator().manual_seed(1))
    input, upstream = random(9, 2, 3), random(2, 8, seed=2)
    lengths = torch.full((2,), 9)

    def loss(outputs: Tensor, state: ModelState) -> Tensor:
        told = both.summary(outputs, lengths) if told_at is None else outputs[told_at]
        return (told * upstream).sum(-1)

    steps = 8 if told_at is None else 4
    found = gradient_norms(both, input, loss, steps, told_at)
    assert {place.direction for place in found} == {"forward", "backward"}
    # Each direction alone, on what it has read when the loss takes its output.
    end = len(input) if told_at is None else told_at + 1
    alone = {
        "forward": (both.forward_cells[0], input[:end], upstream[:, :4]),
        "backward": (both.backward_cells[0], input[told_at or 0 :].flip(0), upstream[:, 4:]),
    }
    for place, norms in found.items():
        assert place.direction is not None
        cell, own, weights = alone[place.direction]
        assert isinstance(cell, Cell)
        expected = gradient_norms(
            stack(cell), own, lambda outputs, _, weights=weights: (outputs[-1] * weights).sum(-1), steps
        )
        torch.testing.assert_close(norms, expected[Place(0, place.state)], rtol=1e-12, atol=0)


def test_a_norm_is_not_lost_where_its_square_is_zero() -> None:
    cell = RNN(1, 2, RNNOptions())
    recurrence = stack(cell)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.recurrent_weight.copy_(1e-20 * torch.eye(2))
    found = gradient_norms(recurrence, torch.zeros(11, 1, 1).double(), lambda outputs, _: outputs[-1, :, 0], 10)
    assert found[Place(0, "hidden")][:, 0].tolist() == pytest.approx([10.0 ** (-20 * k) for k in range(11)], rel=1e-9)


def test_the_rate_of_a_course() -> None:
    assert fitted_rate([3 * 0.5**k for k in range(20)]) == pytest.approx(0.5)
    assert fitted_rate([1.0, 0.0, 4.0]) == pytest.approx(2.0)  # what is zero is left out
    assert fitted_rate([1.0]) is None
    assert fitted_rate([0.0, 0.0]) is None
    assert _course(Place(0, "hidden", ""), torch.zeros(3, 5).double()).norms == (0.0, 0.0, 0.0)
    fading, growing, flat, none = (GradientCourse(1, "hidden", (), (), (), rate) for rate in (0.5, 2.0, 1.0, None))
    assert (fading.half_life, fading.doubling_time) == (pytest.approx(1.0), None)
    assert (growing.half_life, growing.doubling_time) == (None, pytest.approx(1.0))
    assert (flat.half_life, flat.doubling_time, none.half_life, none.doubling_time) == (None,) * 4
    assert GradientCourse(1, "cell", (), (), (), math.exp(-0.1)).half_life == pytest.approx(6.9314718)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "my_cell:Leaky"])
def test_a_run_is_followed_back_in_time(cell: str, runs: Runs) -> None:
    run = runs(cell)
    found = inspect_gradients(run, steps=20, positions=7)
    states = ("hidden", "cell") if cell == "lstm" else ("hidden",)
    assert [(one.layer, one.state) for one in found.courses] == [(layer, name) for layer in (1, 2) for name in states]
    assert (found.positions, found.steps, found.window, found.weights) == (7, 20, 16, "trained")
    assert (found.about.run, found.about.source) == (str(run.path), "the test part")
    for one in found.courses:
        assert len(one.norms) == len(one.low) == len(one.high) == 21
        assert all(low <= high for low, high in zip(one.low, one.high, strict=True))
        assert one.rate == fitted_rate(list(one.norms))
    assert found == inspect_gradients(run, steps=20, positions=7)
    initial = inspect_gradients(run, steps=20, positions=7, initial=True)
    assert initial.weights == "initial"
    assert initial.courses[0].norms != found.courses[0].norms


def test_the_loss_that_is_followed_is_the_one_that_is_trained_on(runs: Runs) -> None:
    run = runs("gru")
    part = run.task.part(run.corpus(), "test", run.device)
    shown = run.task.inspection_input(run.model, part, steps=12, lanes=4)
    output, state = shown.recurrence(shown.input, shown.recurrence.initial_state(4, shown.input))
    starts = torch.linspace(0, len(part) - 13, 4).long()
    logits, _ = run.model(part[starts + torch.arange(12).unsqueeze(1)].long(), run.model.initial_state(4))  # type: ignore[operator]
    expected = functional.cross_entropy(logits[-1], part[starts + 12].long(), reduction="none")
    torch.testing.assert_close(shown.loss(output, state), expected)


def test_windows_end_where_those_of_the_task_do(runs: Runs) -> None:
    found = inspect_gradients(runs("lstm", "many-to-one"), steps=40, positions=8)
    assert (found.steps, found.window) == (15, None)
    assert found.positions == 8 * 81 // 16
    assert found.notes == ("Inputs of this task have 16 steps, so k ends at 15.",)


def test_what_carries_nothing_has_no_gradient_back_in_time(runs: Runs) -> None:
    found = inspect_gradients(runs("feedforward"), steps=5)
    assert found.courses == ()
    assert "carries no state" in found.notes[0]


def test_wishes_that_cannot_be_are_refused(runs: Runs) -> None:
    for wish in ({"steps": 0}, {"positions": 0}):
        with pytest.raises(UsageError, match="must be 1 or more, not 0"):
            inspect_gradients(runs("rnn"), **wish)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"no best part; it has training, validation, test"):
        inspect_gradients(runs("rnn"), split="best")
