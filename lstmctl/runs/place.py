"""A new folder on the disk, claimed by number."""

from __future__ import annotations

import re
from pathlib import Path

from lstmctl.storage import disk_errors


def claim_folder(root: Path, stem: str) -> Path:
    """Make `root`/`stem`-NNN with the first free number; two processes never get the same.

    Raises:
        ResourceError: the folder cannot be made.
    """
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        taken = [
            int(match[1]) for path in root.iterdir() if (match := re.fullmatch(rf"{re.escape(stem)}-(\d+)", path.name))
        ]
        number = max(taken, default=0) + 1
        while True:
            path = root / f"{stem}-{number:03d}"
            try:
                path.mkdir()
            except FileExistsError:
                number += 1
                continue
            return path
