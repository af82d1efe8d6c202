"""Plots as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from lstmctl.errors import UsageError
from lstmctl.reporting import glyphs
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


def of_text(text: str) -> Plot:
    def draw(width: float, ink: str) -> Figure:
        drawing = Figure(figsize=(width, 2), layout="constrained")
        panel = drawing.add_subplot(xlabel=text)
        panel.set_xticks([0, 1], [text, "b"])
        panel.set_yticks([0, 1], [text, "b"])
        return drawing

    return Plot("text", draw)


@pytest.fixture
def fonts_found(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The font files that a machine has; empty at first."""
    found: list[str] = []
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: found)
    glyphs._fonts.cache_clear()
    glyphs._told.clear()
    yield found
    glyphs._fonts.cache_clear()
    glyphs._told.clear()


def test_symbols_without_any_font_are_numbers_in_a_png_and_themselves_in_an_svg(
    tmp_path: Path, fonts_found: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    svg, png = of_text("가\u200d").write(tmp_path)
    text, shown = svg.read_text(encoding="utf-8"), imread(png)
    numbers = imread(of_text("U+AC00").write(tmp_path)[1])
    assert abs(shown - numbers).mean() < 0.3 * abs(shown - 1).mean()
    assert (text.count(">가\u200d</text>"), text.count("U+AC00")) == (3, 0)
    assert of_text("가").svg().count(">가</text>") == 3
    labels = of_text("가").figure().axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["U+AC00", "b"]
    assert [record.getMessage() for record in caplog.records] == [
        "no font here has 가 (U+AC00); PNG files show U+… instead, SVG files and reports keep them"
    ]


def test_symbols_come_from_a_font_of_the_machine_that_has_them(
    tmp_path: Path, fonts_found: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The watch, U+231A, is in STIX and not in the font of the figures."""
    folder = Path(matplotlib.get_data_path(), "fonts/ttf")
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    fonts_found += [str(tmp_path / "broken.ttf"), *map(str, (folder / "cmr10.ttf", folder / "STIXGeneral.ttf"))]
    shown = of_text("\u231a").write(tmp_path)[1].read_bytes()
    assert glyphs.fonts_with([0x231A, 0xAC00]) == (["STIXGeneral"], {0xAC00})
    assert caplog.records == []
    fonts_found.clear()
    glyphs._fonts.cache_clear()
    assert shown != of_text("\u231a").write(tmp_path)[1].read_bytes()
    assert len(caplog.records) == 1


def test_only_pictures_that_can_be_written_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.pdf has an unsupported file extension"):
        Plot("a", lambda width, ink: Figure()).save(tmp_path / "a.pdf")
