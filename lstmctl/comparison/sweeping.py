"""The same comparison for every value of one setting, and what they show together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

from lstmctl.api.assembly import OpenedData
from lstmctl.api.failures import memory_errors
from lstmctl.comparison.arms import COMMA, Arm, arms_of, parse_grid
from lstmctl.comparison.comparing import (
    check_jobs,
    command_to_resume,
    complete,
    held,
    is_pending,
    load_shared,
    plan_to_resume,
    suited,
    warn_of,
)
from lstmctl.comparison.execution import Interrupted, Observer
from lstmctl.comparison.plan import Match, Plan, write_plan
from lstmctl.comparison.planning import keep_sources, make_plan
from lstmctl.comparison.results import as_json
from lstmctl.config import LoadedConfig, derive
from lstmctl.errors import ConfigError, LstmctlError, RunError, UsageError
from lstmctl.events import ComparisonEvent, Planned
from lstmctl.reporting.sweep_page import write_sweep
from lstmctl.reporting.sweep_words import value_name
from lstmctl.results.comparison import Comparison, Sweep
from lstmctl.runs.comparisons import (
    PLAN,
    REPORT,
    SWEEP,
    SweepContents,
    find_comparison,
    next_comparison_order,
    read_sweep,
)
from lstmctl.runs.folder import runs_root
from lstmctl.runs.run_lock import claimed_folder
from lstmctl.storage import disk_errors, replace_json
from lstmctl.training.interruption import Interruption, termination_as_exit

EXAMPLE = "--sweep data.length=50,100,200"
SHARED = {
    "model.cell": "cells are arms: lstmctl compare rnn lstm",
    "seed": "seeds are counted by --seeds",
}
"""Settings that cannot be swept."""
Found = TypeVar("Found")
UNSAFE = str.maketrans(dict.fromkeys("/\\:*?\"'<>|[]{}(), \t", "-"))


def sweep(
    cells: Sequence[str],
    config: str | Path | Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    *,
    key: str,
    values: Sequence[str],
    arms: Sequence[str] = (),
    seeds: int = 3,
    match: Match = "parameters",
    tune: Sequence[str] = (),
    jobs: int = 1,
    trust: bool = False,
    observe: Observer = lambda event: None,
    command: str | None = None,
) -> Sweep:
    """Run a comparison for every value of one setting, each in a folder inside a new one with a report.

    Args:
        cells, config, overrides, arms, seeds, match, tune, jobs, trust, observe, command: of every comparison; see
            `compare`. One arm alone will do.
        key: of the config, dotted: `data.length`.
        values: as they would be typed after `data.length=`; two or more.

    Raises:
        UsageError, ConfigError, DataError, RunError, ResourceError: see `lstmctl.errors`; the problems of all values
            are reported together, before anything is trained.
        Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
    """
    planned_arms, grid = arms_of(cells, arms, least=1), parse_grid(tune)
    check_jobs(jobs, match)
    _check_key(key, values, overrides, planned_arms, grid)
    if config is None:
        planned_arms = suited(planned_arms, [*overrides, *tune, f"{key}="])
    loaded, overrides = load_shared(config, overrides, trust=trust)
    data = OpenedData(loaded.folder)

    def plan(value: str, settings: LoadedConfig) -> Plan:
        return make_plan(
            settings,
            planned_arms,
            grid,
            data=data,
            seeds=seeds,
            match=match,
            overrides=[*overrides, f"{key}={value}"],
            command=command or "lstmctl.comparison.sweep",
        )

    def with_value(value: str) -> LoadedConfig:
        return replace(loaded, settings=derive(loaded.settings, [f"{key}={value}"]))

    configs = _for_each(key, values, with_value)
    found = [_value_of(one, key) for one in configs]
    _refuse_twins(key, values, found)
    with termination_as_exit(), memory_errors():
        named = dict(zip(values, configs, strict=True))
        plans = _for_each(key, values, lambda value: plan(value, named[value]))
        _require_one_figure(key, values, plans)
        with claimed_folder(runs_root(), f"{loaded.name}-sweep") as folder:
            names = _names(key, values)
            for name, one in zip(names, plans, strict=True):
                with disk_errors(folder / name):
                    (folder / name).mkdir()
                keep_sources(folder / name, one)
                write_plan(folder / name, one)
            contents = SweepContents(key, tuple(found), tuple(names), next_comparison_order(runs_root()))
            _write(folder, contents)
            return _complete(folder, contents, plans, jobs, observe)


def resume_sweep(
    name: str | Path,
    *,
    seeds: int | None = None,
    device: str | None = None,
    jobs: int = 1,
    trust: bool = False,
    observe: Observer = lambda event: None,
) -> Sweep:
    """Go on with a sweep that was stopped; no finished run is made again.

    Args:
        name: a folder, or a name under the runs folder.
        seeds, device, jobs, trust, observe: see `resume_comparison`.

    Raises:
        RunError: there is none, another process holds it, it is damaged, or its data or a cell changed.
        UsageError: fewer seeds than it has.
        Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
    """
    folder = find_comparison(str(name), runs_root(), or_sweep=True, seeds=seeds)
    with termination_as_exit(), held(folder), memory_errors():
        contents = read_sweep(folder)
        plans = [
            plan_to_resume(folder / one, seeds=seeds, device=device, jobs=jobs, trust=trust)
            for one in contents.comparisons
        ]
        _require_one_sweep([folder / one / PLAN for one in contents.comparisons], plans)
        return _complete(folder, contents, plans, jobs, observe)


def find_to_resume(name: str, seeds: int | None = None) -> tuple[Path, bool]:
    """The folder that a user calls `name` (see `find_comparison`), and whether it is a sweep.

    Raises:
        RunError: there is neither a comparison nor a sweep of that name.
    """
    folder = find_comparison(name, runs_root(), or_sweep=True, seeds=seeds)
    return folder, (folder / SWEEP).is_file()


def parse_sweep(text: str) -> tuple[str, list[str]]:
    """Key and values of `KEY=VALUE,VALUE,…`.

    Raises:
        UsageError: it is not of that form.
    """
    key, equals, rest = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--sweep {text} is not of the form KEY=VALUE,VALUE", hint=EXAMPLE)
    return key.strip(), [value.strip() for value in COMMA.split(rest) if value.strip()]


def sweep_as_json(result: Sweep) -> dict[str, Any]:
    """A sweep as the object of `compare --sweep --json` (docs/json.md)."""
    return {
        "report": str(Path(result.path) / "report.html"),
        "key": result.key,
        "values": list(result.values),
        "comparisons": [as_json(comparison) for comparison in result.comparisons],
    }


def _write(folder: Path, contents: SweepContents) -> None:
    replace_json(
        folder / SWEEP,
        {
            "format": 1,
            "order": contents.order,
            "key": contents.key,
            "values": contents.values,
            "comparisons": contents.comparisons,
        },
    )


def _complete(folder: Path, contents: SweepContents, plans: Sequence[Plan], jobs: int, observe: Observer) -> Sweep:
    """Complete every comparison, one after the other, and report."""
    folders = [folder / name for name in contents.comparisons]
    if pending := [plan for one, plan in zip(folders, plans, strict=True) if is_pending(one, plan)]:
        with disk_errors(folder / REPORT):
            (folder / REPORT).unlink(missing_ok=True)  # until it is made again, the sweep is not finished
    warn_of(pending, jobs)
    again = command_to_resume(folder, plans[0], jobs)
    comparisons: list[Comparison] = []
    with Interruption() as interruption:
        for number, (one, plan) in enumerate(zip(folders, plans, strict=True), start=1):
            if interruption.signal is not None:  # while a comparison was reported, not while one was run
                stopped = Interrupted(interruption.signal)
                stopped.again = again
                raise stopped
            title = f"{contents.key}={value_name(contents.values[number - 1])} ({number} of {len(folders)})"
            with held(one):
                comparisons.append(complete(one, plan, jobs, _titled(observe, title), again))
    result = Sweep(str(folder), plans[0].config, plans[0].command, contents.key, contents.values, tuple(comparisons))
    write_sweep(result)
    return result


def _titled(observe: Observer, title: str) -> Observer:
    def tell(event: ComparisonEvent) -> None:
        observe(replace(event, title=title) if isinstance(event, Planned) else event)

    return tell


def _check_key(
    key: str, values: Sequence[str], overrides: Sequence[str], arms: Sequence[Arm], grid: Sequence[tuple[str, ...]]
) -> None:
    """Raises UsageError where the key is decided elsewhere already, or there is nothing to go through."""
    if len(values) < 2:
        raise UsageError(f"--sweep {key}: give two values or more", hint=EXAMPLE)
    if key in SHARED:
        raise UsageError(f"--sweep {key} cannot be: {SHARED[key]}")
    others = {"after the cells": overrides, "by --tune": grid[0]} | {f"by {arm.name}": arm.overrides for arm in arms}
    for where, given in others.items():
        if any(text.partition("=")[0] == key for text in given):
            raise UsageError(f"--sweep {key}: it is set {where} too; leave it out there")


def _for_each(key: str, values: Sequence[str], find: Callable[[str], Found]) -> list[Found]:
    """The plan for each value, or the problems of all of them."""
    found, failures = [], []
    for value in values:
        try:
            found.append(find(value))
        except LstmctlError as error:
            failures.append((value, error))
    if not failures:
        return found
    lines = [
        message if f"{key}={value}" in message else f"{key}={value}: {message}"
        for value, error in failures
        for message in error.messages
    ]
    first = failures[0][1]
    if len(lines) == 1 and not isinstance(first, ConfigError):
        raise type(first)(lines[0], hint=first.hint) from first
    raise ConfigError(lines, hint=first.hint) from first


def _value_of(config: LoadedConfig, key: str) -> Any:
    settings = config.settings.model_dump(mode="json")
    return reduce(lambda section, part: section[part], key.split("."), settings)


def _refuse_twins(key: str, values: Sequence[str], found: Sequence[Any]) -> None:
    for index, value in enumerate(found):
        if value in found[:index]:
            one, other = values[found.index(value)], values[index]
            raise UsageError(f"--sweep {key}: {one} and {other} are the same value; give each once")


def _require_one_figure(key: str, values: Sequence[str], plans: Sequence[Plan]) -> None:
    """Raises UsageError where what the comparisons report does not stand on one scale."""
    for value, plan in zip(values, plans, strict=True):
        if (plan.primary, plan.split) != (plans[0].primary, plans[0].split):
            raise UsageError(
                f"--sweep {key}: {values[0]} is scored by {plans[0].primary} on the {plans[0].split} part, {value} by "
                f"{plan.primary} on the {plan.split} part; they cannot be on one curve"
            )


def _require_one_sweep(paths: Sequence[Path], plans: Sequence[Plan]) -> None:
    """Raises RunError where the plans at `paths` do not have the same arms and report the same metric of one part."""
    for path, plan in zip(paths, plans, strict=True):
        for what in ("primary", "split"):
            first, own = getattr(plans[0], what), getattr(plan, what)
            if own != first:
                raise RunError(f"{path} has {what} {own}, but {paths[0]} has {first}: they are not of one sweep")
        first, own = (", ".join(arm.name for arm in one.arms) for one in (plans[0], plan))
        if own != first:
            raise RunError(f"{path} has the arms {own}, but {paths[0]} has {first}: they are not of one sweep")


def _names(key: str, values: Sequence[str]) -> list[str]:
    """A folder's name for each value: `length-50`; a number distinguishes names that would be equal on some file
    systems."""
    names: list[str] = []
    for value in values:
        stem = f"{key.rpartition('.')[2]}-{value.translate(UNSAFE)}"[:60]
        taken = {name.lower() for name in names}
        name, number = stem, 2
        while name.lower() in taken:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return names
