"""Pictures and tables of what a look into a run finds."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import AxesImage

from lstmctl.reporting.blocks import Block, Heading
from lstmctl.reporting.comparison_page import comparison_blocks, write_comparison
from lstmctl.reporting.drawing import Plot
from lstmctl.reporting.gate_plots import gate_plot, mark
from lstmctl.reporting.inspection_plots import gradient_plot, memory_plot, recall_plot
from lstmctl.reporting.inspection_tables import gate_blocks, gradient_blocks, memory_blocks, recall_blocks, run_names
from lstmctl.reporting.terminal import show
from lstmctl.results.comparison import Comparison
from lstmctl.results.inspection import (
    ArmInspections,
    GateFindings,
    GradientCourse,
    GradientFindings,
    LayerMemory,
    MemoryFindings,
    Panel,
    RecallBin,
    RecallFindings,
    Saturation,
    Spectrum,
    Subject,
    Tracked,
)

pytestmark = pytest.mark.drawn

ABOUT = Subject("/runs/a-lstm-001", "lstm", "the test part")
GATES = GateFindings(
    about=ABOUT,
    layer=2,
    layers=2,
    units=(3, 17),
    hidden=20,
    symbols=("A", " ", "\n"),
    step="characters",
    panels=(
        Panel("f", "gate", True, ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))),
        Panel("g", "gate", False, ((-0.1, 0.2, 0.3), (0.4, -0.5, 0.6))),
        Panel("cell", "state", False, ((-4.0, 0.2, 0.3), (0.4, 0.5, 2.0))),
    ),
    tracked=(
        Tracked("vowel", 1, "cell", 7, 0.61, -0.5),
        Tracked("capital letter", 2, "hidden", 3, 0.6, 0.4),
        Tracked("inside quotes", 2, "hidden", 4, 0.3, None),
    ),
    examined=5000,
    candidates=80,
    tracked_in="the test part",
    notes=("A note.",),
)
FADING = GradientCourse(1, "hidden", (1.0, 0.5, 0.25), (0.9, 0.4, 0.2), (1.1, 0.6, 0.3), 0.5)
GRADIENTS = GradientFindings(ABOUT, "trained", 64, 2, 2, (FADING, replace(FADING, state="cell", rate=1.25)))
MEMORY = MemoryFindings(
    ABOUT,
    5000,
    (
        LayerMemory(
            1,
            "f",
            (1.0, 2.0, 30.0, math.inf),
            (1.0, 2.0, 30.0),
            (Saturation("f", (0.1, 0.6, 0.0, 0.0), (0.8, 0.2, 1.0, 1.0)),),
            None,
        ),
    ),
)
RECALL = RecallFindings(
    ABOUT,
    "language",
    ("Danish", "Dutch", "Thai", "Welsh"),
    (
        RecallBin(10, 29, 200, 0.9, 0.85, 0.94, 0.8, 1.0, 0.2),
        RecallBin(30, 59, 100, 0.5, 0.4, 0.6, 0.45, 0.7, 0.3),
        RecallBin(10, 59, 300, 0.767, 0.7, 0.8, 0.68, 0.9, 0.233),
    ),
)


def of(plot: Plot | None) -> Plot:
    assert plot is not None
    return plot


def images(findings: GateFindings) -> list[AxesImage]:
    return [axis.images[0] for axis in gate_plot(findings).draw(6.5, "black").axes if axis.images]


def lines(blocks_of: Callable[[Any], list[Block]], findings: object) -> list[str]:
    stream = io.StringIO()
    show(blocks_of(findings), stream=stream)
    return stream.getvalue().splitlines()


def test_a_panel_shows_the_numbers_themselves() -> None:
    for image, panel in zip(images(GATES), GATES.panels, strict=True):
        assert image.get_array().tolist() == [list(row) for row in panel.values]  # type: ignore[union-attr]


def test_shares_have_a_scale_from_0_to_1_and_what_has_a_sign_one_around_0() -> None:
    gate, candidate, cell = images(GATES)
    assert (gate.get_clim(), gate.get_cmap().name) == ((0, 1), "cividis")
    assert (candidate.get_clim(), candidate.get_cmap().name) == ((-0.6, 0.6), "RdBu_r")
    assert cell.get_clim() == (-4, 4)


def test_panels_units_and_symbols_are_named() -> None:
    drawing = gate_plot(GATES).draw(6.5, "black")
    panels = [axis for axis in drawing.axes if axis.images]
    assert [panel.get_title(loc="left") for panel in panels] == ["gate f", "candidate g", "cell state"]
    assert [label.get_text() for label in panels[-1].get_xticklabels()] == ["A", "·", "⏎"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["3", "17"]
    assert drawing.get_suptitle() == "lstm, layer 2 of 2: 2 of 20 units reading the test part"
    assert [mark(symbol) for symbol in ("\\x0a", "\x1b", "é")] == ["⏎", "\\x1b", "é"]


def test_all_symbols_have_room() -> None:
    symbols = tuple("abcdefghij" * 12)
    panel = Panel("hidden", "state", False, (tuple(0.01 * number for number in range(120)),))
    drawing = gate_plot(replace(GATES, symbols=symbols, panels=(panel,), units=(3,))).draw(6.5, "black")
    drawing.draw_without_rendering()
    axis = drawing.axes[0]
    labels = [label.get_window_extent() for label in axis.get_xticklabels()]
    assert len(labels) == 120
    assert all(left.x1 <= right.x0 for left, right in pairwise(labels))


def test_symbols_that_the_fixed_width_font_lacks_are_drawn_in_another(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gate_plot(replace(GATES, symbols=("ש", "ל", "ם"))).write(tmp_path)


def test_units_that_track_are_reported_with_both_halves() -> None:
    told = lines(gate_blocks, GATES)
    assert told[0] == "a-lstm-001: units that track something in the test part"
    assert told[2].split() == ["vowel", "1", "cell", "7", "+0.61", "-0.50", "tracks"]
    assert told[3].split() == ["capital", "letter", "2", "hidden", "3", "+0.60", "+0.40"]
    assert told[4].split() == ["inside", "quotes", "2", "hidden", "4", "+0.30"]
    assert told[5].startswith("5,000 steps. Each unit is the best of 80 states on the first half")
    assert told[6] == "A note."


def test_gradients_are_a_line_a_state_on_a_logarithmic_axis() -> None:
    other = replace(GRADIENTS, about=replace(ABOUT, run="/runs/b"), courses=(FADING,), weights="initial")
    drawing = of(gradient_plot([GRADIENTS, other])).draw(6.5, "black")
    (panel,) = drawing.axes
    assert panel.get_yscale() == "log"
    drawn = [line for line in panel.lines if len(line.get_ydata()) == 3]  # type: ignore[arg-type]
    assert [list(line.get_ydata()) for line in drawn] == [[1.0, 0.5, 0.25]] * 3  # type: ignore[arg-type]
    assert [text.get_text() for text in drawing.legends[0].get_texts()] == [
        "a-lstm-001, hidden: halves in 1.0 steps",
        "a-lstm-001, cell: doubles in 3.1 steps",
        "b (lstm), initial, hidden: halves in 1.0 steps",
    ]
    assert drawn[0].get_color() == drawn[1].get_color() != drawn[2].get_color()
    assert drawn[0].get_linestyle() != drawn[1].get_linestyle()
    # A window of 2 steps sends gradients back over k = 0 and 1.
    assert any(list(line.get_xdata()) == [1, 1] for line in panel.lines)  # type: ignore[arg-type]
    drawing.draw_without_rendering()
    assert all("$" not in label.get_text() for label in panel.get_yticklabels())


def test_powers_of_ten_are_written_in_plain_characters() -> None:
    steep = replace(FADING, norms=(1.0, 1e-9, 1e-18), low=(1.0, 1e-9, 1e-18), high=(1.0, 1e-9, 1e-18))
    drawing = of(gradient_plot([replace(GRADIENTS, courses=(steep,))])).draw(6.5, "black")
    drawing.draw_without_rendering()
    labels = {label.get_text() for label in drawing.axes[0].get_yticklabels()}
    assert {"10⁻³", "10⁻¹⁵"} <= labels


def test_a_run_without_gradients_is_drawn_and_has_no_pace() -> None:
    none = replace(FADING, norms=(0.0,) * 3, low=(0.0,) * 3, high=(0.0,) * 3, rate=None)
    drawing = of(gradient_plot([replace(GRADIENTS, courses=(none,))])).draw(6.5, "black")
    assert [text.get_text() for text in drawing.axes[0].texts][:1] == ["no gradient above 1e-30"]
    assert [text.get_text() for text in drawing.legends[0].get_texts()] == ["a-lstm-001, hidden: no gradient"]
    drawing.draw_without_rendering()


def test_layers_can_be_chosen() -> None:
    deep = replace(GRADIENTS, courses=(FADING, replace(FADING, layer=2, norms=(4.0, 2.0, 1.0))))
    for layer, norms in ((None, [4.0, 2.0, 1.0]), (1, [1.0, 0.5, 0.25])):
        panel = of(gradient_plot([deep], layer)).draw(6.5, "black").axes[0]
        assert [list(line.get_ydata()) for line in panel.lines if len(line.get_ydata()) == 3] == [norms]  # type: ignore[arg-type]
        assert panel.get_ylabel().endswith("layer 1" if layer else "last layer")


def test_how_fast_gradients_fade_is_reported() -> None:
    told = lines(gradient_blocks, [GRADIENTS])
    assert told[0] == "gradient of the loss at t by the state at t − k, at 64 positions of the test part"
    assert told[1].split("  ")[-1].strip() == "left at k = 2"
    assert told[2].split() == ["a-lstm-001", "1", "hidden", "0.500", "1.0", "2.5e-01"]
    assert told[3].split() == ["a-lstm-001", "1", "cell", "1.250", "∞", "3.1", "2.5e-01"]
    nothing = replace(GRADIENTS, courses=(), notes=("Nothing is carried.",))
    assert lines(gradient_blocks, [nothing]) == ["Nothing is carried."]
    assert lines(gradient_blocks, [nothing, GRADIENTS])[-1] == f"{nothing.about.run}: Nothing is carried."


def test_runs_of_one_name_are_distinguished_by_their_folders() -> None:
    other = replace(GRADIENTS, about=replace(ABOUT, run="/other/a-lstm-001"))
    assert run_names([GRADIENTS, other]) == ["/runs/a-lstm-001", "/other/a-lstm-001"]
    assert run_names([GRADIENTS, replace(GRADIENTS, weights="initial")]) == ["a-lstm-001", "a-lstm-001, initial"]


def test_memory_is_a_course_of_shares_and_a_point_a_unit_and_gate() -> None:
    constants, saturation = of(memory_plot(MEMORY)).draw(6.5, "black").axes
    line = constants.lines[0]
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([1.0, 2.0, 30.0], [25.0, 50.0, 75.0])  # type: ignore[arg-type]
    assert constants.get_xscale() == "log"
    points = saturation.lines[1]
    assert list(points.get_xdata()) == [80.0, 20.0, 100.0, 100.0]  # type: ignore[arg-type]
    assert list(points.get_ydata()) == [10.0, 60.0, 0.0, 0.0]  # type: ignore[arg-type]


def test_memory_is_reported() -> None:
    told = lines(memory_blocks, MEMORY)
    assert told[2].split() == ["1", "f", "1.0", "2.0", "30.0", "∞"]
    assert told[5].split() == ["1", "f", "17.5", "%", "75.0", "%", "1", "3"]


def test_a_vanilla_network_is_drawn_by_its_eigenvalues() -> None:
    layer = LayerMemory(1, None, (), None, (), Spectrum(1.5, 2.0, ((1.5, 0.0), (0.0, 0.5), (0.0, -0.5))))
    findings = replace(MEMORY, layers=(layer,), notes=("U has spectral radius 1.5.",))
    (panel,) = of(memory_plot(findings)).draw(6.5, "black").axes
    assert list(panel.lines[0].get_xdata()) == [1.5, 0.0, 0.0]  # type: ignore[arg-type]
    assert [patch.radius for patch in panel.patches] == [1]  # type: ignore[attr-defined]
    told = lines(memory_blocks, findings)
    assert told[2].split() == ["1", "1.500", "2.000"]
    assert told[3] == "U has spectral radius 1.5."


def test_recall_is_a_line_next_to_what_needs_no_memory() -> None:
    (panel,) = of(recall_plot([RECALL])).draw(6.5, "black").axes
    drawn = {str(line.get_label()): list(line.get_ydata()) for line in panel.lines}  # type: ignore[arg-type]
    assert drawn["this run"] == [90, 50]
    assert drawn["last named"] == [100, 70]
    assert drawn["most frequent"] == [20, 30]
    assert drawn["uniform (chance)"] == [25, 25]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["10–29\n200 answers", "30–59\n100 answers"]


def test_recall_is_reported() -> None:
    told = lines(recall_blocks, [RECALL])
    assert told[0] == "a-lstm-001: recall of the language in the test part, of 4 candidates"
    assert told[2].split("  ")[0] == "10–29"
    assert "90.0 % [85, 94]" in told[2]
    assert told[4].split()[0] == "all"


def test_what_has_nothing_to_draw_has_no_plot() -> None:
    assert gradient_plot([replace(GRADIENTS, courses=())]) is None
    assert memory_plot(replace(MEMORY, layers=(LayerMemory(1, None, (), None, (), None),))) is None
    assert recall_plot([]) is None


def test_recall_of_several_runs_is_a_line_each() -> None:
    other = replace(RECALL, about=replace(ABOUT, run="runs/a-gru-001", cell="gru"))
    (panel,) = of(recall_plot([RECALL, other])).draw(6.5, "black").axes
    named = [str(line.get_label()) for line in panel.lines if not str(line.get_label()).startswith("_")]
    assert named == ["a-lstm-001", "a-gru-001", "last named", "most frequent", "uniform (chance)"]


def test_a_comparison_shows_what_its_runs_look_like_inside(make_comparison: Callable[..., Comparison]) -> None:
    comparison, looks = make_comparison(), ArmInspections((GRADIENTS,), (RECALL,))
    titles = {block.text for block in comparison_blocks(comparison, looks) if isinstance(block, Heading)}
    assert {"Gradients back in time", "Recall by distance"} <= titles
    page = write_comparison(comparison, looks)
    assert page.read_text(encoding="utf-8").count("<svg") == 10  # each for a wide and for a narrow page
    assert {"gradients.svg", "gradients.png", "recall.svg", "recall.png"} <= {
        path.name for path in (page.parent / "plots").iterdir()
    }


def test_what_cannot_be_looked_into_leaves_no_section(make_comparison: Callable[..., Comparison]) -> None:
    nothing = comparison_blocks(make_comparison(), ArmInspections((replace(GRADIENTS, courses=()),)))
    assert not {block.text for block in nothing if isinstance(block, Heading)} & {
        "Gradients back in time",
        "Recall by distance",
    }
