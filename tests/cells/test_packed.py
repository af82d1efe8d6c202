"""Products with packed weights, and the rounding errors of those in 8 bits."""

from __future__ import annotations

import pytest
import torch

from lstmctl.cells.cell import Cell, checked_options
from lstmctl.cells.packed import PackedLinear, QuantisedLinear, available, has_kernels, packed_linear
from lstmctl.models.conditional_model import ConditionalModel
from lstmctl.models.recurrence import Recurrence
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.registry import CELLS, resolve
from tests.some_cells import SOME

INT8 = pytest.mark.skipif(not has_kernels(torch.int8), reason="torch has no int8 kernels for this processor")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@INT8
@pytest.mark.parametrize("rows", [1, 5])
def test_eight_bits_are_off_by_no_more_than_their_rounding(rows: int) -> None:
    weight, bias = torch.randn(96, 64, generator=seeded(0)), torch.randn(96, generator=seeded(1))
    weight *= torch.logspace(-3, 2, 96).unsqueeze(1)  # each output's weights have their own scale
    input = torch.randn(rows, 64, generator=seeded(2))
    weight_step = weight.abs().amax(dim=1) / 127
    input_step = (input.max() - input.min()) / 127
    exact, product = input @ weight.t() + bias, QuantisedLinear(weight, bias)(input)
    by_weights = input.abs().sum(dim=1, keepdim=True) * weight_step / 2
    by_inputs = weight.abs().sum(dim=1) * input_step
    error = (product - exact).abs()
    assert (error <= 1.01 * (by_weights + by_inputs)).all()
    assert (error.amax(dim=0) > 0).all()  # it was rounded at all


@INT8
def test_the_largest_sums_do_not_overflow() -> None:
    ones = torch.ones(4, 64)
    product = QuantisedLinear(ones, torch.tensor([0.0, 1.0, -1.0, 0.5]))(ones[:1])
    torch.testing.assert_close(product, torch.tensor([[64.0, 65.0, 63.0, 64.5]]), rtol=0.01, atol=0)


@INT8
def test_an_output_without_weights_is_its_bias() -> None:
    weight = torch.zeros(3, 16)
    weight[0] = 1
    product = QuantisedLinear(weight, torch.tensor([0.0, 2.0, -7.0]))(torch.randn(2, 16, generator=seeded(0)))
    assert product[:, 1:].tolist() == [[2.0, -7.0]] * 2


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("outputs", [40, 2048])
def test_small_and_large_weights_give_the_same_product(outputs: int, rows: int) -> None:
    weight, bias = torch.randn(outputs, 96, generator=seeded(0)), torch.randn(outputs, generator=seeded(1))
    input = torch.randn(rows, 96, generator=seeded(2))
    exact = (input.double() @ weight.double().t() + bias.double()).float()
    for product in (packed_linear(weight, bias, rows, torch.float32), PackedLinear(weight, bias, rows, torch.float32)):
        torch.testing.assert_close(product(input), exact, rtol=1e-5, atol=1e-4)


@INT8
def test_packed_weights_stay_as_they_were() -> None:
    for outputs, precision in ((8, torch.float32), (4096, torch.float32), (8, torch.int8)):
        weight, bias, input = torch.ones(outputs, 64), torch.ones(outputs), torch.ones(1, 64)
        product = packed_linear(weight, bias, 1, precision)
        weight.zero_()
        bias.zero_()
        torch.testing.assert_close(product(input), torch.full((1, outputs), 65.0))


def stack(cell: str, inputs: int) -> Recurrence:
    chosen = resolve(cell, CELLS, Cell)
    return Recurrence(lambda width: chosen(width, 32, checked_options(chosen, {})), inputs, 2)


@INT8
@torch.no_grad()
@pytest.mark.parametrize("cell", SOME)
@pytest.mark.parametrize("lanes", [1, 4])
def test_steps_in_int8_are_near_those_of_the_model(cell: str, lanes: int) -> None:
    model = SequenceModel(11, 16, stack(cell, 16))
    model.initialise(seeded(0))
    step, state, plain = model.stepper(lanes, torch.int8), model.initial_state(lanes), model.initial_state(lanes)
    different = False
    for symbols in torch.randint(11, (12, lanes), generator=seeded(1)):
        logits, state = step(symbols, state)
        expected = model.step(symbols, plain)
        plain = expected.state
        torch.testing.assert_close(logits, expected.output, rtol=0, atol=0.05)
        different = different or not torch.allclose(logits, expected.output, rtol=0, atol=1e-4)
    assert different == (cell in ("rnn", "lstm", "gru"))  # a cell without packed steps computes in float32


@INT8
@torch.no_grad()
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_texts_for_a_label_can_be_written_in_int8(cell: str) -> None:
    model = ConditionalModel(11, 3, 16, stack(cell, 32))
    model.initialise(seeded(0))
    labels = torch.tensor([0, 2])
    step, state, plain = model.stepper(labels, torch.int8), model.initial_state(2), model.initial_state(2)
    for symbols in torch.randint(11, (12, 2), generator=seeded(1)):
        logits, state = step(symbols, state)
        expected = model.step(symbols, labels, plain)
        plain = expected.state
        torch.testing.assert_close(logits, expected.output, rtol=0, atol=0.1)
    assert (logits != expected.output).any()


def test_weights_elsewhere_or_in_float64_are_not_packed() -> None:
    assert not available(torch.ones(2, 2, dtype=torch.float64))
    assert not available(torch.ones(2, 2, device="meta"))
