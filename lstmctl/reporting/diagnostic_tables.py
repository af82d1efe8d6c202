"""A forecaster's diagnostics as a table and as sentences, for a terminal and a page."""

from __future__ import annotations

import math

from lstmctl.metrics import metric
from lstmctl.reporting.blocks import Table
from lstmctl.reporting.diagnostic_plots import NORMAL, TITLES, extremes_of
from lstmctl.reporting.quantities import count
from lstmctl.results.evaluation import Evaluation, Metrics

RUN = "run"
WORST_PHASE = 1.25
"""A phase is reported if its largest error is this many times its smallest."""


def skill_table(evaluation: Evaluation) -> Table | None:
    """The run's skill against each baseline, with its interval; None for other tasks than forecasts."""
    found = {} if evaluation.diagnostics is None else evaluation.diagnostics.skill
    if not found:
        return None
    rows = []
    for name, one in found.items():
        interval = "" if one.low is None or one.high is None else f"{100 * one.low:.1f} to {_percent(one.high)}"
        rows.append((name, _percent(one.skill), interval, one.shown))
    over = list(dict.fromkeys(one.over for one in found.values() if one.over))
    about = (
        f"The interval is a bootstrap over {', '.join(over)}." if over else "There are too few windows for intervals."
    )
    words = metric(evaluation.primary).words
    return Table(
        "skill",
        f"skill: share of the {words} of a baseline that the run avoids",
        ("", "skill", "95 % interval", ""),
        tuple(rows),
        notes=(about,),
        text_columns=("",),
    )


def diagnostics_in_words(evaluation: Evaluation) -> list[str]:
    """Say what stands out by the calendar, by step, over time and between neighbouring errors, in sentences."""
    found: list[str] = []
    diagnostics = evaluation.diagnostics
    if diagnostics is None:
        return found
    words = metric(evaluation.primary).words
    for phase, models in diagnostics.by_phase.items():
        known = [value for value in models.get(RUN, ()) if value is not None and math.isfinite(value)]
        if len(known) > 1 and max(known) > WORST_PHASE * min(known):
            least, most = extremes_of(phase, models[RUN])
            found.append(f"By {TITLES[phase]}, {words} is from {least} to {most}.")
    found += coverage_in_words(evaluation.by_step.get(RUN, ()))
    values = diagnostics.autocorrelation
    if values:
        band = NORMAL / math.sqrt(max(1, diagnostics.residuals))
        lag = max(range(len(values)), key=lambda place: abs(values[place]))
        if abs(values[lag]) > 2 * band:
            found.append(
                f"Errors one step ahead are correlated: {values[lag]:.2f} at a lag of {count(lag + 1)} (95 % of white "
                f"noise is within {band:.2f}); there is structure that the forecasts miss."
            )
    return found


def coverage_in_words(by_step: tuple[Metrics, ...]) -> list[str]:
    """Say how coverage changes over the horizon, in sentences; empty for fewer than two steps."""
    found = []
    for name in by_step[0] if len(by_step) > 1 else ():
        kind, level = metric(name).interval or ("", "")
        if kind == "coverage" and name in by_step[-1]:
            shares = [f"{100 * by_step[place][name]:.0f} %" for place in (0, -1)]
            found.append(f"Intervals of {level} % cover {shares[0]} at step 1 and {shares[1]} at step {len(by_step)}.")
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if math.isfinite(share) else "–"
