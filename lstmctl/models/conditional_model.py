"""A text model conditioned on a label: one to many."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmctl.models.initialisation import initialise
from lstmctl.models.recurrence import Recurrence, StackStep, Stepper
from lstmctl.protocols import ModelState


class ConditionalModel(nn.Module):
    """Scores of the next symbol of a text, given its label and the text so far.

    The label's embedding is concatenated with each symbol's, so no cell can forget it. One extra symbol, `mark`, is
    outside the vocabulary: as an input it starts a text, as an output it ends one.

    Args:
        symbols: number of distinct symbols.
        labels: number of labels.
        embedding: width of the symbol embeddings, and of the label embeddings.
        recurrence: the stack that reads both; it has 2 · embedding inputs.
    """

    def __init__(self, symbols: int, labels: int, embedding: int, recurrence: Recurrence) -> None:
        super().__init__()
        self.mark = symbols
        self.input_map = nn.Embedding(symbols + 1, embedding)
        self.label_map = nn.Embedding(labels, embedding)
        self.recurrence = recurrence
        self.head = nn.Linear(recurrence.outputs, symbols + 1)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from `generator`: embeddings with unit variance, the head in ±1/√inputs."""
        initialise(generator, self.input_map, self.label_map, self.recurrence, self.head)

    def initial_state(self, batch: int) -> ModelState:
        """Return zeros for `batch` lanes, on the model's device and in its precision."""
        return self.recurrence.initial_state(batch, self.input_map.weight)

    def forward(self, read: Tensor, labels: Tensor, state: ModelState) -> tuple[Tensor, ModelState]:
        """Score the next symbol after every input symbol.

        Args:
            read: (time, batch), `mark` followed by the text.
            labels: (batch,), label indices.
            state: the state before the first step.

        Returns:
            Scores (time, batch, symbols + 1), the last of them for `mark`, and the state after the last step.
        """
        output, state = self.recurrence(self.inputs(read, labels), state)
        return self.head(output), state

    def step(self, read: Tensor, labels: Tensor, state: ModelState) -> StackStep:
        """Compute scores (batch, symbols + 1), the state and every gate from one symbol per lane, (batch,)."""
        step = self.recurrence.step(self.inputs(read.unsqueeze(0), labels)[0], state)
        return step._replace(output=self.head(step.output))

    def inputs(self, read: Tensor, labels: Tensor) -> Tensor:
        """Return the recurrence's inputs (time, batch, features) for symbols (time, batch) and labels (batch,)."""
        return torch.cat([self.input_map(read), self.label_map(labels).expand(len(read), -1, -1)], dim=-1)

    def stepper(self, labels: Tensor, precision: torch.dtype) -> Stepper:
        """Return a fast `step` for generation with one label per lane, (batch,); see `SequenceModel.stepper`."""
        advance = self.recurrence.stepper(len(labels), precision)

        def write(symbols: Tensor, state: ModelState) -> tuple[Tensor, ModelState]:
            output, state = advance(self.inputs(symbols.unsqueeze(0), labels)[0], state)
            return self.head(output), state

        return write
