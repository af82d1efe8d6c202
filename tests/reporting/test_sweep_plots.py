"""The plot and the table of a sweep: every value, arm and level, distinguishable and readable."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lstmctl.reporting.palette import COLOURS
from lstmctl.reporting.papers import markdown
from lstmctl.reporting.sweep_page import in_words, sweep_table, write_sweep
from lstmctl.reporting.sweep_plots import sweep_plot
from lstmctl.results.comparison import ArmResult, Comparison, RunResult, Sweep

pytestmark = pytest.mark.drawn

MakeComparison = Callable[..., Comparison]
MakeSweep = Callable[..., Sweep]

MSE = {
    50: {"rnn": (0.0006, 0.0008, 0.0007), "lstm": (0.0003, 0.0004, 0.0004), "gru": (0.0002, 0.0003, 0.0002)},
    100: {"rnn": (0.154, 0.167, 0.081), "lstm": (0.0005, 0.0006, 0.0004), "gru": (0.0004, 0.0004, 0.0005)},
    200: {"rnn": (0.167, 0.168, 0.166), "lstm": (0.0012, 0.0009, 0.0191), "gru": (0.0008, 0.0007, 0.0009)},
    400: {"rnn": (0.168, 0.167, 0.167), "lstm": (0.0121, 0.0341, 0.0052), "gru": (0.0021, 0.0016, 0.0030)},
}
LEVELS = {"chance": {"mse": 1 / 6}, "solved": {"mse": 0.01}}


@pytest.fixture
def make_sweep(make_comparison: MakeComparison, tmp_path: Path) -> MakeSweep:
    """`make_sweep(figures, arms, …)`: a comparison for each value of `data.length`, with scores made by hand.

    `figures` are the scores of every seed, by value and arm; all others are fields of the sweep's comparisons.
    """

    def make(
        figures: dict[Any, dict[str, tuple[float | None, ...]]] = MSE,  # type: ignore[assignment]
        arms: Sequence[str] = ("rnn", "lstm", "gru"),
        *,
        key: str = "data.length",
        **fields: Any,
    ) -> Sweep:
        folder = tmp_path / "adding-sweep-001"
        folder.mkdir(exist_ok=True)
        known = {"primary": "mse", "unit": "sequences", "baselines": LEVELS, **fields}
        comparisons = []
        for value, by_arm in figures.items():
            base = make_comparison(**known)
            chosen = tuple(with_values(arm, by_arm[arm.name]) for arm in base.arms if arm.name in arms)
            seeds = tuple(range(len(chosen[0].runs)))
            place = str(folder / f"length-{value}")
            comparisons.append(dataclasses.replace(base, path=place, arms=chosen, tests=(), seeds=seeds))
        return Sweep(str(folder), "adding", "lstmctl compare …", key, tuple(figures), tuple(comparisons))

    return make


def with_values(arm: ArmResult, values: Sequence[float | None]) -> ArmResult:
    """An arm with these scores, and an interval of two standard deviations each way."""
    known = [value for value in values if value is not None]
    mean = math.fsum(known) / len(known) if known else None
    reach = 2 * math.sqrt(math.fsum((value - mean) ** 2 for value in known)) if mean is not None else 0.0
    runs = tuple(
        RunResult(f"{arm.name}-seed-{seed}", seed, "x", value, {}, (), 0, None, None, None)
        for seed, value in enumerate(values)
    )
    ends = (mean - reach, mean + reach) if mean is not None and len(known) > 1 else (None, None)
    return dataclasses.replace(arm, runs=runs, mean=mean, low=ends[0], high=ends[1], deviation=0.0)


def boxes(sweep: Sweep, width: float) -> tuple[Any, dict[str, Any]]:
    """The panel, and the position of every text in the figure once it is drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    drawing = sweep_plot(sweep).draw(width, "black")
    FigureCanvasAgg(drawing).draw()
    (panel,) = drawing.axes
    found = {}
    for word in [*panel.get_xticklabels(), *panel.texts, panel.xaxis.label]:
        text, box = word.get_text(), word.get_window_extent()
        rows = text.count("\n") + 1
        if text.startswith("\n"):  # a name in a lower row, without the empty rows above it
            box = Bbox.from_extents(box.x0, box.y0, box.x1, box.y0 + box.height / rows - 1)
        if text:
            found[text] = box
    return panel, found


def lines_of(panel: Any, colour: str) -> list[Any]:
    return [line for line in panel.lines if line.get_color() == colour]


def test_every_arm_is_a_line_through_its_means_and_every_value_a_tick(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    panel, words = boxes(sweep, 6.5)
    assert panel.get_xscale() == "linear"  # 400 is no more than 8 times 50
    assert panel.get_yscale() == "log"
    assert panel.get_xticks().tolist() == [50, 100, 200, 400]
    assert {"50", "100", "200", "400", "data.length"} <= set(words)
    for number, name in enumerate(("rnn", "lstm", "gru")):
        line = lines_of(panel, COLOURS[number])[0]
        assert line.get_label() == name
        means = [comparison.arms[number].mean for comparison in sweep.comparisons]
        assert line.get_ydata() == pytest.approx(means)
        assert line.get_xdata() == pytest.approx([50, 100, 200, 400], abs=10)
    assert panel.get_xlabel() == "data.length"
    assert panel.get_ylabel() == "MSE, test"


def test_values_out_of_order_are_joined_in_their_order_and_far_ones_stand_on_a_logarithmic_axis(
    make_sweep: MakeSweep,
) -> None:
    panel, _ = boxes(make_sweep({value * 8: MSE[value] for value in (400, 50)} | {50: MSE[100]}), 6.5)
    assert panel.get_xscale() == "log"
    assert panel.get_xticks().tolist() == [50, 400, 3200]
    assert lines_of(panel, COLOURS[1])[0].get_ydata() == pytest.approx(
        [sum(MSE[value]["lstm"]) / 3 for value in (100, 50, 400)]
    )


def test_values_that_are_no_numbers_have_places_and_no_line(make_sweep: MakeSweep) -> None:
    names = dict(zip(("linear", "cosine", "constant"), MSE.values(), strict=False))
    panel, words = boxes(make_sweep(names, key="training.schedule"), 6.5)
    assert {"linear", "cosine", "constant"} <= set(words)
    assert lines_of(panel, COLOURS[0])[0].get_linestyle() == "None"


def test_levels_are_lines_with_their_names(make_sweep: MakeSweep) -> None:
    panel, words = boxes(make_sweep(), 6.5)
    assert {"chance\n0.167", "solved\n0.01"} <= set(words)
    heights = [line.get_ydata()[0] for line in lines_of(panel, "black")]
    assert heights == pytest.approx([1 / 6, 0.01])
    panel, words = boxes(make_sweep(baselines={"uniform": {"mse": 0.2}}), 6.5)
    assert lines_of(panel, "black") == []


@pytest.mark.parametrize("width", [3.6, 6.5])
@pytest.mark.parametrize("values", [(50, 100, 200, 400), (100, 110, 120, 9000), (1, 2, 3, 4)])
def test_no_words_run_into_each_other_or_out_of_the_figure(
    make_sweep: MakeSweep, width: float, values: tuple[int, ...]
) -> None:
    close = {"chance": {"mse": 0.011}, "solved": {"mse": 0.01}}
    sweep = make_sweep(dict(zip(values, MSE.values(), strict=True)), baselines=close)
    panel, words = boxes(sweep, width)
    for (one, box), (other, another) in itertools.combinations(words.items(), 2):
        assert not box.overlaps(another), (one, other)
    page = panel.figure.bbox
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 for box in words.values())
    # The label of a level is at the side of the panel, where no curve runs.
    edge = panel.get_window_extent().x1
    assert all(box.x0 >= edge for word, box in words.items() if word.startswith(("chance", "solved")))


def test_wide_intervals_do_not_flatten_the_scores(make_sweep: MakeSweep) -> None:
    sweep = make_sweep({5: {"rnn": (0.2, 0.4)}, 10: {"rnn": (0.3, 0.3)}}, ("rnn",), baselines={})
    first = sweep.comparisons[0]
    wide = dataclasses.replace(first.arms[0], low=-90.0, high=0.42)
    sweep = dataclasses.replace(sweep, comparisons=(dataclasses.replace(first, arms=(wide,)), *sweep.comparisons[1:]))
    panel, _ = boxes(sweep, 6.5)
    low, high = panel.get_ylim()
    assert 0.1 < low < 0.2
    assert 0.42 < high < 0.5
    capped = [line for line in panel.lines if line.get_marker() == "_"]
    assert capped[0].get_ydata() == [0.42]  # the end that is out of view is not drawn as one


def test_an_arm_that_diverged_has_a_cross_and_is_named_so(make_sweep: MakeSweep) -> None:
    lost = {**MSE, 200: {**MSE[200], "rnn": (None, None, None)}, 400: {**MSE[400], "rnn": (0.168, None, 0.167)}}
    sweep = make_sweep(lost)
    panel, words = boxes(sweep, 6.5)
    assert [line for line in panel.lines if line.get_marker() == "x"]
    assert "data.length\ncross: every seed diverged" in words
    rows = sweep_table(sweep).rows
    assert rows[2][1] == "diverged"
    assert rows[3][1].endswith("] 0/3, 1 of 3 diverged")


def test_files_are_the_same_each_time_and_the_inline_figure_has_the_colours_of_the_page(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    paths = sweep_plot(sweep).write(Path(sweep.path))
    assert [path.name for path in paths] == ["sweep.svg", "sweep.png"]
    contents = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in sweep_plot(sweep).write(Path(sweep.path))] == contents
    svg = sweep_plot(sweep).svg("narrow")
    root = ElementTree.fromstring(svg)
    assert root.get("class") == "narrow"
    assert "at 50 rnn 0.0007" in str(root.get("aria-label"))
    assert "var(--colour-1, #0072b2)" in svg
    assert not re.findall(r"#010203|#ffffff", svg)


def test_the_table_has_a_row_a_value_and_a_column_an_arm(make_sweep: MakeSweep) -> None:
    table = sweep_table(make_sweep())
    assert table.title == "MSE on the test part by data.length, lower is better; 3/3: all seeds solved it"
    assert table.columns == ("data.length", "rnn", "lstm", "gru", "chance", "solved")
    assert [row[0] for row in table.rows] == ["50", "100", "200", "400"]
    assert table.rows[0][1] == "0.0007 [0.0004, 0.0010] 3/3"
    assert table.rows[2][2].endswith("] 2/3")
    assert table.rows[3][4:] == ("0.1667", "0.0100")
    text = markdown(in_words(make_sweep()))
    assert "| data.length | rnn | lstm | gru | chance | solved |" in text
    assert text.endswith(
        "Values of data.length at which every seed solved it: rnn at 50; lstm at 50 and 100; "
        "gru at 50, 100, 200 and 400.\n"
    )


def test_without_a_level_nothing_is_said_of_solving_and_one_seed_says_that_it_is_one(make_sweep: MakeSweep) -> None:
    one = {value: {arm: values[:1] for arm, values in by_arm.items()} for value, by_arm in MSE.items()}
    table = sweep_table(make_sweep(one, baselines={"last value": {"mse": 0.3}}))
    assert table.columns[-1] == "last value"
    assert "solved" not in str(table)
    assert table.rows[0][1] == "0.0006"
    assert any("One seed" in note for note in table.warnings)


def test_the_page_links_to_every_comparison_and_holds_curve_and_table(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    page = write_sweep(sweep).read_text(encoding="utf-8")
    assert re.findall(r'href="(length-\d+/report\.html)"', page) == [
        f"length-{value}/report.html" for value in (50, 100, 200, 400)
    ]
    assert page.count("<svg") == 2
    assert "rnn, lstm and gru on adding by data.length" in page
    folder = Path(sweep.path)
    assert (folder / "table.md").read_text(encoding="utf-8") == markdown(in_words(sweep))
    assert r"\begin{tabular}" in (folder / "table.tex").read_text(encoding="utf-8")
