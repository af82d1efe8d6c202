"""Names of classes and functions, and their resolution.

A table maps a plain name to ``"module:Class"``. A name with a colon is a user's own class; importing it runs code that
is not part of lstmctl, so callers obtain consent (`--trust`) first.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from lstmctl.errors import ConfigError, UsageError

CELLS: Mapping[str, str] = {
    "rnn": "lstmctl.cells.rnn:RNN",
    "lstm": "lstmctl.cells.lstm:LSTM",
    "gru": "lstmctl.cells.gru:GRU",
    "lstm-1997": "lstmctl.cells.lstm1997:LSTM1997",
    "peephole": "lstmctl.cells.peephole:PeepholeLSTM",
    "cifg": "lstmctl.cells.cifg:CoupledLSTM",
    "layernorm-lstm": "lstmctl.cells.layernorm_lstm:LayerNormLSTM",
    "mogrifier": "lstmctl.cells.mogrifier:MogrifierLSTM",
    "slstm": "lstmctl.cells.slstm:SLSTM",
    "mlstm": "lstmctl.cells.mlstm:MLSTM",
    "mgu": "lstmctl.cells.mgu:MinimalGatedUnit",
    "mingru": "lstmctl.cells.mingru:MinGRU",
    "minlstm": "lstmctl.cells.minlstm:MinLSTM",
    "indrnn": "lstmctl.cells.indrnn:IndRNN",
    "lru": "lstmctl.cells.lru:LRU",
    "feedforward": "lstmctl.cells.feedforward:FeedForward",
    "transformer": "lstmctl.cells.transformer:Transformer",
    "tcn": "lstmctl.cells.tcn:TemporalConvolution",
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

BASELINES: Mapping[str, str] = {
    "AutoETS": "lstmctl.baselines.statsforecast:auto_ets",
    "AutoARIMA": "lstmctl.baselines.statsforecast:auto_arima",
    "chronos": "lstmctl.baselines.chronos:chronos",
}
"""Functions from a path, or None, to a forecaster of another package; see `baselines.packages`."""
INSPECTIONS: Mapping[str, str] = {
    "gates": "lstmctl.inspection:inspect_gates",
    "memory": "lstmctl.inspection:inspect_memory",
    "gradients": "lstmctl.inspection:inspect_gradients",
    "recall": "lstmctl.inspection:inspect_recall",
}
"""Functions that inspect a run."""
DESCRIPTIONS: Mapping[str, str] = {
    "language-model": "lstmctl.export.texts:describe_language_model",
    "forecast": "lstmctl.export.forecasts:describe_forecaster",
    "classification": "lstmctl.export.sequences:describe_labeller",
    "regression": "lstmctl.export.sequences:describe_labeller",
    "tagging": "lstmctl.export.sequences:describe_labeller",
    "transduction": "lstmctl.export.pairs:describe_transduction",
    "generation-from-label": "lstmctl.export.texts:describe_generation",
}
"""Functions from a run to the graph of its predictor, by task."""
EXPORTS: Mapping[str, str] = {
    "numpy": "lstmctl.export.numpy_code:target",
    "c": "lstmctl.export.c_code:target",
    "javascript": "lstmctl.export.javascript:target",
    "onnx": "lstmctl.export.onnx_graph:target",
}
"""Functions that return a form of export."""
VIEWS: Mapping[str, str] = {
    "Comparison": "lstmctl.reporting.comparison_page:comparison_blocks",
    "Bench": "lstmctl.reporting.bench_page:bench_blocks",
    "Sweep": "lstmctl.reporting.sweep_page:sweep_blocks",
    "Search": "lstmctl.reporting.search_page:search_blocks",
    "Evaluation": "lstmctl.reporting.evaluation_page:evaluation_blocks",
    "Backtest": "lstmctl.reporting.backtest_tables:backtest_blocks",
    "Exported": "lstmctl.reporting.export_facts:export_blocks",
    "LivingPage": "lstmctl.reporting.export_facts:living_page_blocks",
    "Forecasts": "lstmctl.reporting.forecast_page:forecast_blocks",
    "GateFindings": "lstmctl.reporting.inspection_page:gate_view",
    "MemoryFindings": "lstmctl.reporting.inspection_page:memory_view",
    "GradientFindings": "lstmctl.reporting.inspection_page:gradient_view",
    "RecallFindings": "lstmctl.reporting.inspection_page:recall_view",
}
"""Functions from a result to the blocks that a notebook shows of it, by the result's class."""
NOTEBOOK: Mapping[str, str] = {
    "html": "lstmctl.reporting.notebook:html",
    "plot": "lstmctl.reporting.notebook:figure",
}
"""Functions from a result to its form in a notebook."""
FRAMES: Mapping[str, str] = {
    "Evaluation": "lstmctl.api.frames:evaluation_frame",
    "Forecasts": "lstmctl.api.frames:forecasts_frame",
    "Backtest": "lstmctl.api.frames:backtest_frame",
    "Predictions": "lstmctl.api.frames:predictions_frame",
}
"""Functions from a result to a data frame, by the result's class."""
TABLE_FORMS: Mapping[str, str] = {
    "markdown": "lstmctl.reporting.papers:markdown",
    "latex": "lstmctl.reporting.papers:latex",
}
"""Functions from blocks, and the command that they come from, to the text of a paper."""
TRACKERS: Mapping[str, str] = {
    "tensorboard": "lstmctl.tracking.tensorboard:TensorBoard",
    "trackio": "lstmctl.tracking.trackio:Trackio",
    "wandb": "lstmctl.tracking.wandb:WandB",
    "mlflow": "lstmctl.tracking.mlflow:MLflow",
}
"""Classes that pass the events of a run on to another program; see `tracking.listening.Tracker`."""

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
    except (Exception, SystemExit) as error:
        is_missing = isinstance(error, ModuleNotFoundError) and error.name == module_name
        raise ConfigError(
            f"`{name}` cannot be imported: {type(error).__name__}: {error}",
            hint=f"put {module_name}.py into the folder of the config or the current folder" if is_missing else None,
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        raise ConfigError(f"`{name}` is not a class: the module {module_name} has no `{class_name}`")
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigError(f"`{name}` must name a subclass of {base.__module__}.{base.__qualname__}")
    if found.__module__ != module_name:  # the stored source must be the one that defines the class
        raise ConfigError(f"`{name}` is defined in another module; name it there: `{found.__module__}:{class_name}`")
    return found


def function(name: str, table: Mapping[str, str]) -> Callable[..., Any]:
    """Return the function with this name in a table of ``module:function``.

    Raises:
        UsageError: the table lacks the name.
    """
    if name not in table:
        raise UsageError(f"`{name}` is not known; use one of {', '.join(table)}")
    module_name, _, function_name = table[name].partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module_name), function_name)
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
