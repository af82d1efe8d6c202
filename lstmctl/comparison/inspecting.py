"""A look inside the runs of a comparison: why the arms differ as they do."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from lstmctl.api import load_run
from lstmctl.errors import DataError, UsageError
from lstmctl.inspection import inspect_gradients, inspect_recall
from lstmctl.registry import is_user_class
from lstmctl.results.comparison import Comparison
from lstmctl.results.inspection import ArmInspections, GradientFindings, RecallFindings


def inspect_arms(comparison: Comparison) -> ArmInspections:
    """Gradients back in time, and recall by distance, of the first finished run of every arm.

    What cannot be looked into is left out: of most data nobody knows the distances.

    Raises:
        RunError: a run is damaged.
    """
    gradients: list[GradientFindings] = []
    recalls: list[RecallFindings] = []
    for arm in comparison.arms:
        finished = next((run for run in arm.runs if run.status == "finished"), None)
        if finished is None:
            continue
        run = load_run(Path(comparison.path) / finished.name, trust=is_user_class(arm.cell))
        with suppress(UsageError, DataError):
            gradients.append(inspect_gradients(run))
        with suppress(UsageError, DataError):
            recalls.append(inspect_recall(run))
    return ArmInspections(tuple(gradients), tuple(recalls))
