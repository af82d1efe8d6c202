"""Cells against torch.nn, against numbers worked out by hand, and against themselves on the other path."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from lstmctl import registry
from lstmctl.cells.cell import Cell, State, Step, checked_options
from lstmctl.cells.kernels import kernel_used
from lstmctl.errors import ConfigError

RECURRENT = ["rnn", "lstm", "gru"]
ALL = [*RECURRENT, "feedforward"]


def make(name: str, inputs: int, hidden: int, dtype: torch.dtype = torch.float64, **options: object) -> Cell:
    cls = registry.resolve(name, registry.CELLS, Cell)
    cell = cls(inputs, hidden, checked_options(cls, options))
    cell.initialise(torch.Generator().manual_seed(1))
    # Biases start at zero or one; random ones show a swapped or dropped bias.
    for key, parameter in cell.named_parameters():
        if "bias" in key:
            parameter.data.uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(len(key)))
    return cell.to(dtype)


def state_of(cell: Cell, batch: int, dtype: torch.dtype = torch.float64) -> State:
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.randn(batch, cell.hidden, generator=generator, dtype=dtype) * 0.5 for _ in cell.states)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_stepwise_equals_fused_in_values_and_gradients(name: str, dtype: torch.dtype, tolerance: float) -> None:
    cell = make(name, 5, 7, dtype)
    input = torch.randn(11, 3, 5, generator=torch.Generator().manual_seed(2), dtype=dtype)
    results = []
    for path in (type(cell).sequence, Cell.sequence):
        fed, state = input.clone().requires_grad_(), tuple(s.clone().requires_grad_() for s in state_of(cell, 3, dtype))
        output, after = path(cell, fed, state)
        weight = torch.linspace(-1, 1, output.numel(), dtype=dtype).view_as(output)
        cell.zero_grad()
        ((output * weight).sum() + sum((part**2).sum() for part in after)).backward()
        gradients = [fed.grad, *(s.grad for s in state), *(p.grad.clone() for p in cell.parameters())]
        results.append([output, *after, *gradients])
    for fused, stepwise in zip(*results, strict=True):
        torch.testing.assert_close(fused, stepwise, rtol=tolerance, atol=tolerance)


def test_a_rectified_rnn_is_the_same_by_both_paths_in_values_and_gradients() -> None:
    cell = make("rnn", 5, 7, nonlinearity="relu")
    input = torch.randn(11, 3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    results = []
    for path in (type(cell).sequence, Cell.sequence):
        state = tuple(part.requires_grad_() for part in state_of(cell, 3))
        output, _ = path(cell, input, state)
        results.append([output, *torch.autograd.grad((output**2).sum(), [*state, *cell.parameters()])])
    for fused, stepwise in zip(*results, strict=True):
        torch.testing.assert_close(fused, stepwise, rtol=1e-12, atol=1e-12)


@pytest.mark.bfloat16
@pytest.mark.parametrize("name", RECURRENT)
def test_gradients_in_bfloat16_are_near_those_in_float64(name: str) -> None:
    """Each number is rounded to 8 bits, so a sum of many is off by a few hundredths of its size."""
    cell, exact = make(name, 16, 32, torch.float32), make(name, 16, 32, torch.float64)
    exact.load_state_dict({key: weight.double() for key, weight in cell.state_dict().items()})
    input = torch.randn(16, 4, 16, generator=torch.Generator().manual_seed(2))
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = cell.sequence(input, cell.initial_state(4, input))
    (output.float() ** 2).sum().backward()
    expected, _ = exact.sequence(input.double(), exact.initial_state(4, input.double()))
    (expected**2).sum().backward()
    for key, parameter in cell.named_parameters():
        theirs = exact.get_parameter(key).grad
        assert parameter.grad is not None
        assert theirs is not None
        assert (parameter.grad - theirs).norm() < 0.03 * theirs.norm(), key


@pytest.mark.bfloat16
@pytest.mark.parametrize("name", RECURRENT)
def test_stepwise_is_near_fused_in_bfloat16(name: str) -> None:
    """bfloat16 keeps 8 bits: a rounding is 2⁻⁸ relative, and 16 steps of states below 1 stay within a few of those."""
    cell = make(name, 16, 32, torch.float32)
    input = torch.randn(16, 4, 16, generator=torch.Generator().manual_seed(2))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        fused, _ = cell.sequence(input, cell.initial_state(4, input))
        stepwise, _ = Cell.sequence(cell, input, cell.initial_state(4, input))
    exact, _ = cell.sequence(input, cell.initial_state(4, input))
    torch.testing.assert_close(fused.float(), stepwise.float(), rtol=0, atol=0.04)
    torch.testing.assert_close(fused.float(), exact.detach(), rtol=0, atol=0.04)


@pytest.mark.parametrize(
    ("name", "precision", "kernel"),
    [
        ("lstm", "float32", "oneDNN"),
        ("lstm", "bfloat16", "oneDNN"),
        ("lstm", "float64", "stepwise"),
        ("gru", "float32", "unrolled"),
        ("rnn", "float32", "unrolled"),
        ("feedforward", "float32", "stepwise"),
    ],
)
def test_the_kernel_that_runs_is_the_one_named(name: str, precision: str, kernel: str) -> None:
    if precision == "bfloat16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bfloat16 kernel")
    dtype = torch.float64 if precision == "float64" else torch.float32
    cell = make(name, 4, 8, dtype)
    input = torch.randn(3, 2, 4, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        assert kernel_used(lambda: cell.sequence(input, cell.initial_state(2, input))) == kernel


@pytest.mark.parametrize(("name", "module"), [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_weights_copied_into_torch_give_the_same_numbers(name: str, module: type[nn.RNNBase]) -> None:
    cell = make(name, 5, 7)
    theirs = module(5, 7).double()
    theirs.load_state_dict({key.removeprefix("kernel."): value for key, value in cell.state_dict().items()})
    input = torch.randn(6, 2, 5, dtype=torch.float64)
    state = state_of(cell, 2)
    before = tuple(part.unsqueeze(0) for part in state)
    expected, _ = theirs(input, before if len(before) > 1 else before[0])
    output, _ = Cell.sequence(cell, input, state)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def scalar_cell(
    name: str, weights: list[float], recurrent: list[float], biases: list[float], more: list[float]
) -> Cell:
    cell = make(name, 1, 1)
    values = {"weight_ih_l0": weights, "weight_hh_l0": recurrent, "bias_ih_l0": biases, "bias_hh_l0": more}
    for key, value in values.items():
        parameter = getattr(cell.kernel, key)
        parameter.data = torch.tensor(value, dtype=torch.float64).view_as(parameter)
    return cell


def test_rnn_step_by_hand() -> None:
    cell = scalar_cell("rnn", [0.5], [-0.3], [0.1], [0.2])
    step = cell.step(cell.project(torch.tensor([[2.0]], dtype=torch.float64)), (torch.tensor([[0.4]]).double(),))
    assert step.output.item() == pytest.approx(math.tanh(0.5 * 2 + 0.1 - 0.3 * 0.4 + 0.2), rel=1e-7)


def test_lstm_step_by_hand() -> None:
    cell = scalar_cell(
        "lstm", [0.5, -0.4, 0.3, 0.2], [0.1, 0.2, -0.3, 0.4], [0.01, 0.02, 0.03, 0.04], [0.1, 1, 0, -0.1]
    )
    x, h, c = 2.0, 0.4, -0.7
    i = sigmoid(0.5 * x + 0.01 + 0.1 * h + 0.1)
    f = sigmoid(-0.4 * x + 0.02 + 0.2 * h + 1)
    g = math.tanh(0.3 * x + 0.03 - 0.3 * h)
    o = sigmoid(0.2 * x + 0.04 + 0.4 * h - 0.1)
    after = f * c + i * g
    state = (torch.tensor([[h]]).double(), torch.tensor([[c]]).double())
    step = cell.step(cell.project(torch.tensor([[x]]).double()), state)
    assert step.state[1].item() == pytest.approx(after, rel=1e-6)
    assert step.output.item() == pytest.approx(o * math.tanh(after), rel=1e-6)
    assert {gate: value.item() for gate, value in step.gates.items()} == pytest.approx({"i": i, "f": f, "g": g, "o": o})


def test_gru_step_by_hand() -> None:
    cell = scalar_cell("gru", [0.5, -0.4, 0.3], [0.1, 0.2, -0.3], [0.01, 0.02, 0.03], [0.1, 0.2, 0.5])
    x, h = 2.0, 0.4
    r = sigmoid(0.5 * x + 0.01 + 0.1 * h + 0.1)
    z = sigmoid(-0.4 * x + 0.02 + 0.2 * h + 0.2)
    n = math.tanh(0.3 * x + 0.03 + r * (-0.3 * h + 0.5))
    step = cell.step(cell.project(torch.tensor([[x]]).double()), (torch.tensor([[h]]).double(),))
    assert step.output.item() == pytest.approx((1 - z) * n + z * h, rel=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    cell = make(name, 2, 3)
    input = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)
    state = tuple(part.requires_grad_() for part in state_of(cell, 2))
    assert torch.autograd.gradcheck(lambda x, *s: cell.sequence(x, s)[0], (input, *state))


@pytest.mark.parametrize("name", ALL)
def test_a_masked_step_leaves_the_state_as_it_was(name: str) -> None:
    cell = make(name, 3, 4)
    input = torch.randn(6, 2, 3, dtype=torch.float64)
    state = state_of(cell, 2)
    mask = torch.tensor([[True, True]] * 4 + [[True, False]] * 2)
    _, after = cell.sequence(input, state, mask)
    _, whole = cell.sequence(input, state)
    _, short = cell.sequence(input[:4], state)
    for got, long, cut in zip(after, whole, short, strict=True):
        torch.testing.assert_close(got[0], long[0])
        torch.testing.assert_close(got[1], cut[1])


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_weights_start_orthogonal_and_the_forget_biases_sum_to_one(name: str) -> None:
    cls = registry.resolve(name, registry.CELLS, Cell)
    cell = cls(5, 8, checked_options(cls, {}))
    cell.initialise(torch.Generator().manual_seed(0))
    for gate in cell.recurrent_weight.split(8):
        torch.testing.assert_close(gate @ gate.t(), torch.eye(8), rtol=0, atol=1e-5)
    biases = cell.kernel.bias_ih_l0 + cell.kernel.bias_hh_l0
    expected = torch.zeros_like(biases)
    if name == "lstm":
        expected[8:16] = 1
    torch.testing.assert_close(biases, expected)


def test_initialisation_depends_on_the_generator_alone() -> None:
    first, second = make("lstm", 4, 6), make("lstm", 4, 6)
    torch.randn(10)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_recurrent_parameters_stand_one_to_three_to_four() -> None:
    counts = [sum(p.numel() for p in make(name, 5, 7).parameters()) for name in ("rnn", "gru", "lstm")]
    assert counts[1] == 3 * counts[0]
    assert counts[2] == 4 * counts[0]


def test_options_are_checked_by_the_cells_own_schema() -> None:
    assert make("rnn", 2, 2, nonlinearity="relu").activation is torch.relu
    with pytest.raises(ConfigError) as error:
        make("lstm", 2, 2, forget_bais=2.0)
    assert error.value.problems == [
        "model.options.forget_bais — extra inputs are not permitted; options of LSTM: forget_bias, longest_memory"
    ]


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_longest_memory_spreads_what_the_keeping_gate_starts_from(name: str) -> None:
    """Tallec & Ollivier 2018: with a bias log u, u uniform in 1 … T − 1, the gate keeps u/(1 + u) of what a unit holds
    at each step, which is a memory of 1 + u steps. In torch's order the keeping gate is the second of both cells."""
    cls = registry.resolve(name, registry.CELLS, Cell)
    cell = cls(3, 300, checked_options(cls, {"longest_memory": 500}))
    cell.initialise(torch.Generator().manual_seed(0))
    first, keeping, *others = (cell.kernel.bias_ih_l0 + cell.kernel.bias_hh_l0).detach().split(300)
    spread = keeping.exp()
    assert 1 <= spread.min() < 20
    assert 480 < spread.max() <= 499
    assert spread.mean().item() == pytest.approx(250, abs=5 * (498 / 12**0.5) / 300**0.5)
    gates = {"lstm": ("i", "f"), "gru": ("r", "z")}[name]
    assert cell.gates[:2] == gates
    torch.testing.assert_close(first, -keeping if name == "lstm" else torch.zeros(300))
    assert all(not bias.any() for bias in others)
    # An input of zeros from a zero state opens the gate as its bias says.
    step = cell.step(cell.project(torch.zeros(1, 3)), cell.initial_state(1, torch.zeros(1)))
    torch.testing.assert_close(step.gates[gates[1]][0].detach(), spread / (1 + spread))


def test_a_longest_memory_takes_the_place_of_the_forget_bias() -> None:
    with pytest.raises(ConfigError) as error:
        make("lstm", 2, 2, forget_bias=2.0, longest_memory=100)
    assert error.value.problems == [
        "model.options.longest_memory — value error, cannot be combined with forget_bias; set only one of them; "
        "options of LSTM: forget_bias, longest_memory"
    ]
    with pytest.raises(
        ConfigError, match=r"model\.options\.longest_memory — input should be greater than or equal to 3"
    ):
        make("gru", 2, 2, longest_memory=2)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "mingru", "lru"])
def test_a_subclass_of_a_cell_is_computed_by_its_own_step(name: str) -> None:
    parent = registry.resolve(name, registry.CELLS, Cell)

    class Twice(parent):  # type: ignore[misc, valid-type]
        def step(self, projected: Tensor, state: State) -> Step:
            output, after, gates = super().step(projected, state)
            return Step(2 * output, after, gates)

    class Again(Twice):
        """Inherits the step of a subclass."""

    input = torch.randn(9, 3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    plain = make(name, 5, 7)
    expected = 2 * Cell.sequence(plain, input, state_of(plain, 3))[0]
    for subclass in (Twice, Again):
        cell = subclass(5, 7, checked_options(subclass, {})).to(torch.float64)
        cell.load_state_dict(plain.state_dict())
        torch.testing.assert_close(cell.sequence(input, state_of(cell, 3))[0], expected)
        advance = cell.stepper(3, torch.float32)
        torch.testing.assert_close(advance(input[0], state_of(cell, 3))[0], expected[0])
        assert cell.path == "stepwise"


def test_a_subclass_that_only_starts_differently_keeps_the_kernel() -> None:
    parent = registry.resolve("lstm", registry.CELLS, Cell)

    class Small(parent):  # type: ignore[misc, valid-type]
        def initialise(self, generator: torch.Generator) -> None:
            super().initialise(generator)

    class Plain(parent):  # type: ignore[misc, valid-type]
        pass

    assert Small.sequence is Plain.sequence is parent.sequence
