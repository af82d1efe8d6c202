"""A comparison's plan: every run that belongs to it, fixed before the first begins and kept in `plan.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lstmctl.comparison.arms import NAME
from lstmctl.config import Settings
from lstmctl.data.splitting import held_out
from lstmctl.errors import ConfigError, RunError, UsageError
from lstmctl.registry import is_user_class
from lstmctl.runs.comparisons import PLAN
from lstmctl.storage import read_json, read_plain, replace_file

Match = Literal["parameters", "hidden", "time"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Candidate(_Part):
    """An arm at one point of the tuning grid; the only one, at no point, where nothing is tuned."""

    point: Mapping[str, Any]
    """What tuning tries here, by dotted key."""
    settings: Settings
    """The whole config but for the seed."""
    parameters: int


class PlannedArm(_Part):
    """One side of a comparison, with everything its runs need."""

    name: Annotated[str, Field(pattern=f"^(?:{NAME.pattern})$")]
    own: Mapping[str, Any]
    """Its width, and what else it has of its own against the config, by dotted key."""
    cell_source: str | None
    """SHA-256 of a user's own cell; it lies beside the plan."""
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)]

    @property
    def cell(self) -> str:
        """The name of its cell."""
        return self.candidates[0].settings.model.cell


class Plan(_Part):
    """Arms, seeds, and what all of them share."""

    format: Literal[1] = 1
    order: int = 0
    """Its number among the comparisons and sweeps of a folder; 0 inside a sweep and in plans of earlier versions."""
    config: str
    overrides: tuple[str, ...]
    command: str
    match: Match
    target: int | None
    """Parameters to match."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    tuning_seed: int
    device: str
    precision: str
    threads: int
    jobs: int = 1
    """The most runs that ever went at once: above one, no times are comparable."""
    unit: str
    units: int
    """Targets of one run of the config's own cell."""
    primary: str
    lower_is_better: bool
    split: Literal["test", "validation"]
    data: Mapping[str, Any]
    arms: Annotated[tuple[PlannedArm, ...], Field(min_length=1)]

    def arm(self, name: str) -> PlannedArm:
        """The arm called `name`."""
        return next(arm for arm in self.arms if arm.name == name)

    @property
    def tuning_runs(self) -> list[PlannedRun]:
        """The runs that choose among candidates; none where nothing is tuned."""
        return [
            PlannedRun(f"{arm.name}-tuning-{index + 1}", arm.name, index, self.tuning_seed, for_tuning=True)
            for arm in self.arms
            if len(arm.candidates) > 1
            for index in range(len(arm.candidates))
        ]

    def settings(self, run: PlannedRun) -> Settings:
        """The whole config of a run."""
        settings = self.arm(run.arm).candidates[run.candidate].settings
        if run.for_tuning:
            settings = for_tuning(settings, self.data)
        return settings.model_copy(update={"seed": run.seed})

    def require_same_data(self, fingerprint: Mapping[str, Any]) -> None:
        """Raises RunError where data is not that which the plan was made for: it would make no comparison."""
        planned, found = (str(facts.get("sha256")) for facts in (self.data, fingerprint))
        if found != planned:
            raise RunError(
                f"{', '.join(self.data.get('files', []))} changed since the comparison was planned: "
                f"SHA-256 {found[:12]}…, planned with {planned[:12]}…",
                hint="put the old data back, or begin a new comparison",
            )

    def runs(self, chosen: Mapping[str, int]) -> list[PlannedRun]:
        """The runs that are compared, seed by seed, so that what is there of a broken-off comparison is balanced.

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

    With a test part that is the test part. Without one, the validation part is reported, and tuning learns from the
    training part but for its last stretch and is scored on that. Sequences that the program draws are as they are: new
    ones for training, and a test part drawn apart.

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
            "--tune needs as many rows of each part in every series, to leave out of each what is reported",
            hint="series of equal length have them with data.split_by=series",
        )
    training, validation = int(parts["training"]), int(parts["validation"])
    if "test" not in parts:
        validation = held_out(training)
        training -= validation
    # The counts are the same in all series, wherever these were cut.
    cut = {"split_by": "series"} if settings.data.source == "series" else {}
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
        first = error.errors()[0]
        raise RunError(f"{path} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    named = [candidate.settings.model.cell for arm in plan.arms for candidate in arm.candidates]
    if (own := next(filter(is_user_class, named), None)) and not trust:
        raise ConfigError(
            f'{path}: "{own}" would import code that this file names; trust it, or do not run it',
            hint="add `--trust` if you know that code",
        )
    return plan


def dotted(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A nested mapping as dotted keys and plain values."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
