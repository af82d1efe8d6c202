"""Searches, from their arguments to their results; each continues after any stop.

A search's folder holds `search.json` (the request), `config.yaml`, Optuna's `journal.log`, one folder per trial under
`trials/`, each with its own plan, and `winner/`, a comparison of one arm. Trials see the training and the validation
part only.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmctl import shell
from lstmctl.api.assembly import find_cell, portable
from lstmctl.api.failures import memory_errors
from lstmctl.comparison.execution import (
    SECONDS_BETWEEN_LOOKS,
    SECONDS_FOR_A_REPORT,
    Executor,
    Job,
    Observer,
    carry_out,
    complete,
    continuable,
    info_of,
    job_of,
    value_of,
)
from lstmctl.comparison.machines import Machines
from lstmctl.comparison.plan import MOST_SEEDS, Plan, PlannedRun, read_plan, write_plan
from lstmctl.comparison.planning import keep_sources
from lstmctl.comparison.space import check_optuna, overrides_of, parse_space
from lstmctl.comparison.study import complete_comparison
from lstmctl.config import LoadedConfig, dump, load, load_mapping, scalars
from lstmctl.deriving import load_config
from lstmctl.errors import RunError, UsageError
from lstmctl.events import ComparisonEvent, Concluding, Decided, Planned
from lstmctl.locks import locked
from lstmctl.metrics import metric
from lstmctl.registry import is_user_class, source_file
from lstmctl.reporting.display import observed_by
from lstmctl.reporting.live_comparison import ComparisonDisplay
from lstmctl.reporting.search_page import write_search
from lstmctl.results.codec import as_json
from lstmctl.results.search import Finalist, Search, Trial
from lstmctl.runs.comparisons import SEARCH, SEARCH_RESULT, find_search, next_comparison_order
from lstmctl.runs.folder import runs_root
from lstmctl.runs.run_lock import claimed_folder, require_free_name
from lstmctl.search.trials import (
    PRUNERS,
    RUN,
    SAMPLERS,
    TIME_TO_BEGIN,
    Space,
    Trials,
    number_of,
    open_study,
    trial_folder,
)
from lstmctl.statistics import interval
from lstmctl.storage import disk_errors, read_json, replace_file, replace_json
from lstmctl.tracking.listening import tracked
from lstmctl.training.interruption import termination_as_exit

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

CONFIG, WINNER = "config.yaml", "winner"
TRIALS, SEEDS, BEST = 30, 3, 3
CONFIDENCE = 0.95
MOST_TRIALS = 100_000


def search(
    config: str | Path | Mapping[str, Any] | LoadedConfig,
    overrides: Sequence[str] = (),
    *,
    space: Sequence[str],
    trials: int | None = None,
    seeds: int = SEEDS,
    best: int = BEST,
    sampler: str = "tpe",
    pruner: str = "median",
    jobs: int | None = None,
    devices: Sequence[str] = (),
    on: str | None = None,
    track: Sequence[str] = (),
    trust: bool = False,
    observe: Observer | None = None,
    quiet: bool = False,
    name: str | None = None,
    time: str | None = None,
    command: str = "lstmctl.search",
) -> Search:
    """Search for hyperparameters by validation, in a new folder with a report.

    Every trial has the same budget and the same seed. The best few are trained again with several new seeds; the one
    with the best mean on validation wins, and only its runs are scored on the test part.

    Args:
        config, overrides: see `lstmctl.train`.
        space: `KEY=LOW..HIGH`, `KEY=LOW..HIGH:log` or `KEY=VALUE,VALUE` for each setting.
        trials: number of points to try, by default 30; the first is the config's own, if it is within the space.
        seeds: runs of each of the best, and of the winner.
        best: number of trials that are trained again.
        sampler: `tpe`, which learns from earlier trials, or `random`.
        pruner: ends trials that fall behind: `median`, `hyperband` or `none`.
        jobs, devices, on, track, trust, observe, quiet, name, time, command: see `lstmctl.compare`. With several jobs,
            points depend on the order in which trials end.

    Raises:
        UsageError, ConfigError, DataError, RunError, ResourceError: see `lstmctl.errors`.
        Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
    """
    check_optuna()
    machines = Machines(jobs, tuple(devices), on)
    machines.check("hidden")
    parse_space(space)
    trials = TRIALS if trials is None else trials
    for text, given, known in (("--sampler", sampler, SAMPLERS), ("--pruner", pruner, PRUNERS)):
        if given not in known:
            raise UsageError(f"{text} {given}: use one of {', '.join(known)}")
    for text, count, most in (("--trials", trials, MOST_TRIALS), ("--seeds", seeds, MOST_SEEDS), ("--best", best, 100)):
        if not 1 <= count <= most:
            raise UsageError(f"{text} {count}: 1 to {most:,}")
    if name is not None:
        require_free_name(name, runs_root())
    with observed_by(observe, lambda: ComparisonDisplay(quiet=quiet)) as shown, tracked(track, shown) as observe:
        loaded = _loaded(config, overrides, trust=trust, time=time)
        if loaded.decided:
            observe(Decided(loaded.decided))
        request = {
            "format": 1,
            "order": next_comparison_order(runs_root()),
            "config": loaded.name,
            "command": command,
            "space": list(space),
            **{"trials": trials, "seeds": seeds, "best": best, "sampler": sampler, "pruner": pruner},
        }
        with termination_as_exit(), memory_errors():
            # An unusable search fails here, before its folder is created.
            whole = Space(loaded, parse_space(space), seeds, command)
            with claimed_folder(runs_root(), f"{loaded.run_name or loaded.name}-search", name) as folder:
                settings = portable(loaded.settings, whole.data.of(loaded.settings))
                find_cell(loaded.settings, loaded.folder)
                if source := source_file(loaded.settings.model.cell):
                    replace_file(folder / source.name, source.read_bytes())
                replace_file(folder / CONFIG, dump(settings).encode())
                replace_json(folder / SEARCH, request)
            return _complete(folder, request, whole, machines, observe)


def resume_search(
    name: str | Path,
    *,
    trials: int | None = None,
    jobs: int | None = None,
    devices: Sequence[str] = (),
    on: str | None = None,
    track: Sequence[str] = (),
    trust: bool = False,
    observe: Observer | None = None,
    quiet: bool = False,
) -> Search:
    """Continue a search that was stopped, or add trials to it; several processes may work on one.

    Args:
        name: a folder, a name under the folder for runs, or `latest`, the newest unfinished.
        trials: a larger number than before; None for the same.
        jobs, devices, on, track, trust, observe, quiet: see `search`.

    Raises:
        RunError: there is none, it is damaged, or another process concludes it.
        UsageError: fewer trials than it has.
        Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
    """
    check_optuna()
    machines = Machines(jobs, tuple(devices), on)
    machines.check("hidden")
    folder = find_search(str(name), runs_root())
    request = _request(folder)
    with observed_by(observe, lambda: ComparisonDisplay(quiet=quiet)) as shown, tracked(track, shown) as observe:
        loaded = replace(load(str(folder / CONFIG), trust=trust), name=request["config"])
        if trials is not None:
            if trials < request["trials"]:
                raise UsageError(f"--trials {trials}: {folder.name} already has {request['trials']}; use that or more")
            if trials > request["trials"]:
                request["trials"] = trials
                with disk_errors(folder / SEARCH_RESULT):
                    (folder / SEARCH_RESULT).unlink(missing_ok=True)
                replace_json(folder / SEARCH, request)
        with termination_as_exit(), memory_errors():
            whole = Space(loaded, parse_space(request["space"]), request["seeds"], request["command"])
            return _complete(folder, request, whole, machines, observe)


def _loaded(
    config: str | Path | Mapping[str, Any] | LoadedConfig, overrides: Sequence[str], *, trust: bool, time: str | None
) -> LoadedConfig:
    if isinstance(config, LoadedConfig):
        return config
    if isinstance(config, Mapping):
        return load_mapping(config, overrides)
    return load_config(str(config), overrides, trust=trust, time=time)


def _request(folder: Path) -> dict[str, Any]:
    """Return the contents of `search.json`.

    Raises:
        RunError: it is damaged or of a newer format.
    """
    path = folder / SEARCH
    request = read_json(path)
    if isinstance(form := request.get("format"), int) and form > 1:
        raise RunError(f"{path} has format {form} of a newer lstmctl; this one reads 1")
    kinds = {"config": str, "command": str, "space": list, "trials": int, "seeds": int, "best": int}
    for key, kind in {**kinds, "sampler": str, "pruner": str}.items():
        if type(request.get(key)) is not kind:
            raise RunError(f"{path} is damaged: {key} is {request.get(key)!r}")
    if request["sampler"] not in SAMPLERS or request["pruner"] not in PRUNERS:
        raise RunError(f"{path} is damaged: its sampler or its pruner is not known")
    return request


def _complete(folder: Path, request: Mapping[str, Any], space: Space, machines: Machines, observe: Observer) -> Search:
    with machines.executor() as executor, continuable(_again(folder, space, machines)):
        study = open_study(folder, lower_is_better=space.base.lower_is_better, pruner=request["pruner"])
        _train_trials(folder, request, space, study, executor, observe)
        with _concluding(folder):
            finalists = _finalists(folder, study, request["best"])
            _train_finalists(space, finalists, executor, observe)
            ranked = _ranked(space, finalists)
            winner, plan = _winner(folder, space, study, ranked[0])
            whole = complete_comparison(winner, plan, machines, executor, _titled(observe, "winner"))
            observe(Concluding("writing the report"))
            result = Search(
                path=str(folder),
                config=request["config"],
                command=request["command"],
                primary=space.base.primary,
                lower_is_better=space.base.lower_is_better,
                space={one.key: one.text for one in space.dimensions},
                seeds=space.base.seeds,
                trials=tuple(_results(folder, study)),
                finalists=tuple(ranked),
                importance=_importance(study),
                winner=whole,
                winner_config=dump(plan.arms[0].candidates[0].settings),
            )
            write_search(result)
            replace_json(folder / SEARCH_RESULT, {"format": 1, **as_json(result)})
            return result


def _again(folder: Path, space: Space, machines: Machines) -> str:
    trust = is_user_class(space.loaded.settings.model.cell)
    words = ["lstmctl", "search", "--resume", str(folder), *machines.words(), *(["--trust"] if trust else [])]
    return shell.join(words)


@contextmanager
def _concluding(folder: Path) -> Iterator[None]:
    """Lock the search once its trials are done, so that only one process trains the best of them again."""
    with locked(folder, SECONDS_FOR_A_REPORT):
        yield


def _titled(observe: Observer, title: str) -> Observer:
    def tell(event: ComparisonEvent) -> None:
        observe(replace(event, title=title) if isinstance(event, Planned) else event)

    return tell


def _train_trials(
    folder: Path, request: Mapping[str, Any], space: Space, study: Study, executor: Executor, observe: Observer
) -> None:
    ended = [one for one in study.trials if "status" in one.user_attrs]
    observe(
        Planned(
            tuple(f"trial-{number + 1}" for number in range(request["trials"])),
            tuple(f"trial-{number_of(one)}" for one in ended),
            f"{request['trials']} trials",
        )
    )
    work = Trials(folder, study, space, count=request["trials"], sampler=request["sampler"], observe=observe)
    carry_out(work, executor)
    while any(one.state.name == "RUNNING" for one in study.trials):
        observe(Concluding("waiting for the trials of another command"))
        time.sleep(SECONDS_BETWEEN_LOOKS)
        work.adopt_orphans(TIME_TO_BEGIN)
        carry_out(work, executor)


def _best(study: Study, count: int) -> list[FrozenTrial]:
    """Return the best trials, each point once."""
    finished = [one for one in study.trials if one.state.name == "COMPLETE" and "same_as" not in one.user_attrs]
    sign = 1 if study.direction.name == "MINIMIZE" else -1
    return sorted(finished, key=lambda one: (sign * float(one.value or 0.0), one.number))[:count]


def _finalists(folder: Path, study: Study, count: int) -> list[tuple[FrozenTrial, Path]]:
    if not (best := _best(study, count)):
        raise RunError(f"no trial of {folder.name} finished", hint="a narrower space, or a smaller learning rate")
    return [(one, trial_folder(folder, one)) for one in best]


def _train_finalists(
    space: Space, finalists: Sequence[tuple[FrozenTrial, Path]], executor: Executor, observe: Observer
) -> None:
    jobs: list[tuple[Job, Plan]] = []
    for seed in space.base.seeds:
        for trial, folder in finalists:
            plan = read_plan(folder, trust=True)
            run = _finalist_run(plan, seed)
            jobs.append((job_of(folder, plan, run, f"trial-{number_of(trial)}-seed-{seed}"), plan))
    done = tuple(job.name for job, _ in jobs if info_of(job.folder, job.run).get("status") in ("finished", "diverged"))
    observe(
        Planned(
            tuple(job.name for job, _ in jobs), done, f"the best {len(finalists)} with {len(space.base.seeds)} seeds"
        )
    )
    complete(jobs, executor, observe)


def _finalist_run(plan: Plan, seed: int) -> PlannedRun:
    return PlannedRun(f"seed-{seed}", plan.arms[0].name, 0, seed, for_tuning=True)


def _ranked(space: Space, finalists: Sequence[tuple[FrozenTrial, Path]]) -> list[Finalist]:
    """Return the finalists, the best mean over seeds first; those with a diverged run come last."""
    primary = metric(space.base.primary)
    ranked = []
    for trial, folder in finalists:
        plan = read_plan(folder, trust=True)
        runs = [_finalist_run(plan, seed) for seed in space.base.seeds]
        values = tuple(value_of(info_of(folder, run), run, plan) for run in runs)
        known = interval([value for value in values if value is not None], CONFIDENCE, primary.bounds)
        ranked.append(Finalist(number_of(trial), _typed(trial.params), values, known.mean, known.low, known.high))

    def order(one: Finalist) -> tuple[int, float]:
        return one.values.count(None), primary.sign * (one.mean if one.mean is not None else 0.0)

    return sorted(ranked, key=order)


def _typed(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return a point with its values as the config has them: 64 instead of "64"."""
    return {key: scalars.resolve(value) if isinstance(value, str) else value for key, value in point.items()}


def _winner(folder: Path, space: Space, study: Study, best: Finalist) -> tuple[Path, Plan]:
    """Return the folder and the plan of the winner's runs, which see all parts of the data."""
    trial = next(one for one in study.trials if number_of(one) == best.number and one.state.name == "COMPLETE")
    path = folder / WINNER
    config = space.config_at(trial.params)
    plan = space.plan_at(trial.params).model_copy(
        update={
            "command": shell.join(["lstmctl", "train", f"{path}.yaml"]),
            "overrides": tuple(overrides_of(best.point)),
        }
    )
    if path.is_dir() and read_plan(path, trust=True).arms != plan.arms:  # further trials found another winner
        with disk_errors(path):
            path.rename(folder / f"{WINNER}-before-{study.trials[-1].number + 1}")
    with disk_errors(path):
        path.mkdir(exist_ok=True)
    keep_sources(path, plan)
    write_plan(path, plan)
    replace_file(folder / f"{WINNER}.yaml", dump(portable(config.settings, space.data.of(config.settings))).encode())
    return path, plan


def _results(folder: Path, study: Study) -> Iterator[Trial]:
    for one in sorted(study.trials, key=number_of):
        if "status" not in one.user_attrs:
            continue
        path = trial_folder(folder, one) / RUN / "run.json"
        info = read_json(path) if path.is_file() else {}
        last = one.intermediate_values[max(one.intermediate_values)] if one.intermediate_values else None
        value = one.value if one.state.name == "COMPLETE" else last
        status, parameters = str(one.user_attrs["status"]), one.user_attrs.get("parameters")
        yield Trial(number_of(one), _typed(one.params), status, value, parameters, info.get("training_seconds"))


def _importance(study: Study) -> dict[str, float]:
    """Return the importance of each setting; empty if there are too few trials."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # it warns where all settings would get the same share
            found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    except (ValueError, RuntimeError, Warning):
        return {}
    total = sum(found.values())
    return {key: value / total for key, value in found.items()} if total > 0 else {}
