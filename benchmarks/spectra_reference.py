"""Write `tests/fixtures/spectra.json`: log-mel and MFCC values computed by librosa, which `data.spectra` has to match.

python benchmarks/spectra_reference.py        (in an environment with librosa, which lstmctl does not need)

The sound is 0.15 s at 8 kHz, x(t) = sin(2π (300 t + 4000 t²)) / 2 + sin(2π 3000 t) / 10: a tone that rises from 300 to
1,500 Hz, and a fainter one of 3 kHz. Frames are 25 ms long, one every 10 ms; 40 bands; 13 coefficients.
"""

from __future__ import annotations

import json
from pathlib import Path

import librosa
import numpy as np

RATE = 8000
FIXTURE = Path(__file__).parent.parent / "tests" / "fixtures" / "spectra.json"


def main() -> None:
    t = np.arange(0, 0.15, 1 / RATE)
    sound = np.sin(2 * np.pi * (300 * t + 4000 * t**2)) / 2 + np.sin(2 * np.pi * 3000 * t) / 10
    power = librosa.feature.melspectrogram(
        y=sound,
        sr=RATE,
        n_fft=256,
        win_length=200,
        hop_length=80,
        window="hann",
        center=True,
        pad_mode="constant",
        power=2.0,
        n_mels=40,
        htk=True,
        norm=None,
    )
    log_mel = np.log(power + 1e-6)
    coefficients = librosa.feature.mfcc(S=log_mel, n_mfcc=13, dct_type=2, norm="ortho")
    values = {"log-mel": log_mel, "mfcc": coefficients}
    found = {"librosa": librosa.__version__, **{name: np.round(of.T, 5).tolist() for name, of in values.items()}}
    FIXTURE.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
