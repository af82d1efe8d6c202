"""Write ``movements.csv`` and ``steps.csv``: what an accelerometer in a pocket might measure, 12.5 times a second.

The acceleration of somebody who moves with ``f`` steps (or turns of the pedals) a second is, in metres per second
squared and along the axes of the body (sideways, forward, up),

    a(t) = (0, 0, 9.81) + gain * sum over k of (S_k, F_k, U_k) * cos(2 pi k p(t) + phase_k)

with ``p(t)`` the phase in steps, whose speed wanders about ``f`` as a rhythm does. Sideways, people swing once in two
steps, so there ``k`` counts half steps. ``SHAPES`` has the amplitudes of each activity. The sensor turns them by the
way it lies in the pocket, adds a slow drift (a random walk) and white noise, and rounds to a tenth.

* ``movements.csv``: five activities, one for each sequence. Walking, stairs and cycling overlap in strength and rhythm,
  gains differ from person to person by a factor of two, and the sensor lies differently every time; what differs is the
  shape of the wave.
* ``steps.csv``: walking and running alone, with the number of steps a second and the phase of every frame: ``strike``,
  ``stance``, ``push``, ``swing``, which begin at fixed shares of a step that depend on its speed (the faster, the
  shorter the foot is on the ground). Here the sensor is fixed to the leg, and measures up and forward.

Run it without arguments to rewrite both files next to it, byte for byte as they are committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

SEED = 1687
RATE = 12.5  # Frames a second.
GRAVITY = 9.81  # Metres per second squared.
FRAMES = (24, 48)  # Least and most of a sequence: two to four seconds.
MOVEMENTS, STEPS = 380, 320  # Sequences.
NOISE, DRIFT = 0.5, 0.08  # Deviation of the noise, and of a step of the drift, in metres per second squared.
WANDER = 0.03  # Deviation of the logarithm of the speed from one frame to the next.
GAIN = 0.25  # Deviation of the logarithm of a person's strength.
TILT = 0.35  # Deviation of the angles at which the sensor lies, in radians.


@dataclass(frozen=True)
class Shape:
    """How one activity moves the body."""

    rhythm: tuple[float, float]
    """Least and most steps a second."""
    sideways: tuple[float, ...]
    forward: tuple[float, ...]
    up: tuple[float, ...]
    """Amplitudes of the harmonics, in metres per second squared."""
    lean: float = 0.0
    """How far the leg lies forward, in radians."""


SHAPES: dict[str, Shape] = {
    "walk": Shape((1.5, 2.2), (1.0, 0.5), (1.6, 0.7), (2.6, 0.9)),
    "stairs": Shape((1.3, 2.0), (1.2, 0.4), (0.9, 1.3), (2.1, 1.7), 0.2),
    "run": Shape((2.3, 3.2), (1.5, 1.0), (3.0, 1.2), (7.5, 2.0)),
    "cycle": Shape((1.0, 1.8), (0.8, 0.2), (2.2, 0.2), (1.6, 0.2), 0.5),
    "sit": Shape((0.2, 0.6), (0.3,), (0.4,), (0.3,), 0.6),
}
WEIGHTS = (0.3, 0.15, 0.15, 0.2, 0.2)  # Of the activities, in that order.
PHASES = ("strike", "stance", "push", "swing")


def shares(rhythm: float) -> tuple[float, float, float]:
    """Return the shares of a step at which stance, push and swing begin, by the steps a second."""
    ground = 0.72 - 0.12 * (rhythm - 1.5)  # From 72 % of a step in a slow walk to 52 % in a fast run.
    return 0.2 * ground, 0.7 * ground, ground


def phases(generator: np.random.Generator, rhythm: float, frames: int) -> Floats:
    """Return the phase of every frame in steps: ``sum of f exp(w) / RATE``, ``w`` an AR(1) process."""
    wander = np.zeros(frames)
    for frame in range(1, frames):
        wander[frame] = 0.9 * wander[frame - 1] + WANDER * generator.standard_normal()
    return generator.random() + np.cumsum(rhythm * np.exp(wander)) / RATE


def body(generator: np.random.Generator, shape: Shape, phase: Floats) -> Floats:
    """Return the acceleration (frames, 3) along the axes of the body, without noise."""
    gain = np.exp(GAIN * generator.standard_normal())
    found = np.zeros((len(phase), 3))
    found[:, 2] = GRAVITY
    # Parts of a step that follow from each other: the forward push comes a quarter of a step after the strike.
    lags = (generator.random(), 0.25, 0.0)
    for axis, (amplitudes, lag) in enumerate(zip((shape.sideways, shape.forward, shape.up), lags, strict=True)):
        for harmonic, amplitude in enumerate(amplitudes, start=1):
            times = harmonic / 2 if axis == 0 else harmonic
            found[:, axis] += gain * amplitude * np.cos(2 * np.pi * times * (phase - lag))
    return found


def turn(values: Floats, about_forward: float, about_side: float) -> Floats:
    """Return vectors (frames, 3) turned by two angles, first about the forward axis, then about the sideways one."""
    cosine, sine = np.cos(about_forward), np.sin(about_forward)
    first = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    cosine, sine = np.cos(about_side), np.sin(about_side)
    second = np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
    return values @ (second @ first).T


def measured(generator: np.random.Generator, values: Floats) -> Floats:
    """Return what a sensor tells of accelerations (frames, axes): with drift and noise, in tenths."""
    drift = np.cumsum(DRIFT * generator.standard_normal(values.shape), axis=0)
    return np.round(values + drift + NOISE * generator.standard_normal(values.shape), 1) + 0.0  # Never "-0.0".


def movements(seed: int) -> list[str]:
    """Return the rows of ``movements.csv``; the order of the draws is part of the file."""
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = ["sequence,x,y,z,label"]
    for sequence in range(1, MOVEMENTS + 1):
        name = list(SHAPES)[generator.choice(len(SHAPES), p=WEIGHTS)]
        shape = SHAPES[name]
        frames = int(generator.integers(FRAMES[0], FRAMES[1] + 1))
        phase = phases(generator, generator.uniform(*shape.rhythm), frames)
        angles = TILT * generator.standard_normal(2)
        values = measured(generator, turn(body(generator, shape, phase), angles[0], angles[1] + shape.lean))
        rows += [f"{sequence},{x:.1f},{y:.1f},{z:.1f},{name}" for x, y, z in values]
    return rows


def steps(seed: int) -> list[str]:
    """Return the rows of ``steps.csv``; the order of the draws is part of the file."""
    generator = np.random.Generator(np.random.PCG64(seed + 1))
    rows = ["sequence,forward,up,frequency,phase"]
    for sequence in range(1, STEPS + 1):
        shape = SHAPES["walk" if generator.random() < 0.6 else "run"]
        frames = int(generator.integers(FRAMES[0], FRAMES[1] + 1))
        rhythm = generator.uniform(*shape.rhythm)
        phase = phases(generator, rhythm, frames)
        values = measured(generator, body(generator, shape, phase)[:, 1:])
        frequency = (phase[-1] - phase[0]) * RATE / (frames - 1)  # As it was, not as it was meant.
        named = np.searchsorted(shares(rhythm), phase % 1, side="right")
        rows += [
            f"{sequence},{forward:.1f},{up:.1f},{frequency:.2f},{PHASES[part]}"
            for (forward, up), part in zip(values, named, strict=True)
        ]
    return rows


def write(folder: Path) -> None:
    """Write both tables."""
    for name, rows in (("movements.csv", movements(SEED)), ("steps.csv", steps(SEED))):
        folder.joinpath(name).write_bytes(("\n".join(rows) + "\n").encode("ascii"))


if __name__ == "__main__":
    write(Path(__file__).resolve().parent)
