"""Checks of what must not change while a run is trained, at least not unnoticed: its config, data and machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from lstmctl import shell
from lstmctl.api.preparation import Assembled
from lstmctl.config import Settings
from lstmctl.errors import RunError
from lstmctl.runs.checkpoint_files import Snapshot
from lstmctl.runs.folder import RunFolder
from lstmctl.tasks.problem import Corpus

log = logging.getLogger(__name__)

RESUMABLE_OVERRIDES = (
    *("training.save_every", "training.sample_every"),
    *("data.text", "data.series", "data.table", "data.pairs", "data.audio", "data.test"),
    "device",
)
"""Settings that may change when a run is resumed: when to save, where the data is, and where to compute."""
STEPS = "steps in run.json"


def trained_as(assembled: Assembled) -> dict[str, Any]:
    """Return what a checkpoint records about its training; see `changes`."""
    return record_of(assembled.settings, assembled.trainer.steps)


def record_of(settings: Settings, steps: int) -> dict[str, Any]:
    """Return the config's values by dotted key, except those that may change, and the total number of steps."""
    values: dict[str, Any] = {STEPS: steps}
    for name, value in settings.model_dump(mode="json").items():
        values |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
    source = settings.data.source
    where = {f"data.{source}"} if isinstance(getattr(settings.data, source), tuple) else set()  # its SHA-256 is checked
    return {key: value for key, value in values.items() if key not in {*RESUMABLE_OVERRIDES, *where}}


def changes(snapshot: Snapshot | None, settings: Settings, steps: int) -> dict[str, str]:
    """Return the differences between a run's config and the one that its checkpoint was trained with, in words by key.

    Checkpoints of earlier versions lack it, and a key that one of the two lacks is from another version.
    """
    then = snapshot.progress.get("config") if snapshot is not None else None
    if not isinstance(then, Mapping):
        return {}
    now = record_of(settings, steps)
    return {key: f"{key} was {then[key]} and is {now[key]}" for key in now if key in then and then[key] != now[key]}


def require_unchanged(folder: RunFolder, snapshot: Snapshot | None, changed: Mapping[str, str]) -> None:
    """Raise RunError if the config has changed since the checkpoint was written."""
    if snapshot is not None and changed:
        raise RunError(
            f"{folder.path} has changed since its checkpoint of step {snapshot.step} was written: "
            + "; ".join(changed.values()),
            hint="put the old values back, or continue with the new ones: "
            + shell.join(["lstmctl", "train", "--resume", str(folder.path), "--allow-config-change"]),
        )


def require_same_data(known: Mapping[str, Any], corpus: Corpus) -> None:
    """Raise RunError if the data has changed since the run began."""
    names = ", ".join(corpus.names)
    for key, what in {"sha256": names, "dependencies_sha256": f"the table of dependencies of {names}"}.items():
        now, then = (str(facts.get(key)) for facts in (corpus.fingerprint, known))
        if now != then:
            raise RunError(
                f"{what} changed since the run began: SHA-256 {now[:16]}…, then {then[:16]}…",
                hint="put the old data back, or continue with the new: --allow-data-change",
            )


def warn_of_changes(info: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Warn about every change after which the same bits are not guaranteed."""
    was, now = (str(facts_of.get("device")).partition(":")[0] for facts_of in (info, facts))
    if was != now:
        log.warning(
            "device was %s and is %s: training continues from the same weights, but not to the same bits, since "
            "another device rounds and draws dropout in its own way",
            info.get("device"),
            facts["device"],
        )
    names = ("platform", "processes") if was != now else ("device_name", "platform", "processes")
    for key in names:
        if info.get(key) != facts[key]:
            log.warning("%s was %s and is %s: the result may differ in its last bits", key, info.get(key), facts[key])
    for name, version in info.get("versions", {}).items():
        if version != facts["versions"].get(name):
            log.warning(
                "%s was %s and is %s: the result may differ in its last bits",
                name,
                version,
                facts["versions"].get(name),
            )
