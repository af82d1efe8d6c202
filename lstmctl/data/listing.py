"""Lists of available data, and descriptions of their contents."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmctl import bundled
from lstmctl.cache import cache_folder
from lstmctl.data.sources import KNOWN
from lstmctl.data.text import TextCorpus

if TYPE_CHECKING:  # a list of files need not wait for what reads tables
    from lstmctl.data.pairs import PairsCorpus
    from lstmctl.data.sequences import SequenceCorpus
    from lstmctl.data.series import SeriesCorpus, SeriesEncoding

DATA = (".txt", ".csv", ".tsv")
"""Extensions of bundled data; other files there document it."""


SOUND = "*.wav"
"""Files of a bundled folder of clips."""


def known_files() -> list[dict[str, Any]]:
    """Return data that a config can name without a path, bundled or in the download cache; then known downloads. Hidden
    files, which killed downloads may leave, are omitted."""
    cache = cache_folder()
    found = [
        {"name": path.name, "bytes": size, "where": where}
        for where, folder in (("bundled", bundled.data()), ("cache", cache))
        for path, size in _plain_files(folder)
        if not path.name.startswith(".") and (where == "cache" or path.suffix in DATA)
    ]
    found += [
        {"name": path.name, "bytes": sum(size for _, size in _plain_files(path)), "where": "bundled"}
        for path in sorted(bundled.data().iterdir())
        if path.is_dir() and any(path.glob(SOUND))
    ]
    cached = {entry["name"] for entry in found if entry["where"] == "cache"}
    return found + [
        {
            "name": name,
            "bytes": source.size,
            "where": "download",
            "licence": source.licence,
            "sha256": source.sha256,
        }
        for name, source in KNOWN.items()
        if source.file not in cached
    ]


def _plain_files(folder: Path | None) -> Iterator[tuple[Path, int]]:
    """Yield files with their sizes, by name; none of a folder that is missing or cannot be read."""
    try:
        paths = sorted(folder.iterdir()) if folder is not None else []
    except OSError:
        return
    for path in paths:
        with suppress(OSError):  # it has just been removed
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                yield path, status.st_size


def describe(corpus: TextCorpus, window: int) -> dict[str, Any]:
    """Return a text's size, its symbols by frequency, its parts, and the first training window with its target."""
    counts = corpus.counts()
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


def describe_series(corpus: SeriesCorpus, lookback: int, horizon: int) -> dict[str, Any]:
    """Return a table's size, step, parts and scales, and the first training window with its labels."""
    table, encoding = corpus.table, corpus.encoding
    text = encoding.step.text
    parts = {}
    for name, rows in corpus.parts.items():
        starts, stops = rows[rows[:, 1] > rows[:, 0]].T
        parts[name] = {
            "rows": int(np.diff(rows).sum()),
            "first": text(int(table.times[starts].min())) if len(starts) else None,
            "last": text(int(table.times[stops - 1].max())) if len(stops) else None,
            "windows": int(corpus.origins(name)[1].sum()),
        }
    return {
        "files": list(corpus.names),
        "bytes": corpus.fingerprint["bytes"],
        "sha256": corpus.fingerprint["sha256"],
        "rows": len(table.times),
        "series": len(table.ids),
        "channels": list(encoding.channels),
        "step": str(encoding.step),
        "season": encoding.season,
        "start": text(int(table.times[table.bounds[:-1]].min())),
        "end": text(int(table.times[table.bounds[1:] - 1].max())),
        "parts": parts,
        "covariates": {
            "past": list(encoding.past),
            "known": list(encoding.known),
            "static": list(encoding.static),
            "calendar": list(encoding.calendar),
        },
        "categories": {name: list(found) for name, found in encoding.categories.items()},
        "scaler": {
            "name": encoding.scaler,
            "rows": encoding.rows_used,
            "transform": None if encoding.transform is None else encoding.transform.name,
            "channels": _channels(encoding),
        },
        "notes": list(corpus.notes),
        "window": _first_window(corpus, lookback, horizon),
    }


def _channels(encoding: SeriesEncoding) -> list[dict[str, Any]]:
    """Return centre and spread of every channel, of transformed values if they are, and the power of Box and Cox."""
    scales = encoding.transform or encoding
    found: list[dict[str, Any]] = [
        {"channel": channel, "centre": float(centre), "spread": float(spread)}
        for channel, centre, spread in zip(encoding.channels, scales.centre.flat, scales.spread.flat, strict=True)
    ]
    if encoding.transform is not None and encoding.transform.name == "box-cox":
        for channel, power in zip(found, encoding.transform.power.flat, strict=True):
            channel["power"] = float(power)
    return found


def describe_sequences(corpus: SequenceCorpus) -> dict[str, Any]:
    """Return number, lengths and labels of labelled sequences, and the first training one."""
    encoding, sequences = corpus.encoding, {name: corpus.part(name) for name in corpus.parts}
    parts = {
        name: {
            "sequences": len(part),
            "shortest": int(part.lengths.min()),
            "median": float(np.median(part.lengths)),
            "longest": int(part.lengths.max()),
        }
        for name, part in sequences.items()
    }
    counts: dict[str, dict[str, int]] = {}
    for name, part in sequences.items() if encoding.labels else ():
        told = np.concatenate([np.atleast_1d(part.target(number)) for number in range(len(part))])
        counted = np.bincount(told[told >= 0], minlength=len(encoding.labels))
        counts[name] = dict(zip(encoding.labels, counted.tolist(), strict=True))
    symbols = encoding.symbols
    shown, target = sequences["training"].input(0), sequences["training"].target(0)
    labels = encoding.labels
    return {
        "files": list(corpus.names),
        "sha256": corpus.fingerprint["sha256"],
        "parts": parts,
        "vocabulary": None if symbols is None else "".join(symbols.name_of(number) for number in range(len(symbols))),
        "features": [] if encoding.features is None else list(encoding.features.names),
        "outputs": [] if encoding.outputs is None else list(encoding.outputs.names),
        "labels": counts,
        "notes": list(corpus.notes),
        "example": {
            "input": shown.tolist() if symbols is None else symbols.decode(shown),
            "target": [labels[number] if number >= 0 else None for number in np.atleast_1d(target).tolist()]
            if labels
            else np.atleast_1d(target).tolist(),
        },
    }


def describe_pairs(corpus: PairsCorpus) -> dict[str, Any]:
    """Return number and lengths of pairs of texts, and the first training one."""
    parts = {}
    for name, (start, stop) in corpus.parts.items():
        spans = {"read": corpus.sources.lengths[start:stop], "written": corpus.targets.lengths[start:stop]}
        parts[name] = {"pairs": stop - start} | {what: int(lengths.max()) for what, lengths in spans.items()}
    encoding = corpus.encoding
    return {
        "files": list(corpus.names),
        "sha256": corpus.fingerprint["sha256"],
        "parts": parts,
        "vocabularies": {"read": len(encoding.source), "written": len(encoding.target)},
        "notes": list(corpus.notes),
        "example": {
            "input": encoding.source.decode(corpus.sources.input(0)),
            "target": encoding.target.decode(corpus.targets.input(0)),
        },
    }


def _first_window(corpus: SeriesCorpus, lookback: int, horizon: int) -> dict[str, Any] | None:
    """Return the first training window: times and values of its first channel, in original units; null if missing."""
    first, counts = corpus.origins("training")
    if not counts.any():
        return None
    series = int(np.argmax(counts > 0))
    origin = int(first[series])
    spans = {"input": slice(origin - lookback, origin), "labels": slice(origin, origin + horizon)}
    channel = corpus.encoding.channels[series * len(corpus.encoding.targets)]
    return {"channel": channel} | {
        name: {
            "first": corpus.encoding.step.text(int(corpus.table.times[span][0])),
            "last": corpus.encoding.step.text(int(corpus.table.times[span][-1])),
            "values": [None if np.isnan(value) else float(value) for value in corpus.table.targets[span, 0]],
        }
        for name, span in spans.items()
    }
