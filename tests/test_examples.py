"""The notebooks of `examples/` run from top to bottom, on shorter budgets, and their last values show themselves."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SHORTER = {
    r"training\.budget=[^\"]*": 'training.budget=3 steps", "threads=1", "model.hidden=8',
    r'"travellers", \[': '"travellers", ["data.split=[8000,1000,1000]", "training.window=16", "training.batch=8", ',
    r'"adding", \[': '"adding", ["data.held_out=20", ',
    r"seeds=2": "seeds=1",
}


@pytest.mark.drawn
@pytest.mark.parametrize("notebook", ["text", "comparison_and_forecast"])
def test_a_notebook_runs(notebook: str) -> None:
    cells = json.loads((EXAMPLES / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    shown = 0
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == []
        source = "".join(cell["source"])
        for pattern, shorter in SHORTER.items():
            source = re.sub(pattern, shorter, source)
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, notebook, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), notebook, "eval"), names)
            if value is not None:
                picture = getattr(value, "_repr_png_", None) or value._repr_html_
                assert len(picture()) > 500
                shown += 1
    assert shown >= 4
