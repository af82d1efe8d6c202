"""Files that are mapped into memory, and must not become shorter while they are: reading beyond the end of one ends the
process with a bus error, which nothing can catch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.errors import DataError


@dataclass(frozen=True)
class MappedFile:
    """A file behind an array."""

    name: str
    memory: mmap

    def require_whole(self) -> None:
        """Raises DataError where the file has become shorter since it was opened."""
        now, then = self.memory.size(), len(self.memory)
        if now < then:
            raise DataError(
                f"{self.name} has become shorter while it was in use: {now:,} bytes, of {then:,} when it was opened",
                hint="restore the file or prepare it again, then continue with --resume",
            )


def mapped_files(arrays: Iterable[NDArray[Any]]) -> list[MappedFile]:
    """The files behind arrays, each once; none for arrays that are in memory."""
    found: dict[int, MappedFile] = {}
    for array in arrays:
        name, base = "", array
        while isinstance(base, np.ndarray):
            if isinstance(base, np.memmap) and base.filename is not None:
                name = str(base.filename)
            base = base.base  # type: ignore[assignment]
        if isinstance(base, mmap):
            found[id(base)] = MappedFile(name, base)
    return list(found.values())
