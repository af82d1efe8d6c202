"""An embedding that also reads symbols outside the vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SymbolEmbedding(nn.Embedding):
    """Embeddings of symbols; outside of training, a number beyond the last is read as the mean of all embeddings.

    If the vocabulary has a symbol for unknown ones, such numbers never occur.
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.training:
            return super().forward(input)
        known = input < self.num_embeddings
        found = functional.embedding(torch.where(known, input, 0), self.weight)
        return torch.where(known.unsqueeze(-1), found, self.weight.mean(0))
