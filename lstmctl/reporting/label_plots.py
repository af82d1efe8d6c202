"""The confusion matrix as a plot: which labels are taken for which."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lstmctl.reporting.console import inert
from lstmctl.reporting.drawing import SMALL, Plot, new_figure, shortened
from lstmctl.reporting.palette import BLUE_RGB
from lstmctl.reporting.quantities import short_count
from lstmctl.results.evaluation import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LABELS = 24
"""Maximum number of labels, so that their names fit; the most frequent are shown."""
MOST_WRITTEN = 12
"""Maximum number of labels at which each cell shows its count."""
LONGEST_LABEL = 14


def confusion_plot(evaluation: Evaluation) -> Plot | None:
    """Plot the confusion matrix; None for fewer than two labels."""
    if len(evaluation.confusion) < 2:
        return None
    words = "Confusion matrix (rows: true labels, columns: predicted)."
    return Plot("confusion", partial(_draw_confusion, evaluation), words)


def _draw_confusion(evaluation: Evaluation, width: float, ink: str) -> Figure:
    """Draw one cell per pair of labels, shaded by the share of the true label's cases (each row sums to 1).

    Labels are in order of frequency; counts are shown if there is room.
    """
    labels = list(evaluation.by_label)
    totals = [sum(row) for row in evaluation.confusion]
    order = sorted(range(len(labels)), key=lambda label: -totals[label])[:MOST_LABELS]
    counts = [[evaluation.confusion[row][column] for column in order] for row in order]
    shares = [[value / max(1, totals[row]) for value in line] for row, line in zip(order, counts, strict=True)]
    names = [shortened(inert(labels[label]), LONGEST_LABEL) for label in order]
    side = min(width, 1.6 + 0.42 * len(order))
    figure = new_figure(width, side * 0.86)
    panel = figure.add_subplot()
    fields = [[(*BLUE_RGB, share) for share in line] for line in shares]
    panel.imshow(fields, aspect="equal", interpolation="nearest")
    steep = len(order) > 4 or max(map(len, names)) > 5
    panel.set_xticks(
        range(len(order)),
        names,
        fontsize=SMALL,
        rotation=45 if steep else 0,
        ha="right" if steep else "center",
        rotation_mode="anchor" if steep else "default",
    )
    panel.set_yticks(range(len(order)), names, fontsize=SMALL)
    panel.set_xlabel("predicted", color=ink)
    panel.set_ylabel("true", color=ink)
    panel.tick_params(length=0)
    for edge in panel.spines.values():
        edge.set_alpha(0.25)
    if len(order) <= MOST_WRITTEN:
        for row, line in enumerate(counts):
            for column, value in enumerate(line):
                if value:
                    colour = "white" if shares[row][column] > 0.55 else ink
                    panel.text(column, row, short_count(value), ha="center", va="center", fontsize=SMALL, color=colour)
    return figure
