"""The number format of the computation: float32, bfloat16 if it is faster, float64 for verification."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from lstmctl.cells.packed import has_kernels
from lstmctl.errors import ConfigError

log = logging.getLogger(__name__)

WORTH_IT = 0.9
"""bfloat16 is chosen if a step takes at most this share of the time in float32."""
LONGEST_TRIAL = 1.0
"""Seconds after which a trial is not repeated."""


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Compute matrix products in `precision` inside this context; weights and sums keep their types."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def choose_precision(wanted: str, device: torch.device, step: Callable[[], object], *, recorded: bool = False) -> str:
    """Choose the precision to compute in.

    Args:
        wanted: a config's `training.precision`. `auto` selects the faster of float32 and bfloat16.
        device: the device of `step`.
        step: a forward and backward pass of the network, to be tried in bfloat16. Only a trial shows whether torch has
            the kernels: a processor may support the format but lack the kernel for one layer.
        recorded: `wanted` comes from a run or comparison that already started, maybe on another machine. If bfloat16
            is unavailable, it continues in float32 with a warning.

    Raises:
        ConfigError: bfloat16 is requested explicitly and has no kernels here.
    """
    if wanted == "bfloat16" and not computes_bfloat16(device, step):
        if not recorded:
            message = f"training.precision — {lacks_bfloat16(device)}"
            raise ConfigError(message, hint="training.precision=float32 or auto")
        log.warning(
            "%s, so the run continues in float32; its results will differ from those in bfloat16",
            lacks_bfloat16(device),
        )
        return "float32"
    if wanted != "auto":
        return wanted
    if not (_multiplies_bfloat16(device) and computes_bfloat16(device, step)):
        return "float32"
    with autocast("bfloat16", device):
        shortened = _seconds(step, device)
    return "bfloat16" if shortened <= WORTH_IT * _seconds(step, device) else "float32"


def lacks_bfloat16(device: torch.device) -> str:
    """Return the reason why bfloat16 is unavailable on a device."""
    if device.type == "cpu" and not torch.backends.mkldnn.is_available():
        return "this build of torch lacks oneDNN, which has its bfloat16 kernels"
    if device.type == "cpu":
        return "this processor lacks the instructions that torch's bfloat16 kernels need (on x86: AVX-512)"
    return f"torch has no bfloat16 kernels for this device ({device.type})"


def computes_bfloat16(device: torch.device, step: Callable[[], object]) -> bool:
    """Return whether `step`, a forward and backward pass, works in bfloat16 on a device, by running it.

    Raises:
        Exception: the pass fails in float32 as well.
    """
    try:
        with autocast("bfloat16", device):
            if not torch.is_autocast_enabled(device.type):  # on an old macOS, torch warns and computes in float32
                return False
            step()
    except torch.OutOfMemoryError:
        raise
    except Exception:  # including anything a user's own cell may raise
        step()  # if float32 fails too, bfloat16 is not the cause; raise that error
        return False
    return True


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether bfloat16 may be faster: the hardware multiplies it, and torch has kernels that use it."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    multiplies = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return device.type == "cpu" and multiplies and has_kernels(torch.bfloat16)


def _seconds(step: Callable[[], object], device: torch.device) -> float:
    """Return the median of three runs in seconds, or of fewer if they take more than `LONGEST_TRIAL`."""
    times: list[float] = []
    while len(times) < 3 and sum(times) < LONGEST_TRIAL:
        started = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times)
