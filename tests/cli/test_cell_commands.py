"""`lstmctl cells`, and commands on runs whose cells have states of other shapes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lstmctl.cells.listing import bundled_cells
from lstmctl.registry import CELLS
from tests.conftest import Command, Trained


def test_every_cell_is_listed_with_its_source(lstmctl: Command) -> None:
    printed = json.loads(lstmctl("cells", "list", "--json").out)
    assert [cell["name"] for cell in printed["cells"]] == list(CELLS)
    assert all(all(cell.values()) for cell in printed["cells"])
    table = lstmctl("cells", "list").out
    assert "lstm-1997" in table
    references = {cell.name: cell.reference for cell in bundled_cells()}
    assert references["peephole"] == "Gers et al. 2002"
    assert references["rnn"] == "Elman 1990"
    assert references["mgu"] == "Zhou et al. 2016"
    assert [name for name, reference in references.items() if reference is None] == ["feedforward"]


def test_a_cell_is_shown_with_its_equations(lstmctl: Command) -> None:
    shown = lstmctl("cells", "show", "cifg").out
    assert "c' = f ⊙ c + (1 − f) ⊙ g" in shown
    assert "Parameters: 3h(x + h + 1)" in shown
    refused = lstmctl("cells", "show", "lstn")
    assert refused.code == 2
    assert "`lstn` is not a bundled cell" in refused.err
    assert "lstmctl cells list" in refused.err


def test_listing_cells_imports_no_torch() -> None:
    program = "import sys; from lstmctl.cells import listing; listing.bundled_cells(); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"


@pytest.mark.parametrize("cell", ["transformer", "mlstm", "slstm"])
def test_a_trained_cell_writes_and_is_inspected(cell: str, lstmctl: Command, trained: Trained) -> None:
    trained("small", f"model.cell={cell}", "model.hidden=16", "training.budget=3 steps")
    assert len(json.loads(lstmctl("generate", "--length", "20", "--json").out)["texts"][0]["text"]) >= 20
    gates = lstmctl("inspect", "gates", "--json")
    if cell == "transformer":
        assert gates.code == 2
        assert "inspect gates does not apply to Transformer" in gates.err
        memory = json.loads(lstmctl("inspect", "memory", "--json").out)
        assert memory["layers"][0]["keeping_gate"] is None
    else:
        assert gates.code == 0, gates.err
        panels = {panel["name"] for panel in json.loads(gates.out)["panels"]}
        assert {"i", "f", "o"} <= panels
        assert "memory" not in panels
    gradients = lstmctl("inspect", "gradients", "--steps", "5", "--json")
    assert gradients.code == 0, gradients.err
