"""Plots of length generalisation: a metric by the length of the test sequences, compared with chance."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from lstmctl.metrics import metric
from lstmctl.reporting.console import inert
from lstmctl.reporting.drawing import Plot, legend_name, new_figure, ruled
from lstmctl.reporting.palette import colour_of, line_of, marker_of
from lstmctl.reporting.time_axis import label_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Courses = Mapping[str, Mapping[int, float]]
"""By name of a model, the metric by length."""


def length_plot(courses: Courses, name: str, levels: Mapping[str, float]) -> Plot | None:
    """Plot a metric over the length, for each model.

    Args:
        courses: the same lengths for each model, the shortest of them the longest of training.
        name: the metric.
        levels: lines to compare with, such as chance.

    Returns:
        None if there are fewer than two lengths.
    """
    lengths = sorted({length for course in courses.values() for length in course})
    if len(lengths) < 2:
        return None
    ends = [f"{model} from {course[min(course)]:.3f} to {course[max(course)]:.3f}" for model, course in courses.items()]
    words = (
        f"{metric(name).words} by length, from {lengths[0]:,} (the longest in training) to {lengths[-1]:,}: "
        f"{'; '.join(ends)}; {', '.join(f'{level} {value:.3f}' for level, value in levels.items())}."
    )
    return Plot("lengths", partial(_draw, courses, name, levels, lengths), words)


def _draw(
    courses: Courses, name: str, levels: Mapping[str, float], lengths: list[int], width: float, ink: str
) -> Figure:
    columns = max(1, min(len(courses), int(width / 1.6)))
    drawing = new_figure(width, 2.7 + 0.19 * -(-len(courses) // columns))
    panel = drawing.add_subplot()
    for number, (model, course) in enumerate(courses.items()):
        panel.plot(
            list(course),
            list(course.values()),
            color=colour_of(number),
            linestyle=line_of(number),
            marker=marker_of(number),
            markersize=4,
            label=legend_name(model),
        )
    for level, value in levels.items():
        panel.axhline(value, color=ink, alpha=0.45, linewidth=0.7)
        panel.annotate(inert(level), (lengths[-1], value), color=ink, alpha=0.7, ha="right", va="bottom", fontsize=7)
    panel.set_xscale("log", base=2)
    panel.set_xticks(lengths, [f"{length:,}" for length in lengths])
    panel.minorticks_off()
    panel.set_xlabel("length of the sequences; the first is the longest in training")
    panel.set_ylabel(inert(metric(name).words))
    label_values(panel, most=5)
    ruled(panel, ink)
    drawing.legend(loc="outside upper center", ncols=columns, frameon=False, handlelength=3)
    return drawing
