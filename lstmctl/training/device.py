"""Where to compute, with how many threads, and what makes it repeatable."""

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

CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def choose_device(name: str, local_rank: int | None = None) -> torch.device:
    """The device a config asks for; `auto` takes a GPU where there is one.

    Args:
        name: the config's `device`.
        local_rank: of several processes that train together, which this one is on its machine: its GPU's number.

    Raises:
        ConfigError: there is no such device here; those found are named.
    """
    found = available_devices()
    if local_rank is not None:
        return _own_device(name, local_rank, found)
    if name == "auto":
        return torch.device("cuda:0" if "cuda:0" in found else "cpu")
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in found:
        raise ConfigError(
            f"device — {name} is not on this machine; found: {', '.join(found)}", hint="device=auto takes what is there"
        )
    return torch.device(wanted)


def _own_device(name: str, local_rank: int, found: list[str]) -> torch.device:
    kind = ("cuda" if "cuda:0" in found else "cpu") if name == "auto" else name
    if kind not in ("cpu", "cuda"):
        raise ConfigError(
            f"device — {name} is not for several processes; cpu is, and cuda, of which each takes the GPU of its number"
        )
    own = "cpu" if kind == "cpu" else f"cuda:{local_rank}"
    if own not in found:
        raise ConfigError(
            f"device — there are more processes than GPUs: no {own} on this machine; found: {', '.join(found)}",
            hint="torchrun --nproc-per-node=N starts N processes on each machine; device=cpu needs no GPU",
        )
    if kind == "cuda":
        torch.cuda.set_device(local_rank)
    return torch.device(own)


def available_devices() -> list[str]:
    """Names of the devices on this machine."""
    devices = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return [*devices, "mps"] if torch.backends.mps.is_available() else devices


def choose_threads(wanted: int | str) -> int:
    """Set and return the number of CPU threads to compute with; `auto` keeps torch's own choice, one a core."""
    threads = torch.get_num_threads() if wanted == "auto" else int(wanted)
    torch.set_num_threads(threads)
    return threads


def keep_freed_memory() -> None:
    """Let the C library keep what a step frees for the next one, which asks for as much again.

    glibc gives large pieces back to the system, and then the system clears every page of them anew: a fifth to a third
    of a training step on a CPU. Other C libraries stay as they are.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return
    trim_threshold, mmap_max = -1, -4  # of malloc.h: M_TRIM_THRESHOLD, M_MMAP_MAX
    library = ctypes.CDLL(None)
    library.mallopt(trim_threshold, 2**31 - 1)
    # No piece is mapped by itself. A threshold would not do: it ends at 32 MiB, and oneDNN's workspace of an LSTM's
    # window takes more.
    library.mallopt(mmap_max, 0)


def make_repeatable(device: torch.device) -> dict[str, str]:
    """Make the same inputs give the same bits on `device`, and say by which settings.

    A CPU needs none. On CUDA, cuBLAS wants a fixed workspace (set before its first use), cuDNN its deterministic
    algorithms, and torch refuses operations that have none.
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
    """torch's own generators, which dropout on `device` draws from, begin at `seed` inside this context; after it they
    are as they were.

    `torch.manual_seed` takes as long as a twentieth of a small step: it turns to every kind of device that there is,
    and for those not in use it writes down the call's traceback.
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
    """What a person would call the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"cpu, {threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else device.type


def peak_memory(device: str) -> int | None:
    """The most memory taken so far, in bytes: allocated on a GPU, else by the whole process; None on Windows."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    try:
        # Of this program alone; what `getrusage` tells of begins at the peak of the process that started this one.
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
    """All memory of a device in bytes, with the machine's swap and within a container's limit; None where unknown."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    limits = []
    if device.type == "cpu":
        with suppress(OSError):  # not Linux
            content = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
            limits.append(1024 * sum(map(int, re.findall(r"^(?:MemTotal|SwapTotal):\s*(\d+) kB", content, re.M))))
        for path in CONTAINER_LIMITS:
            with suppress(OSError, ValueError):  # there is no limit
                limits.append(int(Path(path).read_text(encoding="ascii")))
    return min(filter(None, limits), default=None)
