"""Export to one C99 file without malloc, with weights as tables of float32 or int8; a header; and an example."""

from __future__ import annotations

import re
from pathlib import Path

from lstmctl.export.c_check import run
from lstmctl.export.c_example import example
from lstmctl.export.c_helpers import HELPERS
from lstmctl.export.c_interface import entry, header
from lstmctl.export.c_statements import definition
from lstmctl.export.c_tables import quantised, table, vocabulary
from lstmctl.export.graph import Predictor
from lstmctl.export.targets import Target


def write(predictor: Predictor, folder: Path, precision: str) -> None:
    """Write `model.c`, `model.h` and `example.c`."""
    (folder / "model.c").write_text(source(predictor, precision), encoding="ascii")
    (folder / "model.h").write_text(header(predictor), encoding="ascii")
    (folder / "example.c").write_text(example(predictor), encoding="ascii")


def source(predictor: Predictor, precision: str = "float32") -> str:
    """Return `model.c`."""
    small = quantised(predictor) if precision == "int8" else set()
    emitted = [definition(function, predictor, small) for function in predictor.functions.values()]
    used = [name for name in HELPERS if any(re.search(rf"\b{name}\(", one) for one in emitted)]
    return "\n".join(
        [
            '#include "model.h"\n\n#include <math.h>\n#include <string.h>\n',
            *(table(name, array, small) for name, array in predictor.weights.items()),
            *(vocabulary(name, one) for name, one in predictor.vocabularies.items()),
            *(HELPERS[name] for name in used),
            *emitted,
            *(entry(predictor, predictor.functions[name]) for name in predictor.entries),
        ]
    )


def target() -> Target:
    """Return this form of export."""
    return Target(("float32", "int8"), write, run)
