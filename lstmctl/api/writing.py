"""Convert the model's choices to pieces of text, and end texts as requested."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Literal

import torch

from lstmctl.api.trained import Trained
from lstmctl.cells.packed import has_kernels
from lstmctl.data.vocabulary import StreamDecoder
from lstmctl.decoding import Choice, continuations
from lstmctl.errors import UsageError
from lstmctl.progress import counted, report
from lstmctl.results.output import Generated
from lstmctl.sampling_settings import Sampling
from lstmctl.seeds import stream
from lstmctl.tasks.author import Author
from lstmctl.training.precision import lacks_bfloat16

AT_ONCE = 64
"""Number of symbols of each text that are checked together."""
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}


def author(run: Trained, label: str | None, precision: str) -> Author:
    """Return the generator of a run's texts.

    Args:
        label: the label of the text, if the run's task generates texts from labels.
        precision: precision of the products in a step, `float32`, `bfloat16` or `int8`.

    Raises:
        UsageError: the task does not generate text, the label is missing or unknown, the precision is unknown, or the
            device lacks a kernel for it.
    """
    if (products := PRECISIONS.get(precision)) is None:
        raise UsageError(f"precision must be float32, bfloat16 or int8, not {precision}")
    device = next(run.model.parameters()).device
    if device.type == "cpu" and products != torch.float32 and not has_kernels(products):
        lack = lacks_bfloat16(device) if precision == "bfloat16" else "torch has no int8 kernels for this processor"
        raise UsageError(lack, hint="omit --precision, or use --precision float32")
    found = run.task.author(run.model, label, products)
    if found is None:
        raise UsageError(f"{run.name} does not generate text: its task is {run.settings.task.type}")
    return found


class Writing:
    """Several texts that continue one prompt, generated in parallel.

    Args:
        author: the run's.
        prompt: the prompt, for the result; `numbers` are its symbols.
        device: the network's device.
        length: maximum number of symbols to generate.
        count: number of texts.
        sampling: settings of the choice of symbols.
        stop: end a text before this string.
        seed: the seed for sampling.

    Raises:
        UsageError: a setting is out of range.
    """

    def __init__(
        self,
        author: Author,
        prompt: str,
        numbers: list[int],
        *,
        device: torch.device,
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
        self._texts = [_Text(author, stop) for _ in range(count)]
        read = torch.tensor(numbers or author.start, dtype=torch.long, device=device).unsqueeze(1).expand(-1, count)
        generator = torch.Generator().manual_seed(stream(seed, "sampling"))
        self._choices = continuations(author.predictor(count), read, sampling, generator)

    def steps(self) -> Iterator[list[str]]:
        """Yield, symbol by symbol, the new text to show for each text: nothing while it could still become the stop
        string, or is a part of a character."""
        for _ in range(self._written, self.length):
            if all(text.ended for text in self._texts):
                return
            choice = next(self._choices)
            self._written += 1
            chosen = zip(self._texts, choice.symbols.tolist(), choice.probabilities.tolist(), strict=True)
            yield [text.add(number, probability) for text, number, probability in chosen]
        yield [text.close() for text in self._texts]

    def finish(self) -> list[Generated]:
        """Generate to the end, from the current position of `steps`."""
        if all(text.end is None and not text.stop for text in self._texts):
            self._write_rest()
        for _ in counted(self.steps(), self.length, "writing"):
            pass
        return [text.generated(self.prompt) for text in self._texts]

    def _write_rest(self) -> None:
        """Generate all remaining symbols of texts that can only end at their full length: no symbol is checked before
        the next is chosen."""
        while left := self.length - self._written:
            report("writing", self._written / self.length)
            choices = list(islice(self._choices, min(left, AT_ONCE)))
            self._written += len(choices)
            several = Choice(*map(torch.stack, zip(*choices, strict=True)))
            for text, *own in zip(
                self._texts, several.symbols.t().tolist(), several.probabilities.t().tolist(), strict=True
            ):
                text.extend(*own)


class _Text:
    """One text during generation. Text that was shown is not checked again, so a symbol takes the same time however
    long the text is."""

    def __init__(self, author: Author, stop: str | None) -> None:
        self.decode: StreamDecoder = author.encoding.decoder()
        self.name_of, self.stop, self.end = author.encoding.name_of, stop or "", author.end
        self.ended: Literal["stop", "end"] | None = None
        self.shown: list[str] = []
        self.held_back = ""
        self.numbers: list[int] = []
        self.probabilities: list[float] = []

    def add(self, number: int, probability: float) -> str:
        if self.ended:
            return ""
        if number == self.end:
            self.ended = "end"
            self.held_back += self.decode.end()
            return self._show(len(self.held_back))
        self.numbers.append(number)
        self.probabilities.append(probability)
        if not self.stop:  # nothing is held back, which saves much time with many texts
            self.shown.append(piece := self.decode(number))
            return piece
        self.held_back += self.decode(number)
        if self.stop in self.held_back:
            self.ended = "stop"
            self.held_back = self.held_back[: self.held_back.index(self.stop)]
        return self._show(len(self.held_back) - (0 if self.ended else self._may_be_stop()))

    def extend(self, numbers: list[int], probabilities: list[float]) -> None:
        """Equivalent to many calls of `add` if nothing ends the text."""
        self.numbers += numbers
        self.probabilities += probabilities
        self.shown.append("".join(map(self.decode, numbers)))

    def close(self) -> str:
        if not self.ended:
            self.held_back += self.decode.end()
        return self._show(len(self.held_back))

    def generated(self, prompt: str) -> Generated:
        text = "".join(self.shown)
        symbols = tuple(self.name_of(number) for number in self.numbers)
        return Generated(prompt, text, symbols, tuple(self.probabilities), self.ended or "length")

    def _show(self, upto: int) -> str:
        piece, self.held_back = self.held_back[:upto], self.held_back[upto:]
        self.shown.append(piece)
        return piece

    def _may_be_stop(self) -> int:
        """Return the number of last characters that could be the beginning of the stop string."""
        longest = min(len(self.stop) - 1, len(self.held_back))
        return next((size for size in range(longest, 0, -1) if self.held_back.endswith(self.stop[:size])), 0)
