"""Frames of a sound: log-mel spectra, or the mel-frequency cepstral coefficients made from them.

A frame is a Hann window (periodic) of the sound, centred at a multiple of the frame step; beyond its ends the sound is
zero. The power spectrum |FFT|² of a frame is summed in triangular bands whose edges are evenly spaced in mel, 2595
log₁₀(1 + f / 700), between 0 Hz and half the sampling rate, each with a peak of 1. A log-mel value is ln(power + 1e-6).
The cepstral coefficients are the orthonormal discrete cosine transform (type II) of the log-mel values (Davis &
Mermelstein 1980).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from lstmctl.errors import DataError

FLOOR = 1e-6
"""Power added before the logarithm: some 90 dB below a sine of full scale, about the rounding error of 16 bits."""


@dataclass(frozen=True)
class Spectra:
    """The transform from samples to frames.

    Args:
        rate: samples per second.
        length, step: of a frame, in milliseconds.
        bands: number of mel bands.
        coefficients: number of cepstral coefficients; None for log-mel spectra.
        centred: subtract the mean of each feature over the sound.
    """

    rate: int
    length: float
    step: float
    bands: int
    coefficients: int | None = None
    centred: bool = False

    @classmethod
    def of(cls, data: Mapping[str, Any], rate: int) -> Spectra:
        """Return the transform that a config's `data` section describes.

        Raises:
            DataError: the frames are too short for the number of bands, or a step is shorter than a sample.
        """
        coefficients = data["coefficients"] if data["frames"] == "mfcc" else None
        centred = data["centre"] == "clip"
        found = _shared(cls(rate, data["frame_length"], data["frame_step"], data["bands"], coefficients, centred))
        if found.hop < 1 or found.window < 2:
            raise DataError(
                f"data.frame_length {found.length:g} and data.frame_step {found.step:g} are milliseconds; at "
                f"{rate:,} Hz they cover no samples",
                hint="data.frame_length=25 data.frame_step=10",
            )
        if not found.filters.any(0).all():
            raise DataError(
                f"data.bands {found.bands} is too many: at {rate:,} Hz and data.frame_length {found.length:g} some "
                "bands contain no frequency of the spectrum",
                hint=f"data.bands={found._most_bands()}, or longer frames",
            )
        return found

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return round(self.rate * self.step / 1000)

    @property
    def window(self) -> int:
        """Samples of a frame."""
        return round(self.rate * self.length / 1000)

    @property
    def points(self) -> int:
        """Points of the Fourier transform: the frame's samples, padded to a power of two."""
        return 1 << (self.window - 1).bit_length()

    @property
    def seconds(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop / self.rate

    @cached_property
    def centres(self) -> tuple[float, ...]:
        """Centre frequencies of the bands, in Hz."""
        return tuple(self._edges()[1:-1].tolist())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the features of a frame."""
        if self.coefficients is None:
            return tuple(f"{centre:.0f} Hz" for centre in self.centres)
        return tuple(f"c{number}" for number in range(self.coefficients))

    @cached_property
    def filters(self) -> Tensor:
        """(frequencies, bands) the weight of each frequency in each band."""
        edges = self._edges()
        frequencies = torch.linspace(0, self.rate / 2, self.points // 2 + 1, dtype=torch.float64).unsqueeze(1)
        rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
        return torch.minimum(rising, falling).clamp(min=0).float()

    @cached_property
    def cosines(self) -> Tensor:
        """(bands, coefficients) the orthonormal discrete cosine transform."""
        assert self.coefficients is not None
        band = torch.arange(self.bands, dtype=torch.float64).unsqueeze(1)
        found = torch.cos(math.pi / self.bands * (band + 0.5) * torch.arange(self.coefficients))
        found *= math.sqrt(2 / self.bands)
        found[:, 0] *= math.sqrt(0.5)
        return found.float()

    def count(self, samples: int) -> int:
        """Return the number of frames of a sound with `samples` samples."""
        return 1 + samples // self.hop

    def log_mel(self, waves: Tensor) -> Tensor:
        """Return the log-mel spectra (batch, frames, bands) of sounds (batch, samples), padded with zeros."""
        window = torch.hann_window(self.window, device=waves.device)
        spectrum = torch.stft(
            waves,
            self.points,
            self.hop,
            self.window,
            window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return (power.transpose(1, 2) @ self.filters.to(waves.device) + FLOOR).log()

    def frames(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Return the features (batch, frames, features) of sounds (batch, samples), padded with zeros; `lengths`
        (batch,) are their numbers of frames."""
        found = self.log_mel(waves)
        if self.coefficients is not None:
            found = found @ self.cosines.to(found.device)
        if not self.centred:
            return found
        within = (torch.arange(found.shape[1], device=found.device) < lengths.unsqueeze(1)).unsqueeze(-1)
        return found - (found * within).sum(1, keepdim=True) / lengths.view(-1, 1, 1)

    def spectrogram(self, frames: Tensor) -> Tensor:
        """Return log-mel spectra (…, bands) from features (…, features): smoothed, if the features are cepstral
        coefficients and fewer than the bands, and relative to the clip's mean, if they are centred."""
        return frames if self.coefficients is None else frames @ self.cosines.T.to(frames)

    def _edges(self) -> Tensor:
        """Return the edges of the bands in Hz, (bands + 2,): each band begins at the centre of the previous one."""
        highest = 2595 * math.log10(1 + self.rate / 2 / 700)
        return 700 * (10 ** (torch.linspace(0, highest, self.bands + 2, dtype=torch.float64) / 2595) - 1)

    def _most_bands(self) -> int:
        fitting = (
            bands
            for bands in range(self.bands - 1, 0, -1)
            if type(self)(self.rate, self.length, self.step, bands).filters.any(0).all()
        )
        return next(fitting, 1)


@lru_cache(maxsize=8)
def _shared(spectra: Spectra) -> Spectra:
    """Return one object for equal transforms, so that files that are read one by one share its filters."""
    return spectra
