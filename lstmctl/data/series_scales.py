"""Centres and spreads of series and their covariates, and which of them can be used."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.scaling import Scale, fit_scale, naive_errors
from lstmctl.data.series_table import Table
from lstmctl.data.transforms import Transform, fit_power, transformed

log = logging.getLogger(__name__)

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
WARNED = 5
"""Remarks on scales to log one by one."""
LEFT_OUT = "its windows are scaled one by one, and neither training nor the choice of weights nor calibration uses it"
FEWEST = 10
"""Minimum number of values for a reliable scale: known ones in a series too short for a training window, and ones that
differ from all others in a nearly constant series."""
NEARLY = 0.1
"""A series is nearly constant if a smaller share of its values differs from all others."""
MOST_SPREADS = 100.0
"""Maximum root mean square of scaled values; beyond it, the scale belongs to other values."""


@dataclass(frozen=True, eq=False)
class Scales:
    """Centres and spreads from training rows: scaled = (value - centre) / spread."""

    centre: Floats
    """(series, targets)"""
    spread: Floats
    """(series, targets) never 0"""
    naive_error: Floats
    """(series, targets) mean |value − value one season before|; NaN if unknown or without a usable scale, never 0."""
    naive_square: Floats
    """(series, targets) mean of its square, likewise."""
    has_scale: NDArray[np.bool_]
    """(series, targets) False if the training rows give no usable scale while those of other series or columns do. Each
    window of such a series is scaled separately, and it is excluded from training, model selection, calibration and
    scaled metrics."""
    past_centre: Floats
    """(series, past columns)"""
    past_spread: Floats
    """(series, past columns) NaN if the training rows give no usable scale: the column is then always 0."""
    known_centre: Floats
    """(series, known columns)"""
    known_spread: Floats
    """(series, known columns) as `past_spread`"""
    static_centre: Floats
    """(static columns,)"""
    static_spread: Floats
    """(static columns,) as `past_spread`"""
    transform: Transform | None
    """Transform of the targets for the network; metrics are always scaled by `centre` and `spread`. None for none."""


def fit_scales(
    table: Table,
    parts: Mapping[str, Indices],
    scaler: str,
    season: int,
    names: list[str],
    window: int,
    transform: str = "none",
    categories: Mapping[str, Sequence[int]] | None = None,
    *,
    warn: bool = True,
) -> Scales:
    """Fit scales to training rows. Validation rows only decide whether a scale can be used.

    Args:
        table: before missing values are filled, so that only observed values count.
        parts: (series, 2) start and stop row of `training` and `validation` in each series.
        scaler: of the targets; covariates are always standardised.
        season: rows between the two values of the naive error.
        names: of the channels, series-major, for warnings.
        window: rows of a window with its labels.
        transform: of the targets before they are scaled, or `none`.
        categories: places of the columns of categories by use (`past`, `known`, `static`), which are not scaled.
        warn: log what is unusual about the scales.
    """
    training, validation = parts["training"], parts["validation"]
    series, targets = len(table.ids), table.targets.shape[1]
    centre, spread, naive, square = (np.empty((series, targets)) for _ in range(4))
    power, inner_centre, inner_spread = (np.zeros((series, targets)) for _ in range(3))
    has_scale = np.ones((series, targets), dtype=bool)
    odd: list[tuple[int, int, Scale, str | None]] = []
    for own, ((start, stop), (later, end)) in enumerate(zip(training, validation, strict=True)):
        for column in range(targets):
            values = np.ascontiguousarray(table.targets[start:stop, column])
            scale = fit_scale(scaler, values)
            centre[own, column], spread[own, column] = scale.centre, scale.spread
            naive[own, column], square[own, column] = naive_errors(values, season)
            doubt = None
            if scaler != "none":
                doubt = _doubt(scale, values, table.targets[later:end, column], window)
            if transform != "none":
                lambda_ = power[own, column] = fit_power(values, season) if transform == "box-cox" else 0
                values, after = (
                    transformed(transform, part, lambda_) for part in (values, table.targets[later:end, column])
                )
                inner = fit_scale(scaler, values)
                inner_centre[own, column], inner_spread[own, column] = inner.centre, inner.spread
                if scaler != "none":
                    doubt = doubt or _doubt(inner, values, after, window)
            has_scale[own, column] = doubt is None
            if doubt or scale.remark:
                odd.append((own, column, scale, doubt))
    has_windows = np.diff(training)[:, 0] >= window
    if not has_scale[has_windows].any():
        has_scale[:] = True  # there is nothing else to learn from
    spread[~has_scale] = inner_spread[~has_scale] = 1
    naive[~has_scale] = square[~has_scale] = np.nan
    odd = odd if warn else []
    for own, column, scale, doubt in odd[:WARNED]:
        caveat = scale.caveat or doubt if has_scale[own, column] else f"{doubt}; {LEFT_OUT}"
        log.warning("`%s` %s", names[own * targets + column], caveat)
    if len(odd) > WARNED:
        log.warning("and %d more series or columns like these", len(odd) - WARNED)
    past_centre, past_spread = _covariate_scales(table.past, training, validation, window)
    known_centre, known_spread = _covariate_scales(table.known, training, validation, window)
    static = [fit_scale("standard", table.static[:, column]) for column in range(table.static.shape[1])]
    static_centre = np.array([scale.centre for scale in static])
    static_spread = np.array([scale.spread if scale.is_fitted else np.nan for scale in static])
    fitted = (past_centre, past_spread), (known_centre, known_spread), (static_centre, static_spread)
    for use, (middle, width) in zip(("past", "known", "static"), fitted, strict=True):
        places = list((categories or {}).get(use, ()))
        middle[..., places], width[..., places] = 0, 1
    return Scales(
        centre=centre,
        spread=spread,
        naive_error=naive,
        naive_square=square,
        has_scale=has_scale,
        past_centre=past_centre,
        past_spread=past_spread,
        known_centre=known_centre,
        known_spread=known_spread,
        static_centre=static_centre,
        static_spread=static_spread,
        transform=None if transform == "none" else Transform(transform, power, inner_centre, inner_spread),
    )


def _covariate_scales(values: Floats, training: Indices, validation: Indices, window: int) -> tuple[Floats, Floats]:
    """Return (series, columns) centres and spreads of covariates (rows, columns); a spread that cannot be used is
    NaN."""
    centre, spread = (np.empty((len(training), values.shape[1])) for _ in range(2))
    for own, ((start, stop), (later, end)) in enumerate(zip(training, validation, strict=True)):
        for column in range(values.shape[1]):
            rows = np.ascontiguousarray(values[start:stop, column])
            scale = fit_scale("standard", rows)
            is_usable = scale.is_fitted and not _has_too_few(rows, window)
            is_usable = is_usable and _size(scale, _known(values[later:end, column])) <= MOST_SPREADS
            centre[own, column], spread[own, column] = scale.centre, scale.spread if is_usable else np.nan
    return centre, spread


def _doubt(scale: Scale, training: Floats, validation: Floats, window: int) -> str | None:
    """Return why a scale, fitted to `training` (rows,), cannot be used; None if it can. `window` is the length of a
    window with its labels."""
    if not scale.is_fitted:
        return scale.remark
    known = _known(training)
    if _has_too_few(training, window):
        return f"has only {len(known)} values in its training rows"
    usual = float(np.median(known))
    others = int(np.count_nonzero(known != usual))
    if others < min(FEWEST, NEARLY * len(known)):
        return (
            f"is nearly constant in its training rows: {others} of {len(known):,} values "
            f"{'is' if others == 1 else 'are'} not {usual:g}"
        )
    for name, values in (("training", known), ("validation", _known(validation))):
        if (size := _size(scale, values)) > MOST_SPREADS:
            return (
                f"is {size:,.0f} times its spread ({scale.spread:g}) away from its centre ({scale.centre:g}), on "
                f"average over its {name} rows"
            )
    return None


def _has_too_few(training: Floats, window: int) -> bool:
    """Return whether training rows without a window have too few known values for a scale."""
    return len(training) < window and len(_known(training)) < FEWEST


def _known(values: Floats) -> Floats:
    """Return the values that are not missing, without a copy if all are there."""
    missing = np.isnan(values)
    return values[~missing] if missing.any() else values


def _size(scale: Scale, known: Floats) -> float:
    """Return the root mean square of scaled values (rows,); 0 if there is none."""
    if not len(known):
        return 0.0
    with np.errstate(over="ignore"):
        scaled = known - scale.centre  # a column may be long, so there is one copy of it
        scaled /= scale.spread
        np.square(scaled, out=scaled)
        return float(np.sqrt(scaled.mean()))
