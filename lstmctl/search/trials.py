"""The trials of a search: points that Optuna suggests, trained on the training part and scored on validation."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmctl.api.assembly import OpenedData
from lstmctl.comparison.arms import Arm
from lstmctl.comparison.execution import Job, Observer, info_of, job_of, value_of
from lstmctl.comparison.plan import Plan, PlannedRun, write_plan
from lstmctl.comparison.planning import keep_sources, make_plan
from lstmctl.comparison.space import Dimension, overrides_of
from lstmctl.config import LoadedConfig, derive
from lstmctl.errors import LstmctlError, RunError
from lstmctl.events import Evaluated, Event, RunBegan, RunEnded, RunEvent, Started
from lstmctl.locks import locked
from lstmctl.seeds import stream
from lstmctl.storage import disk_errors

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial as AskedTrial

log = logging.getLogger(__name__)

JOURNAL, TRIALS = "journal.log", "trials"
SAMPLERS, PRUNERS = ("tpe", "random"), ("median", "hyperband", "none")
MOST_FAILURES = 3
"""Trials that may fail before the first success; then the first error ends the search."""
TIME_TO_BEGIN = timedelta(seconds=10)
"""The most that a command needs to hold the folder of a trial that it has asked for."""
RUN = "run"
"""Name of a trial's run in its folder."""


def open_study(folder: Path, *, lower_is_better: bool, pruner: str) -> Study:
    """Open or create the Optuna study in a search's folder; several processes may have it open."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = str(folder / JOURNAL)
    pruners = {
        "median": partial(optuna.pruners.MedianPruner, n_startup_trials=5, n_warmup_steps=10),
        "hyperband": partial(optuna.pruners.HyperbandPruner, min_resource=10, max_resource=100),
        "none": optuna.pruners.NopPruner,
    }
    return optuna.create_study(
        # A lock by a file that only one process can create works on shared folders and on Windows too.
        storage=JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path))),
        study_name="search",
        direction="minimize" if lower_is_better else "maximize",
        pruner=pruners[pruner](),
        load_if_exists=True,
    )


class Space:
    """The points of a search, and the plan of each of them."""

    def __init__(self, loaded: LoadedConfig, dimensions: Sequence[Dimension], seeds: int, command: str) -> None:
        self.loaded, self.dimensions, self.command = loaded, dimensions, command
        self.data = OpenedData(loaded.folder)
        self.base = self._plan(loaded, seeds)
        """The plan of the config itself, which sets every trial's budget and machine's choices."""
        shared = [f"training.budget={self.base.units} {self.base.unit}", f"threads={self.base.threads}"]
        shared += [f"device={self.base.device}", f"training.precision={self.base.precision}"]
        self._shared = replace(loaded, settings=derive(loaded.settings, shared))

    def config_at(self, point: Mapping[str, Any]) -> LoadedConfig:
        """Return the config at a point."""
        return replace(self._shared, settings=derive(self._shared.settings, overrides_of(point)))

    def plan_at(self, point: Mapping[str, Any]) -> Plan:
        """Return a plan of one arm with the config at a point.

        Raises:
            ConfigError, DataError, ResourceError: there can be no run there.
        """
        plan = self._plan(self.config_at(point), len(self.base.seeds))
        if (plan.primary, plan.split) != (self.base.primary, self.base.split):
            raise RunError(f"it is scored by {plan.primary} on the {plan.split} part, unlike the config")
        return plan

    def own_point(self) -> dict[str, Any] | None:
        """Return the config's own point; None if it lies outside of the space."""
        values = self.loaded.settings.model_dump(mode="json")
        point = {}
        for dimension in self.dimensions:
            section, _, key = dimension.key.partition(".")
            point[dimension.key] = dimension.own(values.get(section, {}).get(key))
        return None if None in point.values() else point

    def _plan(self, loaded: LoadedConfig, seeds: int) -> Plan:
        cell = loaded.settings.model.cell
        return make_plan(
            loaded,
            [Arm(cell.rpartition(":")[2].lower(), cell)],
            [()],
            seeds=seeds,
            match="hidden",
            overrides=(),
            command=self.command,
            data=self.data,
            tuned=True,
        )


class Trials:
    """Work: ask for points and train them, until `count` trials have ended."""

    def __init__(
        self, folder: Path, study: Study, space: Space, *, count: int, sampler: str, observe: Observer
    ) -> None:
        self.folder, self.study, self.space = folder, study, space
        self.count, self.sampler, self.observe = count, sampler, observe
        self._waiting: Job | None = None
        self._asked: dict[str, tuple[AskedTrial, Plan, ExitStack]] = {}
        self._steps: dict[str, int] = {}
        self._pruned: set[str] = set()
        self._failures: list[LstmctlError] = []
        self.adopt_orphans()
        if not self.study.trials and (own := space.own_point()) is not None:
            self.study.enqueue_trial(own)

    def waiting(self) -> Job | None:
        while self._waiting is None and self._open():
            self._waiting = self._ask()
        return self._waiting

    def began(self, job: Job) -> None:
        self._waiting = None
        self.observe(RunBegan(job.name))

    def heard(self, job: Job, event: Event) -> bool:
        self.observe(RunEvent(job.name, event))
        if isinstance(event, Started):
            self._steps[job.name] = event.steps
        if not isinstance(event, Evaluated):
            return False
        trial, plan, _ = self._asked[job.name]
        share = round(100 * event.step / self._steps[job.name])
        trial.report(event.metrics[plan.primary], share)
        if share < 100 and trial.should_prune():
            self._pruned.add(job.name)
            return True
        return False

    def ended(self, job: Job) -> None:
        from optuna.trial import TrialState

        trial, plan, held = self._asked.pop(job.name)
        with held:
            info = info_of(job.folder, job.run)
            status = info.get("status")
            value = value_of(info, job.run, plan)
            if value is None and status == "finished":
                status = "diverged"
            if status == "interrupted" and job.name in self._pruned:
                status = "pruned"
            if status in ("pruned", "diverged"):
                self._tell(trial, None, TrialState.PRUNED, status)
            elif status == "finished":
                self._tell(trial, value, TrialState.COMPLETE, status)
            elif info:
                status = "interrupted"
        if info:
            self.observe(RunEnded(job.name, str(status), plan.primary, value, info.get("training_seconds")))

    def failed(self, job: Job, error: LstmctlError) -> LstmctlError | None:
        trial, _, held = self._asked.pop(job.name)
        with held:
            return self._failed(trial, error)

    def _failed(self, trial: AskedTrial, error: LstmctlError) -> LstmctlError | None:
        from optuna.trial import TrialState

        self._tell(trial, None, TrialState.FAIL, "failed")
        log.warning("trial %d failed: %s", number_of(trial), "; ".join(error.messages))
        self._failures.append(error)
        none_succeeded = not any(one.state is TrialState.COMPLETE for one in self.study.trials)
        return self._failures[0] if none_succeeded and len(self._failures) >= MOST_FAILURES else None

    def _tell(self, trial: AskedTrial, value: float | None, state: Any, status: str) -> None:
        trial.set_user_attr("status", status)
        self.study.tell(trial, value, state)

    def _open(self) -> bool:
        """Return whether the search needs another trial."""
        return sum(not is_orphan(one) for one in self.study.trials if one.state.name != "WAITING") < self.count

    def _ask(self) -> Job | None:
        """Ask for a trial; None if it needs no training, or cannot be trained."""
        from optuna.samplers import RandomSampler, TPESampler

        # A sampler for each trial, so that a resumed search draws what an undisturbed one draws.
        number = max((number_of(one) for one in self.study.trials), default=0) + 1
        seed = stream(self.space.loaded.settings.seed, "search", number) % 2**32
        tpe = self.sampler == "tpe"
        self.study.sampler = TPESampler(seed=seed, constant_liar=True) if tpe else RandomSampler(seed=seed)
        trial = self.study.ask({one.key: one.distribution for one in self.space.dimensions})
        held = ExitStack()
        known = number_of(trial)
        folder = self.folder / TRIALS / folder_name(known or self._free_number(number))
        # Before the trial has its number: another command takes one that nobody holds for an orphan.
        held.enter_context(locked(folder))
        if not known:
            trial.set_user_attr("number", int(folder.name))
        if (same := self._same_as(trial)) is not None:
            trial.set_user_attr("same_as", number_of(same))
            held.close()
            shutil.rmtree(folder)
            for share, value in same.intermediate_values.items():
                trial.report(value, share)
            self._tell(
                trial, same.value if same.state.name == "COMPLETE" else None, same.state, same.user_attrs["status"]
            )
            return None
        try:
            plan = self.space.plan_at(trial.params)
            keep_sources(folder, plan)
            write_plan(folder, plan)
        except LstmctlError as error:
            held.close()
            if (fatal := self._failed(trial, error)) is not None:
                raise fatal from error
            return None
        trial.set_user_attr("parameters", plan.arms[0].candidates[0].parameters)
        job = job_of(folder, plan, trial_run(plan), f"trial-{number_of(trial)}")
        self._asked[job.name] = trial, plan, held
        return job

    def _free_number(self, number: int) -> int:
        """Return the first number from `number` on that no other process has taken, and make its folder."""
        path = self.folder / TRIALS
        with disk_errors(path):
            path.mkdir(exist_ok=True)
            while True:
                try:
                    (path / folder_name(number)).mkdir()
                except FileExistsError:
                    number += 1
                else:
                    return number

    def _same_as(self, trial: AskedTrial) -> FrozenTrial | None:
        """Return an earlier trial at the same point, which would be trained to the same result."""
        return next(
            (
                one
                for one in self.study.trials
                if one.number != trial.number
                and one.state.name in ("COMPLETE", "PRUNED")
                and one.params == trial.params
            ),
            None,
        )

    def adopt_orphans(self, least_age: timedelta = timedelta(0)) -> None:
        """Enqueue again the trials that a stopped process left; they continue from their checkpoints.

        Args:
            least_age: time since they were asked for.
        """
        from optuna.trial import TrialState

        for one in self.study.get_trials(states=(TrialState.RUNNING,)):
            age = timedelta.max if one.datetime_start is None else datetime.now() - one.datetime_start
            if age < least_age:
                continue
            try:
                folder = trial_folder(self.folder, one)
                if folder.is_dir():
                    with locked(folder, 0.1):
                        if self.study.trials[one.number].state is TrialState.RUNNING:  # not ended since
                            self._enqueue_again(one)
                elif age > TIME_TO_BEGIN:
                    self._enqueue_again(one)
            except RunError:  # another process is training it
                continue

    def _enqueue_again(self, trial: FrozenTrial) -> None:
        from optuna.trial import TrialState

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.study.tell(trial.number, state=TrialState.FAIL)
        if "number" in trial.user_attrs:  # otherwise it never started
            self.study.enqueue_trial(trial.params, user_attrs={"number": number_of(trial)})


def is_orphan(trial: FrozenTrial) -> bool:
    """Return whether a trial was left by a stopped process; another trial then has its number."""
    return trial.state.name == "FAIL" and "status" not in trial.user_attrs


def number_of(trial: AskedTrial | FrozenTrial) -> int:
    """Return a trial's own number, from 1."""
    return int(trial.user_attrs.get("number", 0))


def trial_folder(folder: Path, trial: AskedTrial | FrozenTrial) -> Path:
    """Return the folder of a trial in a search's folder."""
    return folder / TRIALS / folder_name(number_of(trial))


def folder_name(number: int) -> str:
    """Return the name of the folder of the trial with this number."""
    return f"{number:04d}"


def trial_run(plan: Plan) -> PlannedRun:
    """Return the run that a trial trains."""
    return PlannedRun(RUN, plan.arms[0].name, 0, plan.tuning_seed, for_tuning=True)
