"""Data frames of pandas, polars and others where a table's path is taken, and back (through narwhals)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstmctl.cache import cache_folder
from lstmctl.errors import ResourceError, UsageError
from lstmctl.results.evaluation import Evaluation
from lstmctl.results.forecasts import Backtest, Forecasts
from lstmctl.results.output import Predictions
from lstmctl.storage import disk_errors, replace_file


def is_frame(data: object) -> bool:
    """Return whether `data` is a data frame rather than a path or a mapping; imports no library of frames."""
    return hasattr(data, "columns") and hasattr(data, "__getitem__") and not isinstance(data, str | Path | Mapping)


def table_of(frame: Any) -> str:
    """Write a data frame as a CSV file into the cache, named by its content, and return its path.

    The index of a pandas frame becomes a column if it has a name or holds dates.

    Raises:
        UsageError: it is not a data frame, or narwhals is not installed.
        ResourceError: it cannot be written.
    """
    narwhals = _narwhals()
    index = getattr(frame, "index", None)
    if index is not None and (getattr(index, "name", None) is not None or hasattr(index, "freq")):
        frame = frame.reset_index()
    try:
        content = io.BytesIO()
        narwhals.from_native(frame, eager_only=True).write_csv(content)
    except TypeError as error:
        raise UsageError(f"{type(frame).__name__} is not a data frame that can be read: {error}") from error
    folder = cache_folder()
    if folder is None:
        raise ResourceError("no home folder for data frames", hint="set one: LSTMCTL_CACHE=FOLDER")
    path = folder / "frames" / f"frame-{hashlib.sha256(content.getvalue()).hexdigest()[:16]}.csv"
    if not path.exists():
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content.getvalue())
    return str(path)


def frame_of(columns: Mapping[str, Sequence[Any]], backend: str = "polars") -> Any:
    """Return columns as a data frame.

    Args:
        columns: by name.
        backend: `polars`, `pandas`, `pyarrow` or another that narwhals knows.

    Raises:
        UsageError: the backend is unknown or not installed.
    """
    if backend == "polars":
        import polars

        return polars.DataFrame(dict(columns))
    try:
        return _narwhals().from_dict(dict(columns), backend=backend).to_native()
    except (ValueError, ImportError) as error:
        raise UsageError(f"no data frame of {backend}: {error}") from error


def forecasts_frame(forecasts: Forecasts, backend: str) -> Any:
    """Return columns `unique_id`, `ds`, `forecast`, and the ends of intervals: `forecast-lo-80`, `forecast-hi-80`."""
    from lstmctl.data.forecast_table import forecast_columns  # imports polars

    return frame_of(forecast_columns(forecasts, "forecast"), backend)


def backtest_frame(backtest: Backtest, backend: str) -> Any:
    """Return the columns of `forecasts_frame`, the last time before each forecast (`cutoff`), and true values (`y`)."""
    from lstmctl.data.forecast_table import forecast_columns

    return frame_of(forecast_columns(backtest.forecasts, "forecast", backtest.cutoffs), backend)


def evaluation_frame(evaluation: Evaluation, backend: str) -> Any:
    """Return one row per series and model, or per model for a single series or another task; one column per metric."""
    from lstmctl.data.forecast_table import series_columns

    if evaluation.by_series:
        return frame_of(series_columns(evaluation.by_series), backend)
    models = {"run": evaluation.metrics, **evaluation.baselines}
    names = dict.fromkeys(name for metrics in models.values() for name in metrics)
    values = {name: [metrics.get(name) for metrics in models.values()] for name in names}
    return frame_of({"model": list(models), **values}, backend)


def predictions_frame(predictions: Predictions, backend: str) -> Any:
    """Return one row per sequence, or per frame if frames have labels."""
    from lstmctl.data.prediction_table import prediction_rows

    names, rows = prediction_rows(predictions, texts=True)
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return frame_of({name: list(values) for name, values in zip(names, columns, strict=True)}, backend)


def backend_of(frame: Any) -> str:
    """Return the name of the library that a data frame belongs to: `pandas`."""
    return type(frame).__module__.partition(".")[0]


def _narwhals() -> Any:
    try:
        import narwhals
    except ImportError as error:
        raise UsageError(
            "data frames need the package narwhals", hint='install it: pip install "lstmctl[frames]"'
        ) from error
    return narwhals
