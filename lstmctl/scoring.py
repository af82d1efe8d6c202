"""Scoring a model on batches without disturbing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from lstmctl.protocols import Batch, Task, Totals


@torch.no_grad()
def total(model: nn.Module, task: Task, batches: Iterable[Batch]) -> Totals:
    """What a task's `score` adds up to over `batches`, each starting from zero or from the one before as it says."""
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
    """The model without dropout inside this context, and as it was after."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
