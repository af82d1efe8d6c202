"""Named random streams.

Every random draw comes from a stream that is a pure function of the run's seed, a name and, if it recurs, a position.
No generator state has to be saved to continue exactly, and the draws of one component never affect another.
"""

from __future__ import annotations

import hashlib


def stream(seed: int, name: str, *position: int) -> int:
    """Return the seed, in 0 … 2⁶³ − 1, of the stream `name` at `position` of a run with `seed`."""
    key = "/".join([str(seed), name, *map(str, position)])
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little") >> 1
