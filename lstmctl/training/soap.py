"""One-sided SOAP: AdamW in a basis in which the inputs of a matrix are uncorrelated.

    C  ← β C + (1 − β) Gᵀ G          covariance of the gradient G (outputs, inputs) of a matrix W
    Q  = eigenvectors of C           refreshed periodically by one power iteration
    W  ← W − η (Adam(G Q) Qᵀ + λ W)

N. Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", ICLR 2025. The paper also rotates the outputs if
there are few of them; here only the inputs are rotated, since the outputs of a recurrent cell comprise all its gates. A
step costs two or three additional products with a square matrix of the inputs' width. Vectors, such as biases, use
AdamW.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lstmctl.training.adamw import EPSILON, AdamW

COVARIANCE_DECAY = 0.95
COVARIANCE_EVERY = 2
"""Steps between updates of the covariance."""
BASIS_EVERY = 10
"""Steps between refreshes of the basis."""


class Soap(AdamW):
    """`AdamW` for vectors; for matrices, the same rule in the eigenbasis of the gradient's covariance.

    State of each matrix: `step`, kept on the CPU; `exp_avg` and `exp_avg_sq` (outputs, inputs), in the basis;
    `covariance` and `basis`, both (inputs, inputs).
    """

    def update(self, weights: Sequence[nn.Parameter], group: Mapping[str, Any]) -> None:
        for weight in weights:
            if weight.dim() == 2:
                self._update_matrix(weight, group)
        if vectors := [weight for weight in weights if weight.dim() != 2]:
            super().update(vectors, group)

    def first_state(self, weight: nn.Parameter) -> dict[str, Tensor]:
        state = super().first_state(weight)
        if weight.dim() != 2:
            return state
        square = weight.new_zeros(weight.shape[1], weight.shape[1])
        return {**state, "step": state["step"].cpu(), "covariance": square, "basis": square.clone()}

    def _update_matrix(self, weight: nn.Parameter, group: Mapping[str, Any]) -> None:
        gradient, state, (first, second) = weight.grad, self.state[weight], group["betas"]
        assert gradient is not None
        step = int(state["step"].add_(1))
        covariance, basis, mean, square = (state[name] for name in ("covariance", "basis", "exp_avg", "exp_avg_sq"))
        if step == 1:
            torch.mm(gradient.mT, gradient, out=covariance)
            basis.copy_(_eigenvectors(covariance))
        elif step % COVARIANCE_EVERY == 0:
            covariance.addmm_(gradient.mT, gradient, beta=COVARIANCE_DECAY, alpha=1 - COVARIANCE_DECAY)
        rotated = gradient @ basis
        mean.lerp_(rotated, 1 - first)
        square.mul_(second).addcmul_(rotated, rotated, value=1 - second)
        direction = mean / (square.sqrt().mul_((1 - second**step) ** -0.5).add_(EPSILON))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.addmm_(direction, basis.mT, alpha=-group["lr"] / (1 - first**step))
        if step % BASIS_EVERY == 0:
            self._refresh(state)

    def _refresh(self, state: dict[str, Tensor]) -> None:
        """Move the basis towards the eigenvectors of the current covariance, and rotate the averages to match."""
        covariance, basis = state["covariance"], state["basis"]
        spread = covariance @ basis
        order = (basis * spread).sum(0).argsort(descending=True)  # by variance along each basis vector
        refreshed = _orthonormal(spread[:, order])
        state["exp_avg"] = state["exp_avg"] @ (basis.mT @ refreshed)
        state["exp_avg_sq"] = state["exp_avg_sq"][:, order].contiguous()
        state["basis"] = refreshed.contiguous()  # same strides as in a checkpoint: others would change the last bits


def _eigenvectors(covariance: Tensor) -> Tensor:
    """Return eigenvectors as columns, by decreasing variance."""
    vectors: Tensor = torch.linalg.eigh(_where_it_factorises(covariance))[1]
    return vectors.flip(1).to(covariance)


def _orthonormal(columns: Tensor) -> Tensor:
    vectors: Tensor = torch.linalg.qr(_where_it_factorises(columns))[0]
    return vectors.to(columns)


def _where_it_factorises(matrix: Tensor) -> Tensor:
    """Move the matrix to the CPU if its device lacks factorisations (Apple's GPUs)."""
    return matrix.cpu() if matrix.device.type == "mps" else matrix
