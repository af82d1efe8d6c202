"""Decoding of scores to symbols: the loops that feed each choice back into the network.

Everything here works on tensors (batch, symbols) and is independent of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from lstmctl.models.conditional_model import ConditionalModel
from lstmctl.models.encoder_decoder import EncoderDecoder
from lstmctl.models.recurrence import Stepper
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.protocols import ModelState
from lstmctl.sampling import PENALTY_REACH, choose
from lstmctl.sampling_settings import Sampling

CHUNK = 4096
"""Symbols of a long prompt processed at once, so that the features of a chunk can be freed before the next."""


class Predictor(Protocol):
    """A model that reads lanes of symbols and scores the next ones."""

    def read(self, symbols: Tensor) -> Tensor:
        """Read further symbols (time, batch); return scores of the next one, (batch, symbols)."""
        ...


class StreamPredictor:
    """Predicts with a carried recurrent state: prompts by the fused kernel, single symbols by a fast `step`.

    Args:
        model: its weights are frozen when generation starts.
        lanes: number of texts in parallel.
        precision: of the products in a step: float32, bfloat16 or int8.
    """

    def __init__(self, model: SequenceModel, lanes: int, precision: torch.dtype = torch.float32) -> None:
        self.model, self.precision = model, precision
        self._stepper: Stepper | None = None  # created by the first step, since scoring a prompt needs none
        self.state: ModelState = model.initial_state(lanes)

    def read(self, symbols: Tensor) -> Tensor:
        if len(symbols) == 1:
            self._stepper = self._stepper or self.model.stepper(symbols.shape[1], self.precision)
            output, self.state = self._stepper(symbols[0], self.state)
            return output
        for chunk in symbols.split(CHUNK):
            features, self.state = self.model.features(chunk, self.state)
        scores: Tensor = self.model.head(features[-1])
        return scores


class WindowPredictor:
    """Reads the last `window` symbols from a zero state each time, as in training on separate windows."""

    def __init__(self, model: SequenceModel, lanes: int, window: int) -> None:
        self.model, self.window = model, window
        self.seen = torch.empty(0, lanes, dtype=torch.long)

    def read(self, symbols: Tensor) -> Tensor:
        self.seen = torch.cat([self.seen.to(symbols.device), symbols])[-self.window :]
        features, _ = self.model.features(self.seen, self.model.initial_state(symbols.shape[1]))
        output: Tensor = self.model.head(features[-1])
        return output


class LabelPredictor:
    """Generates a text for the label in each lane, starting each text itself: it reads only the text so far.

    Args:
        model, labels, precision: as for `ConditionalModel.stepper`.
        never: a symbol that is never generated.
    """

    def __init__(
        self,
        model: ConditionalModel,
        labels: Tensor,
        precision: torch.dtype = torch.float32,
        never: int | None = None,
    ) -> None:
        self.model, self.labels, self._stepper = model, labels, model.stepper(labels, precision)
        self.never = never
        self.state: ModelState = model.initial_state(len(labels))
        self._ahead = labels.new_full((1, len(labels)), model.mark)

    def read(self, symbols: Tensor) -> Tensor:
        symbols, self._ahead = torch.cat([self._ahead, symbols]), self._ahead[:0]
        if len(symbols) == 1:
            scores, self.state = self._stepper(symbols[0], self.state)
            return _without(scores, self.never)
        every: Tensor
        every, self.state = self.model(symbols, self.labels, self.state)
        return _without(every[-1], self.never)


class SourcePredictor:
    """Generates a target for the source in each lane, starting each target itself: it reads only the target so far.

    Args:
        model, source, lengths: as for `EncoderDecoder.encode`.
        never: a symbol that is never generated.
    """

    def __init__(self, model: EncoderDecoder, source: Tensor, lengths: Tensor, never: int | None = None) -> None:
        self.model, self.encoded = model, model.encode(source, lengths)
        self.never = never
        self.state: ModelState = model.initial_state(self.encoded)
        self._ahead = source.new_full((1, source.shape[1]), model.mark)

    def read(self, symbols: Tensor) -> Tensor:
        symbols, self._ahead = torch.cat([self._ahead, symbols]), self._ahead[:0]
        for symbol in symbols:
            step = self.model.step(symbol, self.encoded, self.state)
            self.state = step.state
        return _without(step.output, self.never)


def _without(scores: Tensor, symbol: int | None) -> Tensor:
    """Return scores (batch, symbols) by which a symbol is never chosen."""
    if symbol is None:
        return scores
    scores = scores.clone()
    scores[:, symbol] = -torch.inf
    return scores


@torch.no_grad()
def greedy(predictor: Predictor, nothing: Tensor, end: int, most: int) -> tuple[Tensor, Tensor]:
    """Choose the most probable symbol repeatedly until every lane has ended.

    Args:
        predictor: one that starts texts itself.
        nothing: (0, batch), the empty start.
        end: the symbol that ends a text.
        most: maximum number of symbols to generate, at least 1.

    Returns:
        The generated symbols (time, batch), where values from a lane's end on are padding, and the lengths (batch,).
    """
    written = [nothing]
    lengths = nothing.new_full((nothing.shape[1],), most)
    for length in range(most):
        chosen = predictor.read(written[-1]).argmax(-1)
        lengths = torch.where(chosen == end, lengths.clamp(max=length), lengths)
        if bool((lengths <= length).all()):
            break
        written.append(chosen.unsqueeze(0))
    return torch.cat(written), lengths


class Choice(NamedTuple):
    """The next symbol of every lane; or several next symbols, in an additional leading axis of all tensors."""

    symbols: Tensor
    """(batch,)"""
    scores: Tensor
    """(batch, symbols), scores of all possible symbols."""

    @property
    def probabilities(self) -> Tensor:
        """Return the model's own probability of each, (batch,), before temperature and truncation."""
        return self.scores.softmax(dim=-1).gather(-1, self.symbols.unsqueeze(-1)).squeeze(-1)


@torch.inference_mode()
def continuations(
    predictor: Predictor, prompt: Tensor, sampling: Sampling, generator: torch.Generator
) -> Iterator[Choice]:
    """Generate symbols that continue `prompt` (time, batch), one at a time, without end."""
    logits = predictor.read(prompt)
    recent = prompt[-PENALTY_REACH:]
    while True:
        # Sample on the CPU: it is little work, and CUDA has no deterministic cumulative sum.
        chosen = choose(logits.cpu(), sampling, recent.cpu(), generator).to(logits.device)
        yield Choice(chosen, logits)
        if sampling.repetition_penalty != 1:
            recent = torch.cat([recent, chosen.unsqueeze(0)])[-PENALTY_REACH:]
        logits = predictor.read(chosen.unsqueeze(0))
