"""Write a run in another form, and compare it with the run."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from lstmctl import registry
from lstmctl.api.trained import Trained
from lstmctl.errors import UsageError
from lstmctl.export.graph import Predictor
from lstmctl.export.leaving_out import lessened
from lstmctl.export.probes import Described, Probe
from lstmctl.export.targets import Target, UnavailableError
from lstmctl.export.tracing import NotExportableError
from lstmctl.reporting.export_facts import left_out_in_words
from lstmctl.results.codec import as_json
from lstmctl.results.exported import Exported, LeftOut
from lstmctl.storage import ANOTHER_FILE, new_folder

RECORD = "export.json"
"""The file that identifies a folder as an export."""


def describe(run: Trained, without: Collection[str] = ()) -> Described:
    """Return the graph of a run's predictor, and what to compare its exports with.

    Args:
        run: a trained run.
        without: models to leave out of its predictions; the shares of the others then grow until their sum is 1.

    Raises:
        NotExportableError: a part of the run has no counterpart in an export.
        UsageError: a model to leave out has no share in the predictions.
        RunError, DataError: the weights or the data are missing or have changed.
    """
    task = run.settings.task.type
    if task not in registry.DESCRIPTIONS:
        raise NotExportableError(f"{run.name} cannot be exported: its task is {task}")
    less, left_out = lessened(run, without)
    found: Described = registry.function(task, registry.DESCRIPTIONS)(less)
    return Described(_completed(found.predictor, found.probe, run, left_out), found.probe, left_out)


def export(
    run: Trained,
    to: str,
    output: str | Path | None = None,
    *,
    precision: str | None = None,
    without: Collection[str] = (),
    force: bool = False,
) -> Exported:
    """Export a run into a folder, run the export on the run's held-out data, and compare.

    Args:
        run: a trained run.
        to: `numpy`, `c`, `javascript` or `onnx`.
        output: the folder; by default RUN-TARGET in the current folder.
        precision: of the stored weights; by default float32.
        without: models to leave out of the run's predictions, such as `n-gram` or `theta`; the shares of the others
            then grow until their sum is 1, and the result contains the scores with and without them.
        force: replace the folder if it exists.

    Raises:
        UsageError: the folder exists, the target or the precision is unknown, or the run cannot be exported.
        ResourceError: the folder cannot be written; nothing is left of it.
        RunError, DataError: the weights or the data are missing or have changed.
    """
    target: Target = registry.function(to, registry.EXPORTS)()
    chosen = precision or target.precisions[0]
    if chosen not in target.precisions:
        raise UsageError(f"weights for {to} may be {' or '.join(target.precisions)}, not {chosen}")
    path = Path(output) if output is not None else Path(f"{run.name}-{to}")
    if path.exists() and not force:
        raise UsageError(f"{path} already exists", hint="--force replaces it; or choose another folder: --output PATH")
    if path.exists() and not (path / RECORD).is_file():
        raise UsageError(f"{path} is not an export, so it is not replaced", hint="choose another folder: --output PATH")
    found = describe(run, without)
    predictor, probe = found.predictor, found.probe
    ran, unchecked = None, None
    with new_folder(path, remedy=ANOTHER_FILE) as folder:
        target.write(predictor, folder, chosen)
        files = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
        try:
            ran = target.run(predictor, folder, probe)
        except UnavailableError as error:
            unchecked = str(error)
        difference = None if ran is None else probe.difference(ran.outputs)
        exported = Exported(
            run=str(run.path),
            target=to,
            path=str(path),
            precision=chosen,
            files=files,
            parameters=predictor.parameters,
            checked_by=None if ran is None else ran.by,
            unchecked=unchecked,
            difference=None if difference is None or not math.isfinite(difference) else difference,
            unit=probe.unit,
            steps=probe.steps,
            counted=probe.counted,
            seconds_per_step=None if ran is None else ran.seconds / max(1, probe.steps),
            left_out=found.left_out,
        )
        (folder / RECORD).write_text(json.dumps({"format": 1, **as_json(exported)}, indent=2) + "\n", encoding="utf-8")
    return exported


def _completed(predictor: Predictor, probe: Probe, run: Trained, left_out: LeftOut | None) -> Predictor:
    """Return a predictor with facts of its run, and with an example."""
    model = run.settings.model
    facts = {
        "run": run.name,
        "task": run.settings.task.type,
        "cell": f"{model.cell}, {model.layers} × {model.hidden} units",
        "lstmctl": version("lstmctl"),
    }
    if left_out is not None:
        facts["left out"] = left_out_in_words(left_out)
    longest = max((len(values) for call in probe.calls for values in call.inputs.values() if values.ndim), default=1)
    used = {value.name for one in predictor.functions.values() for step in one.operations for value in step.inputs}
    return replace(
        predictor,
        weights={name: array for name, array in predictor.weights.items() if name in used},
        facts={**facts, **predictor.facts},
        example=probe.calls[0].inputs,
        most_steps=max(longest, predictor.most_steps),
    )
