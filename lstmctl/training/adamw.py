"""AdamW without importing torch's compiler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

MOMENTS = ("exp_avg", "exp_avg_sq")
EPSILON = 1e-8
"""Added to the square root of the second moment."""


class AdamW:
    """`torch.optim.AdamW` through its fused functional form, bit for bit: I. Loshchilov & F. Hutter, "Decoupled Weight
    Decay Regularization", ICLR 2019.

    Constructing one of torch's optimizers imports torch's compiler, which takes a second and is not used here. Saved
    states are interchangeable between the two.

    Args:
        groups: `params` and their `weight_decay`.
        lr: learning rate; each group's rate can be set before every step.
        betas: decay rates of the two running averages.
    """

    def __init__(self, groups: Iterable[Mapping[str, Any]], lr: float, betas: tuple[float, float]) -> None:
        self.param_groups: list[dict[str, Any]] = [{**group, "lr": lr, "betas": betas} for group in groups]
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Update every weight that has a gradient."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            for weight in weights:
                if weight not in self.state:
                    self.state[weight] = self.first_state(weight)
            self.update(weights, group)

    def update(self, weights: Sequence[nn.Parameter], group: Mapping[str, Any]) -> None:
        """Update the weights of one group; all of them have a gradient and a state."""
        states = [self.state[weight] for weight in weights]
        adamw(
            list(weights),
            [weight.grad for weight in weights if weight.grad is not None],
            exp_avgs=[state["exp_avg"] for state in states],
            exp_avg_sqs=[state["exp_avg_sq"] for state in states],
            max_exp_avg_sqs=[],
            state_steps=[state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=EPSILON,
            maximize=False,
        )

    def first_state(self, weight: nn.Parameter) -> dict[str, Tensor]:
        """Return the state of a weight before its first step."""
        step = torch.zeros((), dtype=torch.float32, device=weight.device)
        return {"step": step, **{name: torch.zeros_like(weight) for name in MOMENTS}}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Release the gradients."""
        for weight in self._weights():
            weight.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return the state in torch's format: for each weight, by index, the step count and the averages."""
        state = {number: self.state[weight] for number, weight in enumerate(self._weights()) if weight in self.state}
        return {"state": state, "param_groups": self.param_groups}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Load the result of `state_dict`.

        Raises:
            ValueError: it belongs to other weights or another optimizer.
        """
        weights = list(self._weights())
        for number, values in saved["state"].items():
            first = self.first_state(weights[number]) if number < len(weights) else {}
            if not first or {name: value.shape for name, value in values.items()} != {
                name: value.shape for name, value in first.items()
            }:
                raise ValueError(f"the optimizer state of weight {number} does not fit this model and optimizer")
            self.state[weights[number]] = {name: values[name].to(own, copy=True) for name, own in first.items()}

    def _weights(self) -> Iterable[nn.Parameter]:
        return (weight for group in self.param_groups for weight in group["params"])
