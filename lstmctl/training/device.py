"""The device to compute on, the number of threads, and settings for repeatable results."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from lstmctl.errors import ConfigError
from lstmctl.words import plural

CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def choose_device(name: str, local_rank: int | None = None) -> torch.device:
    """Return the device a config asks for; `auto` selects a GPU if there is one.

    Args:
        name: the config's `device`.
        local_rank: with several processes, this one's rank on its machine, which is also the number of its GPU.

    Raises:
        ConfigError: this machine does not have the device; the error lists the available ones.
    """
    found = available_devices()
    if local_rank is not None:
        return _own_device(name, local_rank, found)
    if name == "auto":
        return torch.device("cuda:0" if "cuda:0" in found else "cpu")
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in found:
        raise ConfigError(
            f"device — {name} is not available on this machine; found: {', '.join(found)}",
            hint="device=auto uses an available device",
        )
    return torch.device(wanted)


def _own_device(name: str, local_rank: int, found: list[str]) -> torch.device:
    kind = ("cuda" if "cuda:0" in found else "cpu") if name == "auto" else name
    if kind not in ("cpu", "cuda"):
        raise ConfigError(
            f"device — {name} does not support several processes; use cpu, or cuda, where each process has its own GPU"
        )
    own = "cpu" if kind == "cpu" else f"cuda:{local_rank}"
    if own not in found:
        raise ConfigError(
            f"device — more processes than GPUs: {own} does not exist on this machine; found: {', '.join(found)}",
            hint="torchrun --nproc-per-node=N starts N processes on each machine; device=cpu needs no GPU",
        )
    if kind == "cuda":
        torch.cuda.set_device(local_rank)
    return torch.device(own)


def available_devices() -> list[str]:
    """List the devices on this machine."""
    devices = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return [*devices, "mps"] if torch.backends.mps.is_available() else devices


def choose_threads(wanted: int | str) -> int:
    """Set and return the number of CPU threads; `auto` keeps torch's own choice, one per core."""
    threads = torch.get_num_threads() if wanted == "auto" else int(wanted)
    torch.set_num_threads(threads)
    return threads


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for reuse, since every step needs the same amount again.

    glibc returns large blocks to the system, which then has to clear every page again: a fifth to a third of the time
    of a training step on a CPU. Other C libraries are left unchanged.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX from malloc.h
    library = ctypes.CDLL(None)
    library.mallopt(trim_threshold, 2**31 - 1)
    # Disable separate mappings. Raising their threshold is not enough: its maximum is 32 MiB, and oneDNN's workspace
    # for a window of an LSTM is larger.
    library.mallopt(mmap_max, 0)


def make_repeatable(device: torch.device) -> dict[str, str]:
    """Make results on `device` bitwise repeatable, and return the settings used.

    A CPU needs none. On CUDA, cuBLAS needs a fixed workspace (set before its first use) and cuDNN its deterministic
    algorithms; torch refuses operations without a deterministic algorithm.
    """
    if device.type != "cuda":
        return {}
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    torch.backends.cudnn.benchmark = False
    return {
        "CUBLAS_WORKSPACE_CONFIG": os.environ["CUBLAS_WORKSPACE_CONFIG"],
        "deterministic_algorithms": "true",
        "cudnn_benchmark": "false",
    }


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's global generators, which dropout on `device` uses, inside this context; restore them afterwards.

    This replaces `torch.manual_seed`, which takes a twentieth of a small step: it addresses every kind of device, and
    for unused ones it records a traceback.
    """
    generators = [torch.default_generator]
    if device.type == "cuda":
        generators.append(torch.cuda.default_generators[device.index])
    elif device.type == "mps":
        generators.append(torch.mps._get_default_mps_generator())
    before = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(seed)
    try:
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


def device_name(device: torch.device) -> str:
    """Return a readable name of the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"cpu, {plural(threads, 'thread')}" if device.type == "cpu" else device.type


def peak_memory(device: str) -> int | None:
    """Return peak memory in bytes: allocated on a GPU, else of the whole process; None on Windows."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    try:
        # `getrusage` would start from the peak of the parent process; this value covers only this program.
        peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii", errors="replace"))
    except OSError:  # not Linux
        peak = None
    if peak is not None:
        return int(peak[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def memory_of(device: torch.device) -> int | None:
    """Return a device's total memory in bytes, with the machine's swap, up to a container's limit; None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    limits = []
    if device.type == "cpu":
        with suppress(OSError):  # not Linux
            content = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
            limits.append(1024 * sum(map(int, re.findall(r"^(?:MemTotal|SwapTotal):\s*(\d+) kB", content, re.M))))
        for path in CONTAINER_LIMITS:
            with suppress(OSError, ValueError):  # no limit
                limits.append(int(Path(path).read_text(encoding="ascii")))
    return min(filter(None, limits), default=None)
