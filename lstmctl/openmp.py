"""Limit how long waiting OpenMP threads spin, so that other programs get the processor.

A thread that waits for work spins on its core before it sleeps: for milliseconds in GNU's library, for 200 ms in LLVM's
and Intel's. Two programs that spin on the same cores slow each other down far more than twofold.
"""

from __future__ import annotations

import os

BOUNDS = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
"""For GNU's library (torch's on Linux) in iterations; for LLVM's and Intel's (macOS and Windows) in milliseconds."""


def bound_spinning() -> None:
    """Set the limits, unless the environment already defines how threads wait.

    The library reads them once, when torch loads it, so this has no effect after importing torch.
    """
    if not {"OMP_WAIT_POLICY", *BOUNDS} & os.environ.keys():
        os.environ.update(BOUNDS)
