"""The minimum memory of a training, computed before any of it is allocated.

A system may promise more memory than it has, and kill the process once it is used, without a message. So a network that
cannot fit is refused before it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lstmctl.api.assembly import build_model
from lstmctl.cells.cell import Cell
from lstmctl.config import Settings
from lstmctl.config.schema import SyntheticData
from lstmctl.errors import ResourceError
from lstmctl.models.sequence_model import count_parameters
from lstmctl.tasks.problem import AnyProblem
from lstmctl.training.device import memory_of

VALUES = (Tensor.log_, Tensor.neg, Tensor.normal_, nn.init.normal_)
"""Operations of the initialisers for which torch imports its compiler on the meta device, which takes seconds."""
BYTES_PER_PARAMETER = 12
"""A weight, its gradient and one moment of an optimizer, in float32."""
BYTES_PER_STATE = 2
"""One output of a layer at one step, kept for the gradients, in bfloat16."""
BYTES_OF_A_PROCESS = 400 * 2**20
"""Memory of Python and torch before a network is built."""
SMALL = 100
"""A network that fits into memory this many times is not checked."""
GIB = 2**30


def require_memory(settings: Settings, task: AnyProblem, cell: type[Cell], device: torch.device) -> None:
    """Refuse a training that needs more memory than the device has.

    Raises:
        ResourceError: the weights and states alone exceed the memory of the device.
    """
    if (memory := memory_of(device)) is None:
        return
    parameters = 0
    if SMALL * BYTES_PER_PARAMETER * _largest_layer(settings) > memory:
        with suppress(NotImplementedError, RuntimeError):  # a user's cell may read its values
            parameters = count_without_memory(settings, task, cell)
    needed = least_memory(settings, parameters)
    if needed > memory:
        counted = f"{parameters:,} parameters" if parameters else "the network"
        raise ResourceError(
            f"out of memory: training {counted} needs at least {needed / GIB:,.1f} GiB, and there "
            f"are {memory / GIB:,.1f} GiB",
            hint="a smaller model.hidden, model.layers or training.batch needs less",
        )


def least_memory(settings: Settings, parameters: int) -> int:
    """Return the bytes that the weights and states alone take: a lower bound on what training needs."""
    return BYTES_PER_PARAMETER * parameters + BYTES_PER_STATE * _states(settings)


def count_without_memory(settings: Settings, task: AnyProblem, cell: type[Cell]) -> int:
    """Count the trainable numbers of the model described by `settings`, without allocating its memory.

    Raises:
        NotImplementedError, RuntimeError: the cell is a user's own and cannot be built in this way, or a size is
            absurd.
    """
    with torch.device("meta"), Undrawn():
        return count_parameters(build_model(settings, task, cell, "float32"))


class Undrawn(TorchFunctionMode):
    """Skip `VALUES`, since tensors on the meta device have none. Each returns a tensor like its first argument."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function in VALUES:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def _largest_layer(settings: Settings) -> int:
    """Return an upper bound on the number of weights, unless the vocabulary is the largest size."""
    model, task = settings.model, settings.task
    sizes = [model.hidden, model.embedding, *(getattr(task, span, 1) for span in ("lookback", "horizon"))]
    return 4 * max(sizes) ** 2 * model.layers * model.ensemble


def _states(settings: Settings) -> int:
    """Return the number of layer outputs that the gradients of one part of a batch need."""
    model, training = settings.model, settings.training
    directions = 2 if model.direction == "bidirectional" else 1
    width = model.hidden * model.layers * directions * model.ensemble
    steps = 1  # decided by the data
    if settings.task.type == "language-model":
        steps = training.window
    elif settings.task.type == "forecast":
        steps = settings.task.lookback // settings.task.segment
    elif isinstance(settings.data, SyntheticData):
        steps = settings.data.length
    return training.batch // training.accumulate * steps * width
