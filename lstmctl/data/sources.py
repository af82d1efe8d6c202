"""Downloads: those known by name, each with its SHA-256, and those a user gives by URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One file on the web."""

    file: str
    """Its name in the download cache."""
    url: str
    sha256: str | None
    """64 lower-case hexadecimal digits, or None if unknown."""
    name: str | None = None
    """Its known name; None for a user's own URL."""
    size: int | None = None
    """In bytes."""
    config: str | None = None
    """The bundled config that uses it."""


KNOWN: Mapping[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="tinyshakespeare",
            file="tinyshakespeare.txt",
            url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            size=1_115_394,
            config="shakespeare-cpu",
        ),
        Source(
            name="ETTh1",
            file="ETTh1.csv",
            url="https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTh1.csv",
            sha256="f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
            size=2_589_657,
        ),
    )
    if source.name is not None
}


def find_known(word: str, known: Mapping[str, Source] = KNOWN) -> Source | None:
    """Return the known source of a name or file name, ignoring case."""
    word = word.casefold()
    return next((source for name, source in known.items() if word in (name.casefold(), source.file.casefold())), None)
