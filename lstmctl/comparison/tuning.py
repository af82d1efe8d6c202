"""`compare --tune search:N`: every arm has N trials of Optuna's TPE, each a run that is scored on validation.

A trial is a candidate of its arm, which is added to `plan.json` before it is trained. So all state is in the plan and
the run folders: a comparison that continues passes them on to a new study, which then suggests the same trials as in
an undisturbed comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmctl.api.assembly import OpenedData, find_cell
from lstmctl.api.preparation import assemble
from lstmctl.comparison.execution import Executor, Job, Observer, carry_out, info_of, job_of, value_of
from lstmctl.comparison.matching import with_parameters
from lstmctl.comparison.plan import Candidate, Plan, PlannedArm, PlannedRun, dotted, for_tuning, write_plan
from lstmctl.comparison.space import Dimension, Tuning, check_optuna, overrides_of, parse_space
from lstmctl.config import derive
from lstmctl.errors import ConfigError, LstmctlError, UsageError
from lstmctl.events import Event, RunBegan, RunEnded, RunEvent
from lstmctl.models.sequence_model import count_parameters
from lstmctl.runs.folder import FINAL
from lstmctl.seeds import stream

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import Trial

ATTEMPTS = 20
"""Suggestions for a trial that are the same as an earlier one, or that cannot be built, before an arm has no more."""


def with_first_trials(plan: Plan, tuning: Tuning, folder: Path | None, data: OpenedData) -> Plan:
    """Return a plan in which every arm's candidate is its first trial: its own settings, if they lie in the space.

    Raises:
        ConfigError, DataError, ResourceError: it cannot be built.
    """
    plan = plan.model_copy(update={"tuning": tuning})
    dimensions = parse_space(tuning.space)
    arms = []
    for arm in plan.arms:
        study = _study(plan)
        if (own := _point_of(arm.candidates[0], dimensions)) is not None:
            study.enqueue_trial(own)
        _, first = _suggest(study, plan, arm.model_copy(update={"candidates": ()}), arm.candidates[0], folder, data)
        assert first is not None
        arms.append(arm.model_copy(update={"candidates": (first,)}))
    return plan.model_copy(update={"arms": tuple(arms)})


def tune(folder: Path, plan: Plan, executor: Executor, observe: Observer) -> Plan:
    """Make the trials that are missing, and return the plan with all of them.

    Raises:
        Interrupted, LstmctlError: see `execution.carry_out`.
    """
    check_optuna()
    work = _Trials(folder, plan, observe)
    carry_out(work, executor)
    return work.plan


class _Trials:
    """Work: the trials of every arm, in turn."""

    def __init__(self, folder: Path, plan: Plan, observe: Observer) -> None:
        self.folder, self.plan, self.observe = folder, plan, observe
        self._data = OpenedData(folder)
        self._asked: dict[str, tuple[Study, Trial]] = {}
        self._pending: list[PlannedRun] = []
        self._studies = {arm.name: self._told(arm) for arm in plan.arms}
        self._exhausted: set[str] = set()

    def _told(self, arm: PlannedArm) -> Study:
        """Return a study that knows an arm's trials, in order."""
        from optuna.trial import TrialState, create_trial

        study = _study(self.plan)
        dimensions = parse_space(self._tuning.space)
        distributions = {one.key: one.distribution for one in dimensions}
        for index, candidate in enumerate(arm.candidates):
            run = _run_of(self.plan, arm.name, index)
            info = info_of(self.folder, run)
            point = _point_of(candidate, dimensions)
            if info.get("status") in FINAL:
                value = value_of(info, run, self.plan)
                state = TrialState.FAIL if value is None else TrialState.COMPLETE
                study.add_trial(create_trial(state=state, params=point, distributions=distributions, value=value))
            else:
                study.enqueue_trial(point or {})
                self._asked[run.name] = study, study.ask(distributions)
                self._pending.append(run)
        return study

    @property
    def _tuning(self) -> Tuning:
        assert self.plan.tuning is not None
        return self.plan.tuning

    def waiting(self) -> Job | None:
        while not self._pending:
            open_arms = [
                arm
                for arm in self.plan.arms
                if arm.name not in self._exhausted and len(arm.candidates) < self._tuning.trials
            ]
            if not open_arms:
                return None
            self._ask(min(open_arms, key=lambda arm: len(arm.candidates)))
        return job_of(self.folder, self.plan, self._pending[0])

    def _ask(self, arm: PlannedArm) -> None:
        study = self._studies[arm.name]
        trial, found = _suggest(study, self.plan, arm, arm.candidates[0], self.folder, self._data)
        if found is None:
            self._exhausted.add(arm.name)
            return
        longer = arm.model_copy(update={"candidates": (*arm.candidates, found)})
        arms = tuple(longer if one.name == arm.name else one for one in self.plan.arms)
        self.plan = self.plan.model_copy(update={"arms": arms})
        write_plan(self.folder, self.plan)
        run = _run_of(self.plan, arm.name, len(arm.candidates))
        self._asked[run.name] = study, trial
        self._pending.append(run)

    def began(self, job: Job) -> None:
        self._pending.pop(0)
        self.observe(RunBegan(job.name))

    def heard(self, job: Job, event: Event) -> bool:
        self.observe(RunEvent(job.name, event))
        return False

    def ended(self, job: Job) -> None:
        from optuna.trial import TrialState

        if not (info := info_of(job.folder, job.run)):  # stopped before it had begun
            return
        value = value_of(info, job.run, self.plan)
        if info["status"] in FINAL:
            study, trial = self._asked.pop(job.name)
            study.tell(trial, value, TrialState.FAIL if value is None else TrialState.COMPLETE)
        self.observe(RunEnded(job.name, str(info["status"]), self.plan.primary, value, info.get("training_seconds")))

    def failed(self, job: Job, error: LstmctlError) -> LstmctlError | None:
        return error


def _study(plan: Plan) -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(direction="minimize" if plan.lower_is_better else "maximize")


def _suggest(
    study: Study, plan: Plan, arm: PlannedArm, base: Candidate, folder: Path | None, data: OpenedData
) -> tuple[Trial, Candidate | None]:
    """Ask for an arm's next trial; the candidate is None if the space has no other point, as far as was tried.

    Args:
        study: of the arm.
        plan, arm: with the candidates so far.
        base: any candidate of the arm, for what is not searched.
        folder: of a user's own cell.
        data: opened once for all.

    Raises:
        ConfigError, UsageError: no suggestion can be built.
    """
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    assert plan.tuning is not None
    dimensions = parse_space(plan.tuning.space)
    known = [candidate.point for candidate in arm.candidates]
    problem: LstmctlError | None = None
    for attempt in range(ATTEMPTS):
        # A sampler for each trial, so that a comparison that continues draws what an undisturbed one draws.
        seed = stream(plan.tuning_seed, "search", len(known), attempt) % 2**32
        study.sampler = TPESampler(seed=seed, constant_liar=True)
        trial = study.ask({one.key: one.distribution for one in dimensions})
        try:
            found = _candidate_at(trial.params, plan, arm, base, folder, data)
        except (ConfigError, UsageError) as error:
            problem = error
        else:
            if found.point not in known:
                return trial, found
        study.tell(trial, state=TrialState.FAIL)
    if problem is not None and not known:
        raise problem
    return trial, None


def _candidate_at(
    point: Mapping[str, Any],
    plan: Plan,
    arm: PlannedArm,
    base: Candidate,
    folder: Path | None,
    data: OpenedData,
) -> Candidate:
    assert plan.tuning is not None
    settings = derive(base.settings, overrides_of(point))
    cell = find_cell(settings, folder)
    assembled = assemble(settings, folder, cell, steps=1, corpus=data.of(settings))
    has_own_width = arm.name in plan.tuning.kept_width or "model.hidden" in point
    if plan.target is not None and not has_own_width and any(key.startswith("model.") for key in point):
        settings = with_parameters(settings, assembled.task, cell, plan.target)
        assembled = assemble(settings, folder, cell, steps=1, corpus=data.of(settings))
    inner = for_tuning(settings, plan.data)
    assemble(inner, folder, cell, steps=1, corpus=data.of(inner))
    values = dict(dotted(settings.model_dump(mode="json")))
    return Candidate(
        point={key: values[key] for key in point}, settings=settings, parameters=count_parameters(assembled.model)
    )


def _point_of(candidate: Candidate, dimensions: Sequence[Dimension]) -> dict[str, Any] | None:
    """Return a candidate's settings as a point of the space; None if they lie outside of it."""
    values = dict(dotted(candidate.settings.model_dump(mode="json")))
    point = {one.key: one.own(values.get(one.key)) for one in dimensions}
    return None if None in point.values() else point


def _run_of(plan: Plan, arm: str, index: int) -> PlannedRun:
    return next(run for run in plan.tuning_runs if (run.arm, run.candidate) == (arm, index))
