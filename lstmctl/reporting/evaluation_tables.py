"""How a run's figures stand beside its baselines': the same tables in a terminal and on a page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TextIO

from lstmctl.metrics import SOLVED, Metric
from lstmctl.records import Evaluation, Metrics
from lstmctl.reporting.comparison_tables import Table
from lstmctl.reporting.console import inert, print_table, write_line
from lstmctl.reporting.quantities import INTERVAL, count, figure, metric_words

RUN = "run"
"""The name under which the run's own figures stand beside its baselines'."""
BEST = "* "
"""Stands before the best figure: there it moves no digit out of its column."""
MARK_MEANING = "* the best of its row"
STEPS_SHOWN = 6
MOST_CHANNELS = 12
MOST_LABELS = 20
CHANNEL_FIGURES = ("mse_scaled", "mae", "mase")
"""Beside the primary figure: a scaled error, one in the channel's own units, and one against the naive forecast."""
ERRORS = ("mse_", "mae", "rmse", "smape", "mase", "pinball", "nats_per_", "bits_per_", "character_error_rate")
"""Figures that begin so are better the lower they are; how wide an interval should be is no such question."""
RATES = ("accuracy", "macro_f1", "exact_match", "r2")
"""Figures that are better the higher they are."""
MOST_PLACES = 5
SHARE_PLACES = 3


def evaluation_tables(
    evaluation: Evaluation, primary: str, *, lower_is_better: bool = True, most_channels: int = MOST_CHANNELS
) -> list[Table]:
    """The figures overall, by channel and by step of the horizon, as far as they are known.

    Args:
        primary: the figure that decides, such as `mse_scaled`; it stands first.
        lower_is_better: of the primary figure.
        most_channels: the first so many channels have rows.
    """
    tables = [
        overall(evaluation, primary, lower_is_better=lower_is_better),
        by_channel(evaluation, primary, lower_is_better=lower_is_better, most=most_channels),
        by_step(evaluation, primary, lower_is_better=lower_is_better),
        by_label(evaluation),
    ]
    return [table for table in tables if table is not None]


def overall(evaluation: Evaluation, primary: str, *, lower_is_better: bool = True) -> Table | None:
    """Every figure in a row of its own, the run's and each baseline's beside each other; none where nothing is known.

    There are more figures than baselines: so they fit into a terminal.
    """
    models = {RUN: evaluation.metrics, **evaluation.baselines}
    # What a baseline alone has, such as the order of an n-gram, is compared with nothing.
    names = sorted(evaluation.metrics, key=lambda name: name != primary)
    if not names:
        return None
    rows = []
    for name in names:
        values = [metrics.get(name) for metrics in models.values()]
        lower = lower_is_better if name == primary else _lower_is_better(name)
        rows.append((short_words(name), *_cells(values, lower, _fixed_places(name))))
    windows = f", {scored(evaluation)}" if evaluation.windows else ""
    about = f"{MARK_MEANING}." if len(models) > 1 else ""
    return Table("overall", f"on {evaluation.split}{windows}", about, ("", *models), tuple(rows))


def scored(evaluation: Evaluation) -> str:
    """How much was scored, in words: `2,785 windows`, `150 sequences`."""
    return f"{count(evaluation.windows)} {evaluation.counted}"


def by_channel(
    evaluation: Evaluation, primary: str, *, lower_is_better: bool = True, most: int = MOST_CHANNELS
) -> Table | None:
    """The run and the best baseline of every channel; none where there is one channel."""
    own = evaluation.by_channel.get(RUN, {})
    if len(own) < 2:
        return None
    coverage = next((name for name in evaluation.metrics if name.startswith("coverage_")), "")
    names = [
        name
        for name in dict.fromkeys((primary, *CHANNEL_FIGURES, coverage))
        if any(name in metrics for metrics in own.values())
    ]
    heads: list[tuple[str, str]] = []
    marks: list[bool] = []
    figures: list[Metrics] = []
    for channel in list(own)[:most]:
        others = {name: evaluation.by_channel.get(name, {}).get(channel, {}) for name in evaluation.baselines}
        best = best_of(others, primary, lower_is_better=lower_is_better)
        pair = {RUN: own[channel]} if best is None else {RUN: own[channel], best: others[best]}
        heads += zip((channel, ""), pair, strict=False)
        figures += pair.values()
        marks += _marked([metrics.get(primary) for metrics in pair.values()], lower_is_better)
    columns = {name: _aligned([metrics.get(name) for metrics in figures], _fixed_places(name)) for name in names}
    # In original units one channel may be a million times another: each pair has its own digits.
    starts = [row for row, (_, model) in enumerate(heads) if model == RUN]
    for name in set(names) & {"mae", "rmse", "pinball"}:
        pairs = [figures[start:stop] for start, stop in pairwise([*starts, len(figures)])]
        columns[name] = [cell for pair in pairs for cell in _aligned([metrics.get(name) for metrics in pair])]
    if primary in columns:
        columns[primary] = [BEST * best_one + cell for best_one, cell in zip(marks, columns[primary], strict=True)]
    rows = [(*head, *cells) for head, cells in zip(heads, zip(*columns.values(), strict=True), strict=True)]
    notes = [f"and {count(len(own) - most)} more channels, in --json"] if len(own) > most else []
    return Table(
        "channels",
        "by channel: the run and its best baseline",
        f"The run and the best baseline of each channel. {BEST}the better of the two in {metric_words(primary)}.",
        ("channel", "", *map(short_words, names)),
        tuple(rows),
        notes=tuple(notes),
    )


def by_step(evaluation: Evaluation, primary: str, *, lower_is_better: bool = True) -> Table | None:
    """The primary figure at some steps of the horizon, the first and the last among them; none for a single step."""
    steps = evaluation.by_step
    length = len(steps.get(RUN, ()))
    if length < 2 or not any(primary in step for step in steps[RUN]):
        return None
    models = [RUN, *(name for name in evaluation.baselines if len(steps.get(name, ())) == length)]
    rows = []
    chosen = sorted({round(place * (length - 1) / (STEPS_SHOWN - 1)) for place in range(STEPS_SHOWN)})
    values = [[steps[model][step].get(primary) for model in models] for step in chosen]
    places = _places([value for row in values for value in row])
    for step, row in zip(chosen, values, strict=True):
        rows.append((f"{step + 1:,}", *_cells(row, lower_is_better, places)))
    return Table(
        "steps",
        f"{metric_words(primary)} by step of the horizon",
        f"{MARK_MEANING}.",
        ("step", *models),
        tuple(rows),
    )


def by_label(evaluation: Evaluation, most: int = MOST_LABELS) -> Table | None:
    """Precision, recall and F1 of every label, the frequent ones first; none where there are no labels."""
    if not evaluation.by_label:
        return None
    labels = sorted(evaluation.by_label.items(), key=lambda label: -label[1]["count"])
    rows = [
        (label, *(f"{rates[name]:.3f}" for name in ("precision", "recall", "f1")), count(rates["count"]))
        for label, rates in labels[:most]
    ]
    notes = (f"and {count(len(labels) - most)} more labels, in --json",) if len(labels) > most else ()
    return Table(
        "labels",
        "by label",
        "",
        ("label", "precision", "recall", "F1", "cases"),
        tuple(rows),
        notes=notes,
    )


def show_evaluation(
    evaluation: Evaluation, primary: str, *, lower_is_better: bool = True, stream: TextIO | None = None
) -> None:
    """Write the tables, the notes and whether the run beats its baselines, to stderr or `stream`.

    Raises:
        OSError: `stream` is stdout and its disk is full.
    """
    tables = evaluation_tables(evaluation, primary, lower_is_better=lower_is_better)
    for number, table in enumerate(tables):
        title = f"{evaluation.run} {table.title}" if number == 0 else table.title
        print_table(title, table.columns, table.rows, stream=stream)
        for note in table.notes:
            write_line(inert(note), stream)
        write_line("", stream)
    if any(cell.startswith(BEST) for table in tables for row in table.rows for cell in row):
        write_line("* the best of its row, or by channel of the two", stream)
    for note in evaluation.notes:
        write_line(inert(note), stream)
    if verdict := beats(evaluation, primary, lower_is_better=lower_is_better):
        write_line(inert(verdict), stream)


def beats(evaluation: Evaluation, primary: str, lower_is_better: bool = True) -> str | None:
    """Whether the run is better than every baseline on its primary figure, in a sentence; None where nothing tells."""
    if primary not in evaluation.metrics:
        return None
    if (level := evaluation.baselines.get(SOLVED, {}).get(primary)) is not None:
        solved = Metric(primary, lower_is_better).reaches(evaluation.metrics[primary], level)
        shown, needed = _aligned([evaluation.metrics[primary], level])
        return f"{'Solved' if solved else 'Not solved'}: {shown} {metric_words(primary)}; {needed} or better is solved."
    best = best_of(evaluation.baselines, primary, lower_is_better=lower_is_better)
    if best is None:
        return None
    own, other = evaluation.metrics[primary], evaluation.baselines[best][primary]
    shown, others = _aligned([own, other])
    unit = metric_words(primary)
    if beats_all(evaluation, primary, lower_is_better):
        return f"It beats every baseline: {shown} {unit}, the best of them {others} ({best})."
    return f"It does not beat {best} ({others} {unit}, the run {shown}): use that, or train longer."


def beats_all(evaluation: Evaluation, primary: str, lower_is_better: bool = True) -> bool:
    """Whether the run's primary figure is better than that of every baseline that has one; equal is not better."""
    own = evaluation.metrics.get(primary, math.nan)
    best = best_of(evaluation.baselines, primary, lower_is_better=lower_is_better)
    if best is None or not math.isfinite(own):
        return False
    other = evaluation.baselines[best][primary]
    return own < other if lower_is_better else own > other


def best_of(models: Mapping[str, Metrics], name: str, *, lower_is_better: bool = True) -> str | None:
    """The model with the best figure of a name; None where no model has one that is a number."""
    known = {model: metrics[name] for model, metrics in models.items() if math.isfinite(metrics.get(name, math.nan))}
    if not known:
        return None
    return min(known, key=lambda model: known[model] if lower_is_better else -known[model])


def short_words(name: str) -> str:
    """A figure's name for the head of a row or column: `width of 80 %, scaled`."""
    interval = INTERVAL.fullmatch(name)
    return metric_words(name).replace(" intervals", "") if interval else metric_words(name)


def _lower_is_better(name: str) -> bool | None:
    """None of a figure that is neither the better the lower nor the better the higher it is."""
    return True if name.startswith(ERRORS) else False if name in RATES else None


def _cells(values: Sequence[float | None], lower_is_better: bool | None, places: int | None = None) -> list[str]:
    """A row of figures, the best of them marked where `lower_is_better` says which that is."""
    shown = _aligned(values, places)
    if lower_is_better is None:
        return shown
    return [BEST * best + cell for best, cell in zip(_marked(values, lower_is_better), shown, strict=True)]


def _marked(values: Sequence[float | None], lower_is_better: bool) -> list[bool]:
    """Which values are the best; none where there is nothing to compare."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return [False] * len(values)
    best = min(known) if lower_is_better else max(known)
    return [value == best for value in values]


def _aligned(values: Sequence[float | None], places: int | None = None) -> list[str]:
    """Figures with as many places as the smallest of them needs for four digits; nothing for None."""
    places = _places(values) if places is None else places
    return ["" if value is None else _figure(value, places) for value in values]


def _figure(value: float, places: int) -> str:
    # Beyond so many digits a power of ten is shorter, and below so many places nothing would be left.
    plain = value == 0 or (10**-places <= abs(value) < 1e9)
    return f"{value:,.{places}f}" if math.isfinite(value) and plain else figure(value)


def _fixed_places(name: str) -> int | None:
    """Places of a figure that is a share, which needs no more the smaller it is."""
    return SHARE_PLACES if name.startswith("coverage_") else None


def _places(values: Iterable[float | None]) -> int:
    sizes = [abs(value) for value in values if value is not None and math.isfinite(value) and value]
    return max(0, min(MOST_PLACES, 3 - math.floor(math.log10(min(sizes))))) if sizes else 3
