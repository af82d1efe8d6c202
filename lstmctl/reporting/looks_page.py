"""The part of a comparison's page that looks inside its runs: gradients back in time, and recall by distance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lstmctl.findings import Looks
from lstmctl.reporting import page
from lstmctl.reporting.drawing import NARROW_WIDTH, PAPER_WIDTH, inline_plot, write_plot
from lstmctl.reporting.inspection_plots import draw_gradients, draw_recall
from lstmctl.reporting.palette import ON_PAGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOW_TO_READ = {
    "gradients": "How much of the loss at a time reaches the states k steps before it, in one run of each arm. A "
    "straight fall is a constant factor a step: what is so far back is not learnt.",
    "recall": "How often each arm's run gives what it has to remember the highest probability, by the distance, beside "
    "what needs no network.",
}


def write_looks(folder: Path, looks: Looks) -> list[Path]:
    """Write `plots/gradients` and `plots/recall` (.svg and .png), as far as there is anything to draw.

    Raises:
        ResourceError: the disk is full or the folder is gone.
    """
    return [path for name, draw in _figures(looks).items() for path in write_plot(folder, name, draw)]


def look_sections(looks: Looks) -> list[str]:
    """A section for each figure."""
    titles = {"gradients": "Gradients back in time", "recall": "Recall by distance"}
    return [page.section(titles[name], _shown(name, draw)) for name, draw in _figures(looks).items()]


def _figures(looks: Looks) -> dict[str, Callable[[float, str], Figure]]:
    found: dict[str, Callable[[float, str], Figure]] = {}
    if any(one.courses for one in looks.gradients):
        found["gradients"] = lambda width, ink: draw_gradients(looks.gradients, width, ink)
    if looks.recalls:
        found["recall"] = lambda width, ink: draw_recall(looks.recalls, width, ink)
    return found


def _shown(name: str, draw: Callable[[float, str], Figure]) -> str:
    """A figure in two widths, with how it is read."""
    how = HOW_TO_READ[name]
    drawn = [
        inline_plot(draw, ON_PAGE, how, width=width, identity=f"{name}-{shown}", shown=shown)
        for width, shown in ((PAPER_WIDTH, "wide"), (NARROW_WIDTH, "narrow"))
    ]
    figures = "\n".join(drawn)
    return f'<figure>\n{figures}\n</figure>\n<p class="soft">{page.text(how)}</p>'
