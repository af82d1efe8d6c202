"""An evaluation as blocks: by itself, and as parts of a run's page."""

from __future__ import annotations

from lstmctl.metrics import metric
from lstmctl.records import Evaluation
from lstmctl.reporting.blocks import Block, Folded, Heading, Prose, section
from lstmctl.reporting.drawing import Plot
from lstmctl.reporting.evaluation_tables import (
    by_channel,
    by_label,
    by_step,
    evaluation_tables,
    overall,
    scored,
    verdict,
)
from lstmctl.reporting.forecast_plots import MOST_PANELS, forecast_plot, step_plot
from lstmctl.reporting.label_plots import confusion_plot
from lstmctl.reporting.stored_evaluation import StoredEvaluation

MOST_ROWS = 400
"""Channels or labels of a table on a page."""


def evaluation_plots(evaluation: Evaluation) -> dict[str, Plot]:
    """Return the plots of an evaluation that have something to show, by their names."""
    plots = (step_plot(evaluation.by_step, evaluation.primary), confusion_plot(evaluation))
    return {plot.name: plot for plot in plots if plot is not None}


def evaluation_blocks(evaluation: Evaluation) -> list[Block]:
    """Return all that is shown of an evaluation by itself."""
    said = verdict(evaluation)
    return [
        Heading(evaluation.run, 3),
        *([said] if said else []),
        *evaluation_tables(evaluation),
        *(Prose(note, "soft") for note in evaluation.notes),
        *evaluation_plots(evaluation).values(),
    ]


def example_plot(stored: StoredEvaluation) -> Plot | None:
    """Plot the examples of forecasts that an evaluation kept."""
    return forecast_plot(stored.examples[:MOST_PANELS])


def beside_baselines(evaluation: Evaluation) -> list[Block]:
    """Whether the run beats its baselines, and every metric beside theirs; nothing if there are none."""
    if not evaluation.baselines:
        return []
    said, table = verdict(evaluation), overall(evaluation)
    windows = f", {scored(evaluation)}" if evaluation.windows else ""
    return [
        *([said] if said else []),
        Heading(f"Beside the baselines: {evaluation.split}{windows}", 3),
        *([table.body()] if table else []),
        *(Prose(note, "soft") for note in evaluation.notes),
    ]


def evaluation_sections(stored: StoredEvaluation) -> list[Block]:
    """Sections on example forecasts, and on errors by step, by channel and by label, as far as they are known."""
    evaluation, plots, examples = stored.evaluation, evaluation_plots(stored.evaluation), example_plot(stored)
    steps, channels, labels = by_step(evaluation), by_channel(evaluation, MOST_ROWS), by_label(evaluation, MOST_ROWS)
    about = f"Windows of the {evaluation.split} part, in the series' own units. {_coverage(evaluation)}"
    return [
        *(section("Forecasts", Prose(about.strip(), "soft"), examples) if examples else []),
        *section("Error by step", plots.get("steps"), Folded("As a table", (steps.body(),)) if steps else None),
        *section("By channel", channels.body() if channels else None),
        *(section("By label", plots.get("confusion"), labels.body()) if labels else []),
    ]


def _coverage(evaluation: Evaluation) -> str:
    """What the intervals are worth over the whole part, which a few windows cannot show."""
    said = []
    for name, share in evaluation.metrics.items():
        kind, level = metric(name).interval or ("", "")
        if kind == "coverage":
            width = evaluation.metrics.get(f"width_{level}")
            wide = "" if width is None else f" and are {width:.4g} wide"
            said.append(f"those of {level} % cover {100 * share:.1f} %{wide}")
    if not said:
        return ""
    words = " and ".join(filter(None, [", ".join(said[:-1]), said[-1]]))
    channels = len(evaluation.by_channel.get("run", {}))
    mean = ", as a mean over channels" if channels > 1 and "wide" in words else ""
    return f"Intervals over the whole part: {words}{mean}."
