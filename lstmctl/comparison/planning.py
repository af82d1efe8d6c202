"""From arms and a config to a plan: widths matched, budgets counted out, everything checked before the first run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

from lstmctl import registry
from lstmctl.api.assembly import OpenedData, find_cell, portable
from lstmctl.api.failures import cell_faults
from lstmctl.api.preparation import Assembled, Choices, assemble
from lstmctl.cells.cell import Cell
from lstmctl.comparison.arms import Arm
from lstmctl.comparison.matching import with_parameters
from lstmctl.comparison.plan import (
    LARGEST_SEED,
    MOST_SEEDS,
    Candidate,
    Match,
    Plan,
    PlannedArm,
    dotted,
    for_tuning,
)
from lstmctl.config import LoadedConfig, Settings, derive
from lstmctl.data.splitting import reported_part
from lstmctl.errors import ConfigError, LstmctlError, UsageError
from lstmctl.models.sequence_model import count_parameters
from lstmctl.seeds import stream
from lstmctl.storage import replace_file
from lstmctl.training.budget import seconds_a_step

TRIAL_SECONDS = 2.0
"""Spent on each arm to learn how long its steps take, where time is what is matched."""


@dataclass(frozen=True)
class _Draft:
    """A candidate on its way into the plan."""

    arm: Arm
    cell: type[Cell]
    point: Mapping[str, Any]
    settings: Settings
    parameters: int
    precision: str
    """The values of `auto` that it would choose alone."""
    units_per_step: int


def make_plan(
    loaded: LoadedConfig,
    arms: Sequence[Arm],
    grid: Sequence[tuple[str, ...]],
    *,
    seeds: int,
    match: Match,
    overrides: Sequence[str],
    command: str,
    baselines: Sequence[str] = (),
    data: OpenedData | None = None,
    tuned: bool = False,
) -> Plan:
    """Decide every run of a comparison.

    The config's own cell sets the measure: its parameters at `model.hidden` are what the others are matched to, and
    what its budget stands for, in targets, is what every arm gets (or in seconds, where time is matched). Every arm is
    built once and tried, so that what cannot work is known before anything is trained; `data` is opened once for all.
    `tuned` says that runs will choose among settings on validation even if `grid` has only one point.

    Raises:
        UsageError: two arms are the same, `seeds` is out of range, or a baseline is unknown or its package missing.
        ConfigError, DataError, ResourceError: an arm, or the config, cannot be built.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise UsageError(f"--seeds {seeds}: give 1 to {MOST_SEEDS:,}; from 3 on, intervals are usable")
    base, data = loaded.settings, data or OpenedData(loaded.folder)
    if base.seed + seeds > LARGEST_SEED:
        raise UsageError(f"--seeds {seeds}: from seed {base.seed} on, these go beyond {LARGEST_SEED}")
    reference = assemble(base, loaded.folder, find_cell(base, loaded.folder), steps=1, corpus=data.of(base))
    reference.task.check_names(baselines)
    target = count_parameters(reference.model) if match == "parameters" else None
    drafts = [
        _draft(loaded, data, arm, point, reference, target, tuned=tuned or len(grid) > 1)
        for arm in arms
        for point in grid
    ]
    _refuse_twins(drafts)
    choices = _shared_choices(base, reference, drafts)
    # Only now is it known in which numbers the arms compute, and so how long a step takes.
    reference = assemble(base, loaded.folder, reference.cell, choices=_own_choices(base, choices), corpus=data.of(base))
    steps = int(reference.facts["steps"])
    units = steps * reference.batches.units_per_step
    if match == "time":
        seconds = steps * _seconds_a_step(base, data, reference.cell, choices)
        budgets = [_units_within(draft, data, choices, seconds) for draft in drafts]
    else:
        budgets = [units] * len(drafts)
    unit = reference.task.unit
    drafts = [_budgeted(draft, f"{budget} {unit}") for draft, budget in zip(drafts, budgets, strict=True)]
    planned = [_planned(arm, [draft for draft in drafts if draft.arm is arm], base) for arm in arms]
    return Plan(
        config=loaded.name,
        overrides=tuple(overrides),
        command=command,
        match=match,
        target=target,
        seeds=tuple(range(base.seed, base.seed + seeds)),
        tuning_seed=stream(base.seed, "tuning"),
        device=choices.device,
        precision=choices.precision,
        threads=choices.threads,
        unit=unit,
        units=units,
        primary=reference.task.primary.name,
        lower_is_better=reference.task.primary.lower_is_better is not False,
        split=reported_part(reference.corpus.parts),
        data=reference.facts["data"],
        baselines=tuple(baselines),
        arms=tuple(planned),
    )


def keep_sources(folder: Path, plan: Plan) -> None:
    """Copy the file of every user's own cell to the plan's folder, so that the runs find it from any folder."""
    for arm in plan.arms:
        if source := registry.source_file(arm.cell):
            replace_file(folder / source.name, source.read_bytes())


@contextmanager
def _of(arm: Arm) -> Iterator[None]:
    """Put an arm's name before its problem."""
    try:
        with cell_faults(arm.cell):
            yield
    except ConfigError as error:
        raise ConfigError([f"{arm.name}: {problem}" for problem in error.problems], hint=error.hint) from error
    except LstmctlError as error:
        raise type(error)(f"{arm.name}: {error}", hint=error.hint) from error


def _draft(
    loaded: LoadedConfig,
    data: OpenedData,
    arm: Arm,
    point: tuple[str, ...],
    reference: Assembled,
    target: int | None,
    *,
    tuned: bool,
) -> _Draft:
    base = loaded.settings
    with _of(arm):
        # An arm's own settings come last and take precedence.
        options = json.dumps(_options_of(arm, base, loaded))
        overrides = [f"model.cell={arm.cell}", f"model.options={options}", *arm.overrides, *point]
        settings = portable(derive(base, overrides), reference.corpus)
        if settings.training.patience is not None and "test" not in reference.corpus.parts:
            raise ConfigError(
                "training.patience — would end runs by the part that is reported, for data.split has no test part",
                hint="give data.split three parts, or training.patience=null",
            )
        cell = find_cell(settings, loaded.folder)
        if target is not None and not any(text.startswith("model.hidden=") for text in overrides):
            settings = with_parameters(settings, reference.task, cell, target)
        if tuned:
            inner = for_tuning(settings, reference.facts["data"])
            assemble(inner, loaded.folder, cell, steps=1, corpus=data.of(inner))
        assembled = assemble(settings, loaded.folder, cell, steps=1, corpus=data.of(settings))
    model = settings.model_dump(mode="json")
    chosen = {key: reduce(lambda section, part: section[part], key.split("."), model) for key in map(_key, point)}
    return _Draft(
        arm,
        cell,
        chosen,
        settings,
        count_parameters(assembled.model),
        assembled.choices.precision,
        assembled.batches.units_per_step,
    )


def _options_of(arm: Arm, base: Settings, loaded: LoadedConfig) -> dict[str, Any]:
    """The config's options that an arm's cell also has, since these describe the problem. Others apply only to the
    config's own cell."""
    if arm.cell == base.model.cell:
        return dict(base.model.options)
    cell = find_cell(derive(base, [f"model.cell={arm.cell}", "model.options={}"]), loaded.folder)
    return {name: value for name, value in base.model.options.items() if name in cell.Options.model_fields}


def _key(override: str) -> str:
    return override.partition("=")[0]


def _refuse_twins(drafts: Sequence[_Draft]) -> None:
    for index, draft in enumerate(drafts):
        for other in drafts[:index]:
            if draft.settings == other.settings and draft.arm is not other.arm:
                raise UsageError(
                    f"{other.arm.name} and {draft.arm.name} are the same arm: their settings do not differ",
                    hint="a comparison of an arm with itself shows nothing; change a setting of one",
                )


def _shared_choices(base: Settings, reference: Assembled, drafts: Sequence[_Draft]) -> Choices:
    """Choose the values of `auto` for every arm: bfloat16 only if it is faster for each of them."""
    tried = {draft.precision for draft in drafts if draft.settings.training.precision == "auto"}
    shared = tried.pop() if len(tried) == 1 else "float32"
    precision = shared if base.training.precision == "auto" else base.training.precision
    return replace(reference.choices, precision=precision)


def _own_choices(settings: Settings, choices: Choices) -> Choices:
    """The shared choices, but in the numbers that `settings` ask for by name."""
    named = settings.training.precision
    return choices if named == "auto" else replace(choices, precision=named)


def _budgeted(draft: _Draft, budget: str) -> _Draft:
    with _of(draft.arm):
        return replace(draft, settings=derive(draft.settings, [f"training.budget={budget}"]))


def _units_within(draft: _Draft, data: OpenedData, choices: Choices, seconds: float) -> int:
    """The targets that an arm gets through in `seconds` of training."""
    with _of(draft.arm):
        each = _seconds_a_step(draft.settings, data, draft.cell, choices)
    return max(1, round(seconds / each)) * draft.units_per_step


def _seconds_a_step(settings: Settings, data: OpenedData, cell: type[Cell], choices: Choices) -> float:
    still = derive(settings, ["training.learning_rate=1e-9"])  # an arm that would diverge is timed all the same
    own = _own_choices(settings, choices)
    assembled = assemble(still, None, cell, choices=own, steps=10**9, corpus=data.of(still))
    return seconds_a_step(assembled.trainer, TRIAL_SECONDS)


def _planned(arm: Arm, drafts: Sequence[_Draft], base: Settings) -> PlannedArm:
    before = dict(dotted(base.model_dump(mode="json")))
    after = dict(dotted(drafts[0].settings.model_dump(mode="json")))
    own = {
        key: after[key] for key in after if after[key] != before.get(key) and key.startswith(("model.", "training."))
    }
    for key in ("model.cell", "training.budget", *drafts[0].point):
        own.pop(key, None)
    if own.get("model.options") == {}:  # the config's options belong to its own cell, not to the arm
        del own["model.options"]
    return PlannedArm(
        name=arm.name,
        own={"model.hidden": after["model.hidden"], **own},
        cell_source=registry.source_hash(drafts[0].cell) if registry.is_user_class(arm.cell) else None,
        candidates=tuple(
            Candidate(point=draft.point, settings=draft.settings, parameters=draft.parameters) for draft in drafts
        ),
    )
