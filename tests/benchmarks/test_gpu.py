"""The harness that measures on a GPU goes through without one, as far as it can."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

GPU = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "gpu.py"


def measured(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with `arguments`, with one thread."""
    command = [sys.executable, str(GPU), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_ends_with_one_line() -> None:
    result = measured()
    assert result.returncode == 1
    assert result.stdout == ""
    assert re.fullmatch(r"device — cuda is not available on this machine; found: .*; --device cpu .*\n", result.stderr)


@pytest.mark.bfloat16
def test_on_a_cpu_the_groups_go_through_on_little_data() -> None:
    result = measured("--device", "cpu", "--only", "precision", "resume", "graphs", "synchronisation", "--rounds", "1")
    assert result.returncode == 0, result.stderr
    rows = [line.strip("| ").split(" | ") for line in result.stdout.splitlines() if line.startswith("| ")]
    by_name = {name: (value, details) for name, _, value, _, details in rows[2:]}
    # A CPU has no TF32: it computes the same.
    exact, details = by_name["after 3 steps, lstm, float32, ieee"]
    assert by_name["after 3 steps, lstm, float32, TF32"] == (exact, details)
    assert by_name["after 3 steps, lstm, bfloat16"][1] != details
    resumed = {name: value for name, (value, _) in by_name.items() if "identical" in name}
    assert len(resumed) == 4  # with and without dropout, by either signal
    assert set(resumed.values()) == {"100.0 %"}
    assert result.stdout.endswith("Left out, for they are about CUDA alone: graphs, synchronisation.\n")
