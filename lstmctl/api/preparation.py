"""Build and check everything a run needs before its first step, and choose the values for `auto` on this machine."""

from __future__ import annotations

import json
import logging
import platform
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lstmctl import registry, shell
from lstmctl.api.assembly import build_model, build_task, open_data
from lstmctl.api.memory import require_memory
from lstmctl.api.trained import Start
from lstmctl.cells.cell import Cell
from lstmctl.cells.kernels import kernel_used
from lstmctl.config import Settings, dump
from lstmctl.data.mapping import MappedFile
from lstmctl.errors import ConfigError, RunError
from lstmctl.models.sequence_model import count_parameters
from lstmctl.protocols import Batch, Batches
from lstmctl.tasks.problem import AnyProblem, Corpus
from lstmctl.training.budget import steps_within
from lstmctl.training.device import choose_device, choose_threads, device_name, keep_freed_memory, make_repeatable
from lstmctl.training.distributed import ALONE, Processes
from lstmctl.training.precision import autocast, choose_precision
from lstmctl.training.trainer import Trainer, load_weights, weights_misfit
from lstmctl.words import inert, listed, plural

log = logging.getLogger(__name__)

NETWORK = {
    "task": ("shape", "decoding", "lookback", "horizon", "segment", "channels", "loss", "levels"),
    "model": (
        *("cell", "hidden", "layers", "embedding", "tie_embedding", "layer_norm", "linear", "channel_embedding"),
        *("ensemble", "direction", "attention", "options"),
    ),
}
"""Settings that determine the weights of a network."""
MEMBER = re.compile(r"^members\.\d+\.")
"""Begins the names of the weights of an ensemble's member."""
VERSIONS = ("lstmctl", "torch", "numpy", "safetensors")


@dataclass(frozen=True)
class Choices:
    """The values chosen for `auto`: chosen once, recorded in `run.json`, and kept when the run is resumed or
    compared."""

    device: str
    precision: str
    threads: int


@dataclass
class Assembled:
    """All parts of a run, ready to train."""

    settings: Settings
    cell: type[Cell]
    corpus: Corpus
    task: AnyProblem
    model: nn.Module
    trainer: Trainer
    batches: Batches
    choices: Choices
    facts: dict[str, Any]
    """Facts for `run.json`."""


class CheckedBatches:
    """Batches gathered from mapped files, whose sizes are checked before each."""

    def __init__(self, batches: Batches, files: Sequence[MappedFile]) -> None:
        self.batches, self.files = batches, files
        self.units_per_step, self.steps_per_epoch = batches.units_per_step, batches.steps_per_epoch

    def __getitem__(self, step: int) -> Batch:
        for file in self.files:
            file.require_whole()
        return self.batches[step]


def checked(batches: Iterable[Batch], files: Sequence[MappedFile]) -> Iterator[Batch]:
    """Yield the batches; the sizes of the files are checked before each is gathered."""
    remaining = iter(batches)
    while True:
        for file in files:
            file.require_whole()
        try:
            yield next(remaining)
        except StopIteration:
            return


def assemble(
    settings: Settings,
    config_folder: Path | None,
    cell: type[Cell],
    *,
    choices: Choices | None = None,
    steps: int | None = None,
    source: Start | None = None,
    corpus: Corpus | None = None,
    processes: Processes = ALONE,
) -> Assembled:
    """Build everything a run needs.

    Args:
        settings, config_folder, cell: the run's.
        choices: from the resumed run, or from the comparison that the run belongs to; None to choose now. bfloat16
            becomes float32, with a warning, if the device lacks a kernel for it.
        steps: the budget of the resumed run in steps; None to derive it from the config.
        source: weights of a run to start from.
        corpus: the data that the settings name; None to open it.
        processes: the processes that train together; the first chooses the values for `auto`.

    Raises:
        ConfigError, DataError, RunError: one of the parts cannot be built.
    """
    _check_shares(settings, processes)
    if choices and processes.size > 1:  # the recorded GPU's name is unknown, only that it was a GPU
        choices = replace(choices, device=torch.device(choices.device).type)
    device = choose_device(choices.device if choices else settings.device, processes.local_rank)
    threads = choose_threads(choices.threads if choices else settings.threads)
    repeatable_by = make_repeatable(device)
    keep_freed_memory()
    if corpus is None:
        corpus = processes.first_before_others(lambda: open_data(settings, config_folder))
    cell_source = registry.source_hash(cell) if registry.is_user_class(settings.model.cell) else None
    config = sha256(dump(settings).encode()).hexdigest()
    facts = {"config": config, "data": corpus.fingerprint["sha256"], "cell": cell_source, "torch": version("torch")}
    processes.check_same(facts)
    task = build_task(settings, corpus)
    precision = choices.precision if choices else settings.training.precision
    require_memory(settings, task, cell, device)
    model = build_model(settings, task, cell, "float32" if precision == "auto" else precision)
    if source is not None:
        _start_from(model, task, source, settings)
    model.to(device)
    training_part, validation_part = task.training_part(corpus, device), task.part(corpus, "validation", device)
    files = task.mapped_files(corpus)
    batches = task.training_order(training_part, settings.training, settings.seed)
    if files:
        batches = CheckedBatches(batches, files)
    task.check(corpus)  # better now than after all training
    if steps is None:  # a new run; a resumed run keeps what it computed at its start
        task.prepare(model, training_part, validation_part, is_started=source is not None)

    def one_pass() -> None:
        batch = processes.share(batches[0])
        task.loss(model, batch, task.initial_state(model, batch)).sum.backward()
        model.zero_grad(set_to_none=True)

    recorded = choices is not None
    precision = processes.from_first(lambda: choose_precision(precision, device, one_pass, recorded=recorded))

    def make_trainer(trained: nn.Module, steps: int) -> Trainer:
        return Trainer(
            trained,
            task,
            batches,
            lambda: checked(task.progress(validation_part), files),
            settings.training,
            steps=steps,
            precision=precision,
            seed=settings.seed,
            processes=processes,
        )

    if steps is None:
        steps = steps_within(settings.training.budget, batches, model, make_trainer)
    facts = {
        "device": str(device),
        "device_name": device_name(device),
        "host": platform.node(),
        "precision": precision,
        "threads": threads,
        "processes": processes.size,
        "kernel": _kernel(model, task, batches[0], precision, device, cell.path),
        "repeatable_by": repeatable_by,
        "seed": settings.seed,
        "steps": steps,
        "units": task.unit,
        "units_per_step": batches.units_per_step,
        "steps_per_epoch": batches.steps_per_epoch,
        "task": settings.task.type,
        "shape": settings.task.shape,
        "cell": settings.model.cell,
        "cell_source": cell_source,
        "parameters": count_parameters(model),
        "headline": "best" if "test" in corpus.parts else "last",
        "data": {
            **corpus.fingerprint,
            "files": list(corpus.names),
            **task.facts(corpus),
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
        batches,
        Choices(str(device), precision, threads),
        facts,
    )


def _check_shares(settings: Settings, processes: Processes) -> None:
    """Raise ConfigError if the lanes of a batch cannot be divided evenly."""
    training, parts = settings.training, processes.size * settings.training.accumulate
    if training.batch % parts:
        among = f"{processes.size} processes"
        if training.accumulate > 1:
            among += f" × training.accumulate {training.accumulate}"
        fitting = [size for size in (training.batch // parts * parts, -(-training.batch // parts) * parts) if size]
        raise ConfigError(
            f"training.batch — {training.batch} cannot be divided evenly among {among}",
            hint=f"training.batch={' or '.join(map(str, fitting))} can",
        )


def _start_from(model: nn.Module, task: AnyProblem, source: Start, settings: Settings) -> None:
    """Start with the weights of another run.

    Raises:
        RunError: they do not fit, or would have a different meaning; the message names the settings that differ.
    """
    if type(source.task) is not type(task):
        raise RunError(
            f"{source.name} was trained with task.type={source.settings.task.type}, not {settings.task.type}",
            hint="start from a run of the same task",
        )
    if difference := task.difference(source.task):
        raise RunError(
            f"{source.name} has {difference}",
            hint="its weights only make sense with its own encoding; train on data of the same kind",
        )
    weights = _by_name(model, task, source)
    misfit = weights_misfit(model, weights)
    if misfit and (differing := _other_network(settings, source.settings)):
        theirs = ", ".join(f"{key}={wanted}" for key, wanted, _ in differing)
        ours = ", ".join(f"{key}={given}" for key, _, given in differing)
        overrides = shell.join([f"{key}={wanted}" for key, wanted, _ in differing])
        raise RunError(
            f"the weights of {source.name} do not fit: it was trained with {theirs}, and this config has {ours}",
            hint=f"train with its network: {overrides}",
        )
    if misfit:
        raise RunError(
            f"the weights of {source.name} do not fit: {misfit}",
            hint=f"model.cell={settings.model.cell} has different weights than it had then",
        )
    load_weights(model, weights)


def _by_name(model: nn.Module, task: AnyProblem, source: Start) -> dict[str, Tensor]:
    """Return the weights of another run, with its symbols, labels and columns in our order, and log what carries over.

    Rows of new symbols and labels keep their initial values; weights of new columns are 0.

    Raises:
        RunError: the two have no symbol or no label in common.
    """
    weights, own = dict(source.weights), model.state_dict()
    ours, theirs = task.row_names, source.task.row_names
    said: list[str] = []
    for name in {**own, **weights}:
        key = MEMBER.sub("", name)
        if name not in own:
            if key in theirs and theirs[key].optional:
                del weights[name]
            continue
        if key not in ours:
            continue
        rows, new_weight = ours[key], own[name]
        if name in weights and key in theirs:
            known, old_weight = theirs[key], weights[name]
        elif rows.optional:
            known, old_weight = rows._replace(names=()), new_weight
        else:
            continue
        axis = 1 if rows.are_inputs else 0
        rest, others_rest = (weight.shape[:axis] + weight.shape[axis + 1 :] for weight in (new_weight, old_weight))
        if list(rows.names) == list(known.names) or rest != others_rest or rows.times != known.times:
            continue  # either equal, or of another width, which is reported later
        places = {row: number for number, row in enumerate(known.names)}
        kept = [number for number, row in enumerate(rows.names) if row in places]
        if not kept and not rows.are_inputs and not rows.optional:
            raise RunError(
                f"{source.name} and this data have no {rows.noun} in common", hint="start from a run on similar data"
            )
        merged = torch.zeros_like(new_weight) if rows.are_inputs else new_weight.clone()
        for time in range(rows.times):
            to = torch.tensor([time * len(rows.names) + number for number in kept], dtype=torch.int64)
            at = torch.tensor([time * len(places) + places[rows.names[number]] for number in kept], dtype=torch.int64)
            merged.index_copy_(axis, to, old_weight.index_select(axis, at).to(merged))
        weights[name] = merged
        new = [row for row in rows.names if row not in places]
        unused = len(places) - len(kept)
        begun = "starting from 0" if rows.are_inputs else "newly initialised"
        said.append(
            f"{len(kept):,} of {plural(len(rows.names), rows.noun)} carried over from {source.name}"
            + (f"; {begun}: {listed([inert(row) if row else 'unknown' for row in new])}" if new else "")
            + (f"; {unused:,} of the run's do not occur" if unused else "")
        )
    for sentence in dict.fromkeys(said):
        log.warning("%s", sentence)
    return weights


def _other_network(settings: Settings, others: Settings) -> list[tuple[str, str, str]]:
    """Return the keys that determine the weights of a network and that differ, with the other's value and ours."""
    found = []
    for section, names in NETWORK.items():
        own, their = (getattr(one, section).model_dump(mode="json") for one in (settings, others))
        found += [
            (f"{section}.{name}", json.dumps(their[name]).strip('"'), json.dumps(own[name]).strip('"'))
            for name in names
            if name in own and name in their and own[name] != their[name]
        ]
    return found


def _kernel(model: nn.Module, task: AnyProblem, batch: Batch, precision: str, device: torch.device, path: str) -> str:
    few = batch.part(0, 1)
    with autocast(precision, device):
        return kernel_used(lambda: task.loss(model, few, task.initial_state(model, few)), path)
