"""Training a run from a config, and going on with one exactly where it stopped."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lstmctl import registry
from lstmctl.api.assembly import find_cell, portable
from lstmctl.api.failures import cell_faults, memory_errors, status_on_failure
from lstmctl.api.forecasting import examples
from lstmctl.api.preparation import Assembled, Choices, assemble
from lstmctl.api.run import Run, load_run
from lstmctl.config import LoadedConfig, derive, dump, from_mapping, load
from lstmctl.data.series import SeriesCorpus
from lstmctl.errors import ConfigError, RunError
from lstmctl.records import Event, Finished
from lstmctl.registry import cell_name
from lstmctl.reporting.report import write_report
from lstmctl.runs.checkpoint import Snapshot
from lstmctl.runs.folder import CALIBRATION, EVALUATION, RunFolder, claim, next_order, now, runs_root
from lstmctl.storage import replace_file, replace_json
from lstmctl.tasks.problem import Corpus
from lstmctl.training.device import peak_memory
from lstmctl.training.interruption import Interruption, termination_as_exit
from lstmctl.training.recorder import record

log = logging.getLogger(__name__)

Observer = Callable[[Event], None]
RESUMABLE_OVERRIDES = ("training.save_every", "training.sample_every", "data.text", "data.series")
"""What may change when a run goes on: nothing that moves a weight."""


def train(
    config: str | Path | Mapping[str, Any] = "travellers",
    overrides: Sequence[str] = (),
    *,
    init_from: str | None = None,
    trust: bool = False,
    observe: Observer = lambda event: None,
    command: str | None = None,
) -> Run:
    """Train a model and keep it in a new run folder.

    Args:
        config: a file, the name of a bundled config, `-` for stdin, or a mapping like a config.
        overrides: `KEY=VALUE`, as on the command line.
        init_from: a run whose weights to start from; the vocabulary and the sizes must agree.
        trust: allow the config to name code to import.
        observe: called with every event.
        command: how a person started this, for `run.json`.

    Returns:
        The run, `finished`, or `interrupted` after Ctrl-C or SIGTERM.

    Raises:
        ConfigError, DataError, RunError, DivergedError, ResourceError: see `lstmctl.errors`.
    """
    if isinstance(config, Mapping):
        loaded = LoadedConfig(from_mapping(config, overrides), "config", None)
    else:
        loaded = load(str(config), overrides, trust=trust)
    with termination_as_exit(), memory_errors(), cell_faults(loaded.settings.model.cell):
        cell = find_cell(loaded.settings, loaded.folder)
        source = load_run(init_from, trust=trust) if init_from is not None else None
        assembled = assemble(loaded.settings, loaded.folder, cell, source=source)
        if isinstance(assembled.corpus, SeriesCorpus) and (lack := assembled.corpus.known_too_short()):
            log.warning("%s", lack)
        folder = claim(runs_root(), f"{loaded.name}-{cell_name(loaded.settings.model.cell)}")
        facts = {"config": loaded.name, "initialised_from": init_from}
        return begin(folder, assembled, observe, command=command or "lstmctl.train", **facts)


def begin(folder: RunFolder, assembled: Assembled, observe: Observer, *, command: str, **facts: Any) -> Run:
    """Train what is assembled from its first step, in a folder that is there and holds no run yet.

    Args:
        folder, assembled: the place and the parts of the run.
        observe: called with every event.
        command: how a person started this, for `run.json`; so are `facts`.

    Raises:
        RunError, DivergedError, ResourceError: see `train`.
    """
    with folder.locked():
        order = next_order(folder.path.parent)
        folder.update(status="running", command=command, started=now(), order=order, **facts, **assembled.facts)
        _write_inputs(folder, assembled)
        return _run(folder, assembled, None, observe)


def resume(
    name: str | Path,
    overrides: Sequence[str] = (),
    *,
    trust: bool = False,
    allow_data_change: bool = False,
    observe: Observer = lambda event: None,
) -> Run:
    """Go on with a stopped run as if it had never stopped.

    Args:
        name: a folder, a name under the runs folder, or `latest`.
        overrides: only what moves no weight: `training.save_every`, `training.sample_every`, and where the same data
            now lies, `data.text` or `data.series`.
        trust: allow the run to name code to import.
        allow_data_change: go on although the data is not the same; the result is then not that of one run.
        observe: called with every event.

    Returns:
        The run; one that was finished already comes back as it is.

    Raises:
        RunError: there is no such run, another process holds it, its checkpoints are damaged, or its data changed.
        ConfigError: an override would move a weight.
    """
    if refused := [text for text in overrides if text.partition("=")[0].strip() not in RESUMABLE_OVERRIDES]:
        raise ConfigError(
            [
                f"command line: {text}  cannot change when a run goes on; only {', '.join(RESUMABLE_OVERRIDES)} can"
                for text in refused
            ],
            hint=f"lstmctl train --init-from {name} starts a new run from its weights",
        )
    run = load_run(name, trust=trust)
    if run.status == "finished":
        return run
    folder, info = run.folder, run.info
    settings = derive(run.settings, overrides) if overrides else run.settings
    with termination_as_exit(), folder.locked(), memory_errors(), cell_faults(settings.model.cell):
        try:
            choices = Choices(**{key: info[key] for key in Choices.__dataclass_fields__})
            steps = int(info["steps"])
        except KeyError as error:
            raise RunError(f"{folder.path / 'run.json'} lacks {error}: it stopped before training began") from error
        assembled = assemble(settings, folder.path, run.cell, choices=choices, steps=steps)
        _check_data(info.get("data", {}), assembled.corpus, allow=allow_data_change)
        _warn_of_changes(info, assembled.facts)
        # A run that was killed before its first checkpoint starts again from nothing, which is where it was.
        snapshot = folder.checkpoints.read("last") if folder.checkpoints.steps_on_disk() else None
        step = snapshot.step if snapshot is not None else 0
        folder.update(status="running", resumed=[*info.get("resumed", []), {"at": now(), "step": step}])
        return _run(folder, assembled, snapshot, observe)


def _run(folder: RunFolder, assembled: Assembled, snapshot: Snapshot | None, observe: Observer) -> Run:
    """Train to the end or to an interruption, then score and report."""
    finished: Finished | None = None
    with status_on_failure(folder), memory_errors():
        with Interruption() as interruption:
            for event in record(assembled.trainer, folder, snapshot, interruption):
                if isinstance(event, Finished):
                    finished = event
                observe(event)
        assert finished is not None
        progress = assembled.trainer.progress
        rate = progress.units / progress.seconds if progress.seconds else 0.0
        facts = {
            "step": progress.step,
            "units_trained": progress.units,
            "training_seconds": round(progress.seconds, 2),
            "rate": round(rate, 1),
            "peak_memory": max(peak_memory(assembled.choices.device), folder.info().get("peak_memory") or 0),
            "ended": now(),
        }
        if finished.reason == "interrupted":
            folder.update(status="interrupted", signal=interruption.signal, **facts)
            write_report(folder.path)
            return Run(folder, trust=True)
        run = Run(folder, trust=True, device=assembled.choices.device)
        calibration = run.task.calibrate(run.model, run.task.part(assembled.corpus, "validation", run.device))
        if calibration is not None:
            replace_json(folder.path / CALIBRATION, calibration)
            folder.update(calibrated=True)
        metrics: dict[str, Any] = {"validation": None, "test": None}
        for part in metrics:
            if part in assembled.corpus.parts:
                metrics[part] = dict(run.score(assembled.corpus, part).metrics)
        if "arm" not in run.info:  # a comparison counts the baselines once for all its runs
            replace_json(folder.path / EVALUATION, _evaluated(run, assembled.corpus))
        folder.update(status="finished", stopped_by=finished.reason, metrics=metrics, **{**facts, "ended": now()})
        write_report(folder.path)
    return Run(folder, trust=True)


def _evaluated(run: Run, corpus: Corpus) -> dict[str, Any]:
    """`evaluation.json`: the reported part, with simple baselines beside the figures."""
    part = "test" if "test" in corpus.parts else "validation"
    facts = asdict(run.evaluation(corpus, part, part))
    facts.pop("run")
    if isinstance(corpus, SeriesCorpus):
        facts["examples"] = [asdict(example) for example in examples(run, corpus, part)]
    primary = run.task.primary
    return {"format": 1, "primary": primary.name, "lower_is_better": primary.lower_is_better, **facts}


def _write_inputs(folder: RunFolder, assembled: Assembled) -> None:
    if source := registry.source_file(assembled.settings.model.cell):
        replace_file(folder.path / source.name, source.read_bytes())
    replace_file(folder.path / "config.yaml", dump(portable(assembled.settings, assembled.corpus)).encode())
    replace_json(folder.path / "encoding.json", assembled.corpus.encoding.to_json())


def _check_data(known: Mapping[str, Any], corpus: Corpus, *, allow: bool) -> None:
    if corpus.fingerprint["sha256"] == known.get("sha256") or allow:
        return
    raise RunError(
        f"{', '.join(corpus.names)} changed since the run began: SHA-256 {corpus.fingerprint['sha256'][:16]}…, "
        f"then {str(known.get('sha256'))[:16]}…",
        hint="put the old data back, or go on with the new: --allow-data-change",
    )


def _warn_of_changes(info: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Say what is no longer as it was, since then the same bits are not promised."""
    for key in ("device_name", "platform"):
        if info.get(key) != facts[key]:
            log.warning("%s was %s and is %s: the result may differ in its last bits", key, info.get(key), facts[key])
    for name, was in info.get("versions", {}).items():
        if was != facts["versions"].get(name):
            log.warning(
                "%s was %s and is %s: the result may differ in its last bits", name, was, facts["versions"].get(name)
            )


def command_line() -> str:
    """How this process was started, as a person would type it."""
    return shlex.join(["lstmctl", *sys.argv[1:]])
