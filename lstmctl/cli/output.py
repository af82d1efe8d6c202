"""What goes to stdout: only what was asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def write(text: str) -> None:
    """Text to stdout at once, unchanged; what the terminal cannot show is escaped by it."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_json(data: Mapping[str, Any]) -> None:
    """One JSON object, marked with the format's version."""
    write(json.dumps({"format": 1, **data}, ensure_ascii=False, allow_nan=False) + "\n")
