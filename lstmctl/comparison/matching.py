"""The width that gives a cell about the same number of parameters as another."""

from __future__ import annotations

from functools import cache

from lstmctl.api.assembly import build_model
from lstmctl.api.memory import count_without_memory
from lstmctl.cells.cell import Cell, checked_options
from lstmctl.config import Settings
from lstmctl.errors import ConfigError
from lstmctl.models.sequence_model import count_parameters
from lstmctl.tasks.problem import AnyProblem


def with_parameters(settings: Settings, task: AnyProblem, cell: type[Cell], target: int) -> Settings:
    """`settings` with the `model.hidden` whose model comes nearest to `target` trainable numbers.

    Raises:
        ConfigError: the cell refuses `model.options`, or a width on the way.
    """

    @cache
    def parameters(hidden: int) -> int:
        try:
            return parameters_of(_with_hidden(settings, hidden), task, cell)
        except (ValueError, AssertionError) as error:
            raise ConfigError(
                f"model.hidden — {settings.model.cell} cannot be {hidden} wide, so no width can be matched: {error}",
                hint="set the arm's own model.hidden, which is then kept, or --match hidden",
            ) from error

    # The count grows with the width: first a width that has enough, then halving the gap below it. Widths are counted
    # in the multiples that the cell allows.
    unit = cell.multiple(checked_options(cell, settings.model.options))
    enough = 1
    while parameters(enough * unit) < target:
        enough *= 2
    low, high = enough // 2, enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if parameters(middle * unit) < target else (low, middle)
    widths = [count * unit for count in (low, high) if count]
    return _with_hidden(settings, min(widths, key=lambda width: abs(parameters(width) - target)))


def parameters_of(settings: Settings, task: AnyProblem, cell: type[Cell]) -> int:
    """All trainable numbers of the model that `settings` describe; it is built without its memory where that works."""
    try:
        return count_without_memory(settings, task, cell)
    except (NotImplementedError, RuntimeError):  # a user's cell may read its values
        return count_parameters(build_model(settings, task, cell, "float32"))


def _with_hidden(settings: Settings, hidden: int) -> Settings:
    return settings.model_copy(update={"model": settings.model.model_copy(update={"hidden": hidden})})
