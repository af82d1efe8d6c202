"""SOAP by its definition: what it does to one input, under a rotation of the inputs, and to its basis."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lstmctl.config.schema import Training
from lstmctl.training.adamw import AdamW
from lstmctl.training.optimisation import build_optimizer
from lstmctl.training.soap import BASIS_EVERY, Soap

SETTINGS = Training(optimizer="soap", learning_rate=0.01, weight_decay=0.2)


def problem(inputs: int) -> tuple[Tensor, Tensor]:
    """Correlated inputs (64, inputs) of very different scale, and targets (64, 5) that are linear in them."""
    generator = torch.Generator().manual_seed(3)
    mix = torch.randn(inputs, inputs, generator=generator, dtype=torch.float64)
    scales = torch.logspace(0, -1, inputs, dtype=torch.float64)
    given = torch.randn(64, inputs, generator=generator, dtype=torch.float64) @ mix * scales
    return given, given @ torch.randn(inputs, 5, generator=generator, dtype=torch.float64)


def trained(weight: Tensor, given: Tensor, target: Tensor, steps: int, optimizer: str = "soap") -> nn.Parameter:
    layer = nn.Parameter(weight.clone())
    made = build_optimizer(_Layer(layer), SETTINGS.model_copy(update={"optimizer": optimizer}))
    for _ in range(steps):
        (given @ layer.mT - target).square().mean().backward()
        made.step()
        made.zero_grad(set_to_none=True)
    return layer


class _Layer(nn.Module):
    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight


def test_with_one_input_it_is_adamw() -> None:
    given, target = problem(1)
    weight = torch.ones(5, 1, dtype=torch.float64)
    assert torch.allclose(
        trained(weight, given, target, 25), trained(weight, given, target, 25, "adamw"), rtol=0, atol=1e-9
    )


def test_a_rotation_of_the_inputs_changes_nothing_but_the_coordinates() -> None:
    """AdamW depends on the coordinates, SOAP does not: W R learns on x R what W learns on x."""
    given, target = problem(4)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(8), dtype=torch.float64))[0]
    weight = torch.randn(5, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    for optimizer, agrees in (("soap", True), ("adamw", False)):
        one = trained(weight, given, target, 3 * BASIS_EVERY, optimizer)
        other = trained(weight @ rotation, given @ rotation, target, 3 * BASIS_EVERY, optimizer)
        assert torch.allclose(one @ rotation, other, rtol=0, atol=1e-8) is agrees


def test_the_basis_stays_orthonormal_and_makes_the_gradients_inputs_uncorrelated() -> None:
    given, target = problem(6)
    layer = nn.Parameter(torch.zeros(5, 6, dtype=torch.float64))
    optimizer = build_optimizer(_Layer(layer), SETTINGS)
    assert isinstance(optimizer, Soap)
    for _ in range(20 * BASIS_EVERY):
        (given @ layer.mT - target).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    state = optimizer.state[layer]
    basis, covariance = state["basis"], state["covariance"]
    assert torch.allclose(basis.mT @ basis, torch.eye(6, dtype=torch.float64), atol=1e-12)
    along = basis.mT @ covariance @ basis
    assert (along - along.diag().diag()).norm() < 0.05 * along.norm()
    assert bool((along.diag().diff() <= 1e-3 * along.diag().max()).all())  # by falling variance


def test_vectors_are_left_to_adamw() -> None:
    results = []
    for name in ("soap", "adamw"):
        layer = nn.Linear(1, 3)
        nn.init.constant_(layer.weight, 0.0)
        nn.init.zeros_(layer.bias)
        layer.weight.requires_grad_(False)
        optimizer = build_optimizer(layer, SETTINGS.model_copy(update={"optimizer": name}))
        for step in range(12):
            (layer(torch.ones(4, 1)) - torch.tensor([1.0, -2.0, step])).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        results.append(layer.bias.detach())
    assert torch.equal(*results)


def test_it_continues_from_its_state_and_refuses_that_of_adamw() -> None:
    given, target = problem(4)
    layers = [nn.Parameter(torch.zeros(5, 4, dtype=torch.float64)) for _ in range(2)]
    first, second = (build_optimizer(_Layer(layer), SETTINGS) for layer in layers)
    assert isinstance(first, Soap)
    for step in range(25):
        if step == 13:
            layers[1].data.copy_(layers[0].data)
            second.load_state_dict(first.state_dict())
        for layer, optimizer in zip(layers, (first, second), strict=True) if step >= 13 else [(layers[0], first)]:
            (given @ layer.mT - target).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    assert torch.equal(layers[0], layers[1])
    other = AdamW([{"params": [layers[0]], "weight_decay": 0.0}], 0.01, (0.9, 0.99))
    with pytest.raises(ValueError, match="weight 0 does not fit"):
        other.load_state_dict(first.state_dict())
