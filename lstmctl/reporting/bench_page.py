"""A bench as blocks: standings, skill by test, length generalisation, and cost."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lstmctl.metrics import metric
from lstmctl.reporting import html
from lstmctl.reporting.blocks import Block, Code, Heading, Prose, Table, known, section
from lstmctl.reporting.drawing import Plot, new_figure, ruled
from lstmctl.reporting.length_plots import length_plot
from lstmctl.reporting.palette import BLUE
from lstmctl.reporting.papers import latex, markdown
from lstmctl.results.bench import Bench, Estimate, Standing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INTERVALS = (
    "95 % intervals by a bootstrap over tests and seeds: they show how much the order depends on the choice of tests "
    "and on chance. Cells whose intervals overlap cannot be ranked."
)


def write_bench(bench: Bench) -> Path:
    """Write `report.html`, `plots/`, `table.md` and `table.tex` into the bench's folder.

    Raises:
        ResourceError: the disk is full or the folder cannot be written.
    """
    words = bench_in_words(bench)
    files = {"table.md": markdown(words), "table.tex": latex(words, bench.command)}
    Path(bench.path).mkdir(parents=True, exist_ok=True)
    return html.write_page(Path(bench.path), bench_blocks(bench), files)


def bench_in_words(bench: Bench) -> list[Block]:
    """The tables, for a terminal and for papers."""
    return [standings_table(bench), skill_table(bench), cost_table(bench)]


def bench_blocks(bench: Bench) -> list[Block]:
    """Return the page of a bench."""
    lengths: list[Block] = []
    for test in bench.tests:
        courses = {cell: course for cell in bench.cells if (course := bench.row(test.name, cell).by_length)}
        if courses and (plot := length_plot(courses, test.primary, {test.baseline: test.level})) is not None:
            lengths += [Heading(test.name, 3), plot]
    return known(
        Heading(f"{len(bench.cells)} cells on {len(bench.tests)} tests", 1),
        Prose(
            f"Every cell with the parameters of the test's own, {' and '.join(bench.tune)} tried on validation, "
            f"{bench.seeds} seeds; profile {bench.profile}.",
            "soft",
        ),
        *section("Standings", rank_plot(bench.standings), standings_table(bench).body()),
        *section("Skill by test", skill_table(bench).body(), metric_table(bench)),
        *section("Length generalisation", *lengths),
        *section("Cost", cost_table(bench).body()),
        *section("Reproduction", Code(bench.command)),
    )


def standings_table(bench: Bench) -> Table:
    """Mean rank, win rate and mean skill of every cell."""
    rows = [
        (one.cell, _interval(one.rank, 1), _interval(one.wins, 2), _interval(one.skill, 2)) for one in bench.standings
    ]
    columns = ("cell", "mean rank", "win rate", "mean skill")
    return Table("standings", "standings", columns, tuple(rows), notes=(INTERVALS,), text_columns=columns)


def skill_table(bench: Bench) -> Table:
    """Mean skill of every cell on every test."""
    rows = [(cell, *(f"{bench.row(test.name, cell).skill:.2f}" for test in bench.tests)) for cell in bench.cells]
    about = "; ".join(f"{test.name}: 0 is {test.baseline}, {metric(test.primary).words}" for test in bench.tests)
    return Table(
        "skill",
        "skill: the share of the way from the baseline (0) to a perfect result (1)",
        ("cell", *(test.name for test in bench.tests)),
        tuple(rows),
        about=f"{about}.",
        text_columns=("cell",),
    )


def metric_table(bench: Bench) -> Table:
    """The mean of each test's metric by cell, followed by the baselines."""
    rows = []
    for cell in bench.cells:
        means = [bench.row(test.name, cell).mean for test in bench.tests]
        rows.append((cell, *("diverged" if mean is None else f"{mean:.3f}" for mean in means)))
    beneath = (("baseline", *(f"{test.level:.3f}" for test in bench.tests)),)
    columns = ("cell", *(test.name for test in bench.tests))
    return Table("metrics", "", columns, tuple(rows), beneath=beneath, text_columns=("cell",))


def cost_table(bench: Bench) -> Table:
    """Training time of a run on every test, and the kernel."""
    rows = []
    for cell in bench.cells:
        found = [bench.row(test.name, cell) for test in bench.tests]
        seconds = ["" if row.seconds is None else f"{row.seconds:.1f} s" for row in found]
        rows.append((cell, found[0].kernel or "", *seconds))
    columns = ("cell", "kernel", *(test.name for test in bench.tests))
    return Table("costs", "training time of a run", columns, tuple(rows), text_columns=("cell", "kernel"))


def rank_plot(standings: tuple[Standing, ...]) -> Plot | None:
    """Plot the mean rank of every cell with its interval; None for a single cell."""
    if len(standings) < 2:
        return None
    order = ", ".join(f"{one.cell} {one.rank.value:.1f}" for one in standings)
    return Plot("ranks", partial(_draw_ranks, standings), f"Mean rank over the tests with 95 % intervals: {order}.")


def _draw_ranks(standings: tuple[Standing, ...], width: float, ink: str) -> Figure:
    drawing = new_figure(width, 0.9 + 0.22 * len(standings))
    panel = drawing.add_subplot()
    for place, one in enumerate(standings):
        panel.plot([one.rank.low, one.rank.high], [place, place], color=BLUE, linewidth=1.4, alpha=0.6)
        panel.plot([one.rank.value], [place], color=BLUE, marker="o", markersize=4.5)
    panel.set_yticks(range(len(standings)), [one.cell for one in standings])
    panel.invert_yaxis()
    panel.set_xlim(0.8, len(standings) + 0.2)
    panel.set_xlabel("mean rank over the tests (1 is best), 95 % interval")
    ruled(panel, ink, "x")
    return drawing


def _interval(estimate: Estimate, places: int) -> str:
    return f"{estimate.value:.{places}f} [{estimate.low:.{places}f}, {estimate.high:.{places}f}]"
