"""Training with a run folder: log every event, and write a checkpoint at every save point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from lstmctl.events import Evaluated, Event, Sampled, Saved, SavePoint, Stepped
from lstmctl.runs.checkpoint_files import Snapshot
from lstmctl.runs.folder import RunFolder
from lstmctl.runs.logs import Log
from lstmctl.training.trainer import Trainer

METRICS, SAMPLES = "metrics.jsonl", "samples.txt"
OWN = ("logs", "config")
"""Keys that a checkpoint holds in addition to the trainer's own progress."""


def record(
    trainer: Trainer,
    folder: RunFolder,
    resumed_from: Snapshot | None,
    should_stop: Callable[[], bool],
    config: Mapping[str, Any],
) -> Iterator[Event]:
    """Yield the trainer's events, each after it is on disk, with a `Saved` after each `SavePoint`.

    A resumed run truncates its logs to where the checkpoint was written, so no entry appears twice.

    Args:
        trainer, folder, should_stop: of the run.
        resumed_from: the checkpoint to resume from.
        config: as JSON, stored in every checkpoint, so that a changed config is noticed on resuming.

    Raises:
        ResourceError: the disk is full or the folder is gone; earlier checkpoints are intact.
    """
    offsets = resumed_from.progress["logs"] if resumed_from is not None else {}
    _load(trainer, resumed_from)
    with (
        Log(folder.path / METRICS, offsets.get(METRICS, 0)) as metrics,
        Log(folder.path / SAMPLES, offsets.get(SAMPLES, 0)) as samples,
    ):
        for event in trainer.events(should_stop):
            match event:
                case Stepped():
                    metrics.append_json(
                        {
                            "step": event.step,
                            "units": event.units,
                            "loss": event.loss,
                            "learning_rate": event.learning_rate,
                            "gradient_norm": event.gradient_norm,
                            "seconds": round(event.seconds, 3),
                        }
                    )
                case Evaluated():
                    metrics.append_json({"step": event.step, "validation": dict(event.metrics), "best": event.best})
                case Sampled():
                    samples.append(f"── step {event.step}\n{event.text}\n\n")
                case SavePoint():
                    snapshot = trainer.snapshot()
                    metrics.sync()
                    samples.sync()
                    logs = {METRICS: metrics.offset, SAMPLES: samples.offset}
                    snapshot = replace(snapshot, progress={**snapshot.progress, "logs": logs, "config": config})
                    # Before the first evaluation, the newest weights are the best known.
                    best = event.best or trainer.progress.best is None
                    path = folder.checkpoints.write(snapshot, best=best)
                    yield event
                    yield Saved(event.step, path)
                    continue
            yield event


def follow(trainer: Trainer, resumed_from: Snapshot | None, should_stop: Callable[[], bool]) -> None:
    """Train alongside the recording process, without writing anything."""
    _load(trainer, resumed_from)
    for event in trainer.events(should_stop):
        if isinstance(event, SavePoint):
            trainer.snapshot()  # contributes this process's part of the snapshot


def _load(trainer: Trainer, snapshot: Snapshot | None) -> None:
    if snapshot is not None:
        progress = {key: value for key, value in snapshot.progress.items() if key not in OWN}
        trainer.load(replace(snapshot, progress=progress))
