"""Time constants, saturation and spectra, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from lstmctl.errors import UsageError
from lstmctl.inspection import inspect_memory
from lstmctl.inspection.memory import saturation, spectrum, time_constants
from lstmctl.inspection.passages import held_out
from lstmctl.inspection.trace import trace
from tests.inspection.conftest import Runs


def test_time_constants_come_from_the_geometric_mean() -> None:
    half = torch.full((4, 1, 1), 0.5)
    uneven = torch.tensor([0.25, 1.0, 0.25, 1.0]).view(4, 1, 1)  # of the same geometric mean, 0.5
    nine_tenths = torch.full((4, 1, 1), 0.9)
    never, once = torch.ones(4, 1, 1), torch.tensor([1.0, 0.0, 1.0, 1.0]).view(4, 1, 1)
    gate = torch.cat([half, uneven, nine_tenths, never, once], dim=-1)
    found = time_constants(gate).tolist()
    assert found == pytest.approx([1.442695, 1.442695, 9.491222, math.inf, 0.0], rel=1e-6)


def test_saturation_is_a_share_of_steps_for_each_unit() -> None:
    gate = torch.tensor([[[0.05, 0.95]], [[0.0, 0.5]], [[0.1, 1.0]], [[0.95, 0.9]]])
    found = saturation("f", gate)
    assert (found.left, found.right) == ((0.5, 0.0), (0.25, 0.5))


def test_the_spectrum_of_a_matrix_that_turns_and_shrinks() -> None:
    turn = 0.9 * torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    found = spectrum(turn)
    assert (found.radius, found.largest_singular_value) == (pytest.approx(0.9), pytest.approx(0.9))
    assert sorted(found.eigenvalues) == [pytest.approx((0.0, -0.9)), pytest.approx((0.0, 0.9))]
    sheared = spectrum(torch.tensor([[0.5, 3.0], [0.0, 0.5]]))
    assert sheared.radius == pytest.approx(0.5)
    assert sheared.largest_singular_value > 3


@pytest.mark.parametrize(("cell", "gate", "gates"), [("lstm", "f", "ifo"), ("gru", "z", "rz")])
def test_a_run_keeps_by_its_gate(cell: str, gate: str, gates: str, runs: Runs) -> None:
    run = runs(cell)
    found = inspect_memory(run, steps=200)
    assert (found.steps, found.notes) == (200, ())
    shown = run.task.inspection_input(run.model, held_out(run).part, steps=200, lanes=1)
    with torch.no_grad():
        read = trace(shown.recurrence, shown.input)
    for number, layer in enumerate(found.layers):
        assert (layer.layer, layer.keeping_gate, layer.spectrum) == (number + 1, gate, None)
        values = torch.stack(read.cells[number].gates[gate])[:, 0].double()
        mean = values.prod(0) ** (1 / 200) if values.prod(0).min() > 0 else values.log().mean(0).exp()
        assert layer.time_constants == pytest.approx((-1 / mean.log()).tolist(), rel=1e-6)
        assert layer.quartiles is not None
        low, median, high = layer.quartiles
        assert low <= median <= high <= (layer.longest or 0)
        assert layer.longest == max(layer.time_constants)
        # The candidate is a tanh: no gate that could be shut.
        assert "".join(gate.gate for gate in layer.saturation) == gates
        for one in layer.saturation:
            values = torch.stack(read.cells[number].gates[one.gate])[:, 0]
            assert one.left == pytest.approx([float(share) for share in (values < 0.1).float().mean(0)])
            assert one.right == pytest.approx([float(share) for share in (values > 0.9).float().mean(0)])


def test_a_cell_of_a_users_own_says_what_keeps(runs: Runs) -> None:
    found = inspect_memory(runs("my_cell:Leaky"), steps=50)
    assert found.about.cell == "leaky"
    leak = runs("my_cell:Leaky").model.recurrence.forward_cells[0].leak  # type: ignore[union-attr, index]
    assert found.layers[0].keeping_gate == "leak"
    assert found.layers[0].time_constants == pytest.approx((-1 / torch.sigmoid(leak).log()).tolist(), rel=1e-5)  # type: ignore[operator, arg-type]


def test_a_vanilla_network_is_described_by_its_matrix(runs: Runs) -> None:
    run = runs("rnn")
    found = inspect_memory(run, steps=50)
    recurrent = run.model.recurrence.forward_cells[1].recurrent_weight  # type: ignore[union-attr, index]
    radius = float(torch.linalg.eigvals(recurrent.detach().double()).abs().max())  # type: ignore[operator]
    spectrum = found.layers[1].spectrum
    assert spectrum is not None
    assert spectrum.radius == pytest.approx(radius)
    assert (found.layers[1].time_constants, found.layers[1].quartiles, found.layers[1].longest) == ((), None, None)
    assert "no gate that retains its state" in found.notes[0]
    assert f"Layer 2: U has spectral radius {radius:.3f}" in found.notes[2]


def test_what_carries_nothing_keeps_nothing(runs: Runs) -> None:
    found = inspect_memory(runs("feedforward"), steps=50)
    assert found.notes == ("This cell carries no state from step to step: it has no memory to measure.",)
    assert all(layer.saturation == () and layer.spectrum is None for layer in found.layers)


def test_what_is_read_is_said_once(runs: Runs) -> None:
    with pytest.raises(UsageError, match="use either it or a FILE"):
        inspect_memory(runs("rnn"), file="a.txt", split="test")
    with pytest.raises(UsageError, match="1 or more"):
        inspect_memory(runs("rnn"), steps=0)
