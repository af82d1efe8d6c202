"""Read the two halves of a batch's lanes in two threads, which meet once per window and not at every operation.

A recurrence is a chain of short operations. If each of them divides its rows among the threads of OpenMP, the threads
meet some ten times per time step, and a thread that waits must spin or be woken: both cost more than the operation
where several programs share the cores. The lanes of a batch need nothing of each other between the ends of a window.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor

ROWS = 16
"""The fewest lanes of a half: fewer make no fewer passes over the weights."""
DIVIDED = 32_768
"""Numbers from which torch divides an operation among threads by itself."""


def worth_halving(state: Tensor) -> bool:
    """Return whether two threads read a batch with a state (batch, hidden) sooner by halves.

    In bfloat16 a product of half the rows takes more than half the time unless there are many.
    """
    return (
        state.device.type == "cpu"
        and torch.get_num_threads() > 1
        and len(state) >= 2 * ROWS
        and (state.dtype == torch.float32 or state.numel() >= DIVIDED)
    )


def in_halves(work: Callable[[slice], None], state: Tensor) -> None:
    """Call `work` for the lanes of a batch, in two threads if that is `worth_halving`.

    Args:
        work: computes the lanes that it is given, without gradients, and writes into memory of its own lanes only.
        state: (batch, hidden).
    """
    if not worth_halving(state):
        work(slice(None))
        return
    threads, middle = torch.get_num_threads(), len(state) // 2
    inference = torch.is_inference_mode_enabled()

    def other_half() -> None:
        # Threads of OpenMP, gradients and inference mode are settings of each thread.
        torch.set_num_threads(threads - threads // 2)
        with torch.inference_mode(inference), torch.no_grad():
            work(slice(middle, None))

    other = _other_thread().submit(other_half)
    try:
        torch.set_num_threads(threads // 2)
        work(slice(middle))
    finally:
        try:
            other.result()
        finally:
            torch.set_num_threads(threads)


@cache
def _other_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "halves")
