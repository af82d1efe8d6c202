"""Results of processes that train together, written down by each: run by torchrun, and alone for comparison.

torchrun --nproc-per-node=2 together.py FOLDER
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.api.assembly import find_cell
from lstmctl.api.preparation import Assembled, assemble
from lstmctl.config import from_mapping
from lstmctl.events import Evaluated, Stepped
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.protocols import Batch, Batches, Loss, ModelState
from lstmctl.runs.checkpoints import Checkpoints
from lstmctl.tasks.language_model import LanguageModel
from lstmctl.tasks.windows import ShuffledWindows
from lstmctl.training.distributed import Processes, joined
from lstmctl.training.trainer import Trainer

BATCH, STEPS, SAVED_AT = 12, 20, 9
TASKS: dict[str, dict[str, Any]] = {
    "lanes": {"task": {"type": "language-model"}, "data": {"text": "small.txt"}},
    "windows": {"task": {"type": "language-model", "shape": "many-to-one"}, "data": {"text": "small.txt"}},
    "series": {
        "task": {"type": "forecast", "lookback": 12, "horizon": 4, "season": 6},
        "data": {"series": "small.csv", "split": [0.6, 0.2, 0.2]},
    },
    "labels": {
        "task": {"type": "generation-from-label"},
        "data": {"table": "places.csv", "text": "place", "label": "country"},
    },
}
TRAINING = {
    "budget": f"{STEPS} steps",
    "batch": BATCH,
    "learning_rate": 0.01,
    "average": 0.9,
    "evaluate_every": 4,
    "sample_every": 1000,
}
PLAIN = {"optimizer": "sgd", "momentum": 0, "learning_rate": 1.0, "warm_up": 0, "schedule": "constant", "clip": None}
"""One step of it moves the weights by the gradient."""


def built(folder: Path, name: str, processes: Processes, **training: object) -> Assembled:
    """A task in float64, without dropout; lanes of text carry state, some of which starts anew now and then."""
    window = {"window": 8} if "text" in TASKS[name]["data"] and name != "labels" else {}
    reset = {"state_reset": 0.1} if name == "lanes" else {}
    settings = from_mapping(
        {
            **TASKS[name],
            "model": {"cell": "lstm", "hidden": 6, "layers": 2, "embedding": 4, "dropout": 0.0},
            "training": {**TRAINING, "precision": "float64", **window, **reset, **training},
            "threads": 1,
        }
    )
    return assemble(settings, folder, find_cell(settings, None), processes=processes)


class Masked(LanguageModel):
    """A language model some of whose targets do not count."""

    def loss(self, model: nn.Module, batch: Batch, state: ModelState) -> Loss:
        assert batch.mask is not None
        assert isinstance(model, SequenceModel)
        features, state = model.features(batch.input, state)
        each = functional.cross_entropy(model.head(features).transpose(1, 2), batch.target, reduction="none")
        return Loss((each * batch.mask).sum(), batch.units, state)


class MoreInLaterLanes:
    """Batches of which lane i counts in i of the steps at most."""

    def __init__(self, batches: Batches) -> None:
        self.batches, self.units_per_step, self.steps_per_epoch = batches, 0, batches.steps_per_epoch

    def __getitem__(self, step: int) -> Batch:
        batch = self.batches[step]
        steps, lanes = batch.input.shape
        return replace(batch, mask=torch.arange(steps).unsqueeze(1) < torch.arange(lanes))


def weights(trainer: Trainer) -> Tensor:
    return nn.utils.parameters_to_vector(trainer.parameters).detach().clone()


def gradient(trainer: Trainer) -> tuple[Tensor, Tensor]:
    """The loss of the first step and, of a trainer with `PLAIN` settings, its gradient."""
    before = weights(trainer)
    trainer.make_steps(1)
    return torch.tensor(trainer.snapshot().progress["loss_sum"], dtype=torch.float64), before - weights(trainer)


def trajectory(trainer: Trainer) -> tuple[Tensor, Tensor, bool]:
    """The weights and metrics of every fourth step, and whether all processes had the same weights after each step."""
    seen, figures, same = [], [], True
    for event in trainer.events():
        match event:
            case Stepped():
                same &= trainer.processes.have_the_same(trainer.parameters)
            case Evaluated():
                seen.append(weights(trainer))
                figures.append(list(event.metrics.values()))
    return torch.stack(seen), torch.tensor(figures, dtype=torch.float64), same


def measure(folder: Path, processes: Processes) -> dict[str, Tensor]:
    """Everything that another number of processes must agree with."""
    found: dict[str, Tensor] = {}
    for name in TASKS:
        found[f"{name}/loss"], found[f"{name}/gradient"] = gradient(built(folder, name, processes, **PLAIN).trainer)
        trainer = built(folder, name, processes).trainer
        found[f"{name}/trajectory"], found[f"{name}/figures"], same = trajectory(trainer)
        found[f"{name}/same"] = torch.tensor(same)
        found |= {f"{name}/{key}": value for key, value in trainer.snapshot().state.items() if "carried" in key}
    again, _, _ = trajectory(built(folder, "lanes", processes).trainer)
    found["lanes/again"] = torch.tensor(torch.equal(again, found["lanes/trajectory"]))

    lanes = built(folder, "lanes", processes, **PLAIN)
    assert isinstance(lanes.task, LanguageModel)
    task = Masked(lanes.settings.task, lanes.task.encoding, lanes.task.window)
    order = MoreInLaterLanes(lanes.batches)
    settings = lanes.settings.training
    masked = Trainer(
        lanes.model, task, order, None, settings, steps=1, precision="float64", seed=0, processes=processes
    )
    found["masked/loss"], found["masked/gradient"] = gradient(masked)

    inputs = [processes.all_lanes(processes.share(lanes.batches[step]).input.T) for step in range(5)]
    found["lanes/inputs"] = torch.stack(inputs)
    windows = ShuffledWindows(torch.arange(8 * BATCH + 5), BATCH, window=5, seed=3)
    starts = [processes.all_lanes(processes.share(windows[step]).input[0]) for step in range(windows.steps_per_epoch)]
    found["windows/starts"] = torch.cat(starts)
    return found


def saved(folder: Path, processes: Processes) -> None:
    """Leave a checkpoint of a run in `folder`/`size`."""
    trainer = built(folder, "lanes", processes).trainer
    trainer.make_steps(SAVED_AT)
    snapshot = trainer.snapshot()
    if processes.first:
        place = folder / str(processes.size)
        place.mkdir()
        Checkpoints(place).write(snapshot, best=False)


def gone_on(folder: Path, size: int, processes: Processes) -> Tensor:
    """The last weights of the run that `size` processes have saved."""
    trainer = built(folder, "lanes", processes).trainer
    trainer.load(Checkpoints(folder / str(size)).read())
    trainer.make_steps(STEPS - SAVED_AT)
    return weights(trainer)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with joined() as processes:
        found = measure(folder, processes)
        found["gone on from 1"] = gone_on(folder, 1, processes)
        saved(folder, processes)
        save_file(
            {key: value.contiguous() for key, value in found.items()}, folder / f"{processes.size}-{processes.rank}"
        )
        processes.part()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
