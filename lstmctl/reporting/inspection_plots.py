"""Plots of memory, gradients and recall."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from lstmctl.reporting.console import inert
from lstmctl.reporting.drawing import SMALL, Plot, label_powers, legend_name, new_figure, ruled, shortened
from lstmctl.reporting.inspection_tables import run_names
from lstmctl.reporting.palette import BLUE, DASHES, colour_of, line_of, marker_of
from lstmctl.results.inspection import GradientCourse, GradientFindings, LayerMemory, MemoryFindings, RecallFindings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DrawLayer = Callable[["Axes", LayerMemory, str], None]

HOW_GRADIENTS_ARE_READ = (
    "Norm of the gradient of the loss at a time by the state k steps earlier, in one run of each arm. A straight "
    "decline is a constant factor per step; dependencies beyond it are not learned."
)
HOW_RECALL_IS_READ = (
    "Share of answers to which each arm's run assigns the highest probability, by distance, next to rules that need "
    "no network."
)
SMALLEST_DRAWN = 1e-30
"""A smaller gradient is not drawn, since the axis would show only its decline."""


def gradient_plot(findings: Sequence[GradientFindings], layer: int | None = None) -> Plot | None:
    """Plot how gradients fade, with one line per run and state.

    Args:
        layer: from 1; by default each run's last.

    Returns:
        None if no run carries a state that has a gradient.
    """
    findings = [one for one in findings if one.courses]
    if not findings:
        return None
    return Plot("gradients", partial(_draw_gradients, findings, layer), HOW_GRADIENTS_ARE_READ, HOW_GRADIENTS_ARE_READ)


def _draw_gradients(findings: Sequence[GradientFindings], layer: int | None, width: float, ink: str) -> Figure:
    from matplotlib.ticker import MaxNLocator

    named = [
        (name, list(courses))
        for one, name in zip(findings, run_names(findings), strict=True)
        for _, courses in groupby(courses_of(one, layer), lambda course: course.direction)
    ]
    drawing = new_figure(width, 3.3 + 0.19 * len(named))
    panel = drawing.add_subplot()
    smallest = math.inf
    for number, (name, courses) in enumerate(named):
        for state, course in enumerate(courses):
            k = range(len(course.norms))
            colour, line = colour_of(number), line_of(state)
            low, norms, high = (
                [value if value > SMALLEST_DRAWN else math.nan for value in values]
                for values in (course.low, course.norms, course.high)
            )
            panel.fill_between(k, low, high, color=colour, alpha=0.15, linewidth=0)
            panel.plot(
                k,
                norms,
                color=colour,
                linestyle=line,
                linewidth=1.6,
                marker=marker_of(number),
                markersize=4,
                markevery=(number * 2, max(1, len(norms) // 8)),
                label=legend_name(f"{name}, {_with_direction(course)}: {pace_words(course)}"),
            )
            smallest = min([smallest, *(value for value in norms + low if value == value)])
    panel.set_yscale("log")
    if math.isfinite(smallest):
        panel.set_ylim(bottom=smallest / 1.5)
    else:  # a run that is sure of every label
        panel.set_ylim(SMALLEST_DRAWN, 1)
        panel.text(0.5, 0.5, f"no gradient above {SMALLEST_DRAWN:g}", transform=panel.transAxes, ha="center")
    label_powers(panel)
    windows = {one.window for one in findings if one.window is not None}
    if len(windows) == 1 and (window := windows.pop()) <= max(one.steps for one in findings):
        panel.axvline(window - 1, color=ink, alpha=0.4, linewidth=0.8, linestyle=DASHES)
        panel.text(
            window - 1,
            0.98,
            " training went no farther back",
            transform=panel.get_xaxis_transform(),
            fontsize=SMALL,
            va="top",
        )
    panel.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    both = any(course.direction for _, courses in named for course in courses)
    panel.set_xlabel("k, steps back in each cell's direction" if both else "k, steps back in time")
    at = "" if all(len(_layers(one)) < 2 for one in findings) else f", {_layer_words(layer)}"
    panel.set_ylabel(f"‖∂ loss(t) / ∂ state(t − k)‖{at}")
    panel.margins(x=0.01)
    ruled(panel, ink)
    drawing.legend(loc="outside upper left", ncols=1, frameon=False, handlelength=3, fontsize=SMALL + 1)
    return drawing


def courses_of(findings: GradientFindings, layer: int | None) -> list[GradientCourse]:
    """The curves of one layer, by default the last."""
    wanted = layer or max(_layers(findings), default=0)
    return [course for course in findings.courses if course.layer == wanted]


def pace_words(course: GradientCourse) -> str:
    """Decay of a gradient in words: `halves in 5.0 steps`."""
    if course.half_life is not None:
        return f"halves in {course.half_life:.1f} steps"
    if course.doubling_time is not None:
        return f"doubles in {course.doubling_time:.1f} steps"
    return "neither fades nor grows" if course.rate is not None else "no gradient"


def memory_plot(findings: MemoryFindings) -> Plot | None:
    """Plot time constants and saturation, with one row of panels per layer; None if the cell has neither gates nor a
    recurrent matrix to show."""
    if not any(layer.saturation or layer.spectrum for layer in findings.layers):
        return None
    words = f"Time constants and saturation of {findings.about.cell} over {findings.steps:,} steps."
    return Plot("memory", partial(_draw_memory, findings), words)


def _draw_memory(findings: MemoryFindings, width: float, ink: str) -> Figure:
    drawn = [layer for layer in findings.layers if layer.saturation or layer.spectrum]
    several = max(layer.layer for layer in findings.layers) > 1
    rows: list[list[tuple[DrawLayer, LayerMemory]]] = []
    for layer in drawn:
        row: list[tuple[DrawLayer, LayerMemory]] = []
        if layer.time_constants:
            row.append((_constants, layer))
        if layer.saturation:
            row.append((_saturation, layer))
        if layer.spectrum is not None:
            row.append((_eigenvalues, layer))
        rows.append(row)
    columns = max(map(len, rows))
    drawing = new_figure(width if columns > 1 else 0.6 * width, 0.4 + 2.8 * len(rows))
    axes = drawing.subplots(len(rows), columns, squeeze=False)
    for number, row in enumerate(rows):
        for column in range(columns):
            panel = axes[number, column]
            if column >= len(row):
                panel.set_axis_off()
                continue
            draw, layer = row[column]
            draw(panel, layer, ink)
            if column == 0:
                names = [f"layer {layer.layer}"] if several else []
                names += [layer.direction] if layer.direction is not None else []
                panel.set_title(", ".join(names), loc="left", fontsize="medium")
    drawing.suptitle(
        f"{inert(findings.about.cell)} over {findings.steps:,} steps of {inert(findings.about.source)}", fontsize=10
    )
    return drawing


def _constants(panel: Axes, layer: LayerMemory, ink: str) -> None:
    """The share of units whose time constant is at most this number of steps."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    known = sorted(value for value in layer.time_constants if math.isfinite(value) and value > 0)
    total = len(layer.time_constants)
    below = sum(value == 0 for value in layer.time_constants)
    shares = [100 * (below + place) / total for place in range(1, len(known) + 1)]
    panel.step(known, shares, where="post", color=BLUE, linewidth=1.6)
    panel.set_xscale("log")
    low, high = panel.get_xlim()
    if high < 30 * low:  # powers of ten alone would give at most one number
        panel.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_ylim(0, 102)
    panel.set_xlabel(f"time constant of {layer.keeping_gate}, steps")
    panel.set_ylabel("units with a smaller constant, %")
    assert layer.quartiles is not None
    median = layer.quartiles[1]
    if math.isfinite(median) and median > 0:
        panel.axvline(median, color=ink, alpha=0.5, linewidth=0.8, linestyle=DASHES)
        panel.text(median, 3, f" median {median:.2g}", fontsize=SMALL)
    ruled(panel, ink)


def _saturation(panel: Axes, layer: LayerMemory, ink: str) -> None:
    """Shares of open and closed steps of each unit's gates."""
    panel.plot([0, 100], [100, 0], color=ink, alpha=0.3, linewidth=0.7)
    for number, gate in enumerate(layer.saturation):
        panel.plot(
            [100 * share for share in gate.right],
            [100 * share for share in gate.left],
            linestyle="none",
            marker=marker_of(number),
            markersize=3.2,
            markerfacecolor="none",
            markeredgewidth=0.7,
            color=colour_of(number),
            alpha=0.75,
            label=legend_name(inert(gate.gate)),
        )
    panel.set_xlim(-2, 102)
    panel.set_ylim(-2, 102)
    panel.set_aspect("equal")
    panel.set_xlabel("steps with the gate above 0.9, %")
    panel.set_ylabel("below 0.1, %")
    panel.legend(
        loc="upper right", frameon=False, handletextpad=0.2, fontsize=SMALL + 1, title="gate", title_fontsize=SMALL
    )
    ruled(panel, ink)


def _eigenvalues(panel: Axes, layer: LayerMemory, ink: str) -> None:
    """The eigenvalues of U in the plane, with the unit circle, inside which a trace of the past fades."""
    from matplotlib.patches import Circle

    assert layer.spectrum is not None
    real, imaginary = zip(*layer.spectrum.eigenvalues, strict=True)
    panel.add_patch(Circle((0, 0), 1, fill=False, edgecolor=ink, linewidth=1.2, linestyle=DASHES, zorder=3))
    panel.plot(real, imaginary, linestyle="none", marker="o", markersize=3, markerfacecolor="none", color=BLUE)
    end = 1.08 * max(1.0, layer.spectrum.radius)
    panel.set_xlim(-end, end)
    panel.set_ylim(-end, end)
    panel.set_aspect("equal")
    panel.set_xlabel(f"eigenvalues of U, real part\nspectral radius {layer.spectrum.radius:.2f}; dashed: 1")
    panel.set_ylabel("imaginary part")
    ruled(panel, ink)


def recall_plot(findings: Sequence[RecallFindings]) -> Plot | None:
    """Plot recall by distance, with one line per run; all runs use the same data."""
    if not findings:
        return None
    return Plot("recall", partial(_draw_recall, findings), HOW_RECALL_IS_READ, HOW_RECALL_IS_READ)


def _draw_recall(findings: Sequence[RecallFindings], width: float, ink: str) -> Figure:
    bins = findings[0].bins[:-1]
    places = range(len(bins))
    drawing = new_figure(width, 3.3 + 0.16 * (len(findings) > 1))
    panel = drawing.add_subplot()
    names = run_names(findings) if len(findings) > 1 else ["this run"]
    for number, (one, name) in enumerate(zip(findings, names, strict=True)):
        own = one.bins[:-1]
        right = [100 * each.right for each in own]
        reach = [
            [100 * (each.right - each.low) for each in own],
            [100 * (each.high - each.right) for each in own],
        ]
        colour, marker = colour_of(number), marker_of(number)
        shown = legend_name(name)
        panel.plot(places, right, color=colour, marker=marker, markersize=4.5, linewidth=1.9, zorder=3, label=shown)
        panel.errorbar(places, right, yerr=reach, color=colour, linewidth=1, capsize=3, fmt="none", zorder=3)
    named = [100 * one.last_named if one.last_named is not None else math.nan for one in bins]
    others = [
        ("last named", named),
        ("most frequent", [100 * one.most_frequent for one in bins]),
        ("uniform (chance)", [100 * findings[0].chance] * len(bins)),
    ]
    for number, (name, values) in enumerate(others, start=1):
        if not all(math.isnan(value) for value in values):
            line = line_of(number)
            panel.plot(places, values, color=ink, alpha=0.55, linestyle=line, linewidth=1.2, label=name)
    panel.set_xticks(places, [f"{one.nearest:,}–{one.farthest:,}\n{one.answers:,} answers" for one in bins])
    panel.set_xlabel("symbols from the last reminder to the answer; bars: 95 % interval")
    panel.set_ylabel(f"{shortened(findings[0].kind)} correct, %")
    panel.set_ylim(-3, 103)
    panel.margins(x=0.08)
    ruled(panel, ink, "y")
    drawing.legend(loc="outside upper left", ncols=4, frameon=False, handlelength=2.6, columnspacing=1.2)
    return drawing


def _with_direction(course: GradientCourse) -> str:
    return inert(course.state) if course.direction is None else f"{course.direction} {inert(course.state)}"


def _layers(findings: GradientFindings) -> set[int]:
    return {course.layer for course in findings.courses}


def _layer_words(layer: int | None) -> str:
    return "last layer" if layer is None else f"layer {layer}"
