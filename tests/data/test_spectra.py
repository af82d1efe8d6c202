"""Frames of sound against librosa's, and against what follows from their definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lstmctl.data.spectra import Spectra
from lstmctl.errors import DataError

RATE = 8000
REFERENCE = json.loads((Path(__file__).parent.parent / "fixtures" / "spectra.json").read_text(encoding="utf-8"))
"""Written by `benchmarks/spectra_reference.py`."""
SETTINGS: dict[str, Any] = {
    "frames": "log-mel",
    "bands": 40,
    "coefficients": 13,
    "frame_length": 25.0,
    "frame_step": 10.0,
    "centre": "none",
}
COUNT = torch.tensor([16])
"""Frames of the sound."""


def sound() -> torch.Tensor:
    """Return the sound of the reference, (1, samples)."""
    t = np.arange(0, 0.15, 1 / RATE)
    found = np.sin(2 * np.pi * (300 * t + 4000 * t**2)) / 2 + np.sin(2 * np.pi * 3000 * t) / 10
    return torch.from_numpy(found.astype(np.float32)).unsqueeze(0)


@pytest.mark.parametrize("frames", ["log-mel", "mfcc"])
def test_values_are_those_of_librosa(frames: str) -> None:
    found = Spectra.of({**SETTINGS, "frames": frames}, RATE).frames(sound(), COUNT)[0].numpy()
    wanted = np.array(REFERENCE[frames])
    assert found.shape == wanted.shape
    # The values range over 20 nats. The largest differences are where the power is near the floor.
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_a_clip_among_longer_ones_has_the_same_frames() -> None:
    spectra = Spectra.of(SETTINGS, RATE)
    alone = spectra.frames(sound(), COUNT)[0]
    padded = torch.zeros(2, 3000)
    padded[0, : sound().shape[1]] = sound()
    count = spectra.count(sound().shape[1])
    assert len(alone) == count == 16
    torch.testing.assert_close(spectra.frames(padded, torch.tensor([16, 16]))[0, :count], alone, rtol=0, atol=1e-5)


def test_centred_frames_do_not_depend_on_the_level_of_a_clip() -> None:
    plain, centred = Spectra.of(SETTINGS, RATE), Spectra.of({**SETTINGS, "centre": "clip"}, RATE)
    found = centred.frames(sound(), COUNT)[0]
    torch.testing.assert_close(found.mean(0), torch.zeros(40), rtol=0, atol=1e-5)
    frames = plain.frames(sound(), COUNT)[0]
    torch.testing.assert_close(found, frames - frames.mean(0), rtol=0, atol=1e-5)
    loud = frames > -5  # far above the floor
    quieter = centred.frames(sound() / 3, COUNT)[0] - found
    assert quieter[loud.all(0).expand(16, 40)].abs().max() < 0.02
    padded = torch.cat([sound(), torch.zeros(1, 800)], 1)
    torch.testing.assert_close(centred.frames(padded, COUNT)[0, :16], found, rtol=0, atol=1e-5)


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    spectra = Spectra.of(SETTINGS, RATE)
    t = torch.arange(RATE) / RATE
    for hertz in (200.0, 1000.0, 3500.0):
        middle = spectra.log_mel(torch.sin(2 * torch.pi * hertz * t).unsqueeze(0))[0, 50]
        nearest = min(range(40), key=lambda band: abs(spectra.centres[band] - hertz))
        assert abs(int(middle.argmax()) - nearest) <= 1
        assert spectra.names[nearest] == f"{spectra.centres[nearest]:.0f} Hz"


def test_as_many_coefficients_as_bands_hold_the_whole_spectrum() -> None:
    whole = Spectra.of({**SETTINGS, "frames": "mfcc", "coefficients": 40}, RATE)
    torch.testing.assert_close(
        whole.spectrogram(whole.frames(sound(), COUNT)), whole.log_mel(sound()), rtol=0, atol=1e-3
    )
    few = Spectra.of({**SETTINGS, "frames": "mfcc"}, RATE)
    torch.testing.assert_close(few.frames(sound(), COUNT), whole.frames(sound(), COUNT)[..., :13], rtol=0, atol=1e-4)
    # What 13 coefficients leave out is detail from band to band; the level of a frame stays.
    smooth = few.spectrogram(few.frames(sound(), COUNT))
    torch.testing.assert_close(smooth.mean(-1), whole.log_mel(sound()).mean(-1), rtol=0, atol=1e-3)


def test_frames_that_cannot_be_made_are_refused_with_what_would_fit() -> None:
    with pytest.raises(DataError, match=r"data\.bands 400 is too many: at 8,000 Hz") as caught:
        Spectra.of({**SETTINGS, "bands": 400}, RATE)
    assert caught.value.hint is not None
    fitting = int(caught.value.hint.partition("=")[2].partition(",")[0])
    assert bool(Spectra.of({**SETTINGS, "bands": fitting}, RATE).filters.any(0).all())
    with pytest.raises(DataError, match="they cover no samples"):
        Spectra.of({**SETTINGS, "frame_step": 0.01}, RATE)
