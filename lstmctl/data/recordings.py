"""Audio files as samples: PCM WAV is read here, other formats by `soundfile` (the extra `audio`).

The content of a file decides its format, not its name.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.locating import check_regular
from lstmctl.errors import DataError

Samples = NDArray[np.float32]
SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga")
FORMATS = {b"fLaC": "FLAC", b"OggS": "Ogg", b"RF64": "RF64", b"FORM": "AIFF", b"ID3": "MP3", b"\xff\xfb": "MP3"}
"""Other formats than WAV by their first bytes."""
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
CODECS = {2: "ADPCM", 6: "A-law", 7: "mu-law", 17: "ADPCM", 85: "MP3"}
"""Names of some compressed formats inside a WAV file."""
UNKNOWN_LENGTH = 0xFFFFFFFF
"""The size of the data in a header that was written before the length was known."""
RATES = (1_000, 768_000)
"""The lowest and the highest sampling rate in Hz; anything else is a damaged header."""


@dataclass(frozen=True)
class Recording:
    """The sound of one file."""

    samples: Samples
    """(samples,) the mean of all channels; full scale is -1 to 1."""
    rate: int
    """Samples per second."""
    channels: int
    """Number of channels in the file."""


def read_recording(path: Path) -> Recording:
    """Read an audio file.

    Raises:
        DataError: it is missing, empty, truncated, not audio, or in a format that needs the extra `audio`.
    """
    content = audio_bytes(path)
    if not content:
        raise DataError(f"{path} is empty (0 bytes)", hint="record it again, or delete the file")
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        found = _wave(path, content)
    else:
        kind = next((name for start, name in FORMATS.items() if content.startswith(start)), None)
        if kind is None:
            raise DataError(f"{path} is {_described(content)}", hint="use WAV, FLAC or OGG files")
        found = _by_soundfile(path, content, kind)
    if not len(found.samples):
        raise DataError(f"{path} contains no samples", hint="record it again, or delete the file")
    return found


def audio_bytes(path: Path) -> bytes:
    """Return all bytes of an audio file.

    Raises:
        DataError: it is missing, not a regular file, or unreadable.
    """
    check_regular(path, "an audio file or a folder of them")
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """Return samples (samples,) of a rate at another rate, by a polyphase filter."""
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly

    shared = math.gcd(rate, wanted)
    return np.asarray(resample_poly(samples, wanted // shared, rate // shared), np.float32)


def _wave(path: Path, content: bytes) -> Recording:
    """Read a WAV file: chunks of a name, a size and that many bytes, `fmt ` before `data`."""
    place, form = 12, b""
    while place + 8 <= len(content):
        name, size = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        start = place + 8
        if name == b"fmt ":
            form = content[start : start + size]
        if name == b"data":
            if len(form) < 16:
                raise DataError(f"{path} is damaged: no format is given before its samples", hint="convert it again")
            there = len(content) - start
            if size == UNKNOWN_LENGTH:
                size = there
            return _samples(path, content, form, content[start : start + size], size - there)
        place = start + size + size % 2
    raise DataError(f"{path} is truncated: it ends before its samples", hint="copy or record it again")


def _samples(path: Path, content: bytes, form: bytes, data: bytes, missing: int) -> Recording:
    kind, channels, rate = (int.from_bytes(form[start:stop], "little") for start, stop in ((0, 2), (2, 4), (4, 8)))
    block, bits = int.from_bytes(form[12:14], "little"), int.from_bytes(form[14:16], "little")
    if kind == EXTENSIBLE and len(form) >= 26:
        kind = int.from_bytes(form[24:26], "little")
    if kind not in (PCM, FLOAT):
        return _by_soundfile(path, content, f"WAV with {CODECS.get(kind, f'format {kind}')}")
    width = (bits + 7) // 8
    if not channels or block != channels * width or not RATES[0] <= rate <= RATES[1]:
        raise DataError(
            f"{path} has a damaged header: {channels} channels of {bits} bits, {rate:,} Hz, {block} bytes per sample",
            hint="convert it again",
        )
    if missing > 0 or len(data) % block:
        whole = (len(data) + max(0, missing)) // block
        raise DataError(
            f"{path} is truncated: its header announces {whole:,} samples, but it contains {len(data) // block:,}",
            hint="copy or record it again",
        )
    values = _decoded(data, kind, width)
    if values is None:
        raise DataError(f"{path} has samples of {bits} bits", hint="convert it to 16, 24 or 32 bits")
    if kind == FLOAT and not np.isfinite(values).all():
        raise DataError(f"{path} contains samples that are not finite numbers", hint="convert it again")
    return Recording(_mono(values.reshape(-1, channels)), rate, channels)


def _decoded(data: bytes, kind: int, width: int) -> NDArray[Any] | None:
    """Return samples as numbers from -1 to 1; None if the format is unknown."""
    if kind == FLOAT:
        return np.frombuffer(data, f"<f{width}") if width in (4, 8) else None
    if width == 1:  # the only one without a sign
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    if width == 3:  # as the upper bytes of 32 bits
        parts = np.zeros((len(data) // 3, 4), np.uint8)
        parts[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return parts.view("<i4")[:, 0] / np.float64(2**31)
    if width in (2, 4):
        return np.frombuffer(data, f"<i{width}") / np.float64(2 ** (8 * width - 1))
    return None


def _mono(values: NDArray[Any]) -> Samples:
    """Return the mean (samples,) of the channels (samples, channels)."""
    return np.asarray(values.mean(1, dtype=np.float64), np.float32)


def _by_soundfile(path: Path, content: bytes, kind: str) -> Recording:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: its library of the system is missing
        raise DataError(
            f"{path} is {kind}, which needs the extra `audio`: {error}",
            hint="pip install 'lstmctl[audio]', or convert it to WAV with PCM",
        ) from error
    try:
        values, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{path} is {kind} and cannot be decoded: {error}", hint="convert it again") from error
    return Recording(_mono(values), int(rate), values.shape[1])


def _described(content: bytes) -> str:
    """Describe what a file without audio seems to be."""
    start = content[:512]
    try:
        text = start.decode("utf-8", "strict" if len(content) <= len(start) else "ignore")
    except UnicodeDecodeError:
        text = "\0"
    if all(character.isprintable() or character.isspace() for character in text):
        return "text, not audio"
    return "not in a known audio format"
