"""What is looked at is bit for bit what runs where nobody looks."""

from __future__ import annotations

import pytest
import torch

from lstmctl.cells.lstm import LSTM, LSTMOptions
from lstmctl.errors import UsageError
from lstmctl.inspection import inspect_gates
from lstmctl.inspection.passages import held_out
from lstmctl.inspection.trace import trace
from lstmctl.models.recurrence import Recurrence
from lstmctl.models.sequence_model import SequenceModel
from tests.inspection.conftest import CELLS, Runs


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_states_and_gates_are_those_of_the_plain_loop(cell: str, runs: Runs) -> None:
    run = runs(cell)
    model = run.model
    assert isinstance(model, SequenceModel)
    part = held_out(run).part
    shown = run.task.inspected(model, part, steps=40, lanes=3)
    read = trace(shown.recurrence, shown.input)
    starts = torch.linspace(0, len(part) - 41, 3).long()
    state = model.initial_state(3)
    for time in range(40):
        step = model.step(part[starts + time].long(), state)
        state = step.state
        for layer, cell_ in enumerate(model.recurrence.forward_cells):
            for name, value in zip(cell_.states, state[layer], strict=True):  # type: ignore[arg-type, call-overload]
                assert torch.equal(read.states[layer][name][time], value)
            assert set(read.gates[layer]) == set(step.gates[layer])
            for name, value in step.gates[layer].items():
                assert torch.equal(read.gates[layer][name][time], value)
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


def test_a_network_that_reads_backwards_cannot_go_step_by_step() -> None:
    recurrence = Recurrence(lambda inputs: LSTM(inputs, 4, LSTMOptions()), 3, 1, bidirectional=True)
    with pytest.raises(UsageError, match="bidirectional"):
        trace(recurrence, torch.zeros(5, 1, 3))
