"""Points and quantiles of a forecast's outputs as graphs, as `models.likelihoods` reads them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri
from scipy.stats import t as student_t

from lstmctl.export.graph import Body, Operand, Value
from lstmctl.export.tracing import NotExportableError
from lstmctl.models.likelihoods import MOST_FREEDOM, SMALLEST_SCALE, Gaussian, Likelihood, Point, Quantiles, StudentT

LEAST_FREEDOM = 0.05
"""Least degrees of freedom above 2."""
ENTRIES = 400
"""Number of entries in the table of a quantile of Student's t, evenly spaced in the logarithm of the degrees of freedom
above 2."""


def points(body: Body, likelihood: Likelihood, outputs: Value, shift: Operand, scale: Operand) -> Value:
    """Return the point forecast (rows, channels) of outputs (rows, channels, outputs)."""
    if isinstance(likelihood, Quantiles):
        return _flat(body, _sorted(body, _wide(body, outputs, shift, scale))[likelihood.probabilities.index(0.5)])
    return _output(body, outputs, 0) * scale + shift


def quantiles(
    body: Body, likelihood: Likelihood, outputs: Value, shift: Operand, scale: Operand, probabilities: Sequence[float]
) -> Value:
    """Return quantiles (rows, channels, probabilities)."""
    match likelihood:
        case Quantiles():
            ordered = _sorted(body, _wide(body, outputs, shift, scale))
            return body.concat([ordered[likelihood.index(one)] for one in probabilities])
        case Gaussian():
            deviation = body.unary("softplus", _output(body, outputs, 1)) * scale + SMALLEST_SCALE
            standard = body.weight("normal_quantiles", ndtri(np.array(probabilities)).astype(np.float32))
            return _tall(body, points(body, likelihood, outputs, shift, scale)) + _tall(body, deviation) * standard
        case StudentT():
            spread = body.unary("softplus", _output(body, outputs, 1)) * scale + SMALLEST_SCALE
            standard = _student_t(body, _output(body, outputs, 2), probabilities)
            return _tall(body, points(body, likelihood, outputs, shift, scale)) + _tall(body, spread) * standard
    raise NotExportableError(f"quantiles of {type(likelihood).__name__} cannot be exported")


def mirrored(body: Body, likelihood: Likelihood, outputs: Value) -> Value:
    """Return the outputs for the negated window, given those for the window."""
    match likelihood:
        case Point():
            return -outputs
        case Quantiles():
            return -body.reverse(outputs)
    count = outputs.shape[-1] or 0
    return body.concat([-body.slice(outputs, 0, 1), body.slice(outputs, 1, count)])


def _student_t(body: Body, output: Value, probabilities: Sequence[float]) -> Value:
    """Interpolate quantiles (rows, channels, probabilities) in a table, as `models.likelihoods` does."""
    logarithms = np.linspace(np.log(LEAST_FREEDOM), np.log(MOST_FREEDOM), ENTRIES)
    step = float(logarithms[1] - logarithms[0])
    table = np.stack([student_t.ppf(one, 2 + np.exp(logarithms)) for one in probabilities], axis=1)
    freedom = body.binary("max", body.unary("softplus", output), LEAST_FREEDOM)
    at = body.unary("log", body.binary("min", freedom, MOST_FREEDOM)) - float(logarithms[0])
    place = body.binary("max", at / step, 0.0, "place")
    below = body.binary("min", body.unary("floor", place), float(ENTRIES - 2), "below")
    known = body.weight("t_quantiles", table.astype(np.float32))
    low = body.lookup(known, body.cast(below, "index", "row"))
    high = body.lookup(known, body.cast(below + 1.0, "index", "next_row"))
    return low + _tall(body, place - below) * (high - low)


def _output(body: Body, outputs: Value, number: int) -> Value:
    return _flat(body, body.slice(outputs, number, number + 1))


def _flat(body: Body, value: Value) -> Value:
    return body.reshape(value, value.shape[:-1])


def _tall(body: Body, value: Value) -> Value:
    return body.reshape(value, (*value.shape, 1))


def _wide(body: Body, outputs: Value, shift: Operand, scale: Operand) -> Value:
    """Return outputs (…, outputs) in the space of the targets, for a shift and a scale (…), or numbers."""
    tall = [_tall(body, one) if isinstance(one, Value) else one for one in (shift, scale)]
    return outputs * tall[1] + tall[0]


def _sorted(body: Body, values: Value) -> list[Value]:
    """Sort the last axis by exchanging neighbours, and return its parts."""
    count = values.shape[-1] or 0
    parts = [body.slice(values, place, place + 1) for place in range(count)]
    for turn in range(count):
        for place in range(turn % 2, count - 1, 2):
            low, high = parts[place], parts[place + 1]
            parts[place] = body.binary("min", low, high)
            parts[place + 1] = body.binary("max", low, high)
    return parts
