"""Training a run from a config, and going on with one exactly where it stopped."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

from lstmctl import registry, shell
from lstmctl.api.assembly import find_cell, portable
from lstmctl.api.failures import cell_faults, memory_errors, status_on_failure
from lstmctl.api.forecasting import examples
from lstmctl.api.preparation import Assembled, Choices, assemble
from lstmctl.api.run import Run, load_run
from lstmctl.config import LoadedConfig, derive, dump, from_mapping, load
from lstmctl.data.series import SeriesCorpus
from lstmctl.errors import ConfigError, DivergedError, RunError
from lstmctl.records import Event, Finished, Score
from lstmctl.registry import cell_name
from lstmctl.reporting.report import write_report
from lstmctl.runs.checkpoint import Snapshot, read_checkpoint
from lstmctl.runs.folder import CALIBRATION, EVALUATION, RunFolder, claim, list_runs, next_order, now, runs_root
from lstmctl.storage import replace_file, replace_json
from lstmctl.tasks.problem import Corpus
from lstmctl.training.device import choose_threads, peak_memory
from lstmctl.training.distributed import Processes, joined, launch, restarts
from lstmctl.training.interruption import Interruption, termination_as_exit
from lstmctl.training.recorder import follow, record

log = logging.getLogger(__name__)

Observer = Callable[[Event], None]
RESUMABLE_OVERRIDES = (
    *("training.save_every", "training.sample_every"),
    *("data.text", "data.series", "data.table", "data.pairs"),
)
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

    Started by `torchrun`, several processes train it together. The first returns the run; the others end here. One
    that torchrun has started anew goes on with the run that was begun before.

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
        SystemExit: in every process but the first.
    """
    command = command or "lstmctl.train"
    with joined() as processes:
        if (begun := processes.from_first(lambda: _begun(command))) is not None:
            return resume(begun, trust=trust, observe=observe)
        if isinstance(config, Mapping):
            loaded = LoadedConfig(from_mapping(config, overrides), "config", None)
        else:
            loaded = load(str(config), overrides, trust=trust)
        return _begin_new(loaded, init_from, trust, observe, command, processes)


def _begin_new(
    loaded: LoadedConfig,
    init_from: str | None,
    trust: bool,
    observe: Observer,
    command: str,
    processes: Processes,
) -> Run:
    with termination_as_exit(), memory_errors(), cell_faults(loaded.settings.model.cell):
        cell = find_cell(loaded.settings, loaded.folder)
        source = load_run(init_from, trust=trust) if init_from is not None else None
        assembled = assemble(loaded.settings, loaded.folder, cell, source=source, processes=processes)
        if not processes.first:
            _follow(assembled, None)
        if isinstance(assembled.corpus, SeriesCorpus):
            for caveat in filter(None, [assembled.corpus.known_too_short(), assembled.corpus.overlap]):
                log.warning("%s", caveat)
        for warning in assembled.facts["data"].get("warnings", ()):
            log.warning("%s", warning)
        folder = claim(runs_root(), f"{loaded.name}-{cell_name(loaded.settings.model.cell)}")
        facts = {"config": loaded.name, "initialised_from": init_from, "launch": launch()}
        return begin(folder, assembled, observe, command=command, **facts)


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
            now lies, `data.text`, `data.series`, `data.table` or `data.pairs`.
        trust: allow the run to name code to import.
        allow_data_change: go on although the data is not the same; the result is then not that of one run.
        observe: called with every event.

    Returns:
        The run; one that was finished already comes back as it is.

    Raises:
        RunError: there is no such run, another process holds it, its checkpoints are damaged, or its data changed.
        ConfigError: an override would move a weight.
        SystemExit: in every process but the first.
    """
    with joined() as processes:
        return _go_on(name, overrides, trust, allow_data_change, observe, processes)


def _go_on(
    name: str | Path,
    overrides: Sequence[str],
    trust: bool,
    allow_data_change: bool,
    observe: Observer,
    processes: Processes,
) -> Run:
    if refused := [text for text in overrides if text.partition("=")[0].strip() not in RESUMABLE_OVERRIDES]:
        raise ConfigError(
            [
                f"command line: {text}  cannot change when a run goes on; only {', '.join(RESUMABLE_OVERRIDES)} can"
                for text in refused
            ],
            hint=f"a new run starts from its weights: {_command_to_begin_anew(load_run(name, trust=trust), overrides)}",
        )
    # What is newest, or finished, the first process says: the others may look at another moment.
    path, finished = processes.from_first(lambda: _found(name, trust))
    run = load_run(path, trust=trust)
    if finished:
        return run if processes.first else sys.exit()
    folder, info = run.folder, run.info
    settings = derive(run.settings, overrides) if overrides else run.settings
    held = folder.locked() if processes.first else nullcontext()
    with termination_as_exit(), held, memory_errors(), cell_faults(settings.model.cell):
        try:
            choices = Choices(**{key: info[key] for key in Choices.__dataclass_fields__})
            steps = int(info["steps"])
        except KeyError as error:
            raise RunError(f"{error}: it stopped before training began") from error
        if info.get("processes", 1) != processes.size:
            choices = replace(choices, threads=choose_threads(settings.threads))
        assembled = assemble(settings, folder.path, run.cell, choices=choices, steps=steps, processes=processes)
        _check_data(info.get("data", {}), assembled.corpus, allow=allow_data_change)
        _warn_of_changes(info, assembled.facts)
        # A run that was killed before its first checkpoint starts again from nothing, which is where it was.
        snapshot = _last_checkpoint(folder, processes)
        if not processes.first:
            _follow(assembled, snapshot)
        step = snapshot.step if snapshot is not None else 0
        resumed = [*info.get("resumed", []), {"at": now(), "step": step}]
        now_chosen = {
            "processes": processes.size,
            "threads": assembled.choices.threads,
            "precision": assembled.choices.precision,
        }
        folder.update(status="running", resumed=resumed, **now_chosen)
        return _run(folder, assembled, snapshot, observe)


def _command_to_begin_anew(run: Run, overrides: Sequence[str]) -> str:
    return shell.join(["lstmctl", "train", str(run.folder.config_path()), *overrides, "--init-from", str(run.path)])


def _run(folder: RunFolder, assembled: Assembled, snapshot: Snapshot | None, observe: Observer) -> Run:
    """Train to the end or to an interruption, then score and report."""
    finished: Finished | None = None
    with status_on_failure(folder), memory_errors():
        with Interruption() as interruption:
            for event in record(assembled.trainer, folder, snapshot, interruption):
                if isinstance(event, Finished):
                    finished = event
                observe(event)
            assembled.trainer.processes.part()
        assert finished is not None
        progress = assembled.trainer.progress
        rate = progress.units / progress.seconds if progress.seconds else 0.0
        facts = {
            "step": progress.step,
            "units_trained": progress.units,
            "training_seconds": round(progress.seconds, 2),
            "rate": round(rate, 1),
            "peak_memory": _larger(peak_memory(assembled.choices.device), folder.info().get("peak_memory")),
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
        corpus = assembled.corpus
        scores = {part: run.score(corpus, part) for part in ("validation", "test") if part in corpus.parts}
        metrics = {"validation": None, "test": None, **{part: dict(score.metrics) for part, score in scores.items()}}
        if "arm" not in run.info:  # a comparison counts the baselines once for all its runs
            replace_json(folder.path / EVALUATION, _evaluated(run, corpus, scores))
        folder.update(status="finished", stopped_by=finished.reason, metrics=metrics, **{**facts, "ended": now()})
        write_report(folder.path)
    return Run(folder, trust=True)


def _follow(assembled: Assembled, snapshot: Snapshot | None) -> NoReturn:
    """Train beside the first process, which does all else, and end."""
    with Interruption() as interruption:
        follow(assembled.trainer, snapshot, interruption)
        assembled.trainer.processes.part()
    sys.exit(0 if interruption.signal is None else 128 + interruption.signal)


def _begun(command: str) -> str | None:
    """The run that this same launch of torchrun has begun already, by the same command.

    Raises:
        DivergedError: it would diverge again.
    """
    if (name := launch()) is None:
        return None
    for folder in reversed(list_runs(runs_root())):
        try:
            info = folder.info()
        except RunError:  # of a damaged run nothing is known
            continue
        if (info.get("launch"), info.get("command")) != (name, command):
            continue
        if not (folder.path / "encoding.json").is_file():  # the last of what a run begins with
            continue
        if info.get("status") in ("finished", "diverged") and not restarts():  # the name is used for the next one
            return None
        if info.get("status") == "diverged":
            raise DivergedError(
                str(info.get("problem")), hint=f"{folder.path} is not tried again: it would be the same"
            )
        return str(folder.path)
    return None


def _found(name: str | Path, trust: bool) -> tuple[str, bool]:
    """Where a run is, and whether it is finished."""
    run = load_run(name, trust=trust)
    return str(run.path), run.status == "finished"


def _last_checkpoint(folder: RunFolder, processes: Processes) -> Snapshot | None:
    """The newest sound one, as the first process finds it; None where there is none at all."""
    own = folder.checkpoints.read("last") if processes.first and folder.checkpoints.steps_on_disk() else None
    step = processes.from_first(lambda: None if own is None else own.step)
    if step is None or own is not None:
        return own
    return read_checkpoint(folder.checkpoints.folder / f"step-{step}")


def _evaluated(run: Run, corpus: Corpus, scores: Mapping[str, Score]) -> dict[str, Any]:
    """`evaluation.json`: the reported part, with simple baselines beside the figures."""
    part = "test" if "test" in scores else "validation"
    facts = asdict(run.evaluation(corpus, part, part, scores[part]))
    facts.pop("run")
    if isinstance(corpus, SeriesCorpus):
        facts["examples"] = [asdict(example) for example in examples(run, corpus, part)]
    primary = run.task.primary
    return {"format": 1, "primary": primary.name, "lower_is_better": primary.lower_is_better, **facts}


def _larger(one: int | None, other: int | None) -> int | None:
    """The larger of two numbers that may be unknown."""
    return max((number for number in (one, other) if number is not None), default=None)


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
    for key in ("device_name", "platform", "processes"):
        if info.get(key) != facts[key]:
            log.warning("%s was %s and is %s: the result may differ in its last bits", key, info.get(key), facts[key])
    for name, was in info.get("versions", {}).items():
        if was != facts["versions"].get(name):
            log.warning(
                "%s was %s and is %s: the result may differ in its last bits", name, was, facts["versions"].get(name)
            )


def command_line() -> str:
    """How this process was started, as a person would type it."""
    return shell.join(["lstmctl", *sys.argv[1:]])
