"""The plot of a sweep: the score of each arm over the values of the setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lstmctl.metrics import SOLVED, metric
from lstmctl.reporting.comparison_plots import rows_of_names
from lstmctl.reporting.comparison_words import DIVERGED, better_words, fixed, on_part, primary_words
from lstmctl.reporting.drawing import (
    SMALL,
    WIDE,
    Plot,
    label_powers,
    legend_columns,
    legend_name,
    new_figure,
    ruled,
    shortened,
)
from lstmctl.reporting.palette import LEVEL, SOLVED_LEVEL, colour_of, line_of, marker_of
from lstmctl.reporting.quantities import short_count
from lstmctl.reporting.sweep_words import CHANCE, arm_names, cell_words, level, places, value_name
from lstmctl.results.comparison import ArmResult, Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BUDGET = "training.budget"
SPREAD_TO_SQUEEZE = 8.0
"""Values that span more than this factor are on a logarithmic axis."""
FIGURES_TO_SQUEEZE = 30.0
"""The same for scores, if none is zero and lower is better; otherwise zero has no special role on the scale."""
BESIDE = 0.014
"""Distance between the intervals of neighbouring arms, as a share of the axis, so that they do not overlap."""
BEYOND = 0.2
"""Share of the range of all scores by which intervals may extend the view. Intervals of few seeds are wide, and the
scores themselves matter more."""
LEVEL_LINES = {CHANCE: LEVEL, SOLVED: SOLVED_LEVEL}
APART = 0.075
"""Minimum distance between the names of two levels, as a share of the axis."""
NAMES_INCHES = {True: 5.2, False: 2.4}
"""Length of the axis of values in inches, wide and narrow: the space for its tick labels."""


def sweep_plot(sweep: Sweep) -> Plot:
    """Plot the primary metric of every arm over the values of the setting."""
    shown = places(sweep)
    first = sweep.comparisons[0]
    rows = []
    for value, comparison in zip(sweep.values, sweep.comparisons, strict=True):
        arms = [f"{arm.name} {cell_words(comparison, arm, shown)}" for arm in comparison.arms]
        rows.append(f"at {value_name(value)} {', '.join(arms)}")
    levels = [f"{name} {fixed(found, shown)}" for name in LEVEL_LINES if (found := level(first, name)) is not None]
    return Plot(
        "sweep",
        partial(_draw_sweep, sweep),
        f"{on_part(first)} over {sweep.key}, {better_words(first)}: {'; '.join([*rows, *levels])}.",
        "One line per arm through its means; each small dot is a seed, each bar the interval of a mean. The interval "
        "shows how far the mean would move with other seeds; a bar without a cap extends beyond the view.",
    )


def _draw_sweep(sweep: Sweep, width: float, ink: str) -> Figure:
    """Draw one line per arm over the values, with its intervals, a small dot for every seed, and levels for
    comparison."""
    names = [legend_name(shortened(name)) for name in arm_names(sweep)]
    columns = legend_columns(names, width)
    drawing = new_figure(width, 3.3 + 0.19 * math.ceil(len(names) / columns))
    panel = drawing.add_subplot()
    numeric = _numbers(sweep)
    positions = [float(place) for place in range(len(sweep.values))] if numeric is None else numeric
    in_powers = _spans(positions, SPREAD_TO_SQUEEZE) and numeric is not None
    if in_powers:
        panel.set_xscale("log")
    if _figures_in_powers(sweep):
        panel.set_yscale("log")
    bottom, top = _limit_view(panel, sweep)
    beside = _beside(positions, len(names), in_powers=in_powers)
    for number, name in enumerate(names):
        own = [beside(position, number) for position in positions]
        arms = [comparison.arms[number] for comparison in sweep.comparisons]
        _draw_arm(panel, number, name, own, arms, joined=numeric is not None, bottom=bottom, top=top)
    lost = _draw_losses(panel, sweep, positions, beside)
    _draw_levels(panel, sweep, positions, ink)
    _name_values(panel, sweep, positions, width, in_powers=in_powers)
    note = f"\ncross: every seed {DIVERGED}" if lost else ""
    panel.set_xlabel(f"{_key_words(sweep)}{note}")
    panel.set_ylabel(f"{primary_words(sweep.comparisons[0])}, {sweep.comparisons[0].split}")
    if panel.get_yscale() == "log":
        label_powers(panel)
    ruled(panel, ink)
    handles, labels = panel.get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False, handlelength=3)
    return drawing


def _numbers(sweep: Sweep) -> list[float] | None:
    """Positions of the values on an axis; None if they are not numbers."""
    if sweep.key == BUDGET:
        return [float(comparison.units) for comparison in sweep.comparisons]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in sweep.values):
        return [float(value) for value in sweep.values]
    return None


def _key_words(sweep: Sweep) -> str:
    return f"{sweep.key}, {sweep.comparisons[0].unit}" if sweep.key == BUDGET else sweep.key


def _spans(values: Sequence[float], factor: float) -> bool:
    return min(values) > 0 and max(values) > factor * min(values)


def _all_figures(sweep: Sweep) -> list[float]:
    """Scores of every seed, and the levels, which must all be in view."""
    found = [value for comparison in sweep.comparisons for arm in comparison.arms for value in arm.values]
    found += [level(comparison, name) for comparison in sweep.comparisons for name in LEVEL_LINES]
    return [value for value in found if value is not None and math.isfinite(value)] or [0.0, 1.0]


def _figures_in_powers(sweep: Sweep) -> bool:
    return metric(sweep.comparisons[0].primary).sign > 0 and _spans(_all_figures(sweep), FIGURES_TO_SQUEEZE)


def _limit_view(panel: Axes, sweep: Sweep) -> tuple[float, float]:
    """Set the limits of the axis of scores: all scores, and as much of the intervals as leaves room for them."""
    to, back = (math.log10, lambda x: 10.0**x) if panel.get_yscale() == "log" else (float, float)
    figures = [to(value) for value in _all_figures(sweep)]
    low, high = min(figures), max(figures)
    span = high - low or abs(high) or 1.0
    arms = [arm for comparison in sweep.comparisons for arm in comparison.arms]
    lows = [arm.low for arm in arms if arm.low is not None]
    highs = [arm.high for arm in arms if arm.high is not None]
    below = [to(end) if end > 0 or to is float else low - span for end in lows]
    least = max(low - BEYOND * span, min([low, *below]))
    most = min(high + BEYOND * span, max([high, *map(to, (end for end in highs if end > 0 or to is float))]))
    margin = 0.05 * (most - least or span)
    ends = back(least - margin), back(most + margin)
    panel.set_ylim(*ends)
    return ends


def _beside(positions: Sequence[float], arms: int, *, in_powers: bool) -> Callable[[float, int], float]:
    """Position of an arm at a value; arms are slightly offset from each other."""
    to, back = (math.log10, lambda x: 10.0**x) if in_powers else (float, float)
    span = to(max(positions)) - to(min(positions)) or 1.0

    def place(position: float, number: int) -> float:
        return back(to(position) + BESIDE * span * (number - (arms - 1) / 2))

    return place


def _draw_arm(
    panel: Axes,
    number: int,
    name: str,
    positions: Sequence[float],
    arms: Sequence[ArmResult],
    *,
    joined: bool,
    bottom: float,
    top: float,
) -> None:
    colour = colour_of(number)
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    means = [math.nan if (mean := arms[index].mean) is None else mean for index in order]
    panel.plot(
        [positions[index] for index in order],
        means,
        color=colour,
        linewidth=1.6,
        linestyle=line_of(number) if joined else "none",
        marker=marker_of(number),
        markersize=5,
        label=name,
    )
    for position, arm in zip(positions, arms, strict=True):
        values = [value for value in arm.values if value is not None]
        if len(arm.values) > 1:
            panel.plot([position] * len(values), values, color=colour, alpha=0.5, marker=".", linestyle="none", ms=4)
        if arm.low is None or arm.high is None:
            continue
        low, high = max(arm.low, bottom), min(arm.high, top)
        panel.plot([position, position], [low, high], color=colour, linewidth=1.2, alpha=0.8)
        # An end outside the view has no cap: the line continues.
        ends = [end for end in (arm.low, arm.high) if bottom < end < top]
        panel.plot([position] * len(ends), ends, color=colour, marker="_", markersize=7, linestyle="none")


def _draw_losses(panel: Axes, sweep: Sweep, positions: Sequence[float], beside: Callable[[float, int], float]) -> bool:
    """Draw a cross at the worst end of the axis for arms without a score at a value; return True if there are any."""
    worst = 0.98 if metric(sweep.comparisons[0].primary).sign > 0 else 0.02
    lost = False
    for position, comparison in zip(positions, sweep.comparisons, strict=True):
        for number, arm in enumerate(comparison.arms):
            if arm.mean is None:
                lost = True
                panel.plot(
                    [beside(position, number)],
                    [worst],
                    transform=panel.get_xaxis_transform(),
                    color=colour_of(number),
                    marker="x",
                    markersize=6,
                    linestyle="none",
                )
    return lost


def _draw_levels(panel: Axes, sweep: Sweep, positions: Sequence[float], ink: str) -> None:
    """Draw chance and the level that counts as solved, labelled at the side of the panel, where no curve runs."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    named: list[tuple[float, str]] = []
    for name, style in LEVEL_LINES.items():
        found = [level(sweep.comparisons[index], name) for index in order]
        known = [(positions[index], value) for index, value in zip(order, found, strict=True) if value is not None]
        if not known:
            continue
        heights = [height for _, height in known]
        if len(set(heights)) == 1:
            panel.axhline(heights[0], color=ink, alpha=0.6, linewidth=0.9, linestyle=style)
        else:
            panel.plot([place for place, _ in known], heights, color=ink, alpha=0.6, linewidth=0.9, linestyle=style)
        named.append((heights[-1], f"{name}\n{heights[-1]:.3g}"))
    to_share = panel.transData + panel.transAxes.inverted()
    shares = sorted((float(to_share.transform((positions[0], height))[1]), words) for height, words in named)
    if len(shares) == 2 and (lacking := 2 * APART - (shares[1][0] - shares[0][0])) > 0:
        (low, first), (high, second) = shares
        shares = [(low - lacking / 2, first), (high + lacking / 2, second)]
    for share, words in shares:
        panel.annotate(
            words,
            (1.0, share),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            annotation_clip=False,
        )


def _name_values(panel: Axes, sweep: Sweep, positions: Sequence[float], width: float, *, in_powers: bool) -> None:
    """Draw a tick at every value with its label below, in a second row if it would overlap its neighbour."""
    from matplotlib.ticker import NullLocator

    order = sorted(range(len(positions)), key=lambda index: positions[index])
    names = [
        short_count(positions[index]) if sweep.key == BUDGET else shortened(value_name(sweep.values[index]))
        for index in order
    ]
    places = [positions[index] for index in order]
    measured = [math.log10(place) for place in places] if in_powers else places
    span = measured[-1] - measured[0] or 1.0
    rows = rows_of_names(list(zip(names, measured, strict=True)), span / NAMES_INCHES[width >= WIDE])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xticks(places, ["\n" * row + name for name, row in zip(names, rows, strict=True)], fontsize=SMALL)
    margin = 0.05 * span
    ends = measured[0] - margin, measured[-1] + margin
    panel.set_xlim(*((10.0**end for end in ends) if in_powers else ends))
