"""A look inside the runs of a real comparison."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lstmctl.comparison import compare
from lstmctl.comparison.inspecting import inspect_arms
from lstmctl.errors import ConfigError
from lstmctl.results.comparison import Comparison

Undisturbed = tuple[Comparison, dict[str, Any], list[Any]]


def test_every_arm_shows_the_gradient_of_its_first_finished_run(undisturbed: Undisturbed) -> None:
    comparison, _, _ = undisturbed
    looks = inspect_arms(comparison)
    assert [Path(one.about.run).name for one in looks.gradients] == [f"{arm.name}-seed-0" for arm in comparison.arms]
    assert all(course.norms[0] > 0 for one in looks.gradients for course in one.courses)
    assert looks.recalls == ()  # the distances in that text are unknown
    page = (Path(comparison.path) / "report.html").read_text(encoding="utf-8")
    assert "Gradients back in time" in page
    assert (Path(comparison.path) / "plots/gradients.png").stat().st_size > 5_000


def test_an_arm_without_a_finished_run_is_left_out(undisturbed: Undisturbed) -> None:
    comparison, _, _ = undisturbed
    lost = tuple(dataclasses.replace(run, status="diverged") for run in comparison.arms[0].runs)
    arms = (dataclasses.replace(comparison.arms[0], runs=lost), *comparison.arms[1:])
    looks = inspect_arms(dataclasses.replace(comparison, arms=arms))
    assert len(looks.gradients) == len(comparison.arms) - 1


def test_a_cell_that_fails_while_it_is_measured_is_named_with_its_line(config: Path) -> None:
    code = """
from lstmctl.cells.rnn import RNN


class Mine(RNN):
    def sequence(self, input, state, mask=None):
        return super().sequence(input, state, mask)

    def step(self, projected, state):
        raise KeyError("x")
"""
    Path("cells.py").write_text(code)
    with pytest.raises(ConfigError, match=r"model.cell — cells:Mine failed at cells.py:10: KeyError: 'x'"):
        compare(["rnn", "cells:Mine"], config, ["training.budget=2 steps"], seeds=1)
