"""Forecasts of a network: points, intervals and sample paths, in scaled space.

Level and scale are removed from each window before the network and restored after it (`task.normalisation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lstmctl.config.schema import Forecast as ForecastSettings
from lstmctl.models.forecaster import Decoding, Ensemble, Feedback, Window
from lstmctl.models.likelihoods import Likelihood, Parameters
from lstmctl.models.normalisation import carried_forward, taken_out
from lstmctl.tasks.series_baselines import RIDGE, Members
from lstmctl.tasks.series_windows import SeriesBatch

PATHS = 100
"""Sample paths per quantile of a step-by-step forecast."""
MOST_WINDOWS_OF_PATHS = 512
"""Maximum number of windows that select weights or calibrate intervals, if each takes many paths."""


Shares = Mapping[str, float]
"""Weights of forecasts without a network, by their names in `BASELINES`; the rest is the network's."""


def of_the_network(shares: Shares) -> float:
    """Return the weight of the network."""
    return 1 - sum(shares.values())


@dataclass(frozen=True)
class SeriesPredictor:
    """Interprets the outputs of a network."""

    settings: ForecastSettings
    """The config's `task`."""
    likelihood: Likelihood
    """The meaning of the outputs."""
    decoding: Decoding
    masked: bool
    """True if values may be missing and the network sees which."""
    shares: Shares
    members: Members
    """The forecasts without a network that can have a share."""

    @property
    def has_joint_distribution(self) -> bool:
        """True if sample paths can be drawn."""
        return self.likelihood.has_samples and self.decoding in ("recursive", "encoder-decoder")

    def uncalibrated(self, model: Ensemble, batch: SeriesBatch) -> tuple[Tensor, Tensor]:
        """Return points (horizon, batch, channels) and intervals (horizon, batch, channels, levels, 2), scaled.

        Intervals come from the likelihood, or from the sample paths of a step-by-step forecast; without a likelihood,
        both ends equal the point. An ensemble returns the means of its members.
        """
        count = len(self.settings.levels)
        # The low and the high end of each interval, alternating.
        ends = [share for level in self.settings.levels for share in ((100 - level) / 200, (100 + level) / 200)]
        if self.has_joint_distribution:
            paths = self.paths(model, batch, PATHS, torch.Generator().manual_seed(0))
            at = torch.tensor(ends, dtype=paths.dtype, device=paths.device)
            spans = paths.quantile(at, dim=0).movedim(0, -1)
            return paths.mean(0), spans.reshape(*spans.shape[:-1], count, 2)
        window, shift, scale = self.window(model, batch)
        read = [self.read(outputs, shift, scale) for outputs in self._outputs(model, window)]
        point = torch.stack([self.likelihood.point(parameters) for parameters in read]).mean(0)
        # Mixing in other forecasts shifts the intervals; their width remains the network's.
        moved = self._blended(model, batch, point)
        if not self.likelihood.has_intervals:
            return moved, moved[..., None, None].expand(*point.shape, count, 2)
        spans = torch.stack([self.likelihood.quantiles(parameters, ends) for parameters in read]).mean(0)
        return moved, spans.reshape(*spans.shape[:-1], count, 2) + (moved - point)[..., None, None]

    def paths(self, model: Ensemble, batch: SeriesBatch, count: int, generator: torch.Generator) -> Tensor:
        """Draw from the joint distribution of the horizon, (count, horizon, batch, channels), scaled.

        Each member of an ensemble draws its share.

        Raises:
            TypeError: the forecast has no joint distribution.
        """
        if not self.has_joint_distribution:
            raise TypeError("only a distribution that is forecast step by step has sample paths")
        window, shift, scale = self.window(model, batch)
        drawn = []
        members = model.each()
        for index, member in enumerate(members):
            share = count * (index + 1) // len(members) - count * index // len(members)
            if share == 0:
                continue
            values: list[Tensor] = []
            member.roll_out(
                window.repeated(share), self._drawing(share, batch.lanes, member.sequences, generator, values)
            )
            lanes = torch.cat(values).reshape(self.settings.horizon, share, batch.lanes, -1).movedim(1, 0)
            drawn.append(lanes * scale + shift)
        return torch.cat(drawn)

    def window(self, model: Ensemble, batch: SeriesBatch) -> tuple[Window, Tensor, Tensor]:
        """Return the network's input, and the shift and scale (1, batch, channels) removed from it, all in the type of
        its weights."""
        assert batch.past is not None
        assert batch.known is not None
        assert batch.static is not None
        dtype = next(model.parameters()).dtype
        values = batch.input.to(dtype)
        seen = ~values.isnan() if self.masked else None
        shift, scale = taken_out(values, seen, self.settings.normalisation)
        normalised = (values - shift) / scale
        covariates = model.covariates(batch.past.to(dtype), batch.known.to(dtype), batch.static.to(dtype))
        if seen is None:
            return Window(normalised, None, *covariates), shift, scale
        return Window(normalised.nan_to_num(), seen.to(dtype), *covariates), shift, scale

    def read(self, outputs: Tensor, shift: Tensor, scale: Tensor) -> Parameters:
        """Return the likelihood's parameters, scaled, from the outputs (horizon, batch, channels, outputs) of a
        window."""
        return self.likelihood.read(_full(outputs), shift, scale)

    def _outputs(self, model: Ensemble, window: Window) -> list[Tensor]:
        """Return the outputs of each member, in the type that metrics are computed in."""
        found: list[Tensor] = [_full(outputs) for outputs in model(window)]
        if self.settings.symmetry == "none":
            return found
        mirror = window._replace(values=-window.values)
        others = [self.likelihood.mirrored(_full(outputs)) for outputs in model(mirror)]
        return [(own + other) / 2 for own, other in zip(found, others, strict=True)]

    def _blended(self, model: Ensemble, batch: SeriesBatch, point: Tensor) -> Tensor:
        """Return the mean of a point and the forecasts without a network, weighted by `shares`."""
        mean = of_the_network(self.shares) * point if self.shares else point
        for name, share in self.shares.items():
            mean = mean + share * self.without_network(model, batch, name).to(point)
        return mean

    def without_network(self, model: Ensemble, batch: SeriesBatch, name: str) -> Tensor:
        """Return the forecast of the network's own ridge regression, or of another baseline with a share, (horizon,
        batch, channels), scaled."""
        if name != RIDGE:
            return self.members.forecast(name, batch)
        assert model.ridge is not None
        filled = carried_forward(batch.input) if self.masked else batch.input
        last = filled[-1:]
        return torch.einsum("lbc,lh->hbc", filled - last, model.ridge.to(filled)) + last

    def _drawing(
        self, share: int, batch: int, sequences: int, generator: torch.Generator, values: list[Tensor]
    ) -> Feedback:
        """Return a function that feeds draws back and stores them. The noise of a path is the same for every window, so
        that its draws do not depend on the others in its batch."""

        def draw(outputs: Tensor) -> Tensor:
            outputs = _full(outputs)
            shape = (2, len(outputs), share, 1, sequences, outputs.shape[2])
            noise = torch.rand(shape, generator=generator, dtype=torch.float64).clamp(min=1e-12)
            radius, angle = noise.expand(-1, -1, -1, batch, -1, -1).flatten(2, 4).to(outputs)
            plain = outputs.new_zeros(())
            values.append(self.likelihood.sample(self.likelihood.read(outputs, plain, plain + 1), (radius, angle)))
            return values[-1]

        return draw


def _full(outputs: Tensor) -> Tensor:
    """Convert outputs to the type that metrics are computed in."""
    return outputs.float() if outputs.dtype == torch.bfloat16 else outputs
