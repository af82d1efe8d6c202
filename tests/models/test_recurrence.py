"""The stack against torch's own, and its two paths against each other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lstmctl import registry
from lstmctl.cells.cell import Cell, checked_options
from lstmctl.models.recurrence import Dropout, Recurrence, reset_lanes
from lstmctl.models.sequence_model import SequenceModel, TiedHead, count_parameters

RECURRENT = ["rnn", "lstm", "gru"]
ALL = [*RECURRENT, "feedforward"]


def stack(name: str, inputs: int = 5, hidden: int = 6, layers: int = 2, **settings: object) -> Recurrence:
    cls = registry.resolve(name, registry.CELLS, Cell)
    made = Recurrence(lambda width: cls(width, hidden, checked_options(cls, {})), inputs, layers, **settings)
    made.initialise(torch.Generator().manual_seed(4))
    return made.double()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("settings", [{}, {"layer_norm": True, "residual": True}])
def test_step_by_step_equals_the_whole_sequence(name: str, layers: int, settings: dict[str, bool]) -> None:
    recurrence = stack(name, inputs=6, layers=layers, **settings)
    input = torch.randn(9, 3, 6, dtype=torch.float64)
    state = recurrence.initial_state(3, input)
    whole, after = recurrence(input, state)
    for time in range(9):
        step = recurrence.step(input[time], state)
        state = step.state
        torch.testing.assert_close(step.output, whole[time], rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(state, after, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "module"), [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_stack_equals_torchs_stack(name: str, module: type[nn.RNNBase], bidirectional: bool) -> None:
    recurrence = stack(name, bidirectional=bidirectional)
    theirs = module(5, 6, 2, bidirectional=bidirectional).double()
    weights = {}
    for layer in range(2):
        for suffix, cells in (("", recurrence.forward_cells), ("_reverse", recurrence.backward_cells)):
            if len(cells):
                weights |= {
                    key.removeprefix("kernel.").replace("l0", f"l{layer}") + suffix: value
                    for key, value in cells[layer].state_dict().items()
                }
    theirs.load_state_dict(weights)
    input = torch.randn(7, 3, 5, dtype=torch.float64)
    output, _ = recurrence(input, recurrence.initial_state(3, input))
    torch.testing.assert_close(output, theirs(input)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", RECURRENT)
def test_backward_direction_reads_ragged_lanes_from_their_own_end(name: str) -> None:
    recurrence = stack(name, layers=1, bidirectional=True)
    input = torch.randn(6, 2, 5, dtype=torch.float64)
    mask = torch.ones(6, 2, dtype=torch.bool)
    mask[4:, 1] = False
    output, _ = recurrence(input, recurrence.initial_state(2, input), mask)
    alone, _ = recurrence(input[:4, 1:], recurrence.initial_state(1, input))
    torch.testing.assert_close(output[:4, 1:], alone)


def test_a_bidirectional_stack_has_no_step() -> None:
    recurrence = stack("lstm", bidirectional=True)
    with pytest.raises(TypeError, match="no single step"):
        recurrence.step(torch.zeros(1, 5).double(), recurrence.initial_state(1, torch.zeros(1).double()))


def test_dropout_keeps_the_mean_and_drops_the_share_asked_for() -> None:
    torch.manual_seed(0)
    dropped = Dropout(0.25, variational=False)(torch.ones(100, 10, 50))
    assert (dropped == 0).double().mean().item() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)


def test_variational_dropout_is_the_same_at_every_step() -> None:
    torch.manual_seed(0)
    dropped = Dropout(0.5, variational=True)(torch.ones(20, 4, 30))
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))
    assert 0 < (dropped == 0).double().mean() < 1


def test_dropout_does_nothing_outside_training() -> None:
    input = torch.randn(3, 2, 4)
    assert Dropout(0.5, variational=False).eval()(input) is input


def test_reset_sets_the_marked_lanes_alone_to_zero() -> None:
    state = ((torch.ones(3, 2), torch.ones(3, 2)),)
    ((hidden, cell),) = reset_lanes(state, torch.tensor([False, True, False]))
    assert hidden.tolist() == cell.tolist() == [[1, 1], [0, 0], [1, 1]]


def test_a_tied_head_shares_the_embeddings_weight() -> None:
    model = SequenceModel(10, 5, stack("gru").float(), tie_embedding=True)
    model.initialise(torch.Generator().manual_seed(0))
    assert isinstance(model.head, TiedHead)
    untied = SequenceModel(10, 5, stack("gru").float())
    # A projection 6 → 5 and a bias take the place of a 10 × 6 matrix and a bias.
    assert count_parameters(untied) - count_parameters(model) == 60 - 30
    logits, _ = model(torch.zeros(2, 1, dtype=torch.long), model.initial_state(1))
    assert logits.shape == (2, 1, 10)
    logits.sum().backward()
    assert model.input_map.weight.grad is not None
    assert model.input_map.weight.grad[5].abs().sum() > 0  # a symbol never read still learns from the head


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_sequences_of_different_lengths_are_each_read_as_if_alone(name: str, bidirectional: bool) -> None:
    recurrence = stack(name, bidirectional=bidirectional, layer_norm=True)
    lengths = torch.tensor([4, 7, 1, 5])
    input = torch.randn(7, 4, 5, dtype=torch.float64)
    output = recurrence.whole(input, lengths)
    summary = recurrence.summary(output, lengths)
    for lane, length in enumerate(lengths.tolist()):
        alone, _ = recurrence(input[:length, lane : lane + 1], recurrence.initial_state(1, input))
        torch.testing.assert_close(output[:length, lane], alone[:, 0], rtol=1e-12, atol=1e-12)
        assert not output[length:, lane].any()
        half = alone.shape[-1] // 2
        expected = torch.cat([alone[-1, 0, :half], alone[0, 0, half:]]) if bidirectional else alone[-1, 0]
        torch.testing.assert_close(summary[lane], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_padding_moves_no_bit_and_has_no_gradient(name: str) -> None:
    recurrence = stack(name, bidirectional=True)
    lengths = torch.tensor([4, 7, 1])
    input = torch.randn(7, 3, 5, dtype=torch.float64, requires_grad=True)
    padded = torch.arange(7).unsqueeze(1) >= lengths
    other = torch.where(padded.unsqueeze(-1), 1e3, input.detach())
    output = recurrence.whole(input, lengths)
    assert torch.equal(output, recurrence.whole(other, lengths))
    (output.square().sum() + recurrence.summary(output, lengths).sum()).backward()
    assert input.grad is not None
    assert not input.grad[padded].any()
    assert input.grad[~padded].any()
