"""The house of five floors: imports go down, never up and never in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import lstmctl

PACKAGE = Path(lstmctl.__file__).parent
FLOORS = [
    [
        "errors",
        "events",
        "results",
        "metrics",
        "standings",
        "statistics",
        "seeds",
        "registry",
        "bundled",
        "cache",
        "storage",
        "locks",
        "shell",
        "openmp",
        "on_demand",
        "progress",
        "sampling_settings",
        "step_grammar",
        "words",
    ],
    ["config", "cells", "data", "baselines", "intervals", "runs", "reporting"],
    ["protocols", "models", "sampling", "decoding", "scoring", "tasks", "training"],
    ["api", "comparison", "deriving", "export", "inspection", "search", "tracking"],
    ["cli", "__main__"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# The neighbours that a room may look into on its own floor. All else on one floor do not know each other.
ARROWS = {
    "registry": {"errors"},
    "storage": {"errors"},
    "locks": {"errors", "storage"},
    "sampling_settings": {"errors"},
    "events": {"results"},
    "results": {"registry"},
    "standings": {"results"},
    "statistics": {"results", "seeds"},
    "models": {"protocols"},
    "decoding": {"protocols", "models", "sampling"},
    "scoring": {"protocols"},
    "tasks": {"protocols", "models", "decoding", "scoring"},
    "training": {"protocols", "models", "scoring"},
    "api": {"deriving", "tracking"},
    "comparison": {"api", "deriving", "inspection", "tracking"},
    "export": {"api", "inspection"},
    "inspection": {"api"},
    "search": {"api", "comparison", "deriving", "tracking"},
    "__main__": {"cli"},
}
HEAVY = {"rich": {"reporting"}, "matplotlib": {"reporting"}, "jinja2": {"reporting"}, "typer": {"cli"}}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, at_top: bool = False) -> set[str]:
    """Modules that a file imports anywhere, or only when it is itself imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    nodes = tree.body if at_top else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            # `from package import module` needs the module; the package itself is there already.
            found |= inner & MODULES or {node.module}
    return found


MODULES = {".".join(("lstmctl", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in PACKAGE.rglob("*.py")}


def sources() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py" and "_bundled" not in path.parts]


def test_every_room_has_a_floor() -> None:
    assert {room(path) for path in sources()} == set(FLOOR)


def test_imports_go_down_or_along_an_arrow() -> None:
    wrong = []
    for path in sources():
        here = room(path)
        for module in imports(path):
            parts = module.split(".")
            there = parts[1] if parts[0] == "lstmctl" and len(parts) > 1 and parts[1] in FLOOR else here
            if there != here and FLOOR[there] >= FLOOR[here] and there not in ARROWS.get(here, set()):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {module}")
    assert wrong == []


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    names = {path: ".".join(("lstmctl", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in sources()}
    names = {path: name.removesuffix(".__init__") for path, name in names.items()}
    edges = {name: imports(path) & set(names.values()) - {name} for path, name in names.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in edges[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def test_heavy_libraries_have_one_home_each() -> None:
    for library, rooms in HEAVY.items():
        users = {room(path) for path in sources() if any(m.split(".")[0] == library for m in imports(path))}
        assert users == rooms, library


def test_config_and_runs_import_no_torch_when_imported() -> None:
    for path in sources():
        if room(path) in ("config", "runs", "cli", "reporting") or FLOOR[room(path)] == 0:
            heavy = {module.split(".")[0] for module in imports(path, at_top=True)} & {"torch", "numpy", "matplotlib"}
            assert not heavy, path
