"""Resume a run exactly where it stopped, and recreate files that a finished one lacks."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from lstmctl import shell
from lstmctl.api.assembly import portable
from lstmctl.api.failures import cell_faults, memory_errors
from lstmctl.api.preparation import Assembled, Choices, assemble
from lstmctl.api.run import Run, load_run
from lstmctl.api.running import Observer, follow_to_end, run_to_end
from lstmctl.api.unchanged import (
    RESUMABLE_OVERRIDES,
    changes,
    require_same_data,
    require_unchanged,
    warn_of_changes,
)
from lstmctl.config import derive, dump
from lstmctl.errors import ConfigError, RunError
from lstmctl.registry import is_user_class
from lstmctl.reporting.display import observed_by
from lstmctl.reporting.live import TrainingDisplay
from lstmctl.reporting.run_page import has_report, write_report
from lstmctl.runs.checkpoint_files import Snapshot, read_checkpoint
from lstmctl.runs.folder import EVALUATION, FINAL_WEIGHTS, RunFolder, find_to_resume, now, runs_root
from lstmctl.storage import read_json, replace_file, replace_json
from lstmctl.tracking.listening import tracked
from lstmctl.training.device import choose_threads
from lstmctl.training.distributed import Processes, joined
from lstmctl.training.interruption import termination_as_exit

log = logging.getLogger(__name__)


def resume(
    name: str | Path,
    overrides: Sequence[str] = (),
    *,
    trust: bool = False,
    allow_data_change: bool = False,
    allow_config_change: bool = False,
    track: Sequence[str] = (),
    observe: Observer | None = None,
    quiet: bool = False,
) -> Run:
    """Resume a stopped run as if it had never stopped.

    Args:
        name: a folder, a name under the runs folder, or `latest`, the newest that is not finished.
        overrides: only settings that do not affect the weights: `training.save_every`, `training.sample_every`, the
            location of the same data (`data.text`, `data.series`, `data.table`, `data.pairs`, `data.audio`), and
            `device` (another one gives different bits).
        trust: allow the run to name code to import.
        allow_data_change: continue although the data has changed; a single run would give a different result.
        allow_config_change: continue although the config has changed, and accept any override.
        track: see `train`; their curves continue.
        observe: called with every event; by default a live display shows them.
        quiet: show nothing.

    Returns:
        The run. If it was finished already, missing or damaged files are recreated.

    Raises:
        RunError: the run does not exist, another process holds it, its checkpoints are damaged, or its data or config
            has changed.
        ConfigError: an override would affect the weights.
        SystemExit: in every process except the first.
    """
    with (
        joined() as processes,
        observed_by(observe, lambda: TrainingDisplay(quiet=quiet or not processes.first)) as shown,
        tracked(track if processes.first else (), shown) as observe,
    ):
        if not allow_config_change:
            _refuse_overrides(name, overrides, trust)
        # The first process decides which run is newest, or finished, since the others may look at a different time.
        path, finished = processes.from_first(lambda: _found(name, trust))
        run = load_run(path, trust=trust)
        if finished:
            return run if processes.first else sys.exit()
        return _go_on(
            run,
            overrides,
            processes,
            observe,
            allow_data_change=allow_data_change,
            allow_config_change=allow_config_change,
        )


def _refuse_overrides(name: str | Path, overrides: Sequence[str], trust: bool) -> None:
    if refused := [text for text in overrides if _key(text) not in RESUMABLE_OVERRIDES]:
        raise ConfigError(
            [
                f"command line: {text}  cannot change when a run is resumed; only {', '.join(RESUMABLE_OVERRIDES)} can"
                for text in refused
            ],
            hint=f"a new run starts from its weights: {_command_to_begin_anew(name, overrides, trust)}; or continue "
            "this one anyway: --allow-config-change",
        )


def _command_to_begin_anew(name: str | Path, overrides: Sequence[str], trust: bool) -> str:
    run = load_run(find_to_resume(str(name), runs_root()).path, trust=trust)
    return shell.join(["lstmctl", "train", str(run.folder.config_path()), *overrides, "--init-from", str(run.path)])


def _key(override: str) -> str:
    return override.partition("=")[0].strip()


def _found(name: str | Path, trust: bool) -> tuple[str, bool]:
    """Return a run's folder, and whether it is finished; if so, files derived from its checkpoints are up to date."""
    run = load_run(find_to_resume(str(name), runs_root()).path, trust=trust)
    finished = run.status == "finished"
    if finished and (problem := _problem_with(run)) is not None:
        log.warning("%s is finished, but %s; recreated from the last intact checkpoint", run.name, problem)
        finished = False
    if finished:
        _mend(run.folder)
    return str(run.path), finished


def _problem_with(run: Run) -> str | None:
    """Return the damaged parts of a finished run that only training or scoring can recreate."""
    if not run.folder.checkpoints.is_whole():
        return "a checkpoint is damaged"
    try:
        run.folder.encoding()
        if run.folder.calibration() is None and run.info.get("calibrated"):
            return "its calibration is missing"
        if run.info.get("final_fit") and not (run.path / FINAL_WEIGHTS).is_file():
            return "the weights of its final fit are missing"
        if (run.path / EVALUATION).exists():
            read_json(run.path / EVALUATION)
    except RunError as error:
        return str(error)
    return None


def _mend(folder: RunFolder) -> None:
    """Recreate the files that a run killed near its end lacks (report, exported weights), and delete leftovers."""
    if has_report(folder.path, "finished") and folder.checkpoints.is_tidy() and not folder.has_leftovers():
        return
    with folder.locked():
        folder.checkpoints.tidy()
        if not has_report(folder.path, "finished"):
            write_report(folder.path)


def _was_finished_since(folder: RunFolder, info: Mapping[str, Any]) -> bool:
    """Return whether another process has finished a run since `info` was read."""
    return info.get("status") != "finished" and folder.info().get("status") == "finished"


def _go_on(
    run: Run,
    overrides: Sequence[str],
    processes: Processes,
    observe: Observer,
    *,
    allow_data_change: bool,
    allow_config_change: bool,
) -> Run:
    folder, info = run.folder, run.info
    settings = derive(run.settings, overrides) if overrides else run.settings
    held = folder.locked() if processes.first else nullcontext()
    with termination_as_exit(), held, memory_errors(), cell_faults(settings.model.cell):
        if processes.from_first(lambda: _was_finished_since(folder, info)):
            return load_run(run.path, trust=is_user_class(settings.model.cell)) if processes.first else sys.exit()
        choices, steps = _recorded(folder, info)
        if any(_key(text) == "device" for text in overrides):
            choices = replace(choices, device=settings.device)
        if info.get("processes", 1) != processes.size:
            choices = replace(choices, threads=choose_threads(settings.threads))
        snapshot = _starting_point(folder, processes)
        changed = changes(snapshot, settings, steps)
        if not allow_config_change:
            require_unchanged(folder, snapshot, changed)
        assembled = assemble(
            settings,
            folder.path,
            run.cell,
            choices=choices,
            steps=None if "training.budget" in changed else steps,
            processes=processes,
        )
        if not allow_data_change:
            require_same_data(info.get("data", {}), assembled.corpus)
        warn_of_changes(info, assembled.facts)
        if not processes.first:
            follow_to_end(assembled, snapshot)
        _write_again(folder, assembled, config=any(_key(text) not in RESUMABLE_OVERRIDES for text in overrides))
        folder.checkpoints.tidy()
        _note(folder, assembled, snapshot, list(changed))
        return run_to_end(folder, assembled, snapshot, observe)


def _recorded(folder: RunFolder, info: Mapping[str, Any]) -> tuple[Choices, int]:
    """Return the values chosen for `auto` when the run began, and its steps."""
    path = folder.path / "run.json"
    for key, kind in (("device", str), ("precision", str), ("threads", int), ("steps", int)):
        if key not in info:
            raise RunError(f"{path} lacks {key}: the run stopped before training began")
        if type(info[key]) is not kind:
            raise RunError(f"{path} is damaged: {key} is {info[key]!r}")
    return Choices(info["device"], info["precision"], info["threads"]), info["steps"]


def _starting_point(folder: RunFolder, processes: Processes) -> Snapshot | None:
    """Return the checkpoint to continue from, as found by the first process; None to start from the beginning, if the
    run was killed before its first checkpoint."""
    own = folder.checkpoints.starting_point() if processes.first else None
    step = processes.from_first(lambda: None if own is None else own.step)
    if step is None or own is not None:
        return own
    return read_checkpoint(folder.checkpoints.folder / f"step-{step}")


def _write_again(folder: RunFolder, assembled: Assembled, *, config: bool) -> None:
    """Rewrite the run's inputs if they differ from what they should be, and the config if overrides changed it."""
    if config:
        replace_file(folder.path / "config.yaml", dump(portable(assembled.settings, assembled.corpus)).encode())
    encoding = assembled.corpus.encoding.to_json()
    try:
        same = folder.encoding() == json.loads(json.dumps(encoding))
    except RunError:
        same = False
    if not same:
        log.warning("%s does not match the data; rewritten", folder.path / "encoding.json")
        replace_json(folder.path / "encoding.json", encoding)


def _note(folder: RunFolder, assembled: Assembled, snapshot: Snapshot | None, changed: list[str]) -> None:
    """Record in `run.json` that the run is resumed, and by which command."""
    info, facts = folder.info(), assembled.facts
    if info.get("data", {}).get("sha256") != facts["data"]["sha256"]:
        changed = [*changed, "data"]
    entry = {"at": now(), "step": snapshot.step if snapshot is not None else 0}
    if changed:
        entry["changed"] = changed
    else:
        names = ("processes", "threads", "precision", "device", "device_name", "host", "kernel", "repeatable_by")
        facts = {name: facts[name] for name in names}
    folder.update(status="running", resumed=[*info.get("resumed", []), entry], **facts)
