"""Find the kernel that computes a cell's sequences by observing torch rather than inferring it from the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

KERNELS = {
    "mkldnn_rnn_layer": "oneDNN",
    "_cudnn_rnn": "cuDNN",
    "miopen_rnn": "MIOpen",
    "_linear_pointwise": "unrolled",
    "addmm.out": "unrolled",
}
"""Kernel by an operation unique to it; the last two identify `unrolled`, with and without packed weights."""


class _Operations(TorchDispatchMode):
    """Records the names of the operations that run inside it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: to skip dynamo, torch would first import it, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names |= {func.overloadpacket.__name__, func.__name__}  # `addmm` and `addmm.out`
        return func(*args, **(kwargs or {}))


def kernel_used(run: Callable[[], object], path: str = "stepwise") -> str:
    """Return the recurrent kernel that `run()` uses: oneDNN, cuDNN, MIOpen, unrolled, or the cell's own `path` if none
    of them."""
    with _Operations() as operations, torch.no_grad():
        run()
    return next((name for operation, name in KERNELS.items() if operation in operations.names), path)
