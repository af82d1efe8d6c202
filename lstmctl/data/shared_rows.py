"""Rows of a later part that the training part contains too."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from lstmctl.words import plural


def shared_rows(
    rows: Sequence[Hashable], parts: Mapping[str, tuple[int, int]], noun: str, remedy: str = ""
) -> dict[str, str]:
    """Return, by part, a sentence if some of its rows are in the training part too.

    Args:
        rows: the content of each row, in the order of the parts.
        parts: start and stop of each.
        noun: what a row is.
        remedy: what to do, appended to the sentence.
    """
    if "training" not in parts:
        return {}
    start, stop = parts["training"]
    seen = set(rows[start:stop])
    found = {}
    for name, (first, last) in parts.items():
        again = sum(row in seen for row in rows[first:last]) if name != "training" else 0
        if again:
            found[name] = (
                f"{again:,} of the {plural(last - first, noun)} of the {name} part "
                f"{'is' if again == 1 else 'are'} in the training part too, which makes its scores too good{remedy}"
            )
    return found
