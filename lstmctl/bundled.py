"""Locations of the bundled configs and data.

In a wheel they are inside the package, under `_bundled/`; in a checkout (an editable install) they are next to it,
where people expect them. Only this module knows the difference.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def configs() -> Path:
    """Return the folder of the bundled configs."""
    return _folder("configs")


def data() -> Path:
    """Return the folder of the bundled data."""
    return _folder("data")


def _folder(name: str) -> Path:
    packaged = _PACKAGE / "_bundled" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name
