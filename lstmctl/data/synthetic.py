"""Synthetic tests of long memory, in which the distance over which a network must remember is known exactly.

Most are from S. Hochreiter & J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997), here "the paper".

adding: frames of a value, uniform in [0, 1], and a marker. One value in the first half and one in the second are
    marked; the label is their sum (the paper's experiment 4, there of values in [−1, 1], and scaled).
multiplication: the same with the product (experiment 5).
temporal-order: E, then symbols a to d at random with three relevant ones among them, each X or Y, then B. The label is
    the one of 8 orders (experiment 6b). They are at 10 to 20, 33 to 43 and 66 to 76 hundredths of the length.
temporal-order-4: four relevant symbols and 16 classes, from 10 to 20, 30 to 40, 50 to 60 and 70 to 80 hundredths.
first-symbol: +1 or −1, then Gaussian noise of mean 0 and deviation 0.2 on the same channel. The sign is the
    label (Y. Bengio, P. Simard & P. Frasconi, "Learning Long-Term Dependencies with Gradient Descent is Difficult",
    IEEE Transactions on Neural Networks 5 (1994); the paper's experiment 3a, there with variance 0.2).
copy: 10 symbols out of 8, `length` blanks, a marker, and 10 blanks at which the symbols are the labels, in order
    (A. Graves, G. Wayne & I. Danihelka, "Neural Turing Machines" (2014); in this form M. Arjovsky, A. Shah & Y. Bengio,
    "Unitary Evolution Recurrent Neural Networks" (2016), one blank longer). The labels before are blanks.
reber: the next symbol of strings of the embedded Reber grammar; see `reber`.
parity, modular-arithmetic, anbn, anbncn, dyck-1, dyck-2, flip-flop, associative-recall, selective-copy: see
    `formal_languages`. Their lengths vary up to `length`, and they can be tested on longer ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.data import formal_languages as languages
from lstmctl.data.reber import SYMBOLS as REBER_SYMBOLS
from lstmctl.data.reber import draw_reber
from lstmctl.data.sequences import Numbers, SequenceEncoding, Sequences
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.errors import DataError
from lstmctl.metrics import Metric, metric
from lstmctl.seeds import stream

VERSION = 1
"""Of the generator: increased if the same seed draws something else."""
LONGEST = 100_000
NOISE = 0.2
"""Standard deviation, of first-symbol."""
COPIED = 10
"""Symbols to copy."""
PLACES = {
    "temporal-order": ((10, 20), (33, 43), (66, 76)),
    "temporal-order-4": ((10, 20), (30, 40), (50, 60), (70, 80)),
}
"""First and last position of each relevant symbol, in hundredths of the length."""

ORDER_SYMBOLS = TextEncoding("characters", "BEXYabcd")
COPY_SYMBOLS = TextEncoding("characters", ":_abcdefgh")
MARKER, BLANK = 0, 1


def draw(problem: str, length: int, count: int, random: np.random.Generator, *, exactly: bool = False) -> Sequences:
    """Draw `count` sequences of a problem, with `length` as in `SyntheticCorpus`; lengths that usually vary are all
    `length` if `exactly`."""
    found = PROBLEMS[problem]
    if found.draw_lengths is None:
        assert found.draw is not None
        return found.draw(problem, length, count, random)
    shortest = length if exactly else found.shortest
    return found.draw_lengths(random.integers(shortest, length, count, endpoint=True), random)


def _draw_marked(problem: str, length: int, count: int, random: np.random.Generator) -> Sequences:
    frames = np.zeros((count, length, 2), np.float32)
    frames[..., 0] = random.random((count, length), dtype=np.float32)
    rows = np.arange(count)
    places = random.integers(0, length // 2, count), random.integers(length // 2, length, count)
    for place in places:
        frames[rows, place, 1] = 1
    first, second = (frames[rows, place, 0] for place in places)
    targets = first + second if problem == "adding" else first * second
    return Sequences.joined(frames.reshape(-1, 2), _equal(length, count), targets[:, None])


def _draw_temporal_order(problem: str, length: int, count: int, random: np.random.Generator) -> Sequences:
    places, rows = PLACES[problem], np.arange(count)
    relevant = random.integers(0, 2, (count, len(places)))
    distractors = ORDER_SYMBOLS.encode("abcd")
    symbols = distractors[random.integers(0, len(distractors), (count, length))]
    for (first, last), told in zip(places, relevant.T, strict=True):
        place = random.integers(first * length // 100, last * length // 100, count, endpoint=True)
        symbols[rows, place] = ORDER_SYMBOLS.encode("XY")[told]
    symbols[:, 0], symbols[:, -1] = ORDER_SYMBOLS.encode("EB")
    classes = relevant @ (1 << np.arange(len(places))[::-1])
    return Sequences.joined(symbols.ravel(), _equal(length, count), classes)


def _draw_first_symbol(problem: str, length: int, count: int, random: np.random.Generator) -> Sequences:
    classes = random.integers(0, 2, count)
    frames = random.standard_normal((count, length), dtype=np.float32) * np.float32(NOISE)
    frames[:, 0] = 2 * classes - 1
    return Sequences.joined(frames.reshape(-1, 1), _equal(length, count), classes)


def _draw_copy(problem: str, length: int, count: int, random: np.random.Generator) -> Sequences:
    steps = COPIED + length + 1 + COPIED
    symbols = np.full((count, steps), BLANK, np.uint8)
    symbols[:, :COPIED] = random.integers(BLANK + 1, len(COPY_SYMBOLS), (count, COPIED))
    symbols[:, COPIED + length] = MARKER
    labels = np.zeros((count, steps), np.int64)  # the blank is label 0, followed by the symbols in their order
    labels[:, -COPIED:] = symbols[:, :COPIED] - BLANK
    scored = np.broadcast_to(np.arange(steps) >= steps - COPIED, (count, steps))
    return Sequences.joined(symbols.ravel(), _equal(steps, count), labels.ravel(), by_step=True, scored=scored.ravel())


def _draw_reber(problem: str, length: int, count: int, random: np.random.Generator) -> Sequences:
    return draw_reber(length, count, random)


def _equal(length: int, count: int) -> NDArray[np.int64]:
    return np.full(count, length, np.int64)


@dataclass(frozen=True)
class Level:
    """Reference values of a metric."""

    metric: Metric
    chance: float
    """The result of a network that has learned everything except to remember."""
    solved: float
    """A network with this result or better has solved the problem."""


@dataclass(frozen=True)
class _Problem:
    draw: Callable[[str, int, int, np.random.Generator], Sequences] | None
    """Draws sequences of one length."""
    encoding: SequenceEncoding
    shortest: int
    level: Level
    draw_lengths: Callable[[NDArray[np.int64], np.random.Generator], Sequences] | None = None
    """Draws sequences of given lengths (count,)."""


def _numbers(*names: str) -> Numbers:
    return Numbers(names, (0.0,) * len(names), (1.0,) * len(names))


def _marked(output: str, chance: float) -> _Problem:
    encoding = SequenceEncoding(features=_numbers("value", "marker"), outputs=_numbers(output))
    return _Problem(_draw_marked, encoding, 2, Level(metric("mse"), chance, 0.06 * chance))


def _accuracy(chance: float) -> Level:
    return Level(metric("accuracy"), chance, 0.99)


def _temporal_order(problem: str) -> _Problem:
    labels = tuple("".join(symbols) for symbols in product("XY", repeat=len(PLACES[problem])))
    encoding = SequenceEncoding(symbols=ORDER_SYMBOLS, labels=labels)
    return _Problem(_draw_temporal_order, encoding, 10, _accuracy(1 / len(labels)))


def _language(
    draw: Callable[[NDArray[np.int64], np.random.Generator], Sequences],
    symbols: TextEncoding,
    labels: str,
    shortest: int,
    chance: float,
) -> _Problem:
    encoding = SequenceEncoding(symbols=symbols, labels=tuple(labels.split()))
    return _Problem(None, encoding, shortest, _accuracy(chance), draw)


PROBLEMS = {
    "adding": _marked("sum", 1 / 6),
    "multiplication": _marked("product", 7 / 144),
    "temporal-order": _temporal_order("temporal-order"),
    "temporal-order-4": _temporal_order("temporal-order-4"),
    "first-symbol": _Problem(
        _draw_first_symbol, SequenceEncoding(features=_numbers("value"), labels=("-1", "+1")), 2, _accuracy(1 / 2)
    ),
    "copy": _Problem(
        _draw_copy,
        SequenceEncoding(symbols=COPY_SYMBOLS, labels=tuple(COPY_SYMBOLS.symbols[BLANK:])),
        1,
        _accuracy(1 / 8),
    ),
    "reber": _Problem(
        _draw_reber,
        SequenceEncoding(symbols=REBER_SYMBOLS, labels=tuple(REBER_SYMBOLS.symbols)),
        1,
        _accuracy(1 / 2),
    ),
    "parity": _language(languages.parity, languages.BITS, "even odd", 1, 1 / 2),
    "modular-arithmetic": _language(languages.modular_arithmetic, languages.TERMS, "0 1 2 3 4", 1, 1 / 5),
    "anbn": _language(
        lambda lengths, random: languages.counted_runs(2, lengths), languages.TWO_LETTERS, "a b $", 4, 1 / 2
    ),
    "anbncn": _language(
        lambda lengths, random: languages.counted_runs(3, lengths), languages.THREE_LETTERS, "a b c $", 6, 1 / 2
    ),
    "dyck-1": _language(languages.dyck_1, languages.BRACKETS, "within over", 4, 1 / 2),
    "dyck-2": _language(languages.dyck_2, languages.TWO_BRACKETS, ") ]", 4, 1 / 2),
    "flip-flop": _language(languages.flip_flop, languages.FLIP_FLOP, "0 1", 4, 1 / 2),
    "associative-recall": _language(
        languages.associative_recall, languages.PAIRS, " ".join(languages.PAIRS.symbols[: languages.VALUES]), 3, 1 / 8
    ),
    "selective-copy": _language(
        languages.selective_copy, languages.COPY, " ".join(languages.COPY.symbols[2:]), languages.COPIED, 1 / 8
    ),
}


def levels(problem: str) -> Level:
    """Return the metric that a problem is judged by, its chance level, and its threshold for solved.

    A memoryless model can do no better than predict the mean; its MSE is the variance: of a sum of two uniform numbers
    2/12 = 1/6; of their product (1/3)² − (1/2)⁴ = 7/144. Classes are equally frequent, so chance is 1 over their
    number: 8 and 16 orders, 2 signs, 8 symbols at each scored step of copy, and 2 symbols (T or P) at the scored step
    of reber. The tests of `formal_languages` score answers that are equally frequent. None of it depends on the length.

    A mean squared error counts as solved below 6 % of chance, which for adding is 0.01, the training error at which the
    paper stopped; an accuracy above 0.99.
    """
    return PROBLEMS[problem].level


@dataclass(frozen=True)
class SyntheticCorpus:
    """A problem's sequences: held-out parts that are the same for every run, and new ones for every training step."""

    problem: str
    length: int
    """Steps of a sequence; for copy, the delay; for reber, the minimum number of symbols; for those of
    `formal_languages`, the maximum number of steps."""
    held_out: int
    """Sequences of each part."""
    longer: tuple[int, ...] = ()
    """Further lengths to test on, besides the length of the parts."""

    @property
    def encoding(self) -> SequenceEncoding:
        return PROBLEMS[self.problem].encoding

    @property
    def level(self) -> Level:
        return levels(self.problem)

    @property
    def parts(self) -> dict[str, tuple[int, int]]:
        """Start and stop of each part, in sequences. The training part is for scores; training itself uses `fresh`."""
        names = ("training", "validation", "test")
        return {name: (index * self.held_out, (index + 1) * self.held_out) for index, name in enumerate(names)}

    @property
    def names(self) -> tuple[str, ...]:
        return (self.problem,)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """SHA-256 of a description of the draws, and the number of sequences in all parts."""
        what = f"{self.problem}, length {self.length}, version {VERSION}"
        return {
            "sha256": hashlib.sha256(what.encode()).hexdigest(),
            "sequences": self.held_out * len(self.parts),
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """The chance level and the threshold for solved, in a sentence."""
        level = self.level
        name = "mean squared error" if level.metric.lower_is_better else "accuracy"
        return (
            f"Without remembering anything, the {name} of {self.problem} is {level.chance:.3g}; "
            f"{level.solved:.2g} or better counts as solved.",
        )

    def part(self, name: str) -> Sequences:
        """Draw the sequences of one part, which do not depend on a run's seed."""
        return self._drawn(self.held_out, stream(0, f"synthetic {name}"))

    def fresh(self, count: int, seed: int) -> Sequences:
        """Draw `count` new sequences for one training step, as a pure function of the seed."""
        return self._drawn(count, seed)

    def of_length(self, length: int) -> Sequences:
        """Draw the sequences of a further test, all of one length."""
        random = np.random.default_rng(stream(0, f"synthetic test of length {length}"))
        return draw(self.problem, length, self.held_out, random, exactly=True)

    def _drawn(self, count: int, seed: int) -> Sequences:
        return draw(self.problem, self.length, count, np.random.default_rng(seed))


def open_synthetic(problem: str, length: int, held_out: int, longer: tuple[int, ...] = ()) -> SyntheticCorpus:
    """Return a problem's corpus.

    Raises:
        DataError: a length is too short for the problem, or beyond `LONGEST`.
    """
    shortest = PROBLEMS[problem].shortest
    for key, value in [("length", length), *(("test_lengths", value) for value in longer)]:
        if not shortest <= value <= LONGEST:
            fault = "short" if value < shortest else "long"
            raise DataError(f"data.{key} {value} is too {fault} for {problem}; use {shortest} to {LONGEST:,}")
    return SyntheticCorpus(problem, length, held_out, longer)
