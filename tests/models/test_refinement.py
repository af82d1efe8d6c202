"""The recurrence over the channels of a forecast."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lstmctl.cells.cell import Cell
from lstmctl.models.forecaster import Forecaster, Sizes, Window
from lstmctl.models.likelihoods import likelihood
from lstmctl.models.recurrence import Recurrence
from lstmctl.models.refinement import Refinement
from lstmctl.registry import CELLS, resolve

HORIZON, BATCH, CHANNELS, OUTPUTS, WIDTH, HIDDEN = 6, 4, 3, 2, 10, 8


def recurrence(cell: str = "gru", layers: int = 1) -> Recurrence:
    made: type[Cell] = resolve(cell, CELLS, Cell)
    return Recurrence(lambda inputs: made(inputs, HIDDEN, made.Options()), WIDTH, layers)


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def refinement(cell: str = "gru", layers: int = 1) -> Refinement:
    """One that corrects: its last map is drawn, too."""
    found = Refinement(HORIZON * OUTPUTS, lambda _: recurrence(cell, layers), WIDTH)
    found.initialise(torch.Generator().manual_seed(0))
    found = found.double()
    correct(found)
    return found


def correct(one: Refinement) -> None:
    with torch.no_grad():
        one.head.weight.copy_(0.3 * drawn(*one.head.weight.shape, seed=2))
        one.head.bias.copy_(drawn(*one.head.bias.shape, seed=3))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "slstm", "mlstm"])
def test_it_is_one_step_per_channel_in_each_view(cell: str, layers: int) -> None:
    """Channel by channel and window by window, from the cell's equations and the weights themselves."""
    model, outputs = refinement(cell, layers), drawn(HORIZON, BATCH, CHANNELS, OUTPUTS)
    found = model(outputs)
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    for window in range(BATCH):
        hidden = []
        for backwards in (False, True):
            state = model.recurrence.initial_state(1, outputs)
            for channel in range(-1, CHANNELS):
                vector = weights["begin"]
                if channel >= 0:
                    flat = torch.stack([outputs[row, window, channel] for row in range(HORIZON)]).flatten()
                    vector = weights["input_map.weight"] @ flat + weights["input_map.bias"]
                if backwards:
                    vector = torch.stack([vector[WIDTH - 1 - place] for place in range(WIDTH)])
                step = model.recurrence.step(vector[None], state)
                state = step.state
                hidden.append(step.output[0])
        for channel in range(CHANNELS):
            both = torch.cat([hidden[channel + 1], hidden[CHANNELS + 1 + channel + 1]])
            correction = (weights["head.weight"] @ both + weights["head.bias"]).view(HORIZON, OUTPUTS)
            expected = outputs[:, window, channel] + correction
            assert torch.allclose(found[:, window, channel], expected, atol=1e-10)


def test_it_starts_as_the_forecast_itself() -> None:
    model, outputs = refinement(), drawn(HORIZON, BATCH, CHANNELS, OUTPUTS)
    assert not torch.allclose(model(outputs), outputs)
    model.begin_as_identity()
    assert torch.equal(model(outputs), outputs)
    model = Refinement(HORIZON * OUTPUTS, lambda _: recurrence(), WIDTH)
    model.initialise(torch.Generator().manual_seed(0))
    assert torch.equal(model(outputs.float()), outputs.float())


def test_a_channel_sees_the_channels_before_it_and_no_other_window() -> None:
    model = refinement()
    for channel in range(CHANNELS):
        outputs = drawn(HORIZON, BATCH, CHANNELS, OUTPUTS).requires_grad_()
        (model(outputs)[:, 1, channel].sum() - outputs[:, 1, channel].sum()).backward()
        assert outputs.grad is not None
        moves = outputs.grad.abs().amax((0, 3)) > 0
        assert moves[1].tolist() == [other <= channel for other in range(CHANNELS)]
        assert not moves[[0, 2, 3]].any()


def test_the_order_of_windows_is_kept_and_that_of_channels_matters() -> None:
    model, outputs = refinement(), drawn(HORIZON, BATCH, CHANNELS, OUTPUTS)
    found = model(outputs)
    assert torch.allclose(model(outputs[:, [2, 0, 3, 1]]), found[:, [2, 0, 3, 1]], atol=1e-12)
    swapped = model(outputs[:, :, [1, 0, 2]])[:, :, [1, 0, 2]]
    assert not torch.allclose(swapped, found, atol=1e-3)


def forecaster(*, joint: bool = False, linear: bool = False, channels: int = 2, loss: str = "mse") -> Forecaster:
    sizes = Sizes(lookback=12, horizon=6, segment=3, channels=channels, past=1, known=2, static=1)
    made: type[Cell] = resolve("gru", CELLS, Cell)
    model = Forecaster(
        sizes,
        lambda inputs: Recurrence(lambda width: made(width, HIDDEN, made.Options()), inputs, 1),
        WIDTH,
        "refined",
        likelihood(loss, [80]),
        joint=joint,
        linear=linear,
        masked=False,
    )
    model.initialise(torch.Generator().manual_seed(0))
    return model.double()


def window(channels: int = 2) -> Window:
    shapes = ((12, BATCH, channels), (12, BATCH, 1), (18, BATCH, 2), (1, BATCH, 1))
    values, past, known, static = (drawn(*shape, seed=seed) for seed, shape in enumerate(shapes))
    return Window(values, None, past, known, static)


@pytest.mark.parametrize("loss", ["mse", "quantile", "gaussian", "student-t"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("joint", [False, True])
def test_it_refines_the_parallel_forecast_and_its_linear_map(joint: bool, channels: int, loss: str) -> None:
    model, given = forecaster(joint=joint, linear=True, channels=channels, loss=loss), window(channels)
    assert model.linear is not None
    assert model.refinement is not None
    with torch.no_grad():
        model.linear.weight.copy_(drawn(6, 12, seed=9))
    plain = model(given)  # it starts as the forecast itself
    correct(model.refinement)
    assert plain.shape == (6, BATCH, channels, model.likelihood.outputs)
    assert torch.allclose(model(given), model.refinement(plain), atol=1e-12)
    assert (model(given) - plain).abs().amin() > 0


def test_independent_channels_are_read_apart_and_refined_together() -> None:
    model, given = forecaster(), window()
    other = given._replace(values=given.values + torch.tensor([1.0, 0.0]))
    assert torch.equal(model(other)[..., 1, :], model(given)[..., 1, :])
    assert model.refinement is not None
    correct(model.refinement)
    assert not torch.allclose(model(other)[..., 1, :], model(given)[..., 1, :], atol=1e-3)


def test_gradients_reach_every_weight() -> None:
    model, given = forecaster(linear=True), window()
    assert model.refinement is not None
    model(given).square().sum().backward()
    assert model.refinement.head.weight.grad is not None
    assert model.refinement.head.weight.grad.abs().min() > 0  # so it leaves 0 with the first step
    correct(model.refinement)
    model.zero_grad()
    model(given).square().sum().backward()
    still = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert still == []


def test_a_start_from_a_ridge_regression_forecasts_it() -> None:
    model, given = forecaster(linear=True), window()
    assert model.refinement is not None
    correct(model.refinement)
    ridge = drawn(12, 6, seed=5)
    model.begin_as(ridge)
    assert torch.allclose(model(given)[..., 0], torch.einsum("lbc,lh->hbc", given.values, ridge), atol=1e-12)


def test_what_was_before_is_drawn_as_without_it() -> None:
    """The refinement is drawn last, so that all other weights are those of `parallel`."""
    refined = forecaster()
    plain = Forecaster(
        refined.sizes, lambda _: recurrence(), WIDTH, "parallel", likelihood("mse", [80]), joint=False, linear=False,
        masked=False,
    )  # fmt: skip
    plain.initialise(torch.Generator().manual_seed(0))
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight.double(), refined.state_dict()[name]), name
