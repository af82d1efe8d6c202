"""A study: one comparison, or one for each value of a setting, in a folder that lets it continue after any stop."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from lstmctl import shell
from lstmctl.api.assembly import build_task, find_cell, open_data
from lstmctl.comparison.execution import Executor, Observer, continuable, execute, require_as_planned, status_of
from lstmctl.comparison.inspecting import inspect_arms
from lstmctl.comparison.machines import Machines
from lstmctl.comparison.plan import MOST_SEEDS, Plan, PlannedRun, read_plan, write_plan
from lstmctl.comparison.planning import keep_sources
from lstmctl.comparison.results import choose, gather
from lstmctl.comparison.sweeps import folder_names, require_one_sweep
from lstmctl.comparison.tuning import tune
from lstmctl.config.wording import shortened
from lstmctl.data.splitting import reported_part
from lstmctl.errors import DataError, RunError, UsageError
from lstmctl.events import ComparisonEvent, Concluding, Planned
from lstmctl.locks import is_locked, locked
from lstmctl.registry import source_hash
from lstmctl.reporting.comparison_page import write_comparison
from lstmctl.reporting.comparison_words import DEVIATION_TO_WARN_OF
from lstmctl.reporting.sweep_page import write_sweep
from lstmctl.reporting.sweep_words import value_name
from lstmctl.results.codec import as_json, from_json
from lstmctl.results.comparison import Comparison, Sweep
from lstmctl.runs.comparisons import (
    PLAN,
    REPORT,
    RESULT,
    SWEEP,
    SweepContents,
    next_comparison_order,
    read_sweep,
    write_sweep_contents,
)
from lstmctl.runs.folder import FINAL
from lstmctl.runs.run_lock import claimed_folder
from lstmctl.storage import disk_errors, read_json, remove_leftovers, replace_json, require_folder
from lstmctl.tasks.problem import AnyProblem, Corpus
from lstmctl.training.device import choose_device

log = logging.getLogger(__name__)

FEW = 500
"""Targets in the reported part below which a warning is due."""


@dataclass(frozen=True)
class Study:
    """Plans and the folders they are carried out in; the process holds `folder` for writing."""

    folder: Path
    plans: tuple[Plan, ...]
    sweep: SweepContents | None = None
    """None for a single comparison, which is in `folder` itself."""

    def complete(self, machines: Machines, observe: Observer) -> Comparison | Sweep:
        """Make the runs that are missing, and report.

        Raises:
            Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
            LstmctlError: of a run that failed; finished runs are kept.
        """
        pending = [plan for folder, plan in self._parts if is_pending(folder, plan)]
        warn_of(pending, machines)
        with machines.executor() if pending else nullcontext() as executor, continuable(self._again(machines)):
            return self._complete(machines, executor, observe, is_pending=bool(pending))

    def help(self, machines: Machines, observe: Observer) -> None:
        """Make runs that are missing, in a folder that another process holds, and wait for those that it makes.

        Raises:
            Interrupted, LstmctlError: see `complete`.
        """
        with machines.executor() as executor, continuable(self._again(machines)):
            for (folder, plan), title in zip(self._parts, self._titles, strict=True):
                observe(Planned(plan.names, finished_runs(folder, plan), title))
                make_runs(folder, plan, executor, observe)

    def _complete(
        self, machines: Machines, executor: Executor | None, observe: Observer, *, is_pending: bool
    ) -> Comparison | Sweep:
        if self.sweep is None:
            return complete_comparison(self.folder, self.plans[0], machines, executor, observe)
        if is_pending:
            with disk_errors(self.folder / REPORT):
                (self.folder / REPORT).unlink(missing_ok=True)  # until it is rewritten, the sweep is not finished
        comparisons = []
        for (folder, plan), title in zip(self._parts, self._titles, strict=True):
            with held(folder):
                comparisons.append(complete_comparison(folder, plan, machines, executor, _titled(observe, title)))
        first = self.plans[0]
        result = Sweep(
            str(self.folder), first.config, first.command, self.sweep.key, self.sweep.values, tuple(comparisons)
        )
        write_sweep(result)
        return result

    @property
    def _parts(self) -> list[tuple[Path, Plan]]:
        names = ("",) if self.sweep is None else self.sweep.comparisons
        return [(self.folder / name, plan) for name, plan in zip(names, self.plans, strict=True)]

    @property
    def _titles(self) -> list[str]:
        """One for each part of a sweep; empty for a comparison."""
        if self.sweep is None:
            return [""]
        values = enumerate(self.sweep.values, start=1)
        return [f"{self.sweep.key}={value_name(value)} ({number} of {len(self.plans)})" for number, value in values]

    def _again(self, machines: Machines) -> str:
        """The command that continues this study, with consent if it names a user's code."""
        trust = any(arm.cell_source for arm in self.plans[0].arms)
        words = ["lstmctl", "compare", "--resume", str(self.folder)]
        return shell.join([*words, *machines.words(), *(["--trust"] if trust else [])])


@contextmanager
def begun(
    root: Path,
    stem: str,
    plans: Sequence[Plan],
    key: str | None,
    values: Sequence[str],
    found: Sequence[object],
    name: str | None = None,
) -> Iterator[Study]:
    """Put new plans into a new folder under `root`, hold it, and yield the study.

    Args:
        root: the folder for runs.
        stem: of the folder's name.
        plans: one, or one for each value.
        key: the setting swept; None for one comparison.
        values: of the setting, as typed.
        found: the same values as the config has them.
        name: of the folder; None to number one by its stem.

    Raises:
        ResourceError: the folder cannot be made or written.
    """
    order = next_comparison_order(root)
    arms = plans[0].arms
    kind = "sweep" if key is not None else "comparison" if len(arms) > 1 else f"{arms[0].name}-seeds"
    with claimed_folder(root, f"{stem}-{kind}", name) as folder:
        if key is None:
            plan = plans[0].model_copy(update={"order": order})
            keep_sources(folder, plan)
            yield Study(folder, (plan,))
            return
        names = folder_names(key, values)
        for name, one in zip(names, plans, strict=True):
            with disk_errors(folder / name):
                (folder / name).mkdir()
            keep_sources(folder / name, one)
            write_plan(folder / name, one)
        contents = SweepContents(key, tuple(found), tuple(names), order)
        write_sweep_contents(folder, contents)
        yield Study(folder, tuple(plans), contents)


@contextmanager
def opened(
    folder: Path, *, seeds: int | None, device: str | None, machines: Machines, trust: bool, patience: float = 0.5
) -> Iterator[Study]:
    """Hold a study's folder, check that nothing it rests on has changed, and yield the study.

    Args:
        folder, seeds, device, machines, trust: see `comparing.resume`.
        patience: seconds to wait for another process that holds the folder.

    Raises:
        RunError, DataError, UsageError, ConfigError: see `comparing.resume`.
    """
    with held(folder, patience):
        yield _read_study(folder, seeds=seeds, device=device, machines=machines, trust=trust)


def _read_study(folder: Path, *, seeds: int | None, device: str | None, machines: Machines, trust: bool) -> Study:
    """Return a study, after checking that nothing it rests on has changed; see `opened`."""
    sweep = read_sweep(folder) if (folder / SWEEP).is_file() else None
    folders = [folder / name for name in (sweep.comparisons if sweep else ("",))]
    plans = [_plan_to_resume(one, seeds=seeds, device=device, machines=machines, trust=trust) for one in folders]
    require_one_sweep([one / PLAN for one in folders], plans)
    return Study(folder, tuple(plans), sweep)


def join(folder: Path, *, machines: Machines, trust: bool, observe: Observer) -> bool:
    """Make runs of a study together with the command that holds its folder, until all are finished.

    Returns:
        False if no command holds it, or the remaining work cannot be shared.

    Raises:
        Interrupted, LstmctlError: see `Study.complete`.
    """
    if not is_locked(folder):
        return False
    study = _read_study(folder, seeds=None, device=None, machines=machines, trust=trust)
    if any(plan.tuning is not None or plan.match == "time" for plan in study.plans):
        log.warning("%s cannot be shared: with --tune search:N or --match time, one command makes all runs", folder)
        return False
    log.warning("another command makes runs of %s; this one helps", folder)
    study.help(machines, observe)
    return True


@contextmanager
def held(folder: Path, patience: float = 0.5) -> Iterator[None]:
    """Hold a comparison or a sweep for writing, and delete what a killed holder left half-written; wait for the present
    holder for some seconds.

    Raises:
        RunError: another process holds it, or a folder in which it is written is a link.
    """
    for place in (folder, folder / "plots"):
        require_folder(place)
    with locked(folder, patience):
        remove_leftovers(folder / "plots")
        yield


def _plan_to_resume(folder: Path, *, seeds: int | None, device: str | None, machines: Machines, trust: bool) -> Plan:
    """Return the plan of a comparison to continue, after checking that nothing it rests on has changed.

    Raises:
        RunError, DataError, UsageError, ConfigError: see `comparing.resume`.
    """
    plan = read_plan(folder, trust=trust)
    machines.check(plan.match)
    if seeds is not None:
        if not len(plan.seeds) <= seeds <= MOST_SEEDS:
            raise UsageError(
                f"--seeds {seeds}: {folder.name} has {len(plan.seeds)} already; use {len(plan.seeds)} to {MOST_SEEDS:,}"
            )
        first = plan.seeds[0]
        changed = {"seeds": tuple(range(first, first + seeds)), "command": _with_seeds(plan.command, seeds)}
        plan = plan.model_copy(update=changed)
    if device is not None and (found := str(choose_device(device))) != plan.device:
        log.warning(
            "the device was %s and is now %s: times and last bits are not comparable between earlier and later runs",
            plan.device,
            found,
        )
        plan = plan.model_copy(update={"device": found})
    _check_unchanged(folder, plan)
    return plan


def _with_seeds(command: str, seeds: int) -> str:
    """A command that repeats a comparison, with another number of seeds."""
    if not command.startswith("lstmctl compare "):  # from Python
        return command
    bare = re.sub(r" --seeds[ =]\d+", "", command)
    return f"{bare} --seeds {seeds}"


def is_pending(folder: Path, plan: Plan) -> bool:
    """Return whether a run of the plan is still to be made."""
    return any(status_of(folder, run) not in FINAL for run in _all_runs(plan))


def finished_runs(folder: Path, plan: Plan) -> tuple[str, ...]:
    """Return the names of the runs that need nothing more."""
    return tuple(run.name for run in _all_runs(plan) if status_of(folder, run) in FINAL)


def make_runs(folder: Path, plan: Plan, executor: Executor, observe: Observer) -> Plan:
    """Make the runs of a plan that are missing; return it with all its candidates.

    Raises:
        Interrupted, LstmctlError: see `execution.carry_out`.
    """
    if plan.tuning is not None:
        plan = tune(folder, plan, executor, observe)
    else:
        execute(folder, plan, plan.tuning_runs, executor=executor, observe=observe)
    execute(folder, plan, plan.runs(choose(folder, plan)), executor=executor, observe=observe)
    return plan


def complete_comparison(
    folder: Path, plan: Plan, machines: Machines, executor: Executor | None, observe: Observer
) -> Comparison:
    """Make the missing runs of one comparison, and report.

    Args:
        folder, plan, observe: of the comparison.
        machines: where runs are made.
        executor: makes them; None if none is missing.

    Raises:
        Interrupted, LstmctlError: see `execution.carry_out`.
    """
    finished = finished_runs(folder, plan)
    if pending := len(plan.names) - len(finished) if is_pending(folder, plan) else 0:
        (folder / RESULT).unlink(missing_ok=True)
        plan = plan.model_copy(update={"jobs": max(min(machines.at_once, pending), plan.jobs)})
    write_plan(folder, plan)
    observe(Planned(plan.names, finished))
    if not pending and (kept := _kept(folder, plan)) is not None:
        return kept
    if executor is not None:
        plan = make_runs(folder, plan, executor, observe)
    observe(Concluding("gathering the results and scoring the baselines"))
    comparison = gather(folder, plan)
    inspections = inspect_arms(comparison, observe)
    observe(Concluding("writing the report"))
    write_comparison(comparison, inspections)
    replace_json(folder / RESULT, {"format": 1, **as_json(comparison)})
    return comparison


def _kept(folder: Path, plan: Plan) -> Comparison | None:
    """The result that was written with the report of a finished comparison; None if it has to be gathered anew."""
    try:
        comparison = from_json(Comparison, {**read_json(folder / RESULT), "path": str(folder)})
    except (RunError, ValueError):
        return None
    same = (comparison.command, comparison.seeds, [arm.name for arm in comparison.arms])
    is_of_plan = same == (plan.command, plan.seeds, [arm.name for arm in plan.arms])
    return comparison if is_of_plan and (folder / REPORT).is_file() else None


def _titled(observe: Observer, title: str) -> Observer:
    def tell(event: ComparisonEvent) -> None:
        observe(replace(event, title=title) if isinstance(event, Planned) else event)

    return tell


def _all_runs(plan: Plan) -> list[PlannedRun]:
    """Return all runs, those of tuning first; their names do not depend on which candidate is chosen."""
    return [*plan.tuning_runs, *plan.runs(dict.fromkeys((arm.name for arm in plan.arms), 0))]


def warn_of(plans: Sequence[Plan], machines: Machines) -> None:
    """Log what limits the conclusions from these plans, each warning once."""
    for text in dict.fromkeys(text for plan in plans for text in _warnings(plan, machines)):
        log.warning("%s", text)


def _warnings(plan: Plan, machines: Machines) -> Iterator[str]:
    for arm in plan.arms:
        parameters = arm.candidates[0].parameters
        if plan.target is not None and abs(parameters / plan.target - 1) > DEVIATION_TO_WARN_OF:
            off = f"{100 * (parameters / plan.target - 1):+.1f} %"
            yield f"{arm.name} has {parameters:,} parameters, {off} from the {plan.target:,} to match"
    yield from plan.data.get("warnings", ())
    scored = int(plan.data["parts"][plan.split])
    if scored < FEW:
        yield f"the {plan.split} part has only {scored} {plan.unit}: its metrics are uncertain"
    cores, jobs = os.cpu_count() or 1, machines.at_once
    if jobs > 1 and plan.device == "cpu" and jobs * plan.threads > cores:
        yield (
            f"{jobs} runs at once with {plan.threads} threads each share {cores} cores; "
            f"threads={max(1, cores // jobs)} would suit them better"
        )


def _check_unchanged(folder: Path, plan: Plan) -> None:
    """Raise an error if the data, a cell or a run is not what the plan says."""
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
        # The saved source is checked before any of it runs.
        if kept.is_file() and sha256(kept.read_bytes()).hexdigest() != arm.cell_source:
            raise RunError(f"{kept} is not the source that {folder.name} was planned with")
        if source_hash(find_cell(arm.candidates[0].settings, folder)) != arm.cell_source:
            raise RunError(f"the source of {arm.cell} is not the one that {folder.name} was planned with")


def _require_fit(path: Path, plan: Plan, task: AnyProblem, corpus: Corpus) -> None:
    """Raise RunError if the plan at `path` reports what its task or its data does not have."""
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
