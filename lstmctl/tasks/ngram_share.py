"""An n-gram model's share in the predictions of a language model (`model.ngram`).

With p the network's probability of a symbol and q the n-gram model's, the prediction is (1 - share) p + share q (linear
interpolation; Jelinek and Mercer 1980). In a short text, the counts capture rare words and exact phrases, and the
network captures longer dependencies.
"""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lstmctl.baselines import NGram
from lstmctl.data.vocabulary import Symbols
from lstmctl.decoding import Predictor

LONGEST = 4_000_000
"""Symbols, at the end of a longer training part, that are counted, and kept with the run."""
SHARES = tuple(count / 20 for count in range(21))


@dataclass(frozen=True, eq=False)
class NGramShare:
    """An n-gram model with its share."""

    model: NGram
    share: float
    training: Symbols
    """(length,) the symbols that the model counts."""

    @classmethod
    def counted(cls, training: Symbols, vocabulary: int, order: int, share: float) -> Self:
        return cls(NGram(training, vocabulary, order).prepared(), share, training)

    def mixed(self, nats: Tensor, others: Tensor) -> Tensor:
        """Return -ln of the mixture from -ln p of the network and -ln q of the n-gram model, of any one shape."""
        if self.share in (0, 1):
            return others if self.share else nats
        return -torch.logaddexp(math.log1p(-self.share) - nats, math.log(self.share) - others)

    @property
    def context(self) -> int:
        """The number of symbols that the n-gram model predicts from."""
        return max(0, self.model.order - 1)

    def to_json(self) -> dict[str, Any]:
        """Return the share, the order, and the counted text: its symbols' numbers, compressed, in base 64."""
        text = zlib.compress(self.training.astype("<u4").tobytes(), 9)
        return {"share": self.share, "order": self.model.order, "symbols": base64.b64encode(text).decode()}

    @classmethod
    def from_json(cls, values: dict[str, Any], vocabulary: int) -> Self:
        """Restore from `to_json`; raise ValueError if the values are damaged."""
        share = float(values["share"])
        if not 0 <= share <= 1:
            raise ValueError(f"the share of the n-gram model is {share}, not between 0 and 1")
        content = zlib.decompress(base64.b64decode(values["symbols"], validate=True))
        return cls.counted(np.frombuffer(content, "<u4"), vocabulary, int(values["order"]), share)


def best_share(nats: Tensor, others: Tensor) -> float:
    """Return the share, in twentieths, with the smallest mean of the mixture's -ln p; the smallest of equal ones."""
    losses = [
        float(torch.logaddexp(_log(1 - share) - nats, _log(share) - others).neg().mean(dtype=torch.float64))
        for share in SHARES
    ]
    return SHARES[int(np.argmin(losses))]


def _log(share: float) -> float:
    return math.log(share) if share else -math.inf


class MixedPredictor:
    """Predicts with a network and an n-gram model.

    Args:
        network: scores the next symbols.
        ngram: has read nothing yet.
        lanes: number of texts in parallel.
    """

    def __init__(self, network: Predictor, ngram: NGramShare, lanes: int) -> None:
        self.network, self.ngram = network, ngram
        self.seen = np.zeros((0, lanes), np.int64)

    def read(self, symbols: Tensor) -> Tensor:
        scores = self.network.read(symbols)
        seen = np.concatenate([self.seen, symbols.cpu().numpy()])
        self.seen = seen[max(0, len(seen) - self.ngram.context) :]
        others = torch.from_numpy(self.ngram.model.next_probabilities(self.seen)).to(scores)
        share = self.ngram.share
        return ((1 - share) * functional.softmax(scores, dim=-1) + share * others).log()
