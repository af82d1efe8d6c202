"""Memory-mapped files, which must not become shorter: reading past the end kills the process with a bus error."""

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
    """The file of an array."""

    name: str
    memory: mmap

    def require_whole(self) -> None:
        """Raise DataError if the file has become shorter since it was opened."""
        now, then = self.memory.size(), len(self.memory)
        if now < then:
            raise DataError(
                f"{self.name} has become shorter while it was in use: {now:,} bytes, of {then:,} when it was opened",
                hint="restore the file, or prepare it again, and continue with --resume",
            )


def mapped_files(arrays: Iterable[NDArray[Any]]) -> list[MappedFile]:
    """Return the files of arrays, each once; none for arrays in memory."""
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
