"""The plots of a comparison: every arm is distinguishable, nothing is lost, the bytes are always the same."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lstmctl.errors import ResourceError
from lstmctl.reporting.comparison_plots import comparison_plots, rows_of_names
from lstmctl.reporting.palette import COLOURS, LINES, MARKERS
from lstmctl.results.comparison import Comparison, CurvePoint

pytestmark = pytest.mark.drawn

SVG = "{http://www.w3.org/2000/svg}"
MakeComparison = Callable[..., Comparison]


def words(svg: str) -> list[str]:
    return ["".join(element.itertext()).strip() for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def write_plots(comparison: Comparison) -> list[Path]:
    return [path for plot in comparison_plots(comparison).values() for path in plot.write(Path(comparison.path))]


def panels(comparison: Comparison, name: str, width: float = 6.5) -> list[Any]:
    """The axes of a plot, to examine what was drawn."""
    return list(comparison_plots(comparison)[name].draw(width, "black").axes)


def test_files_are_png_and_svg_in_ink_on_white_and_the_same_each_time(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    paths = write_plots(comparison)
    folder = Path(comparison.path) / "plots"
    assert paths == [
        folder / f"{name}.{kind}" for name in ("curves", "figures", "differences") for kind in ("svg", "png")
    ]
    contents = {path: path.read_bytes() for path in paths}
    for path, content in contents.items():
        if path.suffix == ".png":
            assert content.startswith(b"\x89PNG\r\n\x1a\n")
        else:
            assert ElementTree.fromstring(content).tag == f"{SVG}svg"
            assert b"#ffffff" in content
    assert all(colour.encode() in contents[folder / "curves.svg"] for colour in COLOURS[:3])
    write_plots(comparison)
    assert {path: path.read_bytes() for path in paths} == contents


def test_a_folder_that_is_gone_is_an_error_of_the_disk(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    Path(comparison.path).rmdir()
    with pytest.raises(ResourceError, match="plots cannot be written"):
        write_plots(comparison)


@pytest.mark.parametrize("name", ["curves", "figures", "differences"])
def test_inline_figures_take_the_colours_of_the_page(make_comparison: MakeComparison, name: str) -> None:
    svg = comparison_plots(make_comparison())[name].svg("narrow")
    root = ElementTree.fromstring(svg)
    assert root.get("class") == "narrow"
    assert "currentColor" in svg
    assert "var(--colour-1, #0072b2)" in svg
    assert not re.findall(r"#010203|#ffffff|#000000", svg)
    identities = {element.get("id") for element in root.iter() if element.get("id")}
    assert all(str(identity).startswith(f"{name}-narrow-") for identity in identities)
    used = set(re.findall(r"url\(#([^)]*)\)", svg)) | set(re.findall(r'href="#([^"]*)"', svg))
    assert used <= identities


def test_every_axis_has_a_name_and_a_unit(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    curves = words(comparison_plots(comparison)["curves"].svg())
    for label in ("nats per character, validation", "characters seen", "training time in s", "rnn", "lstm", "gru"):
        assert label in curves
    figures = words(comparison_plots(comparison)["figures"].svg())
    assert "nats per character, test part (lower is better)" in " ".join(figures)
    differences = " ".join(words(comparison_plots(comparison)["differences"].svg()))
    assert "difference in nats per character (95 % interval)" in differences
    assert "← the first is better · the second is better →" in differences
    assert "rnn − lstm" in differences


def test_the_figures_are_reported_in_words_too(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    assert "rnn ends at 1.694; lstm ends at 1.567; gru ends at 1.554" in comparison_plots(comparison)["curves"].words
    assert "lstm 1.585 [1.559, 1.611]" in comparison_plots(comparison)["figures"].words
    assert "lstm minus gru +0.013 [-0.008, +0.034]" in comparison_plots(comparison)["differences"].words


def test_the_mean_is_taken_evaluation_by_evaluation_over_what_finished(make_comparison: MakeComparison) -> None:
    arm = make_comparison().arms[0]
    curves = [
        (CurvePoint(10, 1.0, 3.0), CurvePoint(20, 2.0, 2.0), CurvePoint(30, 3.0, 1.0)),
        (CurvePoint(10, 3.0, 4.0), CurvePoint(20, 6.0, 3.0)),
        (CurvePoint(10, 9.0, 99.0),),
    ]
    runs = [dataclasses.replace(run, curve=curve) for run, curve in zip(arm.runs, curves, strict=True)]
    runs[2] = dataclasses.replace(runs[2], status="diverged")
    arm = dataclasses.replace(arm, runs=tuple(runs))
    assert arm.curve == (CurvePoint(10, 2.0, 3.5), CurvePoint(20, 4.0, 2.5))
    assert dataclasses.replace(arm, runs=(runs[2],)).curve == ()


def test_each_seed_is_a_thin_line_and_a_diverged_run_ends_in_a_cross(make_comparison: MakeComparison) -> None:
    by_units, _ = panels(make_comparison(diverged=["rnn-seed-1"]), "curves")
    thin = [line for line in by_units.lines if line.get_linewidth() < 1]
    assert len([line for line in thin if line.get_alpha() == 0.4]) == 9
    crosses = [line for line in by_units.lines if line.get_marker() == "x"]
    assert [list(line.get_xdata()) for line in crosses] == [[1_048_576 * 5 // 24]]


def test_the_steep_beginning_does_not_press_the_rest_flat(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    low, high = panels(comparison, "curves")[0].get_ylim()
    assert 1.5 < low < 1.54
    assert 1.85 < high < 2.0
    assert comparison.arms[0].runs[0].curve[0].value > 2.25


def test_a_metric_of_which_more_is_better_is_viewed_from_the_other_side(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(primary="accuracy")
    arms = tuple(
        dataclasses.replace(
            arm,
            runs=tuple(
                dataclasses.replace(run, curve=tuple(dataclasses.replace(p, value=3.5 - p.value) for p in run.curve))
                for run in arm.runs
            ),
        )
        for arm in comparison.arms
    )
    comparison = dataclasses.replace(comparison, arms=arms)
    low, high = panels(comparison, "curves")[0].get_ylim()
    assert 1.4 < low < 1.7
    assert 1.96 < high < 2.0
    assert "← the second is better · the first is better →" in " ".join(
        words(comparison_plots(comparison)["differences"].svg())
    )


def test_baselines_in_view_are_lines_and_the_others_are_named(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(
        baselines={"uniform": {"nats_per_character": 4.17}, "n-gram": {"nats_per_character": 1.8}}
    )
    assert "n-gram 1.800 (test)" in words(comparison_plots(comparison)["curves"].svg())
    (panel,) = panels(comparison, "figures")
    drawn = [list(line.get_xdata()) for line in panel.lines if line.get_linestyle() == "--"]
    assert drawn == [[1.8, 1.8]]
    assert "not in view: uniform (chance) 4.170" in " ".join(words(comparison_plots(comparison)["figures"].svg()))
    left, right = panel.get_xlim()
    assert right - left < 0.5


def test_times_to_the_level_are_marked_on_it(make_comparison: MakeComparison) -> None:
    _, by_time = panels(make_comparison(), "curves")
    marks = [line for line in by_time.lines if line.get_markersize() == 8]
    assert [line.get_xdata()[0] for line in marks] == [6.876, 2.41, 6.13]
    assert {line.get_ydata()[0] for line in marks} == {1.6933}
    assert "large open marks: time to 1.693" in by_time.get_xlabel()
    _, without = panels(make_comparison(level=None), "curves")
    assert "large open marks" not in without.get_xlabel()


def test_runs_at_once_mark_the_axis_of_time(make_comparison: MakeComparison) -> None:
    _, by_time = panels(make_comparison(jobs=2), "curves")
    assert "(not comparable:\n2 runs at once shared the machine)" in by_time.get_xlabel()


def test_arms_of_very_different_speed_get_a_logarithmic_axis(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    assert [panel.get_xscale() for panel in panels(comparison, "curves")] == ["linear", "linear"]
    slow = comparison.arms[2]
    runs = tuple(
        dataclasses.replace(run, curve=tuple(dataclasses.replace(p, seconds=40 * p.seconds) for p in run.curve))
        for run in slow.runs
    )
    comparison = dataclasses.replace(comparison, arms=(*comparison.arms[:2], dataclasses.replace(slow, runs=runs)))
    by_units, by_time = panels(comparison, "curves")
    assert (by_units.get_xscale(), by_time.get_xscale()) == ("linear", "log")
    assert by_time.get_xlabel().startswith("training time in min")


def test_more_arms_than_colours_still_differ(make_comparison: MakeComparison) -> None:
    assert math.lcm(len(COLOURS), len(LINES), len(MARKERS)) == len(COLOURS) * len(LINES) * len(MARKERS) == 210
    comparison = make_comparison()
    arms = tuple(
        dataclasses.replace(comparison.arms[number % 3], name=f"an-arm-with-a-long-name-{number}")
        for number in range(12)
    )
    comparison = dataclasses.replace(comparison, arms=arms)
    drawing = comparison_plots(comparison)["curves"].draw(3.6, "black")
    looks = {
        (line.get_color(), line.get_linestyle(), line.get_marker())
        for line in drawing.axes[0].lines
        if line.get_linewidth() == 1.6
    }
    assert len(looks) == 12
    assert len(words(comparison_plots(comparison)["figures"].svg())) > 12


def test_seeds_are_dots_next_to_the_mean_and_its_interval(make_comparison: MakeComparison) -> None:
    (panel,) = panels(make_comparison(diverged=["rnn-seed-1", "gru-seed-0", "gru-seed-1", "gru-seed-2"]), "figures")
    dots = [list(line.get_xdata()) for line in panel.lines if line.get_marker() == "."]
    assert dots == [pytest.approx([1.712, 1.703]), pytest.approx([1.584, 1.596, 1.575]), []]
    bars = [list(line.get_xdata()) for line in panel.lines if line.get_marker() == "|"]
    assert bars == [pytest.approx([1.6815, 1.7335]), pytest.approx([1.559, 1.611])]
    names = [label.get_text() for label in panel.get_yticklabels()]
    assert names == ["rnn\n1 of 3 diverged", "lstm", "gru (diverged)"]


def test_a_difference_that_was_not_shown_has_an_empty_mark(make_comparison: MakeComparison) -> None:
    (panel,) = panels(make_comparison(), "differences")
    fills = [line.get_markerfacecolor() for line in panel.lines if line.get_marker() == "o"]
    assert fills == [COLOURS[0], COLOURS[0], "none"]
    assert any(list(line.get_xdata()) == [0, 0] for line in panel.lines)


def test_names_from_outside_are_drawn_as_they_are(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(names=("_<b>$x$</b>", "a & b\x1b[2J", "漢字" * 20))
    svg = comparison_plots(comparison)["curves"].svg()
    shown = words(svg)
    assert {"_<b>$x$</b>", "a & b\\x1b[2J", "漢字" * 11 + "漢…"} <= set(shown)
    write_plots(comparison)  # a script that the font lacks is not an error


def test_what_nothing_is_known_of_is_not_drawn(make_comparison: MakeComparison) -> None:
    runs = [f"{arm}-seed-0" for arm in ("rnn", "lstm", "gru")]
    comparison = make_comparison(seeds=[0], diverged=runs, level=None)
    assert [path.name for path in write_plots(comparison)] == ["curves.svg", "curves.png"]
    arms = tuple(
        dataclasses.replace(arm, runs=tuple(dataclasses.replace(run, curve=()) for run in arm.runs))
        for arm in comparison.arms
    )
    comparison = dataclasses.replace(comparison, arms=arms)
    assert comparison_plots(comparison) == {}


def test_seeds_that_do_not_affect_the_score_are_drawn(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(seeds=[0])
    same = dataclasses.replace(comparison, arms=comparison.arms[:1], tests=())
    (panel,) = panels(same, "figures")
    left, right = panel.get_xlim()
    assert left < 1.712 < right


def test_several_baselines_are_named_below_the_curves(make_forecast_comparison: MakeComparison) -> None:
    comparison = make_forecast_comparison()
    by_units, _ = panels(comparison, "curves")
    assert by_units.get_xlabel() == (
        "windows seen\ndotted, test: ridge 1.600,\nseasonal naive 1.735, drift 1.742,\nlast value 1.750"
    )
    assert list(by_units.texts) == []
    assert sorted(line.get_ydata()[0] for line in by_units.lines if line.get_alpha() == 0.6) == [
        1.6,
        1.735,
        1.742,
        1.75,
    ]


@pytest.mark.parametrize("width", [6.5, 3.6])
def test_names_of_close_baselines_stand_above_each_other(
    make_forecast_comparison: MakeComparison, width: float
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    drawing = comparison_plots(make_forecast_comparison())["figures"].draw(width, "black")
    canvas: Any = FigureCanvasAgg(drawing)
    canvas.draw()
    names = drawing.axes[0].texts
    assert [name.get_text() for name in names] == ["ridge", "seasonal naive", "drift", "last value"]
    boxes = [name.get_window_extent() for name in names]
    assert not [(a, b) for number, a in enumerate(boxes) for b in boxes[:number] if a.overlaps(b)]
    frame = drawing.bbox
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and box.y1 <= frame.y1 for box in boxes)


def test_names_take_the_lowest_row_that_is_free() -> None:
    assert rows_of_names([("ab", 0.0), ("cd", 0.1), ("ef", 0.2), ("gh", 5.0)], 1.0) == [0, 1, 2, 0]
    assert rows_of_names([("ab", 0.0), ("cd", 0.3)], 1.0) == [0, 0]
    assert rows_of_names([], 1.0) == []
