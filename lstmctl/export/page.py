"""One self-contained page in which trained networks run."""

from __future__ import annotations

import base64
import json
import math
import re
import tempfile
from collections.abc import Collection, Sequence
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl.api import Run
from lstmctl.errors import LstmctlError, UsageError
from lstmctl.export import javascript
from lstmctl.export.description import TYPES, described
from lstmctl.export.exporting import describe
from lstmctl.export.graph import Predictor, Vocabulary
from lstmctl.export.probes import Call, Described
from lstmctl.export.targets import UnavailableError
from lstmctl.export.tracing import NotExportableError
from lstmctl.inspection import inspect_gates
from lstmctl.reporting.html import PAGE, filled
from lstmctl.reporting.palette import page_colours
from lstmctl.reporting.quantities import count
from lstmctl.reporting.run_page import LIVING_PAGE, write_report
from lstmctl.results.exported import LivingPage, LivingRun
from lstmctl.storage import ANOTHER_FILE, replace_file

SCRIPTS = ("runtime.js", "tape.js", "heat_map.js", "dom.js", "text_view.js", "forecast_view.js", "page.js")
"""Modules of the page, each after those that it imports from."""
TEXT_SHOWN = 120
"""Characters of held-out data that a page begins with."""
EXAMPLES = 12


def export_page(
    runs: Sequence[Run],
    output: str | Path | None = None,
    *,
    precision: str | None = None,
    without: Collection[str] = (),
    force: bool = False,
) -> LivingPage:
    """Write a page in which trained networks run, side by side if there are several.

    Args:
        runs: trained runs of one kind: all read texts, all label texts, or all forecast.
        output: the file; by default RUN.html in the current folder. `page.html` in a run's folder is linked from the
            run's report.
        precision: of the weights, float32 (the default) or float16.
        without: models to leave out of the predictions of those runs in which they have a share, as in `export`.
        force: replace the page if it exists.

    Raises:
        UsageError: the file exists, or a run cannot be exported or shown with the others.
        ResourceError: the file cannot be written; an older one is kept.
        RunError, DataError: the weights or the data are missing or have changed.
    """
    chosen = precision or "float32"
    if chosen not in TYPES:
        raise UsageError(f"weights for html may be {' or '.join(TYPES)}, not {chosen}")
    path = Path(output) if output is not None else Path("-".join(dict.fromkeys(run.name for run in runs)) + ".html")
    _require_free(path, force)
    shared = {name for run in runs for name in run.task.mixed_in}
    found = [
        describe(run, [name for name in without if name in run.task.mixed_in or name not in shared]) for run in runs
    ]
    kinds = [_kind(run.name, one.predictor) for run, one in zip(runs, found, strict=True)]
    for run, kind in zip(runs, kinds, strict=True):
        if kind != kinds[0]:
            raise UsageError(f"{runs[0].name} {kinds[0]}, but {run.name} {kind}; a page shows networks of one kind")
    shapes = [{name: one.value.shape for name, one in each.predictor.entry.inputs.items()} for each in found]
    for run, shape in zip(runs, shapes, strict=True):
        if kinds[0] == "forecasts" and shape != shapes[0]:
            raise UsageError(f"{runs[0].name} and {run.name} read different rows, so one page cannot show both")
    checked = [_checked(run, one, chosen) for run, one in zip(runs, found, strict=True)]
    content = _document(runs, found, kinds[0], checked, chosen).encode()
    replace_file(path, content, remedy=ANOTHER_FILE)
    for run in runs:
        if path.resolve() == (run.path / LIVING_PAGE).resolve() and (run.path / PAGE).is_file():
            write_report(run.path)  # it links the page
    return LivingPage(path=str(path), bytes=len(content), precision=chosen, runs=tuple(checked))


def script() -> str:
    """Return the page's modules as one."""
    folder = resources.files("lstmctl.export")
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS]
    joined = "\n".join(re.sub(r"^import [^;]*;\n", "", text, flags=re.M) for text in texts)
    return re.sub(r"^export (?=const|class|function)", "", joined, flags=re.M)


def _require_free(path: Path, force: bool) -> None:
    if not path.exists():
        return
    if not force:
        raise UsageError(f"{path} already exists", hint="--force replaces it; or choose another file: --output FILE")
    if not path.is_file() or b'<meta name="generator" content="lstmctl ' not in path.read_bytes()[:2000]:
        raise UsageError(f"{path} is not such a page, so it is not replaced", hint="choose another: --output FILE")


def _kind(name: str, predictor: Predictor) -> str:
    """Return what a predictor does in a page, as a verb.

    Raises:
        NotExportableError: it has no form in a page.
    """
    inputs, outputs = predictor.entry.inputs.values(), list(predictor.entry.outputs.values())
    if len(predictor.entries) == 1 and predictor.writer is not None:
        return "writes texts"
    if any(one.vocabulary == "symbols" for one in inputs) and outputs[0].vocabulary == "labels":
        return "labels texts"
    if "point" in predictor.entry.outputs:
        return "forecasts"
    raise NotExportableError(
        f"{name} has no living page: pages show networks that write or label texts, and forecasters",
        hint="lstmctl export RUN --to javascript writes a module for a page of your own",
    )


def _checked(run: Run, found: Described, precision: str) -> LivingRun:
    """Compare the page's JavaScript with the run on its held-out data."""
    ran, unchecked = None, None
    with tempfile.TemporaryDirectory() as folder:
        javascript.write(found.predictor, Path(folder), precision)
        try:
            ran = javascript.run(found.predictor, Path(folder), found.probe)
        except UnavailableError as error:
            unchecked = str(error)
    difference = None if ran is None else found.probe.difference(ran.outputs)
    return LivingRun(
        run=str(run.path),
        name=run.name,
        parameters=found.predictor.parameters,
        checked_by=None if ran is None else ran.by,
        unchecked=unchecked,
        difference=None if difference is None or not math.isfinite(difference) else difference,
        unit=found.probe.unit,
        steps=found.probe.steps,
        counted=found.probe.counted,
        seconds_per_step=None if ran is None else ran.seconds / max(1, found.probe.steps),
        left_out=found.left_out,
    )


def _document(
    runs: Sequence[Run], found: Sequence[Described], kind: str, checked: Sequence[LivingRun], precision: str
) -> str:
    shown, encoded, data = [], [], []
    for run, one, check in zip(runs, found, checked, strict=True):
        description, weights = described(one.predictor, precision)
        shown.append({"name": run.name, "facts": _facts(one.predictor, check, precision)})
        encoded.append(base64.b64encode(weights).decode())
        data.append(
            {
                "name": run.name,
                "description": description,
                "examples": _examples(one, kind),
                "tracked": [] if kind == "forecasts" else _tracked(run),
            }
        )
    content = {"kind": kind, "runs": data, "colours": page_colours()}
    names = list(dict.fromkeys(run.name for run in runs))
    return filled(
        resources.files("lstmctl.export").joinpath("page.html").read_text(encoding="utf-8"),
        title=", ".join(names),
        generator=f"lstmctl {version('lstmctl')}",
        runs=shown,
        markup={
            "weights": encoded,
            "data": json.dumps(content, allow_nan=False).replace("<", "\\u003c"),
            "script": script().replace("</script", "<\\/script"),
            "styles": resources.files("lstmctl.export").joinpath("page.css").read_text(encoding="utf-8"),
        },
    )


def _tracked(run: Run) -> list[dict[str, Any]]:
    """Return the units that track a property of the text, as `lstmctl inspect gates` finds them."""
    try:
        found = inspect_gates(run)
    except LstmctlError:  # the cell has no units, or the data is too short
        return []
    return [
        {
            "what": one.what,
            "name": f"{one.state}_{one.layer}{'b' * (one.direction == 'backward')}",
            "unit": one.unit,
            "correlation": one.correlation,
        }
        for one in found.tracked
        if one.tracks
    ]


def _facts(predictor: Predictor, check: LivingRun, precision: str) -> list[tuple[str, str]]:
    found = [(name, str(value)) for name, value in predictor.facts.items() if name not in ("run", "lstmctl")]
    found.append(("weights", f"{count(check.parameters)}, {precision}"))
    if check.checked_by is None:
        return [*found, ("difference to the run", f"unchecked: {check.unchecked}")]
    words = "not a number" if check.difference is None else f"at most {check.difference:.2g} {check.unit}"
    return [
        *found,
        ("difference to the run", f"{words}, over {count(check.steps)} {check.counted} of held-out data"),
    ]


def _examples(found: Described, kind: str) -> list[Any]:
    """Return inputs from held-out data: texts with further inputs, or all inputs of a forecaster."""
    if kind == "forecasts":
        return [
            {name: javascript.plain(np.asarray(values).ravel().tolist()) if np.ndim(values) else int(values)
             for name, values in call.inputs.items()}
            for call in found.probe.calls
        ]  # fmt: skip
    predictor, calls = found.predictor, list(found.probe.calls)
    function, argument = predictor.writer or (predictor.entry, predictor.entry.inputs["symbols"])
    name = next(key for key, one in function.inputs.items() if one is argument)
    vocabulary = predictor.vocabularies[str(argument.vocabulary)]
    examples: list[dict[str, Any]] = []
    for number, call in enumerate(calls):
        if argument.value.shape and (kind == "labels texts" or number == 0):
            examples.append(_text(vocabulary, call, name))
        elif not argument.value.shape:
            if call.restarts or not examples:
                examples.append(_text(vocabulary, call, name))
            elif len(examples[-1]["text"]) < TEXT_SHOWN:
                examples[-1]["text"] += _text(vocabulary, call, name)["text"]
    found_texts = [{**one, "text": one["text"].lstrip()} for one in examples]
    return [one for one in found_texts if one["text"]][:EXAMPLES]


def _text(vocabulary: Vocabulary, call: Call, name: str) -> dict[str, Any]:
    """Return the text that a call reads, and its further inputs."""
    numbers = np.asarray(call.inputs[name]).ravel().tolist()
    if vocabulary.kind == "bytes":
        text = bytes(numbers).decode(errors="replace")
    else:
        text = "".join(vocabulary.entries[one] for one in numbers if one not in (vocabulary.unknown, vocabulary.end))
    others = {key: int(values) for key, values in call.inputs.items() if key != name and np.ndim(values) == 0}
    return {"text": text, "inputs": others}
