"""A model of texts that knows a label: one to many."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmctl.models.recurrence import Recurrence, StackStep, Stepper
from lstmctl.protocols import ModelState


class ConditionalModel(nn.Module):
    """Scores of the next symbol of a text, given its label and what is written so far.

    The label's embedding stands beside that of every symbol, so that it is never forgotten, whatever the cell. One
    number, `mark`, stands outside the vocabulary: where it is read, a text begins, and where it is written, it ends.

    Args:
        symbols: how many distinct symbols there are.
        labels: how many labels there are.
        embedding: features of each symbol's embedding, and of each label's.
        recurrence: the stack over both; its inputs are twice as many.
    """

    def __init__(self, symbols: int, labels: int, embedding: int, recurrence: Recurrence) -> None:
        super().__init__()
        self.mark = symbols
        self.input_map = nn.Embedding(symbols + 1, embedding)
        self.label_map = nn.Embedding(labels, embedding)
        self.recurrence = recurrence
        self.head = nn.Linear(recurrence.outputs, symbols + 1)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from `generator`: embeddings of unit variance, a head in ±1/√inputs."""
        with torch.no_grad():
            for embedding in (self.input_map, self.label_map):
                embedding.weight.normal_(generator=generator)
            self.recurrence.initialise(generator)
            bound = self.head.in_features**-0.5
            self.head.weight.uniform_(-bound, bound, generator=generator)
            self.head.bias.zero_()

    def initial_state(self, batch: int) -> ModelState:
        """Zeros for `batch` lanes, on the model's device and in its precision."""
        return self.recurrence.initial_state(batch, self.input_map.weight)

    def forward(self, read: Tensor, labels: Tensor, state: ModelState) -> tuple[Tensor, ModelState]:
        """Scores of the symbol after each that is read.

        Args:
            read: (time, batch), `mark` and then what is written.
            labels: (batch,) their numbers.
            state: before the first step.

        Returns:
            (time, batch, symbols + 1), the last of them for `mark`; and the state after the last step.
        """
        output, state = self.recurrence(self.inputs(read, labels), state)
        return self.head(output), state

    def step(self, read: Tensor, labels: Tensor, state: ModelState) -> StackStep:
        """One symbol a lane, (batch,), to scores (batch, symbols + 1), the state, and every gate."""
        step = self.recurrence.step(self.inputs(read.unsqueeze(0), labels)[0], state)
        return step._replace(output=self.head(step.output))

    def inputs(self, read: Tensor, labels: Tensor) -> Tensor:
        """What the recurrence reads, (time, batch, features), of symbols (time, batch) and labels (batch,)."""
        return torch.cat([self.input_map(read), self.label_map(labels).expand(len(read), -1, -1)], dim=-1)

    def stepper(self, labels: Tensor, precision: torch.dtype) -> Stepper:
        """`step` for writing, as fast as may be, in lanes of these labels (batch,); see `SequenceModel.stepper`."""
        advance = self.recurrence.stepper(len(labels), precision)

        def write(symbols: Tensor, state: ModelState) -> tuple[Tensor, ModelState]:
            output, state = advance(self.inputs(symbols.unsqueeze(0), labels)[0], state)
            return self.head(output), state

        return write
