"""The curves of one run: losses, validation and learning rate."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from lstmctl.metrics.catalogue import has_unit_of_loss, metric
from lstmctl.reporting.console import inert
from lstmctl.reporting.drawing import Plot, new_figure, ruled, shortened
from lstmctl.reporting.history import History
from lstmctl.reporting.palette import BLUE, GREEN, ORANGE
from lstmctl.reporting.quantities import figure, short_count, smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    _leave_out_start(
        panel, losses, [point.metrics.get(history.primary or "", -math.inf) for point in history.evaluations]
    )


def _leave_out_start(panel: Axes, losses: list[float], validation: list[float]) -> None:
    """Let the axis begin below the first losses of a long run, which would flatten all others."""
    ordered = sorted(losses)
    if len(ordered) < 40:
        return
    low, high = ordered[0], max([ordered[math.ceil(0.99 * (len(ordered) - 1))], *validation])
    if ordered[-1] - low > 1.5 * (high - low) > 0:
        low = min([low, *(value for value in validation if math.isfinite(value))])
        panel.set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))


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
