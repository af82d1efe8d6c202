"""The folder in which downloads and data frames are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path | None:
    """Return the folder of downloads: `LSTMCTL_CACHE`, or lstmctl's folder in the user's cache; None without a home."""
    if chosen := os.environ.get("LSTMCTL_CACHE"):
        return Path(chosen)
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache) / "lstmctl"
    try:
        return Path.home() / ".cache" / "lstmctl"
    except RuntimeError:  # no HOME, and no user of this number
        return None
