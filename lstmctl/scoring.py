"""Scoring of a model on batches, without side effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from lstmctl.protocols import Batch, Task, Totals


@torch.no_grad()
def total(model: nn.Module, task: Task, batches: Iterable[Batch]) -> Totals:
    """Sum up a task's `score` over `batches`, each starting from a zero state or the previous one, as it specifies."""
    totals: Counter[str] = Counter()
    state = None
    with evaluating(model):
        for batch in batches:
            if batch.fresh or state is None:
                state = task.initial_state(model, batch)
            scored, state = task.score(model, batch, state)
            totals.update(scored)
    return dict(totals)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Disable dropout inside this context, and restore the model's mode afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
