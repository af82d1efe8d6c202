"""Symbol sequences that test for kinds of memory: a counter, a stack, a register, a table.

Every function draws sequences of given lengths (count,), to which it may round them down, and labels them.

parity: zeros and ones; the label is whether the number of ones is even or odd (a finite automaton of two states).
modular-arithmetic: digits 0 to 4 and the signs + − *, computed modulo 5, where * comes first; the first sign is + or −,
    so that all five results are equally frequent. Both are in G. Delétang et al., "Neural Networks and the Chomsky
    Hierarchy", ICLR 2023.
anbn, anbncn: aⁿbⁿ and aⁿbⁿcⁿ, n ≥ 2, with the next symbol as the label, `$` at the end. Scored are the last b (and c),
    where the run ends, and the one before, where it continues (F. Gers & J. Schmidhuber, "LSTM Recurrent Networks Learn
    Simple Context-Free and Context-Sensitive Languages", IEEE Transactions on Neural Networks 12 (2001)).
dyck-1: balanced brackets of one kind, at least two deep. Scored are one step after which the string could end and one
    after which it could not, at the same parity of steps and, where there is one, after a closing bracket.
dyck-2: two kinds of brackets, with the kind of the next closing bracket as the label, where it does not follow its
    opening bracket at once (M. Suzgun et al., "LSTM Networks Can Perform Dynamic Counting", 2019).
flip-flop: pairs of an instruction and a bit: w writes the bit, i is ignored, and r has to repeat the bit written last;
    8 of 10 are ignored (B. Liu et al., "Exposing Attention Glitches with Flip-Flop Language Modeling", NeurIPS 2023).
associative-recall: pairs of a key and a value, then a key: the label is the value that it had last. All keys seen are
    equally likely (in this form after J. Ba et al., "Using Fast Weights to Attend to the Recent Past", NIPS 2016).
selective-copy: 10 symbols out of 8 at random places among blanks, a marker, and 10 blanks at which the symbols are the
    labels, in order (A. Gu & T. Dao, "Mamba", 2023).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.sequences import UNLABELLED, Sequences
from lstmctl.data.vocabulary import TextEncoding

Lengths = NDArray[np.int64]
Symbols = NDArray[np.uint8]
Random = np.random.Generator

BITS = TextEncoding("characters", "01")
TERMS = TextEncoding("characters", "*+-01234")
TWO_LETTERS, THREE_LETTERS = TextEncoding("characters", "ab"), TextEncoding("characters", "abc")
BRACKETS, TWO_BRACKETS = TextEncoding("characters", "()"), TextEncoding("characters", "()[]")
FLIP_FLOP = TextEncoding("characters", "01irw")
PAIRS = TextEncoding("characters", "01234567abcdefghijklmnop")
COPY = TextEncoding("characters", ":_abcdefgh")
MODULUS = 5
KEYS, VALUES = 16, 8
COPIED = 10
IGNORED = 0.8
"""Share of the instructions of flip-flop that are ignored; half of the others write, half read."""


def parity(lengths: Lengths, random: Random) -> Sequences:
    """Draw bits with the parity of their sum."""
    bits = random.integers(0, 2, (len(lengths), int(lengths.max())), dtype=np.uint8)
    there = _there(bits, lengths)
    return Sequences.joined(bits[there], lengths, (bits * there).sum(1).astype(np.int64) % 2)


def modular_arithmetic(lengths: Lengths, random: Random) -> Sequences:
    """Draw terms with their values."""
    terms = (lengths + 1) // 2
    count, most = len(lengths), int(terms.max())
    digits = random.integers(0, MODULUS, (count, most))
    signs = random.integers(0, 3, (count, most))  # before each digit: +, −, *
    signs[:, 0] = 0
    signs[:, 1:2] = random.integers(0, 2, (count, min(1, most - 1)))
    total, product = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for place in range(most):
        digit, sign, inside = digits[:, place], signs[:, place], place < terms
        times = inside & (sign == 2)
        total = np.where(inside & ~times, total + product, total)
        started = np.where(sign == 1, -digit, digit)
        product = np.where(times, product * digit, np.where(inside, started, product)) % MODULUS
    symbols = np.empty((count, 2 * most), np.uint8)
    symbols[:, ::2], symbols[:, 1::2] = TERMS.encode("+-*")[signs], TERMS.encode("01234")[digits]
    symbols = symbols[:, 1:]  # no sign before the first digit
    lengths = 2 * terms - 1
    return Sequences.joined(symbols[_there(symbols, lengths)], lengths, (total + product) % MODULUS)


def counted_runs(letters: int, lengths: Lengths) -> Sequences:
    """Return aⁿbⁿ for two letters or aⁿbⁿcⁿ for three, with the next symbol of each step."""
    counts = lengths // letters
    symbols = np.concatenate([np.repeat(np.arange(letters, dtype=np.uint8), count) for count in counts])
    ends = (np.cumsum(letters * counts)[:, None] - counts[:, None] * np.arange(letters)[::-1]) - 1  # of each run
    labels = np.append(symbols[1:], 0).astype(np.int64)
    labels[ends[:, -1]] = letters  # the end of the string
    scored = np.zeros(len(symbols), bool)
    scored[ends[:, 1:]] = scored[ends[:, 1:] - 1] = True
    labels[~scored] = UNLABELLED
    return Sequences.joined(symbols, letters * counts, labels, by_step=True)


def dyck_1(lengths: Lengths, random: Random) -> Sequences:
    """Draw balanced brackets; a scored step is labelled 1 if the string could end after it, else 0."""
    opens, depth, lengths = _balanced(lengths, random)
    place = np.arange(opens.shape[1])
    there = place < lengths[:, None]
    over, within = there & (depth == 0), there & (depth > 0) & (place % 2 == 1)
    closing = within & ~opens
    within = np.where(closing.any(1, keepdims=True), closing, within)
    labels = np.full(opens.shape, UNLABELLED, np.int64)
    rows = np.arange(len(lengths))
    for label, candidates in ((1, over), (0, within)):
        chosen = np.where(candidates, random.random(opens.shape), -1).argmax(1)
        labels[rows, chosen] = label
    symbols = np.where(opens, 0, 1).astype(np.uint8)
    return Sequences.joined(symbols[there], lengths, labels[there], by_step=True)


def dyck_2(lengths: Lengths, random: Random) -> Sequences:
    """Draw balanced brackets of two kinds; the label is the kind of the closing bracket that comes next."""
    opens, depth, lengths = _balanced(lengths, random)
    kinds = random.integers(0, 2, opens.shape)
    rows = np.arange(len(lengths))
    stack = np.zeros((len(lengths), int(depth.max()) + 2), np.int64)
    for place in range(opens.shape[1]):
        level = depth[:, place] + ~opens[:, place]  # of the bracket, from 1
        kinds[:, place] = np.where(opens[:, place], kinds[:, place], stack[rows, level])
        stack[rows, level] = kinds[:, place]
    there = np.arange(opens.shape[1]) < lengths[:, None]
    labels = np.full(opens.shape, UNLABELLED, np.int64)
    asked = there[:, 1:] & ~opens[:, 1:] & ~opens[:, :-1]
    labels[:, :-1][asked] = kinds[:, 1:][asked]
    symbols = (2 * kinds + ~opens).astype(np.uint8)
    return Sequences.joined(symbols[there], lengths, labels[there], by_step=True)


def flip_flop(lengths: Lengths, random: Random) -> Sequences:
    """Draw instructions and bits; the label after an r is the bit that was written last."""
    pairs = lengths // 2
    count, most = len(pairs), int(pairs.max())
    kinds = random.choice(3, (count, most), p=[(1 - IGNORED) / 2, IGNORED, (1 - IGNORED) / 2])
    kinds[:, 0], kinds[np.arange(count), pairs - 1] = 0, 2  # begins by writing and ends by reading
    bits = random.integers(0, 2, (count, most))
    written = bits[:, 0]
    for place in range(1, most):
        bits[:, place] = np.where(kinds[:, place] == 2, written, bits[:, place])
        written = np.where(kinds[:, place] == 0, bits[:, place], written)
    symbols, labels = (np.empty((count, 2 * most), kind) for kind in (np.uint8, np.int64))
    symbols[:, ::2], symbols[:, 1::2] = FLIP_FLOP.encode("wir")[kinds], FLIP_FLOP.encode("01")[bits]
    labels[:, ::2], labels[:, 1::2] = np.where(kinds == 2, bits, UNLABELLED), UNLABELLED
    there = _there(symbols, 2 * pairs)
    return Sequences.joined(symbols[there], 2 * pairs, labels[there], by_step=True)


def associative_recall(lengths: Lengths, random: Random) -> Sequences:
    """Draw pairs and a key; the label is the value that the key had last."""
    pairs = (lengths - 1) // 2
    count, most = len(pairs), int(pairs.max())
    keys, values = random.integers(0, KEYS, (count, most)), random.integers(0, VALUES, (count, most))
    there, rows = np.arange(most) < pairs[:, None], np.arange(count)
    last = np.full((count, KEYS), UNLABELLED)
    for place in range(most):
        last[rows, keys[:, place]] = np.where(there[:, place], values[:, place], last[rows, keys[:, place]])
    asked = np.where(last != UNLABELLED, random.random(last.shape), -1).argmax(1)
    symbols = np.empty((count, 2 * most + 1), np.uint8)
    symbols[:, :-1:2], symbols[:, 1::2] = keys + VALUES, values
    symbols[rows, 2 * pairs] = asked + VALUES
    return Sequences.joined(symbols[_there(symbols, 2 * pairs + 1)], 2 * pairs + 1, last[rows, asked])


def selective_copy(lengths: Lengths, random: Random) -> Sequences:
    """Draw symbols among `lengths` steps; the labels of the last 10 steps are these symbols."""
    count, most = len(lengths), int(lengths.max())
    marker, blank = COPY.encode(":_")
    chance = np.where(np.arange(most) < lengths[:, None], random.random((count, most)), -1)
    places = np.sort(np.argpartition(-chance, COPIED - 1, axis=1)[:, :COPIED], axis=1)
    symbols = np.full((count, most + 1 + COPIED), blank, np.uint8)
    rows = np.arange(count)
    copied = random.integers(blank + 1, len(COPY), (count, COPIED))
    symbols[rows[:, None], places] = copied
    symbols[rows, lengths] = marker
    labels = np.full(symbols.shape, UNLABELLED, np.int64)
    labels[rows[:, None], lengths[:, None] + 1 + np.arange(COPIED)] = copied - blank - 1
    lengths = lengths + 1 + COPIED
    there = _there(symbols, lengths)
    return Sequences.joined(symbols[there], lengths, labels[there], by_step=True)


def _balanced(lengths: Lengths, random: Random) -> tuple[NDArray[np.bool_], NDArray[np.int64], Lengths]:
    """Draw balanced brackets that begin with two opening ones; a bracket opens with a probability of one half wherever
    both are possible. Return (count, longest) whether each opens and the depth after it, and the even lengths."""
    lengths = lengths // 2 * 2
    count, most = len(lengths), int(lengths.max())
    opens, depths = np.empty((count, most), bool), np.empty((count, most), np.int64)
    depth = np.zeros(count, np.int64)
    for place in range(most):
        left = lengths - place
        wanted = (random.random(count) < 0.5) | (depth == 0) | (place < 2)
        opens[:, place] = wanted & (depth < left)
        depth = depth + np.where(left > 0, np.where(opens[:, place], 1, -1), 0)
        depths[:, place] = depth
    return opens, depths, lengths


def _there(values: NDArray[Any], lengths: Lengths) -> NDArray[np.bool_]:
    """Return whether each step of (count, longest) is within its sequence."""
    there: NDArray[np.bool_] = np.arange(values.shape[1]) < lengths[:, None]
    return there
