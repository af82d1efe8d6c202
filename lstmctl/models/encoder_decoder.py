"""An encoder that reads one text and a decoder that writes another, each of any length.

The encoder reads the source (Sutskever, Vinyals & Le 2014, Sequence to sequence learning with neural networks). Its
summary of the source gives the decoder's initial state, through a linear map and tanh, and enters every step of the
decoder together with the previous symbol, as in Cho et al. 2014 (Learning phrase representations using RNN
encoder-decoder for statistical machine translation), so even a memoryless decoder knows the source.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lstmctl.models.initialisation import initialise
from lstmctl.models.recurrence import Recurrence, StackStep
from lstmctl.models.symbol_embedding import SymbolEmbedding
from lstmctl.protocols import ModelState


class Attention(nn.Module):
    """Attention to every step of the encoder: global attention with the "general" score (Luong, Pham & Manning 2015,
    Effective approaches to attention-based neural machine translation).

    With h the decoder's output at a step and s̄ the encoder's outputs,

        a = softmax over the source's steps of (h · W_a s̄),  c = Σ a s̄,  h̃ = tanh(W_c [c; h])

    Args:
        decoder: number of decoder outputs; h̃ has the same width.
        encoder: number of encoder outputs.
    """

    def __init__(self, decoder: int, encoder: int) -> None:
        super().__init__()
        self.score = nn.Linear(decoder, encoder, bias=False)  # W_a, applied to h: once per decoder step
        self.combine = nn.Linear(encoder + decoder, decoder, bias=False)

    def forward(self, decoded: Tensor, encoded: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from all steps of the decoder at once.

        Args:
            decoded: (time, batch, decoder).
            encoded: (source time, batch, encoder).
            counts: (source time, batch), False for padding.

        Returns:
            h̃ (time, batch, decoder), and the weights a (time, batch, source time), 0 for padding.
        """
        scores = torch.einsum("tbe,sbe->tbs", self.score(decoded), encoded)
        weights = scores.masked_fill(~counts.t(), -torch.inf).softmax(-1)
        context = torch.einsum("tbs,sbe->tbe", weights, encoded)
        return torch.tanh(self.combine(torch.cat([context, decoded], dim=-1))), weights


class Encoded(NamedTuple):
    """Encoded sources."""

    output: Tensor
    """(source time, batch, outputs), zero for padding."""
    counts: Tensor
    """(source time, batch), False for padding."""
    summary: Tensor
    """(batch, outputs)."""


class EncoderDecoder(nn.Module):
    """Scores of the next symbol of a target, given its source and the target so far.

    One extra symbol, `mark`, is outside the target's vocabulary: as an input it starts a text, as an output it ends
    one.

    Args:
        source_symbols, target_symbols: number of distinct symbols on each side.
        embedding: width of the symbol embeddings on both sides; also the encoder's inputs.
        encoder: reads the source, in one direction or both.
        decoder: writes the target; its inputs are an embedding and the encoder's outputs.
        attention: let the decoder attend to every step of the encoder.
    """

    longest_target: Tensor
    """Length of the longest training target, in symbols, as a scalar; it sets `limit`, where greedy decoding stops."""

    def __init__(
        self,
        source_symbols: int,
        target_symbols: int,
        embedding: int,
        encoder: Recurrence,
        decoder: Recurrence,
        *,
        attention: bool = False,
    ) -> None:
        super().__init__()
        self.mark = target_symbols
        self.source_map = SymbolEmbedding(source_symbols, embedding)
        self.target_map = nn.Embedding(target_symbols + 1, embedding)
        self.encoder, self.decoder = encoder, decoder
        # The width of each state that the encoder starts, 0 for the others.
        self.widths = [
            part[0].numel() if cell.opened is None or name in cell.opened else 0
            for layer in decoder.layers()
            for cell in layer.cells
            for name, part in zip(cell.states, cell.initial_state(1, self.target_map.weight), strict=True)
        ]
        self.bridge = nn.Linear(encoder.outputs, sum(self.widths)) if sum(self.widths) else None
        self.attention = Attention(decoder.outputs, encoder.outputs) if attention else None
        self.head = nn.Linear(decoder.outputs, target_symbols + 1)
        # Floating point, so that averaging the weights includes it.
        self.register_buffer("longest_target", torch.zeros(()))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from `generator`: embeddings with unit variance, linear maps in ±1/√inputs, biases zero."""
        attention = () if self.attention is None else (self.attention.score, self.attention.combine)
        maps = (self.source_map, self.target_map)
        initialise(generator, *maps, self.encoder, self.decoder, self.bridge, *attention, self.head)

    @property
    def limit(self) -> int:
        """The maximum number of symbols to generate: twice the longest training target, plus 10."""
        return 2 * int(self.longest_target) + 10

    def encode(self, source: Tensor, lengths: Tensor) -> Encoded:
        """Read padded sources (source time, batch) with `lengths` (batch,) of at least 1."""
        return self.encoded(self.encoder.whole(self.source_map(source), lengths), lengths)

    def encoded(self, output: Tensor, lengths: Tensor) -> Encoded:
        """Return the decoder's view of the encoder's outputs (source time, batch, outputs), zero for padding."""
        counts = torch.arange(len(output), device=output.device).unsqueeze(1) < lengths
        return Encoded(output, counts, self.encoder.summary(output, lengths))

    def initial_state(self, encoded: Encoded) -> ModelState:
        """Return the decoder's state before its first step: tanh of a linear map of the summary, added to its cells'
        own initial state."""
        start = self.decoder.initial_state(len(encoded.summary), self.target_map.weight)
        if self.bridge is None:
            return start
        parts = iter(torch.tanh(self.bridge(encoded.summary)).split(self.widths, dim=-1))
        return tuple(tuple(_opened(part, next(parts)) for part in layer) for layer in start)

    def forward(self, source: Tensor, lengths: Tensor, read: Tensor) -> Tensor:
        """Score the next symbol after every symbol that the decoder reads.

        Args:
            source: (source time, batch), padded.
            lengths: (batch,), lengths of the sources.
            read: (time, batch), `mark` followed by the target.

        Returns:
            Scores (time, batch, target symbols + 1), the last of them for `mark`.
        """
        return self.decoded(self.encode(source, lengths), read)

    def decoded(self, encoded: Encoded, read: Tensor) -> Tensor:
        """Compute the scores of `forward` for sources that are already encoded."""
        output, _ = self.decoder(self._inputs(read, encoded), self.initial_state(encoded))
        return self._scores(output, encoded)

    def step(self, read: Tensor, encoded: Encoded, state: ModelState) -> StackStep:
        """Compute scores (batch, target symbols + 1), the state and every gate from one symbol per lane, (batch,)."""
        step = self.decoder.step(self._inputs(read.unsqueeze(0), encoded)[0], state)
        return step._replace(output=self._scores(step.output.unsqueeze(0), encoded)[0])

    def _inputs(self, read: Tensor, encoded: Encoded) -> Tensor:
        return torch.cat([self.target_map(read), encoded.summary.expand(len(read), -1, -1)], dim=-1)

    def _scores(self, output: Tensor, encoded: Encoded) -> Tensor:
        if self.attention is not None:
            output, _ = self.attention(output, encoded.output, encoded.counts)
        scores: Tensor = self.head(output)
        return scores


def _opened(state: Tensor, values: Tensor) -> Tensor:
    """Return a state (batch, …) plus values (batch, width), whose width is 0 if there are none."""
    return state + values.view_as(state) if values.shape[1] else state
