"""Embeddings of short runs of symbols, beside those of single ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BUCKETS = 1 << 14
"""Rows of a table at most."""


class NGrams(nn.Module):
    """What the runs of 2, 3, … symbols that end in a symbol add to its embedding (Takase, Suzuki & Nagata, "Character
    n-gram Embeddings to Improve RNN Language Models", AAAI 2019).

    A recurrence has to learn from single symbols what a pair or a triple means, and does so slowly; a table knows it at
    once. Each length has a table of its own. Where there are more runs than rows they share rows by a hash, as in
    fastText. All rows start at zero.

    Args:
        symbols: how many distinct symbols there are.
        embedding: features of an embedding.
        longest: symbols in the longest runs, from 2.
    """

    def __init__(self, symbols: int, embedding: int, longest: int) -> None:
        super().__init__()
        self.base = symbols + 1  # 0 is for nothing, before a text begins
        self.tables = nn.ModuleList(
            nn.Embedding(min(self.base**length, BUCKETS), embedding) for length in range(2, longest + 1)
        )

    def initialise(self) -> None:
        """Zeros: a run is at first no more than its symbols."""
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()

    def initial_state(self, batch: int) -> Tensor:
        """(batch, longest − 1): no symbol has been read."""
        weight = next(self.parameters())
        return torch.zeros(batch, len(self.tables), dtype=torch.long, device=weight.device)

    def forward(self, symbols: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to the embeddings of (time, batch), (time, batch, features); and `before` for what comes next.

        `before` (batch, longest − 1) are the symbols read before, each one higher than its number, the latest last.
        """
        read = torch.cat([before.t(), symbols + 1])
        run = read[len(self.tables) :]
        added = torch.zeros((), device=symbols.device)
        for length, table in enumerate(self.tables, start=2):
            assert isinstance(table, nn.Embedding)
            first = len(self.tables) + 1 - length
            run = run + read[first : first + len(symbols)] * self.base ** (length - 1)
            added = added + table(_row(run) if self.base**length > BUCKETS else run)
        return added, read[len(symbols) :].t()


def _row(run: Tensor) -> Tensor:
    """A number below `BUCKETS` for each run, by D. Knuth's multiplicative hash."""
    return (run % (2**31 - 1) * 2654435761 >> 16) % BUCKETS
