"""Words for messages: numbers with their nouns, lists of names, and suggestions of similar names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

MOST_NAMES = 8
"""Names that a message lists before it only counts them."""


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Return a count with its noun: `1 row`, `1,200 rows`.

    `nouns` is the plural if it is not the noun with an `s`: `plural(2, "row is", "rows are")`.
    """
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def joined(names: Sequence[str], last: str = "and") -> str:
    """Return names as part of a sentence: `rnn, lstm and gru`."""
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def listed(names: Sequence[str]) -> str:
    """Return names in backquotes, the first eight of them: "`a`, `b` and 5 more"."""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(f"`{name}`" for name in names[:MOST_NAMES]) + more


def near(word: str, names: Iterable[str], *, most: int = 3, cutoff: float = 0.6, mark: str = "") -> str:
    """Return `did you mean lstm or gru?` for the names most similar to `word`, whatever their case; "" if none is.

    Args:
        word: the misspelled word.
        names: the known names.
        most: maximum number of suggestions.
        cutoff: minimum similarity, 0 to 1; see `difflib.get_close_matches`.
        mark: put on both sides of each name.
    """
    known = {name.casefold(): name for name in names}
    found = [f"{mark}{known[name]}{mark}" for name in get_close_matches(word.casefold(), known, most, cutoff)]
    return f"did you mean {' or '.join(found)}?" if found else ""


def inert(text: str) -> str:
    """Return `text` as one line that cannot drive a terminal.

    Control characters, escape sequences, line breaks, marks that change the writing direction and lone surrogates are
    shown as Python escapes: `\\x1b`, `\\n`, `\\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode("ascii") for part in text)
