"""The time axis of a plot: dates, or whole numbers that count rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Moments:
    """Times as positions on an axis."""

    places: list[float]
    are_dates: bool


def moments(times: Sequence[datetime | int | str]) -> Moments:
    """Return times as positions on an axis. If one is neither a whole number nor a date, all are numbered from 0.

    Args:
        times: whole numbers or dates, also as text: `12`, `2018-06-26`, `2018-06-26 20:00:00`.
    """
    try:
        return Moments([float(int(time)) for time in times], are_dates=False)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        pass  # dates
    try:
        dates = [time if isinstance(time, datetime) else datetime.fromisoformat(str(time)) for time in times]
    except ValueError:
        return Moments([float(place) for place in range(len(times))], are_dates=False)
    from matplotlib.dates import date2num

    # The table's own clock is shown, whatever its zone.
    places = date2num([date.replace(tzinfo=None) for date in dates])  # type: ignore[no-untyped-call]
    return Moments([float(place) for place in places], are_dates=True)


def label_times(panel: Axes, *, are_dates: bool, most: int) -> None:
    """Put at most about `most` labels under a panel: concise dates, or whole numbers."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if are_dates:
        # With fewer than 5, the locator has no interval for some ranges, such as 40 hours.
        locator = AutoDateLocator(minticks=most // 2, maxticks=max(5, most))  # type: ignore[no-untyped-call]
        panel.xaxis.set_major_locator(locator)
        panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        panel.xaxis.get_offset_text().set_fontsize("small")
    else:
        panel.xaxis.set_major_locator(MaxNLocator(most, integer=True))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def label_values(panel: Axes, *, most: int = 4) -> None:
    """Write the tick labels of a panel in full, without a common offset or power of ten."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    formatter = ScalarFormatter(useOffset=False)
    formatter.set_powerlimits((-5, 7))
    panel.yaxis.set_major_locator(MaxNLocator(most))
    panel.yaxis.set_major_formatter(formatter)
