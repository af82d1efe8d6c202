"""The last window of every series, to forecast the rows after the end of a table."""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl.config.schema import Forecast as ForecastSettings
from lstmctl.data.calendar import calendar_features
from lstmctl.data.series import SeriesCorpus
from lstmctl.data.series_encoding import SeriesEncoding, history_rows
from lstmctl.data.series_table import Table
from lstmctl.errors import DataError
from lstmctl.intervals import Floats
from lstmctl.tasks.series_windows import SeriesBatch, SeriesPart, places
from lstmctl.words import plural

log = logging.getLogger(__name__)


def last_windows(
    encoding: SeriesEncoding,
    settings: ForecastSettings,
    device: torch.device,
    corpus: SeriesCorpus | None = None,
    *,
    masked: bool = False,
    preview: bool = False,
) -> tuple[SeriesBatch, NDArray[np.int64]]:
    """Return the last window of every series, with labels NaN, and its last row (batch,) in the table.

    A series shorter than the lookback is padded: with missing values if the network sees which values are missing
    (`masked`), otherwise with its first row; a warning counts these series. Such a series is left out if its known
    columns end too early. Without a corpus, the windows are from the end of the run's own table. `preview` returns the
    first series only, with the mean for values that are not known far enough in advance.

    Raises:
        DataError: every series is shorter than the lookback, or columns known in advance end too early.
    """
    whole = encoding.tail if corpus is None else corpus.table
    if corpus is None and not whole.times.size:
        raise DataError(
            "the run was published without the last rows of its data",
            hint="name a table to forecast: lstmctl forecast RUN FILE",
        )
    table = whole.tail(max(settings.lookback, history_rows(encoding.season)), settings.horizon)
    scaled = encoding.scaled(table)
    where = "the run's own table" if corpus is None else corpus.names[0]
    lengths = table.ends - table.bounds[:-1]
    forecast = np.flatnonzero(lengths > 0)
    if (longest := int(lengths.max())) < settings.lookback:
        raise DataError(
            f"{where}: {'the longest series' if table.ids[1:] else 'the table'} has {longest:,} rows; "
            f"a forecast is made from task.lookback={settings.lookback:,}",
            hint="include the earlier rows as well",
        )
    if preview:
        forecast = np.flatnonzero(lengths >= settings.lookback)[:1]
    elif short := int((lengths[forecast] < settings.lookback).sum()):
        log.warning(
            "%s shorter than the %d rows that a forecast is based on: what precedes %s is unknown",
            *(plural(short, "series is", "series are"), settings.lookback, "it" if short == 1 else "them"),
        )
    rows, known, kept = [], [], []
    for index in forecast:
        end, stop = int(table.ends[index]), int(table.bounds[index + 1])
        what = table.ids[index] or where
        there = scaled.known[end : min(stop, end + settings.horizon), : len(encoding.known)]
        given = _rows_given(there)
        if not preview and encoding.known and given < settings.horizon:
            if lengths[index] < settings.lookback:
                continue
            last = encoding.step.text(int(table.times[end + given - 1]))
            raise DataError(
                f"{', '.join(encoding.known)} must be known for {settings.horizon:,} rows after the last "
                f"{', '.join(encoding.targets)} of {what}, but ends {given:,} rows after it, at {last}",
                hint="append rows with these columns alone, or train without data.known",
            )
        kept.append(index)
        rows.append(np.arange(end - settings.lookback, end))
        times = encoding.step.times_after(int(table.times[end - 1]), settings.horizon, int(table.days[index]))
        ahead = np.zeros((settings.horizon, len(encoding.known)))
        ahead[:given] = there[:given]
        known.append(np.concatenate([ahead, calendar_features(times, encoding.calendar, encoding.step)], axis=1))
    forecast = np.array(kept)
    taken, begins = np.stack(rows, axis=1), table.bounds[forecast]
    before = taken < begins
    taken = np.maximum(taken, begins)
    series = places([table.ids[index] for index in forecast], encoding.ids)
    values = scaled.values[taken]
    if masked:
        values[before] = np.nan
    inputs = torch.from_numpy(values).to(device)
    batch = SeriesBatch(
        input=inputs,
        target=inputs.new_full((settings.horizon, len(rows), len(encoding.targets)), torch.nan),
        fresh=True,
        past=torch.from_numpy(scaled.past[taken]).to(device),
        known=torch.from_numpy(np.concatenate([scaled.known[taken], np.stack(known, axis=1).astype(np.float32)])).to(
            device
        ),
        static=torch.from_numpy(scaled.static[forecast]).to(device).unsqueeze(0),
        series=torch.from_numpy(series).to(device),
        origins=torch.from_numpy(table.ends[forecast]).to(device),
        source=_source(encoding, table, torch.from_numpy(scaled.values).to(device), settings.horizon),
    )
    unscaled = ~encoding.has_scale[series]
    if unscaled.any():
        batch = batch.scaled_by_itself(torch.from_numpy(unscaled).to(device))
    return batch, whole.ends[forecast] - 1


def _source(encoding: SeriesEncoding, table: Table, values: Tensor, horizon: int) -> SeriesPart:
    """Return the rows before the forecasts as a part of a table."""
    device, nothing = values.device, values.new_zeros(len(values), 0)
    return SeriesPart(
        values,
        past=nothing,
        known=nothing,
        static=values.new_zeros(len(table.ids), 0),
        begins=torch.from_numpy(table.bounds[:-1]).to(device),
        rows=torch.from_numpy(np.stack([table.ends, table.ends + horizon], axis=1)).to(device),
        places=torch.from_numpy(places(table.ids, encoding.ids)).to(device),
        lookback=0,
        horizon=horizon,
    )


def _rows_given(known: Floats) -> int:
    """Count the first rows without a missing value."""
    lacking = np.isnan(known).any(axis=1)
    return int(np.argmax(lacking)) if lacking.any() else len(known)
