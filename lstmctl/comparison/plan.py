"""A comparison's plan: every run that belongs to it, fixed before the first begins and kept in `plan.json`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lstmctl.comparison.arms import NAME
from lstmctl.comparison.space import Tuning
from lstmctl.config import Settings, from_mapping
from lstmctl.config.fields import Device, Threads
from lstmctl.config.wording import shown
from lstmctl.data.splitting import held_out
from lstmctl.errors import ConfigError, RunError, UsageError
from lstmctl.registry import is_user_class
from lstmctl.runs.comparisons import PLAN
from lstmctl.runs.facts import is_count
from lstmctl.storage import read_json, read_plain, replace_file

MOST_SEEDS = 1000
LARGEST_SEED = 2**63 - 1
Match = Literal["parameters", "hidden", "time"]


def _settings(value: object) -> object:
    """The settings that a config in the plan gives, with the rules between its sections."""
    if not isinstance(value, Mapping):
        return value
    try:
        return from_mapping(value)
    except ConfigError as error:
        raise ValueError("; ".join(error.problems)) from error


def _plain(values: Mapping[str, Any]) -> Mapping[str, Any]:
    json.dumps(values, allow_nan=False)  # raises ValueError for NaN and infinity
    return values


def _facts(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Check those facts about the data that the program relies on."""
    for key in ("files", "warnings"):
        texts = data.get(key, [])
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"`{key}` is not a list of texts")
    for key in ("parts", "rows"):  # series of different lengths have no rows in common
        lengths = data.get(key)
        if lengths is None and key == "rows":
            continue
        if not isinstance(lengths, Mapping) or not all(map(is_count, lengths.values())):
            raise ValueError(f"`{key}` is not a length for each part")
        if not {"training", "validation"} <= set(lengths):
            raise ValueError(f"`{key}` lacks the training or the validation part")
    return data


Count = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
PlainMapping = Annotated[Mapping[str, Any], AfterValidator(_plain)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Candidate(_Part):
    """An arm at one point of the tuning grid; the only one, at no point, where nothing is tuned."""

    point: PlainMapping
    """Settings that tuning tries here, by dotted key."""
    settings: Annotated[Settings, BeforeValidator(_settings)]
    """The whole config but for the seed."""
    parameters: Count


class PlannedArm(_Part):
    """One side of a comparison, with everything its runs need."""

    name: Annotated[str, Field(pattern=f"^(?:{NAME.pattern})$")]
    own: PlainMapping
    """Its width, and its other deviations from the config, by dotted key."""
    cell_source: str | None
    """SHA-256 of a user's own cell, whose source is in the plan's folder."""
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)]

    @property
    def cell(self) -> str:
        """The name of its cell."""
        return self.candidates[0].settings.model.cell


class Plan(_Part):
    """Arms, seeds, and what all of them share.

    Raises:
        ValueError: two arms have one name, or they differ in what all of them have to share.
    """

    format: Literal[1] = 1
    order: Annotated[int, Field(ge=0)] = 0
    """Its number among the comparisons and sweeps of a folder; 0 inside a sweep and in plans of earlier versions."""
    config: str
    overrides: tuple[str, ...]
    command: str
    match: Match
    target: Count | None
    """Parameters to match."""
    seeds: Annotated[tuple[Count, ...], Field(min_length=1, max_length=MOST_SEEDS)]
    tuning_seed: Count
    device: Device
    precision: Annotated[str, Field(pattern="^(float32|bfloat16|float64)$")]
    threads: Threads
    jobs: Annotated[int, Field(ge=1)] = 1
    """The most runs that ever went at once: above one, no times are comparable."""
    unit: str
    units: Count
    """Number of targets that a run of the config's own cell trains on."""
    primary: str
    lower_is_better: bool
    split: Literal["test", "validation"]
    data: Annotated[PlainMapping, AfterValidator(_facts)]
    baselines: tuple[str, ...] = ()
    """Further baselines to score, by their names in `registry.BASELINES`."""
    tuning: Tuning | None = None
    """The search for candidates; None where nothing is tuned, or all candidates are known from the start."""
    arms: Annotated[tuple[PlannedArm, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.seeds != tuple(range(self.seeds[0], self.seeds[0] + len(self.seeds))):
            raise ValueError("its seeds do not follow one another")
        if len({arm.name.lower() for arm in self.arms}) < len(self.arms):
            raise ValueError("it names an arm twice")
        if self.split not in self.data["parts"]:
            raise ValueError(f"it reports the {self.split} part, which its data does not have")
        shared = self.arms[0].candidates[0].settings
        for arm in self.arms:
            for candidate in arm.candidates:
                if candidate.settings.model.cell != arm.cell:
                    raise ValueError(f"arm {arm.name} has candidates with different cells")
                for key, first, own in differences(shared, candidate.settings, besides=("model", "training")):
                    raise ValueError(f"arm {self.arms[0].name} has {key} {first}, and arm {arm.name} has {own}")
        return self

    def arm(self, name: str) -> PlannedArm:
        """The arm called `name`."""
        return next(arm for arm in self.arms if arm.name == name)

    @property
    def tuning_runs(self) -> list[PlannedRun]:
        """The runs that choose among candidates; none where nothing is tuned."""
        return [
            PlannedRun(f"{arm.name}-tuning-{index + 1}", arm.name, index, self.tuning_seed, for_tuning=True)
            for arm in self.arms
            if len(arm.candidates) > 1 or self.tuning is not None
            for index in range(len(arm.candidates))
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all runs, also of trials that are not in the plan yet; those of tuning come first."""
        trials = () if self.tuning is None else range(self.tuning.trials)
        tuning = [f"{arm.name}-tuning-{index + 1}" for arm in self.arms for index in trials]
        tuning = tuning or [run.name for run in self.tuning_runs]
        return (*tuning, *(f"{arm.name}-seed-{seed}" for seed in self.seeds for arm in self.arms))

    def settings(self, run: PlannedRun) -> Settings:
        """The whole config of a run."""
        settings = self.arm(run.arm).candidates[run.candidate].settings
        if run.for_tuning:
            settings = for_tuning(settings, self.data)
        return settings.model_copy(update={"seed": run.seed})

    def require_same_data(self, fingerprint: Mapping[str, Any]) -> None:
        """Raises RunError where data is not that which the plan was made for: it would make no comparison."""
        names = ", ".join(self.data.get("files", []))
        for key, what in {"sha256": names, "dependencies_sha256": f"the table of dependencies of {names}"}.items():
            planned, found = (str(facts.get(key)) for facts in (self.data, fingerprint))
            if found != planned:
                raise RunError(
                    f"{what} changed since the comparison was planned: "
                    f"SHA-256 {found[:12]}…, planned with {planned[:12]}…",
                    hint="put the old data back, or begin a new comparison",
                )

    def runs(self, chosen: Mapping[str, int]) -> list[PlannedRun]:
        """The compared runs, seed by seed, so that an interrupted comparison is balanced.

        Args:
            chosen: the candidate of each arm.
        """
        return [
            PlannedRun(f"{arm.name}-seed-{seed}", arm.name, chosen[arm.name], seed)
            for seed in self.seeds
            for arm in self.arms
        ]


@dataclass(frozen=True)
class PlannedRun:
    """One run of a plan."""

    name: str
    """Of its folder."""
    arm: str
    candidate: int
    seed: int
    for_tuning: bool = False


def for_tuning(settings: Settings, data: Mapping[str, Any]) -> Settings:
    """`settings` for a run that chooses among candidates, and so never sees the part that is reported.

    With a test part, that is the test part. Without one, the validation part is reported; tuning then trains on the
    training part except its end, and is scored on that end. Generated sequences are not split: training uses new ones,
    and the test part is drawn separately.

    Args:
        settings: of the run.
        data: what `run.json` says of the data.

    Raises:
        UsageError: its series differ in length, so no counts of rows fit all of them.
    """
    if settings.data.source == "synthetic":
        return settings
    # Of series, a part's length is said for all of them together and its rows for each; elsewhere `rows` is none of it.
    parts = data.get("rows", data["parts"]) if settings.data.source == "series" else data["parts"]
    if parts is None:
        raise UsageError(
            "--tune needs the same number of rows of each part in every series, to leave out the reported rows",
            hint="series of equal length have them with data.split_by=series",
        )
    training, validation = int(parts["training"]), int(parts["validation"])
    if "test" not in parts:
        validation = held_out(training)
        training -= validation
    # The counts are the same in all series, wherever these were cut.
    cut: dict[str, Any] = {"split_by": "series"} if settings.data.source == "series" else {}
    if settings.data.source in ("table", "pairs"):
        cut = {"test": None}  # the order of the rows does not depend on the shares, so the other parts stay the same
    inner = settings.data.model_copy(update={"split": (training, validation), **cut})
    return settings.model_copy(update={"data": inner})


def write_plan(folder: Path, plan: Plan) -> None:
    """Put `plan.json` into a comparison's folder, in one step.

    Raises:
        ResourceError: the disk is full or the folder is gone.
    """
    replace_file(folder / PLAN, (plan.model_dump_json(indent=2) + "\n").encode())


def read_plan(folder: Path, *, trust: bool) -> Plan:
    """The plan of a comparison.

    Raises:
        RunError: it is missing, damaged, or of a newer format.
        ConfigError: it names code of a user's own, and `trust` was not given.
    """
    path = folder / PLAN
    form = read_json(path).get("format")
    if isinstance(form, int) and form > 1:
        raise RunError(f"{path} has format {form} of a newer lstmctl; this one reads 1")
    try:
        plan = Plan.model_validate_json(read_plain(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"{part}." for part in first["loc"])[:-1]
        reason = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
        raise RunError(f"{path} is damaged: {f'{where}: ' if where else ''}{reason}") from error
    named = [candidate.settings.model.cell for arm in plan.arms for candidate in arm.candidates]
    if (own := next(filter(is_user_class, named), None)) and not trust:
        raise ConfigError(
            f'{path}: "{own}" would import code that this file names; trust it, or do not run it',
            hint="add `--trust` if you know that code",
        )
    return plan


def differences(one: Settings, other: Settings, *, besides: Collection[str] = ()) -> Iterator[tuple[str, str, str]]:
    """Yield each setting that differs between two configs: its dotted key and its two values, as text.

    Args:
        one, other: the configs.
        besides: sections that are left out.
    """
    first, second = (dict(dotted(config.model_dump(mode="json", exclude=set(besides)))) for config in (one, other))
    for key in {**first, **second}:
        if first.get(key) != second.get(key):
            yield key, shown(first.get(key)), shown(second.get(key))


def dotted(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A nested mapping as dotted keys and plain values."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
