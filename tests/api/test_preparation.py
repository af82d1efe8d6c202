"""Building a run: what is computed of its data before training begins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lstmctl.api.preparation import assemble
from lstmctl.cells.lstm import LSTM
from lstmctl.config import from_mapping
from lstmctl.data.sequences import Sequences
from lstmctl.data.synthetic import PROBLEMS

HELD_OUT, BATCH = 23, 5


def test_of_a_drawn_problem_nothing_is_drawn_before_it_is_needed_but_the_validation_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem, drawn = PROBLEMS["adding"], []

    def recorded(name: str, length: int, count: int, random: np.random.Generator) -> Sequences:
        drawn.append(count)
        return problem.draw(name, length, count, random)

    monkeypatch.setitem(PROBLEMS, "adding", replace(problem, draw=recorded))
    settings = from_mapping(
        {
            "task": {"type": "regression"},
            "data": {"synthetic": "adding", "length": 4, "held_out": HELD_OUT},
            "model": {"hidden": 3},
            "training": {"budget": "1 steps", "batch": BATCH},
            "threads": 1,
        }
    )
    assembled = assemble(settings, None, LSTM)
    assert drawn.count(HELD_OUT) == 1
    assert set(drawn) == {HELD_OUT, BATCH}
    score = assembled.task.evaluate(
        assembled.model, assembled.task.part(assembled.corpus, "training", torch.device("cpu"))
    )
    assert score.windows == HELD_OUT
