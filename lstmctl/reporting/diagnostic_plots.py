"""Plots of a forecaster's errors: by the calendar, by series, over time, by lag, and over its last windows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lstmctl.metrics import metric
from lstmctl.reporting.console import inert
from lstmctl.reporting.drawing import SMALL, WIDE, Plot, legend_columns, legend_name, new_figure, ruled, shortened
from lstmctl.reporting.forecast_plots import FORECAST, RUN, SHADE, limit_view, numbers
from lstmctl.reporting.palette import DASHES, LEVEL, colour_of, line_of, marker_of
from lstmctl.reporting.quantities import figure
from lstmctl.reporting.time_axis import Moments, label_times, label_values, moments
from lstmctl.results.diagnostics import Diagnostics, Values
from lstmctl.results.evaluation import Metrics
from lstmctl.results.forecasts import SeriesForecast

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NAMES: Mapping[str, Sequence[str]] = {
    "hour": [str(hour) for hour in range(24)],
    "weekday": WEEKDAYS,
    "month": MONTHS,
}
TITLES = {"hour": "hour of the day", "weekday": "day of the week", "month": "month"}
NORMAL = 1.96
"""Standard errors of a 95 % interval around 0."""
HISTORY = 3
"""Rows before the first of several windows, in horizons."""


# ── by the calendar ──


def calendar_plot(by_phase: Mapping[str, Mapping[str, Values]], name: str) -> Plot | None:
    """Plot a metric by hour, weekday and month, for the run and each baseline; None if no phase is known.

    Args:
        by_phase: as in `Diagnostics`.
        name: the metric.
    """
    shown = {phase: models for phase, models in by_phase.items() if any(map(_is_known, models.get(RUN, ())))}
    if not shown:
        return None
    words = []
    for phase, models in shown.items():
        least, most = extremes_of(phase, models[RUN])
        words.append(f"by {TITLES[phase]} from {least} to {most}")
    return Plot(
        "calendar", partial(_draw_calendar, shown, name), f"{metric(name).words} of the run {'; '.join(words)}."
    )


def extremes_of(phase: str, values: Values) -> tuple[str, str]:
    """Describe the smallest and the largest value by phase: `0.03 (hour 4)`."""
    known = [(value, place) for place, value in enumerate(values) if value is not None and math.isfinite(value)]
    found = []
    for value, place in (min(known), max(known)):
        label = NAMES[phase][place]
        found.append(f"{figure(value)} ({'hour ' if phase == 'hour' else ''}{label})")
    return found[0], found[1]


def _draw_calendar(by_phase: Mapping[str, Mapping[str, Values]], name: str, width: float, ink: str) -> Figure:
    models = list(dict.fromkeys(model for values in by_phase.values() for model in values))
    columns = legend_columns([shortened(model) for model in models], width)
    drawing = new_figure(width, 0.4 + 0.19 * math.ceil(len(models) / columns) + 1.75 * len(by_phase))
    for row, (phase, values) in enumerate(by_phase.items()):
        panel = drawing.add_subplot(len(by_phase), 1, row + 1)
        courses = {model: numbers(own) for model, own in values.items()}
        places = [
            place for place in range(len(NAMES[phase])) if any(math.isfinite(own[place]) for own in courses.values())
        ]
        for number, (model, own) in enumerate(courses.items()):
            panel.plot(
                range(len(places)),
                [own[place] for place in places],
                color=colour_of(number),
                linestyle=line_of(number),
                linewidth=1.9 if model == RUN else 1.1,
                marker=marker_of(number),
                markersize=4,
                zorder=3 if model == RUN else 2,
                label=legend_name(shortened("this run" if model == RUN else model)) if row == 0 else None,
            )
        outside = limit_view(panel, {model: own for model, own in courses.items() if any(map(math.isfinite, own))})
        every = 1 if width >= WIDE or len(places) <= 7 else 4 if len(places) > 12 else 2
        panel.set_xticks(range(0, len(places), every), [NAMES[phase][place] for place in places[::every]])
        panel.set_xlabel(TITLES[phase] + (f"; outside the view: {', '.join(outside)}" if outside else ""), wrap=True)
        label_values(panel)
        ruled(panel, ink)
    drawing.supylabel(inert(metric(name).words), fontsize="medium")
    drawing.legend(loc="outside upper center", ncols=columns, frameon=False, handlelength=3)
    return drawing


# ── by series ──


def series_errors_plot(by_series: Mapping[str, Mapping[str, Metrics]], shown: Sequence[str], name: str) -> Plot | None:
    """Plot a metric of series, one below the other, for the run and the best baseline of each; None for fewer than two.

    Args:
        by_series: as in `Evaluation`.
        shown: series, the worst first.
        name: the metric.
    """
    own = by_series.get(RUN, {})
    if len(shown) < 2:
        return None
    better = metric(name).sign
    best: dict[str, float] = {}
    for series in shown:
        others = [
            values[series][name]
            for model, values in by_series.items()
            if model != RUN and name in values.get(series, {})
        ]
        best[series] = better * min((better * value for value in others if math.isfinite(value)), default=math.nan)
    run = {series: own[series][name] for series in shown}
    ends = [f"{figure(run[series])} ({series})" for series in (shown[0], shown[-1])]
    words = f"{metric(name).words} by series, from {ends[0]} to {ends[1]}."
    draw = partial(_draw_series_errors, run, best, len(own), name)
    return Plot("series-errors", draw, inert(words))


def _draw_series_errors(
    run: Mapping[str, float], best: Mapping[str, float], in_all: int, name: str, width: float, ink: str
) -> Figure:
    drawing = new_figure(width, 0.8 + 0.19 * len(run))
    panel = drawing.add_subplot()
    places = range(len(run))
    panel.hlines(places, list(run.values()), list(best.values()), color=ink, alpha=0.35, linewidth=1)
    panel.plot(list(best.values()), places, "s", color=colour_of(1), markersize=4, label="its best baseline")
    panel.plot(list(run.values()), places, "o", color=colour_of(0), markersize=5, label="this run")
    panel.set_yticks(places, [shortened(series, 18) for series in run], fontsize=SMALL)
    panel.set_ylim(len(run) - 0.4, -0.6)
    if len(run) < in_all:
        panel.axhline(len(run) / 2 - 0.5, color=ink, alpha=0.5, linewidth=0.7, linestyle=DASHES)
    values = [value for value in (*run.values(), *best.values()) if math.isfinite(value) and value > 0]
    if values and max(values) > 50 * min(values):
        panel.set_xscale("log")
    panel.set_xlabel(inert(metric(name).words))
    ruled(panel, ink)
    drawing.legend(loc="outside upper center", ncols=2, frameon=False)
    return drawing


# ── coverage ──


def coverage_plot(diagnostics: Diagnostics, by_step: Sequence[Metrics]) -> Plot | None:
    """Plot the coverage of the run's intervals by step of the horizon and over time; None without intervals."""
    names = {level: f"coverage_{level}" for level in diagnostics.coverage}
    steps = {level: numbers([step.get(name) for step in by_step]) for level, name in names.items()}
    steps = {level: values for level, values in steps.items() if sum(map(math.isfinite, values)) > 1}
    over_time = {
        level: numbers(values) for level, values in diagnostics.coverage.items() if sum(map(_is_known, values)) > 1
    }
    if not steps and not over_time:
        return None
    words = []
    for courses, what in ((steps, "by step"), (over_time, "over time")):
        for level, values in courses.items():
            known = [value for value in values if math.isfinite(value)]
            words.append(f"of {level} % {what} from {100 * min(known):.0f} % to {100 * max(known):.0f} %")
    draw = partial(_draw_coverage, steps, over_time, moments(diagnostics.times))
    return Plot("coverage", draw, f"Coverage of the intervals {'; '.join(words)}.")


def _draw_coverage(
    steps: Mapping[str, Sequence[float]],
    over_time: Mapping[str, Sequence[float]],
    times: Moments,
    width: float,
    ink: str,
) -> Figure:
    courses = [(what, one) for what, one in (("step of the horizon", steps), ("", over_time)) if one]
    side_by_side = width >= WIDE and len(courses) > 1
    drawing = new_figure(width, 0.5 + 2.0 * (1 if side_by_side else len(courses)))
    shape = (1, len(courses)) if side_by_side else (len(courses), 1)
    lowest = min(value for _, one in courses for values in one.values() for value in values if math.isfinite(value))
    for number, (what, one) in enumerate(courses):
        panel = drawing.add_subplot(*shape, number + 1)
        for place, (level, values) in enumerate(one.items()):
            across = range(1, len(values) + 1) if what else times.places
            panel.plot(
                across,
                [100 * value for value in values],
                color=colour_of(place),
                marker=marker_of(place),
                markersize=3.5,
                linewidth=1.4,
                label=f"intervals of {level} %" if number == 0 else None,
            )
            panel.axhline(float(level), color=colour_of(place), linestyle=LEVEL, linewidth=1)
        panel.set_ylim(max(-2.0, min(100 * lowest - 5, 60)), 102)
        panel.set_ylabel("coverage in %" if number == 0 or not side_by_side else "")
        if what:
            panel.set_xlabel(what)
        else:
            label_times(panel, are_dates=times.are_dates, most=5 if side_by_side or width < WIDE else 8)
            panel.set_xlabel("time")
        ruled(panel, ink)
    drawing.legend(loc="outside upper center", ncols=2, frameon=False)
    return drawing


# ── residuals ──


def autocorrelation_plot(diagnostics: Diagnostics) -> Plot | None:
    """Plot the autocorrelation of the errors one step ahead, with the band of white noise; None if unknown."""
    values = diagnostics.autocorrelation
    if len(values) < 2:
        return None
    band = NORMAL / math.sqrt(max(1, diagnostics.residuals))
    lag = max(range(len(values)), key=lambda place: abs(values[place]))
    words = (
        f"Autocorrelation of the errors one step ahead, lags 1 to {len(values)}: largest {values[lag]:.2f} at lag "
        f"{lag + 1}; 95 % of white noise is within {band:.2f}."
    )
    return Plot("autocorrelation", partial(_draw_autocorrelation, values, band), words)


def _draw_autocorrelation(values: Sequence[float], band: float, width: float, ink: str) -> Figure:
    from matplotlib.ticker import MaxNLocator

    drawing = new_figure(width, 2.2)
    panel = drawing.add_subplot()
    lags = range(1, len(values) + 1)
    panel.axhspan(-band, band, color=ink, alpha=0.15, linewidth=0)
    panel.axhline(0, color=ink, linewidth=0.7)
    panel.vlines(lags, 0, values, color=FORECAST, linewidth=max(0.8, min(3.0, 250 * width / 6.5 / len(values) / 4)))
    panel.set_ylim(1.1 * min(-0.05, -2 * band, *values), 1.1 * max(0.05, 2 * band, *values))
    panel.set_xlim(0.2, len(values) + 0.8)
    panel.xaxis.set_major_locator(MaxNLocator(10 if width >= WIDE else 5, integer=True))
    panel.set_xlabel("lag in rows")
    panel.set_ylabel("autocorrelation")
    label_values(panel)
    ruled(panel, ink)
    return drawing


# ── the last windows ──


def fans_plot(fans: Sequence[Sequence[SeriesForecast]]) -> Plot | None:
    """Plot the forecasts of consecutive windows of a few series on one axis each, over the true values.

    Args:
        fans: for each series, its forecasts in order of time.
    """
    drawn = [windows for windows in fans if windows]
    if not drawn:
        return None
    words = " ".join(
        f"{windows[0].series}: forecasts from {len(windows)} origins, {windows[0].times[0]} to {windows[-1].times[-1]}."
        for windows in drawn
    )
    return Plot("fans", partial(_draw_fans, drawn), inert(words))


def _draw_fans(fans: Sequence[Sequence[SeriesForecast]], width: float, ink: str) -> Figure:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    drawing = new_figure(width, 0.5 + 1.75 * len(fans))
    for row, windows in enumerate(fans):
        panel = drawing.add_subplot(len(fans), 1, row + 1)
        are_dates = _draw_windows(panel, windows, ink)
        label_times(panel, are_dates=are_dates, most=7 if width >= WIDE else 4)
        label_values(panel)
        ruled(panel, ink)
        panel.set_title(shortened(windows[0].series), loc="left", fontsize="medium")
        panel.margins(x=0.01)
    levels = sorted({level for windows in fans for one in windows for level in one.intervals})
    handles = [
        Line2D([], [], color=ink, linewidth=0.9, label="true values"),
        Line2D([], [], color=FORECAST, linewidth=1.5, label="forecast"),
        *(
            Patch(color=FORECAST, alpha=1 - (1 - SHADE) ** above, linewidth=0, label=f"{level:g} % interval")
            for above, level in enumerate(reversed(levels), 1)
        ),
    ]
    drawing.legend(
        handles=handles, loc="outside upper center", ncols=len(handles) if width >= WIDE else 2, frameon=False
    )
    return drawing


def _draw_windows(panel: Axes, windows: Sequence[SeriesForecast], ink: str) -> bool:
    """Draw one series; return whether its times are dates."""
    first = windows[0]
    kept = min(len(first.history), HISTORY * len(first.point))
    times = [*first.history_times[len(first.history) - kept :], *(time for one in windows for time in one.times)]
    axis = moments(times)
    truth = [*first.history[len(first.history) - kept :], *(value for one in windows for value in one.actual)]
    if len(truth) == len(times):
        panel.plot(axis.places, numbers(truth), color=ink, linewidth=0.9, zorder=3)
    start = kept
    for one in windows:
        stop = start + len(one.point)
        places = axis.places[start:stop]
        mark = "o" if len(places) == 1 else None
        for level in sorted(one.intervals, reverse=True):
            low, high = (numbers(end) for end in one.intervals[level])
            if len(places) == 1:
                panel.vlines(places, low, high, color=FORECAST, alpha=SHADE, linewidth=4)
            panel.fill_between(places, low, high, color=FORECAST, alpha=SHADE, linewidth=0)
        panel.plot(places, numbers(one.point), color=FORECAST, linewidth=1.5, marker=mark, markersize=4, zorder=2)
        panel.axvline(places[0], color=ink, alpha=0.3, linewidth=0.7, linestyle=DASHES)
        start = stop
    return axis.are_dates


def _is_known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
