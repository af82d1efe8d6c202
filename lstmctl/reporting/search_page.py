"""A search as blocks: what won and why, every trial, and which settings mattered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmctl.metrics import metric
from lstmctl.reporting import html
from lstmctl.reporting.blocks import Block, Code, Facts, Folded, Heading, Link, Prose, Table, section
from lstmctl.reporting.comparison_words import decimals as decimals_of
from lstmctl.reporting.comparison_words import file_words, mean_words, on_part
from lstmctl.reporting.drawing import SMALL, Plot, new_figure, ruled, shortened
from lstmctl.reporting.palette import BLUE, GREY, ORANGE
from lstmctl.reporting.papers import latex, markdown
from lstmctl.reporting.quantities import duration
from lstmctl.reporting.sweep_words import value_name
from lstmctl.results.search import Finalist, Search, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW_TRIALS = 20
"""Trials below which the importance of a setting says little."""
TALLEST_SHARE = 0.9
"""Share of the trials that the axis of scores shows; the worst of the others are drawn at its edge."""


def search_blocks(search: Search) -> list[Block]:
    """Return the page of a search."""
    table = finalists_table(search)
    target = Link("report of the winner's runs", "winner/report.html")
    return [
        Heading(f"Search on {search.config}", 1),
        Prose(statement(search), "lead"),
        Prose(selection(search), "soft"),
        *section("The best", table.body()),
        *section("Winner", Code(search.winner_config), Facts(((target, on_part(search.winner)),))),
        *section("History", history_plot(search)),
        *section("Settings", slices_plot(search), _importance_table(search), *_importance_notes(search)),
        *section("Trials", Folded(f"All {len(search.trials)} trials", (trials_table(search),))),
        *section("Reproduction", Code(search.command)),
    ]


def in_words(search: Search) -> list[Block]:
    """Return the blocks for a terminal and a paper."""
    return [finalists_table(search), Prose(statement(search)), Prose(selection(search))]


def write_search(search: Search) -> Path:
    """Write `report.html`, `plots/`, `table.md` and `table.tex` in the search's folder.

    Returns:
        The page.

    Raises:
        ResourceError: the disk is full or the folder cannot be written; an older report is kept.
    """
    words = in_words(search)
    files = {"table.md": markdown(words), "table.tex": latex(words, search.command)}
    return html.write_page(Path(search.path), search_blocks(search), files)


def statement(search: Search) -> str:
    """Say what won, on which grounds, and how it does on the reported part."""
    best, arm, places = search.finalists[0], search.winner.arms[0], decimals_of(search.winner)
    words = metric(search.primary).words
    told = f"Trial {best.number} won with {point_words(best.point)}: {_value(best, places)} {words} on validation"
    if search.winner.split == "test" and arm.mean is not None:
        told += f", and {mean_words(arm, places)} on the test part"
    second = search.finalists[1] if len(search.finalists) > 1 else None
    if second is not None and _overlap(best, second):
        told += f". The seeds do not separate it from trial {second.number}"
    return f"{told}."


def selection(search: Search) -> str:
    """Say how the winner was selected, and that the test part was not used for it."""
    counts = {status: sum(one.status == status for one in search.trials) for status in ("pruned", "diverged", "failed")}
    ends = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    seeds = len(search.seeds)
    again = f"the best {len(search.finalists)} were trained again with {seeds} new seed{'s' if seeds > 1 else ''}"
    tried = f"{len(search.trials)} trials{f' ({ends})' if ends else ''} were scored on validation"
    told = f"{tried}; {again}, and the best mean won."
    if search.winner.split == "test":
        return f"{told} The test part was scored once, for the winner: it played no role in the selection."
    return f"{told} Without a test part, the winner is scored on the part it was selected on, which is optimistic."


def finalists_table(search: Search) -> Table:
    """One row per finalist, the best first."""
    places = decimals_of(search.winner)
    first = {trial.number: trial for trial in search.trials}
    rows = tuple(
        (
            f"{one.number}",
            *(value_name(one.point[key]) for key in search.space),
            _value(one, places),
            _number(first[one.number].value, places),
            " ".join(_number(value, places) for value in one.values),
        )
        for one in search.finalists
    )
    better = "lower is better" if search.lower_is_better else "higher is better"
    return Table(
        "search",
        f"The best trials by {metric(search.primary).words} on validation, {better}",
        ("trial", *search.space, "mean", "as a trial", "each seed"),
        rows,
        about=f"Means over {len(search.seeds)} seeds with their 95 % intervals. {file_words(search.winner)}",
    )


def trials_table(search: Search) -> Table:
    """One row per trial, in order."""
    places = decimals_of(search.winner)
    rows = tuple(
        (
            f"{one.number}",
            *(value_name(one.point.get(key)) for key in search.space),
            one.status,
            _number(one.value, places),
            "" if one.parameters is None else f"{one.parameters:,}",
            "" if one.seconds is None else duration(one.seconds),
        )
        for one in search.trials
    )
    columns = ("trial", *search.space, "status", metric(search.primary).words, "parameters", "training")
    return Table("trials", "", columns, rows, text_columns=("status",))


def point_words(point: Mapping[str, Any]) -> str:
    """Words for a point of the space: `learning_rate 0.004, hidden 128`."""
    return ", ".join(f"{key.rpartition('.')[2]} {value_name(value)}" for key, value in point.items())


def history_plot(search: Search) -> Plot | None:
    """Plot the score of every trial and the best so far; None if no trial has one."""
    if not (known := [one for one in search.trials if one.value is not None]):
        return None
    best = search.finalists[0]
    return Plot(
        "history",
        partial(_draw_history, search, known),
        f"{metric(search.primary).words} on validation of {len(known)} trials; trial {best.number} won.",
        "A dot is a trial that was trained to its end, a cross one that was pruned, with its last score. The line is "
        "the best so far.",
    )


def slices_plot(search: Search) -> Plot | None:
    """Plot the score over each setting; None if no trial has one."""
    if not (known := [one for one in search.trials if one.value is not None]):
        return None
    return Plot(
        "slices",
        partial(_draw_slices, search, known),
        f"{metric(search.primary).words} on validation over {', '.join(search.space)}.",
        "Each panel shows every trial at its value of one setting; the others vary too. The winner is ringed.",
    )


def _draw_history(search: Search, known: Sequence[Trial], width: float, ink: str) -> Figure:
    drawing = new_figure(width, 2.8)
    panel = drawing.add_subplot()
    _dots(panel, known, [float(one.number) for one in known])
    steps: list[tuple[int, float]] = []
    for one in known:
        if one.status == "finished" and one.value is not None:
            value = one.value
            if not steps or (value < steps[-1][1]) == search.lower_is_better:
                steps.append((one.number, value))
    if steps:
        ends = [number for number, _ in steps] + [known[-1].number]
        panel.step(ends, [value for _, value in steps] + [steps[-1][1]], where="post", color=ORANGE, linewidth=1.2)
    _frame(panel, search, known)
    panel.set_xlabel("trial")
    panel.set_ylabel(metric(search.primary).words)
    ruled(panel, ink)
    return drawing


def _draw_slices(search: Search, known: Sequence[Trial], width: float, ink: str) -> Figure:
    columns = max(1, min(len(search.space), int(width / 1.9)))
    rows = math.ceil(len(search.space) / columns)
    drawing = new_figure(width, 2.3 * rows)
    first: Axes | None = None
    for place, (key, text) in enumerate(search.space.items()):
        panel = drawing.add_subplot(rows, columns, place + 1, sharey=first)
        first = first or panel
        numeric = ".." in text
        values = [one.point.get(key) for one in known]
        names = sorted({value_name(value) for value in values}, key=_in_order)
        positions = (
            [float(value) for value in values if value is not None]
            if numeric
            else [float(names.index(value_name(value))) for value in values]
        )
        _dots(panel, known, positions)
        best = search.finalists[0].number
        ringed = [(at, one.value) for at, one in zip(positions, known, strict=True) if one.number == best]
        panel.plot(*zip(*ringed, strict=True), "o", markersize=9, markerfacecolor="none", color=ORANGE)
        if numeric and text.endswith(":log"):
            panel.set_xscale("log")
        if not numeric:
            panel.set_xticks(range(len(names)), [shortened(name, 10) for name in names])
            panel.set_xlim(-0.5, len(names) - 0.5)
        _frame(panel, search, known)
        panel.set_xlabel(shortened(key.rpartition(".")[2]))
        panel.tick_params(labelsize=SMALL, labelleft=place % columns == 0)
        if place % columns == 0:
            panel.set_ylabel(metric(search.primary).words)
        ruled(panel, ink)
    return drawing


def _dots(panel: Axes, known: Sequence[Trial], positions: Sequence[float]) -> None:
    for marker, colour, whole in (("o", BLUE, True), ("x", GREY, False)):
        pairs = [
            (at, one.value) for at, one in zip(positions, known, strict=True) if (one.status == "finished") == whole
        ]
        if pairs:
            panel.plot(*zip(*pairs, strict=True), marker, markersize=4, color=colour)


def _frame(panel: Axes, search: Search, known: Sequence[Trial]) -> None:
    """Leave out the worst tenth of the trials, which would flatten the rest."""
    values = sorted((one.value for one in known if one.value is not None), reverse=not search.lower_is_better)
    good = values[: max(2, math.ceil(TALLEST_SHARE * len(values)))]
    low, high = min(good), max(good)
    room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    panel.set_ylim(low - room, high + room)


def _in_order(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def _importance_table(search: Search) -> Table | None:
    if not search.importance:
        return None
    rows = tuple((key, f"{100 * share:.0f} %") for key, share in search.importance.items())
    return Table("importance", "", ("setting", "share"), rows, text_columns=("setting",))


def _importance_notes(search: Search) -> list[Prose]:
    if not search.importance:
        return []
    told = "Share of each setting in what separates the best trials from all others (PED-ANOVA)."
    few = " With so few trials, it is a hint at most." if len(search.trials) < FEW_TRIALS else ""
    return [Prose(told + few, "soft")]


def _overlap(one: Finalist, other: Finalist) -> bool:
    """Return True if two intervals overlap, or one is unknown."""
    ends = (one.low, one.high, other.low, other.high)
    if any(end is None for end in ends):
        return True
    low, high, other_low, other_high = (end for end in ends if end is not None)
    return low <= other_high and other_low <= high


def _value(one: Finalist, places: int) -> str:
    if one.mean is None:
        return "diverged"
    between = "" if one.low is None or one.high is None else f" [{one.low:.{places}f}, {one.high:.{places}f}]"
    return f"{one.mean:.{places}f}{between}"


def _number(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:.{places}f}"
