"""The inspected computation equals the normal one bit for bit."""

from __future__ import annotations

import pytest
import torch

from lstmctl.cells.cell import Cell, checked_options
from lstmctl.inspection import inspect_gates
from lstmctl.inspection.passages import held_out
from lstmctl.inspection.trace import trace
from lstmctl.models.recurrence import Recurrence
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.registry import CELLS as NAMES
from lstmctl.registry import resolve
from tests.inspection.conftest import CELLS, Runs
from tests.some_cells import SOME

CELLS_OF_OURS = {name: resolve(name, NAMES, Cell) for name in SOME}


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_states_and_gates_are_those_of_the_plain_loop(cell: str, runs: Runs) -> None:
    run = runs(cell)
    model = run.model
    assert isinstance(model, SequenceModel)
    part = held_out(run).part
    shown = run.task.inspection_input(model, part, steps=40, lanes=3)
    read = trace(shown.recurrence, shown.input)
    starts = torch.linspace(0, len(part) - 41, 3).long()
    state = model.initial_state(3)
    for time in range(40):
        step = model.step(part[starts + time].long(), state)
        state = step.state
        for layer, cell_ in enumerate(model.recurrence.forward_cells):
            for name, value in zip(cell_.states, state[layer], strict=True):  # type: ignore[arg-type, call-overload]
                assert torch.equal(read.cells[layer].states[name][time], value)
            assert set(read.cells[layer].gates) == set(step.gates[layer])
            for name, value in step.gates[layer].items():
                assert torch.equal(read.cells[layer].gates[name][time], value)
        assert torch.equal(model.head(read.outputs[time]), step.output)
    assert all(
        torch.equal(mine, theirs)
        for layers in zip(read.after, state, strict=True)
        for mine, theirs in zip(*layers, strict=True)
    )


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_what_is_found_holds_the_very_numbers(cell: str, runs: Runs) -> None:
    run = runs(cell)
    model = run.model
    assert isinstance(model, SequenceModel)
    found = inspect_gates(run, symbols=30, units=(7, 2))
    part = held_out(run).part
    state = model.initial_state(1)
    for time in range(30):
        step = model.recurrence.step(model.input_map(part[time : time + 1].long()), state)
        state = step.state
        known = dict(step.gates[1])
        known |= dict(zip(model.recurrence.forward_cells[1].states, state[1], strict=True))  # type: ignore[arg-type]
        known = known or {"output": step.output}
        assert [panel.name for panel in found.panels] == list(known)
        for panel in found.panels:
            assert [row[time] for row in panel.values] == known[panel.name][0, [7, 2]].tolist()
    text = "".join(found.symbols)
    assert text == run.task.encoding.decode(part[:30].numpy())  # type: ignore[attr-defined]


@pytest.mark.parametrize("cell", list(CELLS_OF_OURS))
@torch.no_grad()
def test_both_directions_are_those_of_the_plain_loop(cell: str) -> None:
    made = CELLS_OF_OURS[cell]
    recurrence = Recurrence(
        lambda inputs: made(inputs, 4, checked_options(made, {})),
        8,
        2,
        layer_norm=True,
        residual=True,
        bidirectional=True,
    )
    recurrence.initialise(torch.Generator().manual_seed(3))
    input = torch.randn(7, 3, 8, generator=torch.Generator().manual_seed(4))
    read = trace(recurrence, input)
    assert [(one.layer, one.direction) for one in read.cells] == [
        (layer, direction) for layer in (0, 1) for direction in ("forward", "backward")
    ]
    moments = [moment.clone() for moment in input]
    for layer, norm in enumerate(recurrence.norms):
        outputs = []
        for place, cells in enumerate((recurrence.forward_cells, recurrence.backward_cells)):
            one, kept = cells[layer], read.cells[2 * layer + place]
            assert isinstance(one, Cell)
            assert kept.cell is one
            state, own = one.initial_state(3, input), {}
            for time in range(7) if place == 0 else reversed(range(7)):
                step = one.step(one.project(moments[time]), state)
                state, own[time] = step.state, step.output
                for name, value in [*zip(one.states, state, strict=True), *step.gates.items()]:
                    assert torch.equal((kept.states | kept.gates)[name][time], value)
            outputs.append(own)
            half = len(read.after[layer]) // 2
            for mine, theirs in zip(read.after[layer][half * place : half * (place + 1)], state, strict=True):
                assert torch.equal(mine, theirs)
        joined = [torch.cat([outputs[0][time], outputs[1][time]], dim=-1) for time in range(7)]
        moments = [norm(moment + both) for moment, both in zip(moments, joined, strict=True)]
    assert torch.equal(torch.stack(read.outputs), torch.stack(moments))
    torch.testing.assert_close(torch.stack(read.outputs), recurrence.whole(input, torch.full((3,), 7)))
