"""What may not change while a run is trained, or only when that is asked for: its config, its data, its machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from lstmctl import shell
from lstmctl.api.preparation import Assembled
from lstmctl.config import Settings
from lstmctl.errors import RunError
from lstmctl.runs.checkpoint import Snapshot
from lstmctl.runs.folder import RunFolder
from lstmctl.tasks.problem import Corpus

log = logging.getLogger(__name__)

RESUMABLE_OVERRIDES = (
    *("training.save_every", "training.sample_every"),
    *("data.text", "data.series", "data.table", "data.pairs", "data.audio"),
    "device",
)
"""What may change when a run goes on: where to save, to find the same data and to compute."""
STEPS = "steps in run.json"


def trained_as(assembled: Assembled) -> dict[str, Any]:
    """What a checkpoint says of the training that it is of; see `changes`."""
    return record_of(assembled.settings, assembled.trainer.steps)


def record_of(settings: Settings, steps: int) -> dict[str, Any]:
    """The config's values by dotted key, but for those that may change, and the steps of the whole training."""
    values: dict[str, Any] = {STEPS: steps}
    for name, value in settings.model_dump(mode="json").items():
        values |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
    source = settings.data.source
    where = {f"data.{source}"} if isinstance(getattr(settings.data, source), tuple) else set()  # its SHA-256 is checked
    return {key: value for key, value in values.items() if key not in {*RESUMABLE_OVERRIDES, *where}}


def changes(snapshot: Snapshot | None, settings: Settings, steps: int) -> dict[str, str]:
    """How the config of a run differs from the one that its checkpoint was trained with, in words by key.

    Checkpoints of earlier versions do not say it, and a key that one of the two lacks is of another version.
    """
    then = snapshot.progress.get("config") if snapshot is not None else None
    if not isinstance(then, Mapping):
        return {}
    now = record_of(settings, steps)
    return {key: f"{key} was {then[key]} and is {now[key]}" for key in now if key in then and then[key] != now[key]}


def require_unchanged(folder: RunFolder, snapshot: Snapshot | None, changed: Mapping[str, str]) -> None:
    """Raises RunError where the config changed since the checkpoint was written."""
    if snapshot is not None and changed:
        raise RunError(
            f"{folder.path} is no longer set as when its checkpoint of step {snapshot.step} was written: "
            + "; ".join(changed.values()),
            hint="put the old values back, or go on with the new ones: "
            + shell.join(["lstmctl", "train", "--resume", str(folder.path), "--allow-config-change"]),
        )


def require_same_data(known: Mapping[str, Any], corpus: Corpus) -> None:
    """Raises RunError where the data changed since the run began."""
    if corpus.fingerprint["sha256"] != known.get("sha256"):
        raise RunError(
            f"{', '.join(corpus.names)} changed since the run began: SHA-256 {corpus.fingerprint['sha256'][:16]}…, "
            f"then {str(known.get('sha256'))[:16]}…",
            hint="put the old data back, or go on with the new: --allow-data-change",
        )


def warn_of_changes(info: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Say what is no longer as it was, since then the same bits are not promised."""
    was, now = (str(facts_of.get("device")).partition(":")[0] for facts_of in (info, facts))
    if was != now:
        log.warning(
            "device was %s and is %s: training goes on from the same weights, but not to the same bits, since another "
            "device rounds and draws dropout in its own way",
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
