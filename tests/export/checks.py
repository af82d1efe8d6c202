"""Checks of exports that several tests make."""

from __future__ import annotations

import importlib.util
import shutil
from typing import Any

import pytest

from lstmctl import Run
from lstmctl.export import export

TARGETS = ("numpy", "c", "javascript", "onnx")
CLOSE = 2e-5
"""Of float32, in logits or in standard deviations."""


def checked(run: Run, target: str, **settings: Any) -> float:
    """Export a run, and return its largest difference; skip the test where this machine cannot run the export."""
    if target == "javascript" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    if target == "c" and not any(map(shutil.which, ("gcc", "clang", "cc"))):
        pytest.skip("no C compiler is installed")
    if target == "onnx" and not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))):
        pytest.skip("the extra onnx is not installed")
    found = export(run, target, f"exported-{target}", **settings)
    assert found.unchecked is None
    assert found.difference is not None
    assert found.steps > 0
    return found.difference
