"""Write ``spoken-words/*.wav`` and ``spoken-words.csv``: six words, each spoken once by 24 synthetic voices.

espeak-ng (https://github.com/espeak-ng/espeak-ng, version 1.51 here) speaks every word. A speaker is an accent, a
variant of the voice, a pitch and a speed, drawn once; from word to word pitch and speed vary a little, as they do when
people talk. The silence around a word is cut off, and the word is resampled to 8 kHz and given a level of its own. Then
it is put into a recording with 50 to 150 milliseconds of background on each side: white noise and a hum of 50 Hz, 8 to
25 dB below the word. Samples have 16 bits.

* ``spoken-words/WORD-SPEAKER.wav``: the recordings. The speakers are numbered in random order, so that those with
  neighbouring numbers differ.
* ``spoken-words.csv``: for each recording the time at which the word starts and ends, labelled ``speech``.

Run it without arguments to rewrite all of them next to it, byte for byte as they are committed. It needs espeak-ng, and
scipy, which lstmctl brings with it.
"""

from __future__ import annotations

import shutil
import subprocess
import wave
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

Floats: TypeAlias = npt.NDArray[np.float64]

SEED = 1791  # Wolfgang von Kempelen describes his speaking machine.
RATE = 8000  # Hz.
WORDS = ("yes", "no", "left", "right", "up", "down")
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-us-nyc")
VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5")
SPEAKERS = 24  # Every variant with two accents.
PITCH, SPEED = (35, 65), (140, 200)  # Of speakers: espeak-ng's scale from 0 to 99, and words a minute.
MARGIN = (0.05, 0.15)  # Seconds of background before and after a word.
LEVEL = (0.05, 0.15)  # Root mean square of a word; full scale is 1.
BELOW = (8.0, 25.0)  # Decibels by which the background is below the word.
HUM = 0.5  # Share of the background's power that is hum.
QUIET = 0.02  # Share of a word's largest sample below which it has not begun.


@dataclass(frozen=True)
class Speaker:
    """One synthetic voice."""

    name: str
    voice: str
    """Accent and variant, as espeak-ng names them."""
    pitch: int
    speed: int


def speakers(draw: np.random.Generator) -> list[Speaker]:
    """Return all speakers."""
    voices = [
        f"{ACCENTS[(number + turn * 3) % len(ACCENTS)]}+{variant}"
        for turn in range(SPEAKERS // len(VARIANTS))
        for number, variant in enumerate(VARIANTS)
    ]
    return [
        Speaker(f"s{number:02}", voices[place], int(draw.integers(*PITCH)), int(draw.integers(*SPEED)))
        for number, place in enumerate(draw.permutation(len(voices)), start=1)
    ]


def spoken(word: str, voice: str, pitch: int, speed: int) -> Floats:
    """Return the samples of a word at 8 kHz, without the silence around it."""
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", word]
    content = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(BytesIO(content)) as file:
        rate, frames = file.getframerate(), file.readframes(file.getnframes())
    samples = np.frombuffer(frames, "<i2").astype(np.float64)
    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max())
    found: Floats = resample_poly(samples[loud[0] : loud[-1] + 1], RATE, rate)
    return found


def recorded(word: Floats, draw: np.random.Generator) -> tuple[Floats, float, float]:
    """Return a word in its background, and the seconds at which it starts and ends."""
    before, after = (round(RATE * seconds) for seconds in draw.uniform(*MARGIN, 2))
    level = draw.uniform(*LEVEL)
    length = before + len(word) + after
    time = np.arange(length) / RATE
    hum = np.sqrt(2 * HUM) * np.sin(2 * np.pi * (50 * time + draw.uniform()))
    noise = np.sqrt(1 - HUM) * draw.standard_normal(length)
    samples = level * 10 ** (-draw.uniform(*BELOW) / 20) * (hum + noise)
    samples[before : before + len(word)] += level * word / np.sqrt(np.mean(word**2))
    return samples, before / RATE, (before + len(word)) / RATE


def write(where: Path) -> None:
    """Write the folder of recordings and the table into a folder."""
    folder = where / "spoken-words"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    draw = np.random.default_rng(SEED)
    rows = []
    for speaker in speakers(draw):
        for word in WORDS:
            pitch, speed = speaker.pitch + draw.integers(-4, 5), speaker.speed + draw.integers(-10, 11)
            samples, start, end = recorded(spoken(word, speaker.voice, int(pitch), int(speed)), draw)
            name = f"{word}-{speaker.name}.wav"
            with wave.open(str(folder / name), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE)
                file.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
            rows.append(f"spoken-words/{name},{start:.3f},{end:.3f},speech,{speaker.name}")
    table = "\n".join(["file,start,end,label,speaker", *rows]) + "\n"
    folder.with_suffix(".csv").write_text(table, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(__file__).parent)
