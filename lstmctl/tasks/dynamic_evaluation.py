"""Dynamic evaluation: a language model that learns from the text while it is scored on it.

Each segment is scored first, then the weights θ take a step along its gradient g, and towards the trained weights θ₀:

    θ ← θ − η g / (√s + ε) + λ r (θ₀ − θ),   r = √s / mean √s, at most 1/λ

with s the mean of g² over segments of the training part, for every weight. η and λ are chosen on the validation part
(B. Krause, E. Kahembwe, I. Murray & S. Renals, "Dynamic Evaluation of Neural Sequence Models", ICML 2018, with its RMS
rule). The result answers another question than the static metric: how well the model predicts a text that it may learn.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lstmctl.models.recurrence import detach
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.progress import report
from lstmctl.protocols import ModelState, Task, Totals
from lstmctl.scoring import reported
from lstmctl.tasks.windows import streamed

SEGMENT = 20
"""Symbols between two updates."""
SMALLEST = 1e-5
"""ε."""
RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
DECAYS = (0.0, 1e-3, 1e-2)
TUNED_ON = 10_000
"""Symbols of the validation part that each choice is tried on."""
MEASURED_ON = 20_000
"""Symbols of the training part for s."""


class Dynamics(NamedTuple):
    """The chosen update."""

    rate: float
    """η; 0 to learn nothing."""
    decay: float
    """λ."""
    squares: dict[str, Tensor]
    """s of every weight."""


def chosen_dynamics(model: SequenceModel, task: Task, training: Tensor, validation: Tensor) -> Dynamics:
    """Choose η, then λ, by the loss on the beginning of the validation part.

    Args:
        model: the trained model, which is not changed.
        training, validation: symbols (length,).
    """
    squares = _squared_gradients(model, task, training[:MEASURED_ON])
    symbols = validation[:TUNED_ON]

    def nats(rate: float, decay: float) -> float:
        report(f"choosing the learning rate {rate:g} and decay {decay:g} of dynamic evaluation")
        return float(dynamic_total(model, task, symbols, Dynamics(rate, decay, squares))["nats"])

    losses = {rate: nats(rate, DECAYS[0]) for rate in (0.0, *RATES)}
    rate = min(losses, key=lambda one: losses[one])
    if rate == 0:
        return Dynamics(0.0, 0.0, squares)
    by_decay = {DECAYS[0]: losses[rate], **{decay: nats(rate, decay) for decay in DECAYS[1:]}}
    return Dynamics(rate, min(by_decay, key=lambda one: by_decay[one]), squares)


def dynamic_total(model: SequenceModel, task: Task, symbols: Tensor, dynamics: Dynamics) -> Totals:
    """Sum `task.score` over a text (length,), read as one stream by a copy of the model that learns as it reads."""
    totals: Counter[str] = Counter()
    trained = dict(model.named_parameters())
    learning = _learning(model)
    pull = {name: dynamics.decay * (root := s.sqrt()) / root.mean() for name, s in dynamics.squares.items()}
    for scored in _segments(learning, task, symbols):
        totals.update(scored)
        with torch.no_grad():
            for name, weight in learning.named_parameters():
                if weight.grad is not None:
                    step = weight.grad / (dynamics.squares[name].sqrt() + SMALLEST)
                    weight.sub_(step, alpha=dynamics.rate)
                    if dynamics.decay:
                        weight.lerp_(trained[name].detach(), pull[name].clamp(max=1))
    return dict(totals)


def _squared_gradients(model: SequenceModel, task: Task, symbols: Tensor) -> dict[str, Tensor]:
    """Return the mean square of the gradient of a segment's mean loss, for every weight."""
    learning = _learning(model)
    squares = {name: torch.zeros_like(weight) for name, weight in learning.named_parameters()}
    count = 0
    for _ in _segments(learning, task, symbols):
        count += 1
        for name, weight in learning.named_parameters():
            if weight.grad is not None:
                squares[name].addcmul_(weight.grad, weight.grad)
    return {name: square / count for name, square in squares.items()}


def _segments(model: SequenceModel, task: Task, symbols: Tensor) -> Iterator[Totals]:
    """Read a text as one stream; yield the score of each segment before the weights learn from it, with the gradient of
    its mean loss in the weights."""
    state: ModelState | None = None
    layers = len(model.recurrence.layers())
    for batch in reported(streamed(symbols, 1, SEGMENT)):
        before = task.initial_state(model, batch) if state is None else state
        with torch.no_grad():
            scored, state = task.score(model, batch, before)
        model.zero_grad(set_to_none=True)
        with torch.enable_grad():
            loss = task.loss(model, replace(batch, weight=None), detach(before[:layers]))
            (loss.sum / batch.units).backward()
        yield scored


def _learning(model: SequenceModel) -> SequenceModel:
    """Return a copy without dropout, whose recurrent kernels have gradients: cuDNN's only have them in training."""
    learning = copy.deepcopy(model)
    for module in learning.modules():
        module.train(isinstance(module, nn.RNNBase))
    for weight in learning.parameters():
        weight.requires_grad_()
    return learning
