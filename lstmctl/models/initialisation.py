"""Draw a network's weights from one generator."""

from __future__ import annotations

import torch
from torch import nn

from lstmctl.models.recurrence import Recurrence


def initialise(generator: torch.Generator, *modules: nn.Module | None) -> None:
    """Draw the weights of some modules from `generator`, in their order.

    Embeddings get unit variance, linear maps ±1/√inputs and biases of zero, and recurrences what their cells draw. None
    and modules of other types draw nothing.
    """
    with torch.no_grad():
        for module in modules:
            if isinstance(module, Recurrence):
                module.initialise(generator)
            elif isinstance(module, nn.Embedding):
                module.weight.normal_(generator=generator)
            elif isinstance(module, nn.Linear):
                bound = module.in_features**-0.5
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
