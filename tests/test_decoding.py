"""From scores to symbols: by hand where it can be computed, by counting where it is chance."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from torch import Tensor

from lstmctl.api.writing import Author, Writing
from lstmctl.cells.cell import Cell, checked_options
from lstmctl.cells.packed import available
from lstmctl.cli.generate import generate
from lstmctl.config import from_mapping
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.decoding import StreamPredictor, continuations
from lstmctl.errors import UsageError
from lstmctl.models.recurrence import Recurrence
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.registry import CELLS, resolve
from lstmctl.sampling import PENALTY_REACH, choose
from lstmctl.sampling_settings import TEMPERATURE, Sampling
from lstmctl.tasks.language_model import LanguageModel
from tests.some_cells import SOME

NONE = torch.empty(0, 1, dtype=torch.long)
DRAWS = 20_000


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def counts_of(probabilities: list[float], sampling: Sampling, seed: int = 1) -> list[int]:
    """Frequency of each symbol in 20,000 lanes with the same scores."""
    logits = torch.tensor(probabilities).log().repeat(DRAWS, 1)
    drawn = choose(logits, sampling, torch.empty(0, DRAWS, dtype=torch.long), seeded(seed))
    return torch.bincount(drawn, minlength=len(probabilities)).tolist()


def unlikely(counts: list[int], expected: list[float]) -> float:
    """Pearson's chi-square per degree of freedom: near 1 where the counts come from `expected`."""
    pairs = [(count, share * sum(counts)) for count, share in zip(counts, expected, strict=True)]
    assert all(count == 0 for count, wanted in pairs if wanted == 0)
    squares = [(count - wanted) ** 2 / wanted for count, wanted in pairs if wanted > 0]
    return sum(squares) / (len(squares) - 1)


PROBABILITIES = [0.05, 0.4, 0.02, 0.3, 0.08, 0.15]


def normalised(kept: dict[int, float]) -> list[float]:
    return [kept.get(symbol, 0.0) / math.fsum(kept.values()) for symbol in range(len(PROBABILITIES))]


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(1.0), [0, 1, 2, 3, 4, 5]),
        (Sampling(1.0, top_k=2), [1, 3]),
        (Sampling(1.0, top_k=6), [0, 1, 2, 3, 4, 5]),
        (Sampling(1.0, top_k=7), [0, 1, 2, 3, 4, 5]),
        (Sampling(1.0, top_k=10**9), [0, 1, 2, 3, 4, 5]),
        (Sampling(1.0, top_p=0.39), [1]),
        (Sampling(1.0, top_p=0.41), [1, 3]),
        (Sampling(1.0, top_p=0.71), [1, 3, 5]),
        (Sampling(1.0, top_p=0.84), [1, 3, 5]),
        (Sampling(1.0, top_p=0.86), [1, 3, 5, 4]),
        (Sampling(1.0, top_p=1.0), [0, 1, 2, 3, 4, 5]),
        (Sampling(1.0, min_p=0.19), [1, 3, 5, 4]),
        (Sampling(1.0, min_p=0.21), [1, 3, 5]),
        (Sampling(1.0, min_p=0.76), [1]),
        (Sampling(1.0, min_p=1.0), [1]),
        (Sampling(1.0, top_k=4, top_p=0.86, min_p=0.21), [1, 3, 5]),
    ],
)
def test_truncation_keeps_exactly_these_and_their_proportions(sampling: Sampling, kept: list[int]) -> None:
    counts = counts_of(PROBABILITIES, sampling)
    assert {symbol for symbol, count in enumerate(counts) if count} == set(kept)
    if len(kept) > 1:
        assert unlikely(counts, normalised({symbol: PROBABILITIES[symbol] for symbol in kept})) < 3


@pytest.mark.parametrize("temperature", [0.5, 0.8, 1.0, 2.0])
def test_frequencies_are_those_of_the_tempered_distribution(temperature: float) -> None:
    powers = {symbol: share ** (1 / temperature) for symbol, share in enumerate(PROBABILITIES)}
    assert unlikely(counts_of(PROBABILITIES, Sampling(temperature)), normalised(powers)) < 3
    assert unlikely(counts_of(PROBABILITIES, Sampling(temperature * 1.2)), normalised(powers)) > 3


@pytest.mark.parametrize(
    "sampling",
    [Sampling(0.0), Sampling(0.0, top_k=3), Sampling(1.0, top_k=1), Sampling(1e-30), Sampling(5e-324), Sampling(1e-3)],
)
def test_no_temperature_and_no_choice_take_the_likeliest(sampling: Sampling) -> None:
    logits = torch.randn(500, 40, generator=seeded(3)) * 5
    assert torch.equal(choose(logits, sampling, NONE.repeat(1, 500), seeded()), logits.argmax(dim=1))


def test_of_equals_the_first_is_the_likeliest() -> None:
    logits = torch.zeros(100, 30)
    for sampling in (Sampling(0.0), Sampling(top_k=1)):
        assert choose(logits, sampling, NONE.repeat(1, 100), seeded()).eq(0).all()


def test_certainty_is_never_missed() -> None:
    logits = torch.full((5000, 4), -math.inf)
    logits[:, 2] = 3.0
    assert choose(logits, Sampling(1.0), NONE.repeat(1, 5000), seeded()).eq(2).all()


def penalised(logits: list[float], recent: list[int], penalty: float) -> int:
    sampling = Sampling(0.0, repetition_penalty=penalty)
    return int(choose(torch.tensor([logits]), sampling, torch.tensor(recent).unsqueeze(1), seeded()))


def test_a_repetition_penalty_divides_what_is_above_zero_and_multiplies_what_is_below() -> None:
    # 2.0 / 1.5 = 1.33 stays above 1.3 and falls below 1.4; −1.0 × 1.5 = −1.5 passes below −1.4, not below −1.6.
    assert penalised([2.0, 1.3], [0], 1.5) == 0
    assert penalised([2.0, 1.4], [0], 1.5) == 1
    assert penalised([2.0, 1.4], [0, 0, 0], 1.4) == 0  # however often it was there
    assert penalised([2.0, 1.4], [1], 1.5) == 0
    assert penalised([-1.0, -1.4], [0], 1.5) == 1
    assert penalised([-1.0, -1.6], [0], 1.5) == 0
    assert penalised([1.0, 0.9], [1], 0.8) == 1  # below 1 it invites: 0.9 / 0.8 = 1.125
    assert penalised([2.0, 1.9], [0, 1], 1.5) == 0


def test_lanes_are_penalised_for_their_own_symbols() -> None:
    logits = torch.tensor([[2.0, 1.9], [2.0, 1.9]])
    recent = torch.tensor([[0, 1]])
    assert choose(logits, Sampling(0.0, repetition_penalty=1.5), recent, seeded()).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -0.1}, "temperature must be 0 or more, not -0.1"),
        ({"temperature": math.nan}, "temperature must be 0 or more, not nan"),
        ({"temperature": math.inf}, "temperature must be 0 or more, not inf"),
        ({"top_k": 0}, "top-k must be 1 or more, not 0"),
        ({"top_k": -5}, "top-k must be 1 or more, not -5"),
        ({"top_p": 0.0}, "top-p must be above 0 and at most 1, not 0.0"),
        ({"top_p": 1.1}, "top-p must be above 0 and at most 1, not 1.1"),
        ({"min_p": -0.1}, "min-p must be between 0 and 1, not -0.1"),
        ({"min_p": math.nan}, "min-p must be between 0 and 1, not nan"),
        ({"repetition_penalty": 0.0}, "repetition penalty must be above 0 (1 for none), not 0.0"),
        ({"repetition_penalty": math.inf}, "repetition penalty must be above 0 (1 for none), not inf"),
    ],
)
def test_values_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Sampling(**settings)  # type: ignore[arg-type]
    assert str(caught.value) == message


WINDOW = 6
SYMBOLS = "abc\n"


def made(
    cell: str = "lstm", shape: str = "many-to-many", encoding: TextEncoding | None = None
) -> tuple[LanguageModel, SequenceModel]:
    settings = from_mapping(
        {
            "task": {"type": "language-model", "shape": shape},
            "data": {"text": "unused.txt"},
            "model": {"cell": cell, "hidden": 9, "layers": 2, "embedding": 6},
        }
    )
    task = LanguageModel(settings.task, encoding or TextEncoding.of(SYMBOLS), WINDOW)
    return task, task.model(settings.model, resolve(cell, CELLS, Cell), seeded(5)).eval()


def written(task: LanguageModel, model: SequenceModel, prompt: str = "ab", **settings: object) -> Writing:
    defaults: dict[str, object] = {"length": 40, "count": 1, "sampling": Sampling(), "stop": None, "seed": 1}
    numbers = task.encoding.encode(prompt).tolist()
    author = Author(task.encoding, lambda lanes: task.predictor(model, lanes), (task.start,), None)
    return Writing(author, prompt, numbers, device=torch.device("cpu"), **{**defaults, **settings})  # type: ignore[arg-type]


def reference(task: LanguageModel, model: SequenceModel, symbols: Tensor, prompt: int) -> Tensor:
    """The model's distributions of all that follows the prompt, from one pass over prompt and continuation."""
    if not task.many_to_one:
        logits, _ = model(symbols[:-1].unsqueeze(1), model.initial_state(1))
        return logits[prompt - 1 :, 0].softmax(dim=1)
    last = []
    for end in range(prompt, len(symbols)):
        logits, _ = model(symbols[max(0, end - WINDOW) : end].unsqueeze(1), model.initial_state(1))
        last.append(logits[-1, 0])
    return torch.stack(last).softmax(dim=1)


@pytest.mark.parametrize("cell", SOME)
@pytest.mark.parametrize("shape", ["many-to-many", "many-to-one"])
@pytest.mark.parametrize("prompt", ["a", "cab\nbacabcab"])
@torch.no_grad()
def test_writing_continues_exactly_from_its_prompt(cell: str, shape: str, prompt: str) -> None:
    task, model = made(cell, shape)
    sampling = Sampling(0.7, top_k=3)  # the model's own probability is reported in any case
    text = written(task, model, prompt, sampling=sampling).finish()[0]
    symbols = torch.from_numpy(task.encoding.encode(prompt + text.text)).long()
    expected = reference(task, model, symbols, len(prompt)).gather(1, symbols[len(prompt) :].unsqueeze(1)).squeeze(1)
    assert "".join(text.symbols) == text.text
    assert len(text.text) == 40
    torch.testing.assert_close(torch.tensor(text.probabilities), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_an_empty_prompt_is_a_line_break_that_is_not_shown() -> None:
    task, model = made()
    assert written(task, model, "").finish()[0].text == written(task, model, "\n").finish()[0].text
    assert written(task, model, "").finish()[0].prompt == ""
    assert written(task, model, "").finish()[0].probabilities != written(task, model, "b").finish()[0].probabilities


def test_the_same_seed_writes_the_same() -> None:
    task, model = made()
    texts = [[text.text for text in written(task, model, count=3, seed=seed).finish()] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) == 3


@torch.no_grad()
def test_every_lane_draws_from_the_models_distribution() -> None:
    task, model = made()
    lanes = written(task, model, count=DRAWS, length=2).finish()
    for place in range(2):
        before = [text.text[:place] for text in lanes]
        for context in sorted(set(before)):
            drawn = [text.text[place] for text, prefix in zip(lanes, before, strict=True) if prefix == context]
            symbols = torch.from_numpy(task.encoding.encode("ab" + context + "a")).long()
            expected = reference(task, model, symbols, 2)[-1].tolist()
            counts = [drawn.count(symbol) for symbol in task.encoding.symbols]
            assert unlikely(counts, expected) < 4


def test_a_penalty_reaches_back_so_far_and_no_further() -> None:
    task, model = made()
    for parameter in model.head.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([0.0, 3.0, 2.0, 0.0]))  # \n a b c; 3 / 2 is below 2
    sampling = Sampling(0.0, repetition_penalty=2.0)
    after_few = written(task, model, "a" + "c" * (PENALTY_REACH - 1), sampling=sampling, length=1).finish()[0].text
    after_many = written(task, model, "a" + "c" * PENALTY_REACH, sampling=sampling, length=1).finish()[0].text
    assert (after_few, after_many) == ("b", "a")


@pytest.mark.parametrize("seed", range(8))
def test_a_stop_string_ends_the_text_and_never_shows(seed: int) -> None:
    task, model = made()
    whole = written(task, model, seed=seed, length=60).finish()[0].text
    for start in (0, 1, 20, 57):
        for size in (1, 2, 3):
            stop = whole[start : start + size]
            kept = whole[: whole.index(stop)]
            writing = written(task, model, seed=seed, length=60, stop=stop)
            shown = ""
            for (piece,) in writing.steps():
                shown += piece
                assert kept.startswith(shown)
            text = writing.finish()[0]
            assert text.text == shown == kept
            assert text.stopped == "stop"


def test_what_only_began_like_the_stop_string_is_shown_at_last() -> None:
    task, model = made()
    whole = written(task, model).finish()[0].text
    absent = whole[-2:] + "zz"
    pieces = [piece for (piece,) in written(task, model, stop=absent).steps()]
    assert "".join(pieces) == whole
    assert pieces[-1] == whole[-2:]
    assert written(task, model, stop=absent).finish()[0].stopped == "length"


def test_texts_side_by_side_stop_each_at_its_own_place() -> None:
    task, model = made()
    free = [text.text for text in written(task, model, count=6).finish()]
    stopped = [text.text for text in written(task, model, count=6, stop="ca").finish()]
    assert stopped == [text.partition("ca")[0] for text in free]
    assert len({len(text) for text in stopped}) > 2


def test_bytes_show_a_character_once_it_is_whole() -> None:
    task, model = made(encoding=TextEncoding("bytes"))
    torch.nn.init.zeros_(model.head.weight)
    torch.nn.init.constant_(model.head.bias, -math.inf)
    with torch.no_grad():
        model.head.bias[list("€".encode())] = 0.0
    writing = written(task, model, "", length=300)
    pieces = [piece for (piece,) in writing.steps()]
    (text,) = writing.finish()
    content = bytes(int(symbol.removeprefix("\\x"), 16) for symbol in text.symbols)
    assert "".join(pieces) == text.text == content.decode("utf-8", "replace")
    assert len(pieces) == 301
    whole = [place for place, piece in enumerate(pieces) if "€" in piece]
    assert whole
    assert all(content[place - 2 : place + 1] == "€".encode() for place in whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": -1}, "length must be 0 or more, not -1"),
        ({"count": 0}, "count must be 1 or more, not 0"),
        ({"stop": ""}, "the stop string must not be empty"),
    ],
)
def test_what_cannot_be_written_is_refused(settings: dict[str, object], message: str) -> None:
    task, model = made()
    with pytest.raises(UsageError) as caught:
        written(task, model, **settings)
    assert str(caught.value) == message


def test_nothing_is_written_where_nothing_is_asked_for() -> None:
    task, model = made()
    assert [text.text for text in written(task, model, length=0, count=2).finish()] == ["", ""]


def test_continuations_need_no_more_than_a_predictor() -> None:
    """One that always expects the symbol after the last."""

    class Next:
        def read(self, symbols: Tensor) -> Tensor:
            return torch.nn.functional.one_hot((symbols[-1] + 1) % 5, 5) * 10.0

    choices = continuations(Next(), torch.tensor([[3, 0]]), Sampling(0.0), seeded())
    assert [next(choices).symbols.tolist() for _ in range(4)] == [[4, 1], [0, 2], [1, 3], [2, 4]]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
@pytest.mark.parametrize("lanes", [1, 5])
def test_steps_with_packed_weights_are_those_of_the_model(cell: str, lanes: int) -> None:
    _, model = made(cell)
    symbols = torch.randint(len(SYMBOLS), (12, lanes), generator=seeded(3))
    plain, state = [], model.initial_state(lanes)
    with torch.no_grad():
        for moment in symbols:
            step = model.step(moment, state)
            state = step.state
            plain.append(step.output)
        for precision, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.05)):
            predictor = StreamPredictor(model, lanes, precision)
            read = torch.stack([predictor.read(moment.unsqueeze(0)) for moment in symbols])
            assert read.dtype == torch.float32
            torch.testing.assert_close(read, torch.stack(plain), rtol=0, atol=tolerance)
    assert (
        (read != torch.stack(plain)).any()
        or cell == "feedforward"
        or not available(model.input_map.weight, torch.bfloat16)
    )  # bfloat16 rounds


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
@pytest.mark.parametrize("residual", [False, True])
@torch.no_grad()
def test_a_stepper_goes_through_sums_and_norms_as_a_step_does(cell: str, residual: bool) -> None:
    """The first layer's input is only looked up where nothing else needs it."""
    chosen = resolve(cell, CELLS, Cell)
    recurrence = Recurrence(
        lambda inputs: chosen(inputs, 6, checked_options(chosen, {})), 6, 3, residual=residual, layer_norm=True
    )
    model = SequenceModel(len(SYMBOLS), 6, recurrence)
    model.initialise(seeded(4))
    stepper, state, plain = model.stepper(2, torch.float32), model.initial_state(2), model.initial_state(2)
    for moment in torch.randint(len(SYMBOLS), (7, 2), generator=seeded(3)):
        logits, state = stepper(moment, state)
        step = model.step(moment, plain)
        plain = step.state
        torch.testing.assert_close(logits, step.output, rtol=0, atol=1e-5)
    torch.testing.assert_close(state, plain, rtol=0, atol=1e-5)


def test_python_and_the_command_line_have_one_default_temperature() -> None:
    in_command = inspect.signature(generate).parameters["temperature"].default
    assert Sampling().temperature == in_command == TEMPERATURE == 0.8
