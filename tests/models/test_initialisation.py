"""Weights drawn from one generator, module after module."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lstmctl.cells.lstm import LSTM
from lstmctl.config.schema import Model
from lstmctl.errors import ConfigError
from lstmctl.models.initialisation import initialise
from lstmctl.models.recurrence import build_recurrence


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_modules_draw_one_after_the_other_as_their_kind_asks() -> None:
    settings = Model(hidden=4, layers=2)
    embedding, linear, stack = nn.Embedding(5, 3), nn.Linear(3, 2), build_recurrence(settings, LSTM, 3)
    initialise(seeded(), embedding, None, linear, nn.Identity(), stack)
    generator = seeded()
    assert torch.equal(embedding.weight, torch.empty(5, 3).normal_(generator=generator))
    assert torch.equal(linear.weight, torch.empty(2, 3).uniform_(-(3**-0.5), 3**-0.5, generator=generator))
    assert linear.bias.tolist() == [0, 0]
    alone = build_recurrence(settings, LSTM, 3)
    alone.initialise(generator)
    assert all(map(torch.equal, stack.state_dict().values(), alone.state_dict().values()))


def test_a_stack_is_built_as_its_settings_say() -> None:
    settings = Model(hidden=4, layers=2, dropout=0.25, variational_dropout=True, layer_norm=True, residual=True)
    stack = build_recurrence(settings, LSTM, 3, bidirectional=True)
    assert [(cell.inputs, cell.hidden) for cell in stack.forward_cells] == [(3, 4), (8, 4)]
    assert [(cell.inputs, cell.hidden) for cell in stack.backward_cells] == [(3, 4), (8, 4)]
    assert (stack.outputs, stack.residual, stack.dropout.probability, stack.dropout.variational) == (
        8,
        True,
        0.25,
        True,
    )
    assert [type(norm) for norm in stack.norms] == [nn.LayerNorm] * 2
    assert len(build_recurrence(Model(hidden=4), LSTM, 3).backward_cells) == 0


def test_options_that_the_cell_lacks_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.options\.gates"):
        build_recurrence(Model(options={"gates": 3}), LSTM, 3)
