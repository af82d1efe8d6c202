"""Scores of a language model against plain arithmetic."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lstmctl.api.assembly import build_task
from lstmctl.baselines import NGram
from lstmctl.cells.cell import Cell
from lstmctl.config import from_mapping, load
from lstmctl.config.schema import Training
from lstmctl.data.hangul import continues, decomposed
from lstmctl.data.splitting import held_out
from lstmctl.data.text import TextCorpus, open_text
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.errors import DataError
from lstmctl.metrics.catalogue import COLD_WINDOWS
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.registry import CELLS, resolve
from lstmctl.scoring import total, watched
from lstmctl.tasks.language_model import MOST_WINDOWS, LanguageModel
from lstmctl.tasks.windows import spread
from tests.some_cells import SOME

TEXT = "a bird sang in the tall tree, and the cat looked up at it. " * 5
ENCODING = TextEncoding.of(TEXT)
NUMBERS = torch.from_numpy(ENCODING.encode(TEXT))
WINDOW = 7


def made(
    cell: str, shape: str = "many-to-many", encoding: TextEncoding = ENCODING
) -> tuple[LanguageModel, SequenceModel]:
    settings = from_mapping(
        {
            "task": {"type": "language-model", "shape": shape},
            "data": {"text": "unused.txt"},
            "model": {"cell": cell, "hidden": 9, "layers": 2, "embedding": 6, "dropout": 0.5},
            "training": {"window": WINDOW, "batch": 2},
        }
    )
    task = LanguageModel(settings.task, encoding, WINDOW)
    return task, task.model(settings.model, resolve(cell, CELLS, Cell), torch.Generator().manual_seed(3))


def one_by_one(model: SequenceModel, symbols: Tensor) -> list[float]:
    """−ln p of every symbol but the first, in float64, by single steps from a zero state."""
    state = model.initial_state(1)
    nats = []
    for now, following in zip(symbols[:-1].long(), symbols[1:].tolist(), strict=True):
        step = model.step(now.unsqueeze(0), state)
        state = step.state
        nats.append(-float(step.output.log_softmax(dim=1)[0, following]))
    return nats


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


@pytest.mark.parametrize("cell", SOME)
def test_a_score_is_the_mean_of_single_predictions(cell: str) -> None:
    task, model = made(cell)
    score = task.evaluate(model, NUMBERS).metrics
    model.double().eval()
    with torch.no_grad():
        stream = one_by_one(model, NUMBERS)
    assert len(stream) == len(NUMBERS) - 1
    assert score["nats_per_character"] == pytest.approx(mean(stream), abs=1e-5)
    assert score["bits_per_character"] == pytest.approx(mean(stream) / math.log(2), abs=1e-5)
    for ending, window in COLD_WINDOWS.items():
        with torch.no_grad():
            windows = [
                one_by_one(model, NUMBERS[start : start + window + 1])
                for start in range(0, len(NUMBERS) - window, window)
            ]
        assert len(windows) == {64: 4, 256: 1}[window]
        cold = score[f"nats_per_character{ending}"]
        assert cold == pytest.approx(mean([nats for part in windows for nats in part]), abs=1e-5)
        if cell != "feedforward":
            assert abs(score["nats_per_character"] - cold) > 2e-6


@pytest.mark.parametrize("cell", SOME)
def test_a_many_to_one_score_is_the_mean_over_windows(cell: str) -> None:
    task, model = made(cell, "many-to-one")
    (one,) = task.passes(NUMBERS)
    figures = task.metrics(one.total(model))
    model.double().eval()
    with torch.no_grad():
        last = [one_by_one(model, NUMBERS[at : at + WINDOW + 1])[-1] for at in range(len(NUMBERS) - WINDOW)]
    assert one.windows == len(last)
    assert figures["nats_per_character"] == pytest.approx(mean(last), abs=1e-5)


def test_progress_in_one_lane_equals_the_reported_figure() -> None:
    task, model = made("lstm")
    short = NUMBERS[:200]
    reported = task.passes(short)[0].total(model)
    assert total(model, task, task.progress(short)) == pytest.approx(reported, rel=1e-6)


@pytest.mark.parametrize("symbols", ["characters", "bytes"])
def test_without_learning_every_symbol_costs_the_logarithm_of_their_number(symbols: str) -> None:
    encoding = ENCODING if symbols == "characters" else TextEncoding("bytes")
    task, model = made("gru", encoding=encoding)
    noun = symbols.removesuffix("s")
    for parameter in model.head.parameters():
        torch.nn.init.zeros_(parameter)
    figures = task.metrics(task.passes(NUMBERS)[0].total(model))
    assert figures[f"nats_per_{noun}"] == pytest.approx(math.log(len(encoding)), rel=1e-6)
    assert figures[f"bits_per_{noun}"] == pytest.approx(math.log2(len(encoding)), rel=1e-6)
    assert task.primary.name == f"nats_per_{noun}"
    assert task.unit == symbols


@pytest.mark.parametrize("shape", ["many-to-many", "many-to-one"])
def test_the_loss_is_the_sum_over_its_targets(shape: str) -> None:
    task, model = made("lstm", shape)
    batch = task.training_order(NUMBERS, Training(batch=4, window=WINDOW), seed=0)[0]
    model.eval()
    loss = task.loss(model, batch, task.initial_state(model, batch))
    logits, _ = model(batch.input, model.initial_state(4))
    predicted = logits[-1] if shape == "many-to-one" else logits
    chosen = predicted.log_softmax(dim=-1).gather(-1, batch.target.unsqueeze(-1))
    assert loss.count == chosen.numel() == (4 if shape == "many-to-one" else 4 * WINDOW)
    assert loss.sum.item() == pytest.approx(-chosen.sum().item(), rel=1e-6)


def test_scoring_uses_no_dropout_and_leaves_the_model_in_training() -> None:
    task, model = made("lstm")
    model.train()
    first, second = (task.passes(NUMBERS)[0].total(model) for _ in range(2))
    assert first == second
    assert model.training


def test_many_windows_are_thinned_out_evenly() -> None:
    task, _ = made("rnn", "many-to-one")
    for length in (MOST_WINDOWS + WINDOW, MOST_WINDOWS + WINDOW + 1, 3 * MOST_WINDOWS + 5):
        symbols = torch.zeros(length, dtype=torch.long)
        (one,) = task.passes(symbols)
        batches = spread(symbols, WINDOW, 256, MOST_WINDOWS)
        assert sum(batch.lanes for batch in batches) == one.windows <= MOST_WINDOWS


@pytest.mark.parametrize(
    ("shape", "length", "message", "hint"),
    [
        ("many-to-many", 1, "a part of 1 characters is too short to score; 2 are needed", None),
        (
            "many-to-one",
            7,
            "a part of 7 characters is too short to score; 8 are needed",
            "training.window=6 would fit; or give it a larger share in data.split, or more text",
        ),
        ("many-to-one", 1, "a part of 1 characters is too short to score; 8 are needed", None),
    ],
)
def test_a_part_too_short_to_score_is_refused(shape: str, length: int, message: str, hint: str | None) -> None:
    task, _ = made("rnn", shape)
    for score in (task.progress, task.passes):
        with pytest.raises(DataError) as caught:
            score(NUMBERS[:length])
        assert str(caught.value) == message
        assert caught.value.hint == (hint or "give it a larger share in data.split, or more text")
        score(NUMBERS[: length + 1 if length > 1 else 8])


@pytest.mark.parametrize(("text", "start"), [("a b\nc", "\n"), ("a b c", " "), ("abc", "a")])
def test_a_text_without_a_prompt_begins_after_a_line_break_if_there_is_one(text: str, start: str) -> None:
    encoding = TextEncoding.of(text)
    task, _ = made("rnn", encoding=encoding)
    assert encoding.symbols[task.start] == start
    assert made("rnn", encoding=TextEncoding("bytes"))[0].start == 10


@pytest.mark.parametrize("shape", ["many-to-many", "many-to-one"])
def test_a_sample_depends_on_its_generator_alone(shape: str) -> None:
    task, model = made("gru", shape)
    model.eval()
    samples = [task.sample(model, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert samples[0] == samples[1] != samples[2]
    assert len(samples[0]) == 240
    assert set(samples[0]) <= set(TEXT)


# The next symbol of a text: the textbook's `hell` to `o`.


def next_probabilities(model: SequenceModel, symbols: Tensor) -> Tensor:
    """In float64, by single steps from a zero state."""
    state = model.initial_state(1)
    for symbol in symbols.long():
        step = model.step(symbol.unsqueeze(0), state)
        state = step.state
    return step.output[0].softmax(0)


@pytest.mark.parametrize("symbols", ["characters", "bytes"])
@pytest.mark.parametrize("shape", ["many-to-many", "many-to-one"])
def test_the_next_symbol_of_a_text_is_that_of_single_steps(
    shape: str, symbols: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lstmctl.decoding.CHUNK", 4)
    encoding = ENCODING if symbols == "characters" else TextEncoding("bytes")
    task, model = made("lstm", shape, encoding)
    texts = ["a", "the cat", "a bird sang in the tall tree"]
    told = task.predictions(model, task.of_texts(texts), torch.device("cpu"))
    assert [one.sequence for one in told] == texts
    assert model.training
    model.double().eval()
    for text, one in zip(texts, told, strict=True):
        read = torch.from_numpy(encoding.encode(text).copy())
        with torch.no_grad():
            exact = next_probabilities(model, read[-WINDOW:] if shape == "many-to-one" else read)
        assert one.label == encoding.name_of(int(exact.argmax())) == next(iter(one.probabilities))
        assert len(one.probabilities) == len(encoding)
        assert list(one.probabilities.values()) == sorted(one.probabilities.values(), reverse=True)
        for number, share in enumerate(exact.tolist()):
            assert one.probabilities[encoding.name_of(number)] == pytest.approx(share, abs=1e-6)


def test_an_empty_text_means_the_beginning_of_one() -> None:
    task, model = made("gru")
    empty, blank = task.predictions(model, task.of_texts(["", " "]), torch.device("cpu"))
    assert ENCODING.symbols[task.start] == " "
    assert (empty.sequence, blank.sequence) == ("", " ")
    assert empty.probabilities == blank.probabilities


def test_an_unknown_symbol_is_read_as_the_nearest_known_one(caplog: pytest.LogCaptureFixture) -> None:
    task, model = made("gru")
    known, unknown = task.predictions(model, task.of_texts(["a bird", "a Bird"]), torch.device("cpu"))
    assert (known.sequence, unknown.sequence) == ("a bird", "a Bird")
    assert unknown.probabilities == known.probabilities
    assert caplog.messages == [
        "1 of 12 characters are unknown to the run, and are read and scored as the nearest known ones: 'B'."
    ]


def test_every_line_of_a_file_is_a_text(tmp_path: Path) -> None:
    task, _ = made("gru")
    path = tmp_path / "lines.txt"
    path.write_bytes(b"\xef\xbb\xbfa bird\r\n\r\nthe cat\r\n")
    assert task.of_file(str(path)) == ["a bird", "", "the cat"]
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        task.of_file(str(path))
    path.write_bytes(b"\xff\x00\na")
    bytewise, _ = made("gru", encoding=TextEncoding("bytes"))
    assert [bytewise.encoding.encode(text).tolist() for text in bytewise.of_file(str(path))] == [[255, 0], [97]]


# Baselines use no network, and do not see the data they are scored on.


@pytest.fixture
def corpus(text_file: Path) -> TextCorpus:
    return open_text(str(text_file), "characters", (0.8, 0.1, 0.1), None)


def references_of(corpus: TextCorpus, split: str) -> dict[str, Any]:
    references = build_task(load("travellers").settings, corpus).references(corpus, split)
    return {name: score.metrics for name, score in references.items()}


def test_the_chance_level_is_the_logarithm_of_the_number_of_symbols(corpus: TextCorpus) -> None:
    nats = math.log(len(corpus.encoding))
    expected = {"nats_per_character": pytest.approx(nats), "bits_per_character": pytest.approx(nats / math.log(2))}
    for split in corpus.parts:
        assert references_of(corpus, split)["uniform"] == expected


def test_the_n_gram_counts_the_training_part_with_an_order_chosen_inside_it(corpus: TextCorpus) -> None:
    figures = references_of(corpus, "test")["n-gram"]
    vocabulary, training = len(corpus.encoding), corpus.part("training")
    inner = len(training) - held_out(len(training))
    scores = {order: NGram(training[:inner], vocabulary, order).nats(training[inner:]).mean() for order in range(1, 9)}
    order = min(scores, key=lambda each: scores[each])
    assert figures["order"] == order
    nats = NGram(training, vocabulary, order).nats(corpus.part("test"))
    assert figures["nats_per_character"] == pytest.approx(nats.mean())
    assert figures["nats_per_character"] < 0.5


def test_what_was_counted_is_not_scored_by_its_counts(corpus: TextCorpus) -> None:
    assert list(references_of(corpus, "training")) == ["uniform"]


def test_text_without_a_training_part_has_the_chance_level_alone(corpus: TextCorpus, text_file: Path) -> None:
    foreign = open_text(str(text_file), "characters", None, None, encoding=corpus.encoding)
    assert list(references_of(foreign, "validation")) == ["uniform"]


def test_progress_on_a_long_part_reads_the_same_share_of_every_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = made("lstm")
    whole = list(task.progress(NUMBERS))
    lanes, length = whole[0].lanes, sum(len(batch.input) for batch in whole)
    monkeypatch.setattr("lstmctl.tasks.language_model.MOST_IN_PROGRESS", 50 * lanes)
    assert length > 50
    found = torch.cat([batch.target for batch in task.progress(NUMBERS)])
    starts = [lane * length for lane in range(lanes)]
    assert found.T.tolist() == [NUMBERS[start + 1 : start + 51].tolist() for start in starts]


@pytest.mark.parametrize("shape", ["many-to-many", "many-to-one"])
def test_every_target_of_a_score_is_reported_once(shape: str) -> None:
    task, model = made("lstm", shape)
    seen: list[int] = []
    with watched(seen.append):
        task.evaluate(model, NUMBERS)
    assert sum(seen) == task.targets(NUMBERS)
    assert len(seen) > 1 or shape == "many-to-one"
    ends = []
    with pytest.raises(KeyboardInterrupt), watched(interrupt):
        ends.append(task.evaluate(model, NUMBERS))
    assert ends == []


def interrupt(targets: int) -> None:
    raise KeyboardInterrupt


KOREAN = "모든 국민은 인간으로서의 존엄과 가치를 가진다. a b c\n" * 6


def decomposed_text(folder: Path) -> TextCorpus:
    (folder / "korean.txt").write_text(KOREAN, encoding="utf-8")
    return open_text(str(folder / "korean.txt"), "decomposed", (0.5, 0.25, 0.25), None)


def test_the_loss_of_letters_is_reported_per_character(tmp_path: Path) -> None:
    corpus = decomposed_text(tmp_path)
    assert len(corpus) == len(decomposed(KOREAN))
    task, model = made("gru", encoding=corpus.encoding)
    symbols = torch.from_numpy(corpus.part("test").copy())
    score = task.evaluate(model, symbols).metrics
    model.double().eval()
    with torch.no_grad():
        nats = one_by_one(model, symbols)
    characters = sum(not continues(corpus.encoding.symbols[number]) for number in symbols[1:].tolist())
    assert characters < len(nats)
    assert score["nats_per_character"] == pytest.approx(math.fsum(nats) / characters, abs=1e-5)
    assert task.unit == "symbols"


def test_the_training_loss_of_letters_is_per_character_too(tmp_path: Path) -> None:
    corpus = decomposed_text(tmp_path)
    task, model = made("gru", encoding=corpus.encoding)
    batch = task.training_order(task.part(corpus, "training", torch.device("cpu")), Training(window=20, batch=2), 0)[0]
    loss = task.loss(model.eval(), batch, model.initial_state(2))
    characters = int((~torch.tensor([continues(s) for s in corpus.encoding.symbols]))[batch.target].sum())
    assert float(loss.reported) / loss.count == pytest.approx(float(loss.sum.detach()) / characters, rel=1e-5)
    totals, _ = task.score(model, batch, model.initial_state(2))
    assert totals["characters"] == characters


def test_bytes_are_scored_per_character_as_well_where_a_character_has_several(tmp_path: Path) -> None:
    (tmp_path / "korean.txt").write_text(KOREAN, encoding="utf-8")
    corpus = open_text(str(tmp_path / "korean.txt"), "bytes", (0.5, 0.25, 0.25), None)
    task, model = made("gru", encoding=corpus.encoding)
    symbols = torch.from_numpy(corpus.part("test").copy())
    score = task.evaluate(model, symbols).metrics
    characters = int(((symbols[1:] & 0xC0) != 0x80).sum())
    ratio = (len(symbols) - 1) / characters
    assert score["nats_per_character"] == pytest.approx(score["nats_per_byte"] * ratio, rel=1e-6)
    plain = torch.from_numpy(TextEncoding("bytes").encode(TEXT).copy())
    assert "nats_per_character" not in task.evaluate(model, plain).metrics


def test_baselines_of_letters_are_per_character_and_as_long_as_those_of_characters(tmp_path: Path) -> None:
    corpus = decomposed_text(tmp_path)
    task, _ = made("gru", encoding=corpus.encoding)
    found = task.references(corpus, "test")
    scored = corpus.part("test")
    characters = int(corpus.encoding.begins_character[scored[1:]].sum())
    ratio = (len(scored) - 1) / characters
    assert found["uniform"].metrics["nats_per_character"] == pytest.approx(math.log(len(corpus.encoding)) * ratio)
    order = int(found["n-gram"].metrics["order"])
    by_hand = NGram(corpus.part("training"), len(corpus.encoding), order)
    assert found["n-gram"].metrics["nats_per_character"] == pytest.approx(by_hand.total_nats(scored) / characters)
