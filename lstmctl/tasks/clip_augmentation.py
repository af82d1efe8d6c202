"""Augmentation of clips for training: shifts in time and noise, drawn at random in every step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lstmctl.data.audio import AudioCorpus
from lstmctl.data.spectra import Spectra
from lstmctl.seeds import stream
from lstmctl.tasks.sequence_batches import ByLength, SequenceBatch, SequencePart


@dataclass(frozen=True)
class Waves:
    """The sound of the training part, and how it is changed."""

    part: SequencePart
    """Its frames and labels, unchanged."""
    sound: Tensor
    """(samples,) all clips, one after the other, on the part's device."""
    starts: Tensor
    lengths: Tensor
    """(clips,) in samples."""
    spectra: Spectra
    centre: Tensor
    spread: Tensor
    """(features,) the scale of each."""
    noise: float
    """Maximum level of the noise, relative to the clip's own."""
    shift: float
    """Maximum shift in seconds."""

    @classmethod
    def of(cls, corpus: AudioCorpus, noise: float, shift: float, device: torch.device) -> Waves:
        start, stop = corpus.parts["training"]
        sounds = [torch.from_numpy(corpus.samples(number)) for number in range(start, stop)]
        lengths = torch.tensor([len(sound) for sound in sounds])
        scales = corpus.encoding.features
        assert scales is not None
        return cls(
            SequencePart.of(corpus.part("training"), device),
            torch.cat(sounds).to(device),
            (lengths.cumsum(0) - lengths).to(device),
            lengths.to(device),
            corpus.spectra,
            torch.tensor(scales.centre, device=device),
            torch.tensor(scales.spread, device=device),
            noise,
            shift,
        )

    def batch(self, chosen: Tensor, generator: torch.Generator) -> SequenceBatch:
        """Return changed clips (batch,), drawn from `generator` on the CPU.

        A clip is moved by a time that is uniform in ±`shift`, with silence in the gap, and gets white noise whose level
        is uniform between 0 and `noise` times the clip's own (the square roots of the mean squares).
        """
        lanes, lengths = len(chosen), self.lengths[chosen]
        most = round(self.shift * self.spectra.rate)
        moved = torch.randint(-most, most + 1, (lanes,), generator=generator).to(lengths)
        levels = self.noise * torch.rand(lanes, generator=generator)
        time = torch.arange(int(lengths.max()), device=lengths.device) - moved.unsqueeze(1)
        inside = (time >= 0) & (time < lengths.unsqueeze(1))
        places = self.starts[chosen].unsqueeze(1) + time.clamp(min=0).minimum(lengths.unsqueeze(1) - 1)
        waves = torch.where(inside, self.sound[places], 0)
        if self.noise:
            own = (waves.square().sum(1) / lengths).sqrt()
            added = torch.randn(waves.shape, generator=generator).to(waves)
            waves = waves + (levels.to(waves) * own).unsqueeze(1) * added
        within = torch.arange(waves.shape[1], device=lengths.device) < lengths.unsqueeze(1)
        batch = self.part.batch(chosen)
        assert batch.mask is not None
        assert batch.lengths is not None
        frames = self.spectra.frames(torch.where(within, waves, 0), batch.lengths)
        input = ((frames - self.centre) / self.spread)[:, : len(batch.mask)].transpose(0, 1)
        target = batch.target
        if self.part.by_step:  # labels move by whole frames; the first or last one continues to the clip's end
            by = torch.round(moved / self.spectra.hop).long()
            steps = torch.arange(len(target), device=target.device).unsqueeze(1) - by
            target = torch.where(
                batch.mask, target.take_along_dim(steps.clamp(min=0).minimum(batch.lengths - 1), 0), target
            )
        return SequenceBatch(
            input.contiguous(), target, fresh=True, mask=batch.mask, lengths=batch.lengths, counts=batch.counts
        )


class Augmented:
    """Every clip once per epoch, in the order of `ByLength`, changed in another way each time.

    Args:
        waves: the training part.
        batch: clips per step.
        seed: of the run; the changes of a step are a function of both.
    """

    def __init__(self, waves: Waves, batch: int, seed: int) -> None:
        self.waves, self.seed = waves, seed
        self._order = ByLength(waves.part, batch, seed)
        self.units_per_step, self.steps_per_epoch = self._order.units_per_step, self._order.steps_per_epoch

    def __getitem__(self, step: int) -> SequenceBatch:
        generator = torch.Generator().manual_seed(stream(self.seed, "augmentation", step))
        return self.waves.batch(self._order.chosen(step), generator)
