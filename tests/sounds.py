"""Small sounds for tests: WAV files of every kind, and clips that can be told apart."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 4000
Array = NDArray[Any]


def wave_bytes(samples: Array, rate: int = RATE, kind: str = "16", *, extensible: bool = False) -> bytes:
    """Return a WAV file of samples (samples,) or (samples, channels) between -1 and 1.

    `kind` is the number of bits of whole numbers, or `float32` or `float64`.
    """
    samples = samples if samples.ndim == 2 else samples[:, None]
    bits = int(kind.removeprefix("float"))
    if kind.startswith("float"):
        data = samples.astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        data = np.rint(samples * 127 + 128).astype(np.uint8).tobytes()
    else:
        whole = np.rint(samples * (2 ** (bits - 1) - 1)).astype("<i4")
        data = whole.reshape(-1, 1).view(np.uint8)[:, : bits // 8].tobytes()
    channels, tag = samples.shape[1], 3 if kind.startswith("float") else 1
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * block, block, bits)
    if extensible:
        form += struct.pack("<HHIH", 22, bits, 0, tag) + bytes.fromhex("000000001000800000aa00389b71")
    chunks = [(b"fmt ", form), (b"LIST", b"odd"), (b"data", data)]
    body = b"".join(name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for name, part in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def tone(hertz: float, seconds: float = 0.1, rate: int = RATE, level: float = 0.3) -> Array:
    """Return a sine (samples,)."""
    found: Array = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return found


def write_glides(folder: Path, takes: int = 8, speakers: tuple[str, ...] = ("ann", "bob", "cyr")) -> Path:
    """Write clips `up_ann_0.wav` …: tones that rise or fall through the same frequencies, so that only their order
    tells them apart. Each speaker has a range of their own; lengths differ."""
    draw = np.random.default_rng(4)
    folder.mkdir(parents=True, exist_ok=True)
    for number, speaker in enumerate(speakers):
        for take in range(takes):
            seconds = draw.uniform(0.1, 0.2)
            course = np.linspace(300 + 100 * number, 1200 + 100 * number, round(seconds * RATE))
            for label, hertz in (("up", course), ("down", course[::-1])):
                samples = 0.3 * np.sin(2 * np.pi * np.cumsum(hertz) / RATE) + draw.normal(0, 0.01, len(hertz))
                (folder / f"{label}_{speaker}_{take}.wav").write_bytes(wave_bytes(samples))
    return folder


def write_beeps(folder: Path, clips: int = 20) -> Path:
    """Write clips of noise with one tone in them, and a table of its start and end; return the table."""
    draw = np.random.default_rng(5)
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file,start,end,label"]
    for clip in range(clips):
        start, end = draw.uniform(0.05, 0.1), draw.uniform(0.15, 0.25)
        samples = draw.normal(0, 0.02, round(0.3 * RATE))
        inside = slice(round(start * RATE), round(end * RATE))
        samples[inside] += tone(800, 0.3)[inside]
        (folder / f"{clip}.wav").write_bytes(wave_bytes(samples))
        rows.append(f"{clip}.wav,{start:.3f},{end:.3f},beep")
    table = folder / "beeps.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return table
