"""What a process finds out about the machine it is on."""

from __future__ import annotations

import subprocess
import sys

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
