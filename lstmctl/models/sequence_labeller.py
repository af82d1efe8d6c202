"""From a whole sequence to one answer, or to one at every step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmctl.models.recurrence import Recurrence


class SequenceLabeller(nn.Module):
    """Symbols or frames in, scores of labels or numbers out, a recurrence between them.

    Args:
        symbols: how many distinct symbols there are, read through an embedding; None for frames, which the recurrence
            reads as they are.
        embedding: features of each symbol's embedding.
        recurrence: the stack between.
        outputs: labels, or numbers to tell.
        by_step: answer at every step, and not once for the whole sequence.
    """

    def __init__(
        self, symbols: int | None, embedding: int, recurrence: Recurrence, outputs: int, *, by_step: bool
    ) -> None:
        super().__init__()
        self.input_map = nn.Identity() if symbols is None else nn.Embedding(symbols, embedding)
        self.recurrence, self.by_step = recurrence, by_step
        self.head = nn.Linear(recurrence.outputs, outputs)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from `generator`: embeddings of unit variance, a head in ±1/√inputs."""
        with torch.no_grad():
            if isinstance(self.input_map, nn.Embedding):
                self.input_map.weight.normal_(generator=generator)
            self.recurrence.initialise(generator)
            bound = self.head.in_features**-0.5
            self.head.weight.uniform_(-bound, bound, generator=generator)
            self.head.bias.zero_()

    def forward(self, input: Tensor, lengths: Tensor) -> Tensor:
        """Answers, of padded sequences.

        Args:
            input: (time, batch) symbols or (time, batch, features), padded behind the ends.
            lengths: (batch,).

        Returns:
            (batch, outputs) or, at every step, (time, batch, outputs), of which those behind the ends mean nothing.
        """
        if input.is_floating_point():
            input = input.to(self.head.weight.dtype)
        output = self.recurrence.whole(self.input_map(input), lengths)
        answers: Tensor = self.head(output if self.by_step else self.recurrence.summary(output, lengths))
        return answers
