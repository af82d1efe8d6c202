"""Scoring of a model on batches, without side effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch
from torch import nn

from lstmctl.protocols import Batch, Task, Totals

Watcher = Callable[[int], None]
BatchT = TypeVar("BatchT", bound=Batch)
_watcher: ContextVar[Watcher] = ContextVar("watcher", default=lambda targets: None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Call `watcher` with the number of targets of each batch that is scored inside this context, before the next one
    is gathered. It may raise an error to end the scoring."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def reported(batches: Iterable[BatchT]) -> Iterator[BatchT]:
    """Yield the batches, and report each to the watcher once it is scored."""
    watcher = _watcher.get()
    for batch in batches:
        yield batch
        watcher(batch.units)


@torch.no_grad()
def total(model: nn.Module, task: Task, batches: Iterable[Batch]) -> Totals:
    """Sum up a task's `score` over `batches`, each starting from a zero state or the previous one, as it specifies."""
    totals: Counter[str] = Counter()
    state = None
    with evaluating(model):
        for batch in reported(batches):
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
