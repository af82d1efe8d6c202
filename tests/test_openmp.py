"""Waiting of OpenMP's threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lstmctl.openmp import BOUNDS, bound_spinning

VARIABLES = ("OMP_WAIT_POLICY", *BOUNDS)


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_choice_of_the_user_is_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "7")
    bound_spinning()
    assert {variable: os.environ.get(variable) for variable in VARIABLES} == {**dict.fromkeys(VARIABLES), name: "7"}


@pytest.mark.skipif(sys.platform != "linux", reason="torch brings GNU's OpenMP on Linux only")
def test_torch_takes_over_the_bound() -> None:
    """libgomp prints what it has read when it is loaded; its own default is 300,000 and more."""
    command = [sys.executable, "-c", "import lstmctl, torch"]
    environment = {**os.environ, "OMP_DISPLAY_ENV": "VERBOSE"}
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    if "GOMP_SPINCOUNT" not in printed:
        pytest.skip("this torch was built with another OpenMP")
    assert "GOMP_SPINCOUNT = '1000'" in printed
