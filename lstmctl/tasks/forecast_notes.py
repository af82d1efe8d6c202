"""Notes on the scores of forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lstmctl.config.schema import Forecast as ForecastSettings
from lstmctl.intervals import STRENGTH

SHOWN = 3
"""Series named in a note."""


def reading_notes(
    settings: ForecastSettings,
    season: int,
    part: str,
    *,
    chosen: bool,
    intervals: Literal["calibrated", "own", "none"],
    several: bool,
    transform: str | None = None,
) -> tuple[str, ...]:
    """Return sentences on the rows that intervals and weights come from. `part` is empty for data of another file;
    `chosen`: the validation part selected the weights; `several`: there are several series; `transform`: of the
    targets."""
    rows = "the second half of the validation part" if settings.calibration == "separate" else "the validation part"
    chose = "the first half" if settings.calibration == "separate" else "the same rows"
    found = []
    if intervals == "calibrated":
        weights = f"; {chose} chose the weights" if chosen else ""
        found.append(f"The intervals were calibrated on {rows}{weights}.")
        if several:
            found.append(
                f"Each series has its own intervals: {STRENGTH:.0f} of its calibration windows weigh as much as those "
                "of all series together."
            )
    elif intervals == "own":
        found.append("The intervals are the network's own; they are not calibrated.")
    if intervals != "calibrated" and settings.calibration != "none":
        lost = "No intervals" if intervals == "none" else "Not calibrated"
        more = "a larger validation part in data.split" + ", or task.calibration=shared" * (
            settings.calibration == "separate"
        )
        found.append(f"{lost}: {rows} has too few windows for {max(settings.levels)} %; use {more}, or a lower level.")
    if transform is not None:
        found.append(
            f"The network forecasts transformed values (data.transform={transform}), so a point is nearer to the "
            "median than to the mean. Errors are in the table's units, or scaled by its deviations, as are the "
            "baselines', which are not transformed."
        )
    if part == "validation":
        also = "their coverage here is right by construction, and " if intervals == "calibrated" else ""
        found.append(f"These are rows that choices were made on: {also}the ridge regression was chosen on them too.")
    if season > settings.lookback:
        found.append(f"No seasonal naive forecast: a season of {season:,} rows is longer than the lookback.")
    return tuple(found)


def left_out_notes(sums: Mapping[str, Any], values: int, missing: str, without_scale: Sequence[str]) -> tuple[str, ...]:
    """Return sentences on the number of all `values` that are not scored, or not in the scaled metrics, given the sums
    of `metrics.forecasts`."""
    known, scaled = int(sums["count"].sum()), int(sums["scaled_count"].sum())
    found = []
    if known < values:
        found.append(
            f"{values - known:,} of {values:,} values are missing in the table (data.missing={missing}) and are not "
            "scored."
        )
    if scaled < known:
        names = ", ".join([f"`{name}`" for name in without_scale[:SHOWN]] + ["…"] * (len(without_scale) > SHOWN))
        found.append(
            f"{known - scaled:,} of {known:,} values are of series without a scale in their training rows ({names}); "
            "they are left out of the scaled metrics."
        )
    return tuple(found)
