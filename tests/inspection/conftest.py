"""Small trained runs to look into, one for each cell, and one of a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lstmctl import Run, load_run, train

MY_CELL = '''
import torch
from torch import nn
from lstmctl.cells.cell import Cell, Step


class Leaky(Cell):
    """h' = λ h + (1 − λ) tanh(W x + U h)."""

    gates = ("leak",)
    keeps = "leak"

    def __init__(self, inputs, hidden, options):
        super().__init__(inputs, hidden, options)
        self.input, self.recurrent = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden, bias=False)
        self.leak = nn.Parameter(torch.linspace(-2, 2, hidden))

    def project(self, input):
        return self.input(input)

    def step(self, projected, state):
        (hidden,) = state
        leak = torch.sigmoid(self.leak)
        hidden = leak * hidden + (1 - leak) * torch.tanh(projected + self.recurrent(hidden))
        return Step(2 * hidden, (hidden,), {"leak": leak.expand_as(hidden)})
'''
CONFIG = """\
task: {{type: language-model, shape: {shape}}}
data: {{text: small.txt}}
model: {{cell: "{cell}", hidden: 10, layers: 2, embedding: 6}}
training: {{budget: 20 steps, batch: 4, window: 16, learning_rate: 1e-2, precision: float32, sample_every: 20}}
threads: 1
"""
CELLS = ["rnn", "lstm", "gru", "feedforward", "my_cell:Leaky"]


class Runs:
    """Trains each kind of run once, when it is first asked for."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder, self.known = folder, dict[tuple[str, str], Path]()
        (folder / "small.txt").write_text(text, encoding="utf-8")
        (folder / "my_cell.py").write_text(MY_CELL, encoding="utf-8")

    def __call__(self, cell: str, shape: str = "many-to-many") -> Run:
        if (cell, shape) not in self.known:
            name = f"{cell.replace(':', '-')}-{shape}"
            config = self.folder / f"{name}.yaml"
            config.write_text(CONFIG.format(cell=cell, shape=shape), encoding="utf-8")
            # Whoever asks first may have switched gradients off.
            with pytest.MonkeyPatch.context() as patch, torch.enable_grad():
                patch.setenv("LSTMCTL_RUNS", str(self.folder / "runs"))
                self.known[cell, shape] = train(config, trust=True).path
        return load_run(self.known[cell, shape], trust=True)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, text: str) -> Runs:
    """Makes a small run of a cell."""
    return Runs(tmp_path_factory.mktemp("inspected"), text)
