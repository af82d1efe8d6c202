"""A comparison from its command to its report, and taken up again where it was stopped."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from lstmctl import shell
from lstmctl.api.assembly import build_task, find_cell, open_data
from lstmctl.api.failures import memory_errors
from lstmctl.comparison.arms import Arm, arms_of, parse_grid
from lstmctl.comparison.execution import Interrupted, Observer, execute, require_as_planned, status_of
from lstmctl.comparison.inspecting import inspect_arms
from lstmctl.comparison.plan import MOST_SEEDS, Match, Plan, PlannedRun, read_plan, write_plan
from lstmctl.comparison.planning import keep_sources, make_plan
from lstmctl.comparison.results import as_json, choose, gather
from lstmctl.config import LoadedConfig, from_mapping, load
from lstmctl.config.wording import shortened
from lstmctl.data.splitting import reported_part
from lstmctl.errors import DataError, LstmctlError, RunError, UsageError
from lstmctl.events import Planned
from lstmctl.locks import locked
from lstmctl.registry import source_hash
from lstmctl.reporting.comparison_page import write_comparison
from lstmctl.reporting.comparison_words import DEVIATION_TO_WARN_OF
from lstmctl.results.comparison import Comparison
from lstmctl.runs.comparisons import PLAN, RESULT, find_comparison, next_comparison_order
from lstmctl.runs.folder import FINAL, runs_root
from lstmctl.runs.run_lock import claimed_folder
from lstmctl.storage import remove_leftovers, replace_json, require_folder
from lstmctl.tasks.problem import AnyProblem, Corpus
from lstmctl.training.device import choose_device
from lstmctl.training.interruption import termination_as_exit

log = logging.getLogger(__name__)

DEFAULT = ("travellers", ("training.budget=600k characters",))
"""Config and overrides of a comparison without a config: six runs take a few minutes."""
LEARNING_RATES = {"rnn": "7e-3", "gru": "12e-3"}
"""Learning rates of the default comparison for cells that the config's own rate does not suit, chosen on the validation
part; see docs/benchmarks.md."""
FEW = 500
"""Symbols of a reported part below which a warning is due."""


def compare(
    cells: Sequence[str],
    config: str | Path | Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    *,
    arms: Sequence[str] = (),
    seeds: int = 3,
    match: Match = "parameters",
    tune: Sequence[str] = (),
    jobs: int = 1,
    trust: bool = False,
    observe: Observer = lambda event: None,
    command: str | None = None,
) -> Comparison:
    """Train every arm under one budget over several seeds, in a new folder with a report.

    Args:
        cells: names of cells, each an arm.
        config: a file, the name of a bundled config, `-` for stdin, a mapping like a config; by default the bundled
            text with a small budget.
        overrides: `KEY=VALUE` for every arm.
        arms: further arms, `NAME: CELL KEY=VALUE …`.
        seeds: how many, from the config's own on.
        match: what is made equal: `parameters` (each arm takes the width that comes nearest to the config's own cell),
            `hidden`, or `time` (each arm trains as long as the config's own cell takes for its budget).
        tune: `KEY=VALUE,VALUE`, tried on every arm with a seed of its own; the best on validation is compared.
        jobs: runs at once; the figures do not depend on it.
        trust: allow the config to name code to import.
        observe: called with every event.
        command: how a person started this.

    Raises:
        UsageError, ConfigError, DataError, RunError, ResourceError: see `lstmctl.errors`.
        Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
    """
    planned_arms, grid = arms_of(cells, arms), parse_grid(tune)
    check_jobs(jobs, match)
    if config is None:
        planned_arms = suited(planned_arms, [*overrides, *tune])
    loaded, overrides = load_shared(config, overrides, trust=trust)
    with termination_as_exit(), memory_errors():
        plan = make_plan(
            loaded,
            planned_arms,
            grid,
            seeds=seeds,
            match=match,
            overrides=overrides,
            command=command or "lstmctl.compare",
        )
        plan = plan.model_copy(update={"order": next_comparison_order(runs_root())})
        with claimed_folder(runs_root(), f"{loaded.name}-comparison") as folder:
            keep_sources(folder, plan)
            warn_of([plan], jobs)
            return complete(folder, plan, jobs, observe, command_to_resume(folder, plan, jobs))


def resume_comparison(
    name: str | Path,
    *,
    seeds: int | None = None,
    device: str | None = None,
    jobs: int = 1,
    trust: bool = False,
    observe: Observer = lambda event: None,
) -> Comparison:
    """Go on with a comparison that was stopped; no finished run is made again.

    Args:
        name: a folder, a name under the runs folder, or `latest`, the newest that is not finished.
        seeds: more than it was planned with, to narrow the intervals; None for as many.
        device: where to compute from here on; None for where it was planned.
        jobs, trust, observe: see `compare`.

    Raises:
        RunError: there is none, another process holds it, it is damaged, or its data or a cell changed.
        UsageError: fewer seeds than it has.
        Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
    """
    folder = find_comparison(str(name), runs_root(), seeds=seeds)
    with termination_as_exit(), held(folder), memory_errors():
        plan = plan_to_resume(folder, seeds=seeds, device=device, jobs=jobs, trust=trust)
        if is_pending(folder, plan):
            warn_of([plan], jobs)
        return complete(folder, plan, jobs, observe, command_to_resume(folder, plan, jobs))


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a comparison or a sweep for writing, and delete what a killed holder left half-written.

    Raises:
        RunError: another process holds it, or a folder in which it is written is a link.
    """
    for place in (folder, folder / "plots"):
        require_folder(place)
    with locked(folder):
        remove_leftovers(folder / "plots")
        yield


def suited(arms: Sequence[Arm], asked: Sequence[str]) -> list[Arm]:
    """The arms of the default comparison, each at a learning rate that suits its cell, unless one is asked for."""
    key = "training.learning_rate="
    if any(text.startswith(key) for text in asked):
        return list(arms)
    return [
        replace(arm, overrides=(*arm.overrides, key + LEARNING_RATES[arm.cell]))
        if arm.cell in LEARNING_RATES and not any(text.startswith(key) for text in arm.overrides)
        else arm
        for arm in arms
    ]


def load_shared(
    config: str | Path | Mapping[str, Any] | None, overrides: Sequence[str], *, trust: bool
) -> tuple[LoadedConfig, Sequence[str]]:
    """What all arms share, and its overrides; see `compare`.

    Raises:
        ConfigError: every problem of the config at once.
    """
    if config is None:
        config, overrides = DEFAULT[0], [*DEFAULT[1], *overrides]
    if isinstance(config, Mapping):
        return LoadedConfig(from_mapping(config, overrides), "config", None), overrides
    return load(str(config), overrides, trust=trust), overrides


def plan_to_resume(folder: Path, *, seeds: int | None, device: str | None, jobs: int, trust: bool) -> Plan:
    """The plan of a comparison that goes on, once it is known that nothing it rests on has changed.

    Raises:
        RunError, DataError, UsageError, ConfigError: see `resume_comparison`.
    """
    plan = read_plan(folder, trust=trust)
    check_jobs(jobs, plan.match)
    if seeds is not None:
        if not len(plan.seeds) <= seeds <= MOST_SEEDS:
            raise UsageError(
                f"--seeds {seeds}: {folder.name} has {len(plan.seeds)} already; as many or more, up to {MOST_SEEDS}"
            )
        first = plan.seeds[0]
        plan = plan.model_copy(update={"seeds": tuple(range(first, first + seeds))})
    if device is not None and (found := str(choose_device(device))) != plan.device:
        log.warning(
            "device was %s and is %s: neither times nor last bits of the runs made there and here compare",
            plan.device,
            found,
        )
        plan = plan.model_copy(update={"device": found})
    _check_unchanged(folder, plan)
    return plan


def is_pending(folder: Path, plan: Plan) -> bool:
    """Whether a run of the plan is still to be made."""
    return any(status_of(folder, run) not in FINAL for run in _all_runs(plan))


def complete(folder: Path, plan: Plan, jobs: int, observe: Observer, again: str) -> Comparison:
    """Make what is missing of a comparison in its folder, and report.

    Args:
        folder: held by a lock, with the sources of users' own cells in it.
        plan, jobs, observe: of the comparison.
        again: the command that goes on where this is stopped.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
        LstmctlError: what befell a run; what is finished stands.
    """
    runs = _all_runs(plan)
    finished = tuple(run.name for run in runs if status_of(folder, run) in FINAL)
    if pending := len(runs) - len(finished):
        (folder / RESULT).unlink(missing_ok=True)
        plan = plan.model_copy(update={"jobs": max(min(jobs, pending), plan.jobs)})
    write_plan(folder, plan)
    observe(Planned(tuple(run.name for run in runs), finished))
    try:
        execute(folder, plan, plan.tuning_runs, jobs=jobs, observe=observe)
        execute(folder, plan, plan.runs(choose(folder, plan)), jobs=jobs, observe=observe)
    except Interrupted as interrupted:
        interrupted.again = again
        raise
    except LstmctlError as error:
        kept = f"what is finished stands; to go on: {again}"
        error.hint = f"{error.hint}; {kept}" if error.hint else kept
        raise
    comparison = gather(folder, plan)
    write_comparison(comparison, inspect_arms(comparison))
    replace_json(folder / RESULT, {"format": 1, **as_json(comparison)})
    return comparison


def _all_runs(plan: Plan) -> list[PlannedRun]:
    """With those of tuning first; which candidate is compared does not change their names."""
    return [*plan.tuning_runs, *plan.runs(dict.fromkeys((arm.name for arm in plan.arms), 0))]


def command_to_resume(folder: Path, plan: Plan, jobs: int) -> str:
    """What a person types to go on, with consent where the plan names code."""
    words = ["lstmctl", "compare", "--resume", str(folder)]
    trust = any(arm.cell_source for arm in plan.arms)
    return shell.join([*words, *(["--jobs", str(jobs)] if jobs > 1 else []), *(["--trust"] if trust else [])])


def check_jobs(jobs: int, match: Match) -> None:
    """Raises UsageError where so many runs cannot go at once."""
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: 1 or more")
    if match == "time" and jobs > 1:
        raise UsageError("--match time needs --jobs 1: runs that share a machine slow each other down")


def warn_of(plans: Sequence[Plan], jobs: int) -> None:
    """Say what speaks against what the plans will show, each thing once."""
    for text in dict.fromkeys(text for plan in plans for text in _warnings(plan, jobs)):
        log.warning("%s", text)


def _warnings(plan: Plan, jobs: int) -> Iterator[str]:
    for arm in plan.arms:
        parameters = arm.candidates[0].parameters
        if plan.target is not None and abs(parameters / plan.target - 1) > DEVIATION_TO_WARN_OF:
            off = f"{100 * (parameters / plan.target - 1):+.1f} %"
            yield f"{arm.name} has {parameters:,} parameters, {off} from the {plan.target:,} to match"
    yield from plan.data.get("warnings", ())
    scored = int(plan.data["parts"][plan.split])
    if scored < FEW:
        yield f"the {plan.split} part has {scored} {plan.unit} only: what is measured on it says little"
    cores = os.cpu_count() or 1
    if jobs > 1 and plan.device == "cpu" and jobs * plan.threads > cores:
        yield (
            f"{jobs} runs at once with {plan.threads} threads each share {cores} cores; "
            f"threads={max(1, cores // jobs)} would suit them better"
        )


def _check_unchanged(folder: Path, plan: Plan) -> None:
    """Raise an error where the data, a cell or a run is not what the plan says."""
    settings = plan.arms[0].candidates[0].settings
    try:
        corpus = open_data(settings, folder)
    except DataError as error:
        raise DataError(str(error), hint="put it back where it was when the comparison was planned") from error
    plan.require_same_data(corpus.fingerprint)
    _require_fit(folder / PLAN, plan, build_task(settings, corpus), corpus)
    for run in [*plan.tuning_runs, *plan.runs(choose(folder, plan))]:
        if status_of(folder, run) is not None:
            require_as_planned(folder, plan, run)
    for arm in plan.arms:
        if arm.cell_source is None:
            continue
        kept = folder / f"{arm.cell.partition(':')[0]}.py"
        # What lies there is looked at before any of it runs.
        if kept.is_file() and sha256(kept.read_bytes()).hexdigest() != arm.cell_source:
            raise RunError(f"{kept} is not the source that {folder.name} was planned with")
        if source_hash(find_cell(arm.candidates[0].settings, folder)) != arm.cell_source:
            raise RunError(f"the source of {arm.cell} is not the one that {folder.name} was planned with")


def _require_fit(path: Path, plan: Plan, task: AnyProblem, corpus: Corpus) -> None:
    """Raises RunError where the plan at `path` reports what its task or its data does not have."""
    facts = task.facts(corpus)
    planned_and_found = {
        "primary": (plan.primary, task.primary.name),
        "lower_is_better": (plan.lower_is_better, task.primary.lower_is_better),
        "unit": (plan.unit, task.unit),
        "split": (plan.split, reported_part(corpus.parts)),
        **{f"data.{key}": (plan.data[key], facts.get(key)) for key in ("parts", "rows") if key in plan.data},
    }
    for key, (planned, found) in planned_and_found.items():
        if planned != found:
            raise RunError(
                f"{path} is damaged: {key} is {_short(planned)}, but the task and the data give {_short(found)}",
                hint="put the file back as it was, or begin a new comparison",
            )


def _short(value: object) -> str:
    return shortened(json.dumps(value), 80)
