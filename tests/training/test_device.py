"""Facts that a process determines about its machine."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from lstmctl.training.device import seeded
from tests import processes

PEAK = """
import sys
from lstmctl.training.device import peak_memory
before = peak_memory("cpu")
held = bytearray(b"1") * int(sys.argv[1])
print(before, peak_memory("cpu"))
"""


def test_the_peak_is_of_this_process_and_not_of_the_one_that_started_it() -> None:
    held = bytearray(b"1") * 1_000_000_000  # far more than the process below needs
    command = [sys.executable, "-c", PEAK, "100000000"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    before, after = map(int, result.stdout.split())
    assert len(held) > 2 * before
    assert 80_000_000 < after - before < 200_000_000


def test_seeded_draws_what_a_seed_gives_and_leaves_the_generator_as_it_was() -> None:
    torch.manual_seed(7)
    expected = torch.nn.functional.dropout(torch.ones(1000), 0.5)
    following = torch.rand(3)
    torch.manual_seed(7)
    torch.nn.functional.dropout(torch.ones(1000), 0.5)
    with seeded(torch.device("cpu"), 7):
        assert torch.equal(torch.nn.functional.dropout(torch.ones(1000), 0.5), expected)
    assert torch.equal(torch.rand(3), following)


KEPT = """
import ctypes, sys
from lstmctl.training.device import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
class Figures(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", *"bcdefghij")]
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
library.mallinfo2.restype = Figures
before = library.mallinfo2().arena
library.free(library.malloc(2**26))
print(library.mallinfo2().arena - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are not configured")
@pytest.mark.parametrize(("word", "most", "least"), [("keep", 2**27, 2**25), ("give back", 2**20, 0)])
def test_what_a_step_frees_stays_in_the_process(word: str, most: int, least: int) -> None:
    """By glibc's own count of what it holds, after 64 MiB were taken and given back."""
    found = processes.run([sys.executable, "-c", KEPT, word], capture_output=True, check=True, text=True).stdout
    assert least <= int(found) <= most
