"""The equations of every bundled cell, from its own `step`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lstmctl.cells.cell import Cell, checked_options
from lstmctl.export.graph import Body
from lstmctl.export.layers import Stack
from lstmctl.export.numpy_code import HELPERS, code
from lstmctl.export.tracing import traced_step
from lstmctl.models.recurrence import Recurrence
from lstmctl.registry import CELLS, resolve

SMALL = {"transformer": {"context": 7, "heads": 2}, "tcn": {"levels": 2}, "mlstm": {"heads": 2}}
"""Options with which the caches of 20 steps overflow."""
WIDE = {"mlstm", "transformer", "tcn"}
"""Cells whose states are more than one vector; their equations are in `export.wide_states`."""


@pytest.mark.parametrize("name", sorted(set(CELLS) - WIDE))
def test_a_traced_cell_computes_its_step(name: str) -> None:
    kind: type[Any] = resolve(name, CELLS, Cell)
    cell = kind(5, 8, checked_options(kind, {}))
    generator = torch.Generator().manual_seed(3)
    cell.initialise(generator)
    weights: dict[str, Any] = {}
    body = Body("step", "", weights)
    x = body.input("x", (5,), "")
    states = [body.input(state, (8,), "") for state in kind.states]
    output, after, gates = traced_step(cell, body, x, states, "_1")
    for place, value in enumerate([output, *after, *gates.values()]):
        body.output(f"out_{place}", value, "")
    assert set(gates) == set(kind.gates)
    names: dict[str, Any] = {"np": np, **weights}
    exec("\n".join([*HELPERS.values(), code(body.function())]), names)
    state = cell.initial_state(1, torch.zeros(1))
    own = [part[0].numpy() for part in state]
    for _ in range(20):
        features = torch.randn(1, 5, generator=generator)
        with torch.no_grad():
            step = cell.step(cell.project(features), state)
        found = names["step"](features[0].numpy(), *own)
        expected = [step.output, *step.state, *(step.gates[gate] for gate in gates)]
        for theirs, ours in zip(expected, found, strict=True):
            np.testing.assert_allclose(np.broadcast_to(ours, (8,)), theirs[0], atol=2e-6, rtol=1e-5)
        state, own = step.state, list(found[1 : 1 + len(own)])


@pytest.mark.parametrize("name", sorted(CELLS))
def test_a_cell_in_a_graph_computes_its_step(name: str) -> None:
    kind: type[Any] = resolve(name, CELLS, Cell)
    options = checked_options(kind, SMALL.get(name, {}))
    recurrence = Recurrence(lambda inputs: kind(inputs, 8, options), 5, 1)
    cell = recurrence.layers()[0].cells[0]
    cell.initialise(torch.Generator().manual_seed(3))
    with torch.no_grad():  # some start with weights of 0
        for parameter in cell.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(4)))
    weights: dict[str, Any] = {}
    functions: dict[str, Any] = {}
    stack, body = Stack(recurrence, functions, weights), Body("step", "", weights)
    x = body.input("x", (5,), "")
    output, (after,) = stack.step(body, x, stack.state_inputs(body))
    for place, value in enumerate([output, *after]):
        body.output(f"out_{place}", value, "")
    function = body.function()
    assert set(function.shown.values()) <= {f"{gate}_1" for gate in (*kind.gates, *cell.vectors())}
    names: dict[str, Any] = {"np": np, **weights}
    exec("\n".join([*HELPERS.values(), code(function)]), names)
    state = cell.initial_state(1, torch.zeros(1))
    own = [part[0].numpy() for part in state]
    generator = torch.Generator().manual_seed(5)
    for _ in range(20):
        features = torch.randn(1, 5, generator=generator)
        with torch.no_grad():
            step = cell.step(cell.project(features), state)
        found = names["step"](features[0].numpy(), *own)
        for theirs, ours in zip([step.output, *step.state], found, strict=True):
            np.testing.assert_allclose(ours, theirs[0], atol=5e-6, rtol=1e-5)
        state, own = step.state, list(found[1:])
