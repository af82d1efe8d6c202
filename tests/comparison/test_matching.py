"""The width that is chosen is the nearest there is."""

from __future__ import annotations

import sys

import pytest

from lstmctl import registry
from lstmctl.cells.cell import Cell
from lstmctl.comparison.matching import parameters_of, with_parameters
from lstmctl.config import Settings, derive, load
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.errors import ConfigError
from lstmctl.tasks.language_model import LanguageModel
from tests import processes

SYMBOLS = "abcdefghijklmnopqrstuvwxyz .\n"


def of(settings: Settings) -> tuple[LanguageModel, type[Cell]]:
    task = LanguageModel(settings.task, TextEncoding.of(SYMBOLS), settings.training.window)
    return task, registry.resolve(settings.model.cell, registry.CELLS, Cell)


def test_the_count_is_that_of_the_equations() -> None:
    settings = derive(load("travellers").settings, ["model.hidden=10", "model.embedding=4"])
    symbols, hidden, embedding = len(set(SYMBOLS)), 10, 4
    for cell, gates in (("rnn", 1), ("gru", 3), ("lstm", 4)):
        own = derive(settings, [f"model.cell={cell}"])
        recurrence = gates * (hidden * embedding + hidden * hidden + 2 * hidden)
        norm = 2 * hidden  # its gain and bias
        expected = symbols * embedding + recurrence + norm + hidden * symbols + symbols
        assert parameters_of(own, *of(own)) == expected


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("tied", [False, True])
def test_no_other_width_is_nearer(cell: str, layers: int, tied: bool) -> None:
    overrides = [f"model.cell={cell}", f"model.layers={layers}", f"model.tie_embedding={str(tied).lower()}"]
    settings = derive(load("travellers").settings, overrides)
    task, found = of(settings)
    target = 54_321
    matched = with_parameters(settings, task, found, target)
    width = matched.model.hidden
    assert matched.model_copy(update={"model": settings.model}) == settings
    distances = {
        near: abs(parameters_of(derive(settings, [f"model.hidden={near}"]), task, found) - target)
        for near in (width - 1, width, width + 1)
    }
    assert min(distances, key=lambda near: distances[near]) == width


@pytest.mark.parametrize(("cell", "multiple"), [("transformer", 8), ("mlstm", 4), ("lru", 1)])
def test_a_matched_width_is_one_that_the_cell_allows(cell: str, multiple: int) -> None:
    settings = derive(load("travellers").settings, [f"model.cell={cell}"])
    task, found = of(settings)
    matched = with_parameters(settings, task, found, 54_321)
    width = matched.model.hidden
    assert width % multiple == 0
    distances = {
        near: abs(parameters_of(derive(settings, [f"model.hidden={near}"]), task, found) - 54_321)
        for near in (width - multiple, width, width + multiple)
    }
    assert min(distances, key=lambda near: distances[near]) == width


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    settings = derive(load("travellers").settings, ["model.cell=transformer", "model.hidden=100"])
    with pytest.raises(ConfigError) as caught:
        parameters_of(settings, *of(settings))
    assert caught.value.problems == ["model.hidden — 100 is not a multiple of 8, as the heads of Transformer need"]
    assert caught.value.hint == "model.hidden=96"


def test_a_target_below_the_smallest_model_gets_the_smallest() -> None:
    settings = load("travellers").settings
    assert with_parameters(settings, *of(settings), 1).model.hidden == 1


class Peeking(registry.resolve("rnn", registry.CELLS, Cell)):  # type: ignore[misc]  # a class found by its name
    """A cell that looks at a value while it is built, which a model without memory does not have."""

    def __init__(self, inputs: int, hidden: int, options: object) -> None:
        super().__init__(inputs, hidden, options)
        assert next(self.parameters()).sum().item() is not None


def test_a_cell_that_looks_at_its_values_is_counted_too() -> None:
    settings = derive(load("travellers").settings, ["model.cell=rnn", "model.hidden=20"])
    task, plain = of(settings)
    assert parameters_of(settings, task, Peeking) == parameters_of(settings, task, plain)


COUNT = """
import sys
from lstmctl.comparison.arms import arms_of
from lstmctl.comparison.planning import make_plan
from lstmctl.config import load
SMALL = ["data.split=[2000, 500, 500]", "model.hidden=8", "training.batch=2", "training.window=8"]
for name, overrides in (("travellers", SMALL), ("adding", []), ("energy", [])):
    arms = arms_of(["rnn", "lstm", "gru"], [])
    make_plan(load(name, overrides), arms, [()], seeds=1, match="parameters", overrides=(), command="")
    assert "torch._dynamo" not in sys.modules, name
"""


@pytest.mark.fork
def test_counting_does_not_import_the_compiler() -> None:
    processes.run([sys.executable, "-c", COUNT], check=True)
