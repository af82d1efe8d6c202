"""Training a run from a config, and going on with one exactly where it stopped."""

from __future__ import annotations

import inspect
import logging
import platform
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from lstmctl import registry
from lstmctl.api.assembly import build_model, build_task, find_cell, open_data, part_of
from lstmctl.api.run import Run, load_run
from lstmctl.cells.cell import Cell
from lstmctl.cells.kernels import kernel_used
from lstmctl.config import LoadedConfig, Settings, derive, dump, from_mapping, load
from lstmctl.data.text import TextCorpus
from lstmctl.errors import ConfigError, DivergedError, ResourceError, RunError
from lstmctl.models.sequence_model import SequenceModel, count_parameters
from lstmctl.protocols import Batch
from lstmctl.records import Event, Finished
from lstmctl.reporting.report import write_report
from lstmctl.runs.checkpoint import Snapshot
from lstmctl.runs.folder import RunFolder, claim, next_order, now, runs_root
from lstmctl.storage import replace_file, replace_json
from lstmctl.tasks.language_model import LanguageModel
from lstmctl.training.budget import steps_within
from lstmctl.training.device import choose_device, choose_threads, device_name, make_repeatable
from lstmctl.training.interruption import Interruption, termination_as_exit
from lstmctl.training.precision import autocast, choose_precision
from lstmctl.training.recorder import record
from lstmctl.training.trainer import Trainer, load_weights

log = logging.getLogger(__name__)

Observer = Callable[[Event], None]
RESUMABLE_OVERRIDES = ("training.save_every", "training.sample_every", "data.text")
"""What may change when a run goes on: nothing that moves a weight."""
VERSIONS = ("lstmctl", "torch", "numpy", "safetensors")


@dataclass(frozen=True)
class Choices:
    """What `auto` became: decided once, recorded in `run.json`, and kept when the run goes on."""

    device: str
    precision: str
    threads: int
    kernel: str
    steps: int


@dataclass
class Assembled:
    """All parts of a run, ready to train."""

    settings: Settings
    cell: type[Cell]
    corpus: TextCorpus
    task: LanguageModel
    model: SequenceModel
    trainer: Trainer
    choices: Choices
    facts: dict[str, Any]
    """For `run.json`."""


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
    with termination_as_exit(), memory_errors():
        cell = find_cell(loaded.settings, loaded.folder)
        source = load_run(init_from, trust=trust) if init_from is not None else None
        assembled = assemble(loaded.settings, loaded.folder, cell, source=source)
        folder = claim(runs_root(), f"{loaded.name}-{loaded.settings.model.cell.rpartition(':')[2].lower()}")
        with folder.locked():
            folder.update(
                status="running",
                command=command or "lstmctl.train",
                config=loaded.name,
                started=now(),
                order=next_order(folder.path.parent),
                initialised_from=init_from,
                **assembled.facts,
            )
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
            now lies, `data.text`.
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
    with termination_as_exit(), folder.locked(), memory_errors():
        try:
            choices = Choices(**{key: info[key] for key in Choices.__dataclass_fields__})
        except KeyError as error:
            raise RunError(f"{folder.path / 'run.json'} lacks {error}: it stopped before training began") from error
        assembled = assemble(settings, folder.path, run.cell, choices=choices)
        _check_data(info.get("data", {}), assembled.corpus, allow=allow_data_change)
        _warn_of_changes(info, assembled.facts)
        snapshot = folder.checkpoints.read("last")
        folder.update(status="running", resumed=[*info.get("resumed", []), {"at": now(), "step": snapshot.step}])
        return _run(folder, assembled, snapshot, observe)


def assemble(
    settings: Settings,
    config_folder: Path | None,
    cell: type[Cell],
    *,
    choices: Choices | None = None,
    source: Run | None = None,
) -> Assembled:
    """Build everything a run needs.

    Args:
        settings, config_folder, cell: of the run.
        choices: those of the run that goes on; None for a new one.
        source: a run whose weights to start from.

    Raises:
        ConfigError, DataError, RunError: a part of it cannot be had as it is asked for.
    """
    device = choose_device(choices.device if choices else settings.device)
    threads = choose_threads(choices.threads if choices else settings.threads)
    repeatable_by = make_repeatable(device)
    corpus = open_data(settings, config_folder)
    task = build_task(settings, corpus.encoding)
    for name in corpus.parts:
        task.require(part_of(corpus, name, torch.device("cpu")))
    precision = choices.precision if choices else settings.training.precision
    model = build_model(settings, task, cell, "float32" if precision == "auto" else precision)
    if source is not None:
        _start_from(model, task, source)
    model.to(device)
    batches = task.training_order(part_of(corpus, "training", device), settings.training, settings.seed)
    validation_part = part_of(corpus, "validation", device)

    def one_pass() -> None:
        batch = batches[0]
        task.loss(model, batch, task.initial_state(model, batch)).sum.backward()
        model.zero_grad(set_to_none=True)

    precision = choose_precision(precision, device, one_pass)

    def make_trainer(trained: SequenceModel, steps: int) -> Trainer:
        return Trainer(
            trained,
            task,
            batches,
            lambda: task.progress(validation_part),
            settings.training,
            steps=steps,
            precision=precision,
            seed=settings.seed,
        )

    steps = choices.steps if choices else steps_within(settings.training.budget, batches, model, make_trainer)
    kernel = choices.kernel if choices else _kernel(model, task, batches[0], precision, device)
    facts = {
        "device": str(device),
        "device_name": device_name(device),
        "precision": precision,
        "threads": threads,
        "kernel": kernel,
        "repeatable_by": repeatable_by,
        "seed": settings.seed,
        "steps": steps,
        "units": task.unit,
        "units_per_step": batches.units_per_step,
        "steps_per_epoch": batches.steps_per_epoch,
        "task": settings.task.type,
        "shape": settings.task.shape,
        "cell": settings.model.cell,
        "cell_source": registry.source_hash(cell) if registry.is_user_class(settings.model.cell) else None,
        "parameters": count_parameters(model),
        "headline": "best" if "test" in corpus.parts else "last",
        "data": {
            **corpus.fingerprint,
            "files": list(corpus.names),
            "vocabulary": len(corpus.encoding),
            "parts": {name: stop - start for name, (start, stop) in corpus.parts.items()},
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
        "platform": platform.platform(),
    }
    return Assembled(
        settings,
        cell,
        corpus,
        task,
        model,
        make_trainer(model, steps),
        Choices(str(device), precision, threads, kernel, steps),
        facts,
    )


def _run(folder: RunFolder, assembled: Assembled, snapshot: Snapshot | None, observe: Observer) -> Run:
    """Train to the end or to an interruption, then score and report."""
    finished: Finished | None = None
    with _status_on_failure(folder):
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
            "ended": now(),
        }
        if finished.reason == "interrupted":
            folder.update(status="interrupted", signal=interruption.signal, **facts)
            write_report(folder.path)
            return Run(folder, trust=True)
        run = Run(folder, trust=True, device=assembled.choices.device)
        metrics: dict[str, Any] = {"validation": None, "test": None}
        for part in metrics:
            if part in assembled.corpus.parts:
                symbols = part_of(assembled.corpus, part, run.device)
                metrics[part] = dict(run.score(symbols, part).metrics)
        folder.update(status="finished", stopped_by=finished.reason, metrics=metrics, **{**facts, "ended": now()})
        write_report(folder.path)
    return Run(folder, trust=True)


@contextmanager
def _status_on_failure(folder: RunFolder) -> Iterator[None]:
    """Note in `run.json` how a run ended, when it did not end well, and name the checkpoint that stands."""
    try:
        yield
    except BaseException as error:
        status = {DivergedError: "diverged", KeyboardInterrupt: "interrupted", SystemExit: "interrupted"}
        stands = _last_step(folder)
        try:
            folder.update(
                status=status.get(type(error), "failed"), ended=now(), problem=str(error) or type(error).__name__
            )
        except (ResourceError, RunError, OSError) as second:  # the disk that failed the run may fail this too
            log.debug("run.json was not updated: %s", second)
        if isinstance(error, KeyboardInterrupt | SystemExit) and stands is not None:
            log.warning("stopped at once; to go on: lstmctl train --resume %s", shlex.quote(str(folder.path)))
        if isinstance(error, (DivergedError, ResourceError)) and stands is not None:
            kept = f"the checkpoint of step {stands} in {folder.path} stands"
            error.hint = f"{kept}; {error.hint}" if error.hint else kept
        raise


@contextmanager
def memory_errors() -> Iterator[None]:
    """Say plainly that the memory is not enough.

    Raises:
        ResourceError: in place of what torch and Python raise.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        if (
            isinstance(error, RuntimeError)
            and not isinstance(error, torch.OutOfMemoryError)
            and "memory" not in lines[0]
        ):
            raise
        raise ResourceError(
            f"the memory is not enough: {lines[0]}",
            hint="a smaller training.batch, training.window or model.hidden needs less; so does training.accumulate=2",
        ) from error


def _write_inputs(folder: RunFolder, assembled: Assembled) -> None:
    names = list(assembled.corpus.names)
    settings = assembled.settings.model_dump(mode="json")
    settings["data"]["text"] = names[0] if len(names) == 1 else names
    replace_file(folder.path / "config.yaml", dump(from_mapping(settings)).encode())
    replace_json(folder.path / "encoding.json", assembled.corpus.encoding.to_json())
    if registry.is_user_class(settings["model"]["cell"]):
        source = Path(inspect.getfile(assembled.cell))
        replace_file(folder.path / source.name, source.read_bytes())


def _start_from(model: SequenceModel, task: LanguageModel, source: Run) -> None:
    if source.task.encoding != task.encoding:
        raise RunError(
            f"{source.name} has another vocabulary than this data: {source.task.encoding.difference(task.encoding)}",
            hint="its weights stand for its own symbols; train on text with the same ones",
        )
    load_weights(model, source.model.state_dict())


def _kernel(model: SequenceModel, task: LanguageModel, batch: Batch, precision: str, device: torch.device) -> str:
    few = Batch(batch.input[:2], batch.target[:2] if batch.target.dim() > 1 else batch.target, fresh=True)
    with autocast(precision, device):
        return kernel_used(lambda: task.loss(model, few, task.initial_state(model, few)))


def _check_data(known: Mapping[str, Any], corpus: TextCorpus, *, allow: bool) -> None:
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


def _last_step(folder: RunFolder) -> int | None:
    try:
        return folder.checkpoints.pointers().get("last")
    except RunError:
        return None


def command_line() -> str:
    """How this process was started, as a person would type it."""
    return shlex.join(["lstmctl", *sys.argv[1:]])
