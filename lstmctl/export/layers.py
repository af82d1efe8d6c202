"""Recurrent layers, with embeddings before and outputs after them, as graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from torch import nn

from lstmctl.cells.cell import Cell
from lstmctl.export.graph import Body, Function, Shape, Value
from lstmctl.export.modules import layer_norm, numbers
from lstmctl.export.tracing import NotExportableError, traced_step
from lstmctl.export.wide_states import EQUATIONS
from lstmctl.models.recurrence import Layer, Recurrence


class Stack:
    """The layers of a recurrence.

    Args:
        recurrence: with its weights.
        functions: of the predictor; functions that are scanned with are added.
        weights: of the predictor.
        prefix: of the names of states and weights, where a predictor has several stacks.
    """

    def __init__(
        self, recurrence: Recurrence, functions: dict[str, Function], weights: dict[str, NDArray[Any]], prefix: str = ""
    ) -> None:
        self.recurrence, self.functions, self.weights, self.prefix = recurrence, functions, weights, prefix
        self.layers = recurrence.layers()

    def state_inputs(self, body: Body, lanes: Shape = ()) -> list[list[Value]]:
        """Add the states of all layers to a function's inputs."""
        return [
            self._inputs(body, layer.cells[0], f"{self.prefix}{number}", lanes)
            for number, layer in enumerate(self.layers, start=1)
        ]

    def state_outputs(self, body: Body, states: Sequence[Sequence[Value]]) -> None:
        """Add the states to its outputs, under the names of the inputs."""
        for number, (layer, state) in enumerate(zip(self.layers, states, strict=True), start=1):
            for name, value in zip(type(layer.cells[0]).states, state, strict=True):
                body.output(f"{name}_{self.prefix}{number}", value, f"the new {name} state of layer {number}")

    def step(self, body: Body, x: Value, states: Sequence[Sequence[Value]]) -> tuple[Value, list[list[Value]]]:
        """Write one step of all layers; x (…, inputs)."""
        after = []
        for number, (layer, state) in enumerate(zip(self.layers, states, strict=True), start=1):
            output, now = _cell(body, layer.cells[0], x, list(state), f"{self.prefix}{number}")
            x = self._handed_on(body, layer, x, output, number)
            after.append(now)
        return x, after

    def whole(self, body: Body, x: Value) -> tuple[Value, list[list[Value]]]:
        """Write all steps of all layers from the initial state; x (time, …, inputs).

        Returns:
            The outputs (time, …, outputs), and the states after the last step, forward ones first.
        """
        after = []
        for number, layer in enumerate(self.layers, start=1):
            outputs, states = [], []
            for cell, back in zip(layer.cells, ("", "b"), strict=False):
                place = f"{self.prefix}{number}{back}"
                function = self._scanned(cell, place, x.shape[1:-1])
                inputs = list(function.inputs.values())[1:]
                starts = []
                for argument in inputs:
                    assert argument.initial is not None
                    starts.append(body.weight(f"initial_{argument.value.name}", argument.initial))
                found, now = body.scan(function, [x], starts, backwards=bool(back), name=f"layer_{place}")
                outputs += found
                states += now
            x = self._handed_on(body, layer, x, body.concat(outputs), number)
            after.append(states)
        return x, after

    def summary(self, body: Body, outputs: Value) -> Value:
        """Return the outputs (outputs,) that have seen the whole sequence, from the outputs (time, outputs) of
        `whole`."""
        width = outputs.shape[-1] or 0
        last = body.slice(outputs, -1, 0, axis=0) if outputs.shape[0] is None else None
        if last is None:
            length = outputs.shape[0] or 0
            last = body.slice(outputs, length - 1, length, axis=0)
        if not self.recurrence.backward_cells:
            return body.reshape(last, (width,), "summary")
        first = body.slice(outputs, 0, 1, axis=0)
        halves = body.slice(last, 0, width // 2), body.slice(first, width // 2, width)
        return body.reshape(body.concat(halves), (width,), "summary")

    def _scanned(self, cell: Cell, place: str, lanes: Shape) -> Function:
        name = f"layer_{place}_step"
        if name not in self.functions:
            body = Body(name, f"One step of layer {place}.", self.weights)
            x = body.input("x", (*lanes, cell.inputs), "the layer's input")
            state = self._inputs(body, cell, place, lanes)
            output, now = _cell(body, cell, x, state, place)
            body.output("output", output, "the layer's output")
            for part, value in zip(type(cell).states, now, strict=True):
                body.output(f"{part}_{place}", value, f"the new {part} state")
            self.functions[name] = body.function()
        return self.functions[name]

    def _inputs(self, body: Body, cell: Cell, place: str, lanes: Shape) -> list[Value]:
        if cell.vectors() != type(cell).states and type(cell) not in EQUATIONS:
            raise NotExportableError(
                f"the cell {type(cell).__name__} cannot be exported: it carries more than one vector per state"
            )
        like = next(cell.parameters())
        known = cell.initial_state(1, like)
        found = []
        for name, part in zip(type(cell).states, known, strict=True):
            initial = numbers(part[0].expand(*(dimension or 1 for dimension in lanes), *part.shape[1:]))
            found.append(
                body.input(f"{name}_{place}", initial.shape, f"the {name} state of layer {place}", initial=initial)
            )
        return found

    def _handed_on(self, body: Body, layer: Layer, x: Value, output: Value, number: int) -> Value:
        if self.recurrence.residual and x.shape[-1] == output.shape[-1]:
            output = x + output
        if isinstance(layer.norm, nn.Identity):
            return output
        if not isinstance(layer.norm, nn.LayerNorm):
            raise NotExportableError(f"{type(layer.norm).__name__} between layers cannot be exported")
        place = f"{self.prefix}{number}"
        return layer_norm(body, layer.norm, output, place, f"normed_{place}")


def _cell(body: Body, cell: Cell, x: Value, state: list[Value], place: str) -> tuple[Value, list[Value]]:
    equations = EQUATIONS.get(type(cell), traced_step)
    output, after, gates = equations(cell, body, x, state, f"_{place}")
    for name, value in gates.items():
        body.show(value, f"{name}_{place}")
    for name, value in zip(type(cell).states, after, strict=True):
        if name in cell.vectors():
            body.show(value, f"new_{name}_{place}", f"{name}_{place}")
    return output, after
