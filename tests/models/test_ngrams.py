"""Runs of symbols with embeddings of their own: the same by whole windows, by parts and by single steps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lstmctl.cells.gru import GRU, GRUOptions
from lstmctl.config import from_mapping
from lstmctl.data.encoding import TextEncoding
from lstmctl.models.ngrams import BUCKETS, NGrams, _row
from lstmctl.models.recurrence import Recurrence, reset_lanes
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.scoring import total
from lstmctl.tasks.language_model import LanguageModel
from lstmctl.tasks.one_stream import SHORTEST_LANE, stream_total
from lstmctl.tasks.windows import streamed

SYMBOLS = 5


def drawn(ngrams: NGrams) -> NGrams:
    for number, parameter in enumerate(ngrams.parameters()):
        parameter.data.normal_(generator=torch.Generator().manual_seed(number))
    return ngrams


def made(longest: int = 3) -> SequenceModel:
    recurrence = Recurrence(lambda inputs: GRU(inputs, 8, GRUOptions()), 4, 2)
    model = SequenceModel(SYMBOLS, 4, recurrence, ngrams=longest)
    model.initialise(torch.Generator().manual_seed(1))
    assert model.ngrams is not None
    drawn(model.ngrams)
    return model.eval()


def text(time: int, batch: int, symbols: int = SYMBOLS) -> Tensor:
    return torch.randint(symbols, (time, batch), generator=torch.Generator().manual_seed(2))


def test_a_run_adds_the_row_of_its_number() -> None:
    ngrams = drawn(NGrams(SYMBOLS, 4, 3))
    added, after = ngrams(torch.tensor([[2], [0], [4]]), ngrams.initial_state(1))
    pairs, triples = (table.weight for table in ngrams.tables)
    assert (len(pairs), len(triples)) == (6**2, 6**3)
    # Symbols are read as one more than their number; nothing, before the text, as 0.
    expected = [
        pairs[3] + triples[3],
        pairs[1 + 6 * 3] + triples[1 + 6 * 3],
        pairs[5 + 6 * 1] + triples[5 + 6 * 1 + 36 * 3],
    ]
    torch.testing.assert_close(added[:, 0], torch.stack(expected))
    assert after.tolist() == [[1, 5]]


@pytest.mark.parametrize("longest", [2, 3, 5])
def test_windows_and_steps_give_what_the_whole_text_gives(longest: int) -> None:
    model = made(longest)
    symbols = text(13, 3)
    with torch.no_grad():
        whole, last = model(symbols, model.initial_state(3))
        state, parts = model.initial_state(3), []
        for part in symbols.split(4):
            logits, state = model(part, state)
            parts.append(logits)
        torch.testing.assert_close(torch.cat(parts), whole)
        step_state, steps = model.initial_state(3), []
        stepper, stepper_state, written = model.stepper(3, torch.float32), model.initial_state(3), []
        for moment in symbols:
            step = model.step(moment, step_state)
            step_state = step.state
            steps.append(step.output)
            logits, stepper_state = stepper(moment, stepper_state)
            written.append(logits)
    torch.testing.assert_close(torch.stack(steps), whole)
    torch.testing.assert_close(torch.stack(written), whole, rtol=1e-4, atol=1e-5)
    for found in (state, step_state, stepper_state):
        torch.testing.assert_close(found, last, rtol=1e-4, atol=1e-5)


def test_a_lane_that_begins_anew_knows_no_run_from_before() -> None:
    model = made()
    symbols = text(6, 2)
    with torch.no_grad():
        _, state = model(symbols[:3], model.initial_state(2))
        logits, _ = model(symbols[3:], reset_lanes(state, torch.tensor([True, False])))
        fresh, _ = model(symbols[3:], model.initial_state(2))
        whole, _ = model(symbols, model.initial_state(2))
    torch.testing.assert_close(logits[:, 0], fresh[:, 0])
    torch.testing.assert_close(logits[:, 1], whole[3:, 1])
    assert (fresh[:, 1] - logits[:, 1]).abs().max() > 1e-3


def test_more_runs_than_rows_share_them_evenly() -> None:
    ngrams = drawn(NGrams(256, 2, 8))
    added, _ = ngrams(text(200, 4, 256), ngrams.initial_state(4))
    assert added.isfinite().all()
    assert all(table.num_embeddings == BUCKETS for table in ngrams.tables)
    rows = _row(torch.arange(10 * BUCKETS) * 257)
    counts = torch.bincount(rows, minlength=BUCKETS)
    assert counts.max() < 40
    assert (counts == 0).sum() < BUCKETS / 100


def test_they_start_as_nothing_and_learn() -> None:
    model = made()
    model.initialise(torch.Generator().manual_seed(1))
    plain = SequenceModel(SYMBOLS, 4, Recurrence(lambda inputs: GRU(inputs, 8, GRUOptions()), 4, 2))
    plain.initialise(torch.Generator().manual_seed(1))
    symbols = text(6, 2)
    logits, _ = model(symbols, model.initial_state(2))
    torch.testing.assert_close(logits, plain(symbols, plain.initial_state(2))[0])
    logits.square().sum().backward()
    assert model.ngrams is not None
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.ngrams.parameters())


def test_lanes_of_one_stream_hand_on_what_was_read() -> None:
    model = made()
    task = LanguageModel(from_mapping({"data": {"text": "unused"}}).task, TextEncoding.of("abcde"), 64)  # type: ignore[arg-type]
    symbols = text(3 * SHORTEST_LANE + 5, 1)[:, 0]
    alone = total(model, task, streamed(symbols, 1, 4096))
    assert stream_total(model, task, symbols)["nats"] == pytest.approx(alone["nats"], rel=1e-6)
