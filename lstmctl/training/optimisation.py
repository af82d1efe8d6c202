"""Optimizers, schedules, clipping, and a running average of the weights."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lstmctl.config.schema import Training
from lstmctl.errors import ConfigError
from lstmctl.training.adamw import AdamW
from lstmctl.training.soap import Soap


def freeze(model: nn.Module, names: Sequence[str]) -> None:
    """Leave the weights with these names, or with these parts of names between dots, out of training.

    Raises:
        ConfigError: a name does not match any weight, or no weight is left to train.
    """
    weights = dict(model.named_parameters())
    for name in names:
        chosen = [weight for full, weight in weights.items() if f".{name}." in f".{full}."]
        if not chosen:
            known = dict.fromkeys(re.sub(r"^members\.\d+\.", "", full).partition(".")[0] for full in weights)
            raise ConfigError(
                f"training.freeze — the network has no weight {name}", hint=f"its weights are in {', '.join(known)}"
            )
        for weight in chosen:
            weight.requires_grad_(False)
    if not any(weight.requires_grad for weight in weights.values()):
        raise ConfigError("training.freeze leaves no weight to train", hint="freeze fewer of them")


def build_optimizer(model: nn.Module, settings: Training) -> AdamW | torch.optim.Optimizer:
    """Build the optimizer named in a config, over the trained weights of `model`, with weight decay on matrices only.

    The learning rate is set before each step from `learning_rate`, a pure function of the step.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trained if parameter.dim() >= 2]
    others = [parameter for parameter in trained if parameter.dim() < 2]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    rate = settings.learning_rate
    fused = all(parameter.device.type in ("cuda", "cpu") for parameter in model.parameters())
    match settings.optimizer:
        case "adamw" if fused:
            return AdamW(groups, rate, settings.betas)
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, betas=settings.betas)
        case "soap":
            return Soap(groups, rate, settings.betas)
        case "adam":
            return torch.optim.Adam(groups, lr=rate, betas=settings.betas, fused=fused)
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=rate, momentum=settings.momentum)


def learning_rate(settings: Training, step: int, steps: int) -> float:
    """Return the learning rate at step `step` of `steps`, counted from 0.

    It rises linearly over `warm_up` steps, then follows the schedule from the peak down to `final_fraction` of it,
    which is reached when the budget ends, right after the last step.
    """
    warm_up = min(settings.warm_up, steps)
    if step < warm_up:
        return settings.learning_rate * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    match settings.schedule:
        case "constant":
            share = 1.0
        case "linear":
            share = 1 - progress
        case "cosine":
            share = (1 + math.cos(math.pi * progress)) / 2
    return settings.learning_rate * (settings.final_fraction + (1 - settings.final_fraction) * share)


def clip_gradients(parameters: list[nn.Parameter], largest: float | None) -> Tensor:
    """Scale all gradients so that their joint norm is at most `largest` (Pascanu, Mikolov & Bengio 2013); return the
    norm before clipping as a scalar tensor, so that a GPU need not be waited for."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if largest is not None:
        nn.utils.clip_grads_with_norm_(parameters, largest, norm)
    return norm


class WeightAverage:
    """An exponential moving average of a model's weights (Polyak & Juditsky 1992).

    The average follows faster in the first steps: after n steps the decay is at most (1 + n) / (10 + n).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay, self.updates = model, decay, 0
        self.weights = {name: weight.detach().clone() for name, weight in model.state_dict().items()}

    def update(self) -> None:
        """Update the average with the model's current weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        now = self.model.state_dict()
        torch._foreach_lerp_(list(self.weights.values()), [now[name] for name in self.weights], 1 - decay)

    def load(self, weights: Mapping[str, Tensor], updates: int) -> None:
        """Restore a saved average."""
        for name, weight in self.weights.items():
            weight.copy_(weights[name])
        self.updates = updates


@contextmanager
def averaged(model: nn.Module, average: WeightAverage | None) -> Iterator[None]:
    """Use the averaged weights inside this context, and restore the model's own afterwards."""
    if average is None:
        yield
        return
    own = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    model.load_state_dict(average.weights)
    try:
        yield
    finally:
        model.load_state_dict(own)
