"""A config for pairs of texts, one per line: an encoder and a decoder."""

from __future__ import annotations

from pathlib import Path

from lstmctl.deriving.derived import Derived, about

PAIRS_PER_SECOND = 800
"""Approximate training speed on two cores without bfloat16, for pairs of 20 characters per side and 128 units with
attention."""


def derive_pairs(path: Path, count: int, derived: Derived) -> Derived:
    """Derive the config of a transduction; `count` is the number of pairs."""
    derived.what = f"{path.name}: about {count:,} pairs of texts, to write the second from the first"
    derived.decide("task.type", "transduction", "every line is two texts with a tab between them")
    derived.decide("data.pairs", str(path.resolve()))
    derived.decide("model.cell", "gru")
    derived.decide("model.hidden", 96 if count < 2000 else 128, f"for {count:,} pairs")
    derived.decide("model.embedding", 32)
    derived.decide("model.direction", "bidirectional")
    derived.decide("model.attention", True)
    derived.decide("model.dropout", 0.2 if count < 5000 else 0.1)
    epochs = int(max(2, min(30, derived.seconds * PAIRS_PER_SECOND / max(1, count))))
    derived.decide("training.budget", f"{epochs} epochs", about(epochs * count / PAIRS_PER_SECOND))
    derived.decide("training.batch", 32 if count < 5000 else 64)
    derived.decide("training.learning_rate", 3e-3)
    derived.decide("training.schedule", "cosine")
    return derived
