"""Input map → recurrence → head: the network of most tasks, and a building block of larger architectures."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells.packed import available, packed_linear
from lstmctl.models.initialisation import initialise
from lstmctl.models.recurrence import Recurrence, StackStep, Stepper
from lstmctl.protocols import ModelState


class TiedHead(nn.Module):
    """Head that scores symbols with the input embedding (Press & Wolf 2017), after a projection to its width."""

    def __init__(self, inputs: int, embedding: nn.Embedding) -> None:
        super().__init__()
        self.projection = nn.Linear(inputs, embedding.embedding_dim, bias=False)
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))
        self._embedding = (embedding,)  # in a tuple, so that its weight is not registered twice

    def forward(self, input: Tensor) -> Tensor:  # (…, inputs) -> (…, symbols)
        return functional.linear(self.projection(input), self._embedding[0].weight, self.bias)


class SequenceModel(nn.Module):
    """A recurrence that maps symbols to scores of the next symbol.

    Args:
        symbols: number of distinct symbols, both read and predicted.
        embedding: width of the symbol embeddings, the recurrence's inputs.
        recurrence: the recurrent stack.
        tie_embedding: predict with the embedding's own weights.
    """

    def __init__(self, symbols: int, embedding: int, recurrence: Recurrence, *, tie_embedding: bool = False) -> None:
        super().__init__()
        self.input_map = nn.Embedding(symbols, embedding)
        self.recurrence = recurrence
        self.head = (
            TiedHead(recurrence.outputs, self.input_map) if tie_embedding else nn.Linear(recurrence.outputs, symbols)
        )

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from `generator`: embeddings with unit variance (per row if tied), the head in
        ±1/√inputs."""
        if not isinstance(self.head, TiedHead):
            initialise(generator, self.input_map, self.recurrence, self.head)
            return
        with torch.no_grad():
            self.input_map.weight.normal_(std=self.input_map.embedding_dim**-0.5, generator=generator)
            self.head.bias.zero_()
        initialise(generator, self.recurrence, self.head.projection)

    def initial_state(self, batch: int) -> ModelState:
        """Return zeros for `batch` lanes, on the model's device and in its precision."""
        return self.recurrence.initial_state(batch, self.input_map.weight)

    def forward(self, input: Tensor, state: ModelState, mask: Tensor | None = None) -> tuple[Tensor, ModelState]:
        """Map symbols (time, batch) to logits of the next symbol (time, batch, symbols), and return the final state."""
        features, state = self.features(input, state, mask)
        return self.head(features), state

    def features(self, input: Tensor, state: ModelState, mask: Tensor | None = None) -> tuple[Tensor, ModelState]:
        """Return the head's inputs (time, batch, outputs) and the state after the last step."""
        output, state = self.recurrence(self.input_map(input), state, mask)
        return output, state

    def step(self, input: Tensor, state: ModelState) -> StackStep:
        """Compute logits (batch, symbols), the state and every gate from one symbol per lane, (batch,)."""
        step = self.recurrence.step(self.input_map(input), state)
        return step._replace(output=self.head(step.output))

    def stepper(self, lanes: int, precision: torch.dtype) -> Stepper:
        """Return a fast `step` for generation, from symbols (batch,) and the state to logits and the state: no gates,
        no gradients, weights frozen at the call.

        Args:
            lanes: number of texts generated in parallel.
            precision: of the recurrence's products: float32, bfloat16 or int8; the head stays in float32.
        """
        advance = self.recurrence.stepper(lanes, precision, self.input_map.weight)
        head: Callable[[Tensor], Tensor] = self.head.forward  # skips module hooks, which add half the time again
        if isinstance(self.head, nn.Linear) and available(self.head.weight):
            head = packed_linear(self.head.weight, self.head.bias, lanes, torch.float32)

        def write(symbols: Tensor, state: ModelState) -> tuple[Tensor, ModelState]:
            output, state = advance(symbols, state)
            return head(output), state

        return write


def count_parameters(model: nn.Module) -> int:
    """Count a model's trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
