"""Text baselines without a network: chance, and n-gram models.

Both are in nats per symbol, so they compare directly with a network's score on the same symbols.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmctl.errors import DataError

LONGEST_TRAINING = 20_000_000
"""Maximum number of symbols an n-gram model counts (the last ones): they take half a minute and 2 GB at order 8."""
LONGEST_CHOICE = 2_000_000
"""Maximum number of symbols used to choose an order (the first ones): a tenth of the longest training text."""
LONGEST_GRAM = 8
SCORED_AT_ONCE = 1 << 22
"""Number of symbols scored at once, which limits memory."""

Integers = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]


def uniform(vocabulary: int) -> float:
    """Return nats per symbol if all symbols are equally likely."""
    return math.log(vocabulary)


class NGram:
    """Predicts each symbol from the `order` - 1 symbols before it: interpolated, modified Kneser–Ney smoothing.

    A gram is a context with the symbol after it. With n(c, w) the count of symbol w after context c, n(c) the sum over
    w, and c' the context without its first symbol,

        p(w | c) = (n(c, w) - D(n(c, w))) / n(c) + p(w | c') * sum over v of D(n(c, v)) / n(c)

    The longest context uses plain counts. A shorter one uses continuation counts: the number of different contexts, one
    symbol longer, in which the gram occurs, where the beginning of the training text counts as one. Below the empty
    context is the uniform distribution, so no symbol is impossible. A context that was never followed by anything
    leaves the prediction entirely to the shorter one.

    Sources: Kneser and Ney 1995, Improved backing-off for m-gram language modeling; Chen and Goodman 1999, An
    empirical study of smoothing techniques for language modeling (interpolation, and a discount D by count).

    Args:
        training: (length,) symbols from 0 to `vocabulary` - 1; only the last `LONGEST_TRAINING` are used.
        vocabulary: number of symbols in the vocabulary.
        order: symbols in the longest gram; 1 means no context. It is limited to the length of the training text.

    Raises:
        ValueError: a symbol is outside the vocabulary, or the order is below 1.
    """

    def __init__(self, training: Integers, vocabulary: int, order: int) -> None:
        if order < 1:
            raise ValueError(f"the order of an n-gram model must be at least 1, not {order}")
        self.vocabulary = vocabulary
        self._levels = _count(_checked(training[-LONGEST_TRAINING:], vocabulary, least=0), vocabulary, order)
        self._kept: list[_Smoothing] | None = None

    @property
    def order(self) -> int:
        """Symbols in the longest gram; 0 if the training text was empty, which makes the model uniform."""
        return len(self._levels)

    def shortened(self, order: int) -> NGram:
        """Return the model of a lower order on the same training text, without counting again."""
        shorter = copy(self)
        shorter._levels, shorter._kept = self._levels[:order], None
        return shorter

    def prepared(self) -> NGram:
        """Return the same model, prepared to predict many short pieces of text faster; it takes more memory."""
        ready = copy(self)
        ready._kept = [self._smoothing(number) for number in range(self.order)]
        return ready

    def counts(self) -> list[GramCounts]:
        """Return the counts of all levels, shortest grams first."""
        return [level.grouped(self._counted(number)) for number, level in enumerate(self._levels)]

    def _counted(self, number: int) -> Integers:
        """Return what a level counts: continuations, and at the last level occurrences."""
        level = self._levels[number]
        return level.counts if number == self.order - 1 else level.continuations

    def _smoothing(self, number: int) -> _Smoothing:
        """Return the discounted counts of a level."""
        return self._levels[number].smoothing(self._counted(number)) if self._kept is None else self._kept[number]

    def nats(self, symbols: Integers) -> Floats:
        """Compute -ln p of every symbol except the first, given the symbols before it, (length - 1, …).

        `symbols` is one stream (length,), or several side by side (length, streams). Symbols near the beginning are
        predicted from a shorter context.
        """
        return self.nats_by_order(symbols, [self.order])[self.order]

    def total_nats(self, symbols: Integers) -> float:
        """Compute the sum of `nats` for a text that may be larger than memory."""
        total, overlap = 0.0, max(1, self.order - 1)
        for start in range(0, max(1, len(symbols)), SCORED_AT_ONCE):
            # Read the context of a piece's first symbols with it, without counting it again.
            nats = self.nats(symbols[max(0, start - overlap) : start + SCORED_AT_ONCE])
            total += float(nats[overlap - 1 :].sum() if start else nats.sum())
        return total

    def next_probabilities(self, context: Integers) -> Floats:
        """Compute the probabilities of all symbols after each stream of `context` (length, streams), as (streams,
        vocabulary)."""
        context = _checked(context[len(context) - min(len(context), max(0, self.order - 1)) :], self.vocabulary)
        found = np.full((context.shape[1], self.vocabulary), 1 / self.vocabulary)
        for order, level in enumerate(self._levels):
            if order > len(context):
                break
            gram = np.zeros(context.shape[1], np.int64)
            for longer, symbols in zip(self._levels, context[len(context) - order :], strict=False):
                gram = longer.find(gram, symbols)
            smoothing = self._smoothing(order)
            for stream in np.flatnonzero(gram >= 0):
                level.mix_next(smoothing, int(gram[stream]), found[stream])
        return found

    def nats_by_order(self, symbols: Integers, orders: Collection[int]) -> dict[int, Floats]:
        """Compute `nats` for this model and shorter ones, down to order 0, the uniform distribution, in one pass over
        the text."""
        symbols = _checked(symbols, self.vocabulary)
        # For each symbol: its probability, and the index of the gram formed by the symbols before it (-1: unknown).
        probability = np.full(symbols.shape, 1 / self.vocabulary)
        context = np.zeros(symbols.shape, np.int64)
        scored = {0: probability.copy()}
        for order, level in enumerate(self._levels, start=1):
            lower = probability[order - 1 :]
            gram = level.find(context, symbols[order - 1 :])
            if order in orders:
                scored[order] = probability.copy()
                smoothing = level.smoothing(level.counts) if order < self.order else self._smoothing(order - 1)
                scored[order][order - 1 :] = level.mix(smoothing, context, gram, lower)
            if order < self.order:
                probability[order - 1 :] = level.mix(self._smoothing(order - 1), context, gram, lower)
            context = gram[:-1]
        return {order: -np.log(scored[order][1:]) for order in orders}


def fitted_ngram(training: Integers, vocabulary: int, held_out: int, longest: int = LONGEST_GRAM) -> NGram | None:
    """Return an n-gram model of all symbols, with the order, of at most `longest`, that scores best on the last
    `held_out` of them; None if these are too few to choose by."""
    if held_out < 2:
        return None
    order = ngram(training[:-held_out], training[-held_out:], vocabulary, range(1, longest + 1)).order
    return NGram(training, vocabulary, order)


def ngram(
    training: Integers, validation: Integers, vocabulary: int, orders: Iterable[int] = range(1, LONGEST_GRAM + 1)
) -> NGram:
    """Return the n-gram model whose order scores best on the validation part; the lower order if two are equal.

    Only the first `LONGEST_CHOICE` validation symbols are used.

    Raises:
        DataError: the validation part has fewer than two symbols, too few to choose an order.
        ValueError: as for `NGram`.
    """
    if len(validation) < 2:
        raise DataError(f"choosing the order of an n-gram model needs 2 validation symbols, not {len(validation)}")
    wanted = list(orders)
    longest = NGram(training, vocabulary, max(wanted))
    wanted = sorted({min(order, longest.order) for order in wanted})
    nats = longest.nats_by_order(validation[:LONGEST_CHOICE], wanted)
    return longest.shortened(min(wanted, key=lambda order: float(nats[order].mean())))


class GramCounts(NamedTuple):
    """All grams of one length, grouped by context.

    A gram's number is its index here. The grams of the context with number c, a gram one symbol shorter, are those from
    `starts[c]` to before `starts[c + 1]`; the empty context has the number 0.
    """

    starts: NDArray[np.int32]
    """(contexts + 1,)"""
    symbols: Integers
    """(grams,) the last symbol of each, in the smallest type, ascending within a context."""
    counts: Integers
    """(grams,) in the smallest type."""
    discounts: Floats
    """(4,) of counts of 0, 1, 2, and 3 or more."""


class _Smoothing(NamedTuple):
    """Discounted counts of the grams of one length."""

    own: Floats
    """(grams,) each count less its discount."""
    left: Floats
    """(contexts,) sum of the discounts, which the shorter context distributes."""
    total: Floats
    """(contexts,) sum of the counts."""


@dataclass(frozen=True, slots=True)
class _Level:
    """All grams of one length in the training text, sorted by key.

    A gram's number is its index here. Its key is the number of its context (a gram of the previous level) times the
    vocabulary, plus its last symbol. Grams with the same context are therefore adjacent, and a gram of any length is
    found one symbol at a time.
    """

    vocabulary: int
    contexts: int
    """Number of grams in the previous level; the first level has a single context, the empty one."""
    keys: NDArray[np.int64]
    counts: Integers
    """(grams,) number of occurrences."""
    continuations: Integers
    """(grams,) number of different symbols (or the beginning) that precede each gram; empty at the last level."""

    def find(self, context: NDArray[np.int64], symbol: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of grams; -1 for a gram that is not in the training text, and for the symbol -1."""
        # The context -1 produces a negative key, which is never found.
        key = context * self.vocabulary + symbol
        place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        return np.where((self.keys[place] == key) & (symbol >= 0), place, -1)

    def grouped(self, counts: Integers) -> GramCounts:
        owner, symbols = np.divmod(self.keys, self.vocabulary)
        starts = np.searchsorted(owner, np.arange(self.contexts + 1)).astype(np.int32)
        return GramCounts(starts, _smallest(symbols), _smallest(counts), _discounts(counts))

    def smoothing(self, counts: Integers) -> _Smoothing:
        """Discount some counts of the grams."""
        discount = _discounts(counts)[np.minimum(counts, 3)]
        owner = self.keys // self.vocabulary
        left: Floats = np.bincount(owner, discount, minlength=self.contexts).astype(np.float64, copy=False)
        total: Floats = np.bincount(owner, counts, minlength=self.contexts).astype(np.float64, copy=False)
        return _Smoothing(counts - discount, left, total)

    def mix(self, smoothing: _Smoothing, context: NDArray[np.int64], gram: NDArray[np.int64], lower: Floats) -> Floats:
        """Combine symbol probabilities with those from the shorter context."""
        left, total = smoothing.left[context], smoothing.total[context]
        # The end of the training text can be a context without a successor.
        known = (context >= 0) & (total > 0)
        own = np.where(gram >= 0, smoothing.own[gram], 0.0)
        return np.where(known, (own + left * lower) / np.where(known, total, 1.0), lower)

    def mix_next(self, smoothing: _Smoothing, context: int, lower: Floats) -> None:
        """Combine the probabilities (vocabulary,) of all symbols after one context with those from the shorter one, in
        place."""
        if not smoothing.total[context]:
            return
        first = context * self.vocabulary
        start, stop = np.searchsorted(self.keys, (first, first + self.vocabulary))
        lower *= smoothing.left[context] / smoothing.total[context]
        lower[self.keys[start:stop] - first] += smoothing.own[start:stop] / smoothing.total[context]


def _count(training: NDArray[np.int64], vocabulary: int, order: int) -> list[_Level]:
    """Count the levels of an n-gram model, at most one per symbol of the training text."""
    order = min(order, len(training))
    bits = max(1, (vocabulary - 1).bit_length())
    if bits * order <= 64:
        return _count_packed(training, vocabulary, order, bits)
    levels: list[_Level] = []
    # For each position in the text: the gram of the previous level that ends before it, and the one that ends at it.
    before, ending = np.zeros(len(training), np.int64), np.zeros(0, np.int64)
    contexts = 1
    for length in range(1, order + 1):
        keys, first, gram, counts = np.unique(
            before * vocabulary + training[length - 1 :], return_index=True, return_inverse=True, return_counts=True
        )
        if levels:
            # A gram one symbol longer is one more continuation of the gram at its end. The first gram of the text
            # follows the beginning instead.
            continuations = np.bincount(ending[1:][first], minlength=contexts)
            continuations[ending[0]] += 1
            levels[-1] = replace(levels[-1], continuations=continuations)
        levels.append(_Level(vocabulary, contexts, keys, counts, np.zeros(0, np.int64)))
        before, ending, contexts = gram[:-1], gram, len(keys)
    return levels


def _count_packed(training: NDArray[np.int64], vocabulary: int, order: int, bits: int) -> list[_Level]:
    """Count the levels as `_count` does, if a gram of the longest length fits into 64 bits.

    A gram is the number formed by its symbols, `bits` each, the first the highest. Once the longest grams are sorted,
    their beginnings are the shorter grams in order, except for grams that start at the last symbols of the text.
    """
    if not order:
        return []
    symbols = training.view(np.uint64)
    longest = np.zeros(len(symbols) - order + 1, np.uint64)
    for place in range(order):
        longest <<= np.uint64(bits)
        longest |= symbols[place : place + len(longest)]
    beginning = int(longest[0])
    rest = [int(symbol) for symbol in symbols[len(longest) :]]
    longest.sort()
    levels: list[_Level] = []
    shorter = np.zeros(1, np.uint64)  # the empty gram
    for length in range(1, order + 1):
        beginnings = longest >> np.uint64(bits * (order - length))
        starts = np.flatnonzero(np.append(True, beginnings[1:] != beginnings[:-1]))
        grams, counts = beginnings[starts], np.diff(starts, append=len(beginnings)).astype(np.int32)
        for first in range(len(rest) - length + 1):
            packed = sum(
                symbol << bits * (length - 1 - place) for place, symbol in enumerate(rest[first : first + length])
            )
            place = int(np.searchsorted(grams, np.uint64(packed)))
            if place == len(grams) or int(grams[place]) != packed:
                grams, counts = np.insert(grams, place, np.uint64(packed)), np.insert(counts, place, 0)
            counts[place] += 1
        if levels:
            # A gram one symbol longer is one more continuation of the gram at its end. The very first gram of the
            # text follows on the beginning instead.
            ends = grams & np.uint64((1 << bits * (length - 1)) - 1)
            continuations = np.bincount(np.searchsorted(shorter, ends), minlength=len(shorter)).astype(np.int32)
            continuations[np.searchsorted(shorter, np.uint64(beginning >> bits * (order - length + 1)))] += 1
            levels[-1] = replace(levels[-1], continuations=continuations)
        contexts = np.searchsorted(shorter, grams >> np.uint64(bits)) if levels else np.zeros(len(grams), np.int64)
        keys = contexts * vocabulary + (grams & np.uint64((1 << bits) - 1)).astype(np.int64)
        levels.append(_Level(vocabulary, len(shorter), keys, counts, np.zeros(0, np.int32)))
        shorter = grams
    return levels


def _discounts(counts: Integers) -> Floats:
    """Return the discounts for counts of 0, 1, 2, and 3 or more (Chen and Goodman 1999, modified Kneser–Ney smoothing).

    D1 = 1 - 2 Y n2 / n1, D2 = 2 - 3 Y n3 / n2, D3+ = 3 - 4 Y n4 / n3, with Y = n1 / (n1 + 2 n2), where nk is the number
    of counts equal to k. D1 simplifies to Y.
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == count)) for count in (1, 2, 3, 4))
    if not (n1 and n2):
        return np.array([0, 0.5, 0.5, 0.5])
    y = n1 / (n1 + 2 * n2)
    if not (n3 and n4):
        return np.array([0, y, y, y])
    # With little data, the others can fall below D1 and even below 0.
    return np.array([0, y, max(y, 2 - 3 * y * n3 / n2), max(y, 3 - 4 * y * n4 / n3)])


def _smallest(numbers: Integers) -> Integers:
    """Convert non-negative numbers to the smallest of three types that fits."""
    most = numbers.max(initial=0)
    return numbers.astype(np.uint8 if most < 1 << 8 else np.uint16 if most < 1 << 16 else np.int32)


def _checked(symbols: Integers, vocabulary: int, *, least: int = -1) -> NDArray[np.int64]:
    """Check that all symbols are in the vocabulary or -1, which is none, and convert them to a type that keys fit
    into."""
    if symbols.size and not (symbols.min() >= least and symbols.max() < vocabulary):
        raise ValueError(f"symbols must be between 0 and {vocabulary - 1}")
    return symbols.astype(np.int64)
