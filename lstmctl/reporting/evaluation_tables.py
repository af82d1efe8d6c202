"""Metrics of a run and its baselines: the same tables in a terminal and on a page."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from lstmctl.metrics import SOLVED, Metric, metric
from lstmctl.reporting.blocks import Block, Prose, Table
from lstmctl.reporting.diagnostic_tables import diagnostics_in_words, skill_table
from lstmctl.reporting.quantities import count, figure
from lstmctl.results.diagnostics import Skill
from lstmctl.results.evaluation import Evaluation, Metrics

RUN = "run"
"""Name of the run in tables with its baselines."""
BEST = "* "
"""Marks the best value; it precedes the value, so that digits stay aligned."""
MARK_MEANING = "* the best of its row"
STEPS_SHOWN = 6
LEAD_PLACES = 4
TEXT_COLUMNS = ("", "channel", "series", "label")
MOST_CHANNELS = 12
MOST_SERIES = 3
"""Worst and best series in a terminal, of each."""
MOST_LABELS = 20
MOST_PLACES = 5


def evaluation_tables(evaluation: Evaluation) -> list[Table]:
    """Return the metrics overall, by channel, by series, by step of the horizon and by label, if known."""
    tables = (
        overall(evaluation),
        leads(evaluation),
        by_channel(evaluation),
        by_series(evaluation),
        by_step(evaluation),
        by_length(evaluation),
        skill_table(evaluation),
        by_label(evaluation),
    )
    return [table for table in tables if table is not None]


def evaluation_in_words(evaluation: Evaluation) -> list[Block]:
    """The tables, the notes and the verdict on the baselines, for a terminal."""
    tables = evaluation_tables(evaluation)
    if tables:
        tables[0] = replace(tables[0], title=f"{evaluation.run} {tables[0].title}")
    blocks: list[Block] = [*tables]
    if any(cell.startswith(BEST) for table in tables for row in table.rows for cell in row):
        blocks.append(Prose("* the best of its row; by channel or series, the better of the two"))
    blocks += map(Prose, (*diagnostics_in_words(evaluation), *evaluation.notes))
    return blocks + ([found] if (found := verdict(evaluation)) else [])


def overall(evaluation: Evaluation) -> Table | None:
    """One row per metric, with one column for the run and one per baseline; None without metrics.

    There are more metrics than baselines, so this form fits into a terminal.
    """
    models = {RUN: evaluation.metrics, **evaluation.baselines}
    # Values that only a baseline has, such as the order of an n-gram, are not compared.
    names = sorted(evaluation.metrics, key=lambda name: name != evaluation.primary)
    if not names:
        return None
    rows = []
    for name in names:
        values = [metrics.get(name) for metrics in models.values()]
        known = metric(name)
        rows.append((known.short_words, *_cells(known, values, known.places)))
    windows = f", {scored(evaluation)}" if evaluation.windows else ""
    about = f"{MARK_MEANING}." if len(models) > 1 else ""
    title = f"on {evaluation.split}{windows}"
    return Table("overall", title, ("", *models), tuple(rows), about=about, text_columns=TEXT_COLUMNS)


def leads(evaluation: Evaluation) -> Table | None:
    """The run's lead over each baseline, with its interval; none if rows are not independent."""
    if not evaluation.leads:
        return None
    known = metric(evaluation.primary)
    rows = []
    for name, found in evaluation.leads.items():
        values = _aligned([found.lead, found.low, found.high], LEAD_PLACES if known.unit == "share" else None)
        lead, low, high = (cell if cell.startswith("-") else f"+{cell}" for cell in values)
        rows.append((name, lead, f"{low} to {high}", found.shown))
    return Table(
        "leads",
        f"lead over the baselines in {known.words}, 95 % interval",
        ("", "lead", "interval", ""),
        tuple(rows),
        about=f"A positive lead means that the run is better. The interval is a paired bootstrap over "
        f"{scored(evaluation)}.",
        text_columns=TEXT_COLUMNS,
    )


def scored(evaluation: Evaluation) -> str:
    """The amount that was scored, in words: `2,785 windows`, `150 sequences`."""
    return f"{count(evaluation.windows)} {evaluation.counted}"


def by_channel(evaluation: Evaluation, most: int = MOST_CHANNELS) -> Table | None:
    """The run and the best baseline of every channel; None if there is only one channel, or if channels are series and
    `by_series` shows them because there are many."""
    own = evaluation.by_channel.get(RUN, {})
    if len(own) < 2 or (len(own) > MOST_CHANNELS and own.keys() == evaluation.by_series.get(RUN, {}).keys()):
        return None
    columns, rows = _with_best_baseline(evaluation, evaluation.by_channel, list(own)[:most])
    notes = [f"and {count(len(own) - most)} more channels, in --json"] if len(own) > most else []
    return Table(
        "channels",
        "by channel: the run and its best baseline",
        ("channel", *columns),
        tuple(rows),
        about=f"The run and the best baseline of each channel. {BEST}the better of the two in "
        f"{metric(evaluation.primary).words}.",
        notes=tuple(notes),
        text_columns=TEXT_COLUMNS,
    )


def by_series(evaluation: Evaluation, most: int = MOST_SERIES) -> Table | None:
    """The worst and the best series by the primary metric, at most `most` of each, with their best baselines; None if
    `by_channel` shows all of them."""
    own, primary = evaluation.by_series.get(RUN, {}), evaluation.primary
    if len(own) < 2 or (own.keys() == evaluation.by_channel.get(RUN, {}).keys() and len(own) <= MOST_CHANNELS):
        return None
    of = metric(primary)
    shown = worst_and_best(own, of, most)
    if not shown:
        return None
    columns, rows = _with_best_baseline(evaluation, evaluation.by_series, shown)
    if len(shown) < len(own):
        gap = next(place for place, row in enumerate(rows) if row[0] == shown[len(shown) // 2])
        rows.insert(gap, ("…", *[""] * len(columns)))
    return Table(
        "series",
        f"by series, the worst first: the run and its best baseline, {count(len(own))} series",
        ("series", *columns),
        tuple(rows),
        about=f"The series with the largest and the smallest {of.words}, each with its best baseline. {BEST}the better "
        "of the two.",
        notes=tuple(spread_of_coverage(own, map(metric, evaluation.metrics))),
        text_columns=TEXT_COLUMNS,
    )


def worst_and_best(own: Mapping[str, Metrics], primary: Metric, most: int) -> list[str]:
    """Return at most `most` series with the worst values of a metric, and the same number with the best."""
    known = [name for name in own if math.isfinite(own[name].get(primary.name, math.nan))]
    ordered = sorted(known, key=lambda name: -primary.sign * own[name][primary.name])
    return ordered if len(ordered) <= 2 * most else [*ordered[:most], *ordered[-most:]]


def spread_of_coverage(own: Mapping[str, Metrics], metrics: Iterable[Metric]) -> list[str]:
    """Say how far the coverage of each interval differs between series, in sentences."""
    found = []
    for one in metrics:
        kind, level = one.interval or ("", "")
        if kind != "coverage":
            continue
        shares = sorted((figures[one.name], series) for series, figures in own.items() if one.name in figures)
        if len(shares) > 1:
            (low, lowest), (high, highest) = shares[0], shares[-1]
            found.append(
                f"Intervals of {level} % cover from {100 * low:.0f} % ({lowest}) to {100 * high:.0f} % ({highest}), "
                f"in the median series {100 * statistics.median(share for share, _ in shares):.0f} %."
            )
    return found


def _with_best_baseline(
    evaluation: Evaluation, values: Mapping[str, Mapping[str, Metrics]], shown: Sequence[str]
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the columns after the first, and the rows: for each name the run, and the best baseline of that name."""
    own, primary = values[RUN], evaluation.primary
    known = {name: metric(name) for metrics in own.values() for name in metrics}
    coverage = next((name for name, one in known.items() if one.interval and one.unit == "share"), "")
    wanted = (primary, *(name for name, one in known.items() if one.by_channel), coverage)
    names = [name for name in dict.fromkeys(wanted) if name in known]
    heads: list[tuple[str, str]] = []
    marks: list[bool] = []
    figures: list[Metrics] = []
    for one in shown:
        others = {name: values.get(name, {}).get(one, {}) for name in evaluation.baselines}
        best = best_of(others, primary)
        pair = {RUN: own[one]} if best is None else {RUN: own[one], best: others[best]}
        heads += zip((one, ""), pair, strict=False)
        figures += pair.values()
        marks += _marked(metric(primary), [metrics.get(primary) for metrics in pair.values()])
    columns = {name: _aligned([metrics.get(name) for metrics in figures], known[name].places) for name in names}
    # In original units, one channel may be a million times another, so each pair has its own number of digits.
    starts = [row for row, (_, model) in enumerate(heads) if model == RUN]
    for name in [name for name in names if known[name].unit == "original"]:
        pairs = [figures[start:stop] for start, stop in pairwise([*starts, len(figures)])]
        columns[name] = [cell for pair in pairs for cell in _aligned([metrics.get(name) for metrics in pair])]
    if primary in columns:
        columns[primary] = [BEST * best_one + cell for best_one, cell in zip(marks, columns[primary], strict=True)]
    rows = [(*head, *cells) for head, cells in zip(heads, zip(*columns.values(), strict=True), strict=True)]
    return ["", *(known[name].short_words for name in names)], rows


def by_step(evaluation: Evaluation) -> Table | None:
    """The primary metric at some steps of the horizon, including the first and the last; None for a single step."""
    steps, primary = evaluation.by_step, evaluation.primary
    length = len(steps.get(RUN, ()))
    if length < 2 or not any(primary in step for step in steps[RUN]):
        return None
    models = [RUN, *(name for name in evaluation.baselines if len(steps.get(name, ())) == length)]
    rows = []
    chosen = sorted({round(place * (length - 1) / (STEPS_SHOWN - 1)) for place in range(STEPS_SHOWN)})
    values = [[steps[model][step].get(primary) for model in models] for step in chosen]
    places = _places([value for row in values for value in row])
    for step, row in zip(chosen, values, strict=True):
        rows.append((f"{step + 1:,}", *_cells(metric(primary), row, places)))
    return Table(
        "steps",
        f"{metric(primary).words} by step of the horizon",
        ("step", *models),
        tuple(rows),
        about=f"{MARK_MEANING}.",
        text_columns=TEXT_COLUMNS,
    )


def by_length(evaluation: Evaluation) -> Table | None:
    """The primary metric by the length of the sequences, and the baselines, which do not depend on it; None without
    further lengths."""
    primary = evaluation.primary
    if not evaluation.by_length:
        return None
    levels = [metrics[primary] for metrics in evaluation.baselines.values() if primary in metrics]
    rows = []
    for length, metrics in evaluation.by_length.items():
        values = [metrics.get(primary), *levels]
        rows.append((f"{length:,}", *_cells(metric(primary), values, _places(values))))
    return Table(
        "lengths",
        f"{metric(primary).words} by length; training goes up to {min(evaluation.by_length):,}",
        ("length", RUN, *(name for name, metrics in evaluation.baselines.items() if primary in metrics)),
        tuple(rows),
        text_columns=TEXT_COLUMNS,
    )


def by_label(evaluation: Evaluation, most: int = MOST_LABELS) -> Table | None:
    """Precision, recall and F1 of every label, the frequent ones first; None without labels."""
    if not evaluation.by_label:
        return None
    labels = sorted(evaluation.by_label.items(), key=lambda label: -label[1]["count"])
    rows = [
        (label, *(f"{rates[name]:.3f}" for name in ("precision", "recall", "f1")), count(rates["count"]))
        for label, rates in labels[:most]
    ]
    notes = (f"and {count(len(labels) - most)} more labels, in --json",) if len(labels) > most else ()
    columns = ("label", "precision", "recall", "F1", "cases")
    return Table("labels", "by label", columns, tuple(rows), notes=notes, text_columns=TEXT_COLUMNS)


def verdict(evaluation: Evaluation) -> Prose | None:
    """Return the verdict on the run and its baselines, with any reservations; None if they cannot be compared."""
    words = beats(evaluation)
    if words is None:
        return None
    if evaluation.warnings:
        reasons = ". ".join(f"{warning[0].upper()}{warning[1:]}" for warning in evaluation.warnings)
        return Prose(f"{words} But these scores may mislead. {reasons}.", "warning")
    return Prose(words, "" if beats_all(evaluation) else "warning")


def beats(evaluation: Evaluation) -> str | None:
    """Say whether the run is better than every baseline on its primary metric; None if they cannot be compared."""
    primary = evaluation.primary
    if primary not in evaluation.metrics:
        return None
    if (level := evaluation.baselines.get(SOLVED, {}).get(primary)) is not None:
        solved = metric(primary).reaches(evaluation.metrics[primary], level)
        shown, needed = _aligned([evaluation.metrics[primary], level])
        return f"{'Solved' if solved else 'Not solved'}: {shown} {metric(primary).words}; {needed} or better is solved."
    best = best_of(evaluation.baselines, primary)
    if best is None:
        return None
    unit = metric(primary).words
    if beats_all(evaluation):
        shown, others = _compared(evaluation, best)
        return f"It beats every baseline: {shown} {unit}, the best of them {others} ({best}){_by(evaluation, best)}."
    behind = [name for name in evaluation.baselines if _standing(evaluation, name) == "behind"]
    if behind:
        worst = best_of({name: evaluation.baselines[name] for name in behind}, primary) or behind[0]
        shown, others = _compared(evaluation, worst)
        return (
            f"It does not beat {worst} ({others} {unit}, the run {shown}{_by(evaluation, worst)}): prefer the "
            "baseline, or train longer."
        )
    unclear = [name for name in evaluation.baselines if _standing(evaluation, name) == "no difference shown"]
    nearest = best_of({name: evaluation.baselines[name] for name in unclear}, primary) or unclear[0]
    shown, others = _compared(evaluation, nearest)
    return (
        f"No difference shown from {nearest} ({others} {unit}, the run {shown}{_by(evaluation, nearest)}): score more "
        f"{evaluation.counted} to tell them apart."
    )


def beats_all(evaluation: Evaluation) -> bool:
    """Return True if the run's primary metric is better than every baseline's, as far as intervals show. A tie is not
    better; baselines without the metric are ignored."""
    standings = {_standing(evaluation, name) for name in evaluation.baselines} - {None}
    return standings == {"ahead"}


def _standing(evaluation: Evaluation, name: str) -> str | None:
    """Return True if the run is ahead of a baseline: by the interval of its lead, or without one by the metrics alone;
    None if the baseline lacks the metric."""
    primary = evaluation.primary
    other = evaluation.baselines[name].get(primary, math.nan)
    if not math.isfinite(other):
        return None
    if name in evaluation.leads:
        return evaluation.leads[name].shown
    if (found := _skill(evaluation, name)) is not None and found.shown:
        return found.shown
    return "ahead" if metric(primary).better(evaluation.metrics.get(primary, math.nan), than=other) else "behind"


def _compared(evaluation: Evaluation, name: str) -> list[str]:
    """The primary metric of the run and of a baseline."""
    primary = evaluation.primary
    return _aligned([evaluation.metrics[primary], evaluation.baselines[name][primary]])


def _by(evaluation: Evaluation, name: str) -> str:
    """The lead over a baseline with its interval, to follow a value; empty if there is none."""
    if name not in evaluation.leads:
        skill = _skill(evaluation, name)
        if skill is None or skill.low is None or skill.high is None:
            return ""
        share, low, high = (f"{100 * value:.1f}" for value in (skill.skill, skill.low, skill.high))
        return f"; skill {share} %, 95 % interval {low} to {high} %"
    found = evaluation.leads[name]
    places = LEAD_PLACES if metric(evaluation.primary).unit == "share" else None
    lead, low, high = _aligned([found.lead, found.low, found.high], places)
    return f"; lead {lead}, 95 % interval {low} to {high}"


def _skill(evaluation: Evaluation, name: str) -> Skill | None:
    return None if evaluation.diagnostics is None else evaluation.diagnostics.skill.get(name)


def best_of(models: Mapping[str, Metrics], name: str) -> str | None:
    """The model with the best value of a metric; None if no model has a number."""
    known = {model: metrics[name] for model, metrics in models.items() if math.isfinite(metrics.get(name, math.nan))}
    if not known:
        return None
    sign = metric(name).sign
    return min(known, key=lambda model: sign * known[model])


def _cells(of: Metric, values: Sequence[float | None], places: int | None = None) -> list[str]:
    """A row of values of one metric, the best of them marked."""
    return [BEST * best + cell for best, cell in zip(_marked(of, values), _aligned(values, places), strict=True)]


def _marked(of: Metric, values: Sequence[float | None]) -> list[bool]:
    """True for the best values; all False if there is nothing to compare or all are equal."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2 or of.lower_is_better is None:
        return [False] * len(values)
    best = min(known, key=lambda value: of.sign * value)
    return [value == best for value in values]


def _aligned(values: Sequence[float | None], places: int | None = None) -> list[str]:
    """Format values with the number of decimal places that gives the smallest of them four digits; empty for None."""
    places = _places(values) if places is None else places
    return ["" if value is None else _figure(value, places) for value in values]


def _figure(value: float, places: int) -> str:
    # With more digits, a power of ten is shorter; with fewer places, nothing would be left.
    plain = value == 0 or (10**-places <= abs(value) < 1e9)
    return f"{value:,.{places}f}" if math.isfinite(value) and plain else figure(value)


def _places(values: Iterable[float | None]) -> int:
    sizes = [abs(value) for value in values if value is not None and math.isfinite(value) and value]
    return max(0, min(MOST_PLACES, 3 - math.floor(math.log10(min(sizes))))) if sizes else 3
