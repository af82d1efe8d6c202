"""A view of one clip of sound: its waveform, its spectrogram, and the network's predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ClipView:
    """A clip, and the probability of each label over time."""

    name: str
    """The file; empty if it is named elsewhere."""
    seconds: float
    """Seconds from one frame to the next."""
    bands: tuple[float, ...]
    """Centre frequencies in Hz, ascending."""
    spectrogram: tuple[tuple[float, ...], ...]
    """One row per band: the logarithm of the power in each frame."""
    probabilities: Mapping[str, tuple[float, ...]]
    """By label, one value per frame: of the frame itself, or of the clip if it ended with this frame."""
    truth: tuple[str, ...] = ()
    """The label of the clip, or one per frame; empty if it is unknown."""
    by_frame: bool = False
    """True if every frame has its own label."""
    waveform: tuple[tuple[float, float], ...] = ()
    """Lowest and highest sample of sections of equal length from the first frame to the last; empty if unknown."""

    @property
    def frames(self) -> int:
        return len(self.spectrogram[0])

    @property
    def told(self) -> str:
        """The most probable label at the end."""
        return max(self.probabilities, key=lambda label: self.probabilities[label][-1])


def first_frames(view: ClipView, count: int) -> ClipView:
    """Return the beginning of a clip."""
    return replace(
        view,
        spectrogram=tuple(row[:count] for row in view.spectrogram),
        probabilities={label: values[:count] for label, values in view.probabilities.items()},
        truth=view.truth[:count] if view.by_frame else view.truth,
        waveform=view.waveform[: len(view.waveform) * min(count, view.frames) // view.frames],
    )
