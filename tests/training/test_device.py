"""What a process finds out about the machine it is on."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PEAK = """
import sys
from lstmctl.training.device import peak_memory
before = peak_memory("cpu")
held = bytearray(b"1" * int(sys.argv[1]))
print(before, peak_memory("cpu"))
"""


def test_the_peak_is_of_this_process_and_not_of_the_one_that_started_it() -> None:
    held = bytearray(b"1" * 1_500_000_000)  # far more than the process below needs
    command = [sys.executable, "-c", PEAK, "300_000_000".replace("_", "")]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    before, after = map(int, result.stdout.split())
    assert len(held) > 2 * before
    assert 250_000_000 < after - before < 700_000_000


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_what_a_step_frees_is_kept_for_the_next() -> None:
    """The system hands out pages anew, each by a fault, only where memory was given back to it."""
    program = """
import resource, sys, torch
from lstmctl.training.device import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def faults(steps):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        kept = [torch.ones(2**21) for _ in range(4)]
        del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(5)
print(faults(10))
"""
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", program, word], capture_output=True, check=True).stdout)
        for word in ("keep", "give back")
    )
    assert kept < 100 < given_back
