"""Chance and n-gram models against small cases worked out by hand, and against the formula written out in Counters."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lstmctl.baselines import NGram, ngram, uniform
from lstmctl.errors import DataError

Symbols = NDArray[np.int64]
VOCABULARY = 4

short_texts = st.lists(st.integers(0, VOCABULARY - 2), max_size=30).map(lambda text: np.array(text, np.int64))
contexts = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=6)


def text(*symbols: int) -> Symbols:
    return np.array(symbols, np.int64)


def following(model: NGram, *context: int) -> list[float]:
    """Probabilities of all symbols after a context of at least one symbol."""
    return [math.exp(-model.nats(text(*context, symbol))[-1]) for symbol in range(model.vocabulary)]


def test_uniform() -> None:
    assert uniform(65) == pytest.approx(4.174387)
    assert uniform(1) == 0


def test_unigrams_by_hand() -> None:
    """Counts 3, 2, 1 of 6. One count is 1, one is 2, none is 4: D = 1 / (1 + 2) = 1/3, and the rest is 1/6.

    p(0) = (8/3) / 6 + (1/6) / 4 = 0.486111, p(1) = (5/3) / 6 + 1/24 = 0.319444, p(2) = 0.152778, p(3) = 1/24.
    """
    model = NGram(text(0, 1, 0, 1, 0, 2), VOCABULARY, order=1)
    for before in range(VOCABULARY):
        assert following(model, before) == pytest.approx([0.486111, 0.319444, 0.152778, 0.041667], abs=1e-6)


def test_bigrams_by_hand() -> None:
    """The grams 01, 10, 02 and the beginning, before 0, make the continuation counts 2, 1, 1 of 4.

    Two of them are 1, one is 2: D = 2 / (2 + 2) = 0.5, and 1.5 / 4 is left. So without a context
    p(0) = 1.5 / 4 + 0.375 / 4 = 0.46875, p(1) = p(2) = 0.5 / 4 + 0.375 / 4 = 0.21875, p(3) = 0.09375.

    Plain counts are 2 of 01, 1 of 02, 2 of 10: D = 1 / (1 + 4) = 0.2. After 0, 0.4 / 3 is left, so
    p(0) = 0.46875 * 0.4 / 3 = 0.0625, p(1) = 1.8 / 3 + 0.21875 * 0.4 / 3, p(2) = 0.8 / 3 + the same, p(3) = 0.0125.
    After 1, 0.1 is left: p(0) = 0.9 + 0.046875, and a tenth of the others.
    Nothing ever follows 2, the last symbol, nor 3, which is not in the text.
    """
    model = NGram(text(0, 1, 0, 1, 0, 2), VOCABULARY, order=2)
    assert following(model, 0) == pytest.approx([0.0625, 0.629167, 0.295833, 0.0125], abs=1e-6)
    assert following(model, 1) == pytest.approx([0.946875, 0.021875, 0.021875, 0.009375])
    assert following(model, 2) == pytest.approx([0.46875, 0.21875, 0.21875, 0.09375])
    assert following(model, 3) == pytest.approx([0.46875, 0.21875, 0.21875, 0.09375])
    assert model.nats(text(2, 1, 0)) == pytest.approx([-math.log(0.21875), -math.log(0.946875)])


def test_each_count_has_its_own_discount() -> None:
    """4 symbols once, 3 twice, 2 thrice, 1 four times; 20 in all.

    Y = 4 / (4 + 6) = 0.4: D1 = 0.4, D2 = 2 - 1.2 * 2/3 = 1.2, D3+ = 3 - 1.6 * 1/2 = 2.2.
    Left are (4 * 0.4 + 3 * 1.2 + 3 * 2.2) / 20 = 0.59, or 0.053636 for each of 11 symbols.
    """
    model = NGram(np.repeat(np.arange(10), [1, 1, 1, 1, 2, 2, 2, 3, 3, 4]), 11, order=1)
    found = [probability - 0.59 / 11 for probability in following(model, 0)]
    once, twice, thrice, four_times = 0.6 / 20, 0.8 / 20, 0.8 / 20, 1.8 / 20
    assert found == pytest.approx([once] * 4 + [twice] * 3 + [thrice] * 2 + [four_times, 0])


def test_no_discount_falls_below_that_of_one() -> None:
    """Counts 1, 2, 3, 3, 3, 4 of 16: Y = 1/3, and D2 = 2 - 1 * 3/1 would be -1; it becomes 1/3.

    D3+ = 3 - 4/3 * 1/3 = 23/9. Left are (1/3 + 1/3 + 4 * 23/9) / 16 = 0.680556, or 0.113426 for each.
    """
    model = NGram(np.repeat(np.arange(6), [1, 2, 3, 3, 3, 4]), 6, order=1)
    # (2/3) / 16, (5/3) / 16, (4/9) / 16, (13/9) / 16
    own = [0.041667, 0.104167, 0.027778, 0.027778, 0.027778, 0.090278]
    assert following(model, 0) == pytest.approx([each + 0.113426 for each in own], abs=2e-6)


def test_counts_too_even_to_estimate_from_are_discounted_by_a_half() -> None:
    """Both symbols twice: nothing occurs once. p = 1.5 / 4 + (1 / 4) / 4."""
    assert following(NGram(text(0, 1, 1, 0), VOCABULARY, order=1), 0) == pytest.approx([0.4375, 0.4375, 0.0625, 0.0625])


def by_the_formula(training: list[int], order: int, context: list[int], symbol: int) -> float:
    """p(symbol | context) as the docstring of `NGram` has it, one symbol at a time."""
    probability = 1 / VOCABULARY
    for length in range(1, min(order, len(context) + 1, len(training)) + 1):
        grams = [tuple(training[place : place + length]) for place in range(len(training) - length + 1)]
        if length == min(order, len(training)):
            counts = Counter(grams)
        else:
            longer = {tuple(training[place : place + length + 1]) for place in range(len(training) - length)}
            counts = Counter([gram[1:] for gram in longer] + grams[:1])
        n1, n2, n3, n4 = (sum(count == times for count in counts.values()) for times in (1, 2, 3, 4))
        if n1 == 0 or n2 == 0:
            discounts = [0, 0.5, 0.5, 0.5]
        else:
            y = n1 / (n1 + 2 * n2)
            discounts = [0, y, y, y] if 0 in (n3, n4) else [0, y, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
            discounts = [0, *(max(y, discount) for discount in discounts[1:])]
        before = tuple(context[len(context) - length + 1 :])
        here = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == before}
        if here:
            left = sum(discounts[min(count, 3)] for count in here.values())
            own = here.get(symbol, 0) - discounts[min(here.get(symbol, 0), 3)]
            probability = (own + left * probability) / sum(here.values())
    return probability


@given(short_texts, st.integers(1, 5), contexts)
def test_any_model_follows_the_formula(training: Symbols, order: int, context: list[int]) -> None:
    expected = [by_the_formula(training.tolist(), order, context, symbol) for symbol in range(VOCABULARY)]
    assert following(NGram(training, VOCABULARY, order), *context) == pytest.approx(expected)


@given(short_texts, st.integers(1, 5), contexts)
def test_probabilities_sum_to_one_and_none_is_zero(training: Symbols, order: int, context: list[int]) -> None:
    probabilities = following(NGram(training, VOCABULARY, order), *context)
    assert sum(probabilities) == pytest.approx(1)
    assert min(probabilities) > 0


@given(short_texts, contexts)
def test_a_stream_is_scored_as_its_beginnings_are(training: Symbols, stream: list[int]) -> None:
    model = NGram(training, VOCABULARY, 4)
    each = [model.nats(text(*stream[:stop]))[-1] for stop in range(2, len(stream) + 1)]
    assert model.nats(text(*stream)) == pytest.approx(each)


@given(short_texts, contexts)
def test_a_shortened_model_is_that_of_the_lower_order(training: Symbols, stream: list[int]) -> None:
    longest = NGram(training, VOCABULARY, 5)
    for order in range(1, longest.order + 1):
        expected = NGram(training, VOCABULARY, order).nats(text(*stream))
        assert longest.shortened(order).nats(text(*stream)) == pytest.approx(expected)
        assert longest.nats_by_order(text(*stream), [order])[order] == pytest.approx(expected)


def test_small_types_hold_large_vocabularies() -> None:
    """Keys are products of symbols and counts: bytes would overflow."""
    training = np.tile(np.arange(256), 3)
    model = NGram(training.astype(np.uint8), 256, 3)
    expected = NGram(training, 256, 3).nats(text(200, 201, 202))
    assert model.nats(np.array([200, 201, 202], np.uint8)).tolist() == expected.tolist()


def test_no_training_text_leaves_the_uniform_distribution() -> None:
    model = NGram(text(), VOCABULARY, order=3)
    assert model.order == 0
    assert model.nats(text(0, 3, 1)) == pytest.approx([math.log(4), math.log(4)])


def test_an_order_beyond_the_text_is_cut_to_it() -> None:
    assert NGram(text(0, 1), VOCABULARY, order=5).order == 2


def test_one_symbol_has_nothing_before_it() -> None:
    model = NGram(text(0, 1, 0), VOCABULARY, order=3)
    assert model.nats(text(0)).tolist() == []
    assert model.nats(text()).tolist() == []


def test_only_the_last_symbols_of_a_long_text_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmctl.baselines.text.LONGEST_TRAINING", 6)
    long, short = text(3, 3, 3, 0, 1, 0, 1, 0, 2), text(0, 1, 0, 1, 0, 2)
    stream = text(3, 3, 0, 2, 1)
    assert NGram(long, VOCABULARY, 2).nats(stream).tolist() == NGram(short, VOCABULARY, 2).nats(stream).tolist()


def test_the_order_that_the_text_needs_is_chosen() -> None:
    """In 001001… two symbols determine the next one, one does not; independent draws determine nothing."""
    repeating = np.tile(text(0, 0, 1), 50)
    assert ngram(repeating[:120], repeating[120:], 2, orders=range(1, 4)).order == 3
    independent = np.random.default_rng(0).integers(0, 20, 2000)
    assert ngram(independent[:1800], independent[1800:], 20).order == 1


def test_the_chosen_order_is_the_best_on_validation() -> None:
    draws = np.random.default_rng(1)
    steps = np.cumsum(draws.choice([0, 1, 2], p=[0.1, 0.8, 0.1], size=600)) % 5
    training, validation = steps[:500], steps[500:]
    scores = {order: NGram(training, 5, order).nats(validation).mean() for order in range(1, 6)}
    chosen = ngram(training, validation, 5, orders=range(1, 6))
    assert chosen.order == min(scores, key=scores.__getitem__) == 2
    assert chosen.nats(validation).mean() == pytest.approx(scores[2])


def test_orders_may_exceed_the_training_text() -> None:
    assert ngram(text(0, 1), text(0, 1), 2, orders=[7]).order == 2
    assert ngram(text(), text(0, 1), 2).order == 0


def test_one_validation_symbol_cannot_choose() -> None:
    with pytest.raises(DataError) as caught:
        ngram(text(0, 1, 0), text(1), 2)
    assert str(caught.value) == "choosing the order of an n-gram model needs 2 validation symbols, not 1"


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="must be at least 1, not 0"):
        NGram(text(0), 2, 0)
    with pytest.raises(ValueError, match="symbols must be between 0 and 1"):
        NGram(text(0, 2), 2, 1)
    with pytest.raises(ValueError, match="symbols must be between 0 and 1"):
        NGram(text(0), 2, 1).nats(text(0, -2))


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 8))
def test_both_ways_of_counting_give_the_same(symbols: list[int], order: int) -> None:
    training = np.array(symbols, np.int64)
    packed = NGram(training, VOCABULARY, order)
    wide = NGram(training, 2**40, order)  # too many symbols for a gram of two or more to fit into 64 bits
    for one, other in zip(packed._levels, wide._levels, strict=True):
        assert one.counts.tolist() == other.counts.tolist()
        assert one.continuations.tolist() == other.continuations.tolist()
        assert (one.keys // VOCABULARY).tolist() == (other.keys // 2**40).tolist()
        assert (one.keys % VOCABULARY).tolist() == (other.keys % 2**40).tolist()


@given(short_texts, st.integers(1, 5), contexts)
def test_the_next_symbols_of_several_streams_are_those_of_each(
    training: Symbols, order: int, context: list[int]
) -> None:
    model = NGram(training, VOCABULARY, order)
    streams = np.array([context, context[::-1]], np.int64).T
    expected = [following(model, *stream) for stream in streams.T]
    for ready in (model, model.prepared()):
        assert ready.next_probabilities(streams) == pytest.approx(np.array(expected))


def test_without_context_the_next_symbols_are_those_of_the_first_level() -> None:
    model = NGram(text(0, 1, 0, 1, 0, 2), VOCABULARY, order=2)
    assert model.next_probabilities(np.zeros((0, 1), np.int64))[0] == pytest.approx(
        [0.46875, 0.21875, 0.21875, 0.09375]
    )


@given(short_texts, contexts, st.integers(1, 4))
def test_streams_side_by_side_begin_with_no_symbol(training: Symbols, stream: list[int], nothing: int) -> None:
    """One stream begins later than the one beside it: what is before its beginning, -1, is no context."""
    model = NGram(training, VOCABULARY, 4).prepared()
    longer = np.array([0] * nothing + stream, np.int64)
    later = np.array([-1] * nothing + stream, np.int64)
    both = model.nats(np.stack([longer, later], axis=1))
    assert both[:, 0] == pytest.approx(model.nats(longer))
    assert both[nothing:, 1] == pytest.approx(model.nats(text(*stream)))


def test_counts_are_grouped_by_context() -> None:
    single, pairs = NGram(np.array([0, 1, 0, 1, 1]), 2, 2).counts()
    # 0 follows the beginning and 1; 1 follows 0 and 1.
    assert [array.tolist() for array in single[:3]] == [[0, 2], [0, 1], [2, 2]]
    # After 0: 1 twice; after 1: 0 and 1.
    assert [array.tolist() for array in pairs[:3]] == [[0, 1, 3], [1, 0, 1], [2, 1, 1]]
    assert pairs.symbols.dtype == pairs.counts.dtype == np.uint8
    np.testing.assert_allclose(pairs.discounts, [0, 0.5, 0.5, 0.5])
