"""Decay or growth of the gradient backwards through time.

For one loss at a time t, the norm of d loss(t) / d state(t − k) is followed over k = 0 … K. In a vanilla network it is
shaped by a product of k Jacobians Uᵀ diag(1 − h²), which vanishes or explodes (Hochreiter 1991; Bengio, Simard &
Frasconi 1994; Pascanu, Mikolov & Bengio 2013); in an LSTM the cell state has a path on which it is multiplied only by
the forget gate (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lstmctl.api import Run
from lstmctl.api.assembly import build_model
from lstmctl.errors import UsageError
from lstmctl.inspection.passages import about, held_out
from lstmctl.inspection.trace import Place, Trace, trace
from lstmctl.models.recurrence import Recurrence
from lstmctl.progress import report
from lstmctl.protocols import ModelState
from lstmctl.results.inspection import GradientCourse, GradientFindings

STEPS = 100
POSITIONS = 64
BACKWARD = "A backward cell ends at the first step of the input: its k counts forwards from there."
FROM_THE_MIDDLE = (
    "The loss is at the step in the middle of the input: k counts backwards from it for forward cells and forwards for "
    "backward ones."
)
SMALLEST = 1e-300
"""Norms, in float64, below this are excluded from the fit."""


def inspect_gradients(
    run: Run, *, steps: int = STEPS, positions: int = POSITIONS, split: str | None = None, initial: bool = False
) -> GradientFindings:
    """Follow a run's gradient back in time on held-out data.

    Everything is computed in float64, so that a norm of 10⁻⁵⁰ does not underflow. If the task carries its state from
    window to window, as a language model does, each lane first reads the same number of steps again, to start from a
    carried state.

    Args:
        steps: K, the farthest step back; fewer if the task's windows are shorter.
        positions: number of times t, evenly spread over the data; each is a lane of one batch.
        split: the part to read; by default the test part, or the validation part if there is none.
        initial: use the freshly initialised network instead of the trained one.

    Raises:
        UsageError: `steps` or `positions` is below 1, or the network cannot be run step by step.
        DataError: the run's data is missing or has changed.
    """
    for name, value in (("steps", steps), ("positions", positions)):
        if value < 1:
            raise UsageError(f"{name} must be 1 or more, not {value}")
    report("measuring the gradients")
    passage = held_out(run, split)
    model = build_model(run.settings, run.task, run.cell, "float32").to(run.device) if initial else run.model
    model = copy.deepcopy(model).double().eval()
    # As many steps again before those that count, so that they start from a carried state.
    shown = run.task.inspection_input(model, passage.part, steps=2 * steps + 1, lanes=positions)
    reach = min(steps, shown.reach)
    norms = gradient_norms(shown.recurrence, shown.input, shown.loss, reach, shown.told_at)
    notes = [*shown.notes, *shown.loss_notes]
    if any(place.direction for place in norms):
        notes.append(BACKWARD if shown.told_at is None else FROM_THE_MIDDLE)
    if reach < steps:
        notes.append(f"Inputs of this task have {len(shown.input):,} steps, so k ends at {reach:,}.")
    if not norms:
        notes.append("The cell carries no state, so no gradient flows back in time: it learns from each step alone.")
    return GradientFindings(
        about=about(run, passage.source),
        weights="initial" if initial else "trained",
        positions=shown.input.shape[1],
        steps=reach,
        window=run.settings.training.window if shown.carried else None,
        courses=tuple(_course(place, values) for place, values in norms.items()),
        notes=tuple(notes),
    )


def gradient_norms(
    recurrence: Recurrence,
    input: Tensor,
    loss: Callable[[Tensor, ModelState], Tensor],
    steps: int,
    told_at: int | None = None,
) -> dict[Place, Tensor]:
    """Compute the norm of d loss(t) / d state(t − k) for k = 0 … `steps`, where t is the last step of the input.

    A backward cell reads in the other direction: its last step is the first of the input, and k counts up from there.

    A state's gradient is the total derivative over all paths from it: for the LSTM's c this includes the path through h
    of the same step, as in the equations of backpropagation through time. Lanes are independent, so one backward pass
    of the sum of their losses gives the gradient of each.

    Args:
        input: (time, batch, features).
        loss: maps the outputs (time, batch, outputs) and the state after the last step to losses (batch,).
        steps: at most the number of steps of the input.
        told_at: the step from which both directions count, if the loss is at one step in the middle.

    Returns:
        For each state of each layer, (steps + 1, batch) by increasing k; empty if no state is carried.
    """
    # Earlier steps are read without gradients, except by a backward cell, whose last steps they are.
    lead = 0 if recurrence.backward_cells else len(input) - 1 - steps
    before, outputs = recurrence.initial_state(input.shape[1], input), []
    with torch.no_grad():
        if lead:
            earlier = trace(recurrence, input[:lead], before)
            before, outputs = earlier.after, earlier.outputs
    with torch.enable_grad():
        kept = trace(recurrence, input[lead:], before, every_state=True)
        chosen = _chosen(kept, steps, told_at)
        wanted = [value for values in chosen.values() for value in values]
        if not wanted:
            return {}
        total = loss(torch.stack([*outputs, *kept.outputs]), kept.after).sum()
        found = torch.autograd.grad(total, wanted, allow_unused=True)  # a state without a path to the loss: gradient 0
    norms = [torch.zeros(input.shape[1]).to(input) if gradient is None else _norm(gradient) for gradient in found]
    each = [norms[start : start + steps + 1] for start in range(0, len(norms), steps + 1)]
    return {place: torch.stack(values) for place, values in zip(chosen, each, strict=True)}


def _chosen(kept: Trace, steps: int, told_at: int | None) -> dict[Place, list[Tensor]]:
    """Return each state's values at k = 0 … `steps`."""
    last = len(kept.outputs) - 1
    chosen = {}
    for cell in kept.cells:
        backward = cell.direction == "backward"
        start = told_at if told_at is not None else 0 if backward else last
        times = [start + k if backward else start - k for k in range(steps + 1)]
        for name, values in cell.states.items():
            if values[start].requires_grad:  # a count or a stabiliser has no gradient
                chosen[Place(cell.layer, name, cell.direction)] = [values[time] for time in times]
    return chosen


def fitted_rate(norms: list[float]) -> float | None:
    """Fit the factor by which a norm changes with each k: e to the slope of ln(norm) over k, by least squares.

    Zeros and norms below 10⁻³⁰⁰ are excluded; None if fewer than two norms remain.
    """
    known = [(k, math.log(norm)) for k, norm in enumerate(norms) if norm > SMALLEST]
    if len(known) < 2:
        return None
    k, logarithms = np.array(known).T
    return float(np.exp(np.polyfit(k, logarithms, 1)[0]))


def _norm(gradient: Tensor) -> Tensor:
    """Reduce (batch, …) to norms (batch,), scaled so that the squares of tiny numbers do not underflow."""
    gradient = gradient.flatten(1)
    largest = gradient.abs().amax(dim=-1, keepdim=True).clamp(min=torch.finfo(gradient.dtype).tiny)
    norms: Tensor = largest[..., 0] * (gradient / largest).norm(dim=-1)
    return norms


def _course(place: Place, norms: Tensor) -> GradientCourse:
    """Summarise norms (steps + 1, batch) over positions."""
    logarithms = norms.clamp(min=SMALLEST).log()
    low, high = torch.quantile(norms, torch.tensor([0.25, 0.75]).to(norms), dim=1)
    means = (logarithms.mean(1).exp() * (norms > SMALLEST).any(1)).tolist()
    return GradientCourse(
        layer=place.layer + 1,
        state=place.state,
        norms=tuple(means),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        rate=fitted_rate(means),
        direction=place.direction,
    )
