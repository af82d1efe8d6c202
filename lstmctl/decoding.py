"""From scores to symbols: truncation, temperature, penalties, and the loop that feeds choices back.

Everything here works on tensors (batch, symbols) and knows no vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from lstmctl.errors import UsageError
from lstmctl.models.conditional_model import ConditionalModel
from lstmctl.models.encoder_decoder import EncoderDecoder
from lstmctl.models.recurrence import Stepper
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.protocols import ModelState

PENALTY_REACH = 64
"""How many of the latest symbols a repetition penalty looks back on."""
CHUNK = 4096
"""Symbols of a long prompt that are read at once: what is kept of each step is let go after so many."""


@dataclass(frozen=True)
class Sampling:
    """How the next symbol is chosen from a distribution.

    Args:
        temperature: divides the scores; 0 takes the most probable symbol.
        top_k: keep only so many of the most probable symbols; None keeps all (Fan, Lewis & Dauphin 2018).
        top_p: keep the fewest symbols whose probabilities reach this sum, in (0, 1] (Holtzman et al. 2020).
        min_p: keep symbols at least so probable relative to the most probable one, in [0, 1] (Nguyen et al. 2024).
        repetition_penalty: above 1 makes the latest 64 symbols less likely (Keskar et al. 2019).

    Raises:
        UsageError: a value is out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        for sound, rule in (
            (0 <= self.temperature < float("inf"), f"temperature must be 0 or more, not {self.temperature}"),
            (self.top_k is None or self.top_k >= 1, f"top-k must be 1 or more, not {self.top_k}"),
            (0 < self.top_p <= 1, f"top-p must be above 0 and at most 1, not {self.top_p}"),
            (0 <= self.min_p <= 1, f"min-p must be from 0 to 1, not {self.min_p}"),
            (
                0 < self.repetition_penalty < float("inf"),
                f"repetition penalty must be above 0 (1 for none), not {self.repetition_penalty}",
            ),
        ):
            if not sound:
                raise UsageError(rule)


def choose(logits: Tensor, sampling: Sampling, recent: Tensor, generator: torch.Generator) -> Tensor:
    """One symbol a lane: scores (batch, symbols) to (batch,).

    `recent` (count, batch) are the symbols that a repetition penalty applies to. A lane draws one uniform number, so
    what it gets does not depend on which symbols were cut away in others.
    """
    if sampling.repetition_penalty != 1 and len(recent):
        seen = logits.gather(1, recent.t())
        seen = torch.where(seen > 0, seen / sampling.repetition_penalty, seen * sampling.repetition_penalty)
        logits = logits.scatter(1, recent.t(), seen)
    if sampling.temperature == 0:
        return logits.argmax(dim=1)
    # In float64, where no float32 overflows when it is divided by 1e-200; below that the likeliest is certain as well.
    probabilities = (logits.double() / max(sampling.temperature, 1e-200)).softmax(dim=1)
    drawn = torch.rand(len(logits), 1, generator=generator, dtype=torch.float64)
    if (sampling.top_k, sampling.top_p, sampling.min_p) == (None, 1, 0):  # nothing is cut away: no need to sort
        return _at(drawn, probabilities, probabilities.shape[1] - 1).squeeze(1)
    probabilities, symbols = probabilities.sort(dim=1, descending=True, stable=True)
    keep = torch.ones_like(probabilities, dtype=torch.bool)
    if sampling.top_k is not None:
        keep[:, sampling.top_k :] = False
    keep &= probabilities.cumsum(dim=1) - probabilities < sampling.top_p
    keep &= probabilities >= sampling.min_p * probabilities[:, :1]
    keep[:, 0] = True
    last = keep.sum(dim=1, keepdim=True) - 1
    return symbols.gather(1, _at(drawn, probabilities * keep, last)).squeeze(1)


def _at(drawn: Tensor, probabilities: Tensor, last: Tensor | int) -> Tensor:
    """Which column of each row (batch, 1) a number in [0, 1) falls on, where each is as wide as it is probable; none
    after `last`, whatever rounding does."""
    cumulative = probabilities.cumsum(dim=1)
    return torch.searchsorted(cumulative, drawn * cumulative[:, -1:], right=True).clamp(max=last)


class Predictor(Protocol):
    """Something that has read lanes of symbols and says what may come next."""

    def read(self, symbols: Tensor) -> Tensor:
        """Read further symbols (time, batch); scores of the one after them, (batch, symbols)."""
        ...


class StreamPredictor:
    """Carries the recurrent state: whole prompts by the fused kernel, single symbols by `step`, with weights laid out.

    Args:
        model: as it is now; what it learns later does not count.
        lanes: texts side by side.
        precision: of the products in a step, float32, bfloat16 or int8.
    """

    def __init__(self, model: SequenceModel, lanes: int, precision: torch.dtype = torch.float32) -> None:
        self.model, self.precision = model, precision
        self._stepper: Stepper | None = None  # made only where a step is, and not for a prompt alone
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
    """Reads the last `window` symbols afresh each time, as a model that learned on separate windows did."""

    def __init__(self, model: SequenceModel, lanes: int, window: int) -> None:
        self.model, self.window = model, window
        self.seen = torch.empty(0, lanes, dtype=torch.long)

    def read(self, symbols: Tensor) -> Tensor:
        self.seen = torch.cat([self.seen.to(symbols.device), symbols])[-self.window :]
        features, _ = self.model.features(self.seen, self.model.initial_state(symbols.shape[1]))
        output: Tensor = self.model.head(features[-1])
        return output


class LabelPredictor:
    """Knows the label of each lane, and begins its text by itself: what it reads is what is written so far."""

    def __init__(self, model: ConditionalModel, labels: Tensor, precision: torch.dtype = torch.float32) -> None:
        self.model, self.labels, self._stepper = model, labels, model.stepper(labels, precision)
        self.state: ModelState = model.initial_state(len(labels))
        self._ahead = labels.new_full((1, len(labels)), model.mark)

    def read(self, symbols: Tensor) -> Tensor:
        symbols, self._ahead = torch.cat([self._ahead, symbols]), self._ahead[:0]
        if len(symbols) == 1:
            scores, self.state = self._stepper(symbols[0], self.state)
            return scores
        every: Tensor
        every, self.state = self.model(symbols, self.labels, self.state)
        return every[-1]


class SourcePredictor:
    """Has read the source of each lane, and begins its target by itself: what it reads is what is written so far."""

    def __init__(self, model: EncoderDecoder, source: Tensor, lengths: Tensor) -> None:
        self.model, self.encoded = model, model.encode(source, lengths)
        self.state: ModelState = model.initial_state(self.encoded)
        self._ahead = source.new_full((1, source.shape[1]), model.mark)

    def read(self, symbols: Tensor) -> Tensor:
        symbols, self._ahead = torch.cat([self._ahead, symbols]), self._ahead[:0]
        for symbol in symbols:
            step = self.model.step(symbol, self.encoded, self.state)
            self.state = step.state
        return step.output


@torch.no_grad()
def greedy(predictor: Predictor, nothing: Tensor, end: int, most: int) -> tuple[Tensor, Tensor]:
    """The likeliest symbol after those before it, again and again until every lane has ended.

    Args:
        predictor: begins a text by itself.
        nothing: (0, batch), what is written at first.
        end: the symbol that ends a text.
        most: symbols to write at most, from 1.

    Returns:
        What was written, (time, batch), of which that from a lane's end on means nothing; and the lengths (batch,).
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
    """One more symbol in every lane; or several, which all tensors then have an axis for in front."""

    symbols: Tensor
    """(batch,)"""
    scores: Tensor
    """(batch, symbols) of all that might have come."""

    @property
    def probabilities(self) -> Tensor:
        """(batch,) the model's own probability of each, before temperature and truncation."""
        return self.scores.softmax(dim=-1).gather(-1, self.symbols.unsqueeze(-1)).squeeze(-1)


@torch.inference_mode()
def continuations(
    predictor: Predictor, prompt: Tensor, sampling: Sampling, generator: torch.Generator
) -> Iterator[Choice]:
    """Symbols that follow `prompt` (time, batch), one by one without end."""
    logits = predictor.read(prompt)
    recent = prompt[-PENALTY_REACH:]
    while True:
        # Chosen on the CPU: it is little work, and CUDA has no repeatable cumulative sum.
        chosen = choose(logits.cpu(), sampling, recent.cpu(), generator).to(logits.device)
        yield Choice(chosen, logits)
        if sampling.repetition_penalty != 1:
            recent = torch.cat([recent, chosen.unsqueeze(0)])[-PENALTY_REACH:]
        logits = predictor.read(chosen.unsqueeze(0))
