"""Train a new run from a config."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from safetensors.torch import save

from lstmctl import shell
from lstmctl.api.assembly import find_cell
from lstmctl.api.failures import cell_faults, memory_errors
from lstmctl.api.frames import is_frame, table_of
from lstmctl.api.preparation import Assembled, assemble
from lstmctl.api.resuming import resume
from lstmctl.api.run import Run, load_run
from lstmctl.api.running import Observer, follow_to_end, run_to_end, write_inputs
from lstmctl.config import LoadedConfig, load_mapping
from lstmctl.deriving import load_config
from lstmctl.errors import DivergedError, RunError
from lstmctl.events import Decided
from lstmctl.registry import cell_name
from lstmctl.reporting.display import observed_by
from lstmctl.reporting.live import TrainingDisplay
from lstmctl.runs.folder import INITIAL_WEIGHTS, RunFolder, claimed, list_runs, next_order, now, runs_root
from lstmctl.runs.hub import is_on_hub
from lstmctl.runs.run_lock import require_free_name
from lstmctl.storage import replace_file
from lstmctl.tracking.listening import tracked
from lstmctl.training.distributed import Processes, joined, launch, restarts
from lstmctl.training.interruption import termination_as_exit

log = logging.getLogger(__name__)


def train(
    config: Any = "travellers",
    overrides: Sequence[str] = (),
    *,
    init_from: str | None = None,
    name: str | None = None,
    time: str | None = None,
    track: Sequence[str] = (),
    trust: bool = False,
    observe: Observer | None = None,
    quiet: bool = False,
    command: str | None = None,
) -> Run:
    """Train a model in a new run folder.

    Started by `torchrun`, several processes train it together: the first returns the run, the others exit here. If
    torchrun restarts them, they continue the run that was begun.

    Args:
        config: a file, the name of a bundled config, `-` for stdin, a mapping like a config, or one that is loaded; or
            a text, a table (also as a data frame) or a folder of texts, for which a config is derived.
        overrides: `KEY=VALUE`, as on the command line; a loaded config already contains its own.
        init_from: a run whose weights are used at the start; the vocabulary and the sizes must agree.
        name: of the run; by default made of the config's or the data's name, the cell and a number.
        time: training time to derive sizes and budget for, such as `10m`, if a config is derived.
        track: live logs elsewhere: `tensorboard`, `trackio`, `wandb` or `mlflow`, each possibly with `:WHERE`.
        trust: allow the config to name code to import.
        observe: called with every event; by default a live display shows them.
        quiet: show nothing.
        command: the command line for `run.json`.

    Returns:
        The run, `finished`, or `interrupted` after Ctrl-C or SIGTERM.

    Raises:
        ConfigError, DataError, RunError, DivergedError, ResourceError: see `lstmctl.errors`.
        SystemExit: in every process except the first.
    """
    command = command or "lstmctl.train"
    with (
        joined() as processes,
        observed_by(observe, lambda: TrainingDisplay(quiet=quiet or not processes.first)) as shown,
        tracked(track if processes.first else (), shown) as observe,
    ):
        if (begun := processes.from_first(lambda: _begun(command))) is not None:
            return resume(begun, trust=trust, observe=observe)
        if is_frame(config):
            config = table_of(config)
        if isinstance(config, LoadedConfig):
            loaded = config
        elif isinstance(config, Mapping):
            loaded = load_mapping(config, overrides)
        else:
            loaded = load_config(str(config), overrides, trust=trust, time=time)
        if loaded.decided:
            observe(Decided(loaded.decided))
        return _begin_new(loaded, init_from, name, trust, observe, command, processes)


def _begin_new(
    loaded: LoadedConfig,
    init_from: str | None,
    name: str | None,
    trust: bool,
    observe: Observer,
    command: str,
    processes: Processes,
) -> Run:
    if name is not None:
        require_free_name(name, runs_root())
    with termination_as_exit(), memory_errors(), cell_faults(loaded.settings.model.cell):
        cell = find_cell(loaded.settings, loaded.folder)
        source = load_run(init_from, trust=trust).start() if init_from is not None else None
        assembled = assemble(loaded.settings, loaded.folder, cell, source=source, processes=processes)
        if not processes.first:
            follow_to_end(assembled, None)
        for caveat in assembled.task.caveats(assembled.corpus):
            log.warning("%s", caveat)
        for warning in assembled.facts["data"].get("warnings", ()):
            log.warning("%s", warning)
        origin = source.name if source is not None and is_on_hub(str(init_from)) else init_from  # with its commit
        facts: dict[str, Any] = {"config": loaded.name, "initialised_from": origin, "launch": launch()}
        if loaded.decided:
            facts["decided"] = list(loaded.decided)
        stem = f"{loaded.run_name or loaded.name}-{cell_name(loaded.settings.model.cell)}"
        with claimed(runs_root(), stem, name) as folder:
            return begin(folder, assembled, observe, command=command, **facts)


def begin(folder: RunFolder, assembled: Assembled, observe: Observer, *, command: str, **facts: Any) -> Run:
    """Train an assembled run from its first step, in a new folder that this process holds.

    Args:
        folder, assembled: the folder and the parts of the run.
        observe: called with every event.
        command: the command line for `run.json`, which also receives `facts`.

    Raises:
        RunError, DivergedError, ResourceError: see `train`.
    """
    write_inputs(folder, assembled)
    if facts.get("initialised_from") is not None:
        weights = {name: weight.cpu().contiguous() for name, weight in assembled.model.state_dict().items()}
        replace_file(folder.path / INITIAL_WEIGHTS, save(weights))
    order = next_order(folder.path.parent)
    # Last: from now on, a folder with this file can be resumed.
    folder.update(status="running", command=command, started=now(), order=order, **facts, **assembled.facts)
    return run_to_end(folder, assembled, None, observe)


def _begun(command: str) -> str | None:
    """Return the run that this launch of torchrun has already begun with the same command.

    Raises:
        DivergedError: it would diverge again.
    """
    if (name := launch()) is None:
        return None
    for folder in reversed(list_runs(runs_root())):
        try:
            info = folder.info()
        except RunError:  # nothing is known about a damaged run
            continue
        if (info.get("launch"), info.get("command")) != (name, command):
            continue
        if not folder.has_begun:
            continue
        if info.get("status") in ("finished", "diverged") and not restarts():  # the name is reused for the next one
            return None
        if info.get("status") == "diverged":
            raise DivergedError(
                str(info.get("problem")), hint=f"{folder.path} is not trained again, since the result would be the same"
            )
        return str(folder.path)
    return None


def command_line() -> str:
    """Return the command line of this process, as a person would type it."""
    return shell.join(["lstmctl", *sys.argv[1:]])
