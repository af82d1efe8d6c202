"""Plots as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from lstmctl.errors import UsageError
from lstmctl.reporting.drawing import Plot

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

    plot = Plot("both", draw)
    svg, png = plot.write(tmp_path)
    assert (svg, png) == (tmp_path / "plots/both.svg", tmp_path / "plots/both.png")
    assert len(drawn) == 1
    alone = plot.save(tmp_path / "alone.svg")
    assert svg.read_bytes() == alone.read_bytes()
    shown, expected = imread(png), imread(plot.save(tmp_path / "alone.png"))
    assert shown.shape == expected.shape
    assert abs(shown - expected).mean() < 0.01
    assert expected.std() > 0.1


def test_a_plot_comes_back_as_a_figure_that_keeps_its_style_and_shows_itself() -> None:
    import matplotlib

    def draw(width: float, ink: str) -> Figure:
        drawing = Figure(figsize=(width, 2), layout="constrained")
        drawing.add_subplot(xlabel="steps of $x$").plot([0, 1], [0, 2], color=ink)
        return drawing

    with matplotlib.rc_context({"font.size": 30, "xtick.color": "red"}):
        figure = Plot("both", draw).figure(4.0)
        (panel,) = figure.axes
        assert (panel.xaxis.label.get_size(), panel.xaxis.label.get_parse_math()) == (9, False)
        assert {tick.label1.get_color() for tick in panel.xaxis.get_major_ticks()} == {"black"}
        assert matplotlib.rcParams["font.size"] == 30
    assert figure.get_size_inches().tolist() == [4.0, 2.0]
    shown = figure._repr_png_()
    assert shown.startswith(b"\x89PNG\r\n\x1a\n")
    panel.set_xlabel("another")
    assert figure._repr_png_() != shown


def test_only_pictures_that_can_be_written_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.pdf has an unsupported file extension"):
        Plot("a", lambda width, ink: Figure()).save(tmp_path / "a.pdf")
