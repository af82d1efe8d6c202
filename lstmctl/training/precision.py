"""Which numbers to compute with: float32, bfloat16 where it is faster, float64 for proofs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from lstmctl.errors import ConfigError

WORTH_IT = 0.9
"""bfloat16 is taken when a step needs at most this share of float32's time."""


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Compute matrix products in `precision` inside this context; weights and sums stay as they are."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def choose_precision(
    wanted: str, device: torch.device, step: Callable[[], object], *, started_elsewhere: bool = False
) -> str:
    """The precision to compute in.

    Args:
        wanted: a config's `training.precision`. `auto` takes the faster of float32 and bfloat16.
        device: where `step` computes.
        step: a forward and backward pass of the network, to be tried in bfloat16. Only a trial shows whether torch has
            the kernels: a processor may name the format and lack a kernel for one layer.
        started_elsewhere: the run has begun, maybe on another machine; it continues in float32 where it must.

    Raises:
        ConfigError: bfloat16 is asked for by name and there is no kernel for it.
    """
    if wanted == "bfloat16" and not _computes_bfloat16(device, step):
        if started_elsewhere:
            return "float32"
        raise ConfigError(f"training.precision — {lacks_bfloat16(device)}", hint="training.precision=float32 or auto")
    if wanted != "auto":
        return wanted
    if not (_multiplies_bfloat16(device) and _computes_bfloat16(device, step)):
        return "float32"
    with autocast("bfloat16", device):
        shortened = _seconds(step, device)
    return "bfloat16" if shortened <= WORTH_IT * _seconds(step, device) else "float32"


def lacks_bfloat16(device: torch.device) -> str:
    """The reason why bfloat16 cannot be had on a device."""
    if device.type == "cpu":
        return "this processor lacks what torch's bfloat16 kernels need (on x86: AVX-512)"
    return f"torch has no bfloat16 kernels for this device ({device.type})"


def _computes_bfloat16(device: torch.device, step: Callable[[], object]) -> bool:
    try:
        with autocast("bfloat16", device):
            step()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:
        step()  # what fails in float32 as well has another cause, and raises it here
        return False
    return True


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return device.type == "cpu" and any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _seconds(step: Callable[[], object], device: torch.device) -> float:
    """Median over three runs."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times)
