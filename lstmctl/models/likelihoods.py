"""Interpretations of a forecast's outputs: a value, quantiles, or a distribution, each with its loss.

Outputs are (…, outputs), one row of numbers per value to forecast. `read` turns them into parameters in the space of
the targets, given the shift and scale removed from the window: value = normalised · scale + shift.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

Parameters = tuple[Tensor, ...]

SMALLEST_SCALE = 1e-4
"""Lower bound of a distribution's scale, in standard deviations of the training rows: it bounds the density."""
HUBER_DELTA = 1.0


class Likelihood(ABC):
    """An interpretation of the outputs as a forecast, with its loss."""

    outputs: int
    """Outputs per value to forecast."""
    locations: int
    """Number of leading outputs that are values; the optional linear map is added to those."""
    has_intervals = False
    """True if the outputs include a measure of uncertainty."""
    has_samples = False
    """True if values can be sampled sequentially."""

    @abstractmethod
    def read(self, outputs: Tensor, shift: Tensor, scale: Tensor) -> Parameters:
        """Turn outputs (…, outputs) into parameters, (…) each; `shift` and `scale` broadcast against (…)."""

    @abstractmethod
    def mirrored(self, outputs: Tensor) -> Tensor:
        """Return the outputs (…, outputs) for the negated window, given those for the window."""

    @abstractmethod
    def loss(self, parameters: Parameters, target: Tensor) -> Tensor:
        """Compute the loss of each value, (…)."""

    @abstractmethod
    def point(self, parameters: Parameters) -> Tensor:
        """Return the point forecast, (…)."""

    def quantiles(self, parameters: Parameters, probabilities: Sequence[float]) -> Tensor:
        """Return quantiles, (…, probabilities)."""
        raise TypeError(f"{type(self).__name__} has no quantiles")

    def sample(self, parameters: Parameters, noise: tuple[Tensor, Tensor]) -> Tensor:
        """Draw one sample, (…), from two independent uniform draws in (0, 1) that broadcast against (…)."""
        raise TypeError(f"{type(self).__name__} cannot be sampled")


class Point(Likelihood):
    """A single value: the mean for squared errors, the median for absolute ones, in between for Huber's (1964) loss."""

    outputs = locations = 1

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def read(self, outputs: Tensor, shift: Tensor, scale: Tensor) -> Parameters:
        return (outputs[..., 0] * scale + shift,)

    def mirrored(self, outputs: Tensor) -> Tensor:
        return -outputs

    def loss(self, parameters: Parameters, target: Tensor) -> Tensor:
        (value,) = parameters
        match self.kind:
            case "mse":
                return (value - target).square()
            case "mae":
                return (value - target).abs()
            case _:
                return functional.huber_loss(value, target, reduction="none", delta=HUBER_DELTA)

    def point(self, parameters: Parameters) -> Tensor:
        return parameters[0]


class Quantiles(Likelihood):
    """The median and both ends of every interval, each trained with its pinball loss (Koenker & Bassett 1978).

    Args:
        levels: levels of the intervals, in percent.
    """

    has_intervals = True

    def __init__(self, levels: Sequence[int]) -> None:
        ends = {(100 - level) / 200 for level in levels}
        self.probabilities = sorted({0.5, *ends, *(1 - end for end in ends)})
        self.outputs = self.locations = len(self.probabilities)

    def read(self, outputs: Tensor, shift: Tensor, scale: Tensor) -> Parameters:
        return (outputs * scale.unsqueeze(-1) + shift.unsqueeze(-1),)

    def mirrored(self, outputs: Tensor) -> Tensor:
        return -outputs.flip(-1)  # a negated lower quantile is an upper one

    def loss(self, parameters: Parameters, target: Tensor) -> Tensor:
        error = target.unsqueeze(-1) - parameters[0]
        probabilities = error.new_tensor(self.probabilities)
        return torch.maximum(probabilities * error, (probabilities - 1) * error).mean(-1)

    def point(self, parameters: Parameters) -> Tensor:
        return parameters[0].sort(-1).values[..., self.probabilities.index(0.5)]

    def quantiles(self, parameters: Parameters, probabilities: Sequence[float]) -> Tensor:
        """Return trained quantiles only, sorted because trained quantiles can cross (Chernozhukov, Fernández-Val &
        Galichon 2010)."""
        ordered = parameters[0].sort(-1).values
        return ordered[..., [self.index(probability) for probability in probabilities]]

    def index(self, probability: float) -> int:
        """Return the output that is a quantile."""
        return next(i for i, known in enumerate(self.probabilities) if math.isclose(known, probability))


class Gaussian(Likelihood):
    """A normal distribution; the second output is its standard deviation before softplus."""

    outputs, locations = 2, 1
    has_intervals = has_samples = True

    def read(self, outputs: Tensor, shift: Tensor, scale: Tensor) -> Parameters:
        return outputs[..., 0] * scale + shift, functional.softplus(outputs[..., 1]) * scale + SMALLEST_SCALE

    def mirrored(self, outputs: Tensor) -> Tensor:
        return torch.cat([-outputs[..., :1], outputs[..., 1:]], dim=-1)

    def loss(self, parameters: Parameters, target: Tensor) -> Tensor:
        mean, deviation = parameters
        return 0.5 * math.log(2 * math.pi) + deviation.log() + 0.5 * ((target - mean) / deviation).square()

    def point(self, parameters: Parameters) -> Tensor:
        return parameters[0]

    def quantiles(self, parameters: Parameters, probabilities: Sequence[float]) -> Tensor:
        mean, deviation = parameters
        standard: Tensor = torch.special.ndtri(torch.tensor(probabilities, dtype=torch.float64)).to(mean)
        return mean.unsqueeze(-1) + deviation.unsqueeze(-1) * standard

    def sample(self, parameters: Parameters, noise: tuple[Tensor, Tensor]) -> Tensor:
        """Sample by the polar method (Box & Muller 1958)."""
        mean, deviation = parameters
        radius, angle = noise
        return mean + deviation * (-2 * radius.log()).sqrt() * (2 * math.pi * angle).cos()


class StudentT(Likelihood):
    """Student's t distribution, for errors with heavy tails: location, scale and degrees of freedom above 2."""

    outputs, locations = 3, 1
    has_intervals = has_samples = True

    def read(self, outputs: Tensor, shift: Tensor, scale: Tensor) -> Parameters:
        location = outputs[..., 0] * scale + shift
        return location, functional.softplus(outputs[..., 1]) * scale + SMALLEST_SCALE, 2 + _freedom(outputs[..., 2])

    def mirrored(self, outputs: Tensor) -> Tensor:
        return torch.cat([-outputs[..., :1], outputs[..., 1:]], dim=-1)

    def loss(self, parameters: Parameters, target: Tensor) -> Tensor:
        location, scale, freedom = parameters
        standard = (target - location) / scale
        return (
            torch.lgamma(freedom / 2)
            - torch.lgamma((freedom + 1) / 2)
            + 0.5 * (math.pi * freedom).log()
            + scale.log()
            + (freedom + 1) / 2 * torch.log1p(standard.square() / freedom)
        )

    def point(self, parameters: Parameters) -> Tensor:
        return parameters[0]

    def quantiles(self, parameters: Parameters, probabilities: Sequence[float]) -> Tensor:
        location, scale, freedom = parameters
        standard = torch.stack([_t_quantile(probability, freedom) for probability in probabilities], dim=-1)
        return location.unsqueeze(-1) + scale.unsqueeze(-1) * standard

    def sample(self, parameters: Parameters, noise: tuple[Tensor, Tensor]) -> Tensor:
        """Sample by the polar method for Student's t, exact for any degrees of freedom (Bailey 1994)."""
        location, scale, freedom = parameters
        radius, angle = noise
        spread = (freedom * torch.expm1(-2 / freedom * radius.log())).sqrt()
        return location + scale * spread * (2 * math.pi * angle).cos()


def likelihood(loss: str, levels: Sequence[int]) -> Likelihood:
    """Return the likelihood named by `task.loss`."""
    match loss:
        case "quantile":
            return Quantiles(levels)
        case "gaussian":
            return Gaussian()
        case "student-t":
            return StudentT()
        case _:
            return Point(loss)


MOST_FREEDOM = 200.0
"""Above this many degrees of freedom, Student's t equals a normal distribution to three digits."""


def _freedom(output: Tensor) -> Tensor:
    return functional.softplus(output).clamp(0.05, MOST_FREEDOM)


@lru_cache
def _t_table(probability: float) -> tuple[Tensor, Tensor]:
    """Return logarithms of (degrees of freedom − 2), and the quantile at each."""
    from scipy.stats import t

    logarithms = torch.linspace(math.log(0.05), math.log(MOST_FREEDOM), 400, dtype=torch.float64)
    return logarithms, torch.from_numpy(t.ppf(probability, 2 + logarithms.exp().numpy()))


def _t_quantile(probability: float, freedom: Tensor) -> Tensor:
    """Interpolate the quantile for many degrees of freedom linearly in a table (relative error below 1e-4)."""
    logarithms, quantiles = (tensor.to(freedom.device) for tensor in _t_table(probability))
    at = (freedom.double() - 2).clamp(0.05, MOST_FREEDOM).log()
    index = torch.searchsorted(logarithms, at.contiguous()).clamp(1, len(logarithms) - 1)
    low, high = logarithms[index - 1], logarithms[index]
    share = (at - low) / (high - low)
    return (quantiles[index - 1] + share * (quantiles[index] - quantiles[index - 1])).to(freedom)
