"""The parts of a run's page that come from `evaluation.json`: baselines, example forecasts, and errors."""

from __future__ import annotations

from lstmctl.metrics import metric
from lstmctl.reporting import page
from lstmctl.reporting.comparison_tables import Table
from lstmctl.reporting.drawing import Plot
from lstmctl.reporting.evaluation_tables import beats, beats_all, by_channel, by_label, by_step, overall, scored
from lstmctl.reporting.forecast_plots import MOST_PANELS, forecast_plot, step_plot
from lstmctl.reporting.label_plots import confusion_plot
from lstmctl.reporting.stored_evaluation import StoredEvaluation

MOST_CHANNELS = 400
WORDS = ("", "channel", "label")
"""Columns of a table that are read as words; all others are figures."""


def evaluation_plots(stored: StoredEvaluation | None) -> dict[str, Plot]:
    """Return the plots of an evaluation that have something to show, by their names."""
    if stored is None:
        return {}
    evaluation = stored.evaluation
    plots = (
        forecast_plot(stored.examples[:MOST_PANELS]),
        step_plot(evaluation.by_step, stored.primary),
        confusion_plot(evaluation),
    )
    return {plot.name: plot for plot in plots if plot is not None}


def beside_baselines(stored: StoredEvaluation | None) -> str:
    """Whether the run beats its baselines, and every figure beside theirs; nothing where there are none."""
    if stored is None or not stored.evaluation.baselines:
        return ""
    evaluation, primary = stored.evaluation, stored.primary
    opening = "<p>" if beats_all(evaluation, primary) else '<p class="warning">'
    verdict = beats(evaluation, primary)
    parts = [f"{opening}{page.text(verdict)}</p>"] if verdict else []
    windows = f", {scored(evaluation)}" if evaluation.windows else ""
    parts.append(f"<h3>Beside the baselines: {page.text(evaluation.split)}{windows}</h3>")
    parts.append(_table(overall(evaluation, primary)))
    parts += [f'<p class="soft">{page.text(note)}</p>' for note in evaluation.notes]
    return "\n".join(part for part in parts if part)


def forecast_sections(stored: StoredEvaluation | None) -> list[str]:
    """Sections on forecasts: examples, errors by step and by channel; empty ones where nothing is known."""
    if stored is None:
        return []
    evaluation, primary, plots = stored.evaluation, stored.primary, evaluation_plots(stored)
    about = f"Windows of the {evaluation.split} part, in the series' own units. {_coverage(stored)}"
    return [
        page.section(
            "Forecasts", f'<p class="soft">{page.text(about.strip())}</p>', page.figure(plots["forecasts"])
        )
        if "forecasts" in plots
        else "",
        page.section(
            "Error by step",
            page.figure(plots.get("steps")),
            page.folded("As a table", _table(by_step(evaluation, primary))),
        ),
        page.section("By channel", _table(by_channel(evaluation, primary, most=MOST_CHANNELS))),
    ]


def label_section(stored: StoredEvaluation | None) -> str:
    """The confusion matrix and every label's rates; nothing where there are no labels."""
    if stored is None or not stored.evaluation.by_label:
        return ""
    evaluation = stored.evaluation
    table = _table(by_label(evaluation, most=MOST_CHANNELS))
    return page.section("By label", page.figure(confusion_plot(evaluation)), table)


def _coverage(stored: StoredEvaluation) -> str:
    """What the intervals are worth over the whole part, which a few windows cannot show."""
    said = []
    metrics = stored.evaluation.metrics
    for name, share in metrics.items():
        kind, level = metric(name).interval or ("", "")
        if kind == "coverage":
            width = metrics.get(f"width_{level}")
            wide = "" if width is None else f" and are {width:.4g} wide"
            said.append(f"those of {level} % cover {100 * share:.1f} %{wide}")
    if not said:
        return ""
    words = " and ".join(filter(None, [", ".join(said[:-1]), said[-1]]))
    channels = len(stored.evaluation.by_channel.get("run", {}))
    mean = ", as a mean over channels" if channels > 1 and "wide" in words else ""
    return f"Intervals over the whole part: {words}{mean}."


def _table(table: Table | None) -> str:
    if table is None:
        return ""
    beneath = " ".join(filter(None, [table.about, *table.notes]))
    about = f'\n<p class="soft">{page.text(beneath)}</p>' if beneath else ""
    return f"{page.table(table.columns, table.rows, words=WORDS)}{about}"
