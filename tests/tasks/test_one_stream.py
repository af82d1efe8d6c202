"""A text read in lanes is scored as the one stream it is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lstmctl.cells.cell import Cell, checked_options
from lstmctl.config import from_mapping
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.models.recurrence import Recurrence
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.registry import CELLS, resolve
from lstmctl.scoring import total
from lstmctl.tasks.language_model import LanguageModel
from lstmctl.tasks.stream_scoring import LANES, READINGS, SHORTEST_LANE, WINDOW, stream_total
from lstmctl.tasks.windows import streamed
from tests.some_cells import SOME

ENCODING = TextEncoding.of("abcdefg")
SYMBOLS = torch.randint(len(ENCODING), (3 * SHORTEST_LANE + 17,), generator=torch.Generator().manual_seed(1))


def made(cell: str, **options: object) -> tuple[LanguageModel, SequenceModel]:
    settings = from_mapping({"data": {"text": "unused.txt"}})
    chosen = resolve(cell, CELLS, Cell)
    recurrence = Recurrence(lambda inputs: chosen(inputs, 12, checked_options(chosen, options)), 6, 2)
    model = SequenceModel(len(ENCODING), 6, recurrence)
    model.initialise(torch.Generator().manual_seed(3))
    return LanguageModel(settings.task, ENCODING, 64), model  # type: ignore[arg-type]


def lanes_read(model: SequenceModel, symbols: Tensor) -> tuple[dict[str, float], list[int]]:
    """The result of `stream_total`, and the lanes of every window that the recurrence read."""
    lanes: list[int] = []

    def remember(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        lanes.append(given[0].shape[1])

    task = LanguageModel(from_mapping({"data": {"text": "unused.txt"}}).task, ENCODING, 64)  # type: ignore[arg-type]
    hook = model.recurrence.register_forward_pre_hook(remember)
    found = stream_total(model, task, symbols)
    hook.remove()
    return found, lanes


@pytest.mark.parametrize("cell", SOME)
def test_lanes_that_agree_score_as_one_stream(cell: str) -> None:
    task, model = made(cell)
    found, lanes = lanes_read(model, SYMBOLS)
    alone = total(model, task, streamed(SYMBOLS, 1, 4096))
    assert found["symbols"] == alone["symbols"] == len(SYMBOLS) - 1
    assert found["nats"] == pytest.approx(alone["nats"], rel=1e-6)
    *guess, rest = lanes
    assert (set(guess), rest) == ({3}, 1)


def test_a_network_that_never_forgets_is_read_in_a_single_lane() -> None:
    """Its forget gate is open, so that every unit of its cell is a sum over the whole text."""
    task, model = made("lstm", forget_bias=40.0)
    symbols = SYMBOLS.repeat(2)  # after n readings, the first n lanes are right, whatever the memory
    assert (count := (len(symbols) - 1) // SHORTEST_LANE) > READINGS + 1
    found, lanes = lanes_read(model, symbols)
    assert found == total(model, task, streamed(symbols, 1, 4096))
    assert lanes.count(count) > READINGS * SHORTEST_LANE / WINDOW
    assert lanes[-4:] == [1, 1, 1, 1]


def test_what_a_lane_begins_with_matters_to_the_score() -> None:
    """Else the tests above would hold for lanes that begin anywhere."""
    task, model = made("gru")
    cut = total(model, task, streamed(SYMBOLS, 3, 4096))
    assert cut["nats"] != pytest.approx(total(model, task, streamed(SYMBOLS, 1, 4096))["nats"], rel=1e-6)


def test_a_short_text_is_read_in_a_single_lane_and_a_long_one_in_no_more_than_so_many() -> None:
    _, model = made("rnn")
    _, lanes = lanes_read(model, SYMBOLS[: 2 * SHORTEST_LANE])
    assert set(lanes) == {1}
    long = SYMBOLS.repeat(LANES // 3 + 1)
    _, lanes = lanes_read(model, long)
    assert max(lanes) == LANES


def test_scoring_uses_no_dropout_and_leaves_the_model_in_training() -> None:
    task, model = made("gru")
    model.recurrence.dropout.probability = 0.5
    model.train()
    assert stream_total(model, task, SYMBOLS) == stream_total(model, task, SYMBOLS)
    assert model.training
