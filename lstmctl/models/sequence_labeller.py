"""Map a whole sequence to one answer, or to one answer per step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmctl.models.initialisation import initialise
from lstmctl.models.recurrence import Recurrence
from lstmctl.models.symbol_embedding import SymbolEmbedding


class SequenceLabeller(nn.Module):
    """A recurrence that maps symbols or frames to scores of labels or to numbers.

    Args:
        symbols: number of distinct symbols, read through an embedding; None for frames, which enter the recurrence
            unchanged.
        embedding: width of the symbol embeddings.
        recurrence: the recurrent stack.
        outputs: number of labels, or of numbers to predict.
        by_step: answer at every step instead of once per sequence.
    """

    def __init__(
        self, symbols: int | None, embedding: int, recurrence: Recurrence, outputs: int, *, by_step: bool
    ) -> None:
        super().__init__()
        self.input_map = nn.Identity() if symbols is None else SymbolEmbedding(symbols, embedding)
        self.recurrence, self.by_step = recurrence, by_step
        self.head = nn.Linear(recurrence.outputs, outputs)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from `generator`: embeddings with unit variance, the head in ±1/√inputs."""
        initialise(generator, self.input_map, self.recurrence, self.head)

    def forward(self, input: Tensor, lengths: Tensor) -> Tensor:
        """Compute the answers for padded sequences.

        Args:
            input: (time, batch) symbols or (time, batch, features), padded.
            lengths: (batch,).

        Returns:
            (batch, outputs) or, if `by_step`, (time, batch, outputs), where values past a sequence's end are padding.
        """
        if input.is_floating_point():
            input = input.to(self.head.weight.dtype)
        output = self.recurrence.whole(self.input_map(input), lengths)
        answers: Tensor = self.head(output if self.by_step else self.recurrence.summary(output, lengths))
        return answers
