"""Which numbers to compute with: float32, bfloat16 where it is faster, float64 for proofs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

WORTH_IT = 0.9
"""bfloat16 is taken when a step needs at most this share of float32's time."""


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Compute matrix products in `precision` inside this context; weights and sums stay as they are."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def choose_precision(wanted: str, device: torch.device, step: Callable[[], object]) -> str:
    """`wanted`, or for `auto` the faster of float32 and bfloat16 by a trial of `step`, a forward and backward pass.

    bfloat16 is tried only where the hardware multiplies it, and refused where a trial fails or gains too little.
    """
    if wanted != "auto":
        return wanted
    if not _multiplies_bfloat16(device):
        return "float32"
    try:
        with autocast("bfloat16", device):
            shortened = _seconds(step, device)
    except RuntimeError:  # some processors name the format but have no kernel for a given layer
        return "float32"
    return "bfloat16" if shortened <= WORTH_IT * _seconds(step, device) else "float32"


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return device.type == "cpu" and any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _seconds(step: Callable[[], object], device: torch.device) -> float:
    """Median over three runs after one to warm up."""
    times = []
    for _ in range(4):
        started = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])
