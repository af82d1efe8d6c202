"""Texts as they grow: choices of the model turned into pieces of text, and an end where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch

from lstmctl.data.encoding import StreamDecoder
from lstmctl.decoding import Sampling, continuations
from lstmctl.errors import UsageError
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.records import Generated
from lstmctl.seeds import stream
from lstmctl.tasks.language_model import LanguageModel


class Writing:
    """Several texts that continue one prompt, side by side.

    Args:
        task, model: of the run.
        prompt: for the record; `numbers` are its symbols.
        length: symbols to write at most.
        count: texts.
        sampling: how symbols are chosen.
        stop: end a text before this string.
        seed: of the draws.

    Raises:
        UsageError: a setting is out of range.
    """

    def __init__(
        self,
        task: LanguageModel,
        model: SequenceModel,
        prompt: str,
        numbers: list[int],
        *,
        length: int,
        count: int,
        sampling: Sampling,
        stop: str | None,
        seed: int,
    ) -> None:
        if length < 0:
            raise UsageError(f"length must be 0 or more, not {length}")
        if count < 1:
            raise UsageError(f"count must be 1 or more, not {count}")
        if stop == "":
            raise UsageError("the stop string must not be empty")
        self.prompt, self.length, self.seed = prompt, length, seed
        self._written = 0
        self._texts = [_Text(task.encoding.decoder(), stop) for _ in range(count)]
        device = model.input_map.weight.device
        read = torch.tensor(numbers or [task.start], device=device).unsqueeze(1).expand(-1, count)
        generator = torch.Generator().manual_seed(stream(seed, "sampling"))
        self._choices = continuations(task.predictor(model, count), read, sampling, generator)
        self._name = task.encoding.name_of

    def steps(self) -> Iterator[list[str]]:
        """Symbol by symbol, what each text may show now: nothing while it could still turn out to be the stop string,
        or a part of a character."""
        for _ in range(self._written, self.length):
            if all(text.stopped for text in self._texts):
                return
            choice = next(self._choices)
            self._written += 1
            chosen = zip(self._texts, choice.symbols.tolist(), choice.probabilities.tolist(), strict=True)
            yield [text.add(number, self._name(number), probability) for text, number, probability in chosen]
        yield [text.end() for text in self._texts]

    def finish(self) -> list[Generated]:
        """Write to the end, from wherever `steps` is."""
        for _ in self.steps():
            pass
        return [text.generated(self.prompt) for text in self._texts]


class _Text:
    """One text as it grows."""

    def __init__(self, decode: StreamDecoder, stop: str | None) -> None:
        self.decode, self.stop, self.stopped = decode, stop or "", False
        self.text = ""
        self.shown = 0
        self.symbols: list[str] = []
        self.probabilities: list[float] = []

    def add(self, number: int, symbol: str, probability: float) -> str:
        if self.stopped:
            return ""
        self.symbols.append(symbol)
        self.probabilities.append(probability)
        self.text += self.decode(number)
        if self.stop and self.stop in self.text:
            self.text, self.stopped = self.text[: self.text.index(self.stop)], True
        return self._show(len(self.text) if self.stopped else len(self.text) - self._may_be_stop())

    def end(self) -> str:
        if not self.stopped:
            self.text += self.decode.end()
        return self._show(len(self.text))

    def generated(self, prompt: str) -> Generated:
        ended: Literal["length", "stop"] = "stop" if self.stopped else "length"
        return Generated(prompt, self.text, tuple(self.symbols), tuple(self.probabilities), ended)

    def _show(self, upto: int) -> str:
        piece = self.text[self.shown : upto]
        self.shown = max(self.shown, upto)
        return piece

    def _may_be_stop(self) -> int:
        """How many of the last characters could be the beginning of the stop string."""
        longest = min(len(self.stop) - 1, len(self.text))
        return next((size for size in range(longest, 0, -1) if self.text.endswith(self.stop[:size])), 0)
