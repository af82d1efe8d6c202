"""Plots of a comparison: learning curves, final scores, and differences between arms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING, Literal

from lstmctl.metrics import metric
from lstmctl.reporting.comparison_words import (
    DIVERGED,
    baselines,
    better_words,
    data_kind,
    decimals,
    difference_words,
    fixed,
    is_decided,
    mean_words,
    not_comparable,
    on_part,
    percent,
    primary_words,
    these,
)
from lstmctl.reporting.drawing import SMALL, WIDE, Plot, legend_columns, legend_name, new_figure, ruled, shortened
from lstmctl.reporting.palette import BLUE, LEVEL, colour_of, line_of, marker_of
from lstmctl.reporting.quantities import short_count
from lstmctl.results.comparison import ArmResult, Comparison, CurvePoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SQUEEZED = 5.0
"""If one arm trains this many times longer than another, the axis is logarithmic."""
FARTHEST = 3.0
"""A baseline that would shrink the arms' own range below one part in this many is named instead of drawn."""
LETTER = 0.062
"""Average width of a small letter in inches."""
BELOW_A_PANEL = 38
"""Characters of a line under one of two panels."""
OTHERS = {"corpus": "corpora", "series": "series", "sequences": "sequences"}
ON_THE_WAY = {
    "corpus": "During training, the validation part is read in several lanes at once, so these values differ slightly "
    "from the final ones.",
    "series": "During training, only the windows that select the weights are scored, before intervals are calibrated, "
    "so these values differ slightly from the final ones.",
    "sequences": "During training, only the first one or two thousand sequences of the validation part are scored, "
    "so these values may differ slightly from the final ones.",
}
"""Notes on the scores along a learning curve, by the kind of data."""


def comparison_plots(comparison: Comparison) -> dict[str, Plot]:
    """Return the plots of a comparison that have content, by name."""
    plots = (curves_plot(comparison), metric_plot(comparison), differences_plot(comparison))
    return {plot.name: plot for plot in plots if plot is not None}


# ── learning curves ──


def curves_plot(comparison: Comparison) -> Plot | None:
    """Plot the learning curves of every arm, over the data seen and over time."""
    if not any(run.curve for arm in comparison.arms for run in arm.runs):
        return None
    places = decimals(comparison)
    ends = [
        f"{arm.name} ends at {fixed(mean[-1].value, places)}" if (mean := arm.curve) else f"{arm.name} diverged"
        for arm in comparison.arms
    ]
    return Plot(
        "curves",
        partial(_draw_curves, comparison),
        f"Learning curves on validation in {primary_words(comparison)}, over {comparison.unit} seen and over training "
        f"time: {'; '.join(ends)}.",
        "The mean over seeds as a thick line, each seed as a thin one. "
        f"{ON_THE_WAY[data_kind(comparison)]} The steep beginning is left out if it would flatten the "
        "rest.",
    )


def _draw_curves(comparison: Comparison, width: float, ink: str) -> Figure:
    beside = width >= WIDE
    columns = legend_columns([_name(arm) for arm in comparison.arms], width)
    legend = 0.19 * math.ceil(len(comparison.arms) / columns)
    drawing = new_figure(width, legend + (3.1 if beside else 5.3))
    by_units, by_time = drawing.subplots(*((1, 2) if beside else (2, 1)), sharey=True)
    longest = max(point.seconds for arm in comparison.arms for run in arm.runs for point in run.curve)
    unit, seconds = ("s", 1.0) if longest < 600 else ("min", 60.0) if longest < 10_800 else ("h", 3600.0)
    _curves_panel(by_units, comparison, ink, lambda point: point.units)
    _curves_panel(by_time, comparison, ink, lambda point: point.seconds / seconds)
    _limit_view(by_units, comparison)
    named = _baseline_lines(by_units, comparison, ink)
    drawing.set_figheight(drawing.get_figheight() + 0.15 * named.count("\n"))
    _level_line(by_time, comparison, ink, seconds)
    by_units.set_xlabel(f"{comparison.unit} seen{named}")
    reason = f" ({not_comparable(comparison)})".replace(": ", ":\n") if not_comparable(comparison) else ""
    by_time.set_xlabel(f"training time in {unit}{reason}" + _level_note(comparison))
    for panel in (by_units, *(() if beside else (by_time,))):
        panel.set_ylabel(f"{primary_words(comparison)}, validation")
    handles, labels = by_units.get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False, handlelength=3)
    return drawing


def _curves_panel(panel: Axes, comparison: Comparison, ink: str, place: Callable[[CurvePoint], float]) -> None:
    """One line per arm over `place`, its seeds as thin lines behind it, and a cross where a run diverged."""
    ends = []
    for number, arm in enumerate(comparison.arms):
        colour = colour_of(number)
        mean = arm.curve
        for run in arm.runs:
            points = _finite(run.curve)
            if len(arm.runs) > 1 or run.status == DIVERGED:
                panel.plot(*_line(points, place), color=colour, linewidth=0.7, alpha=0.4)
            if run.status == DIVERGED and points:
                panel.plot(*_line(points[-1:], place), color=colour, marker="x", markersize=6, linestyle="none")
        every = max(1, len(mean) // 6)
        panel.plot(
            *_line(mean, place),
            color=colour,
            linewidth=1.6,
            linestyle=line_of(number),
            marker=marker_of(number),
            markersize=4,
            markevery=(number % every, every),
            label=_name(arm),
        )
        ends += [place(mean[-1])] if mean and place(mean[-1]) > 0 else []
    ruled(panel, ink)
    _scale(panel, ends)


def _scale(panel: Axes, ends: Sequence[float]) -> None:
    """An axis from zero, or a logarithmic one if zero would squeeze an arm into the first part."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if ends and max(ends) > SQUEEZED * min(ends):
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=8))
        panel.xaxis.set_minor_formatter(NullFormatter())
    else:
        panel.set_xlim(left=0)
        panel.xaxis.set_major_locator(MaxNLocator(4))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value < 10 else short_count(value)))


def _limit_view(panel: Axes, comparison: Comparison) -> None:
    """Leave out the steep beginning if it would flatten everything after it.

    The view begins at the worst arm's score after a tenth of its training.
    """
    means = [mean for arm in comparison.arms if (mean := arm.curve)]
    if not means:
        return
    sign = metric(comparison.primary).sign
    runs = [run.curve for arm in comparison.arms for run in arm.runs if run.status != DIVERGED]
    badness = [sign * point.value for curve in runs for point in _finite(curve)]
    best, worst = min(badness), max(badness)
    tenth = max(sign * next(p.value for p in mean if p.units >= 0.1 * mean[-1].units) for mean in means)
    if worst - best > 1.5 * (tenth - best) > 0:
        worst = tenth
    margin = 0.06 * (worst - best or abs(best) or 1.0)
    ends = sign * (best - margin), sign * (worst + margin)
    panel.set_ylim(min(ends), max(ends))


def _baseline_lines(panel: Axes, comparison: Comparison, ink: str) -> str:
    """Draw the baselines that are within the view; return their names and values if there are several to be named.

    A single one is named on its line. Several names would cover each other's lines, so they go below.
    """
    low, high = panel.get_ylim()
    places = decimals(comparison)
    inside = sorted((value, f"{shortened(name)} {fixed(value, places)}") for name, value in baselines(comparison))
    inside = [(value, words) for value, words in inside if low < value < high]
    for value, _ in inside:
        panel.axhline(value, color=ink, alpha=0.6, linewidth=0.9, linestyle=LEVEL)
    if len(inside) == 1:
        # There is more room for a label on the left, where the curves differ most.
        _inside(panel, f"{inside[0][1]} ({comparison.split})", inside[0][0], side="left")
    if len(inside) < 2:
        return ""
    # Non-breaking spaces keep a name and its value on one line.
    named = ", ".join(words.replace(" ", "\xa0") for _, words in inside)
    lines = wrap(f"dotted, {comparison.split}: {named}", BELOW_A_PANEL)
    return "".join(f"\n{line}" for line in lines).replace("\xa0", " ")


def _level_line(panel: Axes, comparison: Comparison, ink: str, seconds: float) -> None:
    """Draw the level that time is measured to, and each arm's mean time to it."""
    low, high = panel.get_ylim()
    if comparison.level is None or not low < comparison.level < high or not _level_note(comparison):
        return
    panel.axhline(comparison.level, color=ink, alpha=0.45, linewidth=0.7)
    for number, arm in enumerate(comparison.arms):
        if arm.seconds_to_level is not None:
            panel.plot(
                [arm.seconds_to_level / seconds],
                [comparison.level],
                color=colour_of(number),
                marker=marker_of(number),
                markersize=8,
                markerfacecolor="none",
                markeredgewidth=1.3,
                linestyle="none",
            )


def _level_note(comparison: Comparison) -> str:
    """Explain the marks on the level, if any arm has one."""
    if comparison.level is None or all(arm.seconds_to_level is None for arm in comparison.arms):
        return ""
    return f"\nlarge open marks: time to {fixed(comparison.level, decimals(comparison))}"


def _inside(
    panel: Axes, words: str, height: float, *, above: bool = True, side: Literal["left", "right"] = "right"
) -> None:
    """Text at one side, on or under a line."""
    panel.annotate(
        words,
        (0.0 if side == "left" else 1.0, height),
        xycoords=panel.get_yaxis_transform(),
        xytext=(3 if side == "left" else -2, 2 if above else -2),
        textcoords="offset points",
        ha=side,
        va="bottom" if above else "top",
        fontsize=SMALL,
    )


# ── the primary metric ──


def metric_plot(comparison: Comparison) -> Plot | None:
    """Plot the primary metric of every run, with the interval of each arm's mean."""
    if all(arm.mean is None for arm in comparison.arms):
        return None
    places = decimals(comparison)
    arms = [f"{arm.name} {mean_words(arm, places)}" for arm in comparison.arms]
    return Plot(
        "figures",
        partial(_draw_metric, comparison),
        f"{on_part(comparison)}: {'; '.join(arms)}.",
        "Each dot is a run, each bar the interval of its arm's mean. The interval shows how far the mean would move "
        f"with other seeds, on {these(comparison)} and with these settings; it says nothing about other "
        f"{OTHERS[data_kind(comparison)]}.",
    )


def _draw_metric(comparison: Comparison, width: float, ink: str) -> Figure:
    drawing, panel = _rows(width, len(comparison.arms), 0.36)
    left, right = _range_of_arms(comparison)
    for number, arm in enumerate(comparison.arms):
        colour = colour_of(number)
        values = [value for value in arm.values if value is not None]
        panel.plot(values, [number + 0.2] * len(values), color=colour, alpha=0.7, marker=".", linestyle="none")
        if arm.mean is not None:
            marker = marker_of(number)
            _interval(panel, arm.mean, arm.low, arm.high, number - 0.14, colour, marker, filled=True)
    places = decimals(comparison)
    levels = sorted(baselines(comparison), key=lambda pair: pair[1])
    reaches = {name: max(right, value) - min(left, value) for name, value in levels}
    near = [(name, value) for name, value in levels if reaches[name] <= FARTHEST * (right - left)]
    outside = [f"{shortened(name)} {fixed(value, places)}" for name, value in levels if (name, value) not in near]
    for _, value in near:
        panel.axvline(value, color=ink, alpha=0.6, linewidth=0.9, linestyle=LEVEL)
    names = [(shortened(name), value) for name, value in near]
    span = max([right, *(value for _, value in near)]) - min([left, *(value for _, value in near)])
    room = width - 0.5 - 0.075 * max(len(_name(arm)) for arm in comparison.arms)
    for (name, value), row in zip(names, rows_of_names(names, span / max(room, 1.0)), strict=True):
        panel.annotate(
            name,
            (value, 1.0),
            xycoords=panel.get_xaxis_transform(),
            xytext=(0, 2 + 10 * row),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=SMALL,
        )
    panel.margins(x=0.08)
    panel.set_yticks(range(len(comparison.arms)), [_name_and_losses(arm) for arm in comparison.arms])
    lines = [f"{primary_words(comparison)}, {comparison.split} part", f"({better_words(comparison)})"]
    _below(drawing, width, [*lines, *_wrapped("not in view: ", outside, width)])
    ruled(panel, ink, "x")
    return drawing


def rows_of_names(names: Sequence[tuple[str, float]], inch: float) -> list[int]:
    """For labels centred at ascending values, return the lowest rows in which none overlaps another.

    Args:
        inch: length of an inch on the axis.
    """
    ends: list[float] = []
    rows = []
    for name, value in names:
        half = 0.5 * inch * (LETTER * len(name) + 0.1)
        row = next((row for row, end in enumerate(ends) if end <= value - half), len(ends))
        ends[row:] = [value + half] if row == len(ends) else [value + half, *ends[row + 1 :]]
        rows.append(row)
    return rows


def _range_of_arms(comparison: Comparison) -> tuple[float, float]:
    ends = [
        value
        for arm in comparison.arms
        for value in (*arm.values, arm.low, arm.high)
        if value is not None and math.isfinite(value)
    ]
    left, right = min(ends), max(ends)
    # One arm with one seed has no range; a tenth of its value is used instead.
    return (left, right) if right > left else (left - 0.05 * abs(left), right + 0.05 * abs(right))


# ── differences ──


def differences_plot(comparison: Comparison) -> Plot | None:
    """Plot the difference of every two arms with its interval."""
    if all(test.difference is None for test in comparison.tests):
        return None
    places = decimals(comparison)
    pairs = [f"{test.a} minus {test.b} {difference_words(test, places)}" for test in comparison.tests]
    return Plot(
        "differences",
        partial(_draw_differences, comparison),
        f"Differences in {primary_words(comparison)}: {'; '.join(pairs)}.",
        "Filled marks are differences that were shown. Empty ones leave open which arm is better, which does not mean "
        "that they are equal.",
    )


def _draw_differences(comparison: Comparison, width: float, ink: str) -> Figure:
    names = [(shortened(test.a), shortened(test.b)) for test in comparison.tests]
    folded = max(len(a) + len(b) for a, b in names) > (24 if width >= WIDE else 12)
    drawing, panel = _rows(width, len(names), 0.42 if folded else 0.3)
    panel.axvline(0, color=ink, linewidth=0.9)
    for number, test in enumerate(comparison.tests):
        if test.difference is None:
            _inside(panel, DIVERGED, number)
            continue
        decided = is_decided(comparison, test)
        _interval(panel, test.difference, test.low, test.high, number, BLUE, "o", filled=decided)
    panel.margins(x=0.08)
    panel.set_yticks(range(len(names)), [f"{a}{chr(10) if folded else ' '}− {b}" for a, b in names])
    first, second = ("first", "second") if metric(comparison.primary).sign > 0 else ("second", "first")
    sides = f"← the {first} is better · the {second} is better →"
    interval = f"({percent(comparison.confidence)} interval)"
    _below(drawing, width, [f"difference in {primary_words(comparison)}", interval, sides])
    ruled(panel, ink, "x")
    return drawing


# ── what they share ──


def _rows(width: float, count: int, height: float) -> tuple[Figure, Axes]:
    """An empty panel with a row for each of `count`, the first at the top."""
    from matplotlib.ticker import MaxNLocator

    drawing = new_figure(width, height * count + 1.0)
    panel = drawing.add_subplot()
    panel.set_ylim(count - 0.45, -0.55)
    panel.tick_params(axis="y", length=0)
    panel.xaxis.set_major_locator(MaxNLocator(6 if width >= WIDE else 4))
    return drawing, panel


def _below(drawing: Figure, width: float, words: Sequence[str]) -> None:
    """Write the name and unit of the axis, then further remarks; centred under the whole figure, half of which may be
    needed for names.

    The first two share a line if there is room.
    """
    first, second, *others = words
    name = f"{first} {second}" if width >= WIDE else f"{first}\n{second}"
    drawing.supxlabel("\n".join([name, *others]), fontsize="medium")


def _interval(
    panel: Axes,
    value: float,
    low: float | None,
    high: float | None,
    row: float,
    colour: str,
    marker: str,
    *,
    filled: bool,
) -> None:
    """A value with its interval as a bar, if it has one."""
    if low is not None and high is not None:
        panel.plot([low, high], [row, row], color=colour, linewidth=1.6, marker="|", markersize=6)
    panel.plot(
        [value],
        [row],
        color=colour,
        marker=marker,
        markersize=6,
        markerfacecolor=colour if filled else "none",
        linestyle="none",
    )


def _line(points: Iterable[CurvePoint], place: Callable[[CurvePoint], float]) -> tuple[list[float], list[float]]:
    points = list(points)
    return [place(point) for point in points], [point.value for point in points]


def _finite(curve: Iterable[CurvePoint]) -> list[CurvePoint]:
    return [point for point in curve if math.isfinite(point.value)]


def _name(arm: ArmResult) -> str:
    """An arm's name for a legend."""
    return legend_name(shortened(arm.name) + (f" ({DIVERGED})" if arm.mean is None else ""))


def _name_and_losses(arm: ArmResult) -> str:
    lost = sum(value is None for value in arm.values)
    return _name(arm) + (f"\n{lost} of {len(arm.values)} {DIVERGED}" if 0 < lost < len(arm.values) else "")


def _wrapped(opening: str, words: Sequence[str], width: float) -> list[str]:
    """Return `words` after `opening`, on one line of the figure's width or on one line each."""
    line = opening + ", ".join(words)
    if not words:
        return []
    return [line] if len(line) < 15 * width else [opening.strip(), *words]
