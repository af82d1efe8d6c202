"""The curves of one run: losses, validation and learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lstmctl.metrics.catalogue import has_unit_of_loss, metric
from lstmctl.reporting.console import inert
from lstmctl.reporting.drawing import SMALL, Plot, new_figure, ruled, shortened
from lstmctl.reporting.history import History
from lstmctl.reporting.palette import BLUE, GREEN, ORANGE
from lstmctl.reporting.quantities import figure, short_count, smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRETCH = 3.0
"""Minimum factor by which a few values stretch the range of all others to be left out of the frame."""
LONG = 40
"""Losses from which the first few may be left out of the frame."""
TRAINING, VALIDATION, LEARNING_RATE = BLUE, ORANGE, GREEN


def curve_plot(history: History) -> Plot | None:
    """Plot the curves of a run; None if it has none yet."""
    if not history.losses and not history.evaluations:
        return None
    words = [f"Curves over the {history.unit} seen."]
    if history.losses:
        words.append(f"Training loss from {figure(history.losses[0].loss)} to {figure(history.losses[-1].loss)}.")
    best, primary = history.best, history.primary
    if best is not None and primary is not None and primary in best.metrics:
        value = figure(best.metrics[primary])
        words.append(f"Best validation: {value} {metric(primary).words} at step {best.step:,}.")
    return Plot("curves", partial(_draw, history), " ".join(words))


def _draw(history: History, width: float, ink: str) -> Figure:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    primary = history.primary
    shared = primary is None or has_unit_of_loss(primary, history.loss)
    heights = [3.0, 1.0] if shared else [2.4, 2.4, 1.0]
    drawing = new_figure(width, sum(heights) + 0.4)
    grid = drawing.add_gridspec(len(heights), 1, height_ratios=heights)
    panels: list[Axes] = []
    for row in range(len(heights)):
        panels.append(drawing.add_subplot(grid[row], sharex=panels[0] if panels else None))
    _training_loss(panels[0], history)
    _validation(panels[0 if shared else 1], history)
    _learning_rate(panels[-1], history)
    training = [(point.units, point.loss) for point in history.losses]
    name = primary or ""
    validation = [(point.units, point.metrics[name]) for point in history.evaluations if name in point.metrics]
    if shared:
        _keep_in_frame(panels[0], {"training": training, "validation": validation}, ink)
    else:
        _keep_in_frame(panels[0], {"training": training}, ink)
        _keep_in_frame(panels[1], {"validation": validation}, ink)
    loss_name = "loss" if history.loss is None else f"loss ({shortened(history.loss)})"
    loss_unit = inert(metric(primary).words) if primary is not None and shared else loss_name
    panels[0].set_ylabel(loss_unit)
    if not shared and primary is not None:
        panels[1].set_ylabel(inert(metric(primary).words))
    for panel in panels:
        ruled(panel, ink)
        panel.tick_params(labelbottom=panel is panels[-1])
        if panel.get_legend_handles_labels()[0]:
            panel.legend(frameon=False, loc="best")
    panels[-1].set_ylabel("learning rate" if width > 4.5 else "rate")
    panels[-1].set_xlabel(f"{shortened(history.unit)} seen")
    panels[-1].set_xlim(left=0)
    panels[-1].set_ylim(bottom=0)
    panels[-1].yaxis.set_major_locator(MaxNLocator(3))
    panels[-1].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panels[-1].xaxis.set_major_locator(MaxNLocator(6 if width > 4.5 else 3))
    panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
    drawing.align_ylabels(panels)
    return drawing


def _training_loss(panel: Axes, history: History) -> None:
    if not history.losses:
        return
    units = [point.units for point in history.losses]
    losses = [point.loss for point in history.losses]
    panel.plot(units, losses, color=TRAINING, alpha=0.4, linewidth=0.8, marker="." if len(units) == 1 else None)
    # Over a few hundredths of the run: enough to smooth the noise, too little to lose the bend at the start. Forwards
    # and backwards, so that the line does not lag.
    memory = len(losses) / 80
    backwards = smoothed(losses[::-1], memory)[::-1]
    means = [(before + after) / 2 for before, after in zip(smoothed(losses, memory), backwards, strict=True)]
    panel.plot(units, means, color=TRAINING, linewidth=1.6, label="training, smoothed")


def spikes(values: Sequence[float]) -> set[int]:
    """Return the positions of a few values, at most a twentieth, without which the range of values would be less than a
    third. The first value is never one of them, since curves often start far from the rest."""
    finite = [place for place, value in enumerate(values) if math.isfinite(value)]
    order = sorted(finite, key=lambda place: -values[place])
    most = max(1, len(order) // 20)
    low = min((values[place] for place in finite), default=0.0)
    for count in range(min(most, len(order) - 2), 0, -1):
        rest = values[order[count]] - low
        if 0 not in order[:count] and rest > 0 and values[order[count - 1]] - low > STRETCH * rest:
            return set(order[:count])
    return set()


def _keep_in_frame(panel: Axes, curves: Mapping[str, Sequence[tuple[int, float]]], ink: str) -> None:
    """Limit a panel to the usual range of its curves: without the first few losses of a long run, which would flatten
    the rest, and without spikes, which are named instead.

    Args:
        curves: for each name the units seen and the value at every point.
    """
    every = [value for points in curves.values() for _, value in points if math.isfinite(value)]
    if not every:
        return
    low, tops, named = min(every), [], []
    for name, points in curves.items():
        values = [value for _, value in points]
        out = spikes(values)
        kept = sorted(value for place, value in enumerate(values) if place not in out and math.isfinite(value))
        if not kept:
            continue
        is_long = name == "training" and len(kept) >= LONG
        tops.append(kept[math.ceil(0.99 * (len(kept) - 1))] if is_long else kept[-1])
        if out:
            highest = max(out, key=lambda place: values[place])
            named.append(f"{name} {figure(values[highest])} at {short_count(points[highest][0])}")
    high = max(tops, default=low)
    if max(every) - low > 1.5 * (high - low) > 0:
        panel.set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
        if named:
            words = "above the frame: " + ", ".join(named)
            panel.set_title(words, fontsize=SMALL, loc="right", color=ink)


def _validation(panel: Axes, history: History) -> None:
    name = history.primary
    points = [point for point in history.evaluations if name in point.metrics]
    if name is None or not points:
        return
    units = [point.units for point in points]
    values = [point.metrics[name] for point in points]
    panel.plot(units, values, color=VALIDATION, linewidth=1.4, marker="o", markersize=3.5, label="validation")
    best = history.best
    if best is not None and name in best.metrics:
        label = f"best: {figure(best.metrics[name])} at step {best.step:,}"
        style: dict[str, Any] = {"linestyle": "none", "marker": "*", "markersize": 12, "zorder": 5}
        panel.plot([best.units], [best.metrics[name]], color=VALIDATION, label=label, **style)


def _learning_rate(panel: Axes, history: History) -> None:
    units = [point.units for point in history.losses]
    rates = [point.learning_rate for point in history.losses]
    panel.plot(units, rates, color=LEARNING_RATE, linewidth=1.2, marker="." if len(units) == 1 else None)
