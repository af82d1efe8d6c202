"""Derive a config for a table of series: lengths from its step and season, sizes from its number of rows, and a network
combined with a ridge regression, so that it is seldom worse than simple baselines."""

from __future__ import annotations

import itertools
import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmctl.data.series import Layout, open_series
from lstmctl.data.series_corpus import SeriesCorpus
from lstmctl.deriving.columns import settle_columns
from lstmctl.deriving.derived import SECONDS, Derived, about, list_of
from lstmctl.errors import DataError
from lstmctl.step_grammar import REST
from lstmctl.words import plural

if TYPE_CHECKING:
    from lstmctl.data.sheets import Sheet

REPAIRS: tuple[dict[str, str], ...] = (
    {"data.order": "sort"},
    {"data.duplicates": "mean"},
    {"data.missing": "interpolate"},
)
"""Settings that are tried, in this order and in combination, if a table cannot be used unchanged."""
BY_ROWS = {"data.step": "1 row"}
MOST_FILLED = 1 / 3
ONE_CLOCK = {"data.zone": "UTC"}
WHY = {
    "data.order": "its rows are out of order",
    "data.duplicates": "some of its times occur twice",
    "data.zone": "its clock is set for daylight saving time",
    "data.missing": "some of its values or rows are missing; filled values are never scored",
    "data.step": "it has no rows for much of the time, such as at night; rows are forecast by their number",
}
HORIZONS = {1: 6, 4: 8, 5: 10, 7: 14, 12: 12, 52: 13}
"""Default horizon by season, if it is not the season itself."""
FEWEST_ROWS = 12
"""Minimum number of rows per series."""
FEWEST_WINDOWS = 6
"""Minimum number of training windows that a lookback of a whole season has to leave."""
LEAST_FOR_90 = 9
"""Minimum number of windows that calibrate a 90 % interval: of fewer, none would lie outside it."""
SEVERAL = 0.1
"""Share of the rows in each held-out part of several series that end together."""
MOST_HELD_OUT = 20_000
"""Maximum number of rows in each held-out part: scoring more would take longer than training."""
LONGEST_HORIZON = 96
LOOKBACKS = 4
"""Length of the lookback in horizons, unless two seasons are longer."""
MOST_MEMBERS = 5
WINDOWS_PER_SECOND = 6000
"""Approximate training speed on two cores without bfloat16, for windows of 10 steps and 64 units."""
SECONDS_PER_STEP = 0.004
"""Fixed time per training step."""
PATIENCE = 3
"""Evaluations (of ten) without improvement after which training stops; none of 30 tables improved later."""
WORTH_THREADS = 32_768
"""Values of a state in a batch above which two threads are faster than one."""
STRONG = 0.3
"""Minimum autocorrelation of a season."""
CLEAR = 2.5
"""Standard errors of an autocorrelation by which one other than the usual exceeds 0."""


def derive_forecast(path: Path, sheet: Sheet, derived: Derived) -> Derived:
    """Derive the config of a forecast.

    Raises:
        DataError: the table cannot be read as series, or is too short.
    """
    derived.decide("task.type", "forecast")
    derived.decide("data.series", str(path.resolve()))
    settle_columns(sheet, derived)
    corpus = _opened(path, derived)
    lengths = corpus.table.ends - corpus.table.bounds[:-1]
    rows = int(np.median(lengths))
    if rows < FEWEST_ROWS:
        raise DataError(
            f"{path} has {plural(rows, 'row')} per series, too few to learn from and to score",
            hint=f"give {FEWEST_ROWS} or more",
        )
    targets, step = corpus.encoding.targets, corpus.encoding.step
    several = "" if len(lengths) == 1 else f" in {len(lengths):,} series"
    derived.what = (
        f"{path.name}: {list_of(targets)} at {rows:,} times{several}, every {step}, from "
        f"{step.text(int(corpus.table.times[0]))} on: a forecast"
    )
    season = _season(corpus, derived, rows)
    if not step.is_index and "data.calendar" not in derived.given and (calendar := _calendar(corpus, rows)):
        derived.decide("data.calendar", calendar, "features of the dates")
    horizon = derived.decide("task.horizon", *_horizon(season, rows))
    if not isinstance(horizon, int):
        return derived  # the config's check reports the error
    held_out = _split(derived, corpus, horizon)
    lookback, why = _lookback(season, horizon, rows - 2 * held_out)
    lookback = derived.decide("task.lookback", lookback, why)
    if not isinstance(lookback, int):
        return derived
    segment = _segment(lookback, horizon, season)
    derived.decide("task.segment", segment)
    derived.decide("task.loss", "quantile")
    short = held_out < 4 * horizon
    calibrating = _series(corpus) * (held_out // (1 if short else 2) - horizon + 1)
    derived.decide("task.levels", [80, 90] if calibrating >= LEAST_FOR_90 else [80])
    derived.decide(
        "task.calibration", "shared" if short else "separate", "the validation part is too short to be divided" * short
    )
    windows = int(np.maximum(0, lengths - 2 * held_out - lookback - horizon + 1).sum())
    _network(derived, windows, lookback // segment, len(targets))
    return derived


def _opened(path: Path, derived: Derived) -> SeriesCorpus:
    """Read the table unchanged, or with the fewest repairs that make it usable."""
    given = {**derived.given, **{decision.key: decision.value for decision in derived.decisions}}
    keys = Layout.__dataclass_fields__
    said = {key.removeprefix("data."): value for key, value in given.items() if key.removeprefix("data.") in keys}
    said = {key: _as_layout(key, value) for key, value in said.items() if key not in ("split", "calendar")}
    free = [repair for repair in REPAIRS if not repair.keys() & given.keys()]
    subsets = _subsets(free)
    if "data.zone" not in given:
        subsets += [(ONE_CLOCK, *subset) for subset in subsets]
    failure: DataError | None = None
    for repairs in subsets:
        merged = {key: value for repair in repairs for key, value in repair.items()}
        layout = Layout(**{**said, **{key.removeprefix("data."): value for key, value in merged.items()}})
        try:
            corpus = open_series(str(path), layout, None, lookback=1, horizon=1)
        except DataError as error:
            if failure is None or ONE_CLOCK not in repairs:
                failure = error  # of the unchanged table, or of the last repair if the repairs fix that
            continue
        if "data.missing" in merged and "data.step" not in given and _is_closed_at_times(corpus):
            # Nights and weekends without rows would be filled, and the network would mostly learn filled rows.
            rest = {key: value for key, value in merged.items() if key != "data.missing"}
            layout = replace(layout, missing=said.get("missing", "error"), step="1 row")
            with suppress(DataError):  # values are missing too
                corpus, merged = open_series(str(path), layout, None, lookback=1, horizon=1), {**rest, **BY_ROWS}
        for key, value in merged.items():
            derived.decide(key, value, WHY[key])
        return corpus
    assert failure is not None
    raise failure


def _is_closed_at_times(corpus: SeriesCorpus) -> bool:
    """Return whether the step is below a day and more than a third of the rows were inserted, as with office hours."""
    unit = corpus.encoding.step.unit
    return corpus.filled is not None and unit in ("hours", "minutes", "seconds") and corpus.filled.mean() > MOST_FILLED


def _as_layout(key: str, value: Any) -> Any:
    """Return a value of the command line in the type that a layout expects."""
    several = ("targets", "past", "known", "static", "categories", "holidays")
    if key in several and value is not None:
        return (value,) if isinstance(value, str) else tuple(value)
    return value


def _subsets(repairs: list[dict[str, str]]) -> list[tuple[dict[str, str], ...]]:
    return [subset for size in range(len(repairs) + 1) for subset in itertools.combinations(repairs, size)]


def _season(corpus: SeriesCorpus, derived: Derived, rows: int) -> int:
    """Return the usual season of the step if the series repeat after it, otherwise a lag after which they do."""
    if "task.season" in derived.given:
        return int(derived.given["task.season"])
    usual = corpus.encoding.season
    found = {lag: _repetition(corpus, lag) for lag in _lags(usual, rows)}
    if not found:
        return usual if usual * 2 <= rows else 1
    best = max(found, key=lambda lag: found[lag])
    if usual > 1 and found.get(usual, 0.0) >= max(STRONG, found[best] - 0.1):
        return usual  # what `auto` takes
    if found[best] >= max(STRONG, CLEAR / math.sqrt(rows)) and best != usual:
        derived.decide("task.season", best, f"rows repeat after {best:,} (autocorrelation {found[best]:.2f})")
        return best
    return usual if usual * 2 <= rows else 1


def _lags(usual: int, rows: int) -> list[int]:
    candidates = {usual, *(range(2, 61) if usual == 1 else ()), *(7 * usual, usual * 12 if usual == 1 else usual)}
    return sorted(lag for lag in candidates if 2 <= lag <= rows // 3)


def _repetition(corpus: SeriesCorpus, lag: int) -> float:
    """Return the autocorrelation at a lag of differences between neighbouring rows; the median over series."""
    found = []
    table = corpus.table
    for start, stop in itertools.islice(zip(table.bounds[:-1], table.ends, strict=True), 50):
        values = np.asarray(table.targets[max(start, stop - 5000) : stop, 0], dtype=np.float64)
        changes = np.diff(values)
        changes = changes[np.isfinite(changes)]
        if len(changes) < 2 * lag:
            continue
        changes = changes - changes.mean()
        if spread := float(changes @ changes):
            found.append(float(changes[lag:] @ changes[:-lag]) / spread)
    return float(np.median(found)) if found else 0.0


def _calendar(corpus: SeriesCorpus, rows: int) -> list[str]:
    """Return the calendar features that change from row to row and of which the rows cover at least two cycles."""
    unit, step = corpus.encoding.step.unit, corpus.encoding.step
    times = corpus.table.times
    days = float(times[min(rows, len(times)) - 1] - times[0]) / 86_400e6
    features = []
    if unit in ("seconds", "minutes", "hours"):
        features.append("hour")
    if unit in ("seconds", "minutes", "hours", "days", "business days") and days > 28 and step.count < 24 * 60:
        features.append("weekday")
    if days > 730 and unit in ("hours", "days", "business days", "weeks"):
        features.append("day-of-year")
    if days > 730 and unit in ("months", "month ends", "business month ends") and step.count == 1:
        features.append("month")
    return features


def _horizon(season: int, rows: int) -> tuple[int, str]:
    wanted = min(HORIZONS.get(season, season), LONGEST_HORIZON)
    horizon = max(1, min(wanted, rows // 8))
    if horizon < wanted:
        return horizon, f"an eighth of the {rows:,} rows"
    return horizon, "one season" if horizon == season else f"for a season of {plural(season, 'row')}"


def _split(derived: Derived, corpus: SeriesCorpus, horizon: int) -> int:
    """Decide the parts, and return the number of rows of each held-out part in a series of typical length."""
    table = corpus.table
    lengths = table.ends - table.bounds[:-1]
    rows, least = int(np.median(lengths)), int(lengths.min())
    if "data.split" in derived.given:
        return max(horizon, rows // 7)
    series = _series(corpus)
    share = min(0.25, max(min(0.15, MOST_HELD_OUT / (rows * series)), 1.05 * (horizon + 1) / max(1, least)))
    if series == 1:
        held_out = max(horizon, round(share * rows))
        derived.decide(
            "data.split", [rows - 2 * held_out, held_out, held_out], "rows for training, validation and test"
        )
        return held_out
    if len(np.unique(table.times[table.ends - 1])) == 1 or corpus.encoding.step.is_index:
        # Several series have many windows in few rows, and the scored weights do not learn from held-out rows.
        wanted = min(round(SEVERAL * rows), horizon + MOST_HELD_OUT // series)
        held_out = min(max(horizon + math.ceil(LEAST_FOR_90 / series) - 1, wanted), max(1, rows // 4))
        derived.decide(
            "data.split", [REST, *2 * [f"{held_out} rows"]], "the last rows of each series are for validation and test"
        )
        return held_out
    share = round(share, 4)
    derived.decide("data.split", [round(1 - 2 * share, 4), share, share])
    return max(1, int(share * rows))


def _series(corpus: SeriesCorpus) -> int:
    """Return the number of series, in columns or below each other."""
    return len(corpus.table.ids) * len(corpus.encoding.targets)


def _lookback(season: int, horizon: int, rows: int) -> tuple[int, str]:
    """Return the lookback: whole horizons, and at least two seasons if the rows allow it."""
    wanted = max(LOOKBACKS * horizon, 2 * season if season <= 400 else horizon)
    if season == 24:
        wanted = max(wanted, 168)
    most = max(1, (rows - horizon) // 2)
    if wanted <= most:
        return math.ceil(wanted / horizon) * horizon, f"{plural(math.ceil(wanted / horizon), 'horizon')}"
    if most < season <= rows - horizon - FEWEST_WINDOWS:
        return season, "a season"
    if most >= horizon:
        return most // horizon * horizon, f"as much as {rows:,} training rows allow"
    return most, f"as much as {rows:,} training rows allow"


def _segment(lookback: int, horizon: int, season: int) -> int:
    """Return the rows per step of the recurrence: the largest common divisor of both spans up to 24."""
    whole = math.gcd(lookback, horizon)
    return max(size for size in range(1, 25) if whole % size == 0)


def _network(derived: Derived, windows: int, steps: int, channels: int) -> None:
    all_windows = windows * max(1, channels)  # each column is a separate sequence
    size = 16 if all_windows < 200 else 32 if all_windows < 1000 else 64 if all_windows < 10_000 else 128
    derived.decide("model.cell", "gru")
    derived.decide("model.hidden", size, f"for {all_windows:,} training windows")
    derived.decide("model.embedding", size)
    derived.decide("model.linear", True)
    derived.decide("model.ridge", "auto", "mixes in baselines as far as that helps on the validation rows")
    if windows >= 1000:
        derived.decide("model.dropout", 0.1)
    batch = 16 if windows < 1000 else 32 if windows < 10_000 else 64
    work = windows * max(1, channels) * steps / 10 * (size / 64)
    epoch = max(1, windows / batch) * SECONDS_PER_STEP + work / WINDOWS_PER_SECOND
    epochs = min(100 if windows < 1000 else 30, derived.seconds / epoch)
    epochs = int(epochs) if epochs >= 1 else float(f"{epochs:.2g}")
    # If a small table leaves time, train further networks, not more epochs, which would overfit.
    left = int(derived.seconds / (epochs * epoch))
    members = max(1, min(MOST_MEMBERS, int(derived.seconds / SECONDS), left))
    if members > 1:
        derived.decide("model.ensemble", members, "networks whose forecasts are averaged: there is time for them")
    derived.decide("training.budget", f"{epochs} epochs", about(members * epochs * epoch))
    derived.decide("training.batch", batch)
    derived.decide("training.learning_rate", 2e-3)
    derived.decide("training.schedule", "cosine")
    derived.decide("training.average", 0.99)
    derived.decide("training.patience", PATIENCE, "stops when the error on the validation rows no longer falls")
    if batch * channels * size <= WORTH_THREADS:
        derived.decide("threads", 1, "a network of this size gains nothing from more")
