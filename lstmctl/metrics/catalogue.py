"""Catalogue of all metrics: wording, unit, direction and format. No other module identifies a metric by its name.

A name is either an entry of `METRICS`, where `{symbol}` is `character` or `byte` and a suffix from `COLD_WINDOWS` may
follow, or an interval's metric, such as `coverage_80`, `width_scaled_97.5` or `msis_95`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Literal

Unit = Literal["nats", "bits", "share", "percent", "ratio", "original", "scaled"]
"""`original` is the unit of the data, `scaled` is in standard deviations of the training rows, `ratio` is relative to a
naive error, `percent` ranges from 0 to 100 or beyond, and `share` from 0 to 1."""
SHARE_PLACES = 3


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, as it appears in every table, plot, page and JSON object."""

    name: str
    """Name in JSON, logs and CSV files."""
    words: str
    """Wording in prose and axis labels: `nats per character, cold`."""
    unit: Unit
    lower_is_better: bool | None = True
    """None if neither direction is better: an interval should be as wide as necessary."""
    losses: tuple[str, ...] = ()
    """Values of `task.loss` that make this the primary metric of a forecast; the first is in the metric's own unit."""
    bounds: tuple[float | None, float | None] = (0.0, None)
    """The lowest and the highest possible value; None if unlimited."""
    by_channel: bool = False
    """True if tables with one row per channel of a forecast show it in addition to the primary metric."""
    note: str = ""
    """Explanation a reader needs, as a clause."""
    interval: tuple[str, str] | None = None
    """For an interval's metric: `coverage`, `width` or `msis`, and the nominal coverage in percent, such as `80`."""

    def better(self, value: float, than: float | None) -> bool:
        """Return True if `value` is better than `than`. Any finite value is better than None; NaN and Inf never are."""
        if not math.isfinite(value):
            return False
        if than is None:
            return True
        return self.sign * value < self.sign * than

    def reaches(self, value: float, level: float) -> bool:
        """Return True if `value` is at least as good as `level`."""
        return math.isfinite(value) and self.sign * value <= self.sign * level

    @property
    def sign(self) -> int:
        """1 if lower is better, -1 if higher is: multiplied by it, every metric is better when lower."""
        return -1 if self.lower_is_better is False else 1

    @property
    def short_words(self) -> str:
        """Heading of a row or column: `width of 80 %, scaled`."""
        return self.words if self.interval is None else self.words.replace(" intervals", "")

    @property
    def places(self) -> int | None:
        """Fixed number of decimal places, for shares; None if it depends on the values."""
        return SHARE_PLACES if self.interval is not None and self.unit == "share" else None


HIGHER = False
SHARE = (0.0, 1.0)
METRICS = (
    Metric("nats_per_{symbol}", "nats per {symbol}", "nats"),
    Metric("bits_per_{symbol}", "bits per {symbol}", "bits"),
    Metric("nats_per_label", "nats per label", "nats"),
    Metric("nats_per_sequence", "nats per sequence", "nats"),
    Metric("accuracy", "accuracy", "share", HIGHER, bounds=SHARE),
    Metric("macro_f1", "macro f1", "share", HIGHER, bounds=SHARE),
    Metric("exact_match", "exact match", "share", HIGHER, bounds=SHARE),
    Metric("character_error_rate", "character error rate", "share"),
    Metric("r2", "r2", "share", HIGHER, bounds=(None, 1.0)),
    Metric("mse", "MSE", "original"),
    Metric("mae", "MAE", "original", by_channel=True),
    Metric("rmse", "RMSE", "original"),
    Metric("smape", "sMAPE", "percent"),
    Metric("mase", "MASE", "ratio", by_channel=True),
    Metric("rmsse", "RMSSE", "ratio"),
    Metric("owa", "OWA", "ratio", note="OWA: mean of sMAPE and MASE, each relative to Naive 2's"),
    Metric("mse_scaled", "MSE, scaled", "scaled", losses=("mse",), by_channel=True),
    Metric("mae_scaled", "MAE, scaled", "scaled", losses=("mae", "huber")),
    Metric("pinball", "pinball", "original"),
    Metric("pinball_scaled", "pinball, scaled", "scaled", losses=("quantile", "gaussian", "student-t")),
    Metric("wql", "WQL", "ratio", note="WQL: weighted quantile loss, twice the pinball loss relative to the mean size"),
)
"""In no particular order: each task defines which metrics it computes and which is primary."""
SYMBOLS = ("character", "byte")
COLD_WINDOWS = {"_cold": 64, "_cold_256": 256}
"""Symbols per window of the cold metrics, by name suffix; 256 is the window of published recipes."""
COLD = "“cold”: every window starts from a zero state, instead of one stream through the whole part"
DYNAMIC, CACHED = "_dynamic", "_with_cache"
"""Suffixes of the metrics of dynamic evaluation, and of a model with a cache of the text read."""
ON_THE_WAY = {
    DYNAMIC: "“dynamic”: the weights learn from the text after each segment is scored",
    CACHED: "“with cache”: mixed with what followed similar states in the text read so far",
}
SCALED = "“scaled”: in standard deviations of the training part"
_INTERVAL = re.compile(r"(coverage|width|msis)(_scaled)?_(\d+(?:\.\d+)?)")


def metric(name: str) -> Metric:
    """Return the metric with this name.

    A name that is not in the catalogue, as from a run of a later version, is used as its own wording, without a better
    direction.
    """
    return (
        _KNOWN.get(name)
        or _of_interval(name)
        or Metric(name, name.replace("_", " "), "ratio", None, bounds=(None, None))
    )


def primary_of_loss(loss: str) -> Metric:
    """Return the primary metric of a forecast trained with `task.loss`.

    Raises:
        KeyError: no metric belongs to this loss.
    """
    for one in _KNOWN.values():
        if loss in one.losses:
            return one
    raise KeyError(loss)


def has_unit_of_loss(name: str, loss: str | None) -> bool:
    """Return True if a primary metric is in the unit of the training loss, so that both can share an axis."""
    known = metric(name)
    return known.unit == "nats" or (loss is not None and known.losses[:1] == (loss,))


def _known() -> dict[str, Metric]:
    found = {}
    for entry in METRICS:
        for symbol in SYMBOLS if "{symbol}" in entry.name else ("",):
            name, words = (text.format(symbol=symbol) for text in (entry.name, entry.words))
            one = replace(entry, name=name, words=words, note=SCALED if entry.unit == "scaled" else entry.note)
            found[name] = one
            for ending in COLD_WINDOWS if symbol else ():
                suffix = ending.replace("_", " ").strip()
                found[name + ending] = replace(
                    one, name=name + ending, words=f"{words}, {suffix}", note=COLD if ending == "_cold" else ""
                )
            for ending, note in ON_THE_WAY.items() if symbol else ():
                suffix = ending.replace("_", " ").strip()
                found[name + ending] = replace(one, name=name + ending, words=f"{words}, {suffix}", note=note)
    return found


def _of_interval(name: str) -> Metric | None:
    matched = _INTERVAL.fullmatch(name)
    if matched is None:
        return None
    kind, scaled, level = matched.groups()
    words = f"{'MSIS' if kind == 'msis' else kind} of {level} % intervals" + (", scaled" if scaled else "")
    units: dict[str, Unit] = {"coverage": "share", "msis": "ratio", "width": "scaled" if scaled else "original"}
    unit, lower = units[kind], True if kind == "msis" else None
    bounds = SHARE if kind == "coverage" else (0.0, None)
    return Metric(name, words, unit, lower, bounds=bounds, interval=(kind, level))


_KNOWN = _known()
