"""Named streams of randomness.

Every random draw comes from a stream that is a pure function of the run's seed, a name and, where it recurs, a
position. Nothing has to be saved to go on exactly, and what one part draws never moves another.
"""

from __future__ import annotations

import hashlib


def stream(seed: int, name: str, *position: int) -> int:
    """The seed, in 0 … 2⁶³ − 1, of the stream `name` at `position` of a run with `seed`."""
    key = "/".join([str(seed), name, *map(str, position)])
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little") >> 1
