"""Graphs of n-gram models, which can have a share in the predictions of a language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.export.graph import Body, Function, Operand, Value
from lstmctl.tasks.ngram_share import NGramShare

MEANING = "the numbers of the n-grams that the text ends with, shortest first; -1 for one that was not counted"


class NGrams:
    """An n-gram model and its share.

    While a text is read, the numbers of the n-grams at its end are kept, for every length below the model's order. They
    are the contexts for the next symbol; the empty one has the number 0.

    Args:
        ngram: the model.
        weights: of the predictor, to which the counts are added.
    """

    def __init__(self, ngram: NGramShare, weights: dict[str, NDArray[Any]]) -> None:
        self.share, self.vocabulary, self.weights = ngram.share, ngram.model.vocabulary, weights
        self.levels = ngram.model.counts()
        self.longest = len(self.levels) - 1
        """Length of the longest context in symbols."""

    def state_input(self, body: Body) -> list[Operand]:
        """Add the contexts to the inputs of a function, and return them."""
        if not self.longest:
            return [0.0]
        return self._contexts(
            body, body.input("grams", (self.longest,), MEANING, initial=np.full(self.longest, -1, np.float32))
        )

    def state_output(self, body: Body, contexts: Sequence[Operand]) -> None:
        """Add the contexts to the outputs of a function."""
        if self.longest:
            numbers = [body.reshape(body.cast(one, "float32"), (1,)) for one in contexts[1:] if isinstance(one, Value)]
            body.output("grams", body.concat(numbers, name="new_grams"), MEANING)

    def after(self, body: Body, contexts: Sequence[Operand], symbol: Value) -> list[Operand]:
        """Return the contexts after one more symbol."""
        found: list[Operand] = [0.0]
        for length, context in enumerate(contexts[:-1], start=1):
            found.append(body.successor(*self._table(body, length)[:2], context, symbol))
        return found

    def after_all(self, body: Body, symbols: Value, functions: dict[str, Function]) -> list[Operand]:
        """Return the contexts after all symbols (time,) of a text."""
        if not self.longest:
            return [0.0]
        step = Body("read_grams", "Read a symbol for the n-gram model.", self.weights)
        symbol = step.input("symbol", (), "the symbol to read", type="index")
        self.state_output(step, self.after(step, self.state_input(step), symbol))
        functions[step.name] = step.function()
        start = body.weight("no_grams", np.full(self.longest, -1, np.float32))
        _, (state,) = body.scan(functions[step.name], [symbols], [start])
        return self._contexts(body, state)

    def mixed(self, body: Body, scores: Value, contexts: Sequence[Operand]) -> Value:
        """Return ln of the mixture of the network's probabilities and the n-gram model's after the contexts."""
        shares = body.weight("uniform", np.full(self.vocabulary, 1 / self.vocabulary, np.float32))
        for length, context in enumerate(contexts, start=1):
            shares = body.smoothed(shares, *self._table(body, length), context)
        body.rename(shares, "counted")
        network = body.softmax(scores, "network")
        return body.unary("log", network * (1 - self.share) + shares * self.share, "scores")

    def _contexts(self, body: Body, state: Value) -> list[Operand]:
        numbers = [body.reshape(body.slice(state, place, place + 1), ()) for place in range(self.longest)]
        return [0.0, *(body.cast(number, "index") for number in numbers)]

    def _table(self, body: Body, length: int) -> tuple[Value, Value, Value, Value]:
        """Return the starts, symbols, counts and discounts of the n-grams of a length."""
        level = self.levels[length - 1]
        discounts = level.discounts.astype(np.float32)
        starts, symbols, counts, given_up = (
            body.weight(f"{name}_{length}", array)
            for name, array in zip(level._fields, (*level[:3], discounts), strict=True)
        )
        return starts, symbols, counts, given_up
