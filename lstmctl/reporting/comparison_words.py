"""Wording of each fact of a comparison, shared by all tables, plots and pages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from lstmctl.metrics import metric
from lstmctl.reporting.quantities import count, duration
from lstmctl.results.comparison import ArmResult, Comparison, Difference, RunResult

DEVIATION_TO_WARN_OF = 0.02
"""Relative deviation of parameters from the target above which the match is questionable."""
DIVERGED = "diverged"
MOST_PLACES = 5
MOST_LISTED = 12
"""Number of seeds up to which the score of each is listed."""
MATCHES = {
    "parameters": "each arm's width gives it about {target} parameters",
    "hidden": "widths are as given, so parameters differ",
    "time": "every arm trains for about the same time, so steps differ",
}


def data_kind(comparison: Comparison) -> Literal["corpus", "series", "sequences"]:
    """Return what the arms learned from: a corpus of text, series to forecast, or independent sequences."""
    if comparison.unit == "sequences":
        return "sequences"
    return "series" if metric(comparison.primary).losses else "corpus"


def these(comparison: Comparison) -> str:
    """The data that the results apply to: `this corpus`."""
    kind = data_kind(comparison)
    return "this corpus" if kind == "corpus" else f"these {kind}"


def runs(comparison: Comparison) -> Iterator[tuple[ArmResult, RunResult]]:
    """Every run with its arm, in order."""
    return ((arm, run) for arm in comparison.arms for run in arm.runs)


def metric_names(comparison: Comparison) -> list[tuple[str, str]]:
    """Part and name of every final metric that any run has, and always of the primary one, which comes first."""
    found = [(comparison.split, comparison.primary)]
    found += [
        (part, name) for _, run in runs(comparison) for part, metrics in run.metrics.items() for name in metrics or ()
    ]
    return sorted(dict.fromkeys(found), key=lambda item: item[0] != comparison.split)


def final_value(run: RunResult, part: str, name: str) -> float | None:
    """A final metric of a run, or None if it has none."""
    return (run.metrics.get(part) or {}).get(name)


def ensemble_value(comparison: Comparison, arm: ArmResult) -> float | None:
    """The primary metric of the median forecast of an arm's seeds, or None if there is none."""
    return (arm.ensemble or {}).get(comparison.primary)


def baselines(comparison: Comparison) -> list[tuple[str, float]]:
    """Name and primary metric of each baseline; `uniform` is marked as chance."""
    return [
        (f"{name} (chance)" if name == "uniform" else name, metrics[comparison.primary])
        for name, metrics in comparison.baselines.items()
        if comparison.primary in metrics
    ]


def decimals(comparison: Comparison) -> int:
    """Decimal places that give four digits to the smallest value and two to the narrowest interval; at most 5."""
    values = [abs(value) for arm in comparison.arms for value in arm.values if value]
    ends = [(arm.low, arm.high) for arm in comparison.arms] + [(test.low, test.high) for test in comparison.tests]
    widths = [high - low for low, high in ends if low is not None and high is not None and high > low]
    needed = [3 - _magnitude(min(values))] if values else [3]
    needed += [1 - _magnitude(min(widths))] if widths else []
    return max(0, min(MOST_PLACES, max(needed)))


def fixed(value: float, places: int, *, signed: bool = False) -> str:
    """Format a value with a fixed number of decimal places: `1.512`, or `+0.120`."""
    return f"{value:{'+' if signed else ''},.{places}f}"


def value_words(value: float | None, places: int) -> str:
    """A seed's score, or that it diverged."""
    return DIVERGED if value is None else fixed(value, places)


def mean_words(arm: ArmResult, places: int) -> str:
    """An arm's mean with its interval: `1.512 [1.498, 1.526]`."""
    return DIVERGED if arm.mean is None else f"{fixed(arm.mean, places)} {interval_words(arm, places)}"


def difference_words(test: Difference, places: int) -> str:
    """A difference with its interval: `-0.120 [-0.143, -0.097]`."""
    if test.difference is None:
        return DIVERGED
    return f"{fixed(test.difference, places, signed=True)} {interval_words(test, places)}"


def interval_words(result: ArmResult | Difference, places: int) -> str:
    """An interval in brackets, or a note that there is none."""
    if result.low is None or result.high is None:
        # An arm has none only if a single seed is left; a difference also if its seeds do not vary at all.
        return "(one seed: no interval)" if isinstance(result, ArmResult) else "(no interval)"
    signed = isinstance(result, Difference)
    return f"[{fixed(result.low, places, signed=signed)}, {fixed(result.high, places, signed=signed)}]"


def is_decided(comparison: Comparison, test: Difference) -> bool:
    """Return True if a difference was shown at the level of the intervals, adjusted for all pairs."""
    return test.p is not None and test.p < 1 - comparison.confidence


def p_words(p: float | None) -> str:
    """A probability to three places; empty for None."""
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def parameter_words(arm: ArmResult) -> str:
    """An arm's parameters, and their deviation from the target: `348,988 (+0.1 %)`."""
    return count(arm.parameters) + ("" if arm.deviation is None else f" ({percent(arm.deviation, signed=True)})")


def is_off_target(arm: ArmResult) -> bool:
    """Return True if an arm's parameters are too far from the target for a match."""
    return arm.deviation is not None and abs(arm.deviation) > DEVIATION_TO_WARN_OF


def time_words(seconds: float | None) -> str:
    """A time with its unit: `42.3 s`, `1:36 min`, `1:02:03 h`; empty for None."""
    if seconds is None:
        return ""
    # From 59.95 on, one decimal place would give 60.0 s.
    return f"{seconds:.1f} s" if seconds < 59.95 else f"{duration(seconds)} {'min' if seconds < 3599.5 else 'h'}"


def level_time_words(comparison: Comparison, arm: ArmResult) -> str:
    """The time until the level, `never`, or nothing if there is no level."""
    if comparison.level is None:
        return ""
    return time_words(arm.seconds_to_level) or "never"


def settings_words(settings: Mapping[str, Any]) -> str:
    """Settings by the last part of their names: `hidden=256 learning_rate=0.004`."""
    return " ".join(f"{name.rpartition('.')[2]}={value}" for name, value in settings.items())


def percent(share: float, *, signed: bool = False) -> str:
    """A share in percent: `95 %`, or `+0.1 %`."""
    return f"{100 * share:+.1f} %" if signed else f"{100 * share:g} %"


def primary_words(comparison: Comparison) -> str:
    """The primary metric's name in words: `nats per character`."""
    return metric(comparison.primary).words


def on_part(comparison: Comparison) -> str:
    """The primary metric and its part: `nats per character on the test part`."""
    words = primary_words(comparison)
    return f"{words}{',' if ',' in words else ''} on the {comparison.split} part"


def better_words(comparison: Comparison) -> str:
    """Direction of improvement, in words."""
    return "lower is better" if metric(comparison.primary).sign > 0 else "higher is better"


def seeds_words(comparison: Comparison) -> str:
    """`seed 0`, or `seeds 0, 1, 2`."""
    return f"seed{'s' if len(comparison.seeds) > 1 else ''} {seed_numbers(comparison)}"


def seed_numbers(comparison: Comparison) -> str:
    """`0, 1, 2`, or `0 to 99`: seeds are consecutive."""
    seeds = comparison.seeds
    return f"{seeds[0]} to {seeds[-1]}" if has_many_seeds(comparison) else ", ".join(map(str, seeds))


def has_many_seeds(comparison: Comparison) -> bool:
    """Return True if the scores of all seeds are too many to list."""
    return len(comparison.seeds) > MOST_LISTED


def spread(comparison: Comparison, arm: ArmResult) -> list[tuple[str, RunResult]]:
    """Return the best, the median and the worst run of an arm, named so; an empty list if every run diverged.

    Of an even number of runs, the median is the better one of the middle two.
    """
    primary = metric(comparison.primary)
    scored = [run for run in arm.runs if run.value is not None]
    scored.sort(key=lambda run: primary.sign * (run.value or 0.0))
    found = {"best": scored[:1], "median": scored[(len(scored) - 1) // 2 :][:1], "worst": scored[-1:]}
    return [(name, run) for name, runs in found.items() for run in runs]


def budget_words(comparison: Comparison) -> str:
    """Budget of each run, in words."""
    units = f"{count(comparison.units)} {comparison.unit}"
    if comparison.match == "time":
        return f"training for as long as the config's own cell takes for {units}"
    return f"training on {units}"


def match_words(comparison: Comparison) -> str:
    """Quantity that is equal in all arms, in words."""
    if len(comparison.arms) == 1 and comparison.match == "hidden":
        return "the config's own width"
    target = "the same number of" if comparison.target is None else count(comparison.target)
    return MATCHES[comparison.match].format(target=target)


def names_words(names: list[str]) -> str:
    """Names as a list in words: `rnn, lstm and gru`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def file_words(comparison: Comparison) -> str:
    """The training files."""
    files = comparison.data.get("files")
    return ", ".join(map(str, files)) if isinstance(files, list | tuple) else str(files or "")


def circumstances(comparison: Comparison) -> str:
    """Conditions under which the results were obtained, in one sentence."""
    files = file_words(comparison)
    return (
        f"Config {comparison.config}{f' on {files}' if files else ''}; {seeds_words(comparison)}; "
        f"{budget_words(comparison)}; {match_words(comparison)}."
    )


def level_words(comparison: Comparison) -> str:
    """Explanation of the time to the level, in one sentence."""
    if comparison.level is None:
        return ""
    level = fixed(comparison.level, decimals(comparison))
    return (
        f"To level: training time until the mean validation curve is at {level} {primary_words(comparison)}, "
        "which is where the worst arm ends up."
    )


def machine_words(comparison: Comparison) -> str:
    """The device and the precision, if known."""
    known = [str(comparison.machine[key]) for key in ("device_name", "precision") if comparison.machine.get(key)]
    return f"Machine: {', '.join(known)}." if known else ""


def not_comparable(comparison: Comparison) -> str:
    """The reason why times are not comparable, or empty if they are."""
    kinds = {run.device_name for _, run in runs(comparison) if run.device_name is not None}
    if len(kinds) > 1:
        return f"not comparable: runs were made on {len(kinds)} kinds of machine"
    return f"not comparable: {comparison.jobs} runs at once shared the machine" if comparison.jobs > 1 else ""


def warnings_on_figures(comparison: Comparison) -> Iterator[str]:
    """Reasons not to take the results at face value."""
    for arm in comparison.arms:
        finished = sum(value is not None for value in arm.values)
        if 0 < finished < len(arm.values):
            yield (
                f"{arm.name}: {len(arm.values) - finished} of {len(arm.values)} runs diverged; "
                f"the mean is over the {finished} that did not, which favours the arm."
            )
    if off := [
        f"{arm.name} {percent(arm.deviation or 0, signed=True)}" for arm in comparison.arms if is_off_target(arm)
    ]:
        yield (
            f"More than {percent(DEVIATION_TO_WARN_OF)} from the target of parameters: {', '.join(off)}; "
            "sizes are only approximately equal."
        )


def warnings_on_differences(comparison: Comparison) -> Iterator[str]:
    """Reasons why some differences cannot be judged."""
    if any(test.difference is not None and test.low is None for test in comparison.tests):
        yield (
            "No interval: it needs two seeds that both arms finished, with different scores. "
            "Without it, no difference can be shown."
        )


def warnings_on_costs(comparison: Comparison) -> Iterator[str]:
    """Reasons not to compare rates and times."""
    if reason := not_comparable(comparison):
        yield f"* {reason}."
    if len({arm.kernel for arm in comparison.arms if arm.kernel}) > 1:
        yield "Kernels differ, so rates compare implementations as much as cells."


def _magnitude(value: float) -> int:
    """The exponent of the first digit: 0 for 1.5, -2 for 0.028."""
    return math.floor(math.log10(value)) if 0 < value < math.inf else 0
