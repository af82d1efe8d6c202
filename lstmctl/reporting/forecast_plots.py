"""Plots of series: forecasts with their intervals, errors over the horizon, and whole series with their parts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lstmctl.metrics import metric
from lstmctl.reporting.console import inert
from lstmctl.reporting.drawing import SMALL, WIDE, Plot, legend_name, new_figure, ruled, shortened
from lstmctl.reporting.palette import BLUE, DASHES, GREEN, GREY, ORANGE, PINK, colour_of, line_of, marker_of
from lstmctl.reporting.quantities import count, figure
from lstmctl.reporting.time_axis import Moments, label_times, label_values, moments
from lstmctl.results.evaluation import Metrics
from lstmctl.results.forecasts import SeriesForecast

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORECAST, PATHS = BLUE, PINK
PART_COLOURS = {"training": BLUE, "validation": ORANGE, "test": GREEN}
OTHER_PART = GREY
MOST_PANELS = 8
LONGEST_TITLE = 60
MOST_PATHS = 20
"""A larger number would only blacken the band."""
HISTORY = 4
"""Rows drawn before a forecast, in horizons, so that the forecast takes a fifth of the panel."""
SHORTEST_HISTORY = 48
SHADE = 0.2
"""Opacity of each interval."""
MOST_POINTS = 2000
"""Maximum number of points of a whole series: about the width of a figure in pixels."""
FARTHEST = 3.0
"""A baseline this many times worse than the run is left out of the view, so that the others can be distinguished."""
RUN = "run"
"""Name of the run in plots with its baselines."""


@dataclass(frozen=True, slots=True)
class SeriesCourse:
    """A whole series, drawn with its parts."""

    name: str
    times: Sequence[datetime] | Sequence[int]
    values: Sequence[float | None]
    """In original units; None or NaN for missing values."""
    parts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """First row and the row after the last, by name of the part, in order."""


# ── fan charts ──


def forecast_plot(forecasts: Sequence[SeriesForecast], *, title: str = "") -> Plot | None:
    """Plot fan charts, one panel per series, at most the first 8; None without forecasts."""
    if not forecasts:
        return None
    words = " ".join(_words_on(forecast) for forecast in forecasts[:MOST_PANELS])
    opening = f"Forecasts of {count(len(forecasts))} series. " if len(forecasts) > 1 else ""
    return Plot("forecasts", partial(_draw_forecasts, forecasts, title), opening + words)


def _draw_forecasts(forecasts: Sequence[SeriesForecast], title: str, width: float, ink: str) -> Figure:
    drawn = forecasts[:MOST_PANELS]
    columns = 2 if len(drawn) > 2 and width >= WIDE else 1
    rows = math.ceil(len(drawn) / columns)
    height = 2.4 if len(drawn) == 1 else 1.6
    drawing = new_figure(width, 0.75 + height * rows + (0.2 if title else 0))
    names = Counter(forecast.series for forecast in drawn)
    for place, forecast in enumerate(drawn):
        panel = drawing.add_subplot(rows, columns, place + 1)
        _fan(panel, forecast, ink)
        label_times(panel, are_dates=_times(forecast).are_dates, most=7 if columns == 1 and width >= WIDE else 4)
        label_values(panel)
        ruled(panel, ink)
        # Windows of one series are distinguished by their start.
        origin = f", from {_origin(forecast)}" if names[forecast.series] > 1 and forecast.times else ""
        panel.set_title(shortened(forecast.series) + origin, loc="left", fontsize="medium")
    _fan_legend(drawing, drawn, width, ink, title)
    if more := len(forecasts) - len(drawn):
        drawing.supxlabel(f"and {count(more)} more series", fontsize=SMALL)
    return drawing


def _fan(panel: Axes, forecast: SeriesForecast, ink: str) -> None:
    places = _times(forecast).places
    first = len(forecast.history)
    before, ahead = places[:first], places[first:]
    kept = max(HISTORY * len(ahead), SHORTEST_HISTORY)
    before, known = before[-kept:], numbers(forecast.history[-kept:])
    # From the last known row on, so that the line is connected, and a horizon of one row has a line at all.
    start, height = ([before[-1]], [known[-1]]) if before and math.isfinite(known[-1]) else ([], [])
    for level in sorted(forecast.intervals, reverse=True):
        low, high = (height + numbers(end) for end in forecast.intervals[level])
        panel.fill_between(start + ahead, low, high, color=FORECAST, alpha=SHADE, linewidth=0)
    for path in forecast.paths[:MOST_PATHS]:
        panel.plot(start + ahead, height + numbers(path), color=PATHS, linewidth=0.5, alpha=0.7)
    if before:
        panel.axvline(before[-1], color=ink, alpha=0.3, linewidth=0.7)
        panel.plot(before, known, color=ink, linewidth=0.9, marker=".", markersize=3, markevery=_alone(known))
    if forecast.actual:
        actual = height + numbers(forecast.actual)
        mark = "." if len(ahead) == 1 else None
        panel.plot(start + ahead, actual, color=ink, linewidth=1.0, linestyle=DASHES, marker=mark, markevery=[-1])
    point = height + numbers(forecast.point)
    mark = "o" if len(ahead) == 1 else None
    panel.plot(start + ahead, point, color=FORECAST, linewidth=1.5, marker=mark, markersize=4, markevery=[-1])
    panel.margins(x=0.01)


def _fan_legend(drawing: Figure, forecasts: Sequence[SeriesForecast], width: float, ink: str, title: str) -> None:
    """Draw one legend for all panels, under the figure's title."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    if any(forecast.history for forecast in forecasts):
        handles.append(Line2D([], [], color=ink, linewidth=0.9, label="history"))
    if any(forecast.actual for forecast in forecasts):
        handles.append(Line2D([], [], color=ink, linewidth=1.0, linestyle=DASHES, label="true values"))
    handles.append(Line2D([], [], color=FORECAST, linewidth=1.5, label="forecast"))
    levels = sorted({level for forecast in forecasts for level in forecast.intervals})
    for above, level in enumerate(reversed(levels), 1):
        handles.append(
            Patch(color=FORECAST, alpha=1 - (1 - SHADE) ** above, linewidth=0, label=f"{level:g} % interval")
        )
    if most := max(len(forecast.paths) for forecast in forecasts):
        label = f"{MOST_PATHS} of {count(most)} sample paths" if most > MOST_PATHS else "sample paths"
        handles.append(Line2D([], [], color=PATHS, linewidth=0.8, label=label))
    drawing.legend(
        handles=handles,
        loc="outside upper center",
        ncols=len(handles) if width >= WIDE and len(handles) < 6 else 3 if width >= WIDE else 2,
        frameon=False,
        handlelength=1.8,
        columnspacing=1.2,
        **_titled(title),
    )


def _times(forecast: SeriesForecast) -> Moments:
    """Times of the history and of the horizon; numbered if the record is too short."""
    times = (*forecast.history_times, *forecast.times)
    if len(times) == len(forecast.history) + len(forecast.point):
        return moments(times)
    return Moments([float(row) for row in range(len(forecast.history) + len(forecast.point))], are_dates=False)


def _origin(forecast: SeriesForecast) -> str:
    """The first time of the horizon, without seconds if there are none."""
    first = inert(forecast.times[0])
    return first.removesuffix(":00") if first.count(":") == 2 else first


def _words_on(forecast: SeriesForecast) -> str:
    """Description of a fan chart for readers who cannot see it."""
    if not forecast.point:
        return ""
    steps = f"{count(len(forecast.point))} step{'s' if len(forecast.point) > 1 else ''}"
    span = f" ({forecast.times[0]} to {forecast.times[-1]})" if forecast.times else ""
    words = f"{forecast.series}: {steps} ahead{span}, from {figure(forecast.point[0])} to {figure(forecast.point[-1])}"
    if forecast.intervals:
        level = max(forecast.intervals)
        low, high = (end[-1] for end in forecast.intervals[level])
        words += f", {level} % interval at the end from {figure(low)} to {figure(high)}"
    return inert(f"{words}.")


# ── errors over the horizon ──


def step_plot(by_step: Mapping[str, Sequence[Metrics]], name: str, *, title: str = "") -> Plot | None:
    """Plot a metric over the steps of the horizon, for the run and each baseline.

    Args:
        by_step: as in `Evaluation`: for `run` and each baseline, the metrics of every step.
        name: the metric, such as `mse_scaled`.

    Returns:
        None if fewer than two steps of the run have this metric.
    """
    courses = _courses(by_step, name)
    if sum(map(math.isfinite, courses.get(RUN, []))) < 2:
        return None
    ends = []
    for model, values in courses.items():
        known = [value for value in values if math.isfinite(value)]
        ends.append(f"{model} from {figure(known[0])} to {figure(known[-1])}")
    words = f"{metric(name).words} by step of the horizon: {'; '.join(ends)}."
    return Plot("steps", partial(_draw_steps, courses, name, title), words)


def _draw_steps(courses: Mapping[str, Sequence[float]], name: str, title: str, width: float, ink: str) -> Figure:
    from matplotlib.ticker import MaxNLocator

    longest = 0.7 + 0.075 * max(len(shortened(model)) for model in courses)
    columns = max(1, min(len(courses), int(width / longest)))
    drawing = new_figure(width, 2.7 + 0.19 * math.ceil(len(courses) / columns))
    panel = drawing.add_subplot()
    for number, (model, values) in enumerate(courses.items()):
        every = max(1, len(values) // 8)
        panel.plot(
            range(1, len(values) + 1),
            values,
            color=colour_of(number),
            linestyle=line_of(number),
            linewidth=1.9 if model == RUN else 1.2,
            marker=marker_of(number),
            markersize=4,
            markevery=(number % every, every),
            zorder=3 if model == RUN else 2,
            label=legend_name(shortened("this run" if model == RUN else model)),
        )
    outside = limit_view(panel, courses)
    below = ["step of the horizon"]
    if outside:
        below += [f"outside the view: {', '.join(outside)}"] if width >= WIDE else ["outside the view:", *outside]
    panel.set_xlabel("\n".join(below))
    panel.set_ylabel(inert(metric(name).words))
    panel.xaxis.set_major_locator(MaxNLocator(8 if width >= WIDE else 5, integer=True, min_n_ticks=2))
    label_values(panel, most=5)
    ruled(panel, ink)
    panel.set_xlim(1 - 0.02 * len(courses[RUN]), 1.02 * len(courses[RUN]))
    drawing.legend(loc="outside upper center", ncols=columns, frameon=False, handlelength=3, **_titled(title))
    return drawing


def _courses(by_step: Mapping[str, Sequence[Metrics]], name: str) -> dict[str, list[float]]:
    """The metric at every step by name of the model, the run first; NaN where unknown."""
    courses = {model: [step.get(name, math.nan) for step in steps] for model, steps in by_step.items()}
    found = {model: numbers(values) for model, values in courses.items() if any(map(math.isfinite, values))}
    return dict(sorted(found.items(), key=lambda course: course[0] != RUN))


def limit_view(panel: Axes, courses: Mapping[str, Sequence[float]]) -> list[str]:
    """Begin at zero, and end at the height that keeps the run's line visible; return what is outside the view, in
    words."""
    tops = {model: max(filter(math.isfinite, values)) for model, values in courses.items()}
    if min(value for values in courses.values() for value in values if math.isfinite(value)) < 0:
        return []
    highest = FARTHEST * tops[RUN]
    inside = max(top for top in tops.values() if top <= highest)
    panel.set_ylim(0, (1.08 * inside if max(tops.values()) <= highest else 1.25 * inside) or None)
    return [f"{shortened(model)} (up to {figure(top)})" for model, top in tops.items() if top > highest > 0]


# ── whole series ──


def series_plot(series: Sequence[SeriesCourse], *, title: str = "") -> Plot | None:
    """Plot whole series, one below the other, with their parts shaded; at most the first 8, and None if there is none.

    A long series is reduced to the lowest and the highest value of each group of neighbours, which keeps every peak.
    """
    if not series:
        return None
    names = ", ".join(course.name for course in series[:MOST_PANELS])
    return Plot("series", partial(_draw_series, series, title), f"{count(len(series))} series over time: {names}.")


def _draw_series(series: Sequence[SeriesCourse], title: str, width: float, ink: str) -> Figure:
    drawn = series[:MOST_PANELS]
    legend = 0.19 * len(_part_names(drawn)) + 0.1
    height = 2.2 if len(drawn) == 1 else 1.15
    drawing = new_figure(width, 0.6 + legend + height * len(drawn))
    axes = [moments(course.times) for course in drawn]
    together = all(axis.places == axes[0].places for axis in axes)
    panels: list[Axes] = []
    for place, (course, axis) in enumerate(zip(drawn, axes, strict=True)):
        shared = panels[0] if panels and together else None
        panel = drawing.add_subplot(len(drawn), 1, place + 1, sharex=shared)
        panels.append(panel)
        _course(panel, course, axis, ink)
        label_times(panel, are_dates=axis.are_dates, most=7 if width >= WIDE else 4)
        label_values(panel, most=4 if len(drawn) == 1 else 3)
        ruled(panel, ink)
        panel.set_title(shortened(course.name), loc="left", fontsize="medium")
        # The shared time axis is labelled once, at the bottom.
        last = not together or place == len(drawn) - 1
        panel.tick_params(labelbottom=last)
        panel.xaxis.get_offset_text().set_visible(last)
    _part_legend(drawing, drawn, axes, title)
    below = _thinning(drawn)
    if more := len(series) - len(drawn):
        below.append(f"and {count(more)} more series")
    if below:
        drawing.supxlabel("\n".join(below), fontsize=SMALL)
    return drawing


def extremes(values: Sequence[float], most: int) -> list[int]:
    """Indices of at most `most` of `values`, in order: the lowest and the highest of each group of neighbours.

    A group whose values are all missing (NaN) contributes one index.
    """
    if len(values) <= most:
        return list(range(len(values)))
    buckets = max(1, most // 2)
    edges = [number * len(values) // buckets for number in range(buckets + 1)]
    kept: list[int] = []
    for start, stop in pairwise(edges):
        known = [place for place in range(start, stop) if math.isfinite(values[place])]
        if known:
            kept += sorted({min(known, key=values.__getitem__), max(known, key=values.__getitem__)})
        else:
            kept.append(start)
    return kept


def _course(panel: Axes, course: SeriesCourse, axis: Moments, ink: str) -> None:
    """A series with its parts in the background."""
    for name, (start, stop) in course.parts.items():
        if stop > start:
            left, right = axis.places[start], axis.places[min(stop, len(axis.places) - 1)]
            panel.axvspan(left, right, color=PART_COLOURS.get(name, OTHER_PART), alpha=0.14, linewidth=0)
            panel.axvline(left, color=ink, alpha=0.5, linewidth=0.7, linestyle=DASHES)
    values = numbers(course.values)
    places = extremes(values, MOST_POINTS)
    shown = [values[place] for place in places]
    panel.plot(
        [axis.places[place] for place in places],
        shown,
        color=ink,
        linewidth=0.6 if len(places) > 400 else 0.9,
        marker=".",
        markersize=2,
        markevery=_alone(shown),
    )
    panel.margins(x=0)


def _part_names(series: Sequence[SeriesCourse]) -> list[str]:
    return list(dict.fromkeys(name for course in series for name in course.parts))


def _part_legend(drawing: Figure, series: Sequence[SeriesCourse], axes: Sequence[Moments], title: str) -> None:
    """The parts by colour; if all series share them, with their first and last times and their length."""
    from matplotlib.patches import Patch

    handles = []
    shared = all(course.parts == series[0].parts and axis == axes[0] for course, axis in zip(series, axes, strict=True))
    for name in _part_names(series):
        label = shortened(name)
        start, stop = series[0].parts.get(name, (0, 0))
        if shared and stop > start:
            first, last = (_time_words(series[0].times[row]) for row in (start, stop - 1))
            label += f": {first} to {last} ({count(stop - start)} rows)"
        handles.append(
            Patch(color=PART_COLOURS.get(name, OTHER_PART), alpha=0.35, linewidth=0, label=legend_name(label))
        )
    if handles:
        drawing.legend(
            handles=handles, loc="outside upper left", ncols=1, frameon=False, alignment="left", **_titled(title)
        )
    elif title:
        drawing.suptitle(shortened(title, LONGEST_TITLE), fontsize="large")


def _time_words(time: datetime | int) -> str:
    """A time of the table, without the time of day at midnight."""
    return str(time).removesuffix(" 00:00:00") if isinstance(time, datetime) else count(time)


def _thinning(series: Sequence[SeriesCourse]) -> list[str]:
    longest = max(len(course.values) for course in series)
    if longest <= MOST_POINTS:
        return []
    return [f"of every {math.ceil(2 * longest / MOST_POINTS)} rows the lowest and the highest are drawn"]


# ── what they share ──


def _titled(title: str) -> dict[str, Any]:
    """A figure's title above its legend; a separate title would overlap the legend."""
    return {"title": shortened(title, LONGEST_TITLE), "title_fontsize": "large"} if title else {}


def numbers(values: Iterable[float | None]) -> list[float]:
    """Values with NaN, which leaves a gap, for values that cannot be drawn."""
    return [value if value is not None and math.isfinite(value) else math.nan for value in values]


def _alone(values: Sequence[float]) -> list[int]:
    """Positions of values between two gaps: no line leads to them, so they need a marker."""
    known = [False, *map(math.isfinite, values), False]
    return [
        place - 1 for place in range(1, len(known) - 1) if known[place] and not (known[place - 1] or known[place + 1])
    ]
