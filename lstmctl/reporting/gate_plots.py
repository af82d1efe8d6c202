"""Heat maps of gates and states over a network's input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lstmctl.reporting.clip_plots import draw_probabilities, draw_spectrogram
from lstmctl.reporting.console import inert
from lstmctl.reporting.drawing import SMALL, Plot, new_figure
from lstmctl.reporting.palette import SHARES, SIGNED
from lstmctl.results.inspection import GateFindings, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = {"": "⊢", "\n": "⏎", "\\x0a": "⏎", " ": "·", "\\x20": "·", "\t": "→", "\\x09": "→"}
"""Visible substitutes for whitespace. Bytes are shown as their escapes, and the beginning of a text is empty."""
CANDIDATES, STATES = ("g", "n"), ("hidden", "cell")
MOST_LABELS = 16
"""Maximum number of unit labels at a panel."""
NARROW = 0.085
"""Minimum width of a symbol in inches, so that letters do not overlap."""
LONGEST_MARK = 2
"""Maximum length of an upright label in characters."""


def gate_plot(findings: GateFindings) -> Plot:
    """Plot every gate and state of a layer over an input, one panel each."""
    cell, source = findings.about.cell, findings.about.source
    names = ", ".join(_title(panel) for panel in findings.panels)
    return Plot(
        "gates", partial(_draw_gates, findings), f"{cell} over {len(findings.symbols)} steps of {source}: {names}."
    )


def _draw_gates(findings: GateFindings, width: float, ink: str) -> Figure:
    """The figure grows beyond a width in inches if its symbols need the room."""
    panels, marks = findings.panels, [mark(symbol) for symbol in findings.symbols]
    height = min(1.5, max(0.55, 0.022 * len(findings.units) + 0.35))
    width = max(width, 1.6 + NARROW * len(marks))
    clip = findings.clip
    heights = [height] * len(panels) if clip is None else [1.3, *[height] * len(panels), 1.1]
    drawing = new_figure(width, 0.9 + sum(heights) + 0.28 * len(heights))
    axes = drawing.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    beneath = axes[-1]
    if clip is not None:
        draw_spectrogram(axes[0], clip, (-0.5, len(marks) - 0.5))
        axes[0].set_title("log-mel spectrogram", loc="left", fontsize=SMALL + 0.5, pad=2)
        draw_probabilities(axes[-1], clip, range(len(marks)), ink, width)
        axes[-1].set_title("probability of each label", loc="left", fontsize=SMALL + 0.5, pad=2)
        axes = axes[1:-1]
    for axis, panel in zip(axes, panels, strict=True):
        _heat_map(drawing, axis, panel, findings.units, len(marks))
    for axis, panel, following in zip(axes, panels, [*panels[1:], None], strict=True):
        if following is None or following.direction != panel.direction:
            _label_symbols(axis, marks)
    if clip is not None:  # times are shown below the last panel only
        for axis in axes:
            axis.tick_params(axis="x", labelbottom=False)
        _label_symbols(beneath, marks)
    beneath.set_xlabel(inert(findings.step), fontsize=SMALL)
    many = "" if findings.layers == 1 else f", layer {findings.layer} of {findings.layers}"
    shown = len(findings.units)
    of_all = f"all {shown} units" if shown == findings.hidden else f"{shown} of {findings.hidden} units"
    drawing.suptitle(
        f"{inert(findings.about.cell)}{many}: {of_all} reading {inert(findings.about.source)}", fontsize=10
    )
    return drawing


def mark(symbol: str) -> str:
    """A symbol as shown under a plot: whitespace is replaced by a visible sign, control characters by their escapes."""
    return MARKS.get(symbol) or inert(symbol)


def _heat_map(drawing: Figure, axis: Axes, panel: Panel, units: Sequence[int], steps: int) -> None:
    low, high = (0.0, 1.0) if panel.is_share else _around_zero(panel)
    image = axis.imshow(
        panel.values,
        aspect="auto",
        interpolation="nearest",
        cmap=SHARES if panel.is_share else SIGNED,
        vmin=low,
        vmax=high,
        extent=(-0.5, steps - 0.5, len(units) - 0.5, -0.5),
    )
    bar = drawing.colorbar(image, ax=axis, pad=0.01, fraction=0.025, aspect=12, ticks=[low, (low + high) / 2, high])
    bar.ax.tick_params(labelsize=SMALL - 1, length=2)
    bar.ax.set_yticklabels([f"{tick:.3g}" for tick in (low, (low + high) / 2, high)])
    bar.outline.set_linewidth(0.5)
    axis.set_title(_title(panel), loc="left", fontsize=SMALL + 0.5, pad=2)
    axis.set_ylabel("unit", fontsize=SMALL)
    every = math.ceil(len(units) / MOST_LABELS) if len(units) > MOST_LABELS else 1
    # The number of labels that fit into the panel's height.
    every = max(every, math.ceil(len(units) / 9))
    axis.set_yticks(range(0, len(units), every), [str(unit) for unit in units[::every]], fontsize=SMALL - 2)
    axis.tick_params(axis="both", length=1.5)


def _title(panel: Panel) -> str:
    """Description of a panel. A value computed by tanh is not a gate, although the cell reports it as one."""
    name, before = inert(panel.name), "" if panel.direction is None else f"{panel.direction}, "
    if panel.kind == "gate":
        return before + (f"gate {name}" if panel.is_share else f"candidate {name}" if name in CANDIDATES else name)
    return before + (f"{name} state" if name in STATES else name)


def _around_zero(panel: Panel) -> tuple[float, float]:
    """Symmetric limits, so that 0 has the middle colour; the largest thousandth is left out."""
    sizes = sorted(abs(value) for row in panel.values for value in row if math.isfinite(value))
    end = sizes[min(len(sizes) - 1, round(0.999 * len(sizes)))] if sizes else 1.0
    return (-end, end) if end > 0 else (-1.0, 1.0)


def _label_symbols(axis: Axes, marks: Sequence[str]) -> None:
    """Every symbol under its step; longer labels are slanted if there are many."""
    import matplotlib

    long = max(map(len, marks), default=0) > LONGEST_MARK
    every = math.ceil(len(marks) / 24) if long else 1
    axis.set_xticks(range(0, len(marks), every), marks[::every])
    rotation = 60 if long and len(marks) > 12 else 0
    # Symbols that the first font lacks, such as Hebrew, are drawn in the fonts of all other texts.
    fonts: Any = ["DejaVu Sans Mono", *matplotlib.rcParams["font.family"]]
    axis.tick_params(axis="x", labelbottom=True, labelsize=SMALL, labelrotation=rotation, labelfontfamily=fonts)
