"""From a window to its horizon: every way through, for every cell."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lstmctl.cells.cell import Cell
from lstmctl.models.forecaster import Decoding, Ensemble, Forecaster, Sizes, Window
from lstmctl.models.likelihoods import Gaussian, Point, Quantiles, likelihood
from lstmctl.models.recurrence import Recurrence
from lstmctl.registry import CELLS, resolve

SIZES = Sizes(lookback=12, horizon=6, segment=3, channels=2, past=1, known=2, static=1)
DECODINGS: list[Decoding] = ["last", "parallel", "recursive", "encoder-decoder"]
BATCH = 4


def forecaster(
    decoding: Decoding = "parallel",
    cell: str = "gru",
    sizes: Sizes = SIZES,
    *,
    loss: str = "mse",
    joint: bool = False,
    linear: bool = False,
    masked: bool = False,
    layers: int = 1,
) -> Forecaster:
    made: type[Cell] = resolve(cell, CELLS, Cell)

    def recurrence(inputs: int) -> Recurrence:
        return Recurrence(lambda inputs: made(inputs, 8, made.Options()), inputs, layers)

    model = Forecaster(
        sizes, recurrence, 24, decoding, likelihood(loss, [80]), joint=joint, linear=linear, masked=masked
    )
    model.initialise(torch.Generator().manual_seed(0))
    return model.double()


def window(sizes: Sizes = SIZES, *, masked: bool = False) -> Window:
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    values = draw(sizes.lookback, BATCH, sizes.channels)
    return Window(
        values,
        torch.ones_like(values) if masked else None,
        draw(sizes.lookback, BATCH, sizes.past),
        draw(sizes.lookback + sizes.horizon, BATCH, sizes.known),
        draw(1, BATCH, sizes.static),
    )


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("decoding", DECODINGS)
def test_every_row_of_the_lookback_moves_the_first_step(decoding: Decoding, cell: str, joint: bool) -> None:
    model = forecaster(decoding, cell, joint=joint)
    given = window()
    values = given.values.requires_grad_()
    model(given._replace(values=values))[0].sum().backward()
    assert values.grad is not None
    # For every row, window and channel.
    assert (values.grad.abs() > 0).all()


@pytest.mark.parametrize("decoding", DECODINGS)
def test_what_is_known_in_advance_of_a_step_moves_that_step(decoding: Decoding) -> None:
    model, given = forecaster(decoding), window()
    for step in range(SIZES.horizon):
        known = given.known.clone().requires_grad_()
        model(given._replace(known=known))[step].sum().backward()
        assert known.grad is not None
        assert (known.grad[SIZES.lookback + step].abs() > 0).all()


@pytest.mark.parametrize("decoding", DECODINGS)
def test_past_and_static_features_move_the_forecast(decoding: Decoding) -> None:
    model, given = forecaster(decoding), window()
    plain = model(given)
    for key in ("past", "static"):
        other = given._replace(**{key: getattr(given, key) + 1})
        assert (model(other) - plain).abs().min() > 0


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("decoding", DECODINGS)
def test_windows_do_not_see_each_other(decoding: Decoding, joint: bool) -> None:
    model, given = forecaster(decoding, joint=joint, layers=2), window()
    whole = model(given)
    for index in range(BATCH):
        alone = Window(*(None if part is None else part[:, index : index + 1] for part in given))
        assert torch.allclose(model(alone)[:, 0], whole[:, index], atol=1e-12)


def test_independent_channels_do_not_see_each_other_and_joint_ones_do() -> None:
    given = window()
    other = given._replace(values=given.values + torch.tensor([0.0, 1.0]))
    for joint in (False, True):
        model = forecaster(joint=joint)
        moved = (model(other) - model(given))[..., 0, :].abs().max()
        assert (moved > 0) == joint


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("decoding", ["recursive", "encoder-decoder"])
def test_forced_by_its_own_forecasts_it_is_what_it_rolls_out(decoding: Decoding, joint: bool, masked: bool) -> None:
    model = forecaster(decoding, joint=joint, layers=2, masked=masked)
    given = window(masked=masked)
    rolled = model(given)
    assert torch.allclose(model(given, rolled[..., 0]), rolled, atol=1e-12)
    assert not torch.allclose(model(given, rolled[..., 0] + 1), rolled, atol=1e-3)


def test_parallel_decoding_is_one_step_of_the_same_cell_on_each_query() -> None:
    """By hand: position, channel and known features make the query; the last state is the same for all."""
    sizes = Sizes(lookback=6, horizon=4, segment=2, channels=1, known=1)
    model, given = forecaster(sizes=sizes), window(sizes)
    cell = model.recurrence.forward_cells[0]
    assert isinstance(cell, Cell)
    state = (torch.zeros(BATCH, 8, dtype=torch.float64),)
    for start in range(0, 6, 2):
        rows = torch.cat([given.values[start : start + 2], given.known[start : start + 2]], dim=-1)
        embedded = torch.relu(model.input_map(rows.transpose(0, 1).flatten(1)))
        state = cell.step(cell.project(embedded), state).state
    for segment in range(2):
        assert model.future_map is not None
        known = given.known[6 + 2 * segment : 8 + 2 * segment].transpose(0, 1).flatten(1)
        query = model.position[segment] + model.future_map(known)
        expected = model.head(cell.step(cell.project(query), state).output)
        found = model(given)[2 * segment : 2 * segment + 2, :, 0, 0].T
        assert torch.allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("decoding", ["last", "parallel"])
def test_the_linear_map_starts_at_nothing_and_adds_to_values_alone(decoding: Decoding) -> None:
    plain, beside = forecaster(decoding, loss="gaussian"), forecaster(decoding, loss="gaussian", linear=True)
    given = window()
    assert beside.linear is not None
    assert torch.equal(beside(given), plain(given))
    with torch.no_grad():
        beside.linear.bias.fill_(1.0)
        beside.linear.weight[0, -1] = 2.0
    moved = beside(given) - plain(given)
    expected = torch.ones(SIZES.horizon, BATCH, 2, dtype=torch.float64)
    expected[0] += 2 * given.values[-1]
    assert torch.allclose(moved[..., 0], expected, atol=1e-12)
    assert moved[..., 1].abs().max() == 0


def test_members_of_an_ensemble_differ_and_one_member_is_the_network_itself() -> None:
    ensemble = Ensemble(forecaster, 2)
    ensemble.initialise(torch.Generator().manual_seed(0))
    first, second = ensemble(window())
    alone = forecaster()
    alone.initialise(torch.Generator().manual_seed(0))
    assert torch.equal(first, alone(window()))
    assert (first - second).abs().min() > 0


def test_quantiles_are_trained_to_their_shares() -> None:
    """Each loss is minimal if its share of the values is below the quantile."""
    values = torch.arange(1.0, 101.0)
    quantiles = Quantiles([80])
    assert quantiles.probabilities == [0.1, 0.5, 0.9]
    guesses = torch.arange(0.5, 101.0)
    for place, probability in enumerate(quantiles.probabilities):
        losses = []
        for guess in guesses:
            outputs = torch.zeros(100, 3)
            outputs[:, place] = guess
            losses.append(quantiles.loss((outputs,), values).mean())
        assert guesses[int(torch.stack(losses).argmin())] == pytest.approx(100 * probability, abs=0.6)


def test_crossed_quantiles_come_out_in_order() -> None:
    crossed = torch.tensor([[3.0, 2.0, 1.0]])
    assert Quantiles([80]).quantiles((crossed,), [0.1, 0.9]).tolist() == [[1.0, 3.0]]


def test_densities_are_those_of_scipy() -> None:
    from scipy import stats

    target = torch.linspace(-3, 3, 7, dtype=torch.float64)
    shift, scale = torch.tensor(0.5, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    for name in ("gaussian", "student-t"):
        family = likelihood(name, [80])
        outputs = torch.tensor([0.1, 0.2, 1.0], dtype=torch.float64)[: family.outputs].expand(7, -1)
        parameters = family.read(outputs, shift, scale)
        location, spread = 0.1 * 2 + 0.5, float(torch.nn.functional.softplus(outputs[0, 1])) * 2 + 1e-4
        assert torch.allclose(family.point(parameters), torch.full((7,), location, dtype=torch.float64))
        if name == "gaussian":
            known = stats.norm(location, spread)
        else:
            known = stats.t(float(parameters[2][0]), location, spread)
        assert family.loss(parameters, target).numpy() == pytest.approx(-known.logpdf(target.numpy()), rel=1e-9)
        found = family.quantiles(parameters, [0.05, 0.5, 0.95])[0].numpy()
        assert found == pytest.approx(known.ppf([0.05, 0.5, 0.95]), rel=2e-4)
        many = tuple(parameter[:1].expand(200_000) for parameter in parameters)
        noise = torch.rand(2, 200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        draws = family.sample(many, (noise[0], noise[1]))
        assert float((draws < float(known.ppf(0.9))).double().mean()) == pytest.approx(0.9, abs=0.005)


def test_point_losses() -> None:
    given, target = (torch.tensor([0.0, 0.0]),), torch.tensor([0.5, 3.0])
    assert Point("mse").loss(given, target).tolist() == [0.25, 9.0]
    assert Point("mae").loss(given, target).tolist() == [0.5, 3.0]
    assert Point("huber").loss(given, target).tolist() == [0.125, 2.5]


def test_a_likelihood_without_quantiles_or_draws_says_so() -> None:
    with pytest.raises(TypeError, match="quantiles"):
        Point("mse").quantiles((torch.zeros(1),), [0.5])
    with pytest.raises(TypeError, match="cannot be sampled"):
        Quantiles([80]).sample((torch.zeros(1, 3),), (torch.ones(1), torch.ones(1)))
    assert Gaussian.has_samples
