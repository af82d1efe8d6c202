"""Strings of the embedded Reber grammar.

A string is B, then T or P, then an inner string of the Reber grammar, then the same T or P again, then E. The inner
string is

    B (T S* X | P T* V) … E

as in `FOLLOWERS`: in every inner state two symbols are equally likely. The last symbol but one equals the second, and
nothing in between reveals it (A. Cleeremans, D. Servan-Schreiber & J. McClelland, "Finite State Automata and Simple
Recurrent Networks", Neural Computation 1 (1989); S. Hochreiter & J. Schmidhuber 1997, experiment 1). For a longer lag,
the inner string restarts from its B instead of ending with E until the string is long enough. E is therefore always
followed by the T or P, and a network that remembers can be certain which.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.sequences import Sequences
from lstmctl.data.vocabulary import TextEncoding

SYMBOLS = TextEncoding("characters", "BEPSTVX")
SHORTEST = 9
"""Symbols of the shortest string, such as BTBTXSETE."""

# The inner grammar. In state s, choice c writes a symbol and leads to the next state; START has a single choice, and at
# END comes E or, if the string is too short, the next B.
START, END = 0, 6
FOLLOWERS = (("B", "B"), ("T", "P"), ("S", "X"), ("T", "V"), ("X", "S"), ("P", "V"))
NEXT_STATES = np.array([(1, 1), (2, 3), (2, 4), (3, 5), (3, 6), (4, 6)])
WRITTEN = np.array([SYMBOLS.encode("".join(pair)) for pair in FOLLOWERS])


def draw_reber(length: int, count: int, random: np.random.Generator) -> Sequences:
    """Draw strings of at least `length` symbols, with the next symbol as the label of each step. `scored` is True at
    the one step whose successor has to equal the string's second symbol."""
    begin, end = SYMBOLS.encode("BE")
    remembered = random.choice(SYMBOLS.encode("TP"), count)
    columns: list[NDArray[np.uint8]] = [np.full(count, begin), remembered]
    state = np.full(count, START)
    inner = np.full(count, 0)
    running = np.full(count, True)
    while running.any():
        # A string: B, T or P, the inner part with its E, T or P, E.
        due = running & (state == END)
        over = due & (len(columns) + 3 >= length)
        state[state == END] = START
        choice = random.integers(0, 2, count)
        symbols = np.where(over, end, WRITTEN[state, choice])
        state = NEXT_STATES[state, choice]
        columns.append(np.where(running, symbols, end).astype(np.uint8))
        inner += running
        running &= ~over
    symbols = np.stack([*columns, *[np.full(count, end)] * 2], axis=1)
    last, rows = inner + 2, np.arange(count)  # the position of the repeated symbol
    symbols[rows, last] = remembered
    symbols[rows, last + 1] = end
    steps = last + 1  # the last symbol has no successor
    place = np.arange(symbols.shape[1] - 1)
    kept = place < steps[:, None]
    return Sequences.joined(
        symbols[:, :-1][kept],
        steps.astype(np.int64),
        symbols[:, 1:][kept].astype(np.int64),
        by_step=True,
        scored=(place == last[:, None] - 1)[kept],
    )
