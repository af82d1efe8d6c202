"""Figures as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from lstmctl.reporting.drawing import write_figure, write_plot

pytestmark = pytest.mark.drawn


def test_both_files_of_a_plot_come_from_one_figure_and_look_as_each_alone(tmp_path: Path) -> None:
    drawn = []

    def draw(width: float, ink: str) -> Figure:
        drawing = Figure(figsize=(width, 2), layout="constrained")
        panel = drawing.add_subplot(xlabel="steps", ylabel="loss", title="a\nb")
        panel.plot([0, 1], [0, 2000], color=ink, label="line")
        panel.legend()
        drawn.append(drawing)
        return drawing

    svg, png = write_plot(tmp_path, "both", draw)
    assert (svg, png) == (tmp_path / "plots/both.svg", tmp_path / "plots/both.png")
    assert len(drawn) == 1
    alone = write_figure(tmp_path / "alone.svg", draw)
    assert svg.read_bytes() == alone.read_bytes()
    shown, expected = imread(png), imread(write_figure(tmp_path / "alone.png", draw))
    assert shown.shape == expected.shape
    assert abs(shown - expected).mean() < 0.01
    assert expected.std() > 0.1
