"""Score a text as one stream, much faster than symbol by symbol.

The text is cut into lanes that are read in parallel. Each begins in a state that is guessed by reading the end of the
lane before it alone; then each lane's final state is compared with the state that the next one began in. If they agree,
the lanes were one stream, whatever the guess was; otherwise they are read again from the new states. This is Parareal
(J.-L. Lions, Y. Maday & G. Turinici, "Résolution d'EDP par un schéma en temps pararéel", 2001) for a recurrence, and a
recurrence that forgets agrees at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lstmctl.protocols import Batch, ModelState, Task, Totals
from lstmctl.scoring import evaluating, reported, total
from lstmctl.tasks.windows import alongside, streamed

LANES = 32
SHORTEST_LANE = 2048
"""Symbols; guesses would cost as much as shorter lanes save."""
GUESS = 1024
"""Symbols to guess a state from."""
READINGS = 3
"""Attempts before the text is read in a single lane."""
WINDOW = 128
TOLERANCE = 1e-5
"""Allowed difference of two states, per unit: absolute, and relative if a unit is large."""


@torch.no_grad()
def stream_total(model: nn.Module, task: Task, symbols: Tensor) -> Totals:
    """Sum `task.score` over a text (length,) that is read as one stream from a zero state.

    A lane's first state may differ from the last state of the one before it by `TOLERANCE`, about the rounding error of
    float32; nothing else differs from reading in a single lane.
    """
    lanes = min(LANES, (len(symbols) - 1) // SHORTEST_LANE)
    if lanes < 2:
        return total(model, task, streamed(symbols, 1, LANES * WINDOW))
    length = (len(symbols) - 1) // lanes
    starts = torch.arange(lanes, device=symbols.device) * length
    with evaluating(model):
        guessing = list(alongside(symbols, starts + length - GUESS, GUESS, WINDOW))
        zero = task.initial_state(model, guessing[0])
        begun = _handed_on(_read(model, task, guessing, zero)[1])
        for _ in range(READINGS):
            totals, ended = _read(model, task, reported(alongside(symbols, starts, length, WINDOW)), begun)
            begun, guess = _handed_on(ended), begun
            if _agree(begun, guess):
                last = tuple(tuple(part[-1:] for part in layer) for layer in ended)
                rest = alongside(symbols, starts[:1] + lanes * length, len(symbols) - 1 - lanes * length, WINDOW)
                totals.update(_read(model, task, rest, last)[0])  # `+` would leave out what is not above 0, as NaN
                return dict(totals)
    return total(model, task, streamed(symbols, 1, LANES * WINDOW))


def _read(model: nn.Module, task: Task, batches: Iterable[Batch], state: ModelState) -> tuple[Counter[str], ModelState]:
    totals: Counter[str] = Counter()
    for batch in batches:
        scored, state = task.score(model, batch, state)
        totals.update(scored)
    return totals, state


def _handed_on(ended: ModelState) -> ModelState:
    """Return the first state of each lane: zero, then the last state of the lane before it."""
    return tuple(tuple(torch.cat([torch.zeros_like(part[:1]), part[:-1]]) for part in layer) for layer in ended)


def _agree(one: ModelState, other: ModelState) -> bool:
    return all(
        torch.allclose(part, beside, rtol=TOLERANCE, atol=TOLERANCE)
        for layer, next_to_it in zip(one, other, strict=True)
        for part, beside in zip(layer, next_to_it, strict=True)
    )
