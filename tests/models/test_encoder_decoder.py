"""The encoder–decoder: padding affects nothing, and its two paths are one network."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lstmctl.cells.cell import Cell, CellOptions, State, Step
from lstmctl.decoding import SourcePredictor, greedy
from lstmctl.models.encoder_decoder import EncoderDecoder
from lstmctl.models.recurrence import Recurrence
from lstmctl.registry import CELLS, resolve
from tests.some_cells import SOME

SOURCE, TARGET = 7, 5
LENGTHS = torch.tensor([4, 6, 1, 3])
TARGET_LENGTHS = torch.tensor([5, 2, 3, 1])


class TwoSpeeds(Cell):
    """A user's own cell: two states, one of them slow and half as wide."""

    states: ClassVar[tuple[str, ...]] = ("fast", "slow")

    def __init__(self, inputs: int, hidden: int, options: CellOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.read = torch.nn.Linear(inputs + hidden + hidden // 2, hidden)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return like.new_zeros(batch, self.hidden), like.new_full((batch, self.hidden // 2), 0.5)

    def step(self, projected: Tensor, state: State) -> Step:
        fast = torch.tanh(self.read(torch.cat([projected, *state], dim=-1)))
        return Step(fast, (fast, 0.9 * state[1] + 0.1 * fast[:, : self.hidden // 2]), {})


CASES = [
    (cell, attention, direction)
    for cell in (*SOME, "own")
    for attention in (False, True)
    for direction in ("forward", "bidirectional")
]


def made(cell: str, *, attention: bool, direction: str = "forward", layers: int = 2, hidden: int = 6) -> EncoderDecoder:
    cls: type[Cell] = TwoSpeeds if cell == "own" else resolve(cell, CELLS, Cell)

    def stack(inputs: int, *, bidirectional: bool) -> Recurrence:
        return Recurrence(lambda width: cls(width, hidden, cls.Options()), inputs, layers, bidirectional=bidirectional)

    encoder = stack(3, bidirectional=direction == "bidirectional")
    decoder = stack(3 + encoder.outputs, bidirectional=False)
    model = EncoderDecoder(SOURCE, TARGET, 3, encoder, decoder, attention=attention)
    model.initialise(torch.Generator().manual_seed(1))
    return model.double()


def pairs(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Sources and targets, padded by symbols at random."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randint(SOURCE, (6, 4), generator=generator),
        torch.randint(TARGET, (5, 4), generator=generator),
    )


def nats(model: EncoderDecoder, source: Tensor, lengths: Tensor, target: Tensor, target_lengths: Tensor) -> Tensor:
    """The summed cross-entropy of the targets and their ends, written down without a mask."""
    read = torch.cat([torch.full((1, target.shape[1]), model.mark), target])
    scores = model(source, lengths, read)
    return sum(
        functional.cross_entropy(
            scores[: length + 1, lane], torch.cat([target[:length, lane], torch.tensor([model.mark])]), reduction="sum"
        )
        for lane, length in enumerate(target_lengths.tolist())
    )


def with_gradients(model: EncoderDecoder, loss: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    names, parameters = zip(*model.named_parameters(), strict=True)
    return loss.detach(), dict(zip(names, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True))


@pytest.mark.parametrize(("cell", "attention", "direction"), CASES)
def test_padding_touches_no_bit(cell: str, attention: bool, direction: str) -> None:
    model = made(cell, attention=attention, direction=direction)
    source, target = pairs()
    behind = torch.arange(6).unsqueeze(1) >= LENGTHS
    behind_target = torch.arange(5).unsqueeze(1) >= TARGET_LENGTHS
    others, other_targets = (source + 1) % SOURCE, (target + 1) % TARGET
    loss, gradients = with_gradients(model, nats(model, source, LENGTHS, target, TARGET_LENGTHS))
    changed = torch.where(behind, others, source), torch.where(behind_target, other_targets, target)
    again, gradients_again = with_gradients(model, nats(model, changed[0], LENGTHS, changed[1], TARGET_LENGTHS))
    assert torch.equal(loss, again)
    for name, gradient in gradients.items():
        if gradient is None:
            assert gradients_again[name] is None
        else:
            assert torch.equal(gradient, gradients_again[name]), name
    # Values within the lengths do affect it.
    assert not torch.equal(loss, nats(model, others, LENGTHS, target, TARGET_LENGTHS))
    assert not torch.equal(loss, nats(model, source, LENGTHS, other_targets, TARGET_LENGTHS))


@pytest.mark.parametrize(("cell", "attention", "direction"), CASES)
def test_pairs_side_by_side_are_as_each_alone(cell: str, attention: bool, direction: str) -> None:
    model = made(cell, attention=attention, direction=direction)
    source, target = pairs()
    together, gradients = with_gradients(model, nats(model, source, LENGTHS, target, TARGET_LENGTHS))
    alone = sum(
        nats(
            model,
            source[:length, lane : lane + 1],
            LENGTHS[lane : lane + 1],
            target[:target_length, lane : lane + 1],
            TARGET_LENGTHS[lane : lane + 1],
        )
        for lane, (length, target_length) in enumerate(zip(LENGTHS.tolist(), TARGET_LENGTHS.tolist(), strict=True))
    )
    alone, gradients_alone = with_gradients(model, alone)
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)
    for name, gradient in gradients.items():
        if gradient is not None:
            torch.testing.assert_close(gradient, gradients_alone[name], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("cell", "attention", "direction"), CASES)
def test_greedy_writes_what_the_whole_network_holds_likeliest(cell: str, attention: bool, direction: str) -> None:
    model = made(cell, attention=attention, direction=direction).eval()
    most = 12
    source = torch.randint(SOURCE, (6, 40), generator=torch.Generator().manual_seed(1))
    lengths = torch.randint(1, 7, (40,), generator=torch.Generator().manual_seed(2))
    seen = set()
    with torch.no_grad():
        for linear in (model.source_map, model.target_map, model.bridge, model.head):
            if linear is not None:
                linear.weight.mul_(4)  # more life than fresh weights have
        scores = model(source, lengths, torch.randint(TARGET, (9, 40), generator=torch.Generator().manual_seed(3)))
        lead = scores[..., :-1].amax(-1) - scores[..., -1]
        for share in (0.02, 0.1, 0.2, 0.3, 0.5):  # of the steps at which a text would end
            model.head.bias[model.mark] = lead.quantile(share)
            written, ends = greedy(SourcePredictor(model, source, lengths), source[:0], model.mark, most)
            likeliest = model(source, lengths, torch.cat([torch.full((1, 40), model.mark), written])).argmax(-1)
            assert len(written) == int(ends.max())
            for lane, end in enumerate(ends.tolist()):
                assert written[:end, lane].tolist() == likeliest[:end, lane].tolist()
                assert model.mark not in written[:end, lane]
                if end < most:
                    assert likeliest[end, lane] == model.mark
            seen |= set(ends.tolist())
    assert len(seen) > (1 if cell == "feedforward" else 2)  # without memory, a text that continues is periodic


def test_greedy_stops_where_it_must() -> None:
    model = made("gru", attention=True).eval()
    source = torch.zeros(2, 3, dtype=torch.long)
    lengths = torch.tensor([2, 1, 2])
    torch.nn.init.zeros_(model.head.weight)
    for favoured, expected in ((0, 7), (model.mark, 0)):
        with torch.no_grad():
            model.head.bias.copy_(functional.one_hot(torch.tensor(favoured), TARGET + 1))
        written, ends = greedy(SourcePredictor(model, source, lengths), source[:0], model.mark, 7)
        assert ends.tolist() == [expected] * 3
        assert written.tolist() == [[0, 0, 0]] * expected
    assert model.limit == 10
    model.longest_target.fill_(6)
    assert model.limit == 22


def test_attention_is_a_mean_over_the_source_alone() -> None:
    model = made("lstm", attention=True, direction="bidirectional")
    attention = model.attention
    assert attention is not None
    source, _ = pairs()
    encoded = model.encode(source, LENGTHS)
    decoded = torch.randn(3, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    features, weights = attention(decoded, encoded.output, encoded.counts)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4, dtype=torch.float64))
    assert weights.shape == (3, 4, 6)
    for lane, length in enumerate(LENGTHS.tolist()):
        assert (weights[:, lane, :length] > 0).all()
        assert (weights[:, lane, length:] == 0).all()
        # By hand: h W s of each step, their softmax, the mean, and the tanh of both together.
        for time in range(3):
            h = decoded[time, lane]
            scores = [(h @ attention.score.weight.t() @ encoded.output[step, lane]).item() for step in range(length)]
            shares = [math.exp(score) / sum(map(math.exp, scores)) for score in scores]
            context = sum(share * encoded.output[step, lane] for step, share in enumerate(shares))
            expected = torch.tanh(attention.combine.weight @ torch.cat([context, h]))
            torch.testing.assert_close(features[time, lane], expected, rtol=1e-10, atol=1e-10)


def test_the_decoder_starts_from_the_summary() -> None:
    model = made("own", attention=False, direction="bidirectional")
    assert model.bridge is not None
    source, _ = pairs()
    encoded = model.encode(source, LENGTHS)
    state = model.initial_state(encoded)
    assert [[part.shape[1] for part in layer] for layer in state] == [[6, 3], [6, 3]]
    bridged = torch.tanh(encoded.summary @ model.bridge.weight.t() + model.bridge.bias)
    torch.testing.assert_close(torch.cat([state[0][0], state[0][1] - 0.5, state[1][0], state[1][1] - 0.5], 1), bridged)
    # The forward half of the summary has read the last symbol, the backward half the first one.
    last, first = source.clone(), source.clone()
    last[LENGTHS - 1, torch.arange(4)] += 1
    first[0] += 1
    changed = [model.encode(one % SOURCE, LENGTHS).summary != encoded.summary for one in (last, first)]
    assert all(half.any(1).all() for one in changed for half in one.split(6, dim=1))


def test_a_memoryless_decoder_knows_the_source() -> None:
    model = made("feedforward", attention=False)
    assert model.bridge is None
    source, target = pairs()
    read = torch.cat([torch.full((1, 4), model.mark), target])
    other = source.clone()
    other[LENGTHS - 1, torch.arange(4)] = (other[LENGTHS - 1, torch.arange(4)] + 1) % SOURCE
    differs = model(source, LENGTHS, read) != model(other, LENGTHS, read)
    assert differs.any(-1).all()


@pytest.mark.parametrize("cell", [*SOME, "own"])
@pytest.mark.parametrize("attention", [False, True])
def test_gradients_are_those_of_finite_differences(cell: str, attention: bool) -> None:
    model = made(cell, attention=attention, direction="bidirectional", hidden=4)
    source, target = pairs()

    def loss() -> Tensor:
        return nats(model, source, LENGTHS, target, TARGET_LENGTHS)

    _, gradients = with_gradients(model, loss())
    generator = torch.Generator().manual_seed(5)
    step = 1e-5
    for name, parameter in model.named_parameters():
        way = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
        ends: list[Any] = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.add_(way, alpha=sign * step)
                ends.append(loss())
                parameter.sub_(way, alpha=sign * step)
        gradient = gradients[name]
        along = 0.0 if gradient is None else float((gradient * way).sum())
        assert float(ends[0] - ends[1]) / (2 * step) == pytest.approx(along, rel=1e-5, abs=1e-6), name
