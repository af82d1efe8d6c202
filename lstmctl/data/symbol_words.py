"""Sentences on symbols that a vocabulary does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lstmctl.data.encoding import TextEncoding

SHOWN = 8
"""Symbols that a sentence lists."""


def unknown_symbols(texts: Sequence[str], encoding: TextEncoding) -> tuple[int, list[str]]:
    """Count the texts with symbols that an encoding does not know.

    Returns:
        The number of such texts, and the symbols, the most frequent first.
    """
    known = set(encoding.symbols)
    unknown = [text for text in texts if not known.issuperset(text)]
    counts = Counter(symbol for text in unknown for symbol in text if symbol not in known)
    return len(unknown), [symbol for symbol, _ in counts.most_common()]


def shown_symbols(symbols: Sequence[str]) -> str:
    """Return symbols for a sentence, the first few of them."""
    more = f" and {len(symbols) - SHOWN} more" if len(symbols) > SHOWN else ""
    return ", ".join(f"{symbol!r}" for symbol in symbols[:SHOWN]) + more
