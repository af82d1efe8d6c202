"""Names of classes, and their resolution.

A table maps a plain name to ``"module:Class"``. A name with a colon is a user's own class; importing it runs code that
is not part of lstmctl, so callers obtain consent (`--trust`) first.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from lstmctl.errors import ConfigError

CELLS: Mapping[str, str] = {
    "rnn": "lstmctl.cells.rnn:RNN",
    "lstm": "lstmctl.cells.lstm:LSTM",
    "gru": "lstmctl.cells.gru:GRU",
    "feedforward": "lstmctl.cells.feedforward:FeedForward",
}
TASKS: Mapping[str, str] = {
    "language-model": "lstmctl.tasks.language_model:LanguageModel",
    "forecast": "lstmctl.tasks.forecast:Forecast",
    "classification": "lstmctl.tasks.classification:Classification",
    "regression": "lstmctl.tasks.regression:Regression",
    "tagging": "lstmctl.tasks.tagging:Tagging",
    "transduction": "lstmctl.tasks.transduction:Transduction",
    "generation-from-label": "lstmctl.tasks.generation_from_label:GenerationFromLabel",
}

Class = TypeVar("Class")


def is_user_class(name: str) -> bool:
    """Return whether `name` is a user's own ``module:Class`` rather than a name from a table."""
    return ":" in name


def cell_name(name: str) -> str:
    """Return a cell's name for file names: for a user's ``module:Class``, the class in lower case."""
    return name.rpartition(":")[2].lower()


def resolve(name: str, table: Mapping[str, str], base: type[Class], folders: Iterable[Path] = ()) -> type[Class]:
    """Return the class with this name, which must be a subclass of `base`.

    Args:
        name: a key of `table`, or a user's ``module:Class``.
        table: plain names to ``module:Class``.
        base: the required base class.
        folders: folders to search for a user's module file, in order, before the installed packages.

    Raises:
        ConfigError: the name is unknown, its module cannot be imported, or its class is not a `base`.
    """
    if not is_user_class(name) and name not in table:
        raise ConfigError(f"`{name}` is not known; use one of {', '.join(table)}, or your own `module:Class`")
    module_name, _, class_name = table.get(name, name).partition(":")
    if module_name == "__main__":
        raise ConfigError(f"`{name}` cannot be found by another process; move the class into a separate module")
    try:
        module = _import(module_name, folders) if is_user_class(name) else importlib.import_module(module_name)
    except Exception as error:
        raise ConfigError(
            f"`{name}` cannot be imported: {type(error).__name__}: {error}",
            hint=f"put {module_name}.py into the folder of the config or the current folder",
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        raise ConfigError(f"`{name}` is not a class: the module {module_name} has no `{class_name}`")
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigError(f"`{name}` must name a subclass of {base.__module__}.{base.__qualname__}")
    if found.__module__ != module_name:  # the stored source must be the one that defines the class
        raise ConfigError(f"`{name}` is defined in another module; name it there: `{found.__module__}:{class_name}`")
    return found


def source_file(name: str) -> Path | None:
    """Return the source file to keep for a user's class: a single module's; None if it is from an installed package."""
    module_name = name.partition(":")[0]
    if not is_user_class(name) or "." in module_name:
        return None
    file = getattr(sys.modules[module_name], "__file__", None)
    return Path(file) if file is not None else None


def source_hash(cls: type) -> str:
    """Return the SHA-256 of the file that defines `cls`, so that a run notices changes in a user's code."""
    return hashlib.sha256(Path(inspect.getfile(cls)).read_bytes()).hexdigest()


def _import(module_name: str, folders: Iterable[Path]) -> object:
    for folder in folders:
        path = folder / f"{module_name}.py"
        if path.is_file():
            spec = importlib.util.spec_from_file_location(module_name, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[module_name] = module
            spec.loader.exec_module(module)
            return module
    return importlib.import_module(module_name)
