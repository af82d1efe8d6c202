"""Limit how long the threads of OpenMP spin while they wait, so that other programs get the processor.

A thread that waits for the next piece of work spins on its core before it sleeps: in GNU's library for milliseconds, in
LLVM's and Intel's for 200 ms. Two programs that do so on the same cores slow each other far more than by half.
"""

from __future__ import annotations

import os

BOUNDS = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
"""GNU's library (torch's on Linux) in iterations; LLVM's and Intel's (on macOS and Windows) in milliseconds."""


def bound_spinning() -> None:
    """Set the bounds, unless the environment already says how threads wait.

    The library reads them once, when torch loads it, so this has no effect after torch has been imported.
    """
    if not {"OMP_WAIT_POLICY", *BOUNDS} & os.environ.keys():
        os.environ.update(BOUNDS)
