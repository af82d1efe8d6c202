"""Parts of a table of series as tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from lstmctl.data.series import SeriesCorpus, SeriesEncoding
from lstmctl.tasks.mapped_columns import MappedColumns, mapped_columns
from lstmctl.tasks.series_windows import SeriesPart, places

Columns = tuple[Tensor | MappedColumns, Tensor | MappedColumns, Tensor | MappedColumns, Tensor]


def columns_of(corpus: SeriesCorpus, encoding: SeriesEncoding, device: torch.device) -> Columns:
    """Return scaled targets, past and known columns (rows, …) of a table, and static ones (series, …), on a device."""
    if not corpus.is_mapped:
        scaled = encoding.scaled(corpus.table)
        values, past, known, static = (
            torch.from_numpy(array).to(device) for array in (scaled.values, scaled.past, scaled.known, scaled.static)
        )
        return values, past, known, static
    columns = mapped_columns(encoding, corpus.table, places(corpus.table.ids, encoding.ids))
    static = torch.from_numpy(encoding.scaled_static(corpus.table)).to(device)
    if device.type == "cpu":
        return *columns, static
    values, past, known = (column.to(device) for column in columns)
    return values, past, known, static


def part_of(
    corpus: SeriesCorpus, encoding: SeriesEncoding, name: str, columns: Columns, device: torch.device
) -> SeriesPart:
    """Return one part with all rows of the table, since windows reach back; `columns` are those of `columns_of`."""
    values, past, known, static = columns
    own = places(corpus.table.ids, encoding.ids)
    unscaled = ~encoding.has_scale[own]
    return SeriesPart(
        values,
        past,
        known,
        static,
        torch.from_numpy(corpus.table.bounds[:-1]).to(device),
        torch.from_numpy(corpus.parts[name]).to(device),
        torch.from_numpy(own).to(device),
        corpus.lookback,
        corpus.horizon,
        name,
        None if corpus.filled is None else torch.from_numpy(corpus.filled).to(device),
        None if corpus.middle is None or name != "validation" else torch.from_numpy(corpus.middle).to(device),
        torch.from_numpy(unscaled).to(device) if unscaled.any() else None,
        corpus.table.times,
    )
