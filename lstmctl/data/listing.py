"""What there is, and what is in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstmctl import bundled
from lstmctl.data.locating import cache_folder
from lstmctl.data.sources import KNOWN
from lstmctl.data.text import TextCorpus

DATA = (".txt", ".csv")
"""Endings of bundled data; what else lies there made or describes it."""


def known_files() -> list[dict[str, Any]]:
    """Data that a config may name without a path, bundled or in the download cache; then what can be downloaded.

    Hidden files are left out: a download that was killed may have left one.
    """
    found = []
    for where, folder in (("bundled", bundled.data()), ("cache", cache_folder())):
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
        found += [
            {"name": path.name, "bytes": path.stat().st_size, "where": where}
            for path in paths
            if path.is_file() and not path.name.startswith(".") and (where == "cache" or path.suffix in DATA)
        ]
    return found + [
        {"name": name, "bytes": source.size, "where": "download"}
        for name, source in KNOWN.items()
        if not (cache_folder() / source.file).exists()
    ]


def describe(corpus: TextCorpus, window: int) -> dict[str, Any]:
    """A corpus's size, its symbols from frequent to rare, its parts, and training's first window with its target."""
    counts = np.bincount(corpus.symbols, minlength=len(corpus.encoding))
    order = [int(number) for number in np.argsort(-counts, kind="stable") if counts[number]]
    training = corpus.part("training")[: window + 1]
    return {
        "files": list(corpus.names),
        "bytes": corpus.fingerprint["bytes"],
        "sha256": corpus.fingerprint["sha256"],
        "length": len(corpus),
        "parts": {name: {"start": start, "length": stop - start} for name, (start, stop) in corpus.parts.items()},
        "symbols": [
            {
                "symbol": corpus.encoding.name(number),
                "count": int(counts[number]),
                "share": round(float(counts[number]) / len(corpus), 6),
            }
            for number in order
        ],
        "window": {"input": corpus.encoding.decode(training[:-1]), "target": corpus.encoding.decode(training[1:])},
    }
