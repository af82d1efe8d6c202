"""Audio files of every kind are read as the same samples, and what is not audio is named."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from lstmctl.data.recordings import read_recording, resampled
from lstmctl.errors import DataError
from tests.sounds import RATE, tone, wave_bytes

STEP = {"8": 1 / 127, "16": 1 / 32767, "24": 1 / 2**23, "32": 1 / 2**31, "float32": 6e-8, "float64": 6e-8}


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("kind", STEP)
def test_every_kind_of_wav_holds_the_same_samples(kind: str, extensible: bool, tmp_path: Path) -> None:
    samples = np.concatenate([tone(440), [1.0, -1.0, 0.0]])
    path = written(tmp_path / "tone.wav", wave_bytes(samples, kind=kind, extensible=extensible))
    read = read_recording(path)
    assert (read.rate, read.channels) == (RATE, 1)
    assert read.samples.dtype == np.float32
    # Half a step of rounding, and the difference between 2ⁿ and 2ⁿ − 1 as full scale.
    np.testing.assert_allclose(read.samples, samples, atol=2 * STEP[kind] + 6e-8)


def test_several_channels_are_read_as_their_mean(tmp_path: Path) -> None:
    left, right = tone(300), tone(500)
    read = read_recording(written(tmp_path / "stereo.wav", wave_bytes(np.stack([left, right], 1), kind="float64")))
    assert read.channels == 2
    np.testing.assert_allclose(read.samples, (left + right) / 2, atol=1e-7)


def test_a_header_written_before_the_length_was_known_is_read_to_the_end(tmp_path: Path) -> None:
    content = wave_bytes(tone(440))
    place = content.index(b"data") + 4
    streamed = content[:place] + b"\xff\xff\xff\xff" + content[place + 4 :]
    assert len(read_recording(written(tmp_path / "piped.wav", streamed)).samples) == 400


def test_what_is_no_sound_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    whole = wave_bytes(tone(440))
    compressed = whole.replace(b"fmt \x10\0\0\0\x01\0", b"fmt \x10\0\0\0\x06\0")
    cases = {
        "empty": (b"", "is empty"),
        "text": ("hello, Wörld\n".encode(), "is text, not audio"),
        "bytes": (bytes(range(128, 256)), "not in a known audio format"),
        "cut": (whole[:-100], "truncated: its header announces 400 samples, but it contains 350"),
        "header": (whole[:20], "truncated: it ends before its samples"),
        "silent": (wave_bytes(np.zeros(0)), "contains no samples"),
        "block": (whole.replace(b"\x02\0\x10\0LIST", b"\x03\0\x10\0LIST"), "damaged header: 1 channels of 16 bits"),
        "bits": (whole.replace(b"\x02\0\x10\0LIST", b"\x05\0\x28\0LIST"), "has samples of 40 bits"),
        "rate": (wave_bytes(tone(440), rate=3), "damaged header: 1 channels of 16 bits, 3 Hz"),
        "nan": (wave_bytes(np.array([0.0, np.nan]), kind="float32"), "not finite"),
        "codec": (compressed, "WAV with A-law, which needs the extra `audio`"),
    }
    for name, (content, says) in cases.items():
        with pytest.raises(DataError, match=says):
            read_recording(written(tmp_path / f"{name}.wav", content))
    with pytest.raises(DataError, match=r"missing\.wav cannot be read"):
        read_recording(tmp_path / "missing.wav")
    with pytest.raises(DataError, match="not a regular file"):
        read_recording(tmp_path)


def test_flac_without_the_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    path = written(tmp_path / "clip.wav", b"fLaC\0\0\0\x22")  # its content decides, not its name
    with pytest.raises(DataError, match=r"clip\.wav is FLAC, which needs the extra `audio`") as caught:
        read_recording(path)
    assert caught.value.hint == "pip install 'lstmctl[audio]', or convert it to WAV with PCM"


@pytest.mark.parametrize(("kind", "precise"), [("FLAC", 1e-4), ("OGG", 0.1)])
def test_other_formats_are_read_by_soundfile(kind: str, precise: float, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    samples, content = np.stack([tone(440, 0.5, 8000), tone(440, 0.5, 8000)], 1), io.BytesIO()
    soundfile.write(content, samples, 8000, format=kind)
    path = written(tmp_path / f"tone.{kind.lower()}", content.getvalue())
    read = read_recording(path)
    assert (read.rate, read.channels) == (8000, 2)
    np.testing.assert_allclose(read.samples[:4000], samples[:, 0], atol=precise)
    with pytest.raises(DataError, match="cannot be decoded"):
        read_recording(written(path, content.getvalue()[:20]))


def test_resampling_keeps_a_tone_and_drops_what_the_new_rate_cannot_hold() -> None:
    low, high = tone(440, 0.5, 48_000), tone(15_000, 0.5, 48_000)
    found = resampled((low + high).astype(np.float32), 48_000, 8_000)
    assert found.dtype == np.float32
    assert len(found) == 4000
    np.testing.assert_allclose(found[200:-200], tone(440, 0.5, 8_000)[200:-200], atol=2e-3)
    assert resampled(found, 8_000, 8_000) is found
