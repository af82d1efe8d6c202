"""The part of a comparison's page that looks inside its runs: gradients back in time, and recall by distance."""

from __future__ import annotations

from pathlib import Path

from lstmctl.findings import Looks
from lstmctl.reporting import page
from lstmctl.reporting.drawing import Plot
from lstmctl.reporting.inspection_plots import gradient_plot, recall_plot


def write_looks(folder: Path, looks: Looks) -> list[Path]:
    """Write `plots/gradients` and `plots/recall` (.svg and .png), as far as there is anything to draw.

    Raises:
        ResourceError: the disk is full or the folder is gone.
    """
    return [path for plot in _plots(looks).values() for path in plot.write(folder)]


def look_sections(looks: Looks) -> list[str]:
    """A section for each plot."""
    return [page.section(title, page.figure(plot)) for title, plot in _plots(looks).items()]


def _plots(looks: Looks) -> dict[str, Plot]:
    plots = {
        "Gradients back in time": gradient_plot(looks.gradients),
        "Recall by distance": recall_plot(looks.recalls),
    }
    return {title: plot for title, plot in plots.items() if plot is not None}
