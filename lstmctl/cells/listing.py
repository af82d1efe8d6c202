"""Descriptions of the bundled cells, read from the docstrings of their files, without importing torch.

A docstring has the cell's name in a sentence, its equations, remarks, and the lines `Source:`, `Parameters:` (of one
layer, for inputs of width x and h units) and `In time:`, whose continuations are indented.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from lstmctl.registry import CELLS


@dataclass(frozen=True)
class CellDescription:
    """A cell's docstring."""

    name: str
    """As in `model.cell`."""
    title: str
    text: str
    """Equations and remarks."""
    source: str
    parameters: str
    """Parameters of one layer, as a formula of its input width x and its width h."""
    in_time: str
    """The method that computes whole sequences."""

    @property
    def reference(self) -> str | None:
        """The source as `Gers et al. 2002`; None if it is not a publication."""
        authors, _, rest = self.source.partition(', "')
        year = re.search(r"\b(?:19|20)\d\d\b", rest)
        first, *others = re.split(r", | & | et al\.", authors)
        return None if year is None else f"{first.split()[-1]}{' et al.' if others else ''} {year[0]}"


def bundled_cells() -> list[CellDescription]:
    """Return all bundled cells, in the order of the registry."""
    return [describe(name) for name in CELLS]


def describe(name: str) -> CellDescription:
    """Return a bundled cell's description."""
    module = CELLS[name].partition(":")[0].rpartition(".")[2]
    text = (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    doc = ast.get_docstring(ast.parse(text))
    assert doc is not None
    before, *fields = re.split(r"^(?:Source|Parameters|In time): ", doc, flags=re.MULTILINE)
    title, _, body = before.partition("\n\n")
    source, parameters, in_time = (" ".join(field.split()) for field in fields)
    return CellDescription(name, title.rstrip("."), body.rstrip(), source, parameters, in_time)
