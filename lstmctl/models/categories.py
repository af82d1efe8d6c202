"""Learned vectors of categories, in the place of their numbers (Guo & Berkhahn 2016, Entity embeddings of categorical
variables)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDEST = 16


def width_of(count: int) -> int:
    """Return the width of the vectors for a number of categories."""
    return min(WIDEST, count // 2 + 1)


class CategoryVectors(nn.Module):
    """Replaces columns of category numbers by vectors, which follow the other columns.

    The vector of number 0, for a category that did not occur in training, is the mean of all others.

    Args:
        columns: number of columns.
        counts: the number of categories of some columns, by their place.
    """

    def __init__(self, columns: int, counts: Mapping[int, int]) -> None:
        super().__init__()
        self.numeric = [place for place in range(columns) if place not in counts]
        self.places = list(counts)
        self.vectors = nn.ParameterList(nn.Parameter(torch.empty(count, width_of(count))) for count in counts.values())
        self.outputs = len(self.numeric) + sum(vectors.shape[1] for vectors in self.vectors)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all vectors from `generator`, standard normal."""
        with torch.no_grad():
            for vectors in self.vectors:
                vectors.normal_(generator=generator)

    def forward(self, columns: Tensor) -> Tensor:
        """Map (…, columns) to (…, outputs)."""
        found = [columns[..., self.numeric]]
        for place, vectors in zip(self.places, self.vectors, strict=True):
            table = torch.cat([vectors.mean(0, keepdim=True), vectors])
            found.append(functional.embedding(columns[..., place].long(), table).to(columns))
        return torch.cat(found, dim=-1)
