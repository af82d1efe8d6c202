"""Inspections of the runs of a comparison, which show why the arms differ."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from lstmctl.api import Run, load_run
from lstmctl.api.failures import cell_faults
from lstmctl.comparison.execution import Observer
from lstmctl.errors import DataError, RunError, UsageError
from lstmctl.events import Concluding
from lstmctl.inspection import inspect_gradients, inspect_recall
from lstmctl.progress import heard_by
from lstmctl.registry import is_user_class
from lstmctl.results.codec import as_json, from_json
from lstmctl.results.comparison import Comparison
from lstmctl.results.inspection import ArmInspections, GradientFindings, RecallFindings, RunInspections
from lstmctl.storage import read_json, replace_json

INSPECTIONS = "inspections.json"
"""Inspections of a run, kept in its folder: they take longer than everything else in a report."""
Found = TypeVar("Found", GradientFindings, RecallFindings)


def inspect_arms(comparison: Comparison, observe: Observer = lambda event: None) -> ArmInspections:
    """Measure gradients back in time and recall by distance of the first finished run of every arm.

    Earlier measurements are read from the run's folder. Unavailable ones are left out: most data has no known
    distances.

    Raises:
        RunError: a run is damaged.
        ConfigError: a user's own cell raises an error.
        ResourceError: the disk is full.
    """
    found = []
    for arm in comparison.arms:
        finished = next((run for run in arm.runs if run.status == "finished"), None)
        if finished is None:
            continue
        run = load_run(Path(comparison.path) / finished.name, trust=is_user_class(arm.cell))
        run.model.eval()  # reads the weights, whose step shows whether kept inspections belong to them
        kept = _kept(run)
        if kept is None:
            kept = RunInspections(run.step)
            with heard_by(partial(_tell, observe, arm.name)), cell_faults(arm.cell):
                with suppress(UsageError, DataError):
                    kept = replace(kept, gradients=inspect_gradients(run))
                with suppress(UsageError, DataError):
                    kept = replace(kept, recall=inspect_recall(run))
            replace_json(run.path / INSPECTIONS, {"format": 1, **as_json(kept)})
        found.append(kept)
    return ArmInspections(
        tuple(one.gradients for one in found if one.gradients), tuple(one.recall for one in found if one.recall)
    )


def _tell(observe: Observer, arm: str, doing: str, share: float | None) -> None:
    observe(Concluding(f"{doing} of {arm}", share))


def _kept(run: Run) -> RunInspections | None:
    """The inspections of these weights in the run's folder; None if there are none, or none is readable."""
    try:
        kept = from_json(RunInspections, read_json(run.path / INSPECTIONS))
    except (RunError, ValueError):
        return None
    if kept.step != run.step:
        return None
    # The folder may have been moved since.
    return replace(
        kept,
        gradients=kept.gradients and _about(kept.gradients, run),
        recall=kept.recall and _about(kept.recall, run),
    )


def _about(found: Found, run: Run) -> Found:
    return replace(found, about=replace(found.about, run=str(run.path)))
