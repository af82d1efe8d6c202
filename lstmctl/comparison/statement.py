"""The conclusion of a comparison, and its limits, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lstmctl.comparison.plan import Plan
from lstmctl.metrics import SOLVED, metric
from lstmctl.reporting.quantities import figure as in_digits
from lstmctl.results.comparison import ArmResult, Difference
from lstmctl.results.evaluation import Metrics
from lstmctl.words import joined


def statement(
    plan: Plan,
    arms: Sequence[ArmResult],
    tests: Sequence[Difference],
    baselines: Mapping[str, Metrics],
    confidence: float,
) -> str:
    """One sentence on the differences, and one each where something else must be known to read them."""
    figure = metric(plan.primary).words
    count = len(plan.seeds)
    parts = [f"Over {count} seeds, on this data: " if count > 1 else "One seed, on this data: "]
    if len(arms) == 1:
        parts.append(_one_arm(arms[0], figure, confidence))
    else:
        parts.append(
            "; ".join(_differences(plan, tests, figure, confidence)) if count > 1 else _one_seed(plan, arms, figure)
        )
    parts.append(".")
    for arm in arms:
        value = (arm.ensemble or {}).get(plan.primary)
        if value is not None:
            parts.append(f" The median forecast of {arm.name}'s seeds reaches {value:.3f}.")
        lost = [str(run.seed) for run in arm.runs if run.value is None]
        if lost:
            parts.append(
                f" {arm.name} diverged on {'every seed' if len(lost) == count else 'seed ' + ', '.join(lost)}."
            )
    if plan.match != "parameters" and len({arm.parameters for arm in arms}) > 1:
        parts.append(f" Parameters differ: {', '.join(f'{arm.name} {arm.parameters:,}' for arm in arms)}.")
    early = [arm.name for arm in arms if any(run.stopped_early for run in arm.runs)]
    if early:
        parts.append(f" Patience ended runs of {' and '.join(early)} before their budget.")
    parts += _solved(plan, arms, baselines)
    parts += _baselines(plan, arms, baselines)
    return "".join(parts)


def _differences(plan: Plan, tests: Sequence[Difference], figure: str, confidence: float) -> list[str]:
    shown, open_ = [], []
    for test in tests:
        if test.difference is None:
            continue
        if test.p is None or test.low is None or test.high is None:
            open_.append(f"{test.a} and {test.b}")
        elif test.p < 1 - confidence:
            a_is_better = metric(plan.primary).sign * test.difference < 0
            better, worse = (test.a, test.b) if a_is_better else (test.b, test.a)
            low, high = sorted((abs(test.low), abs(test.high)))
            # Two digits of a small difference, three places of any other.
            places = max(3, 1 - math.floor(math.log10(abs(test.difference))))
            shown.append(
                f"{better} is better than {worse} by {abs(test.difference):.{places}f} {figure} "
                f"({100 * confidence:g} % interval {low:.{places}f} to {high:.{places}f}, {_p(test.p)})"
            )
        else:
            open_.append(f"{test.a} and {test.b} ({test.low:+.3f} to {test.high:+.3f}, {_p(test.p)})")
    if open_:
        shown.append("no difference was shown between " + ", ".join(open_))
    return shown or ["no two arms can be compared"]


def _one_arm(arm: ArmResult, figure: str, confidence: float) -> str:
    """Of one arm alone."""
    if arm.mean is None:
        return f"{arm.name} has no score"
    if arm.low is None or arm.high is None:
        return f"{arm.name} reaches {arm.mean:.3f} {figure}, but the variation between seeds is unknown"
    interval = f"{100 * confidence:g} % interval {arm.low:.3f} to {arm.high:.3f}"
    return f"{arm.name} reaches {arm.mean:.3f} {figure} ({interval})"


def _one_seed(plan: Plan, arms: Sequence[ArmResult], figure: str) -> str:
    scored = [(arm.mean, arm.name) for arm in arms if arm.mean is not None]
    if not scored:
        return "no arm has a score"
    sign = metric(plan.primary).sign
    value, name = min(scored, key=lambda one: (sign * one[0], one[1]))
    best = f"{in_digits(value)} {figure}"
    return f"{name} has the best score, {best}, but the variation between seeds is unknown"


def _solved(plan: Plan, arms: Sequence[ArmResult], baselines: Mapping[str, Metrics]) -> list[str]:
    """On how many seeds each arm solved a test of long memory."""
    level = baselines.get(SOLVED, {}).get(plan.primary)
    if level is None:
        return []
    primary = metric(plan.primary)
    what = f" Solved ({primary.words} of {level:.3g} or better) by "
    if all(len(arm.values) == 1 for arm in arms):
        solving = [arm.name for arm in arms if arm.values[0] is not None and primary.reaches(arm.values[0], level)]
        others = [arm.name for arm in arms if arm.name not in solving]
        unsolved = f", but not by {joined(others, 'or')}" if solving and others else ""
        return [f"{what}{joined(solving) or 'none'}{unsolved}."]
    found = []
    for arm in arms:
        solved = sum(value is not None and primary.reaches(value, level) for value in arm.values)
        found.append(f"{arm.name} on {solved or 'none'} of {len(arm.values)} seeds")
    return [f"{what}{', '.join(found)}."]


def _baselines(plan: Plan, arms: Sequence[ArmResult], baselines: Mapping[str, Metrics]) -> list[str]:
    """Report arms that do not beat the best baseline."""
    known = [
        (metrics[plan.primary], name)
        for name, metrics in baselines.items()
        if plan.primary in metrics and name != SOLVED
    ]
    if not known:
        return []
    sign = metric(plan.primary).sign
    value, name = min(known, key=lambda one: sign * one[0])
    losing = [arm.name for arm in arms if arm.mean is not None and sign * arm.mean >= sign * value]
    if not losing:
        return []
    verb = "does" if len(losing) == 1 else "do"
    return [f" {joined(losing)} {verb} not beat the {name} baseline ({value:.3f})."]


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
