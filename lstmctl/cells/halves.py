"""Process the two halves of a batch in two threads that synchronise once per window instead of at every operation.

A recurrence is a chain of short operations. If OpenMP splits the rows of each operation among its threads, the threads
synchronise about ten times per time step, and a waiting thread must spin or be woken: when several programs share the
cores, both cost more than the operation itself. The lanes of a batch are independent until the end of a window.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor

ROWS = 16
"""The minimum number of lanes per half: fewer lanes need the same number of passes over the weights."""
DIVIDED = 32_768
"""Number of elements from which torch itself splits an operation among threads."""


def worth_halving(state: Tensor) -> bool:
    """Return True if two threads process a batch with a state (batch, hidden) faster than one.

    In bfloat16, a product with half the rows takes more than half the time unless there are many rows.
    """
    return (
        state.device.type == "cpu"
        and torch.get_num_threads() > 1
        and len(state) >= 2 * ROWS
        and (state.dtype == torch.float32 or state.numel() >= DIVIDED)
    )


def in_halves(work: Callable[[slice], None], state: Tensor) -> None:
    """Call `work` on the lanes of a batch, in two threads if `worth_halving`.

    Args:
        work: computes the given lanes, without gradients, and writes only to memory that belongs to them.
        state: (batch, hidden).
    """
    if not worth_halving(state):
        work(slice(None))
        return
    threads, middle = torch.get_num_threads(), len(state) // 2
    inference = torch.is_inference_mode_enabled()

    def other_half() -> None:
        # The number of OpenMP threads, gradient mode and inference mode are per-thread settings.
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
