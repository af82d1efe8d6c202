"""Putting a finished file in a run folder in one step."""

from __future__ import annotations

import os
from pathlib import Path

from lstmctl.errors import ResourceError


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path`, with its folder, so that a reader sees the old file or the new one, never half.

    Raises:
        ResourceError: the disk is full or the folder cannot be written; the old file stands.
    """
    # A run folder is cleared of files with such names when it is next locked.
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ResourceError(f"{path} cannot be written ({len(content):,} bytes): {error.strerror or error}") from error
