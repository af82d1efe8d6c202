"""An evaluation as blocks: a page, and sections of a run's page."""

from __future__ import annotations

from dataclasses import replace

from lstmctl.metrics import metric
from lstmctl.reporting.blocks import Block, Folded, Heading, Prose, known, section
from lstmctl.reporting.clip_plots import clip_plots
from lstmctl.reporting.diagnostic_plots import (
    autocorrelation_plot,
    calendar_plot,
    coverage_plot,
    fans_plot,
    series_errors_plot,
)
from lstmctl.reporting.diagnostic_tables import diagnostics_in_words, skill_table
from lstmctl.reporting.drawing import Plot
from lstmctl.reporting.evaluation_tables import (
    RUN,
    by_channel,
    by_label,
    by_length,
    by_series,
    by_step,
    evaluation_tables,
    leads,
    overall,
    scored,
    verdict,
    worst_and_best,
)
from lstmctl.reporting.forecast_plots import MOST_PANELS, forecast_plot, step_plot
from lstmctl.reporting.label_plots import confusion_plot
from lstmctl.reporting.length_plots import length_plot
from lstmctl.reporting.stored_evaluation import StoredEvaluation
from lstmctl.results.evaluation import Evaluation

CLIPS = (
    "Clips of the {part} part: waveform, log-mel spectrogram, and the probability of each label at every frame. For "
    "a label of the whole clip, this is the prediction if the clip ended there. Frame labels are background colours."
)
LAST_WINDOWS = (
    "Forecasts from the last origins whose horizons do not overlap, each from the rows before its dashed line."
)
SERIES = " The series are those with the largest, the median and the smallest error."
WHITE = "Autocorrelation of the errors one step ahead"
WHITE_NOISE = (
    "Errors of good forecasts are like white noise: 95 % of their correlations are in the grey band. A peak at the "
    "season, or a slow decay, is structure that the forecasts miss."
)
MOST_ROWS = 400
"""Maximum number of channels or labels in a table on a page."""
MOST_SERIES = 10
"""Worst and best series in a table on a page, of each."""


def evaluation_blocks(evaluation: Evaluation) -> list[Block]:
    """Return the page of an evaluation."""
    return known(
        Heading(evaluation.run, 3),
        verdict(evaluation),
        *evaluation_tables(evaluation),
        *(Prose(note, "soft") for note in evaluation.notes),
        step_plot(evaluation.by_step, evaluation.primary),
        _length_plot(evaluation),
        confusion_plot(evaluation),
        *diagnostic_plots(evaluation).values(),
    )


def beside_baselines(evaluation: Evaluation) -> list[Block]:
    """The verdict on the run and its baselines, and all their metrics; empty without metrics."""
    if not evaluation.baselines:
        return []
    table = overall(evaluation)
    windows = f", {scored(evaluation)}" if evaluation.windows else ""
    return known(
        verdict(evaluation),
        Heading(f"Run and baselines: {evaluation.split}{windows}", 3),
        table and table.body(),
        *(Prose(note, "soft") for note in evaluation.notes),
        *([Heading(lead_table.title, 3), lead_table.body()] if (lead_table := leads(evaluation)) else ()),
    )


def evaluation_sections(stored: StoredEvaluation) -> list[Block]:
    """Sections on example forecasts, and on errors by step, by channel, by series and by label, if known."""
    evaluation, examples = stored.evaluation, forecast_plot(stored.examples[:MOST_PANELS])
    fans = fans_plot(stored.fans)
    steps, channels, labels = by_step(evaluation), by_channel(evaluation, MOST_ROWS), by_label(evaluation, MOST_ROWS)
    series, lengths = by_series(evaluation, MOST_SERIES), by_length(evaluation)
    extreme = worst_and_best(evaluation.by_series.get(RUN, {}), metric(evaluation.primary), MOST_SERIES)
    several = bool(evaluation.by_series)
    shown = "The last window of series from the largest to the smallest error" if several else "Windows"
    about = f"{shown} of the {evaluation.split} part, in the series' own units. {_coverage(evaluation)}"
    return [
        *(section("Forecasts", Prose(about.strip(), "soft"), examples) if examples else []),
        *(section("The last windows", Prose(LAST_WINDOWS + (SERIES if several else ""), "soft"), fans) if fans else []),
        *section(
            "Error by step",
            step_plot(evaluation.by_step, evaluation.primary),
            steps and Folded("As a table", (steps.body(),)),
        ),
        *section("By length", _length_plot(evaluation), lengths and lengths.body()),
        *section("By channel", channels and channels.body()),
        *section(
            "By series",
            *(Prose(said) for said in (series.notes if series else ())),
            series_errors_plot(evaluation.by_series, extreme, evaluation.primary),
            series and Folded("As a table", (replace(series.body(), notes=()),)),
        ),
        *_diagnostics(evaluation),
        *(section("By label", confusion_plot(evaluation), labels.body()) if labels else []),
        *section(
            "Clips",
            Prose(CLIPS.format(part=evaluation.split), "soft") if stored.clips else None,
            *clip_plots(stored.clips),
        ),
    ]


def _length_plot(evaluation: Evaluation) -> Plot | None:
    primary = evaluation.primary
    levels = {name: metrics[primary] for name, metrics in evaluation.baselines.items() if primary in metrics}
    return length_plot({"this run": evaluation.primary_by_length}, primary, levels)


def _diagnostics(evaluation: Evaluation) -> list[Block]:
    """Skill against the baselines, errors by the calendar, coverage by step and over time, and autocorrelation."""
    skill = skill_table(evaluation)
    if evaluation.diagnostics is None:
        return []
    plots = diagnostic_plots(evaluation)
    return section(
        "Diagnostics",
        *(Prose(said) for said in diagnostics_in_words(evaluation)),
        *((Heading(skill.title[0].upper() + skill.title[1:], 3), skill.body()) if skill else ()),
        *(block for title, plot in plots.items() for block in (Heading(title, 3), plot)),
        Prose(WHITE_NOISE, "soft") if WHITE in plots else None,
    )


def diagnostic_plots(evaluation: Evaluation) -> dict[str, Plot]:
    """Return the plots of a forecaster's diagnostics by their titles; none for other tasks."""
    found = evaluation.diagnostics
    if found is None:
        return {}
    plots = {
        "Error by the calendar": calendar_plot(found.by_phase, evaluation.primary),
        "Coverage by step and over time": coverage_plot(found, evaluation.by_step.get(RUN, ())),
        WHITE: autocorrelation_plot(found),
    }
    return {title: plot for title, plot in plots.items() if plot is not None}


def _coverage(evaluation: Evaluation) -> str:
    """Coverage and width of the intervals over the whole part, which a few windows cannot show."""
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
