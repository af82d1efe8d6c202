"""Append-only logs of a run, truncated to the length recorded in a checkpoint when the run is resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from lstmctl.errors import RunError
from lstmctl.storage import disk_errors, open_to_append, read_plain, sync


class Log:
    """A file that grows by whole lines; `offset` is the start of the next one."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        """Open for appending at `offset` bytes, dropping everything after it.

        Raises:
            RunError: the file is shorter than `offset`, or it is a link or not a plain file.
            ResourceError: it cannot be written.
        """
        self.path = path
        with disk_errors(path):
            # Unbuffered: a write that a full disk refused must not be repeated when the file is closed.
            self._file = open_to_append(path)
            size = self._file.seek(0, os.SEEK_END)
            if size < offset:
                self._file.close()
                raise RunError(f"{path} has {size:,} bytes, but the checkpoint was written when it had {offset:,}")
            self._file.truncate(offset)
        self.offset = offset

    def append(self, text: str) -> None:
        """Write `text` and pass it to the system at once.

        Raises:
            ResourceError: the disk is full or the folder is gone.
        """
        content = text.encode("utf-8", "replace")
        rest = memoryview(content)
        with disk_errors(self.path, len(content)):
            while rest:  # an almost full disk may accept a part
                rest = rest[self._file.write(rest) :]
        self.offset += len(content)

    def append_json(self, data: Mapping[str, Any]) -> None:
        """`append` for one JSON object on a separate line."""
        self.append(json.dumps(data, ensure_ascii=False) + "\n")

    def sync(self) -> None:
        """Wait until every line is on disk, so that no checkpoint counts bytes that a power failure may lose.

        Raises:
            ResourceError: the disk cannot store them.
        """
        with disk_errors(self.path):
            sync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Return the objects of a log; an incomplete last line is left out, and a missing file is empty.

    Raises:
        RunError: the file is a pipe or a device, or cannot be read.
    """
    try:
        content = read_plain(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    for line in content.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(row, dict):
            return
        yield row
