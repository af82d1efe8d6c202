"""Zero-shot forecasts of the Chronos family (extra `chronos`), from weights in a local folder."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl.baselines.packages import Forecaster, imported, series_of
from lstmctl.baselines.series import Floats
from lstmctl.errors import UsageError

AT_ONCE = 256
"""Series in a batch."""


def chronos(path: str | None) -> Forecaster:
    """Return the medians of a pretrained Chronos, Chronos-Bolt or Chronos-2 whose weights are in the folder `path`.

    Raises:
        UsageError: the package is missing, or the folder does not contain one of these models.
    """
    if path is None or not (Path(path) / "config.json").is_file():
        raise UsageError(
            "--baseline chronos needs a folder with weights" + ("" if path is None else f": {path} has no config.json"),
            hint="download them, such as huggingface.co/amazon/chronos-bolt-small: --baseline chronos=FOLDER",
        )
    package = imported("chronos", "chronos", "chronos")
    try:
        pipeline: Any = package.BaseChronosPipeline.from_pretrained(path, device_map="cpu", local_files_only=True)
    except Exception as error:  # a wrong file can cause any exception in that package
        raise UsageError(f"--baseline chronos={path}: the model cannot be loaded: {error}") from error

    def forecast(history: Floats, horizon: int, season: int) -> Floats:
        import torch

        series = [torch.from_numpy(values.astype(np.float32)) for values in series_of(history)]
        found = np.empty((len(series), horizon))
        for start in range(0, len(series), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on horizons beyond those it was trained for
                quantiles, _ = pipeline.predict_quantiles(
                    series[some], prediction_length=horizon, quantile_levels=[0.5]
                )
            found[some] = [each.reshape(horizon).float().numpy() for each in quantiles]
        windows, _, channels = history.shape
        return np.moveaxis(found.reshape(windows, channels, horizon), 1, 2)

    return forecast
