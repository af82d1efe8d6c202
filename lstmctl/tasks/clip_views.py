"""Clips as a network hears them: the probability of each label at every frame, and the spectrogram."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from lstmctl.data.recordings import Samples
from lstmctl.data.sequences import Numbers
from lstmctl.data.spectra import Spectra
from lstmctl.models.sequence_labeller import SequenceLabeller
from lstmctl.results.clips import ClipView
from lstmctl.scoring import evaluating

MOST_PREFIXES = 100
"""Number of prefixes of a clip that are classified; frames between two of them get the earlier one's probabilities."""
WAVE_SECTIONS = 4
"""Sections of the waveform per frame."""


@torch.no_grad()
def clip_view(
    model: SequenceLabeller,
    frames: Tensor,
    target: Tensor,
    *,
    labels: tuple[str, ...],
    scale: Numbers,
    spectra: Spectra,
    name: str = "",
    samples: Samples | None = None,
    most: int | None = None,
) -> ClipView:
    """Return one clip with the probabilities of its labels.

    Args:
        model: of a run.
        frames: (steps, features), scaled.
        target: () or (steps,) class numbers, negative where unknown.
        labels: all of them.
        scale: the scale of the features.
        spectra: how they were made.
        name: of the clip.
        samples: (samples,) its sound at the rate of the frames.
        most: maximum number of frames to return: neighbouring frames of a longer clip are averaged.
    """
    with evaluating(model):
        chances = _by_frame(model, frames) if model.by_step else _by_prefix(model, frames)
    spread, centre = (torch.tensor(values, device=frames.device) for values in (scale.spread, scale.centre))
    spectrogram = spectra.spectrogram(frames * spread + centre)
    merged = 1 if most is None else -(-len(frames) // most)
    truth = [labels[number] if number >= 0 else "" for number in np.atleast_1d(target.cpu().numpy()).tolist()]
    known: Any = [] if not any(truth) else truth[::merged] if model.by_step else truth
    columns = _merged(chances, merged)
    return ClipView(
        name=name,
        seconds=spectra.seconds * merged,
        bands=spectra.centres,
        spectrogram=tuple(map(tuple, _rounded(_merged(spectrogram, merged)))),
        probabilities={label: tuple(column) for label, column in zip(labels, _rounded(columns), strict=True)},
        truth=tuple(known),
        by_frame=model.by_step,
        waveform=() if samples is None else _outline(samples, len(columns)),
    )


def _by_frame(model: SequenceLabeller, frames: Tensor) -> Tensor:
    """Return the probabilities (steps, labels) of each frame's label."""
    lengths = torch.tensor([len(frames)], device=frames.device)
    answers: Tensor = model(frames.unsqueeze(1), lengths)
    return answers[:, 0].float().softmax(-1)


def _by_prefix(model: SequenceLabeller, frames: Tensor) -> Tensor:
    """Return the probabilities (steps, labels) of the clip's label if it ended with each frame."""
    steps = len(frames)
    ends = torch.linspace(1, steps, min(steps, MOST_PREFIXES), device=frames.device).long()
    answers: Tensor = model(frames.unsqueeze(1).expand(-1, len(ends), -1), ends)
    # Frame number `step` ends the prefix of `step + 1` frames.
    last = torch.searchsorted(ends, torch.arange(1, steps + 1, device=frames.device), right=True) - 1
    return answers.float().softmax(-1)[last]


def _merged(values: Tensor, count: int) -> Tensor:
    """Return means (steps / count, columns) of neighbouring rows of (steps, columns)."""
    if count == 1:
        return values.cpu()
    return avg_pool1d(values.T.unsqueeze(0), count, ceil_mode=True)[0].T.cpu()


def _rounded(values: Tensor) -> list[list[float]]:
    """Return the columns of (steps, columns), to three digits: more cannot be seen, and would fill a run's folder."""
    found: list[list[float]] = values.T.double().numpy().round(3).tolist()
    return found


def _outline(samples: Samples, frames: int) -> tuple[tuple[float, float], ...]:
    """Return the lowest and highest sample of each of `WAVE_SECTIONS` sections per frame."""
    sections = np.array_split(samples, min(len(samples), frames * WAVE_SECTIONS))
    return tuple((round(float(part.min()), 5), round(float(part.max()), 5)) for part in sections)
