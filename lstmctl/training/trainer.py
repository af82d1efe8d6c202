"""The training loop: a generator of events that holds all mutable state of a run.

The consumer of the events decides what to do with them: show, log, save. At a `SavePoint` the state is consistent, and
`snapshot` returns it; a trainer that `load`s it continues bit for bit. Everything random is a pure function of
the seed and the step, so no generator state has to be saved.

When several processes train together, each runs this loop over its own lanes, and all have made the same number of
steps whenever they communicate; see `distributed`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lstmctl.config.schema import Training
from lstmctl.errors import DivergedError, RunError
from lstmctl.events import Evaluated, Event, Finished, Sampled, SavePoint, Started, Stepped
from lstmctl.models.recurrence import detach, reset_lanes
from lstmctl.protocols import Batch, Batches, ModelState, Task
from lstmctl.runs.checkpoint_files import Snapshot
from lstmctl.scoring import evaluating, total
from lstmctl.seeds import stream
from lstmctl.training.device import seeded
from lstmctl.training.distributed import ALONE, Agreement, Processes
from lstmctl.training.optimisation import (
    WeightAverage,
    averaged,
    build_optimizer,
    clip_gradients,
    freeze,
    learning_rate,
)
from lstmctl.training.precision import autocast

REPORTS = 400
"""Minimum number of loss reports per run, besides those at steps that are powers of two."""
MOST_STEPS_BETWEEN_REPORTS = 1000
EVALUATIONS = 10
SECONDS_BETWEEN_SAVES = 300.0
LARGEST_LOSS = 1e9
"""A mean loss above this counts as divergence, even if it is finite."""


@dataclass
class Progress:
    """The numeric part of a run's state, saved in every checkpoint."""

    step: int = 0
    units: int = 0
    seconds: float = 0.0
    loss_count: int = 0
    """Targets since the last report."""
    best: float | None = None
    best_step: int = 0
    evaluations_since_best: int = 0


class Trainer:
    """Trains a model on a task.

    Args:
        model: on its device, in its precision; trained in place.
        task: provides loss and metrics.
        batches: the batches in order, as a function of the step.
        validation: returns the held-out batches; None disables evaluation.
        settings: the config's `training`.
        steps: the budget in steps.
        precision: the precision chosen for `settings.precision`.
        seed: the run's seed.
        processes: the processes that train together; each creates its own trainer and makes the same calls in the same
            order.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        batches: Batches,
        validation: Callable[[], Iterable[Batch]] | None,
        settings: Training,
        *,
        steps: int,
        precision: str,
        seed: int,
        processes: Processes = ALONE,
    ) -> None:
        processes.take_weights(model)
        freeze(model, settings.freeze)
        self.processes = processes
        self.model, self.task, self.batches, self.validation = model, task, batches, validation
        self.settings, self.steps, self.precision, self.seed = settings, steps, precision, seed
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        """The weights that are trained."""
        self.device = self.parameters[0].device
        self.optimizer = build_optimizer(model, settings)
        self.average = WeightAverage(model, settings.average) if settings.average is not None else None
        self.progress = Progress()
        self.carried: ModelState | None = None
        # Sums stay on the device: reading a number from a GPU at every step would make the loop wait for it.
        self._losses = torch.zeros((), dtype=torch.float64, device=self.device)

    def events(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train from the current state to the end of the budget.

        `should_stop` is called after every step; once it returns True, a last `SavePoint` and `Finished` follow. Of
        several processes, only the first evaluates and samples.

        Raises:
            DivergedError: a loss or gradient is not finite; the weights are those before that step.
            LstmctlError: another process ended.
        """
        progress, settings = self.progress, self.settings
        report_every = max(1, min(self.steps // REPORTS, MOST_STEPS_BETWEEN_REPORTS))
        evaluate_every = _every(settings.evaluate_every, math.ceil(self.steps / EVALUATIONS))
        sample_every = _every(settings.sample_every, evaluate_every)
        save_every = _every(settings.save_every, evaluate_every)
        yield Started(progress.step, self.steps, self.task.unit, self.batches.units_per_step)
        if progress.step == 0:
            yield SavePoint(0, best=False, final=False)  # reveals a full or read-only disk before any work is done
        self.model.train()
        agreement = Agreement(self.processes)
        saved_at = time.monotonic()
        best = False
        while not (over := self._over()):
            norm, rate = self._step()
            step, last = progress.step, progress.step == self.steps
            if step % report_every == 0 or step & (step - 1) == 0 or last:
                yield self._report(rate, norm)
            if self.validation is not None and (step % evaluate_every == 0 or last):
                evaluated = self._evaluate(self.validation)
                best = best or evaluated.best
                yield evaluated
            if self.processes.first and (step % sample_every == 0 or last) and (text := self._sample()):
                yield Sampled(step, text)
            ending = self._over() is not None
            stop, due = agreement(step, should_stop(), time.monotonic() - saved_at > SECONDS_BETWEEN_SAVES)
            stop = stop and not ending
            if ending or stop or step % save_every == 0 or best or due:
                self._check_weights()
                yield SavePoint(step, best=best, final=ending)
                saved_at, best = time.monotonic(), False
            if stop:
                yield Finished(step, "interrupted")
                return
        yield Finished(progress.step, over)

    def make_steps(self, count: int) -> None:
        """Make steps (at least one) without events, and wait until the device has finished them, to measure speed."""
        for _ in range(count):
            norm, _ = self._step()
        float(norm)

    def snapshot(self) -> Snapshot:
        """Copy all state to the CPU: everything `load` needs to continue bit for bit in the same number of processes.

        Every process has to call this, since the carried state is gathered from all of them, in the order of the lanes;
        a run can therefore continue in a different number of processes.
        """
        progress = {**asdict(self.progress), "loss_sum": float(self._losses)}
        tensors: dict[str, Tensor] = {}
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{name}": value for name, value in values.items() if value is not None}
        for layer, parts in enumerate(self.carried or ()):
            tensors |= {f"carried/{layer}/{index}": self.processes.all_lanes(part) for index, part in enumerate(parts)}
        if self.average is not None:
            progress["average_updates"] = self.average.updates
        return Snapshot(
            step=progress.pop("step"),
            weights=_on_cpu(self.model.state_dict()),
            averaged=None if self.average is None else _on_cpu(self.average.weights),
            state=_on_cpu(tensors),
            progress=progress,
        )

    def load(self, snapshot: Snapshot) -> None:
        """Restore a snapshot's state.

        Raises:
            RunError: it belongs to another model or optimizer.
        """
        load_weights(self.model, snapshot.weights)
        try:
            self._load_state(snapshot)
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RuntimeError) as error:
            raise RunError(
                f"the checkpoint of step {snapshot.step} does not contain the state of this training run: {error}"
            ) from error

    def _load_state(self, snapshot: Snapshot) -> None:
        progress = dict(snapshot.progress)
        updates = progress.pop("average_updates", None)
        if (self.average is None) != (snapshot.averaged is None):
            raise RunError("the checkpoint and the config disagree about training.average")
        if self.average is not None and snapshot.averaged is not None:
            self.average.load(snapshot.averaged, updates)
        self._losses.fill_(progress.pop("loss_sum"))
        self.progress = Progress(step=snapshot.step, **progress)
        optimizer: dict[int, dict[str, Tensor]] = {}
        carried: dict[int, dict[int, Tensor]] = {}
        for key, value in snapshot.state.items():
            kind, outer, inner = key.split("/")
            if kind == "optimizer":
                optimizer.setdefault(int(outer), {})[inner] = value
            else:
                own = self.processes.own_lanes(value).to(self.device)
                if self.precision != "bfloat16":  # a run that started in bfloat16 may continue in float32
                    own = own.to(self.parameters[0].dtype)
                carried.setdefault(int(outer), {})[int(inner)] = own
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": optimizer, "param_groups": groups})
        self.carried = (
            tuple(tuple(part for _, part in sorted(parts.items())) for _, parts in sorted(carried.items())) or None
        )

    def _over(self) -> Literal["budget", "patience"] | None:
        """Return why training is over, or None if it is not."""
        if self.progress.step >= self.steps:
            return "budget"
        patience = self.settings.patience
        return "patience" if patience is not None and self.progress.evaluations_since_best >= patience else None

    def _step(self) -> tuple[Tensor, float]:
        """Update the weights once; return the gradient's norm before clipping, and the learning rate."""
        step = self.progress.step
        started = time.perf_counter()
        whole = self.batches[step]
        count = whole.units
        batch = self.processes.share(whole)
        if batch.fresh or self.carried is None:
            self.carried = self.task.initial_state(self.model, batch)
        self.carried = reset_lanes(self.carried, batch.reset)
        with seeded(self.device, stream(self.seed, "dropout", step, *self.processes.stream)):
            losses = self._backward(batch, count)
        losses = self.processes.add_up(self.parameters, losses)
        norm = clip_gradients(self.parameters, self.settings.clip)
        if self.device.type == "cpu" and not (_is_sane(float(losses) / count) and math.isfinite(float(norm))):
            raise self._diverged(step + 1, float(losses) / count, float(norm))
        rate = learning_rate(self.settings, step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update()
        self._losses += losses
        self.progress.loss_count += count
        self.progress.units += count
        self.progress.step += 1
        self.progress.seconds += time.perf_counter() - started
        return norm, rate

    def _backward(self, batch: Batch, count: int) -> Tensor:
        """Backpropagate the batch's loss over `count`, in the configured number of parts; return the loss's sum."""
        assert self.carried is not None
        lanes = batch.lanes // self.settings.accumulate
        states: list[ModelState] = []
        losses = torch.zeros((), dtype=torch.float64, device=self.device)
        for start in range(0, batch.lanes, lanes):
            part = batch.part(start, start + lanes) if lanes < batch.lanes else batch
            before = tuple(tuple(tensor[start : start + lanes] for tensor in layer) for layer in self.carried)
            with autocast(self.precision, self.device):
                loss = self.task.loss(self.model, part, before)
            (loss.sum / count).backward()
            losses += loss.reported.detach()
            states.append(detach(loss.state))
        self.carried = tuple(
            tuple(torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*layers, strict=True))
            for layers in zip(*states, strict=True)
        )
        return losses

    def _report(self, rate: float, norm: Tensor) -> Stepped:
        progress = self.progress
        started = time.perf_counter()
        loss = float(self._losses) / progress.loss_count  # waits for the GPU, to which steps only queue work
        progress.seconds += time.perf_counter() - started
        if not _is_sane(loss):
            raise self._diverged(progress.step, loss, float(norm))
        progress.loss_count = 0
        self._losses.zero_()
        return Stepped(progress.step, loss, rate, float(norm), progress.units, progress.seconds)

    def _evaluate(self, validation: Callable[[], Iterable[Batch]]) -> Evaluated:
        """Score the weights that would be used (averaged if configured), in the training precision."""

        def figures() -> dict[str, float]:
            with averaged(self.model, self.average), autocast(self.precision, self.device):
                return self.task.metrics(total(self.model, self.task, validation()))

        metrics = self.processes.from_first(figures)
        progress, value = self.progress, metrics[self.task.primary.name]
        if not math.isfinite(value):
            raise self._diverged(progress.step, value, math.nan)
        best = self.task.primary.better(value, progress.best)
        if best:
            progress.best, progress.best_step, progress.evaluations_since_best = value, progress.step, 0
        else:
            progress.evaluations_since_best += 1
        return Evaluated(progress.step, metrics, best)

    def _sample(self) -> str:
        generator = torch.Generator().manual_seed(stream(self.seed, "sampling", self.progress.step))
        with averaged(self.model, self.average), evaluating(self.model):
            return self.task.sample(self.model, generator)

    def _check_weights(self) -> None:
        """Ensure that no checkpoint holds diverged weights: a step that is too large can produce weights that are not
        finite, and a GPU's step does not wait to check its loss."""
        if not all(bool(numbers.isfinite().all()) for numbers in (*self.parameters, self._losses)):
            raise self._diverged(self.progress.step, float(self._losses), math.nan)
        if not self.processes.have_the_same(self.parameters):
            raise RunError(
                f"the processes' weights differ after step {self.progress.step}",
                hint="different kinds of machines round differently; train on machines of one kind",
            )

    def _diverged(self, step: int, loss: float, norm: float) -> DivergedError:
        return DivergedError(
            f"training diverged at step {step}: loss {loss:.4g}, gradient norm {norm:.4g}",
            hint="a smaller training.learning_rate or training.clip often helps, or training.precision=float32",
        )


def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load the weights of a run's checkpoint into the model that its config describes.

    Raises:
        RunError: a weight is missing, unexpected or of the wrong shape; the error names the first one.
    """
    if misfit := weights_misfit(model, weights):
        raise RunError(misfit, hint="restore config.yaml and encoding.json of the run as they were during training")
    model.load_state_dict(dict(weights))


def weights_misfit(model: nn.Module, weights: Mapping[str, Tensor]) -> str | None:
    """Describe the first saved weight that does not fit a model; None if all fit."""
    own = model.state_dict()
    for name, weight in own.items():
        if name not in weights:
            return f"the checkpoint has no weight {name}: it belongs to another architecture"
        if weights[name].shape != weight.shape:
            return f"the checkpoint's {name} has shape {tuple(weights[name].shape)}, the model's {tuple(weight.shape)}"
    if extra := sorted(set(weights) - set(own)):
        return f"the checkpoint has a weight {extra[0]} that the model lacks: it belongs to another architecture"
    return None


def _is_sane(loss: float) -> bool:
    return loss < LARGEST_LOSS  # NaN compares as false


def _on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def _every(wanted: int | str, automatic: int) -> int:
    return max(1, automatic if wanted == "auto" else int(wanted))
