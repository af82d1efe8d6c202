"""Clips of sound: waveform, spectrogram, and the probability of each label as the network hears them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from lstmctl.reporting.console import inert
from lstmctl.reporting.drawing import SMALL, Plot, legend_columns, new_figure, ruled, shortened
from lstmctl.reporting.palette import BLUE, POWERS, colour_of, line_of
from lstmctl.results.clips import ClipView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = 5
"""Labels whose probability is drawn: those with the highest peaks."""
LONGEST_NAME = 48
HEIGHT = {"waveform": 0.55, "spectrogram": 1.25, "probabilities": 1.0}
"""Inches of each panel."""


def clip_plots(views: Sequence[ClipView]) -> list[Plot]:
    """Make one plot per clip, with waveform, spectrogram and probabilities one below the other."""
    return [
        Plot(f"clip-{number}", partial(_draw_clip, view), words(view)) for number, view in enumerate(views, start=1)
    ]


def words(view: ClipView) -> str:
    """Return a description of a clip and of the network's prediction."""
    of = f" of {view.name}" if view.name else ""
    if view.by_frame:
        return f"Spectrogram{of}, and the probability of each label at every frame."
    true = f" The true label is {view.truth[0]}." if view.truth else ""
    chance = view.probabilities[view.told][-1]
    return f"Spectrogram{of}, and the probability of each label over time, at the end {view.told} ({chance:.2f}).{true}"


def _draw_clip(view: ClipView, width: float, ink: str) -> Figure:
    heights = [inches for name, inches in HEIGHT.items() if name != "waveform" or view.waveform]
    figure = new_figure(width, sum(heights) + 0.75)
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    end = view.frames * view.seconds
    if view.waveform:
        _draw_waveform(panels[0], view, end)
    draw_spectrogram(panels[-2], view, (0.0, end))
    times = [(frame + 0.5) * view.seconds for frame in range(view.frames)]
    draw_probabilities(panels[-1], view, times, ink, width)
    for panel in panels[:-1]:
        panel.tick_params(labelbottom=False)
    panels[-1].set_xlabel("seconds")
    panels[-1].set_xlim(0, end)
    figure.suptitle(title(view), fontsize=9)
    figure.align_ylabels(panels)
    return figure


def title(view: ClipView) -> str:
    """Return a clip's name and its predicted label."""
    name = shortened(view.name, LONGEST_NAME)
    if view.by_frame:
        return name
    told = f"predicted {shortened(view.told)}"
    true = f"{shortened(view.truth[0])}, " if view.truth else ""
    return f"{name}: {true}{told}" if name else f"{true}{told}"


def _draw_waveform(panel: Axes, view: ClipView, end: float) -> None:
    sections = len(view.waveform)
    times = [(section + 0.5) * end / sections for section in range(sections)]
    low, high = zip(*view.waveform, strict=True)
    panel.fill_between(times, low, high, color=BLUE, linewidth=0.4)
    top = max(map(abs, (*low, *high))) or 1.0
    panel.set_ylim(-1.05 * top, 1.05 * top)
    panel.set_yticks([0])
    panel.set_ylabel("wave", fontsize=SMALL)
    panel.tick_params(labelsize=SMALL - 1)


def draw_spectrogram(panel: Axes, view: ClipView, extent: tuple[float, float]) -> None:
    """Draw a clip's spectrogram between two places of the x axis, low frequencies at the bottom."""
    bands = len(view.bands)
    panel.imshow(
        view.spectrogram,
        aspect="auto",
        interpolation="nearest",
        origin="lower",
        cmap=POWERS,
        extent=(*extent, -0.5, bands - 0.5),
    )
    places = sorted({round(share * (bands - 1)) for share in (0.1, 0.5, 0.9)})
    panel.set_yticks(places, [_frequency(view.bands[place]) for place in places], fontsize=SMALL - 1)
    panel.set_ylabel("Hz", fontsize=SMALL)


def draw_probabilities(panel: Axes, view: ClipView, places: Sequence[float], ink: str, width: float) -> None:
    """Draw the probabilities of the labels with the highest peaks, at the frames' positions. If each frame has a true
    label, its colour is the background. `width` is the figure's, in inches."""
    peaks = sorted(view.probabilities, key=lambda label: -max(view.probabilities[label]))[:MOST_LINES]
    # In the order of all labels, so that clips of one run have the same colours.
    order = {label: number for number, label in enumerate(view.probabilities)}
    for label in sorted(peaks, key=order.__getitem__):
        number = order[label]
        panel.plot(
            places,
            view.probabilities[label],
            color=colour_of(number),
            linestyle=line_of(number),
            linewidth=1.4,
            label=f" {shortened(inert(label))}",
        )
    if view.by_frame and view.truth:
        _mark_truth(panel, view, places, order)
    panel.set_ylim(-0.02, 1.02)
    panel.set_yticks([0, 0.5, 1])
    panel.tick_params(labelsize=SMALL - 1)
    panel.set_ylabel("probability", fontsize=SMALL)
    ruled(panel, ink, "y")
    width = panel.figure.bbox.width / panel.figure.dpi
    panel.legend(
        frameon=False,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.96),
        ncols=legend_columns(peaks, width),
        fontsize=SMALL,
        handlelength=1.8,
        columnspacing=1.2,
        borderpad=0,
    )


def _mark_truth(panel: Axes, view: ClipView, places: Sequence[float], order: dict[str, int]) -> None:
    """Shade the frames in the colour of their true label."""
    half = (places[1] - places[0]) / 2 if len(places) > 1 else 0.5
    start = 0
    for label, frames in groupby(view.truth):
        stop = start + len(list(frames))
        if label:
            panel.axvspan(
                places[start] - half, places[stop - 1] + half, color=colour_of(order[label]), alpha=0.15, linewidth=0
            )
        start = stop


def _frequency(hertz: float) -> str:
    return f"{hertz:,.0f}" if hertz < 100 else f"{round(hertz, -1):,.0f}"
