"""Sentences on symbols that a vocabulary does not know."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from lstmctl.data.vocabulary import TextEncoding

log = logging.getLogger(__name__)

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


def warn_of_unknown(texts: Sequence[str], encoding: TextEncoding) -> None:
    """Log which symbols are read as unknown, if there are any."""
    count, unknown = unknown_symbols(texts, encoding)
    if count:
        log.warning("read as unknown, since the run does not know them: %s", shown_symbols(unknown))


def shown_symbols(symbols: Sequence[str]) -> str:
    """Return symbols for a sentence, the first few of them."""
    more = f" and {len(symbols) - SHOWN} more" if len(symbols) > SHOWN else ""
    return ", ".join(f"{symbol!r}" for symbol in symbols[:SHOWN]) + more
