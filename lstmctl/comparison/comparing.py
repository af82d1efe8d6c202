"""Comparisons and sweeps, from their arguments to their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lstmctl.api.assembly import OpenedData
from lstmctl.api.failures import memory_errors
from lstmctl.comparison.arms import DEFAULT, Arm, arms_of, least_arms, parse_grid
from lstmctl.comparison.execution import SECONDS_FOR_A_REPORT, Observer
from lstmctl.comparison.machines import Machines
from lstmctl.comparison.plan import Match, Plan
from lstmctl.comparison.planning import make_plan
from lstmctl.comparison.space import parse_tuning
from lstmctl.comparison.study import begun, join, opened
from lstmctl.comparison.sweeps import check_key, for_each, refuse_equal_values, require_one_metric, value_of
from lstmctl.comparison.tuning import with_first_trials
from lstmctl.config import LoadedConfig, derive, load_mapping
from lstmctl.config.schema import Forecast
from lstmctl.deriving import load_config
from lstmctl.errors import RunError
from lstmctl.events import Decided
from lstmctl.locks import is_locked
from lstmctl.reporting.display import observed_by
from lstmctl.reporting.live_comparison import ComparisonDisplay
from lstmctl.results.comparison import Comparison, Sweep
from lstmctl.runs.comparisons import find_comparison
from lstmctl.runs.folder import runs_root
from lstmctl.runs.run_lock import require_free_name
from lstmctl.tracking.listening import tracked
from lstmctl.training.interruption import termination_as_exit

LEARNING_RATES = {"rnn": "7e-3", "gru": "12e-3"}
"""Learning rates of the default comparison for cells that the config's own rate does not suit, chosen on the validation
part; see docs/benchmarks.md."""

SEEDS = 3


@dataclass(frozen=True)
class _Request:
    """The settings that all comparisons of a study share; see `compare`."""

    cells: Sequence[str]
    config: str | Path | Mapping[str, Any] | LoadedConfig | None
    overrides: Sequence[str]
    arms: Sequence[str]
    seeds: int | None
    """None for `SEEDS`, of two arms or more."""
    match: Match
    tune: Sequence[str]
    space: Sequence[str]
    trust: bool
    command: str
    name: str | None
    time: str | None
    baselines: Sequence[str]


def compare(
    cells: Sequence[str],
    config: str | Path | Mapping[str, Any] | LoadedConfig | None = None,
    overrides: Sequence[str] = (),
    *,
    arms: Sequence[str] = (),
    seeds: int | None = None,
    match: Match = "parameters",
    tune: Sequence[str] = (),
    space: Sequence[str] = (),
    jobs: int | None = None,
    devices: Sequence[str] = (),
    on: str | None = None,
    track: Sequence[str] = (),
    trust: bool = False,
    observe: Observer | None = None,
    quiet: bool = False,
    name: str | None = None,
    time: str | None = None,
    baselines: Sequence[str] = (),
    command: str = "lstmctl.compare",
) -> Comparison:
    """Train every arm with the same budget over several seeds, in a new folder with a report.

    Args:
        cells: names of cells; each is an arm.
        config: a file, the name of a bundled config, `-` for stdin, a mapping like a config, or one that is loaded
            with `overrides`; by default the bundled text with a small budget.
        overrides: `KEY=VALUE` for every arm.
        arms: further arms, `NAME: CELL KEY=VALUE …`.
        seeds: number of seeds, starting from the config's own; by default 3. A single arm is enough if it is given
            and above 1.
        match: what is equal for all arms: `parameters` (each arm takes the width that comes nearest to the parameters
            of the config's own cell), `hidden`, or `time` (each arm trains as long as the config's own cell takes for
            its budget).
        tune: `KEY=VALUE,VALUE`, tried on every arm with a separate seed; the best on validation is compared. Or
            `search:N`, for N trials of Optuna's TPE on every arm.
        space: of this search, such as `training.learning_rate=1e-3..1e-1:log`; see `lstmctl.search.search`.
        jobs: runs in parallel; by default 1, or on Ray the number that fits. The metrics do not depend on it.
        devices: GPUs of this machine, `cuda:0`, or `all`; each makes `jobs` runs at once.
        on: `ray`, or the address of a Ray cluster, `ray://HOST:PORT`, to make the runs there.
        track: live logs of every run elsewhere; see `lstmctl.train`.
        trust: allow the config to name code to import.
        observe: called with every event; by default a live display shows them.
        quiet: show nothing.
        name: of the folder; by default made of the config's or the data's name and a number.
        time: training time per run to derive sizes and budget for, such as `10m`, if a config is derived.
        baselines: further baselines of forecasts, by their names in `registry.BASELINES`.
        command: the command to repeat this.

    Raises:
        UsageError, ConfigError, DataError, RunError, ResourceError: see `lstmctl.errors`.
        Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
    """
    request = _Request(cells, config, overrides, arms, seeds, match, tune, space, trust, command, name, time, baselines)
    with observed_by(observe, lambda: ComparisonDisplay(quiet=quiet)) as shown, tracked(track, shown) as observe:
        result = _made(request, None, [""], Machines(jobs, tuple(devices), on), observe)
    assert isinstance(result, Comparison)
    return result


def sweep(
    cells: Sequence[str],
    config: str | Path | Mapping[str, Any] | LoadedConfig | None = None,
    overrides: Sequence[str] = (),
    *,
    key: str,
    values: Sequence[str],
    arms: Sequence[str] = (),
    seeds: int | None = None,
    match: Match = "parameters",
    tune: Sequence[str] = (),
    space: Sequence[str] = (),
    jobs: int | None = None,
    devices: Sequence[str] = (),
    on: str | None = None,
    track: Sequence[str] = (),
    trust: bool = False,
    observe: Observer | None = None,
    quiet: bool = False,
    name: str | None = None,
    time: str | None = None,
    baselines: Sequence[str] = (),
    command: str = "lstmctl.comparison.sweep",
) -> Sweep:
    """Run a comparison for every value of one setting, each in a folder inside a new one with a report.

    Args:
        cells, config, overrides, arms, seeds, match, tune, space, jobs, devices, on, track, trust, observe, quiet,
            name, time, baselines, command: see `compare`. A single arm is enough.
        key: the setting, dotted: `data.length`.
        values: as they would be typed after `data.length=`; two or more.

    Raises:
        UsageError, ConfigError, DataError, RunError, ResourceError: see `lstmctl.errors`. Errors of all values are
            raised together, before anything is trained.
        Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
    """
    request = _Request(cells, config, overrides, arms, seeds, match, tune, space, trust, command, name, time, baselines)
    with observed_by(observe, lambda: ComparisonDisplay(quiet=quiet)) as shown, tracked(track, shown) as observe:
        result = _made(request, key, values, Machines(jobs, tuple(devices), on), observe)
    assert isinstance(result, Sweep)
    return result


def resume(
    name: str | Path,
    *,
    seeds: int | None = None,
    device: str | None = None,
    jobs: int | None = None,
    devices: Sequence[str] = (),
    on: str | None = None,
    track: Sequence[str] = (),
    trust: bool = False,
    observe: Observer | None = None,
    quiet: bool = False,
) -> Comparison | Sweep:
    """Continue a comparison or a sweep that was stopped; no finished run is repeated.

    While another command makes its runs, on this machine or on one that shares the folder, this one makes some too, and
    takes over if the other one ends early.

    Args:
        name: a folder, a name under the folder for runs, or `latest`, the newest that is not finished.
        seeds: a larger number than planned, to narrow the intervals; None for the planned number.
        device: where to compute from now on; None for where it was planned.
        jobs, devices, on, track, trust, observe, quiet: see `compare`.

    Raises:
        RunError: there is none, another process holds it, it is damaged, or its data or a cell changed.
        UsageError: fewer seeds than it has.
        Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
    """
    machines = Machines(jobs, tuple(devices), on)
    folder = find_comparison(str(name), runs_root(), seeds=seeds)
    with (
        observed_by(observe, lambda: ComparisonDisplay(quiet=quiet)) as shown,
        tracked(track, shown) as observe,
        termination_as_exit(),
        memory_errors(),
    ):
        changes = seeds is not None or device is not None
        if changes and is_locked(folder):
            raise RunError(
                f"another command makes runs of {folder}",
                hint="without --seeds and device=, this one helps; or wait until it has ended",
            )
        helped = not changes and join(folder, machines=machines, trust=trust, observe=observe)
        patience = SECONDS_FOR_A_REPORT if helped else 0.5
        with opened(folder, seeds=seeds, device=device, machines=machines, trust=trust, patience=patience) as study:
            return study.complete(machines, observe)


def _made(
    asked: _Request, key: str | None, values: Sequence[str], machines: Machines, observe: Observer
) -> Comparison | Sweep:
    """Plan a study with one comparison for each value of `key`, or with one if `key` is None, and complete it."""
    if asked.name is not None:
        require_free_name(asked.name, runs_root())
    arms = arms_of(asked.cells, asked.arms, least=least_arms(asked.seeds, is_sweep=key is not None))
    tuning = parse_tuning(asked.tune, asked.space, asked.match, arms)
    grid = parse_grid(asked.tune if tuning is None else ())
    machines.check(asked.match)
    if key is not None:
        check_key(key, values, asked.overrides, arms, [*grid[0], *asked.space])
    if asked.config is None:
        arms = _suited(arms, [*asked.overrides, *asked.tune, f"{key}="])
    loaded, overrides = _load(asked)
    if loaded.decided:
        observe(Decided(loaded.decided))
    if len(arms) > 1 and isinstance(loaded.settings.task, Forecast) and "task.final_fit" not in loaded.origins:
        # Arms are compared by their scores; training each for forecasts too would double the time.
        loaded = replace(loaded, settings=derive(loaded.settings, ["task.final_fit=none"]))
    data = OpenedData(loaded.folder)

    def with_value(value: str) -> LoadedConfig:
        return replace(loaded, settings=derive(loaded.settings, [f"{key}={value}"]))

    def plan(value: str) -> Plan:
        made = make_plan(
            configs[value],
            arms,
            grid,
            data=data,
            seeds=SEEDS if asked.seeds is None else asked.seeds,
            match=asked.match,
            overrides=overrides if key is None else [*overrides, f"{key}={value}"],
            command=asked.command,
            baselines=asked.baselines,
            tuned=tuning is not None,
        )
        return made if tuning is None else with_first_trials(made, tuning, loaded.folder, data)

    if key is None:
        configs, found = {"": loaded}, []
    else:
        configs = dict(zip(values, for_each(key, values, with_value), strict=True))
        found = [value_of(configs[value], key) for value in values]
        refuse_equal_values(key, values, found)
    with termination_as_exit(), memory_errors():
        plans = [plan("")] if key is None else for_each(key, values, plan)
        if key is not None:
            require_one_metric(key, values, plans)
        stem = loaded.run_name or loaded.name
        with begun(runs_root(), stem, plans, key, values, found, asked.name) as study:
            return study.complete(machines, observe)


def _suited(arms: Sequence[Arm], asked: Sequence[str]) -> list[Arm]:
    """The arms of the default comparison, each with a learning rate that suits its cell, unless one is asked for."""
    key = "training.learning_rate="
    if any(text.startswith(key) for text in asked):
        return list(arms)
    return [
        replace(arm, overrides=(*arm.overrides, key + LEARNING_RATES[arm.cell]))
        if arm.cell in LEARNING_RATES and not any(text.startswith(key) for text in arm.overrides)
        else arm
        for arm in arms
    ]


def _load(asked: _Request) -> tuple[LoadedConfig, Sequence[str]]:
    """The config that all arms share, and its overrides; see `compare`."""
    config, overrides = asked.config, asked.overrides
    if config is None:
        config, overrides = DEFAULT[0], [*DEFAULT[1], *overrides]
    if isinstance(config, LoadedConfig):
        return config, overrides
    if isinstance(config, Mapping):
        return load_mapping(config, overrides), overrides
    return load_config(str(config), overrides, trust=asked.trust, time=asked.time), overrides
